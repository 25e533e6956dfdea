//! Checks of the code that reads bearer tokens, without signatures.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::clerk::CONVENTIONS;
use crate::identity::audience::{AudienceMode, names};
use crate::identity::caller::CallerParts;
use crate::identity::confirm::Confirmation;
use crate::identity::error::TokenError;
use crate::identity::json::{Object, parse_object};
use crate::identity::policy::{Machine, Parties, TokenPolicy};
use crate::identity::token::{BearerToken, Presented};
use crate::identity::token_kind::TokenKind;
use crate::identity::verify::{Candidate, Decode, VerifiedClaims};

/// Compares the classification of a bearer string with the classification by a second parser.
pub fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let token = BearerToken::new(text);
    let opaque = [
        ("ak_", TokenKind::ApiKey),
        ("mt_", TokenKind::M2m),
        ("oat_", TokenKind::OAuth),
    ];
    let opaque = opaque.iter().find(|(prefix, _)| text.starts_with(prefix));
    match (Presented::classify(&token, &CONVENTIONS), opaque) {
        (Err(TokenError::TooLarge), _) => assert!(text.len() > 16 * 1024),
        (Ok(Presented::Opaque(kind)), Some((_, expected))) => assert_eq!(kind, *expected),
        (Ok(Presented::Jwt(segments)), None) => {
            let Some((header, payload)) = canonical(text) else {
                // One character may have bytes in two parts. `read` refuses a token with such a character.
                assert!(segments.read(&CONVENTIONS).is_err(), "{text}");
                return;
            };
            let read = segments.read(&CONVENTIONS);
            let is_unambiguous = |text: &str| parse_object(text.as_bytes()).is_ok();
            let expected = is_unambiguous(&header) && is_unambiguous(&payload);
            assert_eq!(read.is_ok(), expected, "{header} {payload}");
            if let Ok(jwt) = read {
                assert_eq!(jwt.claims, payload);
                assert_eq!(jwt.kind, kind(&header, &payload), "{header} {payload}");
            }
        }
        (Err(error), None) => {
            assert_eq!(error, TokenError::Malformed);
            assert!(canonical(text).is_none(), "{text}");
        }
        (taken, _) => assert!(taken.is_err() && opaque.is_none(), "{text}"),
    }
}

/// Header and payload, if there are three parts and each is in canonical base64url.
fn canonical(token: &str) -> Option<(String, String)> {
    let parts: Vec<_> = token.split('.').collect();
    let decoded = parts.iter().map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        (!bytes.is_empty() && URL_SAFE_NO_PAD.encode(&bytes) == *part).then_some(bytes)
    });
    let decoded: Vec<_> = decoded.collect::<Option<_>>()?;
    let Ok([header, payload, _]) = <[Vec<u8>; 3]>::try_from(decoded) else {
        return None;
    };
    Some((
        String::from_utf8(header).ok()?,
        String::from_utf8(payload).ok()?,
    ))
}

