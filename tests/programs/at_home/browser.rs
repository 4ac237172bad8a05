//! The page of the example `websocket_chat` in a browser, driven by the DevTools protocol.

use std::net::TcpStream;
use std::process::Command;

use async_tungstenite::tungstenite::{WebSocket, client};
use serde_json::{Value, json};

use crate::common::files::Files;
use crate::common::processes::{PATIENCE, Process, until};
use crate::servers::Server;

/// The browser contacts no other server, and keeps nothing from earlier runs.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
];

/// The text of the page, once it contains `WANTED`.
const SHOWN: &str = "new Promise(done => {
    const lines = document.getElementById('lines');
    const look = () => lines.innerText.includes(WANTED) && done(lines.innerText);
    new MutationObserver(look).observe(lines, { childList: true });
    look();
})";

/// Enters `TEXT` and presses the button, once the button is enabled.
const SAY: &str = "new Promise(done => {
    const [text, send] = ['text', 'send'].map(id => document.getElementById(id));
    const press = () => { text.value = TEXT; send.click(); done(); };
    if (send.disabled) new MutationObserver(press).observe(send, { attributeFilter: ['disabled'] }); else press();
})";

pub(super) struct Browser {
    devtools: WebSocket<TcpStream>,
    asked: u64,
    process: Process,
    _profile: Files,
}

impl Browser {
    pub(super) fn start() -> Browser {
        let profile = Files::new("browser");
        let mut command = Command::new("chromium");
        command.args(FLAGS).arg(format!("--user-data-dir={}", profile.path("profile"))).arg("about:blank");
        let process = Process::start(&mut command);
        let mut url = None;
        until("the browser listens", || {
            let said = process.errors();
            url = said.lines().find_map(|line| line.strip_prefix("DevTools listening on ").map(str::to_owned));
            url.is_some()
        });
        let url = url.expect("it was found");
        let authority = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).expect("it is a URL");
        let stream = TcpStream::connect(authority).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let (devtools, _) = client(url.as_str(), stream).expect("the browser speaks WebSocket");
        Browser { devtools, asked: 0, process, _profile: profile }
    }

    /// Calls a method of the browser, or of a page by its session, and returns the result.
    #[track_caller]
    fn call(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.ask(session, method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn ask(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value, Value> {
        self.asked += 1;
        let mut call = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        self.devtools.send(call.to_string().into()).expect("the browser reads");
        loop {
            let message = self.devtools.read().expect("the browser answers").into_text().expect("it speaks JSON");
            let mut message: Value = serde_json::from_str(&message).expect("it speaks JSON");
            if message["id"] == self.asked {
                let error = message["error"].take();
                return if error.is_null() { Ok(message["result"].take()) } else { Err(error) };
            }
        }
    }

    /// Opens a page in a new window, and returns its session.
    pub(super) fn open(&mut self, url: &str) -> String {
        let target = self.call(None, "Target.createTarget", json!({ "url": url, "newWindow": true }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", attach);
        let session = session["sessionId"].as_str().expect("a session has an id").to_owned();
        let is_there = json!({ "expression": "document.readyState == 'complete' && location.href != 'about:blank'" });
        until("the page is there", || {
            // Between two pages there is none to evaluate in, which is an error.
            let answer = self.ask(Some(&session), "Runtime.evaluate", is_there.clone());
            answer.is_ok_and(|answer| answer["result"]["value"] == true)
        });
        session
    }

    #[track_caller]
    pub(super) fn evaluate(&mut self, session: &str, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call(Some(session), "Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    #[track_caller]
    fn say(&mut self, session: &str, text: &str) {
        self.evaluate(session, &SAY.replace("TEXT", &json!(text).to_string()));
    }

    /// All lines of a page, once they contain `wanted`.
    #[track_caller]
    fn shown(&mut self, session: &str, wanted: &str) -> String {
        let shown = self.evaluate(session, &SHOWN.replace("WANTED", &json!(wanted).to_string()));
        shown.as_str().expect("a page shows text").to_owned()
    }
}

impl Drop for Browser {
    /// Closes the browser, so that its processes end in an orderly way. Otherwise it is killed.
    fn drop(&mut self) {
        if self.devtools.send(json!({ "id": 0, "method": "Browser.close" }).to_string().into()).is_ok() {
            while self.devtools.read().is_ok() {}
            let _ = self.process.child.wait();
        }
    }
}

#[test]
#[ignore = "needs the browser chromium and all features: .ci/run has both"]
fn two_pages_of_a_browser_chat_and_see_the_end_of_the_server() {
    let server = Server::example("websocket_chat");
    let url = format!("http://{}/", server.address);
    let mut browser = Browser::start();
    let alice = browser.open(&url);
    browser.say(&alice, "alice");
    browser.shown(&alice, "* alice enters");
    let bob = browser.open(&url);
    browser.say(&bob, "bob");
    browser.shown(&alice, "* bob enters");
    browser.say(&alice, "Is <b>this</b> home?");
    browser.shown(&bob, "home?");
    browser.say(&bob, "Grüß Gott 🦀");
    assert_eq!(
        browser.shown(&alice, "Gott"),
        "* alice enters\n* bob enters\nalice: Is <b>this</b> home?\nbob: Grüß Gott 🦀"
    );
    browser.call(Some(&bob), "Page.close", json!({}));
    browser.shown(&alice, "* bob leaves");
    assert_eq!(server.process.errors(), "");
    drop(server);
    browser.shown(&alice, "* The connection is closed.");
}
