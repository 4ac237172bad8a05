//! Unix sockets, through the public interface: all forms of names, existing files at the path, and the names of both
//! ends.

mod files;
mod starters;

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use socket2::{Domain, Socket, Type};
use waterwheel::{
    Protocol, StreamReader, StreamWriter, Transport, get_running_loop, open_unix_connection, start_server,
    start_unix_server,
};

use crate::common::alone::run_alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::temp_dir::TempDir;
use crate::common::unix_name::unix_name;
use crate::common::until::until;

/// Echoes each line.
pub(crate) async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line) = reader.readline().await {
        if line.is_empty() || writer.write_all(&line).await.is_err() {
            break;
        }
    }
}

/// Whether a server echoes at the path.
pub(crate) async fn answers(path: impl AsRef<Path>) -> bool {
    let Ok((mut reader, writer)) = open_unix_connection(path).await else { return false };
    writer.write(b"there?\n");
    reader.readline().await.is_ok_and(|line| line == b"there?\n")
}

#[test]
fn a_path_may_be_given_in_every_form_that_a_path_has() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path: PathBuf = dir.file("of any form");
        let text: String = path.to_str().unwrap().to_owned();
        let not_text = dir.as_ref().join(OsStr::from_bytes(b"\xFF\xFE not text \xFF"));
        let before = open_descriptors();
        for round in 0..6 {
            let server = match round {
                0 => start_unix_server(echo, &*text),
                1 => start_unix_server(echo, text.clone()),
                2 => start_unix_server(echo, Path::new(&text)),
                3 => start_unix_server(echo, path.clone()),
                4 => start_unix_server(echo, OsStr::new(&text)),
                _ => start_unix_server(echo, &not_text),
            };
            let server = server.await.unwrap();
            let reached = match round {
                0 => answers(&*text).await,
                1 => answers(text.clone()).await,
                2 => answers(Path::new(&text)).await,
                3 => answers(path.clone()).await,
                4 => answers(OsStr::new(&text)).await,
                _ => answers(&not_text).await,
            };
            assert!(reached, "form {round}");
            let name = server.sockets()[0].sockname().unwrap().clone();
            assert_eq!(name.as_path(), Some(if round == 5 { &*not_text } else { &*path }));
            assert!(server.local_addrs().is_empty());
            drop(server);
            until_descriptors(before).await;
        }
    });
}

#[test]
fn a_path_is_an_endpoint_and_a_text_is_none_of_a_unix_socket() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("endpoint");
        let server = start_server(echo, &*path).await.unwrap();
        for to in [waterwheel::Endpoint::from(&path), path.clone().into()] {
            let (mut reader, writer) = waterwheel::open_connection(to).await.unwrap();
            writer.write(b"there?\n");
            assert_eq!(reader.readline().await.unwrap(), b"there?\n");
        }
        let error = waterwheel::open_connection(path.to_str().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        drop(server);
        assert!(!path.exists());
    });
}

