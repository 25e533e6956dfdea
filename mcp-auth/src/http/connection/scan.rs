//! Finds the end of a request's head, and the length of the body if the head declares it.
//!
//! The result only decides when bytes go to actix. A wrong result can only delay a request until the deadline of the
//! head.

use memchr::memchr_iter;

/// Finds the first empty line after a line that is not empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    /// True if a line with content has been read. HTTP allows empty lines before a request.
    is_started: bool,
    /// True if the current line has content.
    in_line: bool,
    length: Option<u64>,
    /// True if only actix can determine the length of the body.
    is_unsure: bool,
    /// The number of bytes that have been read.
    seen: usize,
}

impl Scanner {
    /// Returns true if a part of a request has been read.
    pub(super) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Returns true if the head is longer than the limit.
    pub(super) fn is_too_long(&self) -> bool {
        self.seen > MOST_HEAD
    }

    /// Reads the next bytes. If the empty line that ends the head is among these bytes, returns the number of bytes up
    /// to the end of that line.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        self.seen = self.seen.saturating_add(bytes.len());
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes) {
            let line = bytes.get(start..end).unwrap_or_default();
            if !self.in_line && is_blank(line) {
                if self.is_started {
                    return Some(end + 1);
                }
            } else {
                self.is_started = true;
                self.line(line);
            }
            self.in_line = false;
            start = end + 1;
        }
        if !is_blank(bytes.get(start..).unwrap_or_default()) {
            self.is_started = true;
            self.in_line = true;
        }
        None
    }

    /// Returns the length of the body, which is 0 if the head declares no length. Returns `None` if only actix can
    /// determine the length: for a chunked body, for two lengths, or for a header line that arrived in pieces.
    pub(super) fn body_length(&self) -> Option<u64> {
        (!self.is_unsure).then(|| self.length.unwrap_or(0))
    }

    fn line(&mut self, line: &[u8]) {
        if self.in_line {
            // The first part of the line arrived earlier, and was not stored.
            self.is_unsure = true;
            return;
        }
        match line.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, b"content-length:") {
                    let length = str::from_utf8(value)
                        .ok()
                        .and_then(|text| text.parse().ok());
                    self.is_unsure |= length.is_none() || self.length.is_some();
                    self.length = length;
                }
            }
            Some(b't' | b'T') => {
                self.is_unsure |= value_of(line, b"transfer-encoding:").is_some();
            }
            _ => {}
        }
    }
}

/// Finds the end of a chunked body (RFC 9112 section 7.1), at the same byte as actix.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunks {
    /// In the size of a chunk. The value is the part of the size that has been read so far.
    Size(u64),
    /// In the rest of the line that begins with the size of a chunk. The value is the size.
    Extension(u64),
    /// In the data of a chunk. The value is the number of remaining bytes, including the line end.
    Data(u64),
    /// At the beginning of a line after the last chunk.
    Line,
    /// In a trailer.
    Trailer,
    /// After the `\r` of a trailer.
    TrailerEnd,
    /// After the `\r` of an empty line.
    End,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Size(0)
    }
}

impl Chunks {
    /// Reads the next bytes. If the body ends among these bytes, returns the number of bytes up to its end.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            if let Self::Data(left) = self {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::Size(0);
                }
                rest = rest.get(taken..).unwrap_or_default();
                continue;
            }
            rest = after;
            *self = match (*self, byte) {
                (Self::Size(0) | Self::Extension(0), b'\n') => Self::Line,
                (Self::Size(size) | Self::Extension(size), b'\n') => {
                    Self::Data(size.saturating_add(2))
                }
                (Self::Size(size), digit) => match char::from(*digit).to_digit(16) {
                    Some(digit) => Self::Size(size.saturating_mul(16).saturating_add(digit.into())),
                    None => Self::Extension(size),
                },
                (Self::End, b'\n') => return Some(bytes.len() - rest.len()),
                (Self::TrailerEnd, b'\n') => Self::Line,
                (Self::Line, b'\r') => Self::End,
                (Self::Trailer, b'\r') => Self::TrailerEnd,
                (Self::Line | Self::Trailer | Self::TrailerEnd | Self::End, _) => Self::Trailer,
                (other, _) => other,
            };
        }
        None
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\r')
}

