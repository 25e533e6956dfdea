//! Checks of the parsers of Clerk's claims and keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;
use url::Url;

use crate::clerk::claims::ClerkClaims;
use crate::clerk::claims::second::Reading;
use crate::clerk::{Instance, PublishableKey};
use crate::identity::{Object, TokenKind, parse_object};

/// Compares the decoded claims of a token of each kind with the result of a second decoder. If
/// there are two lines, the first line is the header.
pub fn claims(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (header, payload) = text.split_once('\n').unwrap_or((HEADER, text));
    crate::identity::fuzz::unsigned(header, payload, &ClerkClaims);
    let Ok(members) = parse_object(payload.as_bytes()) else {
        return;
    };
    let claims = Value::Object(members.clone());
    let members = Object::from(&members);
    for kind in [
        TokenKind::ApiKey,
        TokenKind::M2m,
        TokenKind::OAuth,
        TokenKind::Session,
    ] {
        let parts = ClerkClaims::parts(kind, &members);
        let first = parts.ok().map(|parts| Reading::of(&parts));
        assert_eq!(first, Reading::read(kind, &claims), "{kind:?} {payload}");
    }
}

/// Checks that a publishable key names an https host, and that a key made from this host is parsed
/// to the same value.
pub fn publishable_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(key) = PublishableKey::parse(text) else {
        return;
    };
    let prefix = match key.instance() {
        Instance::Development => "pk_test_",
        Instance::Production => "pk_live_",
    };
    assert!(text.trim().starts_with(prefix), "{text}");
    let issuer = key.frontend().issuer();
    let host = issuer.strip_prefix("https://").unwrap_or_default();
    let url = Url::parse(issuer);
    let is_plain = |url: Url| {
        let rest = [url.username(), url.query().unwrap_or_default()].concat();
        url.host_str().is_some_and(|host| !host.is_empty()) && rest.is_empty()
    };
    assert!(
        url.is_ok_and(is_plain) && !host.contains(['$', '#']),
        "{issuer}"
    );
    let written = format!("{prefix}{}", STANDARD_NO_PAD.encode(format!("{host}$")));
    assert_eq!(PublishableKey::parse(&written), Ok(key), "{text}");
}

const HEADER: &str = r#"{"alg":"RS256","kid":"ins_1","typ":"at+jwt"}"#;
