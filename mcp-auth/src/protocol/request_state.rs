//! The state of a request that waits for answers. The client keeps the state, and sends it back with the answers.
//!
//! The state is encrypted and authenticated. It is valid for ten minutes, and only for the same caller in the same
//! organization, the same method and name, and the same arguments.
//!
//! Source: MCP 2026-07-28, basic/patterns/mrtr, server requirements.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::identity::{Caller, Org, UrlOrg};
use crate::primitive::{Asking, ClientAnswer, QuestionId};

use super::seal::{Binding, Purpose, Sealer};

/// The content of a state.
#[derive(Deserialize, Serialize)]
pub(super) struct RequestState {
    /// The questions that were asked, by name.
    pub(super) asked: BTreeMap<String, QuestionId>,
    /// The answers of earlier rounds, by the name of the question.
    pub(super) answered: BTreeMap<String, ClientAnswer>,
    /// The number of rounds so far.
    pub(super) rounds: u32,
}

/// The request to which a state is bound.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// `None` if the request has no token.
    pub(super) caller: Option<&'a Caller>,
    pub(super) org: Option<&'a Org>,
    /// The organization that the URL names.
    pub(super) url_org: &'a UrlOrg,
    pub(super) method: &'static str,
    /// The name of the tool or the prompt, or the URI of the resource.
    pub(super) name: &'a str,
    pub(super) arguments: Bound<'a>,
}

/// The arguments of the request to which a state is bound.
#[derive(Clone, Copy)]
pub(super) enum Bound<'a> {
    Digest([u8; 32]),
    /// The arguments, as JSON.
    Text(&'a str),
}

impl Bound<'_> {
    pub(super) fn digest(self) -> [u8; 32] {
        match self {
            Self::Digest(digest) => digest,
            Self::Text(text) => digest_of(text),
        }
    }
}

/// The reason why the server cannot make a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsealed {
    /// The answers are too long.
    TooLong,
    /// The encryption failed.
    Failed,
}

impl RequestState {
    /// Returns the state of a run that waits for answers.
    pub(super) fn of(asking: &Asking) -> Self {
        let asked = asking.questions.iter();
        Self {
            asked: asked
                .map(|(name, question)| (name.clone(), question.id.clone()))
                .collect(),
            answered: asking.answered.clone(),
            rounds: asking.rounds,
        }
    }

    pub(super) fn seal(&self, sealer: &Sealer, origin: Origin<'_>) -> Result<String, Unsealed> {
        let content = serde_json::to_vec(self).map_err(|_| Unsealed::Failed)?;
        if content.len() > MOST_CONTENT {
            return Err(Unsealed::TooLong);
        }
        let sealed = origin.bound(Purpose::RequestState, |binding| {
            sealer.seal(binding, &content, LIFETIME)
        });
        sealed.ok_or(Unsealed::Failed)
    }

    /// Returns the content of a state. `None` if the state is older than ten minutes, or if this server did not make
    /// the state for this request.
    pub(super) fn open(sealer: &Sealer, origin: Origin<'_>, text: &str) -> Option<Self> {
        if text.len() > MOST_LENGTH {
            return None;
        }
        let content = origin.bound(Purpose::RequestState, |binding| sealer.open(binding, text))?;
        serde_json::from_slice(&content).ok()
    }
}

impl Origin<'_> {
    /// Calls `then` with the data that a state or a code is bound to.
    pub(super) fn bound<T>(self, purpose: Purpose, then: impl FnOnce(Binding<'_>) -> T) -> T {
        let principal = self
            .caller
            .map(|caller| caller.principal_in(self.org).to_bytes());
        then(Binding {
            purpose,
            parts: &[
                principal.as_deref().unwrap_or_default(),
                &self.url_org.to_bytes(),
                self.method.as_bytes(),
                self.name.as_bytes(),
                &self.arguments.digest(),
            ],
        })
    }
}

/// Returns a digest of a JSON text. The digest does not depend on the white space between values and on the order of
/// members, because a client may write the arguments differently in the second request. Numbers that are written
/// differently have different digests. A text of more than 64 KiB is digested as written, so that the digest takes
/// little time.
fn digest_of(text: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    match serde_json::from_str(text) {
        Ok(value) if text.len() <= MOST_CANONICAL => feed(&mut context, value, MOST_DEPTH),
        Ok(_) | Err(_) => part(&mut context, b't', text),
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// Adds a value to the digest. Each part begins with its kind and its length or its number of items, so different
/// values add different bytes.
fn feed(context: &mut Context, value: &RawValue, depth: usize) {
    let text = value.get();
    if depth == 0 {
        return part(context, b't', text);
    }
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
        context.update(format!("[{}:", items.len()).as_bytes());
        items.iter().for_each(|item| feed(context, item, depth - 1));
    } else if let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) {
        context.update(format!("{{{}:", members.len()).as_bytes());
        for (name, value) in members {
            part(context, b'n', &name);
            feed(context, value, depth - 1);
        }
    } else if let Ok(string) = serde_json::from_str::<Cow<'_, str>>(text) {
        part(context, b's', &string);
    } else {
        part(context, b'v', text);
    }
}

fn part(context: &mut Context, kind: u8, text: &str) {
    context.update(&[kind]);
    context.update(format!("{}:", text.len()).as_bytes());
    context.update(text.as_bytes());
}

