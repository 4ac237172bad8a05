//! Test bytes that show a loss.

/// Bytes with a period that is a prime number, so that a lost or doubled piece shows. They are made by copying, since
/// tests need megabytes of them in a build that is not optimised.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..65_521_usize).map(|i| (i ^ (i >> 8)).wrapping_mul(31) as u8).collect();
    let mut all = period.repeat(len.div_ceil(period.len()));
    all.truncate(len);
    all
}
