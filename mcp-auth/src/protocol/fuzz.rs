//! Fuzz checks that compare the parser of bodies with a second parser that uses serde_json.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::json_string::escape;
use crate::primitive::{ClientAbilities, MirroredArgument, repeats};

use super::envelope::{MOST_PARSED, Message};
use super::era::{Era, Header, Mirrored};
use super::sessions::{ClientResponse, EventId};

/// Checks that both parsers accept or refuse a body, that they find the same value for each member,
/// and that their refusals have the same code and id.
pub fn message(bytes: &[u8]) {
    let Ok(body) = std::str::from_utf8(bytes) else {
        return;
    };
    let read = Message::parse(body).map_err(|(error, id)| (error.code(), id));
    let expected = Expected::of(body);
    match (&read, &expected) {
        (Ok(message), Ok(expected)) => check_members(message, expected),
        (Err(refusal), Err(expected)) => assert_eq!(refusal, expected, "{body:?}"),
        (Ok(_), Err(refusal)) => assert!(read.is_err(), "not refused as {refusal:?}: {body:?}"),
        (Err(refusal), Ok(_)) => assert!(expected.is_err(), "refused as {refusal:?}: {body:?}"),
    }
    check_session_texts(body, read.is_ok());
    check_escaping(body);
    check_mirrored_name(body);
    check_repeated(body);
}

fn check_members(message: &Message<'_>, expected: &Expected<'_>) {
    assert_eq!(message.id, expected.id);
    assert_eq!(message.method, expected.method);
    let params = match (message.params(), &expected.params) {
        (Ok(params), Some(expected)) => (params, expected),
        (params, expected) => {
            assert_eq!(params.is_ok(), expected.is_some());
            return;
        }
    };
    let (params, expected) = params;
    let text = |name| expected.one(name).and_then(spelled);
    let is_given = |name| expected.one(name).is_some_and(|value| value != "null");
    assert_eq!(params.name().ok().as_deref(), text("name").as_deref());
    assert_eq!(params.uri().ok().as_deref(), text("uri").as_deref());
    match params.cursor() {
        Ok(cursor) => {
            assert_eq!(cursor.is_some(), is_given("cursor"));
            assert_eq!(cursor.as_deref(), text("cursor").as_deref());
        }
        Err(_) => assert!(is_given("cursor") && text("cursor").is_none()),
    }
    let members = ["ref", "argument", "context"].map(|name| expected.one(name));
    assert_eq!(params.completion(), members);
    assert_eq!(params.notifications(), expected.one("notifications"));
    let version = params.protocol_version().ok();
    assert_eq!(version.as_deref(), text("protocolVersion").as_deref());
    let arguments = match expected.one("arguments") {
        None | Some("null") => Some("{}"),
        Some(value) => value.starts_with('{').then_some(value),
    };
    assert_eq!(params.arguments().ok(), arguments);
    let meta = match expected.one("_meta") {
        None | Some("null") => Some(Members::default()),
        Some(meta) => Members::of(meta, &META).filter(|meta| {
            let capabilities = meta.one(META_CAPABILITIES);
            capabilities.is_none_or(|capabilities| capabilities.len() <= MOST_PARSED)
        }),
    };
    match (params.meta(), meta) {
        (Ok(meta), Some(expected)) => {
            let version = expected.one(META_VERSION);
            assert_eq!(meta.is_modern(), version.is_some());
            assert_eq!(meta.version(), version.and_then(spelled));
            let capabilities = expected.one(META_CAPABILITIES);
            let is_object = capabilities.is_some_and(|value| value.starts_with('{'));
            assert_eq!(meta.capabilities().is_some(), is_object);
        }
        (meta, expected) => assert_eq!(meta.is_ok(), expected.is_some()),
    }
}

/// Checks three rules: no body is both a request and a response of a client, only an object declares a capability, and
/// the id of an event has one form only.
fn check_session_texts(text: &str, is_message: bool) {
    assert!(
        !is_message || ClientResponse::read(text).is_none(),
        "{text:?}"
    );
    if ClientAbilities::read(text) != ClientAbilities::default() {
        assert!(matches!(serde_json::from_str(text), Ok(Value::Object(_))));
    }
    let id = EventId::parse(text);
    assert!(id.is_none_or(|id| id.to_string() == text));
}

/// Checks that a text is escaped as serde_json escapes it, and that the result can be decoded to
/// the same text.
fn check_escaping(text: &str) {
    let mut written = b"\"".to_vec();
    escape(&mut written, text);
    written.push(b'"');
    assert_eq!(serde_json::to_vec(text).ok().as_ref(), Some(&written));
    assert_eq!(
        serde_json::from_slice::<String>(&written).ok().as_deref(),
        Some(text)
    );
}

/// Checks that a header that encodes a name in Base64 matches that name and no other name, as `Mcp-Name` and as the header
/// of an argument.
fn check_mirrored_name(name: &str) {
    let spelled = format!("=?base64?{}?=", STANDARD.encode(name));
    let mirrored = Mirrored {
        required: true,
        version: Header::Absent,
        method: Header::Absent,
        name: Header::Value(&spelled),
        arguments: &[("Mcp-Param-Text", &*spelled)],
    };
    let argument_agrees = |text: &str| {
        let written = json!({ "text": text }).to_string();
        let checked = Era::Modern.check_arguments(&mirrored, TEXT, &written);
        checked.is_ok()
    };
    assert!(Era::Modern.check_name(&mirrored, name).is_ok());
    assert!(argument_agrees(name));
    let other = format!("{name}x");
    assert!(Era::Modern.check_name(&mirrored, &other).is_err());
    assert!(!argument_agrees(&other));
}

