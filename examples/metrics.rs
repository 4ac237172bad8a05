//! An echo server with metrics: a second server on the same loop returns the loop's metrics in the text format of
//! Prometheus.
//!
//!     cargo run --release --example metrics [ADDR [METRICS_ADDR]]
//!     curl http://127.0.0.1:9888/metrics

mod serving;

use std::env;
use std::fmt::Write;
use std::io;
use std::time::Duration;

use waterwheel::{Metrics, StreamReader, StreamWriter, get_running_loop, interval, spawn, start_server};

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.read(4096).await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write_all(&data).await?;
    }
}

/// Answers any request with the metrics of the loop that it runs on.
async fn scrape(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    reader.readuntil("\r\n\r\n").await?;
    let body = prometheus(&get_running_loop().metrics());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len(),
    );
    writer.writelines([head, body]);
    writer.drain().await
}

fn prometheus(metrics: &Metrics) -> String {
    let seconds = |time: Duration| time.as_secs_f64();
    let mut text = String::new();
    let mut say = |name: &str, kind: &str, help: &str, value: f64| {
        writeln!(text, "# HELP waterwheel_{name} {help}").expect("a string can be written to");
        writeln!(text, "# TYPE waterwheel_{name} {kind}").expect("a string can be written to");
        writeln!(text, "waterwheel_{name} {value}").expect("a string can be written to");
    };
    let mut count = |name: &str, help: &str, value: u64| say(name, "counter", help, value as f64);
    count("turns_total", "Turns of the loop.", metrics.turns);
    count("handles_total", "Callbacks, steps and ready sources that ran.", metrics.handles);
    count("looks_total", "Looks at the selector.", metrics.looks);
    count("wakes_total", "Wakes that queued a task.", metrics.wakes);
    count("steps_total", "Polls of tasks.", metrics.steps);
    count("letters_total", "Calls and wakes by other threads.", metrics.letters);
    count("tasks_spawned_total", "Tasks that were spawned.", metrics.tasks_spawned);
    count("timers_fired_total", "Timers that fired.", metrics.timers_fired);
    count("timers_cancelled_total", "Timers that were cancelled.", metrics.timers_cancelled);
    count("received_bytes_total", "Bytes received.", metrics.bytes_received);
    count("sent_bytes_total", "Bytes sent.", metrics.bytes_sent);
    count("connections_accepted_total", "Connections that servers accepted.", metrics.connections_accepted);
    count("connections_made_total", "Connections that were made here.", metrics.connections_made);
    let mut gauge = |name: &str, help: &str, value: f64| say(name, "gauge", help, value);
    gauge("ready", "Handles that are ready to run.", metrics.ready_now as f64);
    gauge("tasks", "Tasks that are not over.", metrics.tasks_now as f64);
    gauge("timers", "Timers that are armed.", metrics.timers_now as f64);
    gauge("connections", "Connections that are open.", metrics.connections_now as f64);
    gauge("longest_step_seconds", "The longest step took at least this.", seconds(metrics.longest_step));
    gauge("longest_wait_seconds", "What was ready waited for at most this.", seconds(metrics.longest_wait));
    text
}

async fn serve(address: &str, metrics_address: &str) -> io::Result<()> {
    // While a timer is armed, the loop reads the clock around each wait, and so it notices every long step.
    spawn(async {
        let mut ticks = interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
        }
    });
    let metrics = start_server(scrape, metrics_address).await?;
    println!("Metrics at http://{}/metrics", metrics.local_addrs()[0]);
    let server = start_server(echo, address).await?;
    serving::serve(&server).await
}

fn main() -> io::Result<()> {
    env_logger::init();
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let metrics_address = arguments.next().unwrap_or_else(|| "127.0.0.1:9888".to_owned());
    waterwheel::run(serve(&address, &metrics_address))
}