/// The largest length of arguments whose digest does not depend on white space and order, in bytes.
const MOST_CANONICAL: usize = 64 * 1024;
/// Parts of the arguments at this depth or deeper are digested as written.
const MOST_DEPTH: usize = 32;
/// The time that a person has for an answer.
const LIFETIME: Duration = Duration::from_secs(600);
/// The largest length of the content in bytes. The sealed state then has at most 16 KiB.
const MOST_CONTENT: usize = 12 * 1024;
const MOST_LENGTH: usize = 16 * 1024 + 256;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::seal::StateKey;
    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::test_support::{oauth_caller, oauth_claims};

    fn state(value: &Value) -> RequestState {
        serde_json::from_value(json!({
            "asked": { "b": "id-b" },
            "answered": { "a": { "question": "id-a", "value": value } },
            "rounds": 1,
        }))
        .unwrap()
    }

    #[test]
    fn a_state_opens_only_for_the_request_that_it_was_made_for() {
        let clock = Arc::new(ManualClock::at(1_000));
        let url = "https://a.example/mcp".to_owned();
        let sealer = Sealer::new(
            Some(&[StateKey::new([1; 32])]),
            url,
            Arc::clone(&clock) as _,
        );
        let mut claims = oauth_claims();
        let ada = oauth_caller(&claims);
        claims["client_id"] = json!("client_2");
        let other_client = oauth_caller(&claims);
        claims["client_id"] = oauth_claims()["client_id"].clone();
        claims["org_id"] = json!("org_2");
        let other_org = oauth_caller(&claims);
        let origin = Origin {
            caller: Some(&ada),
            org: None,
            url_org: &UrlOrg::Absent,
            method: "tools/call",
            name: "delete",
            arguments: Bound::Text(r#"{"id":"d1","n":[1,2]}"#),
        };
        let sealed = state(&json!("yes")).seal(&sealer, origin).unwrap();
        let opens = |origin| RequestState::open(&sealer, origin, &sealed).is_some();
        assert!(opens(origin));
        let arguments = r#"{ "n": [ 1, 2 ], "id": "d1" }"#;
        assert!(opens(Origin {
            arguments: Bound::Text(arguments),
            ..origin
        }));
        for other in [
            Origin {
                caller: Some(&other_client),
                ..origin
            },
            Origin {
                caller: Some(&other_org),
                ..origin
            },
            Origin {
                caller: None,
                ..origin
            },
            Origin {
                url_org: &UrlOrg::Malformed,
                ..origin
            },
            Origin {
                method: "prompts/get",
                ..origin
            },
            Origin {
                name: "remove",
                ..origin
            },
            Origin {
                arguments: Bound::Text(r#"{"id":"d2","n":[1,2]}"#),
                ..origin
            },
            Origin {
                arguments: Bound::Text(r#"{"id":"d1","n":[2,1]}"#),
                ..origin
            },
            Origin {
                arguments: Bound::Text("{}"),
                ..origin
            },
        ] {
            assert!(!opens(other), "{}", other.name);
        }
        clock.advance(LIFETIME);
        assert!(!opens(origin));
    }

    #[test]
    fn a_state_is_at_most_16_kib_long() {
        let clock = Arc::new(ManualClock::at(1_000));
        let sealer = Sealer::new(Some(&[StateKey::new([1; 32])]), String::new(), clock);
        let origin = Origin {
            caller: None,
            org: None,
            url_org: &UrlOrg::Absent,
            method: "tools/call",
            name: "a",
            arguments: Bound::Text("{}"),
        };
        let long = state(&"x".repeat(12_000).into())
            .seal(&sealer, origin)
            .unwrap();
        assert!(long.len() <= 16 * 1024 + 64, "{}", long.len());
        assert!(RequestState::open(&sealer, origin, &long).is_some());
        let longer = state(&"x".repeat(13_000).into()).seal(&sealer, origin);
        assert_eq!(longer.unwrap_err(), Unsealed::TooLong);
    }

    #[test]
    fn white_space_order_and_escapes_do_not_change_the_digest() {
        let one = r#"{"a":"b","c":[1,{"d":null}]}"#;
        let other = r#" { "c" : [ 1 , { "d" : null } ] , "\u0061" : "\u0062" } "#;
        assert_eq!(digest_of(one), digest_of(other));
        let deep = |space: &str| format!("{}1{space}{}", "[".repeat(100), "]".repeat(100));
        assert_ne!(digest_of(&deep("")), digest_of(&deep(" ")));
        assert_eq!(digest_of(&deep("")), digest_of(&deep("")));
    }

    #[test]
    fn different_arguments_have_different_digests() {
        let texts = [
            "{}",
            "[]",
            "null",
            "\"\"",
            r#"{"a":"b"}"#,
            r#"{"ab":""}"#,
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":null}"#,
            r#"{"a":[],"b":1}"#,
            r#"{"a":[{"b":1}]}"#,
            r#"{"a":[["b"],1]}"#,
            r#"{"a":[["b",1]]}"#,
            "1",
            "1.0",
            "100000000000000000000",
            "100000000000000000001",
            // These two had one digest while the number of members had no end mark.
            r#"{"a\"30:xxxxxx":"yyyyyyyyyyyyyyyyyyyy1:b\"1:01:c\"1:11:d\"1:21:e\"1:31:f\"1:41:g\"1:51:h\"1:61:i\"1:71:j\"1:81:k\"1:9"}"#,
            r#"{"a":"xxxxxx\"90:yyyyyyyyyyyyyyyyyyyy","b":"0","c":"1","d":"2","e":"3","f":"4","g":"5","h":"6","i":"7","j":"8","k":"9"}"#,
        ];
        for (place, one) in texts.iter().enumerate() {
            for other in &texts[..place] {
                assert_ne!(digest_of(one), digest_of(other), "{one} {other}");
            }
        }
    }
}
