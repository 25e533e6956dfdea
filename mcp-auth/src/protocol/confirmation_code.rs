//! The codes with which clients that cannot ask a person confirm calls of tools with `confirm`.
//!
//! A code is sealed like the state of a request. The code is valid only for the same caller in the same organization, the
//! same tool and the same arguments, and only for five minutes. `confirmations` ensures that a code is used once.

use std::fmt;
use std::time::Duration;

use bytestring::ByteString;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::primitive::{CONFIRMATION_CODE, QuestionId};

use super::request_state::Origin;
use super::seal::{Purpose, Sealer};

/// The arguments of a call, without the code, and the code.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Arguments {
    pub(super) arguments: ByteString,
    /// `None` if the client sent no code.
    pub(super) code: Result<Option<String>, InvalidCode>,
}

/// The client sent the argument `confirmation_code` twice, or the argument is not a string.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Invalid argument `confirmation_code`: expected one string")]
pub(super) struct InvalidCode;

/// Takes the code out of the arguments of a call. The values of the other arguments stay as the client wrote them.
pub(super) fn taken(arguments: &ByteString) -> Arguments {
    // If the arguments are not an object, the tool reports the error.
    let Ok(Members(members)) = serde_json::from_str(arguments) else {
        let arguments = arguments.clone();
        return Arguments {
            arguments,
            code: Ok(None),
        };
    };
    let (codes, others): (Vec<_>, Vec<_>) = members
        .into_iter()
        .partition(|(name, _)| name == CONFIRMATION_CODE);
    let code = match codes.as_slice() {
        [] => Ok(None),
        // Clients send `null` for an argument that they leave out.
        [(_, code)] => serde_json::from_str(code.get()).map_err(|_| InvalidCode),
        [..] => Err(InvalidCode),
    };
    let others = others.iter().map(|(name, value)| {
        // A name is always JSON.
        let name = serde_json::to_string(name).unwrap_or_default();
        format!("{name}:{value}")
    });
    let others: Vec<_> = others.collect();
    Arguments {
        arguments: format!("{{{}}}", others.join(",")).into(),
        code,
    }
}

/// Returns the code that confirms a call. `None` if the encryption failed.
pub(super) fn seal(sealer: &Sealer, origin: Origin<'_>, question: &QuestionId) -> Option<String> {
    let question = question.as_str().as_bytes();
    origin.bound(Purpose::ConfirmationCode, |binding| {
        sealer.seal(binding, question, LIFETIME)
    })
}

/// Returns the question to which a client answers yes by sending this code. `None` if this server did not make the code
/// for this call, or made the code more than five minutes ago.
pub(super) fn open(sealer: &Sealer, origin: Origin<'_>, code: &str) -> Option<QuestionId> {
    if code.len() > MOST_LENGTH {
        return None;
    }
    let question = origin.bound(Purpose::ConfirmationCode, |binding| {
        sealer.open(binding, code)
    });
    String::from_utf8(question?).ok().map(QuestionId::new)
}

/// The members of an object in the order of the text. A name can occur twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadMembers)
    }
}

struct ReadMembers;

impl<'de> Visitor<'de> for ReadMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// The time for which a code is valid.
const LIFETIME: Duration = Duration::from_secs(300);
/// The length in bytes above which a text is not a code. A code has about 80 characters, because a model has to copy the code.
const MOST_LENGTH: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::request_state::Bound;
    use super::super::seal::StateKey;
    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::UrlOrg;

    fn split(text: &'static str) -> (String, Result<Option<String>, InvalidCode>) {
        let taken = taken(&ByteString::from_static(text));
        (taken.arguments.to_string(), taken.code)
    }

    #[test]
    fn the_code_is_taken_out_of_the_arguments_and_the_others_stay_as_written() {
        let code = || Some("c".to_owned());
        for (text, arguments, expected) in [
            (r#"{"a": 1 }"#, r#"{"a":1}"#, None),
            (r#"{"confirmation_code":"c"}"#, "{}", code()),
            (
                r#"{ "a" : 1.0, "confirmation\u005fcode" : "\u0063", "b\n": [ "x" ] }"#,
                r#"{"a":1.0,"b\n":[ "x" ]}"#,
                code(),
            ),
            (
                r#"{"a":1,"a":2,"confirmation_code":"c"}"#,
                r#"{"a":1,"a":2}"#,
                code(),
            ),
            (r#"{"confirmation_code":null,"a":1}"#, r#"{"a":1}"#, None),
            (
                r#"{"a":{"confirmation_code":"c"}}"#,
                r#"{"a":{"confirmation_code":"c"}}"#,
                None,
            ),
            (r#"["confirmation_code"]"#, r#"["confirmation_code"]"#, None),
            ("{", "{", None),
        ] {
            assert_eq!(split(text), (arguments.to_owned(), Ok(expected)), "{text}");
        }
        for text in [
            r#"{"confirmation_code":1}"#,
            r#"{"confirmation_code":["c"]}"#,
            r#"{"confirmation_code":"c","confirmation_code":"c"}"#,
            r#"{"confirmation_code":"c","confirmation\u005fcode":"d"}"#,
        ] {
            assert_eq!(split(text), ("{}".to_owned(), Err(InvalidCode)), "{text}");
        }
    }

    #[test]
    fn a_code_opens_for_its_question_and_its_call_for_five_minutes() {
        let clock = Arc::new(ManualClock::at(1_000));
        let key = StateKey::new([1; 32]);
        let sealer = Sealer::new(Some(&[key]), String::new(), Arc::clone(&clock) as _);
        let origin = Origin {
            caller: None,
            org: None,
            url_org: &UrlOrg::Absent,
            method: "tools/call",
            name: "delete",
            arguments: Bound::Text(r#"{"id":"d1"}"#),
        };
        let question = QuestionId::new("question".to_owned());
        let code = seal(&sealer, origin, &question).unwrap();
        assert!(code.len() < 90, "{}", code.len());
        assert_eq!(open(&sealer, origin, &code), Some(question));
        for other in [
            Origin {
                name: "remove",
                ..origin
            },
            Origin {
                arguments: Bound::Text("{}"),
                ..origin
            },
        ] {
            assert_eq!(open(&sealer, other, &code), None);
        }
        assert_eq!(open(&sealer, origin, &"A".repeat(257)), None);
        // A code is not accepted as the state of a request.
        let binding = origin.bound(Purpose::RequestState, |binding| sealer.open(binding, &code));
        assert_eq!(binding, None);
        clock.advance(LIFETIME);
        assert_eq!(open(&sealer, origin, &code), None);
    }
}
