//! Times as numbers.

use std::time::{Duration, Instant};

/// A time, as a number of nanoseconds after an [`Origin`]. Two of them are compared or subtracted with one instruction
/// each, while subtracting two [`Instant`]s takes about forty. A turn does several of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

impl Moment {
    /// The end of time.
    pub(crate) const LAST: Moment = Moment(i64::MAX);

    /// The number of nanoseconds since an earlier moment. 0 if the other moment is not earlier.
    #[inline]
    pub(crate) fn nanoseconds_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0).max(0) as u64
    }

    /// The time since an earlier moment. Zero if the other moment is not earlier.
    #[inline]
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.nanoseconds_since(earlier))
    }

    /// The number of milliseconds since the origin. 0 before it.
    #[inline]
    pub(crate) fn milliseconds(self) -> u64 {
        self.nanoseconds_since(Moment(0)) / 1_000_000
    }
}

/// The time from which moments are counted: any time that is not long ago. Moments up to 292 years before and after it
/// can be told apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin(Instant);

impl Origin {
    pub(crate) fn new(origin: Instant) -> Origin {
        Origin(origin)
    }

    #[inline]
    pub(crate) fn moment(self, instant: Instant) -> Moment {
        match instant.checked_duration_since(self.0) {
            Some(after) => Moment(nanoseconds(after)),
            None => self.moment_before(instant),
        }
    }

    #[cold]
    fn moment_before(self, instant: Instant) -> Moment {
        Moment(-nanoseconds(self.0.saturating_duration_since(instant)))
    }

    pub(crate) fn instant(self, moment: Moment) -> Instant {
        let distance = Duration::from_nanos(moment.0.unsigned_abs());
        let instant = if moment.0 < 0 { self.0.checked_sub(distance) } else { self.0.checked_add(distance) };
        instant.unwrap_or(self.0)
    }
}

/// The duration in nanoseconds, or `i64::MAX` if it is longer. Unlike the method of the standard library, this needs no
/// 128-bit arithmetic.
#[inline]
fn nanoseconds(duration: Duration) -> i64 {
    const SECOND: u64 = 1_000_000_000;
    const MOST: u64 = i64::MAX as u64 / SECOND - 1;
    if duration.as_secs() > MOST {
        return i64::MAX;
    }
    (duration.as_secs() * SECOND + u64::from(duration.subsec_nanos())) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_on_both_sides_of_the_origin_become_moments_in_order_and_instants_again() {
        let start = Instant::now();
        let origin = Origin::new(start);
        let (nanosecond, thirty_years) = (Duration::from_nanos(1), Duration::from_secs(30 * 365 * 24 * 60 * 60));
        let instants =
            [start - Duration::from_secs(2), start - nanosecond, start, start + nanosecond, start + thirty_years];
        let moments = instants.map(|instant| origin.moment(instant));
        assert!(moments.is_sorted());
        assert_eq!(moments.map(|moment| origin.instant(moment)), instants);
        assert_eq!(moments[2].since(moments[0]), Duration::from_secs(2));
        assert_eq!(moments[0].since(moments[2]), Duration::ZERO);
        assert_eq!(moments[4].nanoseconds_since(moments[3]), thirty_years.as_nanos() as u64 - 1);
        assert_eq!(moments.map(Moment::milliseconds), [0, 0, 0, 0, thirty_years.as_millis() as u64]);
    }

    #[test]
    fn what_is_too_far_away_is_the_end_of_time() {
        let start = Instant::now();
        let far = start + Duration::from_secs(400 * 365 * 24 * 60 * 60);
        let moment = Origin::new(start).moment(far);
        assert_eq!(moment, Moment::LAST);
        assert!(moment.since(Origin::new(start).moment(start)) > Duration::from_secs(290 * 365 * 24 * 60 * 60));
    }
}
