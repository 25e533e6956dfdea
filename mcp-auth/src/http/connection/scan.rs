//! Finds the end of a request's head, and the length of its body if the head states it plainly.
//!
//! The result decides only when bytes go to actix. A scanner that is wrong delays a request, and
//! the deadline of the head ends that.

use memchr::memchr_iter;

/// Looks for the first empty line after a line that is not empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    /// Whether a line with something in it was seen. HTTP lets empty lines precede a request.
    is_started: bool,
    /// Whether the line that is being read has something in it.
    in_line: bool,
    length: Option<u64>,
    /// Whether the length of the body is for actix to say.
    is_unsure: bool,
}

impl Scanner {
    /// A scanner inside of a body: the first empty line counts.
    pub(super) fn in_body() -> Self {
        Self {
            is_started: true,
            ..Self::default()
        }
    }

    /// Whether a byte of a request was seen.
    pub(super) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Goes on with the next bytes; returns how many of them belong to what ends with the empty line, if it is
    /// among them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
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

    /// The length of the body, `Some(0)` if none is declared; `None` if that is for actix to say: a body in
    /// chunks, two lengths, or a head that came in pieces.
    pub(super) fn body_length(&self) -> Option<u64> {
        (!self.is_unsure).then(|| self.length.unwrap_or(0))
    }

    fn line(&mut self, line: &[u8]) {
        if self.in_line {
            // The first part of the line came before, and was not kept.
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

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\r')
}

/// The value of the header, if the line has that one. `name` ends with a colon.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

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
    fn inside_of_a_body_the_first_empty_line_counts() {
        let mut scanner = Scanner::in_body();
        assert_eq!(scanner.feed(b"5\r\nhello\r\n0\r\n\r\nGET"), Some(15));
        assert_eq!(Scanner::in_body().feed(b"\r\nGET"), Some(2));
    }
}