const TEXT: &[MirroredArgument] = &[MirroredArgument {
    argument: "text",
    header: "Mcp-Param-Text",
}];

/// Checks that a header repeats a value only if both mean the same value. The first line of the input is the header,
/// and the rest is the value.
fn check_repeated(text: &str) {
    let Some((header, written)) = text.split_once('\n') else {
        return;
    };
    let Ok(value) = serde_json::from_str::<Value>(written) else {
        return;
    };
    if !repeats(header, written) {
        return;
    }
    match value {
        Value::Bool(value) => assert_eq!(header, value.to_string()),
        Value::Number(value) => assert_eq!(header.parse().ok(), value.as_f64(), "{written}"),
        Value::String(value) => assert_eq!(header, value),
        Value::Array(_) | Value::Null | Value::Object(_) => {
            unreachable!("{header} repeats {written}")
        }
    }
}

/// A message as the second parser, which uses serde_json, reads it.
struct Expected<'a> {
    id: Option<&'a str>,
    method: Cow<'a, str>,
    /// `None` if `params` is malformed.
    params: Option<Members<'a>>,
}

impl<'a> Expected<'a> {
    /// Returns the message, or the code and the id of the refusal.
    fn of(body: &'a str) -> Result<Self, (i32, Option<&'a str>)> {
        const INVALID: i32 = -32600;
        if serde_json::from_str::<&RawValue>(body).is_err() {
            return Err((-32700, None));
        }
        let known = ["jsonrpc", "id", "method", "params", "result", "error"];
        let members = Members::of(body, &known).ok_or((INVALID, None))?;
        let text_or_null = |name| match members.one(name) {
            None | Some("null") => Ok(None),
            Some(value) => spelled(value).map(Some).ok_or((INVALID, None)),
        };
        let (version, method) = (text_or_null("jsonrpc")?, text_or_null("method")?);
        let id = members.one("id");
        if id.is_some_and(|id| !is_id(id)) {
            return Err((INVALID, None));
        }
        if has_reserved_name(body) || version.as_deref() != Some("2.0") {
            return Err((INVALID, id));
        }
        if ["result", "error"]
            .iter()
            .any(|name| members.one(name).is_some())
        {
            return Err((INVALID, None));
        }
        let params = match members.one("params") {
            None | Some("null") => Some(Members::default()),
            Some(params) => Members::of(params, &PARAMS),
        };
        Ok(Self {
            id,
            method: method.ok_or((INVALID, id))?,
            params,
        })
    }
}

/// Returns true if a member has a name to which serde_json gives a meaning, at any depth. Reads a name as bytes, because
/// a name with a lone surrogate cannot be read as a text.
fn has_reserved_name(text: &str) -> bool {
    let inside: Inside<'_> = serde_json::from_str(text).unwrap_or_default();
    inside.is_reserved
        || inside
            .values
            .iter()
            .any(|value| has_reserved_name(value.get()))
}

/// The values in a list or in an object.
#[derive(Default)]
struct Inside<'a> {
    is_reserved: bool,
    values: Vec<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Inside<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Inside<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut inside = Inside::default();
                while let Some((Spelled(name), value)) = access.next_entry()? {
                    inside.is_reserved |= name.starts_with(b"$serde_json::private::");
                    inside.values.push(value);
                }
                Ok(inside)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut inside = Inside::default();
                while let Some(value) = access.next_element()? {
                    inside.values.push(value);
                }
                Ok(inside)
            }
        }

        deserializer.deserialize_any(Each)
    }
}

/// A name as bytes.
struct Spelled(Vec<u8>);

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Spelled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Spelled(bytes.to_owned()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Spelled(text.as_bytes().to_owned()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// Returns true if a value is a string or an integer of any size, and short enough for an id.
fn is_id(raw: &str) -> bool {
    let is_integer =
        serde_json::from_str::<serde_json::Number>(raw).is_ok() || raw.parse::<f64>().is_ok();
    let is_integer = is_integer && !raw.contains(['.', 'e', 'E']);
    raw.len() <= 1024 && (raw.starts_with('"') || is_integer)
}

/// The members of an object in their order, with their values as written.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a str)>);

impl<'a> Members<'a> {
    /// Returns `None` if the text is not an object, if a name cannot be decoded, or if one of the
    /// `known` names occurs twice.
    fn of(text: &'a str, known: &[&str]) -> Option<Self> {
        let members: Self = serde_json::from_str(text).ok()?;
        let times = |name: &str| members.0.iter().filter(|(own, _)| own == name).count();
        known.iter().all(|name| times(name) < 2).then_some(members)
    }

    fn one(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = access.next_entry::<String, &RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

fn spelled(value: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<String>(value).ok().map(Cow::Owned)
}

const PARAMS: [&str; 15] = [
    "_meta",
    "name",
    "arguments",
    "cursor",
    "uri",
    "ref",
    "argument",
    "context",
    "protocolVersion",
    "level",
    "capabilities",
    "requestId",
    "inputResponses",
    "requestState",
    "notifications",
];
const META: [&str; 4] = [
    META_VERSION,
    META_CAPABILITIES,
    "progressToken",
    "io.modelcontextprotocol/logLevel",
];
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
