//! From a string to a token that was read, but not believed.
//!
//! Classification follows Clerk's rules for telling its token kinds apart; they are all signed with
//! the same key, so the signature does not.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::cache::Fingerprint;
use crate::identity::caller::TokenKind;
use crate::identity::error::TokenError;
use crate::identity::json::{Json, Object};

/// A bearer string, and its digest, which is made once.
#[derive(Clone, Copy)]
pub(crate) struct BearerToken<'t> {
    text: &'t str,
    fingerprint: Fingerprint,
}

/// What was presented.
pub(crate) enum Presented<'t> {
    /// `ak_…`, `mt_…` or `oat_…`: only the issuer can say what it is worth.
    Opaque(TokenKind),
    /// What may be a JWT.
    Jwt(Segments<'t>),
}

/// The parts of a JWT, decoded from base64url and not read.
pub(crate) struct Segments<'t> {
    /// The header and behind it the payload.
    texts: String,
    header_bytes: usize,
    signature: Vec<u8>,
    /// Header and payload as they were signed.
    signed: &'t str,
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

/// A JWT that was read and whose signature was not looked at.
pub(crate) struct UnverifiedJwt<'s> {
    /// Never that of an API key: those are opaque.
    pub(super) kind: TokenKind,
    pub(super) header: Object<'s>,
    pub(super) payload: Object<'s>,
    /// The text of the payload.
    pub(super) claims: &'s str,
    segments: &'s Segments<'s>,
}

impl<'t> BearerToken<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        // A digest costs by the length of its text.
        let fingerprint = if text.len() > MAX_TOKEN_BYTES {
            Fingerprint::OF_NO_TOKEN
        } else {
            Fingerprint::of(text)
        };
        Self { text, fingerprint }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// A copy that outlives the request.
    pub(super) fn to_text(self) -> TokenText {
        TokenText::new(self.text)
    }
}

impl<'t> Presented<'t> {
    /// Tells what a bearer string is.
    ///
    /// # Errors
    /// - [`TokenError::TooLarge`] beyond 16 KiB, before anything is decoded.
    /// - [`TokenError::Malformed`] if it is neither opaque nor in the canonical form of a JWT.
    pub(crate) fn classify(token: &BearerToken<'t>) -> Result<Self, TokenError> {
        let token = token.text;
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
        Segments::decode(token).map(Self::Jwt)
    }
}

impl<'t> Segments<'t> {
    fn decode(token: &'t str) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let mut texts = Vec::with_capacity(signed.len());
        decode(header, &mut texts)?;
        let header_bytes = texts.len();
        decode(payload, &mut texts)?;
        let mut decoded = Vec::with_capacity(signature.len());
        decode(signature, &mut decoded)?;
        Ok(Self {
            texts: String::from_utf8(texts).map_err(|_| TokenError::Malformed)?,
            header_bytes,
            signature: decoded,
            signed,
        })
    }

    /// Reads header and payload.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] if one of them is not an unambiguous JSON object.
    pub(crate) fn read(&self) -> Result<UnverifiedJwt<'_>, TokenError> {
        // Where no character ends, neither is text.
        let parts = self.texts.split_at_checked(self.header_bytes);
        let (header, claims) = parts.ok_or(TokenError::Malformed)?;
        let object = |text| serde_json::from_str(text).map_err(|_| TokenError::Malformed);
        let (header, payload) = (object(header)?, object(claims)?);
        Ok(UnverifiedJwt {
            kind: claimed_kind(&header, &payload),
            header,
            payload,
            claims,
            segments: self,
        })
    }
}

impl<'s> UnverifiedJwt<'s> {
    /// The header's `kid`, if it is a string.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Json::as_str)
    }

    /// Header and payload as they were signed.
    pub(super) fn signed(&self) -> &'s str {
        self.segments.signed
    }

    pub(super) fn signature(&self) -> &'s [u8] {
        &self.segments.signature
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
fn claimed_kind(header: &Object<'_>, payload: &Object<'_>) -> TokenKind {
    let subject = payload.get("sub").and_then(Json::as_str);
    if subject.is_some_and(|subject| subject.starts_with("mch_")) {
        return TokenKind::M2m;
    }
    // RFC 9068 §2.1 and §4; case-sensitive as Clerk's SDK compares it.
    match header.get("typ").and_then(Json::as_str) {
        Some("at+jwt" | "application/at+jwt") => TokenKind::OAuth,
        Some(_) | None => TokenKind::Session,
    }
}

/// RFC 7515 §2: base64url without padding; and only the canonical form, so that no two strings are
/// the same token. What it says is put behind what is there.
fn decode(segment: &str, behind: &mut Vec<u8>) -> Result<(), TokenError> {
    if segment.is_empty() {
        return Err(TokenError::Malformed);
    }
    URL_SAFE_NO_PAD
        .decode_vec(segment, behind)
        .map_err(|_| TokenError::Malformed)
}

/// Beyond this a token is refused unread. Clerk's largest are below 5 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_tokens_are_told_by_their_prefix_alone() {
        let opaque = |text| match Presented::classify(&BearerToken::new(text)) {
            Ok(Presented::Opaque(kind)) => kind,
            Ok(Presented::Jwt(_)) | Err(_) => panic!("{text}"),
        };
        assert_eq!(opaque("oat_/+=x"), TokenKind::OAuth);
        assert_eq!(opaque("mt_"), TokenKind::M2m);
        assert_eq!(opaque("ak_a.b.c"), TokenKind::ApiKey);
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
        assert!(read(&valid).is_ok());
        let padded = format!("{valid}=");
        let four = format!("{valid}.e30");
        // A character of which the header has one half, and the payload the other.
        let [header, payload] =
            [b"{}\xc3".as_slice(), b"\xa9{}"].map(|part| URL_SAFE_NO_PAD.encode(part));
        let half = format!("{header}.{payload}.AA");
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
            &half,
            &padded,
            &four,
        ] {
            assert_eq!(read(token), Err(TokenError::Malformed), "{token}");
        }
    }

    #[test]
    fn a_megabyte_is_refused_before_it_is_read_or_digested() {
        let token = "oat_".repeat(1 << 18);
        assert_eq!(read(&token), Err(TokenError::TooLarge));
        let fingerprint = |token: &str| BearerToken::new(token).fingerprint;
        assert!(fingerprint(&token) == Fingerprint::OF_NO_TOKEN);
        let largest = format!("ak_{}", "x".repeat(MAX_TOKEN_BYTES - 3));
        assert!(read(&largest).is_ok());
        assert!(fingerprint(&largest) == Fingerprint::of(&largest));
    }

    fn jwt(header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{payload}.AA")
    }

    fn kind(header: &str, payload: &str) -> TokenKind {
        read(&jwt(header, payload)).unwrap()
    }

    fn read(token: &str) -> Result<TokenKind, TokenError> {
        match Presented::classify(&BearerToken::new(token))? {
            Presented::Opaque(kind) => Ok(kind),
            Presented::Jwt(segments) => segments.read().map(|jwt| jwt.kind),
        }
    }
}
