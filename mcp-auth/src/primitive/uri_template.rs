//! Matching of requested URIs against the URI templates of resources (RFC 6570).
//!
//! RFC 6570 defines how a template expands to a URI. Section 1.4 only mentions the reverse direction, which this module
//! defines: the URIs that a template matches, the values of its variables, and whether two templates can match the same
//! URI. The module does not depend on resources, requests or permissions. It does not parse templates: the macro parses
//! them, and writes their parts as constants.
//!
//! INVARIANT: every value in [`Values`] was percent-decoded exactly once and obeys the rules in
//! the docs of [`UriTemplate::matches`]. Code that uses a value must not decode it again.

mod overlap;

use std::fmt;

/// One part of the URI of a resource.
///
/// The macro guarantees these properties of a template: no literal is empty or contains braces; there is a literal
/// between consecutive variables; the names of the variables are unique; and `Query` is the last part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UriPart {
    /// Text that the URI must contain unchanged.
    Literal(&'static str),
    /// A variable: `{id}`, or `{+path}` if `reserved`.
    Variable {
        /// The name of the variable.
        name: &'static str,
        /// Whether the value may contain `/` and the other reserved characters.
        reserved: bool,
    },
    /// Query variables, each of which may be absent: `{?page,limit}`, or `{&page,limit}` if
    /// `continued`.
    Query {
        /// The names of the variables.
        names: &'static [&'static str],
        /// Whether the query begins with `&`, because a literal before it contains the `?`.
        continued: bool,
    },
}

/// The URI template of a resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct UriTemplate(&'static [UriPart]);

impl UriTemplate {
    pub(crate) const fn new(parts: &'static [UriPart]) -> Self {
        Self(parts)
    }

    /// Returns whether the template has no variables, so that it matches exactly one URI.
    pub(crate) fn is_fixed(&self) -> bool {
        self.0
            .iter()
            .all(|part| matches!(part, UriPart::Literal(_)))
    }

    /// Matches a URI and returns the values of the variables, or `None` if the URI does not match.
    ///
    /// Before decoding, these rules apply to the characters of the URI:
    ///
    /// - A literal matches byte for byte. Neither the URI nor the literal is normalized.
    /// - A simple variable (RFC 6570 section 3.2.2) matches one or more of these: letters, digits,
    ///   `-` `.` `_` `~`, `!` `$` `'` `(` `)` `*` `+` `:` `@`, characters beyond ASCII, and
    ///   percent-encoded octets. RFC 6570 encodes every reserved character in such a value; the
    ///   nine here are accepted because RFC 3986 allows them in a segment of a path, many clients
    ///   do not encode them, and no expression uses them as separators.
    /// - A reserved variable (RFC 6570 section 3.2.3) matches one or more of the same characters
    ///   and of all the other reserved ones: `/` `?` `#` `[` `]` `&` `,` `;` `=`.
    /// - A query (RFC 6570 sections 3.2.8 and 3.2.9) is absent, or it is `?` (`&` if continued)
    ///   and pairs `name=value` with `&` between them. The pairs may come in any order. Each name
    ///   must be known and may occur once. The `=` is required; the value may be empty. A value
    ///   matches the characters of a simple variable and `/` `,` `;` `=`.
    /// - Control characters, space and ``" < > \ ^ ` { | }`` never match a variable unless they
    ///   are encoded, because RFC 3986 allows them nowhere in a URI.
    ///
    /// After decoding, these rules apply to the values:
    ///
    /// - Percent-encoding (RFC 3986 section 2.1) is decoded once: `%252e` becomes the text `%2e`.
    ///   A `%` without two hexadecimal digits does not match, nor do octets that are not UTF-8. A
    ///   `+` stays a `+`.
    /// - No value contains a control character (U+0000 to U+001F and U+007F to U+009F).
    /// - The value of a simple variable contains neither `/` nor `\`.
    /// - No value has a segment `.` or `..`, where both `/` and `\` separate segments. So no value
    ///   climbs out of a directory.
    ///
    /// If several splits of the URI obey all these rules, the first variable is as short as
    /// possible, then the second, and so on: `{a}-{b}` on `x-y-z` gives `a` = `x` and `b` = `y-z`.
    /// A query counts as the last variable, so `{+path}{?page}` on `a?page=2` gives `path` = `a`.
    /// The search takes time proportional to the number of parts times the length of the URI. A
    /// URI longer than 8 KiB matches nothing.
    ///
    /// # Security
    ///
    /// The value of a reserved variable never begins with `/` or `\`. The value of a query variable may begin with one
    /// of them, so a handler must not join such a value to the path of a directory. The value of a simple variable may
    /// be a name that is special to an operating system, such as `C:` or `NUL`. Code that opens files must still refuse
    /// absolute paths: `Path::join` with an absolute path drops the base directory.
    ///
    /// The rule about `.` and `..` does not treat `?` or `#` as the end of a segment, so a reserved variable matches
    /// `..?x`. Code that puts a value into another URL must encode the value first.
    ///
    /// If the end of a URI breaks the rules of queries, a reserved variable before the query takes this text too:
    /// `{+path}{?page}` on `a?pgae=2` gives `path` = `a?pgae=2`.
    pub(crate) fn matches(&self, uri: &str) -> Option<Values> {
        if uri.len() > LONGEST_URI {
            return None;
        }
        Search::new(self.0, uri).run()
    }

