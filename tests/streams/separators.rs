//! Lines and separators: what they find, where the limit is, and what an error leaves in the reader.

use std::io::{self, ErrorKind};

use crate::common::running::{run, turns};
use waterwheel::{ReadError, StreamFeeder, StreamReader, spawn};

fn fed(limit: usize, pieces: &[&[u8]]) -> (StreamReader, StreamFeeder) {
    let (reader, feeder) = StreamReader::new(limit);
    pieces.iter().for_each(|piece| feeder.feed_data(piece));
    (reader, feeder)
}

fn consumed(error: ReadError) -> usize {
    let ReadError::LimitOverrun { consumed } = error else { panic!("no limit was overrun: {error:?}") };
    consumed
}

/// Ends the stream, and returns everything that is left in the reader.
async fn rest(mut reader: StreamReader, feeder: StreamFeeder) -> Vec<u8> {
    feeder.feed_eof();
    reader.read_to_end().await.unwrap()
}

#[test]
fn a_line_comes_whole_whatever_the_pieces_and_the_rest_stays() {
    run(async {
        let text = b"chunk1 chunk2 chunk3 \n chunk4";
        for size in 1..=text.len() {
            let (mut reader, feeder) = StreamReader::new(100);
            let task = spawn(async move { (reader.readline().await.unwrap(), reader) });
            for piece in text.chunks(size) {
                feeder.feed_data(piece);
                if size % 2 == 0 {
                    turns(2).await;
                }
            }
            let (line, reader) = task.await.unwrap();
            assert_eq!(line, b"chunk1 chunk2 chunk3 \n", "in pieces of {size}");
            assert_eq!(rest(reader, feeder).await, b" chunk4");
        }
    });
}

#[test]
fn lines_end_with_a_partial_one_and_then_none() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"a\nb\n\nlast"]);
        feeder.feed_eof();
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().await.unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [&b"a\n"[..], b"b\n", b"\n", b"last"]);
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert_eq!(reader.next_line().await.unwrap(), None);
        let mut line = Vec::new();
        assert_eq!(reader.readline_into(&mut line).await.unwrap(), 0);
    });
}

#[test]
fn the_limit_counts_the_bytes_before_the_newline() {
    run(async {
        let (mut reader, feeder) = fed(7, &[b"1234567\n12345678\nnext\n"]);
        assert_eq!(reader.readline().await.unwrap(), b"1234567\n");
        assert_eq!(consumed(reader.readline().await.unwrap_err()), 8);
        assert_eq!(reader.readline().await.unwrap(), b"next\n");
        // Without a newline, everything that has arrived is consumed, and the tail of the long line is read as a line.
        feeder.feed_data(b"12345678");
        assert_eq!(consumed(reader.readline().await.unwrap_err()), 8);
        feeder.feed_data(b"tail\nfoo\n");
        assert_eq!(reader.readline().await.unwrap(), b"tail\n");
        assert_eq!(reader.next_line().await.unwrap().unwrap(), b"foo\n");
        // Exactly as long as the limit, and without a newline yet: this may still become a line.
        feeder.feed_data(b"1234567");
        let task = spawn(async move { reader.readline().await.unwrap() });
        turns(2).await;
        feeder.feed_data(b"\n");
        assert_eq!(task.await.unwrap(), b"1234567\n");
    });
}

#[test]
fn a_line_too_long_goes_through_its_newline_although_that_came_later_than_the_rest() {
    run(async {
        let (mut reader, feeder) = fed(4, &[b"xy\nabcde"]);
        assert_eq!(reader.readline().await.unwrap(), b"xy\n");
        feeder.feed_data(b"\nfoo\n");
        assert_eq!(consumed(reader.readline().await.unwrap_err()), 5);
        assert_eq!(reader.readline().await.unwrap(), b"foo\n");
        // The same for a separator of several bytes: everything that has arrived was searched.
        let (mut reader, feeder) = fed(4, &[b"xy\nabcdef"]);
        assert_eq!(reader.readline().await.unwrap(), b"xy\n");
        feeder.feed_data(b"ghAA");
        assert_eq!(consumed(reader.readuntil("AA").await.unwrap_err()), 8);
        assert_eq!(rest(reader, feeder).await, b"abcdefghAA");
    });
}

