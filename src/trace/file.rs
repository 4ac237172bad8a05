//! The file that a trace is written to.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const VARIABLE: &str = "WATERWHEEL_TRACE";

/// Where a trace is written to.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) path: PathBuf,
    /// The number of this loop among the traced loops of the process, from 1 on.
    pub(crate) number: u32,
}

/// How many loops of this process write a trace because the environment asked for it.
static TRACED: AtomicU32 = AtomicU32::new(0);

/// Where the environment asks the next loop to write its trace. The second loop of a process adds `-2` to the name of
/// the file, the third `-3`, and so on.
pub(crate) fn from_environment() -> Option<Destination> {
    let path = env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)?;
    let number = TRACED.fetch_add(1, Ordering::Relaxed) + 1;
    Some(Destination { path: numbered(path, number), number })
}

fn numbered(path: PathBuf, number: u32) -> PathBuf {
    if number == 1 {
        return path;
    }
    let mut name = path.file_stem().map(OsString::from).unwrap_or_default();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

pub(super) struct TraceFile {
    path: PathBuf,
    file: File,
}

impl TraceFile {
    pub(super) fn create(path: &Path) -> io::Result<TraceFile> {
        let file = File::create(path).map_err(|error| {
            io::Error::new(error.kind(), format!("the trace cannot be written to {}: {error}", path.display()))
        })?;
        Ok(TraceFile { path: path.to_owned(), file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Rewrites the file from its beginning.
    pub(super) fn replace(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        let mut out = BufWriter::with_capacity(64 * 1024, &mut self.file);
        write(&mut out)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loop_of_a_process_has_a_file_of_its_own() {
        for (path, number, expected) in [
            ("out.json", 1, "out.json"),
            ("out.json", 2, "out-2.json"),
            ("/tmp/a.b/out", 3, "/tmp/a.b/out-3"),
            ("some/out.tar.gz", 12, "some/out.tar-12.gz"),
        ] {
            assert_eq!(numbered(path.into(), number), PathBuf::from(expected));
        }
    }
}
