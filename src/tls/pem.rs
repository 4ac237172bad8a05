//! Reading certificates and private keys in PEM. If a text has none, the error says what the text is instead, since
//! certificates, keys and paths are easily confused.

use std::borrow::Cow;
use std::io;

use memchr::memmem;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::errors::bad_config;

/// All certificates in a text, in their order. `of` says in the error what they are for.
///
/// # Errors
///
/// Fails with `InvalidInput` if there is no certificate, or one that cannot be read: using only the others would not be
/// what the user meant.
pub(super) fn certificates_of(text: &[u8], of: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = without_marks(text);
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad_config(format!("there is no certificate in the PEM text of {of}: {}", what_it_is(&text)))),
        Err(error) => Err(bad_config(format!("a certificate in the PEM text of {of} cannot be read: {error}"))),
    }
}

/// The first private key in a text.
///
/// # Errors
///
/// Fails with `InvalidInput` if there is no private key, or if it cannot be read, for example because it is encrypted.
pub(super) fn private_key_of(text: &[u8]) -> io::Result<PrivateKeyDer<'static>> {
    let text = without_marks(text);
    let error = match PrivateKeyDer::pem_slice_iter(&text).next() {
        Some(Ok(key)) => return Ok(key),
        _ if is_encrypted(&text) => {
            "the private key is encrypted: decrypt it first, as by `openssl pkey -in key.pem -out plain.pem`".to_owned()
        }
        Some(Err(error)) => format!("the private key in the PEM text cannot be read: {error}"),
        None => format!("there is no private key in the PEM text of the key: {}", what_it_is(&text)),
    };
    Err(bad_config(error))
}

/// The text without byte order marks. Some editors begin a file with one, so a file that was joined from several may
/// have more. A line that begins with a mark would not be recognized as the beginning of a section.
fn without_marks(text: &[u8]) -> Cow<'_, [u8]> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut kept = Vec::new();
    let mut from = 0;
    for place in memmem::find_iter(text, MARK) {
        kept.extend_from_slice(&text[from..place]);
        from = place + MARK.len();
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    kept.extend_from_slice(&text[from..]);
    Cow::Owned(kept)
}

/// Whether there is an encrypted private key in the text, in the form of PKCS #8 or in the older one of OpenSSL.
fn is_encrypted(text: &[u8]) -> bool {
    let has = |words: &[u8]| memmem::find(text, words).is_some();
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

/// Describes a text that has no section of the expected kind. The description quotes only names of sections, since the
/// rest of the text may be secret.
fn what_it_is(text: &[u8]) -> String {
    let sections = sections(text);
    if !sections.is_empty() {
        return format!("it has only {}", sections.join(", "));
    }
    let reason = match text {
        text if text.trim_ascii().is_empty() => "it is empty",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is in UTF-16; save it in ASCII or UTF-8",
        // All DER of this kind begins with 0x30, the tag of a sequence. That is also the digit 0.
        [0x30, ..] if std::str::from_utf8(text).is_err() => {
            "it is in DER, the binary form; convert it to PEM with openssl"
        }
        text if is_path(text) => "it is a path; give what is in the file, as by std::fs::read",
        _ => "no line of it begins with -----BEGIN",
    };
    reason.to_owned()
}

/// The names of the sections in a text.
fn sections(text: &[u8]) -> Vec<Cow<'_, str>> {
    let lines = text.split(|&byte| byte == b'\n');
    let names = lines.filter_map(|line| line.strip_prefix(b"-----BEGIN ")?.trim_ascii_end().strip_suffix(b"-----"));
    names.map(String::from_utf8_lossy).collect()
}

/// Whether a text looks like the path of a file.
fn is_path(text: &[u8]) -> bool {
    const BEGINNINGS: [&str; 4] = ["/", "./", "../", "~/"];
    const ENDS: [&str; 7] = [".pem", ".crt", ".cer", ".key", ".der", ".p12", ".pfx"];
    let Ok(text) = std::str::from_utf8(text.trim_ascii()) else { return false };
    let is_named = |text: &str| ENDS.iter().any(|end| text.to_ascii_lowercase().ends_with(end));
    !text.contains('\n') && (BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) || is_named(text))
}
