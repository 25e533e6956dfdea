//! Test vectors of the behaviour of Clerk's SDK.
//!
//! The files are in `fixtures/clerk`, or in the folder that `CLERK_VECTORS` names. A [`Rule`] describes a case in which
//! this crate is stricter than the SDK: this crate must refuse a token to which a rule applies, for the reason of the
//! rule. It must accept every other token that the SDK accepts.

mod claims;
mod has;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs};

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::clerk::claims::ClerkClaims;
use crate::identity::test_support::block_on;
use crate::identity::{
    AuthError, Authenticator, AuthenticatorConfig, Caller, Decode, Keys, ManualClock, Object,
    TokenError, TokenPolicy,
};

/// One file of vectors.
struct File {
    name: String,
    content: Value,
}

impl File {
    fn vectors(&self) -> &[Value] {
        self.content["vectors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

/// Returns the files whose vectors have this member.
fn files_with(member: &str) -> Vec<File> {
    let directory = directory();
    let mut found = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
    {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        files += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let content: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let file = File { name, content };
        let forms = ["decoded", "fn", "group"];
        let is = |form: &str| {
            file.vectors()
                .iter()
                .any(|vector| vector.get(form).is_some())
        };
        assert!(
            forms.iter().any(|form| is(form)),
            "{}: unknown form of vectors",
            file.name
        );
        if is(member) {
            found.push(file);
        }
    }
    assert!(files > 0, "no vectors in {}", directory.display());
    assert!(
        env::var_os("CLERK_VECTORS").is_some() || !found.is_empty(),
        "a file is missing"
    );
    found
}

fn directory() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    match env::var_os("CLERK_VECTORS").map(PathBuf::from) {
        None => package.join("fixtures/clerk"),
        Some(given) if given.is_dir() => given,
        // Tests run in the directory of the package, but the path may be relative to the workspace.
        Some(given) => package.join("..").join(given),
    }
}

/// A rule for tokens that the SDK may accept and that this crate refuses.
struct Rule {
    name: &'static str,
    refusal: TokenError,
    applies: fn(&Case) -> bool,
}

const RULES: [Rule; 16] = [
    Rule {
        name: "a session token's class is a session's, everywhere",
        refusal: TokenError::Class,
        applies: |case| {
            let known = ["cl_B7d4PD111AAA", "cl_I7d4PD111III"];
            case.is_session()
                && case
                    .header
                    .get("cat")
                    .is_some_and(|cat| !known.iter().any(|k| cat == k))
        },
    },
    Rule {
        name: "a session token has a session id",
        refusal: TokenError::SessionId,
        applies: |case| case.is_session() && case.claim("sid").as_str().is_none_or(str::is_empty),
    },
    Rule {
        name: "a session that is not active is signed out",
        refusal: TokenError::Pending,
        applies: |case| {
            let status = case.claim("sts");
            case.is_session() && !status.is_null() && status != "active"
        },
    },
    Rule {
        name: "a subject is a user's id, or a machine's",
        refusal: TokenError::Subject,
        applies: |case| {
            let prefix = if case.is_machine() { "mch_" } else { "user_" };
            let subject = case.claim("sub").as_str();
            subject.is_some_and(|sub| !sub.starts_with(prefix) || sub == prefix)
        },
    },
    Rule {
        name: "a machine's token names the machine that it is presented to",
        refusal: TokenError::MachineMismatch,
        applies: |case| case.is_machine() && case.machines().is_empty(),
    },
    Rule {
        name: "RS256 is pinned",
        refusal: TokenError::AlgorithmNotPinned,
        applies: |case| {
            ["RS384", "RS512"]
                .iter()
                .any(|alg| case.header["alg"] == *alg)
        },
    },
    Rule {
        name: "an audience is a non-empty string or a list of them",
        refusal: TokenError::AudienceMalformed,
        applies: |case| {
            let is_name = |name: &Value| name.as_str().is_some_and(|name| !name.is_empty());
            case.audience_matters
                && case
                    .payload
                    .get("aud")
                    .is_some_and(|aud| match aud.as_array() {
                        Some(names) => !names.iter().all(is_name),
                        None => !is_name(aud),
                    })
        },
    },
    Rule {
        name: "the issuer is always checked, of OAuth tokens too",
        refusal: TokenError::Issuer,
        applies: |case| {
            let issuer = case.claim("iss");
            let other = !case.issuers.is_empty() && !case.issuers.iter().any(|own| issuer == own);
            !issuer.is_string() || other && !case.is_session()
        },
    },
    Rule {
        name: "only canonical base64url without padding is a token, and no part is empty",
        refusal: TokenError::Malformed,
        applies: |case| {
            case.token
                .split('.')
                .any(|part| part.is_empty() || URL_SAFE_NO_PAD.decode(part).is_err())
        },
    },
    Rule {
        name: "header and payload are objects",
        refusal: TokenError::Malformed,
        applies: |case| !case.header.is_object() || !case.payload.is_object(),
    },
    Rule {
        name: "no member occurs twice",
        refusal: TokenError::Malformed,
        applies: |case| {
            let members = |part: &str| {
                let text = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
                serde_json::from_slice::<Value>(&text)
                    .map(|value| value.to_string().len())
                    .is_ok_and(|length| length < compact_length(&text))
            };
            case.token.split('.').take(2).any(members)
        },
    },
    Rule {
        name: "extensions that are not understood are not ignored",
        refusal: TokenError::CriticalHeader,
        applies: |case| case.header.get("crit").is_some(),
    },
    Rule {
        name: "a type is text",
        refusal: TokenError::Type,
        applies: |case| case.header.get("typ").is_some_and(|typ| !typ.is_string()),
    },
    Rule {
        name: "scopes are text or a list of texts, an actor has a subject",
        refusal: TokenError::Claims,
        applies: |case| {
            let list = |scp: &Value| {
                scp.as_array()
                    .is_some_and(|all| all.iter().all(Value::is_string))
            };
            let (scp, scope, act) = (case.claim("scp"), case.claim("scope"), case.claim("act"));
            let odd_scopes = if scp.is_null() {
                !scope.is_null() && !scope.is_string()
            } else {
                !list(scp)
            };
            let nameless = !act.is_null() && !act["sub"].is_string();
            if case.is_session() {
                nameless
            } else {
                odd_scopes
            }
        },
    },
    Rule {
        name: "an emulator's key signs nothing outside development",
        refusal: TokenError::EmulatorKey,
        applies: |case| {
            case.header["kid"]
                .as_str()
                .is_some_and(|kid| kid.starts_with("ins_emulator_"))
        },
    },
    Rule {
        name: "a token has at most 16 KiB",
        refusal: TokenError::TooLarge,
        applies: |case| case.token.len() > 16 * 1024,
    },
];

/// Returns the length of a JSON text without insignificant whitespace.
fn compact_length(text: &[u8]) -> usize {
    let mut in_string = false;
    let mut escaped = false;
    let significant = text.iter().filter(|&&byte| {
        let counts = in_string || !byte.is_ascii_whitespace();
        match byte {
            b'"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && byte == b'\\' && !escaped;
        counts
    });
    significant.count()
}

/// One token, not verified.
struct Case {
    token: String,
    header: Value,
    payload: Value,
    /// True if the vector names audiences. Otherwise `aud` is ignored.
    audience_matters: bool,
    /// The accepted issuers. If the list is empty, any issuer is accepted.
    issuers: Vec<String>,
}

impl Case {
    fn of(token: &str, audience_matters: bool) -> Self {
        let part = |index: usize| {
            let text = token
                .split('.')
                .nth(index)
                .unwrap_or_default()
                .trim_end_matches('=');
            let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
            let json = URL_SAFE.decode(padded).unwrap_or_default();
            serde_json::from_slice(&json).unwrap_or(Value::Null)
        };
        Self {
            token: token.to_owned(),
            header: part(0),
            payload: part(1),
            audience_matters,
            issuers: Vec::new(),
        }
    }

    fn claim(&self, name: &str) -> &Value {
        &self.payload[name]
    }

    fn is_machine(&self) -> bool {
        self.claim("sub")
            .as_str()
            .is_some_and(|sub| sub.starts_with("mch_"))
    }

    /// Returns the machines that a machine's token is meant for.
    fn machines(&self) -> Vec<String> {
        let claims = self.payload.as_object().map(Object::from);
        let claims = claims.unwrap_or_default();
        let machines = ClerkClaims.machines(&claims);
        machines.into_iter().map(str::to_owned).collect()
    }

    fn is_session(&self) -> bool {
        let typ = &self.header["typ"];
        !self.is_machine() && typ != "at+jwt" && typ != "application/at+jwt"
    }

    /// Returns the rules that refuse this token.
    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().filter(|rule| (rule.applies)(self)).collect()
    }

    /// Verifies the token in the same way as a server with this policy would at this time.
    fn verify(&self, policy: TokenPolicy, keys: Keys, now_ms: u64) -> Result<Caller, TokenError> {
        let clock = Arc::new(ManualClock::at(now_ms));
        let authenticator = Authenticator::new(AuthenticatorConfig {
            policy,
            keys,
            decode: Arc::new(ClerkClaims),
            clock,
            confirm: None,
            people: None,
        });
        block_on(authenticator.authenticate(&self.token)).map_err(|error| match error {
            AuthError::Invalid(error) => error,
            AuthError::FailsOften
            | AuthError::Misconfigured
            | AuthError::OverBudget(_)
            | AuthError::Unavailable(_) => {
                panic!("{error}")
            }
        })
    }

    /// Returns the outcome if no rule applies. `None` if a rule refused the token.
    ///
    /// Fails if a rule applies to a token that was accepted.
    fn after_rules(
        &self,
        outcome: Result<Caller, TokenError>,
        report: &mut Report,
    ) -> Result<Option<Result<Caller, TokenError>>, String> {
        let rules = self.rules();
        match outcome {
            Ok(_) if !rules.is_empty() => Err(format!(
                "accepted, though the rule applies: {}",
                rules[0].name
            )),
            Err(error) => match rules.iter().find(|rule| rule.refusal == error) {
                Some(rule) => {
                    report.count(format!("stricter: {}", rule.name));
                    Ok(None)
                }
                None => Ok(Some(Err(error))),
            },
            Ok(caller) => Ok(Some(Ok(caller))),
        }
    }
}

/// Counts of outcomes, and the failures.
#[derive(Default)]
struct Report {
    counts: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Report {
    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn add(&mut self, file: &File, vector: &Value, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.count("in all"),
            Err(failure) => {
                self.failures
                    .push(format!("{}: {}: {failure}", file.name, vector["name"]));
            }
        }
    }

    fn finish(self, what: &str) {
        for (name, count) in &self.counts {
            println!("{what}: {count} {name}");
        }
        assert!(self.failures.is_empty(), "{}", self.failures.join("\n"));
    }
}

/// Returns an error message if the two values differ.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the value was made just before"
)]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, expected: T) -> Result<(), String> {
    if ours == expected {
        Ok(())
    } else {
        Err(format!("{what} is {ours:?}, expected {expected:?}"))
    }
}

#[test]
fn a_duplicate_member_makes_the_vectors_shorter_when_read() {
    let twice = br#"{ "a": "x \" y", "b":1, "a": 2 }"#;
    let value: Value = serde_json::from_slice(twice).unwrap();
    assert!(value.to_string().len() < compact_length(twice));
    let once = br#"{ "a": "x \" y", "b":1 }"#;
    let value: Value = serde_json::from_slice(once).unwrap();
    assert_eq!(value.to_string().len(), compact_length(once));
}
