//! The digests of arguments.

use std::fmt;

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

/// Makes digests of arguments. Without the key, a digest neither reveals the arguments nor lets anyone guess them.
pub(crate) struct DigestKey {
    key: hmac::Key,
    /// Names the key, so that a reader knows which digests can be compared.
    id: String,
}

impl DigestKey {
    /// Makes digests with a key from these bytes. The bytes must have no other use.
    pub(crate) fn new(bytes: &[u8; DIGEST_KEY_LEN]) -> Self {
        let id = digest::digest(&digest::SHA256, bytes);
        let id = id.as_ref().iter().take(4);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
            id: id.map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Makes digests with a random key. `None` if the operating system returned no random bytes.
    pub(crate) fn random() -> Option<Self> {
        let mut bytes = [0; DIGEST_KEY_LEN];
        rand::fill(&mut bytes).ok()?;
        Some(Self::new(&bytes))
    }

    /// Returns the digest of arguments. Neither blanks nor the order of members change the digest.
    pub(super) fn of(&self, arguments: &str) -> String {
        let mut canonical = Vec::with_capacity(arguments.len());
        match serde_json::from_str(arguments) {
            Ok(value) => write_canonical(&value, &mut canonical),
            Err(_) => canonical.extend_from_slice(arguments.as_bytes()),
        }
        let digest = hmac::sign(&self.key, &canonical);
        let mut text = String::with_capacity(DIGEST_TEXT_LEN);
        text.push_str("hmac-sha256:");
        text.push_str(&self.id);
        text.push(':');
        URL_SAFE_NO_PAD.encode_string(digest, &mut text);
        text
    }
}

/// Writes JSON without blanks, with the members of each object in the order of their names.
fn write_canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            let mut before = b'[';
            for item in items {
                text.push(before);
                write_canonical(item, text);
                before = b',';
            }
            text.extend_from_slice(if items.is_empty() { b"[]" } else { b"]" });
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let mut before = b'{';
            for (name, item) in &members {
                text.push(before);
                write_plain(name, text);
                text.push(b':');
                write_canonical(item, text);
                before = b',';
            }
            text.extend_from_slice(if members.is_empty() { b"{}" } else { b"}" });
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {
            write_plain(value, text);
        }
    }
}

/// Writes text, a number, `true`, `false` or `null` as JSON.
fn write_plain(value: &(impl Serialize + ?Sized), text: &mut Vec<u8>) {
    // Such a value can always be written to memory.
    let _ = serde_json::to_writer(text, value);
}

/// Does not show the key.
impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

pub(super) const DIGEST_KEY_LEN: usize = 32;
/// The length of a digest as text: the name of the algorithm, the id of the key and 32 bytes in Base64url.
const DIGEST_TEXT_LEN: usize = 12 + 8 + 1 + 43;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_arguments_have_equal_digests_under_one_key_only() {
        let key = DigestKey::new(&[1; DIGEST_KEY_LEN]);
        let digest = key.of(r#"{"b":[1,{"d":null,"c":"x"}],"a":{}}"#);
        assert_eq!(
            digest,
            key.of(r#" { "a" : {}, "b" : [1, {"c": "\u0078", "d": null}] } "#)
        );
        assert_ne!(digest, key.of(r#"{"b":[1,{"d":null,"c":"y"}],"a":{}}"#));
        assert_ne!(
            digest,
            DigestKey::new(&[2; DIGEST_KEY_LEN]).of(r#"{"a":{},"b":[1,{"c":"x","d":null}]}"#)
        );
        let mut parts = digest.split(':');
        assert_eq!(parts.next(), Some("hmac-sha256"));
        assert_eq!(parts.next().map(str::len), Some(8));
        assert_eq!(parts.next().map(str::len), Some(43));
        assert_eq!(digest.len(), DIGEST_TEXT_LEN);
    }

    #[test]
    fn the_digest_is_the_hmac_of_the_canonical_text() {
        let bytes = [7; DIGEST_KEY_LEN];
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let expected = URL_SAFE_NO_PAD.encode(hmac::sign(&key, br#"{"a":[],"b":"x"}"#));
        let digest = DigestKey::new(&bytes).of(r#"{"b": "x", "a": []}"#);
        assert!(digest.ends_with(&expected), "{digest}");
    }
}
