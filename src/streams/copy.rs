//! Copying everything from one stream to another.

use std::future::poll_fn;
use std::io;
use std::panic::Location;

use crate::executor::{Awaited, Reason, because};
use crate::streams::both::both;
use crate::streams::{Connection, StreamReader, StreamWriter};

/// Copies all bytes from the reader to the writer, until the reader's end, and returns how many there were. The writer
/// is left open.
///
/// Bytes are read only as fast as the writer takes them, so a slow receiver holds the sender back, and memory is
/// bounded. Each byte is copied once, out of the memory that it was received into.
///
/// # Cancel safety
///
/// Dropping the future loses no byte: all bytes that were read are written. Only their number is lost.
///
/// # Errors
///
/// The error of the reader, or that of the writer as [`drain`](StreamWriter::drain) returns it.
///
/// # Panics
///
/// If there are bytes to write after [`write_eof`](StreamWriter::write_eof).
///
/// # Examples
///
/// ```
/// use waterwheel::testing::socket_pair;
/// use waterwheel::{StreamReader, copy};
///
/// waterwheel::run(async {
///     let (mut reader, feeder) = StreamReader::new(1024);
///     feeder.feed_data(b"all of it");
///     feeder.feed_eof();
///     let (ours, mut theirs) = socket_pair()?;
///     assert_eq!(copy(&mut reader, &ours.writer).await?, 9);
///     drop(ours);
///     assert_eq!(theirs.reader.read_to_end().await?, b"all of it");
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
#[doc(alias = "io::copy")]
#[doc(alias = "sendfile")]
#[track_caller]
pub fn copy(reader: &mut StreamReader, writer: &StreamWriter) -> impl Future<Output = io::Result<u64>> {
    because(Awaited::Copy, Location::caller(), async move {
        let mut copied = 0;
        loop {
            reader.filled(Reason::polled(Awaited::FillBuf)).await?;
            let bytes = reader.at_hand();
            if bytes.is_empty() {
                return Ok(copied);
            }
            writer.write(bytes);
            let n = bytes.len();
            reader.consume(n);
            copied += n as u64;
            writer.drain().await?;
        }
    })
}

/// Copies all bytes from each of two connections to the other, as a proxy does, until both have ended. Returns how many
/// bytes went from the first to the second, and how many went back.
///
/// When one peer ends its side, our side of the other connection is ended once all bytes are sent, and the other
/// direction goes on. Where our side cannot end alone, as with TLS, it stays open until the connections are dropped:
/// ending it would cut off the answer.
///
/// # Cancel safety
///
/// The same as [`copy`], in both directions.
///
/// # Errors
///
/// The first error of either connection. Drop both connections to close them.
///
/// # Examples
///
/// A proxy:
///
/// ```no_run
/// use std::io;
/// use waterwheel::{StreamReader, StreamWriter, copy_bidirectional, open_connection, start_server};
///
/// async fn pass_on(reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
///     let upstream = open_connection("127.0.0.1:5432").await?;
///     copy_bidirectional(&mut (reader, writer).into(), &mut upstream.into()).await?;
///     Ok(())
/// }
///
/// # fn main() -> io::Result<()> {
/// waterwheel::run(async { start_server(pass_on, "127.0.0.1:5433").await?.serve_forever().await })
/// # }
/// ```
#[track_caller]
pub fn copy_bidirectional(
    first: &mut Connection,
    second: &mut Connection,
) -> impl Future<Output = io::Result<(u64, u64)>> {
    because(Awaited::CopyBidirectional, Location::caller(), async move {
        let there = pass_on(&mut first.reader, &second.writer);
        let back = pass_on(&mut second.reader, &first.writer);
        both(there, back).await
    })
}

/// [`copy`], and then ends the writer's side.
async fn pass_on(reader: &mut StreamReader, writer: &StreamWriter) -> io::Result<u64> {
    let copied = copy(reader, writer).await?;
    if writer.can_write_eof() {
        poll_fn(|cx| writer.poll_shutdown(cx)).await?;
    }
    Ok(copied)
}
