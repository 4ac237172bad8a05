//! What a Unix server does with the file at its path before it binds and when it closes.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};

use waterwheel::{EventLoop, start_server, start_unix_server};

use super::{answers, echo};
use crate::common::alone::{alone, run_alone};
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::temp_dir::TempDir;
use crate::common::unix_name::unix_name;

#[test]
fn the_socket_of_a_dead_server_is_replaced() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("stale");
        drop(UnixListener::bind(&path).unwrap());
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        let server = start_unix_server(echo, &path).await.unwrap();
        assert!(answers(&path).await);
        drop(server);
        assert!(!path.exists());
    });
}

#[test]
fn the_path_of_a_live_server_is_in_use_and_stays_its() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("live");
        let server = start_unix_server(echo, &path).await.unwrap();
        let before = open_descriptors();
        for _ in 0..3 {
            let error = start_unix_server(echo, &path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert!(error.to_string().starts_with(&format!("cannot bind to {}: ", path.display())), "{error}");
            assert!(answers(&path).await);
        }
        until_descriptors(before).await;
        // A server that is so busy that its queue is full also counts as alive.
        let busy = dir.file("busy");
        let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        listener.bind(&unix_name(&busy)).unwrap();
        listener.listen(0).unwrap();
        let _queued = std::os::unix::net::UnixStream::connect(&busy).unwrap();
        assert_eq!(start_unix_server(echo, &busy).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(busy.exists());
        drop(server);
    });
}

#[test]
fn what_is_no_socket_of_a_stream_server_is_left_alone() {
    run_alone(|| async {
        let dir = TempDir::new();
        let (file, link, folder, datagrams) = (dir.file("file"), dir.file("link"), dir.file("dir"), dir.file("dgram"));
        let stale = dir.file("stale");
        fs::write(&file, "precious").unwrap();
        drop(UnixListener::bind(&stale).unwrap());
        symlink(&stale, &link).unwrap();
        fs::create_dir(&folder).unwrap();
        let _alive = UnixDatagram::bind(&datagrams).unwrap();
        let before = open_descriptors();
        for path in [&file, &link, &folder, &datagrams] {
            let error = start_unix_server(echo, path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"precious");
        assert_eq!(fs::read_link(&link).unwrap(), stale);
        assert!(stale.exists() && folder.is_dir() && datagrams.exists());
        let error = start_unix_server(echo, dir.file("no directory").join("socket")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no directory"), "{error}");
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn the_file_is_removed_when_the_server_closes_unless_it_is_to_stay() {
    run_alone(|| async {
        let dir = TempDir::new();
        for (clean, dropped) in [(true, true), (true, false), (false, true), (false, false)] {
            let path = dir.file(&format!("{clean} {dropped}"));
            let server = start_unix_server(echo, &path).cleanup_socket(clean).await.unwrap();
            assert!(path.exists());
            if dropped {
                drop(server);
                assert_eq!(path.exists(), !clean);
            } else {
                server.close();
                assert_eq!(path.exists(), !clean);
                // A listener that takes the path now keeps it.
                let _ = fs::remove_file(&path);
                let later = UnixListener::bind(&path).unwrap();
                drop(server);
                assert!(path.exists());
                drop(later);
            }
        }
    });
}

#[test]
fn a_file_that_has_taken_the_place_of_ours_is_not_removed() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("replaced");
        let server = start_unix_server(echo, &path).await.unwrap();
        fs::rename(&path, dir.file("moved")).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(server);
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
        // A file that is already gone is no error.
        let gone = dir.file("gone");
        let server = start_unix_server(echo, &gone).await.unwrap();
        fs::remove_file(&gone).unwrap();
        drop(server);
    });
}

#[test]
fn the_file_goes_with_the_loop_and_with_a_server_that_never_served() {
    alone(|| {
        let dir = TempDir::new();
        let (served, bound) = (dir.file("served"), dir.file("bound"));
        let mut event_loop = EventLoop::new().unwrap();
        let servers = event_loop.run(async {
            let first = start_unix_server(echo, &served).await.unwrap();
            let second = start_unix_server(echo, &bound).start_serving(false).await.unwrap();
            let error = waterwheel::open_unix_connection(&bound).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            (first, second)
        });
        drop(event_loop);
        assert!(!served.exists());
        drop(servers);
        assert!(!bound.exists());
    });
}

#[test]
fn the_path_of_a_listener_that_was_made_elsewhere_is_never_removed() {
    run_alone(|| async {
        let dir = TempDir::new();
        for clean in [true, false] {
            let path = dir.file(&format!("ready {clean}"));
            let listener = UnixListener::bind(&path).unwrap();
            let kept = listener.try_clone().unwrap();
            let server = start_server(echo, listener).cleanup_socket(clean).await.unwrap();
            assert!(answers(&path).await);
            assert_eq!(server.sockets()[0].sockname().unwrap().as_path(), Some(&*path));
            drop(server);
            // The owner of the other handle can still serve at the path.
            let server = start_server(echo, kept).await.unwrap();
            assert!(answers(&path).await);
            drop(server);
            assert!(path.exists());
        }
    });
}

#[test]
fn a_relative_path_is_removed_from_where_it_was_bound() {
    run_alone(|| async {
        let dir = TempDir::new();
        let before = std::env::current_dir().unwrap();
        std::env::set_current_dir(&dir).unwrap();
        let server = start_unix_server(echo, "relative").await;
        std::env::set_current_dir(before).unwrap();
        let path = dir.file("relative");
        assert!(answers(&path).await);
        drop(server.unwrap());
        assert!(!path.exists());
    });
}
