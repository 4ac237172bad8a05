//! Passing on all that comes from one stream to another.

use std::future::poll_fn;
use std::io;
use std::panic::Location;

use crate::executor::{Awaited, Reason, because};
use crate::streams::both::both;
use crate::streams::{Connection, StreamReader, StreamWriter};

/// Writes all that the reader gives, until its end, and returns how many bytes that were. The writer is left open.
///
/// No more is read than the writer takes, so a slow receiver holds the sender back, and memory is bounded. The bytes are
/// copied once, out of the memory that they were received into.
///
/// # Cancel safety
///
/// Dropping the future loses no byte: what was read is written. How many bytes that were is not told then.
///
/// # Errors
///
/// That of the reader, or of the writer as [`drain`](StreamWriter::drain) gives it.
///
/// # Panics
///
/// If something is to be written after [`write_eof`](StreamWriter::write_eof).
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

/// Passes on all that comes from each of two connections to the other, as a proxy does, until both have ended. Returns how
/// many bytes went from the first to the second, and back.
///
/// When one ends its side, our side of the other is ended, once all was sent, and the other direction goes on. Where a side
/// cannot end alone, as with TLS, it stays open until the connections are dropped: ending it would cut off the answer.
///
/// # Cancel safety
///
/// As [`copy`], in both directions.
///
/// # Errors
///
/// The first that comes, of either connection. Dropping both closes them then.
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

/// [`copy`], and then the end.
async fn pass_on(reader: &mut StreamReader, writer: &StreamWriter) -> io::Result<u64> {
    let copied = copy(reader, writer).await?;
    if writer.can_write_eof() {
        poll_fn(|cx| writer.poll_shutdown(cx)).await?;
    }
    Ok(copied)
}
