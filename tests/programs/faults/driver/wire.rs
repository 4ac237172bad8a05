//! What a conversation runs over.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use waterwheel::{
    StreamReader, StreamWriter, TlsClient, TlsServer, open_connection, open_read_pipe, open_unix_connection,
    open_write_pipe,
};

/// How long a handshake may take. The other side may have been reset without this side noticing.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Tcp,
    Tls,
    Unix,
    /// Two pipes, one for each direction.
    Pipes,
}

impl Wire {
    pub(crate) fn named(name: &str) -> Option<Wire> {
        Some(match name {
            "tcp" => Wire::Tcp,
            "tls" => Wire::Tls,
            "unix" => Wire::Unix,
            "pipes" => Wire::Pipes,
            _ => return None,
        })
    }

    /// Whether one side can end while the other goes on.
    pub(crate) fn has_halves(self) -> bool {
        self != Wire::Tls
    }

    /// Whether the other side learns that bytes were given up. The reader of a pipe does not, and neither does the
    /// reader of a Unix socket that had nothing left to read. The system ends the TCP connections of a killed process
    /// in order, and so may an intermediary; only TLS reveals that.
    pub(crate) fn tells_of_loss(self) -> bool {
        self == Wire::Tls || (self == Wire::Tcp && env::var_os("FAULTS_CUT_IN_ORDER").is_none())
    }
}

/// A file with a certificate or a key, in the directory that the environment names.
fn file(name: &str) -> io::Result<Vec<u8>> {
    let directory = env::var_os("FAULTS_IDENTITY").ok_or_else(|| io::Error::other("FAULTS_IDENTITY is not set"))?;
    fs::read(Path::new(&directory).join(name))
}

pub(crate) fn tls_server() -> io::Result<TlsServer> {
    TlsServer::new(file("chain.pem")?, file("key.pem")?)
}

/// Where a visitor connects.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Tls(SocketAddr),
    Unix(PathBuf),
}

impl Place {
    pub(crate) async fn connect(&self) -> io::Result<(StreamReader, StreamWriter)> {
        match self {
            Place::Tcp(address) => open_connection(*address).await,
            Place::Tls(address) => {
                let tls = TlsClient::with_roots(file("ca.pem")?)?;
                let connection = open_connection(*address).tls(tls).server_hostname("localhost");
                connection.tls_handshake_timeout(HANDSHAKE).await
            }
            Place::Unix(path) => open_unix_connection(path).await,
        }
    }
}

/// Both sides of a connection made of pipes.
pub(crate) async fn pipes() -> io::Result<[(StreamReader, StreamWriter); 2]> {
    let (up_in, up_out) = mio::unix::pipe::new()?;
    let (down_in, down_out) = mio::unix::pipe::new()?;
    let visitor = (open_read_pipe(OwnedFd::from(down_out)).await?, open_write_pipe(OwnedFd::from(up_in)).await?);
    let host = (open_read_pipe(OwnedFd::from(up_out)).await?, open_write_pipe(OwnedFd::from(down_in)).await?);
    Ok([visitor, host])
}
