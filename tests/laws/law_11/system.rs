//! Futures that wait for descriptors, names and signals.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use waterwheel::{get_running_loop, yield_now};

use super::moments::{drop_and_do_again, drop_many, drop_while};
use super::streams::{MUCH, take};
use super::{Row, rows};

pub(super) const ROWS: &[Row] = rows![
    "LoopHandle::readable" => async |moment| {
        let (mut ours, mut peer) = UnixStream::pair().unwrap();
        let mut sending = peer.try_clone().unwrap();
        let handle = get_running_loop();
        drop_many(|| handle.readable(&ours)).await;
        let is_done = drop_while(moment, handle.readable(&ours), async move {
            yield_now().await;
            sending.write_all(b"x").unwrap();
        })
        .await
        .map(|waited| waited.unwrap())
        .is_some();
        peer.write_all(b"y").unwrap();
        handle.readable(&ours).await.unwrap();
        assert!(ours.read(&mut [0; 2]).unwrap() > 0);
        is_done
    },
    "LoopHandle::writable" => async |moment| {
        let (mut ours, mut peer) = UnixStream::pair().unwrap();
        for end in [&ours, &peer] {
            end.set_nonblocking(true).unwrap();
        }
        while ours.write(&[0; MUCH]).is_ok() {}
        let mut taking = peer.try_clone().unwrap();
        let handle = get_running_loop();
        drop_many(|| handle.writable(&ours)).await;
        let is_done = drop_while(moment, handle.writable(&ours), async move {
            yield_now().await;
            take(&mut taking, &mut Vec::new());
        })
        .await
        .map(|waited| waited.unwrap())
        .is_some();
        take(&mut peer, &mut Vec::new());
        handle.writable(&ours).await.unwrap();
        assert!(ours.write(b"x").unwrap() == 1);
        is_done
    },
    "GetAddrInfo" => async |moment| {
        let handle = get_running_loop();
        let (is_done, found) = drop_and_do_again(moment, async || handle.getaddrinfo("localhost", 80).await).await;
        assert!(found.unwrap().iter().all(|address| address.ip().is_loopback()));
        is_done
    },
    "LoopHandle::getnameinfo" => async |moment| {
        let (handle, address) = (get_running_loop(), SocketAddr::from(([127, 0, 0, 1], 80)));
        let numeric = libc::NI_NUMERICHOST | libc::NI_NUMERICSERV;
        let (is_done, names) = drop_and_do_again(moment, async || handle.getnameinfo(address, numeric).await).await;
        assert_eq!(names.unwrap(), ("127.0.0.1".to_owned(), "80".to_owned()));
        is_done
    },
];

#[cfg(feature = "signals")]
pub(super) use of_signals::SIGNALS;

#[cfg(feature = "signals")]
mod of_signals {
    use waterwheel::signal_hook::consts::{SIGINT, SIGUSR1};
    use waterwheel::signal_hook::low_level::raise;
    use waterwheel::{ctrl_c, signals, yield_now};

    use crate::law_11::moments::drop_while;
    use crate::law_11::{Row, rows};

    pub(crate) const SIGNALS: &[Row] = rows![
        "Signals::next" => async |moment| {
            let mut stream = signals(&[SIGUSR1]).unwrap();
            let is_done = drop_while(moment, stream.next(), raise_later(SIGUSR1)).await.is_some();
            // A signal that arrives while no wait is under way is kept, and two of them are merged.
            raise(SIGUSR1).unwrap();
            assert_eq!(stream.next().await, SIGUSR1);
            is_done
        },
        "CtrlC" => async |moment| {
            // While any stream listens to the signal, it does not end the process.
            let _heard = signals(&[SIGINT]).unwrap();
            let is_done = drop_while(moment, ctrl_c(), raise_later(SIGINT)).await.map(Result::unwrap).is_some();
            let again = ctrl_c();
            raise(SIGINT).unwrap();
            again.await.unwrap();
            is_done
        },
    ];

    async fn raise_later(signal: i32) {
        yield_now().await;
        raise(signal).unwrap();
    }
}