fn kind(header: &str, payload: &str) -> TokenKind {
    let [header, payload] = [header, payload].map(serde_json::from_str::<Value>);
    let text = |value: &Result<Value, _>, name: &str| {
        let value = value.as_ref().ok().and_then(|value| value.get(name));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match text(&header, "typ").as_str() {
        _ if text(&payload, "sub").starts_with("mch_") => TokenKind::M2m,
        "at+jwt" | "application/at+jwt" => TokenKind::OAuth,
        _ => TokenKind::Session,
    }
}

/// Checks a token with this header and these claims up to its signature, and an issuer's
/// confirmation with the same claims.
pub(crate) fn unsigned(header: &str, claims: &str, decode: &dyn Decode) {
    let [first, second] = [header, claims].map(|text| URL_SAFE_NO_PAD.encode(text));
    let text = format!("{first}.{second}.AA");
    let token = BearerToken::new(&text);
    let Ok(Presented::Jwt(segments)) = Presented::classify(&token, decode.conventions()) else {
        return;
    };
    let Ok(jwt) = segments.read(decode.conventions()) else {
        return;
    };
    let kind = jwt.kind;
    for policy in policies() {
        let Ok(jwt) = segments.read(decode.conventions()) else {
            return;
        };
        let Ok(candidate) = Candidate::read(jwt, &policy, decode) else {
            continue;
        };
        let kid = candidate.kid().unwrap_or_default();
        assert!(policy.trusts_emulator || !kid.starts_with("ins_emulator_"));
        let is_pinned = candidate.check_header().is_ok();
        let algorithm = header_text(header, "alg");
        assert!(
            !is_pinned || algorithm.as_deref() == Some("RS256"),
            "{header}"
        );
        let _ = candidate.issued_ms();
        check_confirmed(kind, claims, &policy, decode);
    }
}

/// Checks that a confirmation passes only with the subject, the audience and the client that the
/// policy requires.
fn check_confirmed(kind: TokenKind, claims: &str, policy: &TokenPolicy, decode: &dyn Decode) {
    let Ok(members) = parse_object(claims.as_bytes()) else {
        return;
    };
    let object = Object::from(&members);
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let subject = text("sub").unwrap_or_default().to_owned();
    let machines = decode.machines(&object).into_iter().map(str::to_owned);
    let said = Confirmation {
        id: None,
        issued_ms: None,
        subject: subject.clone(),
        expires_ms: members.get("exp").and_then(Value::as_u64),
        audience: members.get("aud").cloned(),
        machines: machines.collect(),
        claims: members.clone(),
        parts: CallerParts {
            client_id: text("client_id").map(str::to_owned),
            ..CallerParts::default()
        },
    };
    let confirmed = VerifiedClaims::confirmed(
        kind,
        said,
        policy,
        1_000,
        Duration::ZERO,
        decode.conventions(),
    );
    let Ok((verified, _)) = confirmed else { return };
    assert_eq!((verified.kind(), verified.subject()), (kind, &*subject));
    assert!(
        verified
            .expires_ms()
            .is_none_or(|expires_ms| expires_ms > 1_000)
    );
    // Only the keys are compared, because serde_json does not parse a float exactly, so its last bit may differ.
    assert!(verified.members().keys().eq(members.keys()));
    assert_eq!(
        verified.names_actor(),
        members.get("act").is_some_and(|act| !act.is_null())
    );
    let prefix = if kind == TokenKind::M2m {
        "mch_"
    } else {
        "user_"
    };
    assert!(subject.len() > prefix.len() && subject.starts_with(prefix));
    if kind == TokenKind::OAuth && policy.audience.mode == AudienceMode::Require {
        let audiences = members.get("aud").map(|aud| {
            let all = aud.as_array().cloned();
            all.unwrap_or_else(|| vec![aud.clone()])
        });
        let own = |audience: &Value| {
            let audience = audience.as_str().unwrap_or_default();
            policy
                .audience
                .accepted
                .iter()
                .any(|own| names(audience, own))
        };
        assert!(audiences.is_some_and(|all| all.iter().any(own)), "{claims}");
    }
}

/// Returns the strictest and the most generous policy.
fn policies() -> [TokenPolicy; 2] {
    let resource = || vec!["https://mcp.example.com/mcp".to_owned()];
    let mut strict = TokenPolicy::new("https://clerk.example.com".to_owned(), resource());
    strict.audience.mode = AudienceMode::Require;
    let mut generous = TokenPolicy::new("http://127.0.0.1:4400".to_owned(), resource());
    generous.audience.mode = AudienceMode::IfPresent;
    generous.sessions = Some(Parties::Any);
    generous.machine = Some(Machine::Named("mch_1".to_owned()));
    generous.api_keys = Some(Vec::new());
    generous.trusts_emulator = true;
    [strict, generous]
}

fn header_text(header: &str, name: &str) -> Option<String> {
    let header: Value = serde_json::from_str(header).ok()?;
    header.get(name)?.as_str().map(str::to_owned)
}
