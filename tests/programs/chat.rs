//! The example `chat`: each of the cases that it handles.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::common::processes::{MOMENT, PATIENCE, signal};
use crate::servers::{Server, example};

/// Long enough for any test, in milliseconds.
const NEVER: &str = "3600000";

/// A time that is soon over, in milliseconds.
const SOON: &str = "5";

fn chat(clients: &str, idle: &str, patience: &str) -> Server {
    Server::start(Command::new(example("chat")).args(["127.0.0.1:0", clients, idle, patience]))
}

/// Ends the chat by Ctrl-C. Returns its standard error.
#[track_caller]
fn errors_at_the_end(chat: Server) -> String {
    assert!(signal(chat.pid(), "INT"));
    let (status, _, errors) = chat.process.finish();
    assert!(status.success(), "{errors}");
    errors
}

/// A client, such as a user of `nc`.
#[derive(Debug)]
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(chat: &Server) -> Client {
        let stream = TcpStream::connect(chat.address).expect("the chat listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Client(BufReader::new(stream))
    }

    /// Connects, gives a name, and enters the lobby.
    fn enter(chat: &Server, name: &str) -> Client {
        let mut client = Client::connect(chat);
        client.say(name);
        client.hears(&["* What is your name?", "* This is lobby"]);
        client
    }

    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).expect("the chat reads");
    }

    /// Checks that these are the next lines.
    #[track_caller]
    fn hears(&mut self, lines: &[&str]) {
        for expected in lines {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("the chat writes");
            assert_eq!(line, format!("{expected}\n"));
        }
    }

    /// Everything up to an orderly end.
    #[track_caller]
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("the chat ends the connection in an orderly way");
        rest
    }
}

#[test]
fn a_line_is_heard_by_all_others_in_the_room_and_by_nobody_else() {
    let chat = chat("10", NEVER, NEVER);
    let mut alice = Client::enter(&chat, "alice");
    let mut bob = Client::enter(&chat, "bob");
    alice.hears(&["* bob enters"]);
    let mut carol = Client::enter(&chat, "carol");
    alice.hears(&["* carol enters"]);
    bob.hears(&["* carol enters"]);
    // A client without a name is in no room.
    let nameless = Client::connect(&chat);

    alice.say("Grüß Gott");
    bob.hears(&["alice: Grüß Gott"]);
    carol.hears(&["alice: Grüß Gott"]);
    carol.say("/join tea");
    carol.hears(&["* This is tea"]);
    alice.hears(&["* carol leaves"]);
    bob.say("carol is gone");
    alice.hears(&["bob: carol is gone"]);
    alice.say("/join tea");
    // This is Carol's next line: she heard nothing of the lobby meanwhile, and Alice does not hear herself.
    carol.hears(&["* alice enters"]);
    alice.hears(&["* This is tea"]);
    bob.hears(&["* carol leaves", "* alice leaves"]);
    carol.say("/quit");
    assert_eq!(carol.rest(), "");
    alice.hears(&["* carol leaves"]);
    drop(alice);
    drop(bob);
    nameless.0.get_ref().shutdown(std::net::Shutdown::Write).expect("our side is open");
    assert_eq!(nameless.rest(), "* What is your name?\n");
    assert_eq!(errors_at_the_end(chat), "");
}

#[test]
fn whoever_comes_when_the_chat_is_full_is_told_so_and_a_place_is_free_again() {
    let chat = chat("2", NEVER, NEVER);
    let mut alice = Client::enter(&chat, "alice");
    let bob = Client::enter(&chat, "bob");
    alice.hears(&["* bob enters"]);
    assert_eq!(Client::connect(&chat).rest(), "* The chat is full\n");
    drop(bob);
    alice.hears(&["* bob leaves"]);
    let carol = Client::enter(&chat, "carol");
    alice.hears(&["* carol enters"]);
    assert_eq!(Client::connect(&chat).rest(), "* The chat is full\n");
    drop(carol);
    alice.hears(&["* carol leaves"]);
    drop(alice);
    assert_eq!(errors_at_the_end(chat), "");
}

#[test]
fn who_says_nothing_for_too_long_is_sent_away() {
    let chat = chat("10", SOON, NEVER);
    assert_eq!(Client::connect(&chat).rest(), "* What is your name?\n");
    let errors = errors_at_the_end(chat);
    assert!(errors.contains("the time ran out"), "{errors}");
}

/// Returns what the chat reports about a member who reads nothing, in a lobby where lines are sent until that member
/// is cut off. A `pause` follows each line.
#[track_caller]
fn cut_off(patience: &str, mut pause: impl FnMut()) -> String {
    const MOST_LINES: usize = 4096;
    let chat = chat("10", NEVER, patience);
    let mut speaker = Client::enter(&chat, "speaker");
    let mut slow = Client::enter(&chat, "slow");
    speaker.hears(&["* slow enters"]);
    let mut listener = Client::enter(&chat, "listener");
    speaker.hears(&["* listener enters"]);
    slow.hears(&["* listener enters"]);

    let line = "x".repeat(32 * 1024);
    let heard = format!("speaker: {line}\n");
    let mut said = 0;
    // The slow member does not hold up the others: each line is sent after the listener has heard the last one.
    let left = loop {
        let mut next = String::new();
        speaker.say(&line);
        listener.0.read_line(&mut next).expect("the chat writes");
        if next != heard {
            break next;
        }
        said += 1;
        assert!(said < MOST_LINES, "the slow one is never cut off");
        pause();
    };
    assert_eq!(left, "* slow leaves\n");
    listener.hears(&[heard.trim_end()]);
    speaker.hears(&["* slow leaves"]);
    let all = said * heard.len();
    let mut unread = Vec::new();
    let lost = slow.0.read_to_end(&mut unread).expect_err("what was given up is a reset, not an end");
    assert_eq!(lost.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(unread.len() < all, "{} of {all}", unread.len());
    drop((speaker, listener));
    errors_at_the_end(chat)
}

#[test]
fn who_stays_behind_for_too_long_is_cut_off_and_the_others_go_on() {
    let errors = cut_off(SOON, || std::thread::sleep(MOMENT));
    assert!(errors.contains("the client reads too slowly"), "{errors}");
}

#[test]
fn who_is_far_behind_is_cut_off_however_long_the_others_would_wait() {
    let errors = cut_off(NEVER, || {});
    assert!(!errors.contains("the client reads too slowly"), "{errors}");
}

#[test]
fn ctrl_c_tells_everybody_and_ends_the_chat_in_order() {
    let chat = chat("10", NEVER, NEVER);
    let mut alice = Client::enter(&chat, "alice");
    let bob = Client::enter(&chat, "bob");
    alice.hears(&["* bob enters"]);
    assert!(signal(chat.pid(), "INT"));
    assert_eq!(alice.rest(), "* The chat ends\n");
    assert_eq!(bob.rest(), "* The chat ends\n");
    let (status, lines, errors) = chat.process.finish();
    assert_eq!(lines, ["2 finished, 0 closed, 0 aborted"]);
    assert_eq!((status.success(), errors.as_str()), (true, ""));
}