#[test]
fn a_line_too_long_at_the_end_of_the_stream_is_an_overrun_all_the_same() {
    run(async {
        let (mut reader, feeder) = fed(4, &[b"abcdefghi"]);
        feeder.feed_eof();
        for _ in 0..3 {
            assert_eq!(consumed(reader.readuntil("\n").await.unwrap_err()), 9);
        }
        assert_eq!(consumed(reader.readline().await.unwrap_err()), 9);
        assert_eq!(reader.readline().await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

#[test]
fn a_separator_found_beyond_the_limit_leaves_the_bytes() {
    run(async {
        for (limit, data, expected) in
            [(4, "abcd\n", None), (4, "abcde\n", Some(5)), (1, "\n", None), (1, "ab\n", Some(2))]
        {
            let (mut reader, feeder) = fed(limit, &[data.as_bytes()]);
            match expected {
                None => assert_eq!(reader.readuntil("\n").await.unwrap(), data.as_bytes()),
                Some(at) => {
                    for _ in 0..2 {
                        assert_eq!(consumed(reader.readuntil("\n").await.unwrap_err()), at);
                    }
                    assert_eq!(rest(reader, feeder).await, data.as_bytes());
                }
            }
        }
    });
}

#[test]
fn without_a_separator_the_limit_counts_what_cannot_begin_one() {
    run(async {
        for (separator, data, expected) in [
            ("\n", "abcd", None),
            ("\n", "abcde", Some(5)),
            ("AAA", "abcdAA", None),
            ("AAA", "abcdeAA", Some(5)),
            ("AAA", "abcdef", None),
            ("AAA", "abcdefg", Some(5)),
        ] {
            let (mut reader, feeder) = fed(4, &[data.as_bytes()]);
            let waits = waterwheel::timeout(std::time::Duration::ZERO, reader.readuntil(separator)).await;
            match (waits, expected) {
                (Err(_), None) => {}
                (Ok(Err(error)), Some(at)) => assert_eq!(consumed(error), at, "{separator} in {data}"),
                (other, _) => panic!("{separator} in {data}: {other:?}"),
            }
            assert_eq!(rest(reader, feeder).await, data.as_bytes());
        }
    });
}

#[test]
fn a_separator_is_found_across_pieces_and_after_near_misses() {
    run(async {
        for (pieces, separator, expected, left) in [
            (&["QWEaa", "XYaa", "a"][..], "aaa", "QWEaaXYaaa", ""),
            (&["a", "A", "AAA"], "AAA", "aAAA", "A"),
            (&["lineAAA", "x"], "AAA", "lineAAA", "x"),
            (&["A", "A", "A", "A"], "AAA", "AAA", "A"),
            (&["\r", "\r", "\n"], "\r\n", "\r\r\n", ""),
            (&["ababac", ""], "abac", "ababac", ""),
        ] {
            let (mut reader, feeder) = StreamReader::new(100);
            let task = spawn(async move { (reader.readuntil(separator).await.unwrap(), reader) });
            for piece in pieces {
                turns(2).await;
                feeder.feed_data(piece.as_bytes());
            }
            let (found, reader) = task.await.unwrap();
            assert_eq!(found, expected.as_bytes());
            assert_eq!(rest(reader, feeder).await, left.as_bytes());
        }
    });
}

#[test]
fn the_end_without_a_separator_gives_what_there_was() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"dataAA"]);
        feeder.feed_eof();
        let error = reader.readuntil("AAA").await.unwrap_err();
        assert_eq!(error.to_string(), "6 bytes read, and the stream ended before the separator");
        let ReadError::IncompleteRead { partial, expected } = error else { panic!("{error:?}") };
        assert_eq!((&partial[..], expected), (&b"dataAA"[..], None));
        let ReadError::IncompleteRead { partial, .. } = reader.readuntil("AAA").await.unwrap_err() else { panic!() };
        assert!(partial.is_empty() && reader.at_eof());
    });
}

#[test]
fn of_several_separators_the_one_that_ends_first_wins_and_of_two_the_shorter() {
    run(async {
        for (data, separators, expected) in [
            ("ABCDEFG", &["DEF", "BCDE"][..], "ABCDE"),
            ("ab\r\ncd", &["\r", "\r\n"], "ab\r"),
            ("ab\r\ncd", &["\r\n", "\n"], "ab\r\n"),
            ("aXYZ", &["XYZ", "YZ"], "aXYZ"),
            ("a;b,c", &[",", ";"], "a;"),
        ] {
            let (mut reader, _feeder) = fed(100, &[data.as_bytes()]);
            assert_eq!(reader.readuntil(separators).await.unwrap(), expected.as_bytes(), "{separators:?} in {data}");
        }
        // The limit applies to where the winning separator begins.
        let (mut reader, feeder) = fed(3, &[b"aaaaABC"]);
        assert_eq!(consumed(reader.readuntil(["ABC", "B", "C"]).await.unwrap_err()), 5);
        assert_eq!(rest(reader, feeder).await, b"aaaaABC");
        let (mut reader, _feeder) = fed(3, &[b"aXYZ"]);
        assert_eq!(reader.readuntil(["XYZ", "YZ"]).await.unwrap(), b"aXYZ");
        let (mut reader, _feeder) = fed(1, &[b"aXYZ"]);
        assert_eq!(consumed(reader.readuntil(["XYZ", "YZ"]).await.unwrap_err()), 2);
    });
}

#[test]
fn fewer_bytes_than_the_longest_separator_are_no_trouble() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"ab"]);
        let task = spawn(async move { (reader.readuntil(["longer", "bc"]).await.unwrap(), reader) });
        turns(2).await;
        feeder.feed_data(b"cd");
        let (found, reader) = task.await.unwrap();
        assert_eq!(found, b"abc");
        assert_eq!(rest(reader, feeder).await, b"d");
    });
}

#[test]
fn no_separator_and_an_empty_one_are_refused_before_anything_else() {
    run(async {
        let (mut reader, feeder) = fed(100, &[b"data"]);
        feeder.set_exception(io::Error::other("stored"));
        for separators in [Vec::new(), vec![""], vec!["a", ""]] {
            let ReadError::Io(error) = reader.readuntil(separators).await.unwrap_err() else { panic!() };
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert!(reader.readuntil(b"").await.is_err());
        assert_eq!(reader.read(9).await.unwrap(), b"data");
    });
}
