//! Counts the worker threads of event loops, for a test that runs alone.

use std::fs;
use std::io;

/// How many worker threads of event loops the process has.
pub(crate) fn worker_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux lists the threads of a process");
    // The kernel keeps only 15 bytes of a thread's name.
    let name = |task: io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
    tasks.filter_map(name).filter(|name| name.trim_end() == "waterwheel-work").count()
}
