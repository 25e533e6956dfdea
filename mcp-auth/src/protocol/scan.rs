//! Finds the end of JSON values without decoding them, and checks that they are valid.
//!
//! serde_json would scan a value once for each level of nesting that is read separately, and would
//! stop at a member with an unexpected type. This scanner reads the whole text in one pass. It can
//! therefore distinguish a text that is not JSON from JSON that is not a message. It accepts
//! exactly the texts that serde_json accepts. serde_json decodes the values.

use std::borrow::Cow;

use crate::json_string::plain;

/// A position in a text. The methods return `None` if the text is not JSON.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// True if a member, at any depth of the text that was read, has a name that serde_json reserves for itself.
    has_reserved_name: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            has_reserved_name: false,
        }
    }

    /// Returns true if a member that was read, at any depth, has a name that begins with `$serde_json::private::`.
    /// serde_json parses the value of `$serde_json::private::RawValue` as a separate document, and counts its nesting
    /// from zero, so such a text could overflow the stack.
    pub(super) fn has_reserved_name(&self) -> bool {
        self.has_reserved_name
    }

    /// Skips white space, and returns the next byte. `None` at the end.
    pub(super) fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Skips an object. Calls `member` with each name. `member` must skip the value, and return true if the value is
    /// wrong. Returns true if a value was wrong, if a name has a lone surrogate, or if the skipped value is not an
    /// object.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Option<bool>,
    ) -> Option<bool> {
        if self.next()? != b'{' {
            self.value()?;
            return Some(true);
        }
        self.at += 1;
        let mut flawed = false;
        let mut more = self.next()? != b'}';
        while more {
            flawed |= match self.name()?.spelled() {
                Some(name) => member(self, &name)?,
                None => {
                    self.value()?;
                    true
                }
            };
            more = self.next()? == b',';
            if more {
                self.at += 1;
            }
        }
        self.pass(b'}')?;
        Some(flawed)
    }

    /// Skips the next value if it is `null`. Returns true if the value was `null`.
    pub(super) fn null(&mut self) -> Option<bool> {
        let is_null = self.next()? == b'n';
        if is_null {
            // In JSON only `null` begins with this byte.
            self.value()?;
        }
        Some(is_null)
    }

    /// Skips a value, and returns it as written.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let first = self.next()?;
        let start = self.at;
        match first {
            b'[' | b'{' => self.nested()?,
            _ => self.scalar()?,
        }
        self.text.get(start..self.at)
    }

    /// Skips a list or an object. Does not recurse, so deep nesting cannot overflow the stack.
    fn nested(&mut self) -> Option<()> {
        // `end` is the byte that closes the innermost container. `ends` has the closing bytes of
        // the containers around it.
        let mut end = None;
        let mut ends = Vec::new();
        loop {
            match self.next()? {
                b'[' => {
                    self.at += 1;
                    ends.extend(end.replace(b']'));
                    if self.next()? != b']' {
                        continue;
                    }
                }
                b'{' => {
                    self.at += 1;
                    ends.extend(end.replace(b'}'));
                    if self.next()? != b'}' {
                        self.name()?;
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            while let Some(innermost) = end
                && self.next()? != b','
            {
                self.pass(innermost)?;
                end = ends.pop();
            }
            match end {
                None => return Some(()),
                Some(b'}') => {
                    self.at += 1;
                    self.name()?;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn scalar(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' => self.string().map(|_| ()),
            b'-' | b'0'..=b'9' => self.number(),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b't' => self.literal("true"),
            _ => None,
        }
    }

    /// Reads the name of a member, and skips the colon.
    fn name(&mut self) -> Option<Written<'a>> {
        let name = self.string()?;
        self.has_reserved_name |= name.is_reserved();
        self.pass(b':')?;
        Some(name)
    }

    fn string(&mut self) -> Option<Written<'a>> {
        self.pass(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(self.text.as_bytes().get(self.at..)?);
            let inside = start..self.at;
            match self.take()? {
                b'"' => {
                    let inside = self.text.get(inside)?;
                    return Some(Written { inside, escaped });
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
            escaped = true;
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.take()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                for _ in 0..4 {
                    self.take().filter(u8::is_ascii_hexdigit)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// Skips one or more digits.
    fn digits(&mut self) -> Option<()> {
        self.take().filter(u8::is_ascii_digit)?;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        Some(())
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        rest.starts_with(literal).then(|| self.at += literal.len())
    }

    /// Skips white space, and then this byte. `None` if another byte follows the white space.
    fn pass(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.byte()?;
        self.at += 1;
        Some(byte)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// A string as written between its quotes.
#[derive(Clone, Copy)]
struct Written<'a> {
    inside: &'a str,
    escaped: bool,
}

impl<'a> Written<'a> {
    /// Decodes the string. `None` if it has a lone surrogate.
    #[inline]
    fn spelled(self) -> Option<Cow<'a, str>> {
        if self.escaped {
            return unescaped(self.inside).map(Cow::Owned);
        }
        Some(Cow::Borrowed(self.inside))
    }

    /// Returns true for a name to which serde_json gives a meaning. Decodes only a name that may be such a name.
    #[inline]
    fn is_reserved(self) -> bool {
        let may_be = matches!(self.inside.as_bytes().first(), Some(b'$' | b'\\'));
        may_be
            && self
                .spelled()
                .is_some_and(|name| name.starts_with(RESERVED))
    }
}

#[cold]
fn unescaped(inside: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{inside}\"")).ok()
}

/// Decodes a value that was skipped. `None` if the value is not a string, or has a lone surrogate.
pub(super) fn spelled(value: &str) -> Option<Cow<'_, str>> {
    let inside = value.strip_prefix('"')?.strip_suffix('"')?;
    let escaped = inside.contains('\\');
    Written { inside, escaped }.spelled()
}

/// The beginning of the names to which serde_json gives a meaning, depending on its features.
const RESERVED: &str = "$serde_json::private::";

#[cfg(test)]
mod tests;
