//! Waiting for bytes that are on their way between two sockets of this machine.

use std::fs;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// Waits until all bytes that a socket has sent are in the kernel buffer of the other end, whether or not they are
/// read.
pub(crate) fn until_arrived<'s>(socket: impl Into<SockRef<'s>>) {
    let Some((own, other)) = ports(&socket.into()) else { return };
    until("what was sent never arrived", || unacknowledged(own, other) == 0);
}

/// The two ends of a TCP connection, by their ports.
pub(crate) fn ports(socket: &SockRef<'_>) -> Option<(u16, u16)> {
    let port = |name: std::io::Result<socket2::SockAddr>| Some(name.ok()?.as_socket()?.port());
    Some((port(socket.local_addr())?, port(socket.peer_addr())?))
}

pub(crate) fn until(otherwise: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{otherwise}");
}

/// How many bytes one end of a TCP connection over the loopback has sent that the other has not acknowledged.
fn unacknowledged(own: u16, other: u16) -> usize {
    let sent = queues(own, other).and_then(|queues| queues.split(':').next().map(str::to_owned));
    sent.map_or(0, |sent| usize::from_str_radix(&sent, 16).expect("the kernel counts in hexadecimal"))
}

/// The kernel's entry for the queues of one end of a TCP connection over the loopback. `None` if there is no such end.
pub(crate) fn queues(own: u16, other: u16) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux lists its TCP connections");
    let (own, other) = (format!(":{own:04X}"), format!(":{other:04X}"));
    table.lines().find_map(|line| {
        // number, local name, remote name, state, sent:received
        let fields: Vec<&str> = line.split_whitespace().take(5).collect();
        let is_it = fields.len() == 5 && fields[1].ends_with(&own) && fields[2].ends_with(&other);
        is_it.then(|| fields[4].to_owned())
    })
}