    /// Returns whether some URI matches both templates. The order of the templates does not
    /// matter.
    ///
    /// If the result is `false`, no URI matches both templates. If one of the templates is fixed, `true` is exact too.
    /// Otherwise the result depends only on the rules about characters before decoding. It may then be `true` although
    /// no URI matches both templates, because every common URI breaks another rule: about broken encodings, about
    /// decoded values or about the length of the URI. For example, the result is `true` for `{a}` and `x%2F{b}`,
    /// although `a` cannot contain a `/`.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        if self.is_fixed() {
            return other.matches(&self.to_string()).is_some();
        }
        if other.is_fixed() {
            return self.matches(&other.to_string()).is_some();
        }
        overlap::share_a_uri(self.0, other.0)
    }
}

impl fmt::Display for UriTemplate {
    /// Writes the template in the form of RFC 6570.
    ///
    /// An operator that the macro rewrites appears in its rewritten form, for example `{#x}` as `#{+x}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0 {
            match part {
                UriPart::Literal(text) => f.write_str(text)?,
                UriPart::Variable { name, reserved } => {
                    let operator = if *reserved { "+" } else { "" };
                    write!(f, "{{{operator}{name}}}")?;
                }
                UriPart::Query { names, continued } => {
                    let operator = if *continued { "&" } else { "?" };
                    write!(f, "{{{operator}{}}}", names.join(","))?;
                }
            }
        }
        Ok(())
    }
}

/// The names and decoded values of variables, in the order of the template.
///
/// A query variable that is absent from the URI has no entry. A query variable without text,
/// `page=`, has the empty string.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Values(Vec<(&'static str, String)>);

impl IntoIterator for Values {
    type Item = (&'static str, String);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A depth-first search for the first split of a URI into the parts of a template.
///
/// The search tries to end a variable before it makes the variable longer, so the first split that it finds has the
/// shortest values. Whether a state leads to a match depends on nothing else. If the search reaches a state again, the
/// first visit found no match, so the search skips the state.
struct Search<'a> {
    parts: &'static [UriPart],
    uri: &'a str,
    /// The tried starts of parts. The chain of `previous` from a start is a split.
    starts: Vec<PartStart>,
    /// The states that are still to be examined. The last state is examined next.
    pending: Vec<State>,
    /// For each part and offset, one bit for each [`Segment`] with which the search reached this part and offset.
    examined: Vec<u8>,
}

#[derive(Clone, Copy)]
struct PartStart {
    offset: usize,
    /// The start of the previous part, as an index into `Search::starts`. `None` for the first part.
    previous: Option<usize>,
}

#[derive(Clone, Copy)]
struct State {
    part: usize,
    /// The part has taken the bytes of the URI before this offset.
    offset: usize,
    segment: Segment,
    /// Index in `Search::starts` of the start of this part.
    start: usize,
}

impl<'a> Search<'a> {
    fn new(parts: &'static [UriPart], uri: &'a str) -> Self {
        Self {
            parts,
            uri,
            starts: Vec::new(),
            pending: Vec::new(),
            examined: vec![0; (parts.len() + 1) * (uri.len() + 1)],
        }
    }

