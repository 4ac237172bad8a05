//! The command line of the TLS examples: an address, and options that name files.

use std::{env, fs, io};

/// The address, or `default` if there is none, and the file of each option. `None` if one of the options is missing.
pub(crate) fn address_and_files<const N: usize>(default: &str, options: [&str; N]) -> Option<(String, [String; N])> {
    let (mut address, mut files) = (default.to_owned(), [const { None }; N]);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match options.iter().position(|option| *option == argument) {
            Some(place) => files[place] = arguments.next(),
            None => address = argument,
        }
    }
    files.iter().all(Option::is_some).then(|| (address, files.map(Option::unwrap_or_default)))
}

/// Reads a file. The error names it.
pub(crate) fn read(file: &str) -> io::Result<Vec<u8>> {
    fs::read(file).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
}
