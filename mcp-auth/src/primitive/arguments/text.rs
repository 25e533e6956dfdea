//! JSON text as a tree. The tree keeps numbers and strings exactly as written, and keeps the order
//! and the duplicates of members.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A value of JSON text.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    List(Vec<Self>),
    Null,
    Number(Cow<'a, str>),
    Object(Vec<Member<'a>>),
    /// A string as written, with its quotes and escapes.
    Text(Cow<'a, str>),
    /// `true` or `false`.
    Truth(bool),
}

/// A member of an object.
#[derive(Debug, PartialEq)]
pub(super) struct Member<'a> {
    pub(super) name: Cow<'a, str>,
    written: Cow<'a, str>,
    pub(super) value: Node<'a>,
}

impl<'a> Node<'a> {
    /// Parses a text. Returns `None` if the text is not JSON, or is nested more deeply than
    /// serde_json permits.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let mut rest = text;
        value(&mut rest, DEEPEST)
    }

    /// Writes the value as JSON text.
    pub(super) fn write(&self, to: &mut String) {
        match self {
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    to.push(if index == 0 { '[' } else { ',' });
                    item.write(to);
                }
                to.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Self::Null => to.push_str("null"),
            Self::Number(text) | Self::Text(text) => to.push_str(text),
            Self::Object(members) => {
                for (index, member) in members.iter().enumerate() {
                    to.push(if index == 0 { '{' } else { ',' });
                    to.push_str(&member.written);
                    to.push(':');
                    member.value.write(to);
                }
                to.push_str(if members.is_empty() { "{}" } else { "}" });
            }
            Self::Truth(truth) => to.push_str(if *truth { "true" } else { "false" }),
        }
    }

    /// Copies the parts that the value borrows from its text.
    pub(super) fn into_owned(self) -> Node<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::List(items) => Node::List(items.into_iter().map(Self::into_owned).collect()),
            Self::Null => Node::Null,
            Self::Number(text) => Node::Number(owned(text)),
            Self::Object(members) => {
                let members = members.into_iter().map(|member| Member {
                    name: owned(member.name),
                    written: owned(member.written),
                    value: member.value.into_owned(),
                });
                Node::Object(members.collect())
            }
            Self::Text(text) => Node::Text(owned(text)),
            Self::Truth(truth) => Node::Truth(truth),
        }
    }
}

/// Decodes a string that is written with its quotes.
pub(super) fn decoded(written: &str) -> Option<Cow<'_, str>> {
    let Name(name) = serde_json::from_str(written).ok()?;
    Some(name)
}

/// A wrapper for a string, because serde borrows a `Cow` only as a field.
#[derive(Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Removes the first value from a text that is known to be JSON, and returns the value.
fn value<'a>(rest: &mut &'a str, depth: usize) -> Option<Node<'a>> {
    let depth = depth.checked_sub(1)?;
    *rest = rest.trim_ascii_start();
    match rest.bytes().next()? {
        b'{' => {
            let mut members = Vec::new();
            each(rest, '}', |rest| {
                let written = string(rest)?;
                *rest = rest.trim_ascii_start().strip_prefix(':')?;
                members.push(Member {
                    name: decoded(written)?,
                    written: written.into(),
                    value: value(rest, depth)?,
                });
                Some(())
            })?;
            Some(Node::Object(members))
        }
        b'[' => {
            let mut items = Vec::new();
            each(rest, ']', |rest| {
                items.push(value(rest, depth)?);
                Some(())
            })?;
            Some(Node::List(items))
        }
        b'"' => string(rest).map(|text| Node::Text(text.into())),
        first => {
            let is_over =
                |byte: u8| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
            let end = rest.bytes().position(is_over).unwrap_or(rest.len());
            let word = take(rest, end)?;
            Some(match first {
                b'n' => Node::Null,
                b't' | b'f' => Node::Truth(first == b't'),
                _ => Node::Number(word.into()),
            })
        }
    }
}

/// Calls `read` for each element between a bracket and its closing `end`.
fn each<'a>(
    rest: &mut &'a str,
    end: char,
    mut read: impl FnMut(&mut &'a str) -> Option<()>,
) -> Option<()> {
    take(rest, 1)?;
    loop {
        *rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(end) {
            *rest = after;
            return Some(());
        }
        if let Some(after) = rest.strip_prefix(',') {
            *rest = after;
        }
        *rest = rest.trim_ascii_start();
        read(rest)?;
    }
}

pub(super) fn string<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    take(rest, end? + 2)
}

fn take<'a>(rest: &mut &'a str, length: usize) -> Option<&'a str> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// The limit of serde_json.
const DEEPEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_as_it_was_read() {
        for text in [
            r#"{"a":[1,2.50,1e400,-0],"a\u0062":"x\"\\","a":null,"t":true,"f":false,"e":{},"l":[]}"#,
            "[]",
            r#""\\""#,
            "170141183460469231731687303715884105727",
        ] {
            let mut written = String::new();
            Node::parse(text).unwrap().write(&mut written);
            assert_eq!(written, text);
        }
        let mut written = String::new();
        Node::parse(" { \"a\" : [ 1 , null ] } ")
            .unwrap()
            .write(&mut written);
        assert_eq!(written, r#"{"a":[1,null]}"#);
    }

    #[test]
    fn names_are_decoded() {
        let Some(Node::Object(members)) = Node::parse(r#"{"\u0061b": 1}"#) else {
            panic!("an object");
        };
        assert_eq!(members[0].name, "ab");
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_not_read() {
        assert_eq!(Node::parse("{"), None);
        assert_eq!(Node::parse("[1,]"), None);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Node::parse(&deep), None);
    }
}
