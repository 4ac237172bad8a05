//! The servers under test, each written as a user of its library would write it.
//!
//! A server is a process: it prints its address, and serves until it is told to end.

mod dialogue;
mod readiness;
#[cfg(feature = "compio")]
mod with_compio;
mod with_epoll;
#[cfg(feature = "glommio")]
mod with_glommio;
mod with_mio;
#[cfg(feature = "monoio")]
mod with_monoio;
#[cfg(feature = "smol")]
mod with_smol;
mod with_tokio;
mod with_waterwheel;

use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener};

use crate::wire::App;

/// A library, and a way to use it.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) runs: Runs,
}

pub(crate) enum Runs {
    /// The server runs in a process of this program.
    Here(fn(App)),
    /// The server runs in a Python process, with this loop, in this style.
    Python(&'static str, &'static str),
    /// The peer is not in this build, since it needs this feature. Unused if all features are on.
    #[allow(dead_code)]
    Without(&'static str),
}

/// A peer that needs a feature of this package.
macro_rules! optional {
    ($feature:literal, $serve:path) => {{
        #[cfg(feature = $feature)]
        let runs = Runs::Here($serve);
        #[cfg(not(feature = $feature))]
        let runs = Runs::Without($feature);
        runs
    }};
}

/// The peer with which all others are compared.
pub(crate) const BASELINE: &str = "tokio";
/// Bare epoll, the lower bound that the kernel sets.
pub(crate) const FLOOR: &str = "epoll";

/// The peers that are measured in every round: those whose differences are small, and matter here.
pub(crate) const EVERY_ROUND: &[&str] =
    &[BASELINE, "tokio-newcomer", "waterwheel", "waterwheel-newcomer", "waterwheel-protocol", FLOOR];

pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: BASELINE,
        what: "current-thread runtime, as an expert writes it: own buffers, answers gathered into one write",
        runs: Runs::Here(with_tokio::expert),
    },
    Peer {
        name: "tokio-newcomer",
        what: "the same, as most would write it first: a 1 KiB buffer, `BufReader`, `write_all` for each answer",
        runs: Runs::Here(with_tokio::newcomer),
    },
    Peer {
        name: "tokio-local",
        what: "`LocalRuntime`, whose tasks need not be `Send`; otherwise like the expert",
        runs: Runs::Here(with_tokio::local),
    },
    Peer {
        name: "tokio-readable",
        what: "waits with `readable` and holds no buffer meanwhile; echo only",
        runs: Runs::Here(with_tokio::readable),
    },
    Peer {
        name: "waterwheel",
        what: "streams as an expert writes them: `fill_buf`, `readline_into`",
        runs: Runs::Here(with_waterwheel::expert),
    },
    Peer {
        name: "waterwheel-newcomer",
        what: "streams as most would write them first, with asyncio's methods: `read(n)`, `readline`, `readuntil`",
        runs: Runs::Here(with_waterwheel::newcomer),
    },
    Peer {
        name: "waterwheel-protocol",
        what: "a callback protocol: `data_received` writes",
        runs: Runs::Here(with_waterwheel::protocol),
    },
    Peer { name: FLOOR, what: "bare epoll", runs: Runs::Here(with_epoll::serve) },
    Peer { name: "mio", what: "bare mio", runs: Runs::Here(with_mio::serve) },
    Peer {
        name: "smol",
        what: "`LocalExecutor` and `Async`, as an expert writes it",
        runs: optional!("smol", with_smol::serve),
    },
    Peer { name: "monoio-epoll", what: "monoio's driver on epoll", runs: optional!("monoio", with_monoio::epoll) },
    Peer { name: "monoio-uring", what: "monoio's driver on io_uring", runs: optional!("monoio", with_monoio::uring) },
    Peer { name: "compio", what: "on io_uring", runs: optional!("compio", with_compio::serve) },
    Peer { name: "glommio", what: "on io_uring", runs: optional!("glommio", with_glommio::serve) },
    Peer {
        name: "asyncio",
        what: "Python's streams: `read`, `readline`, `drain`",
        runs: Runs::Python("asyncio", "streams"),
    },
    Peer {
        name: "asyncio-protocol",
        what: "a Python protocol: `data_received` writes",
        runs: Runs::Python("asyncio", "protocol"),
    },
    Peer { name: "uvloop", what: "Python's streams on uvloop", runs: Runs::Python("uvloop", "streams") },
    Peer { name: "uvloop-protocol", what: "a Python protocol on uvloop", runs: Runs::Python("uvloop", "protocol") },
];

impl Peer {
    pub(crate) fn of(name: &str) -> &'static Peer {
        PEERS.iter().find(|peer| peer.name == name).unwrap_or_else(|| panic!("no such peer: {name}"))
    }

    pub(crate) fn serves(&self, app: App) -> bool {
        self.name != "tokio-readable" || app == App::Echo
    }

    pub(crate) fn is_python(&self) -> bool {
        matches!(self.runs, Runs::Python(..))
    }
}

/// Serves until this process ends.
pub(crate) fn serve(peer: &str, app: App) {
    match Peer::of(peer).runs {
        Runs::Here(serve) => serve(app),
        Runs::Python(..) => panic!("{peer} is a program in Python"),
        Runs::Without(feature) => panic!("{peer} is not in this build: it needs the feature {feature}"),
    }
}

/// The listener for libraries that accept an existing one.
fn listener() -> TcpListener {
    let address: SocketAddr = ([127, 0, 0, 1], 0).into();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&address.into()).expect("an address");
    socket.listen(1024).expect("listening");
    socket.into()
}

/// Tells the parent process the address of this server.
fn announce<E: Debug>(address: Result<SocketAddr, E>) {
    println!("{}", address.expect("a listener has an address"));
}