/// Returns the value if the line is a header with this name. `name` ends with a colon.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    // Most other names are shorter or longer, so their last byte here is no colon.
    let is_name = start.last() == name.last() && start.eq_ignore_ascii_case(name);
    is_name.then(|| value.trim_ascii())
}

/// The largest length of a head, in bytes: twice the largest length of a token. The limit is needed because actix keeps
/// a buffer as large as the longest head until the connection ends.
const MOST_HEAD: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST /mcp HTTP/1.1\r\nHost: a\r\ncontent-Length:  12 \r\n\r\n";

    #[test]
    fn a_head_ends_with_its_first_empty_line() {
        let mut scanner = Scanner::default();
        let bytes = [HEAD, b"{\"a\":\r\n\r\n1}GET"].concat();
        assert_eq!(scanner.feed(&bytes), Some(HEAD.len()));
        assert_eq!(scanner.body_length(), Some(12));
    }

    #[test]
    fn empty_lines_before_a_head_are_no_end() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.feed(b"\r\n\r\n\n\r"), None);
        assert!(!scanner.is_started());
        assert_eq!(scanner.feed(b"\nGET / HTTP/1.1\n\nrest"), Some(17));
        assert_eq!(scanner.body_length(), Some(0));
    }

    #[test]
    fn a_head_may_come_in_any_pieces() {
        for at in 0..HEAD.len() {
            let (first, second) = HEAD.split_at(at);
            let mut scanner = Scanner::default();
            assert_eq!(scanner.feed(first), None, "{at}");
            assert_eq!(scanner.feed(second), Some(second.len()), "{at}");
            let length = scanner.body_length();
            assert!(length.is_none() || length == Some(12), "{at}: {length:?}");
        }
        let mut scanner = Scanner::default();
        let ends: Vec<_> = HEAD.iter().map(|byte| scanner.feed(&[*byte])).collect();
        assert_eq!(ends.iter().position(Option::is_some), Some(HEAD.len() - 1));
    }

    #[test]
    fn a_length_that_is_not_plain_is_left_to_actix() {
        for lines in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: x\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 99999999999999999999\r\n",
        ] {
            let mut scanner = Scanner::default();
            let head = format!("POST / HTTP/1.1\r\n{lines}\r\n");
            assert_eq!(scanner.feed(head.as_bytes()), Some(head.len()));
            assert_eq!(scanner.body_length(), None, "{lines}");
        }
    }

    #[test]
    fn a_body_in_chunks_ends_with_the_empty_line_behind_its_last_chunk_and_its_trailers() {
        for body in [
            "5\r\nhello\r\n0\r\n\r\n",
            "0\r\n\r\n",
            "a;name=value\r\n\r\n\r\n\r\n\r\n\r\n\r\n000\r\n\r\n",
            "3\r\n\n\n\n\r\n0\r\nA: b\r\nC: d\r\n\r\n",
            "F\r\n0\r\n\r\n0123456789\r\n0;x\r\n\r\n",
        ] {
            let bytes = format!("{body}GET");
            assert_eq!(
                Chunks::default().feed(bytes.as_bytes()),
                Some(body.len()),
                "{body:?}"
            );
            for at in 0..body.len() {
                let (first, second) = bytes.as_bytes().split_at(at);
                let mut chunks = Chunks::default();
                assert_eq!(chunks.feed(first), None, "{body:?} {at}");
                assert_eq!(chunks.feed(second), Some(body.len() - at), "{body:?} {at}");
            }
        }
        assert_eq!(
            Chunks::default().feed(b"ffffffffffffffff\r\n\r\n\r\n"),
            None
        );
    }
}
