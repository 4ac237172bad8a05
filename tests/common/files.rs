//! Files for programs that are not part of this project.

use std::path::PathBuf;
use std::{env, fs, process};

/// Files for programs that read certificates from files; removed when dropped.
pub(crate) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(crate) fn new(topic: &str) -> Files {
        let directory = env::temp_dir().join(format!("waterwheel-{topic}-{}", process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory can be made");
        Files { directory }
    }

    /// Writes a file and returns its path.
    pub(crate) fn put(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a temporary file can be written");
        path
    }

    /// The path of a file, whether or not it exists.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("temporary paths are plain").to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
