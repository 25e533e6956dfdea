//! Bearer strings: classified and read, but not verified.
//!
//! The identity provider signs all kinds of tokens with the same key, so the signature does not show the kind of a
//! token. The prefix, the subject and the type in the header show the kind.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::conventions::Conventions;
use crate::identity::error::TokenError;
use crate::identity::fingerprint::Fingerprint;
use crate::identity::json::{Json, Object};
use crate::identity::token_kind::TokenKind;
use crate::identity::token_text::TokenText;

/// A bearer string with its digest.
#[derive(Clone, Copy)]
pub(crate) struct BearerToken<'t> {
    text: &'t str,
    fingerprint: Fingerprint,
}

/// A bearer string that outlives its request. `Debug` hides the text.
#[derive(Clone)]
pub(crate) struct KeptToken {
    text: TokenText,
    fingerprint: Fingerprint,
}

/// A bearer string, classified by its form.
pub(crate) enum Presented<'t> {
    /// An opaque token, which only the issuer can verify.
    Opaque(TokenKind),
    /// A string that may be a JWT.
    Jwt(Segments<'t>),
}

/// The parts of a JWT, decoded from base64url. The JSON is not parsed.
pub(crate) struct Segments<'t> {
    /// The header, followed by the payload.
    texts: String,
    header_bytes: usize,
    signature: Vec<u8>,
    /// The signed text: header and payload in base64url.
    signed: &'t str,
}

/// A JWT that was parsed. Its signature was not checked.
pub(crate) struct UnverifiedJwt<'s> {
    /// The kind of the token: never an API key, because API keys are opaque.
    pub(super) kind: TokenKind,
    pub(super) header: Object<'s>,
    pub(super) payload: Object<'s>,
    /// The text of the payload.
    pub(super) claims: &'s str,
    segments: &'s Segments<'s>,
}

impl<'t> BearerToken<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        // A long text would make the digest expensive.
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

    /// Returns a copy that outlives the request.
    pub(super) fn to_text(self) -> TokenText {
        TokenText::new(self.text)
    }

    /// Returns a copy of the token and of its digest, which outlives the request.
    pub(crate) fn keep(self) -> KeptToken {
        KeptToken {
            text: self.to_text(),
            fingerprint: self.fingerprint,
        }
    }
}

impl KeptToken {
    pub(crate) fn bearer(&self) -> BearerToken<'_> {
        BearerToken {
            text: self.text.expose(),
            fingerprint: self.fingerprint,
        }
    }
}

impl fmt::Debug for KeptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptToken([redacted])")
    }
}

impl<'t> Presented<'t> {
    /// Classifies a bearer string.
    ///
    /// # Errors
    /// - [`TokenError::TooLarge`] if the token is longer than 16 KiB. A token of this length is not decoded.
    /// - [`TokenError::Malformed`] if the string is neither an opaque token nor a JWT in canonical
    ///   form.
    pub(crate) fn classify(
        token: &BearerToken<'t>,
        conventions: &'static Conventions,
    ) -> Result<Self, TokenError> {
        let token = token.text;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        if !token.is_ascii() {
            return Err(TokenError::Malformed);
        }
        match conventions.opaque_kind(token) {
            Some(kind) => Ok(Self::Opaque(kind)),
            None => Segments::decode(token).map(Self::Jwt),
        }
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

    /// Parses the header and the payload.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] if the header or the payload is not a JSON object, or has a member
    /// twice.
    pub(crate) fn read(
        &self,
        conventions: &'static Conventions,
    ) -> Result<UnverifiedJwt<'_>, TokenError> {
        // If the boundary is inside a character, header and payload are not valid UTF-8.
        let parts = self.texts.split_at_checked(self.header_bytes);
        let (header, claims) = parts.ok_or(TokenError::Malformed)?;
        let object = |text| serde_json::from_str(text).map_err(|_| TokenError::Malformed);
        let (header, payload) = (object(header)?, object(claims)?);
        Ok(UnverifiedJwt {
            kind: claimed_kind(&header, &payload, conventions),
            header,
            payload,
            claims,
            segments: self,
        })
    }
}

impl<'s> UnverifiedJwt<'s> {
    /// Returns the header's `kid`, if it is a string.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Json::as_str)
    }

    /// Returns the signed text: header and payload in base64url.
    pub(super) fn signed(&self) -> &'s str {
        self.segments.signed
    }

    pub(super) fn signature(&self) -> &'s [u8] {
        &self.segments.signature
    }
}

/// Prints no content, because the content is not verified.
impl fmt::Debug for UnverifiedJwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedJwt")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Returns the kind of a JWT. A machine's subject takes precedence over the type, so that a
/// machine's token is never taken for a user's token.
fn claimed_kind(
    header: &Object<'_>,
    payload: &Object<'_>,
    conventions: &'static Conventions,
) -> TokenKind {
    let subject = payload.get("sub").and_then(Json::as_str);
    if subject.is_some_and(|subject| subject.starts_with(conventions.machine)) {
        return TokenKind::M2m;
    }
    // RFC 9068 §2.1 and §4. Clerk's SDK also compares the type case-sensitively.
    match header.get("typ").and_then(Json::as_str) {
        Some("at+jwt" | "application/at+jwt") => TokenKind::OAuth,
        Some(_) | None => TokenKind::Session,
    }
}

/// Decodes base64url without padding (RFC 7515 §2), and appends the bytes. Only the canonical form
/// is accepted, so that no two strings are the same token.
fn decode(segment: &str, behind: &mut Vec<u8>) -> Result<(), TokenError> {
    if segment.is_empty() {
        return Err(TokenError::Malformed);
    }
    URL_SAFE_NO_PAD
        .decode_vec(segment, behind)
        .map_err(|_| TokenError::Malformed)
}

/// The greatest length of a token. Longer tokens are refused without decoding them. Clerk's longest
/// tokens are below 5 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::CONVENTIONS;

    #[test]
    fn opaque_tokens_are_told_by_their_prefix_alone() {
        let opaque = |text| match Presented::classify(&BearerToken::new(text), &CONVENTIONS) {
            Ok(Presented::Opaque(kind)) => kind,
            Ok(Presented::Jwt(_)) | Err(_) => panic!("{text}"),
        };
        assert_eq!(opaque("oat_/+=x"), TokenKind::OAuth);
        assert_eq!(opaque("mt_"), TokenKind::M2m);
        assert_eq!(opaque("ak_a.b.c"), TokenKind::ApiKey);
    }

    #[test]
    fn a_token_with_a_character_that_is_not_ascii_is_malformed() {
        for text in ["oat_\u{e9}", "mt_\u{2028}", "a.b.\u{e9}"] {
            let refused = Presented::classify(&BearerToken::new(text), &CONVENTIONS).err();
            assert_eq!(refused, Some(TokenError::Malformed), "{text}");
        }
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
        // The header ends in the middle of a character.
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
        match Presented::classify(&BearerToken::new(token), &CONVENTIONS)? {
            Presented::Opaque(kind) => Ok(kind),
            Presented::Jwt(segments) => segments.read(&CONVENTIONS).map(|jwt| jwt.kind),
        }
    }
}
