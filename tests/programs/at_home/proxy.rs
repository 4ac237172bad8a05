//! The proxy between programs that are not waterwheel's.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use crate::common::certificates::Authority;
use crate::common::files::Files;
use crate::common::free_address::free_address;
use crate::common::processes::{Process, output_of, until};
use crate::proxy::{accept, proxy, say_all};
use crate::servers::{Server, example};

const GIBIBYTE: usize = 1 << 30;

/// The limit for the proxy's peak memory, in KiB.
const BOUND: u64 = 32 << 10;

#[test]
#[ignore = "needs socat: .ci/run installs it"]
fn the_end_of_a_question_reaches_socat_through_the_proxy_and_its_answer_comes_back() {
    let upstream = free_address();
    let listen = format!("TCP-LISTEN:{},bind={},reuseaddr", upstream.port(), upstream.ip());
    // `wc` answers only after the end of its input.
    let server = Process::start(Command::new("socat").args(["-d", "-d", "-t", "60", &listen, "SYSTEM:wc -c"]));
    until("socat listens", || server.errors().contains("listening on"));
    let mut command = Command::new(example("proxy"));
    let proxy = Server::start(command.args(["127.0.0.1:0", &upstream.to_string()]));

    let files = Files::new("at-home-socat");
    let question = files.put("question", &"question\n".repeat(100_000));
    let mut client = Command::new("socat");
    let answer = output_of(client.args(["-t", "60", "-", &format!("TCP:{}", proxy.address)]), Some(question.as_ref()));
    assert_eq!(String::from_utf8_lossy(&answer).trim(), "900000");
    let (status, _, errors) = server.finish();
    assert!(status.success(), "{errors}");
    assert_eq!(proxy.process.errors(), "");
}

#[test]
#[ignore = "needs socat: .ci/run installs it"]
fn a_gibibyte_from_socat_passes_in_bounded_memory() {
    let (proxy, listener) = proxy(&[]);
    let receiving = thread::spawn(move || {
        let mut stream = accept(&listener);
        let (mut buffer, mut received) = (vec![0; 1 << 18], 0);
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return received,
                n => received += n,
            }
        }
    });
    let from = format!("OPEN:/dev/zero,readbytes={GIBIBYTE}");
    let mut socat = Command::new("socat");
    let socat = Process::start(socat.args(["-u", "-b", "262144", &from, &format!("TCP:{}", proxy.address)]));
    // Only each single read has a time limit, since a slow machine may take long for all of them.
    assert_eq!(receiving.join().expect("each read is done in time"), GIBIBYTE);
    let (status, _, errors) = socat.finish();
    assert!(status.success(), "{errors}");
    let peak = proxy.peak_memory();
    println!("{peak} KiB at most");
    assert!(peak < BOUND, "{peak} KiB");
}

#[test]
#[ignore = "takes a while: .ci/run has the time"]
fn openssl_receives_a_gibibyte_over_tls_in_bounded_memory_and_sees_its_end() {
    let (files, authority) = (Files::new("at-home-openssl"), Authority::new());
    let identity = authority.sign(&["127.0.0.1"]);
    let (cert, key) = (files.put("cert.pem", &identity.chain), files.put("key.pem", &identity.key));
    let ca = files.put("ca.pem", &authority.pem);
    let (proxy, listener) = proxy(&["--tls", &cert, &key]);
    let sending = thread::spawn(move || {
        let mut stream = accept(&listener);
        let mut question = [0; 9];
        stream.read_exact(&mut question).unwrap();
        assert_eq!(&question, b"question\n");
        let chunk = vec![b'x'; 1 << 18];
        for _ in 0..GIBIBYTE / chunk.len() {
            stream.write_all(&chunk).unwrap();
        }
        say_all(&stream, "");
    });
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1", "-CAfile", &ca]);
    command.args(["-connect", &proxy.address.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.spawn().expect("openssl is there");
    client.stdin.as_mut().expect("it was piped").write_all(b"question\n").unwrap();
    let mut out = client.stdout.take().expect("it was piped");
    let (mut buffer, mut received) = (vec![0; 1 << 18], 0);
    while let n @ 1.. = out.read(&mut buffer).unwrap() {
        assert!(buffer[..n].iter().all(|byte| *byte == b'x'));
        received += n;
    }
    let ended = client.wait_with_output().unwrap();
    assert_eq!(received, GIBIBYTE);
    let errors = String::from_utf8_lossy(&ended.stderr);
    // OpenSSL prints one of these words for an end without close_notify.
    assert!(ended.status.success() && !errors.contains("eof") && !errors.contains("errno"), "{errors}");
    sending.join().expect("all was sent");
    let peak = proxy.peak_memory();
    println!("{peak} KiB at most");
    assert!(peak < BOUND, "{peak} KiB");
}
