//! Two child processes: one that answers when it has all its input, and one whose output is printed as it arrives.
//!
//!     cargo run --example child --features process
//!     cargo run --example child --features process -- ping -c 3 127.0.0.1

use std::env;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use waterwheel::{create_subprocess_exec, timeout};

/// Writes all the input, and waits for all the output.
async fn sorted(words: &str) -> io::Result<String> {
    let mut sort = Command::new("sort");
    sort.stdin(Stdio::piped()).stdout(Stdio::piped());
    // At the timeout the process is dropped, and so it is killed.
    let mut process = create_subprocess_exec(sort)?.kill_on_drop();
    let output = timeout(Duration::from_secs(10), process.communicate(words.as_bytes())).await??;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Prints each line as soon as the child has written it.
async fn watch(mut command: Command) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = create_subprocess_exec(command)?;
    let mut stdout = process.stdout.take().expect("it is piped");
    while let Some(line) = stdout.next_line().await? {
        print!("{}: {}", process.pid(), String::from_utf8_lossy(&line));
    }
    println!("{}: {}", process.pid(), process.wait().await?);
    Ok(())
}

/// The command given by the arguments, or one that counts to three.
fn command() -> Command {
    let mut words: Vec<_> = env::args_os().skip(1).collect();
    if words.is_empty() {
        words = vec!["seq".into(), "3".into()];
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn main() -> io::Result<()> {
    waterwheel::run(async {
        print!("{}", sorted("wheel\nwater\nmill\n").await?);
        watch(command()).await
    })
}