    fn run(&mut self) -> Option<Values> {
        self.start_part(0, 0, None);
        while let Some(state) = self.pending.pop() {
            if !self.mark_examined(state) {
                continue;
            }
            if state.part == self.parts.len() && state.offset == self.uri.len() {
                return self.values(state.start);
            }
            self.examine(state);
        }
        None
    }

    /// Adds the states that can follow `state`. The last state added is the next one examined.
    fn examine(&mut self, state: State) {
        let (Some(part), Some(rest)) = (self.parts.get(state.part), self.uri.get(state.offset..))
        else {
            return;
        };
        match *part {
            UriPart::Literal(text) => {
                if rest.starts_with(text) {
                    self.start_part(state.part + 1, state.offset + text.len(), Some(state.start));
                }
            }
            UriPart::Variable { reserved, .. } => {
                let next = Class::of_variable(reserved).read(rest);
                if let Some((character, length)) = next
                    && let Some(segment) = state.segment.followed_by(character)
                {
                    self.pending.push(State {
                        offset: state.offset + length,
                        segment,
                        ..state
                    });
                }
                if state.segment != Segment::Start && state.segment.may_end() {
                    self.start_part(state.part + 1, state.offset, Some(state.start));
                }
            }
            UriPart::Query { names, continued } => {
                if read_query(names, continued, rest).is_some() {
                    self.start_part(state.part + 1, self.uri.len(), Some(state.start));
                }
            }
        }
    }

    fn start_part(&mut self, part: usize, offset: usize, previous: Option<usize>) {
        let start = self.starts.len();
        self.starts.push(PartStart { offset, previous });
        self.pending.push(State {
            part,
            offset,
            segment: Segment::Start,
            start,
        });
    }

    /// Marks a state as examined and returns whether this is the first time.
    fn mark_examined(&mut self, state: State) -> bool {
        let index = state.part * (self.uri.len() + 1) + state.offset;
        let Some(segments) = self.examined.get_mut(index) else {
            return false;
        };
        let bit = 1 << state.segment as u8;
        let is_new = *segments & bit == 0;
        *segments |= bit;
        is_new
    }

    /// Returns the values of the split whose last part ends at the start with the index `end`.
    fn values(&self, end: usize) -> Option<Values> {
        let start = |index: usize| self.starts.get(index).copied();
        let mut offsets: Vec<usize> =
            std::iter::successors(start(end), |part| start(part.previous?))
                .map(|part| part.offset)
                .collect();
        offsets.reverse();

        let mut values = Vec::new();
        for ((part, &from), &to) in self.parts.iter().zip(&offsets).zip(offsets.iter().skip(1)) {
            let text = self.uri.get(from..to)?;
            match *part {
                UriPart::Literal(_) => {}
                UriPart::Variable { name, reserved } => {
                    values.push((name, Class::of_variable(reserved).decode(text)?));
                }
                UriPart::Query { names, continued } => {
                    values.extend(read_query(names, continued, text)?);
                }
            }
        }
        Some(Values(values))
    }
}

/// Returns the query variables in `text`, the end of a URI, in the order of `names`.
fn read_query(
    names: &[&'static str],
    continued: bool,
    text: &str,
) -> Option<Vec<(&'static str, String)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let pairs = text.strip_prefix(if continued { '&' } else { '?' })?;
    // No value contains a `?`. Without this early refusal, `{+path}{?page}` would take quadratic time on a URI of
    // question marks.
    if !continued && pairs.contains('?') {
        return None;
    }
    let mut values = vec![None; names.len()];
    for pair in pairs.split('&') {
        let (name, value) = pair.split_once('=')?;
        let index = names.iter().position(|known| *known == name)?;
        let earlier = values.get_mut(index)?.replace(Class::Query.decode(value)?);
        if earlier.is_some() {
            return None;
        }
    }
    let present = names.iter().zip(values);
    Some(
        present
            .filter_map(|(name, value)| Some((*name, value?)))
            .collect(),
    )
}

/// The characters that a kind of variable matches.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Class {
    Query,
    Reserved,
    Simple,
}

impl Class {
    const fn of_variable(reserved: bool) -> Self {
        if reserved {
            Self::Reserved
        } else {
            Self::Simple
        }
    }

