//! Reads the lines of stdin on a thread of its own. A thread of the runtime could not do this: the runtime waits for its
//! threads when it stops, so a process that got a signal would not end while the thread reads stdin.

use std::io::{self, BufRead, BufReader, Read};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, channel};

/// A line of the input.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Line {
    /// The line without its end.
    Message(Bytes),
    /// The line is longer than the limit. Its bytes were skipped.
    TooLong,
}

/// Returns the lines of the input. At most two lines that nobody has taken are in memory: one waits
/// in the channel, and the thread holds the other.
pub(super) fn lines(
    input: impl Read + Send + 'static,
    limit: usize,
) -> io::Result<Receiver<io::Result<Line>>> {
    let (sender, lines) = channel(1);
    let read = move || {
        let mut input = BufReader::new(input);
        while let Some(line) = next_line(&mut input, limit).transpose() {
            let is_broken = line.is_err();
            if sender.blocking_send(line).is_err() || is_broken {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("mcp-auth-stdin".to_owned())
        .spawn(read)?;
    Ok(lines)
}

/// Reads a line of at most `limit` bytes. `None` at the end of the input.
fn next_line(input: &mut impl BufRead, limit: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if input.take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > limit {
        input.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    // The allocation is exactly as long as the line, because the budget counts the length of the line.
    Ok(Some(Line::Message(line.into_boxed_slice().into())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, limit: usize) -> Vec<Line> {
        let mut input = BufReader::with_capacity(3, text.as_bytes());
        std::iter::from_fn(|| next_line(&mut input, limit).unwrap()).collect()
    }

    fn message(text: &'static str) -> Line {
        Line::Message(text.into())
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_is_read() {
        let expected = [
            message("12345"),
            Line::TooLong,
            message("1"),
            Line::TooLong,
            message("x"),
        ];
        assert_eq!(read("12345\n123456\n1\n12345678901234\nx", 5), expected);
        assert_eq!(read("123456", 5), [Line::TooLong]);
    }

    #[test]
    fn the_last_line_needs_no_end_and_a_blank_line_is_a_line() {
        assert_eq!(read("a\n\nb", 5), [message("a"), message(""), message("b")]);
        assert_eq!(read("", 5), []);
        assert_eq!(read("\n", 5), [message("")]);
    }

    #[test]
    fn a_line_is_read_only_when_the_last_one_was_taken() {
        let text = "a\n".repeat(100_000);
        let mut lines = lines(io::Cursor::new(text), 5).unwrap();
        assert_eq!(lines.blocking_recv().unwrap().unwrap(), message("a"));
        assert!(lines.len() <= 1);
    }
    proptest! {
        #[test]
        fn lines_are_read_as_a_split_of_the_whole_text_would(
            text in "[ab\n]{0,40}",
            limit in 1_usize..6,
            capacity in 1_usize..5,
        ) {
            let mut input = BufReader::with_capacity(capacity, text.as_bytes());
            let read: Vec<_> =
                std::iter::from_fn(|| next_line(&mut input, limit).unwrap()).collect();
            let expected: Vec<_> = text
                .split_inclusive('\n')
                .map(|line| line.strip_suffix('\n').unwrap_or(line))
                .map(|line| match line.len() > limit {
                    true => Line::TooLong,
                    false => Line::Message(line.to_owned().into()),
                })
                .collect();
            prop_assert_eq!(read, expected);
        }
    }
}
