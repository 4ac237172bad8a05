//! Serving until a future is ready, and the shutdown that follows.

use std::cell::Cell;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use super::{check_echo, client_of, echo, echo_server, lonely};
use crate::common::plain_peer::read_to_end;
use crate::common::running::{run, turns};
use crate::common::until::until;
use waterwheel::{Promise, ShutdownReport, spawn, start_server};

const LONG: Duration = Duration::from_secs(600);

fn counts(report: ShutdownReport) -> (usize, usize, usize) {
    (report.finished, report.closed, report.aborted)
}

#[test]
fn it_serves_until_stop_is_ready_and_reports_the_shutdown() {
    run(async {
        let server = Rc::new(start_server(echo, lonely(3)).await.unwrap());
        let address = server.local_addrs()[0];
        let (stop, serving) = (Promise::new(), Rc::clone(&server));
        let stopped = stop.clone();
        let task = spawn(async move { serving.serve_until(stopped.wait(), LONG).await });
        let (stays, mut leaves) = (client_of(&server).await, client_of(&server).await);
        assert!(!task.is_finished());
        stop.set(()).unwrap();
        until("it accepts nobody any more", || !server.is_serving()).await;
        assert!(TcpStream::connect(address).is_err());
        // Clients are served during the grace period.
        check_echo(&stays).await;
        leaves.write_all(b"and").unwrap();
        drop((stays, leaves));
        assert_eq!(counts(task.await.unwrap().unwrap()), (2, 0, 0));
    });
}

#[test]
fn clients_that_stay_beyond_the_grace_are_closed() {
    run(async {
        let server = Rc::new(echo_server().await);
        let stays = client_of(&server).await;
        // The client ends its side when it sees our end, and the shutdown waits for that.
        let peer = spawn(async move { read_to_end(&stays).await });
        let report = server.serve_until(async {}, Duration::from_millis(1)).await.unwrap();
        assert_eq!(counts(report), (0, 1, 0));
        assert!(peer.await.unwrap().unwrap().is_empty());
    });
}

#[test]
fn a_server_that_somebody_else_closes_ends_with_the_report_and_drops_stop_before_the_grace() {
    struct Dropped(Rc<Cell<bool>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    run(async {
        let server = Rc::new(echo_server().await);
        let dropped = Rc::new(Cell::new(false));
        let (serving, stop) = (Rc::clone(&server), Dropped(Rc::clone(&dropped)));
        let task = spawn(async move {
            let never = async move {
                let _stop = stop;
                std::future::pending::<()>().await;
            };
            serving.serve_until(never, LONG).await
        });
        let client = client_of(&server).await;
        assert!(!dropped.get());
        server.close();
        until("`stop` is dropped", || dropped.get()).await;
        assert!(!task.is_finished(), "a client is there");
        drop(client);
        assert_eq!(counts(task.await.unwrap().unwrap()), (1, 0, 0));
        let again = server.serve_until(std::future::pending::<()>(), LONG).await;
        assert!(again.is_err(), "a closed server does not serve");
    });
}

#[test]
fn cancelling_it_closes_the_server_and_its_clients_before_and_within_the_grace() {
    run(async {
        for within_the_grace in [false, true] {
            let server = Rc::new(echo_server().await);
            let client = client_of(&server).await;
            let (stop, serving) = (Promise::new(), Rc::clone(&server));
            let stopped = stop.clone();
            let task = spawn(async move { serving.serve_until(stopped.wait(), LONG).await });
            turns(3).await;
            if within_the_grace {
                stop.set(()).unwrap();
                until("the grace begins", || !server.is_serving()).await;
                check_echo(&client).await;
            }
            task.cancel();
            assert!(task.await.unwrap_err().is_cancelled());
            assert!(!server.is_serving());
            assert!(read_to_end(&client).await.unwrap().is_empty());
            server.wait_closed().await;
        }
    });
}