#[test]
fn abstract_names_may_have_zeros_anywhere_and_no_file() {
    run_alone(|| async {
        let id = std::process::id();
        for name in [format!("\0waterwheel-{id}"), format!("\0waterwheel\0\0{id}\0"), format!("\0{id:0>107}")] {
            let server = start_unix_server(echo, &name).await.unwrap();
            assert!(answers(&name).await, "{name:?}");
            assert!(!answers(format!("{name}\0")).await, "another name");
            let sockname = server.sockets()[0].sockname().unwrap().clone();
            assert_eq!(sockname.as_path(), None);
            assert_eq!(sockname.to_string(), format!("@{}", &name[1..]));
            let error = start_unix_server(echo, &name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(answers(&name).await);
            drop(server);
            let error = open_unix_connection(&name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        }
    });
}

#[test]
fn the_longest_path_works_and_a_longer_one_is_an_error_that_names_it() {
    run_alone(|| async {
        let dir = TempDir::new();
        let of_length = |length: usize| {
            let prefix = dir.as_ref().as_os_str().len() + 1;
            dir.file(&"p".repeat(length - prefix))
        };
        let longest = of_length(107);
        let server = start_unix_server(echo, &longest).await.unwrap();
        assert!(answers(&longest).await);
        drop(server);
        let before = open_descriptors();
        let too_long =
            [of_length(108), of_length(109), of_length(300), PathBuf::from(format!("\0{}", "a".repeat(108)))];
        for path in too_long {
            for error in
                [open_unix_connection(&path).await.unwrap_err(), start_unix_server(echo, &path).await.unwrap_err()]
            {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            }
        }
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_path_that_is_empty_or_would_be_cut_short_is_refused() {
    run_alone(|| async {
        let dir = TempDir::new();
        let cut = dir.file("before\0after");
        let before = open_descriptors();
        for path in [Path::new(""), &*cut] {
            for error in
                [open_unix_connection(path).await.unwrap_err(), start_unix_server(echo, path).await.unwrap_err()]
            {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}: {error}");
            }
        }
        assert!(!dir.file("before").exists());
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn connecting_where_nobody_listens_says_what_is_there() {
    run_alone(|| async {
        let dir = TempDir::new();
        let (file, dead) = (dir.file("file"), dir.file("dead"));
        std::fs::write(&file, "text").unwrap();
        drop(UnixListener::bind(&dead).unwrap());
        let before = open_descriptors();
        for (path, kind) in [
            (dir.file("nothing"), ErrorKind::NotFound),
            (dir.file("no directory").join("socket"), ErrorKind::NotFound),
            (file, ErrorKind::ConnectionRefused),
            (dead, ErrorKind::ConnectionRefused),
        ] {
            let error = open_unix_connection(&path).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().starts_with(&format!("connect to {} failed: ", path.display())), "{error}");
        }
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn both_ends_know_their_names_and_lend_their_sockets() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("socket");
        let accepted = Rc::new(std::cell::RefCell::new(None));
        let keep = Rc::clone(&accepted);
        let server = start_unix_server(move |_reader, writer: StreamWriter| drop(keep.replace(Some(writer))), &path);
        let server = server.await.unwrap();

        // A client with a name of its own, which it binds itself.
        let client_path = dir.file("client");
        let named = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        named.bind(&unix_name(&client_path)).unwrap();
        named.connect(&unix_name(&path)).unwrap();
        let (_reader, named) = waterwheel::open_connection(named).await.unwrap();
        until("it is accepted", || accepted.borrow().is_some()).await;
        let theirs = accepted.take().unwrap().extra_info();
        for (name, expected) in [
            (named.extra_info().peername(), &path),
            (named.extra_info().sockname(), &client_path),
            (theirs.peername(), &client_path),
            (theirs.sockname(), &path),
        ] {
            assert_eq!(name.and_then(|name| name.as_path()), Some(&**expected));
        }
        drop((named, theirs));

        let (_reader, nameless) = open_unix_connection(&path).await.unwrap();
        until("it is accepted", || accepted.borrow().is_some()).await;
        let (ours, theirs) = (nameless.extra_info(), accepted.borrow().as_ref().unwrap().extra_info());
        assert_eq!(ours.peername().unwrap().as_path(), Some(&*path));
        assert_eq!((nameless.peer_addr(), nameless.local_addr()), (None, None));
        assert_eq!(theirs.peername().map(ToString::to_string).as_deref(), Some("(unnamed)"));
        for info in [ours, theirs] {
            assert_eq!(info.socket().unwrap().domain().unwrap(), Domain::UNIX);
        }
        drop(server);
    });
}

#[test]
fn clients_of_a_full_queue_wait_and_are_all_served_once_it_moves() {
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("full");
        // Bound and listening, but not accepting yet.
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&unix_name(&path)).unwrap();
        listener.listen(1).unwrap();
        let clients: Vec<_> = (0..20)
            .map(|number| {
                let path = path.clone();
                waterwheel::spawn(async move {
                    let (mut reader, writer) = open_unix_connection(path).await.unwrap();
                    writer.write(format!("{number}\n").as_bytes());
                    reader.readline().await.unwrap()
                })
            })
            .collect();
        waterwheel::sleep(std::time::Duration::from_millis(5)).await;
        let one_more = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        one_more.set_nonblocking(true).unwrap();
        let refused = one_more.connect(&unix_name(&path)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock, "the queue is full");
        assert!(clients.iter().all(|client| !client.is_finished()));
        let server = start_server(echo, listener).await.unwrap();
        for (number, client) in clients.into_iter().enumerate() {
            assert_eq!(client.await.unwrap(), format!("{number}\n").into_bytes());
        }
        drop(server);
    });
}

#[test]
fn protocols_are_served_and_connected_as_streams_are() {
    struct Greeting;
    impl Protocol for Greeting {
        fn connection_made(&self, transport: Rc<dyn Transport>) {
            transport.write(b"hello\n");
            transport.close();
        }
    }
    #[derive(Default)]
    struct Keeping(std::cell::RefCell<Vec<u8>>);
    impl Protocol for Keeping {
        fn data_received(&self, data: &[u8]) {
            self.0.borrow_mut().extend_from_slice(data);
        }
    }
    run_alone(|| async {
        let dir = TempDir::new();
        let path = dir.file("protocols");
        let event_loop = get_running_loop();
        let before = open_descriptors();
        let server = event_loop.create_unix_server(|| Rc::new(Greeting), &path).await.unwrap();
        let connecting = event_loop.create_unix_connection(|| Rc::new(Keeping::default()), &path);
        let (_transport, keeping) = connecting.await.unwrap();
        until("the greeting has come", || *keeping.0.borrow() == b"hello\n").await;
        drop(server);
        assert!(!path.exists());
        until_descriptors(before).await;
    });
}