    /// Returns whether an encoded value may contain a character. Covers the `%` of encoded octets.
    fn contains(self, character: char) -> bool {
        if !character.is_ascii() {
            return !character.is_control();
        }
        // RFC 3986 section 2.1 (the percent sign), section 2.3 (unreserved characters), and those
        // reserved characters of section 2.2 that no expression of RFC 6570 uses as a separator.
        character.is_ascii_alphanumeric() || "%-._~!$'()*+:@".contains(character)
            // RFC 3986 section 3.4: a query may contain these characters, and they do not end a pair.
            || (self != Self::Simple && "/,;=".contains(character))
            || (self == Self::Reserved && "?#[]&".contains(character))
    }

    /// Returns the state before the first character of a value. In this state, only a query variable accepts a separator.
    fn start(self) -> Segment {
        match self {
            Self::Query => Segment::Empty,
            Self::Reserved | Self::Simple => Segment::Start,
        }
    }

    /// Returns whether a decoded value may contain a character.
    fn contains_decoded(self, character: char) -> bool {
        !character.is_control() && (self != Self::Simple || !is_separator(character))
    }

    /// Returns the first character of `text`, decoded, and the length of its encoded form in
    /// bytes.
    fn read(self, text: &str) -> Option<(char, usize)> {
        let first = text.chars().next().filter(|first| self.contains(*first))?;
        let (character, length) = match first {
            '%' => read_encoded(text.as_bytes())?,
            _ => (first, first.len_utf8()),
        };
        self.contains_decoded(character)
            .then_some((character, length))
    }

    /// Returns the decoded form of a whole value, or `None` if the value does not match.
    fn decode(self, text: &str) -> Option<String> {
        let mut decoded = String::with_capacity(text.len());
        let mut segment = self.start();
        let mut rest = text;
        while !rest.is_empty() {
            let (character, length) = self.read(rest)?;
            segment = segment.followed_by(character)?;
            decoded.push(character);
            rest = rest.get(length..)?;
        }
        segment.may_end().then_some(decoded)
    }
}

/// Returns the first character of `bytes`, which is percent-encoded UTF-8, and the length of its
/// encoded form in bytes.
fn read_encoded(bytes: &[u8]) -> Option<(char, usize)> {
    let mut octets = bytes.chunks(3).map_while(|chunk| match chunk {
        [b'%', high, low] => u8::try_from(hex_digit(*high)? * 16 + hex_digit(*low)?).ok(),
        _ => None,
    });
    let first = octets.next()?;
    let count = match first {
        0x00..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let mut utf8 = [first, 0, 0, 0];
    for slot in utf8.iter_mut().take(count).skip(1) {
        *slot = octets.next()?;
    }
    let character = str::from_utf8(utf8.get(..count)?).ok()?.chars().next()?;
    Some((character, 3 * count))
}

fn hex_digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

const fn is_separator(character: char) -> bool {
    matches!(character, '/' | '\\')
}

/// The state of the last segment of a value that is being read. The rule about `.` and `..` needs this state.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Segment {
    /// The segment is `.` so far.
    Dot,
    /// The last character was a separator.
    Empty,
    /// The segment is neither empty nor dots.
    Other,
    /// No character of the value was read.
    Start,
    /// The segment is `..` so far.
    TwoDots,
}

impl Segment {
    /// Returns the state of the segment after one more character. `None` if the character ends a segment that is `.` or
    /// `..`, or if the value begins with a separator. With such a value, a handler that joins the value to a directory
    /// would leave the directory.
    fn followed_by(self, character: char) -> Option<Self> {
        match (self, character) {
            (Self::Start, character) if is_separator(character) => None,
            (_, character) if is_separator(character) => self.may_end().then_some(Self::Empty),
            (Self::Start | Self::Empty, '.') => Some(Self::Dot),
            (Self::Dot, '.') => Some(Self::TwoDots),
            _ => Some(Self::Other),
        }
    }

    const fn may_end(self) -> bool {
        !matches!(self, Self::Dot | Self::TwoDots)
    }
}

/// The length in bytes of the longest URI that is matched.
const LONGEST_URI: usize = 8 * 1024;

#[cfg(test)]
mod tests;
