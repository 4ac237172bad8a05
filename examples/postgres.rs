//! PostgreSQL with `tokio-postgres`, on this loop: queries, a prepared statement, notifications, and cancelling a
//! query.
//!
//!     cargo run --features tokio-io --example postgres [ADDR] [SETTINGS]
//!     cargo run --features tokio-io --example postgres /run/postgresql/.s.PGSQL.5432 "user=me password=secret"
//!
//! `ADDR` is `HOST:PORT` or the path of a Unix socket. tokio's runtime is not needed: `connect_raw` takes an
//! established connection.

use std::env;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification};
use waterwheel::{Connection, Task, open_connection, race, sleep, spawn};

type Outcome<T> = Result<T, Box<dyn Error>>;

async fn connect(address: &str) -> io::Result<Connection> {
    let connecting = match address.starts_with('/') {
        true => open_connection(Path::new(address)),
        false => open_connection(address),
    };
    Ok(connecting.await?.into())
}

/// A client, its notifications, and the task that drives its connection. The task ends when the client is dropped.
type Session = (Client, Receiver<Notification>, Task<Result<(), tokio_postgres::Error>>);

async fn log_in(address: &str, config: &Config) -> Outcome<Session> {
    let (client, mut connection) = config.connect_raw(connect(address).await?, NoTls).await?;
    let (heard, notifications): (Sender<Notification>, _) = async_channel::unbounded();
    let moving = spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message? {
                let _ = heard.try_send(notification); // the receiver may be gone
            }
        }
        Ok(())
    });
    Ok((client, notifications, moving))
}

async fn count_spokes(client: &Client) -> Outcome<()> {
    client.batch_execute("CREATE TEMPORARY TABLE wheels (name text, spokes int)").await?;
    let insert = client.prepare("INSERT INTO wheels VALUES ($1, $2)").await?;
    for (name, spokes) in [("cart", 12), ("mill", 32), ("barrow", 6)] {
        client.execute(&insert, &[&name, &spokes]).await?;
    }
    let rows = client.query("SELECT name, spokes FROM wheels WHERE spokes > $1 ORDER BY spokes", &[&10]).await?;
    for row in rows {
        println!("{} has {} spokes", row.get::<_, &str>(0), row.get::<_, i32>(1));
    }
    Ok(())
}

/// Uses two sessions: one sends notifications, and the other receives them without polling the server.
async fn talk(address: &str, config: &Config, speaker: &Client) -> Outcome<()> {
    let (listener, notifications, moving) = log_in(address, config).await?;
    listener.batch_execute("LISTEN wheel").await?;
    for payload in ["it turns", "it stands still"] {
        speaker.execute("SELECT pg_notify('wheel', $1)", &[&payload]).await?;
    }
    for _ in 0..2 {
        let heard = notifications.recv().await?;
        println!("heard on {}: {}", heard.channel(), heard.payload());
    }
    drop(listener);
    Ok(moving.await??)
}

/// Starts a query that would take an hour, and cancels it. Each cancel request has its own connection.
async fn cancel(address: &str, client: &Client) -> Outcome<()> {
    let token = client.cancel_token();
    let long = async { Ok(client.batch_execute("SELECT pg_sleep(3600)").await) };
    let cancelling = async {
        // A request that arrives before the query has begun cancels nothing, so requests are repeated.
        loop {
            sleep(Duration::from_millis(10)).await;
            token.cancel_query_raw(connect(address).await?, NoTls).await?;
        }
    };
    let outcome: Outcome<_> = race((long, cancelling)).await;
    match outcome? {
        Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => println!("the long query was cancelled"),
        Err(error) => return Err(error.into()),
        Ok(()) => println!("an hour is over"),
    }
    Ok(())
}

async fn converse(address: &str, settings: &str) -> Outcome<()> {
    let config = &settings.parse()?;
    let (client, _, moving) = log_in(address, config).await?;
    count_spokes(&client).await?;
    talk(address, config, &client).await?;
    cancel(address, &client).await?;
    drop(client);
    Ok(moving.await??)
}

fn main() -> ExitCode {
    env_logger::init();
    let argument = |place, default: &str| env::args().nth(place).unwrap_or_else(|| default.to_owned());
    match waterwheel::run(converse(&argument(1, "127.0.0.1:5432"), &argument(2, "user=postgres"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("because of: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
