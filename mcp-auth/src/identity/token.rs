//! From a string to a token that was read, but not believed.
//!
//! Classification follows Clerk's rules for telling its token kinds apart; they are all signed with
//! the same key, so the signature does not.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Map;
use serde_json::Value;

use crate::identity::caller::TokenKind;
use crate::identity::error::TokenError;
use crate::identity::json::parse_object;

/// What was presented, of the kind that it claims to be.
#[derive(Debug)]
pub(crate) enum Presented<'t> {
    /// `ak_…`, `mt_…` or `oat_…`: only the issuer can say what it is worth.
    Opaque(TokenKind),
    /// A JWT.
    Jwt(UnverifiedJwt<'t>),
}

/// The text of a token, for the few questions that are asked with it. Nothing shows it.
#[derive(Clone)]
pub(crate) struct TokenText(Arc<str>);

impl TokenText {
    pub(crate) fn new(token: &str) -> Self {
        Self(token.into())
    }

    /// The token itself, to be sent to its issuer and nowhere else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText([redacted])")
    }
}

/// A JWT whose parts were decoded and whose signature was not looked at.
pub(crate) struct UnverifiedJwt<'t> {
    /// Never that of an API key: those are opaque.
    pub(crate) kind: TokenKind,
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Map<String, Value>,
    pub(crate) signature: Vec<u8>,
    /// Header and payload as they were signed.
    pub(crate) signed: &'t str,
}

impl<'t> Presented<'t> {
    /// Classifies a bearer string.
    ///
    /// # Errors
    /// - [`TokenError::TooLarge`] beyond 16 KiB, before anything is decoded.
    /// - [`TokenError::Malformed`] if it is neither opaque nor a JWT in canonical form.
    pub(crate) fn classify(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        // By prefix only, never by length or alphabet: the secret is not the id.
        if token.starts_with("mt_") {
            return Ok(Self::Opaque(TokenKind::M2m));
        }
        if token.starts_with("oat_") {
            return Ok(Self::Opaque(TokenKind::OAuth));
        }
        if token.starts_with("ak_") {
            return Ok(Self::Opaque(TokenKind::ApiKey));
        }
        UnverifiedJwt::parse(token).map(Self::Jwt)
    }
}

impl<'t> UnverifiedJwt<'t> {
    fn parse(token: &'t str) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header = parse_object(&decode(header)?).map_err(|_| TokenError::Malformed)?;
        let payload = parse_object(&decode(payload)?).map_err(|_| TokenError::Malformed)?;
        let signature = decode(signature)?;
        let kind = claimed_kind(&header, &payload);
        Ok(Self {
            kind,
            header,
            payload,
            signature,
            signed,
        })
    }

    /// The header's `kid`, if it is a string.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }
}

/// The content is not believed yet, so it is not shown either.
impl fmt::Debug for UnverifiedJwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedJwt")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A machine's subject goes before the type: such a token is never a user's.
fn claimed_kind(header: &Map<String, Value>, payload: &Map<String, Value>) -> TokenKind {
    let subject = payload.get("sub").and_then(Value::as_str);
    if subject.is_some_and(|subject| subject.starts_with("mch_")) {
        return TokenKind::M2m;
    }
    // RFC 9068 §2.1 and §4; case-sensitive as Clerk's SDK compares it.
    match header.get("typ").and_then(Value::as_str) {
        Some("at+jwt" | "application/at+jwt") => TokenKind::OAuth,
        Some(_) | None => TokenKind::Session,
    }
}

/// RFC 7515 §2: base64url without padding; and only the canonical form, so that no two strings are
/// the same token.
fn decode(segment: &str) -> Result<Vec<u8>, TokenError> {
    if segment.is_empty() {
        return Err(TokenError::Malformed);
    }
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| TokenError::Malformed)
}

/// Beyond this a token is refused unread. Clerk's largest are below 5 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_tokens_are_told_by_their_prefix_alone() {
        let kind = |token| format!("{:?}", Presented::classify(token).unwrap());
        assert_eq!(kind("oat_/+=x"), "Opaque(OAuth)");
        assert_eq!(kind("mt_"), "Opaque(M2m)");
        assert_eq!(kind("ak_a.b.c"), "Opaque(ApiKey)");
    }

    #[test]
    fn debug_does_not_show_the_text_of_a_token() {
        assert_eq!(
            format!("{:?}", TokenText::new("oat_secret")),
            "TokenText([redacted])"
        );
    }

    #[test]
    fn the_subject_of_a_machine_goes_before_the_type() {
        assert_eq!(
            kind(r#"{"typ":"at+jwt"}"#, r#"{"sub":"mch_1"}"#),
            TokenKind::M2m
        );
    }

    #[test]
    fn only_the_exact_types_of_rfc_9068_are_oauth() {
        assert_eq!(kind(r#"{"typ":"at+jwt"}"#, "{}"), TokenKind::OAuth);
        assert_eq!(
            kind(r#"{"typ":"application/at+jwt"}"#, "{}"),
            TokenKind::OAuth
        );
        for header in [
            r#"{"typ":"AT+JWT"}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"typ":["at+jwt"]}"#,
            "{}",
        ] {
            assert_eq!(kind(header, "{}"), TokenKind::Session, "{header}");
        }
    }

    #[test]
    fn a_string_that_is_no_canonical_jwt_is_malformed() {
        let valid = jwt("{}", "{}");
        assert!(Presented::classify(&valid).is_ok());
        let padded = format!("{valid}=");
        let four = format!("{valid}.e30");
        // "e30" is "{}"; "e31" differs from it in bits that carry nothing.
        for token in [
            "",
            ".",
            "..",
            "a.b",
            "e30..e30",
            "e30.e30.",
            ".e30.e30",
            "e30.e31.AA",
            "W10.e30.AA",
            "e 30.e30.AA",
            &padded,
            &four,
        ] {
            assert_eq!(
                Presented::classify(token).unwrap_err(),
                TokenError::Malformed,
                "{token}"
            );
        }
    }

    #[test]
    fn a_megabyte_is_refused_unread() {
        let token = "oat_".repeat(1 << 18);
        assert_eq!(
            Presented::classify(&token).unwrap_err(),
            TokenError::TooLarge
        );
        let largest = format!("ak_{}", "x".repeat(MAX_TOKEN_BYTES - 3));
        assert!(Presented::classify(&largest).is_ok());
    }

    fn jwt(header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{payload}.AA")
    }

    fn kind(header: &str, payload: &str) -> TokenKind {
        let token = jwt(header, payload);
        let Ok(Presented::Jwt(jwt)) = Presented::classify(&token) else {
            panic!("{token}")
        };
        jwt.kind
    }
}
