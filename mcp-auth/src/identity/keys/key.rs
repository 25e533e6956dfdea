//! Keys as the issuer publishes them, and keys that are ready to verify signatures.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use serde_json::Value;

/// Fetches published keys; implemented by an identity provider.
pub(crate) trait KeySource: Debug + Send + Sync {
    /// Fetches the whole set. Runs on the I/O runtime.
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<PublishedKey>, FetchError>>;
}

/// The reason why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The response is not a key set.
    #[error("the response is not a JSON Web Key Set")]
    Malformed,
    /// The issuer gave no usable response.
    #[error("the issuer's keys could not be fetched")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
}

/// An RSA key that may sign tokens with RS256.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PublishedKey {
    kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublishedKey {
    /// Reads a JSON Web Key Set (RFC 7517 §5). A set may contain keys for other purposes, so keys that are not for
    /// RS256 are left out.
    ///
    /// # Errors
    /// [`FetchError::Malformed`] if the document is not a key set.
    pub(crate) fn parse_set(document: &[u8]) -> Result<Vec<Self>, FetchError> {
        let document: Value =
            serde_json::from_slice(document).map_err(|_| FetchError::Malformed)?;
        let keys = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(FetchError::Malformed)?;
        Ok(keys
            .iter()
            .filter_map(Self::from_jwk)
            .take(MAX_KEYS)
            .collect())
    }

    /// Returns `None` if `kty` is not `RSA`, or if `alg` or `use` is present and not for RS256
    /// signatures (RFC 7517 §4).
    fn from_jwk(jwk: &Value) -> Option<Self> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let absent_or = |name, expected| jwk.get(name).is_none_or(|value| value == expected);
        if text("kty")? != "RSA" || !absent_or("alg", "RS256") || !absent_or("use", "sig") {
            return None;
        }
        let number = |name| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        Self::new(text("kid")?.to_owned(), number("n")?, number("e")?)
    }

    /// Returns `None` if the modulus has fewer than 2048 bits (RFC 7518 §3.3).
    pub(crate) fn new(kid: String, modulus: Vec<u8>, exponent: Vec<u8>) -> Option<Self> {
        let [modulus, exponent] = [modulus, exponent].map(without_leading_zeros);
        (bits(&modulus) >= MIN_MODULUS_BITS).then_some(Self {
            kid,
            modulus,
            exponent,
        })
    }

    #[cfg(test)]
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }
}

/// A key that is ready to verify signatures. While the key is published, refreshes of the key set keep the same `Arc`.
#[derive(Debug)]
pub(crate) struct VerifyingKey {
    published: PublishedKey,
    /// The parsed key. It is stored because parsing takes a good part of the time of a signature check. `None` if the
    /// numbers do not form an RSA key. Such a key verifies no signature.
    rsa: Option<ParsedPublicKey>,
}

impl From<PublishedKey> for VerifyingKey {
    fn from(published: PublishedKey) -> Self {
        let components = RsaPublicKeyComponents {
            n: &published.modulus,
            e: &published.exponent,
        };
        let rsa = components
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .ok();
        Self { published, rsa }
    }
}

impl VerifyingKey {
    pub(crate) fn kid(&self) -> &str {
        &self.published.kid
    }

    /// Returns true if the `kid` and the key material are equal.
    pub(crate) fn is(&self, published: &PublishedKey) -> bool {
        self.published == *published
    }

    /// Returns true if the key material is equal. The `kid` may differ.
    pub(crate) fn has_material_of(&self, other: &PublishedKey) -> bool {
        let own = &self.published;
        own.modulus == other.modulus && own.exponent == other.exponent
    }

    /// Returns true if this is the key's RS256 signature of the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let rsa = self.rsa.as_ref();
        rsa.is_some_and(|rsa| rsa.verify_sig(message, signature).is_ok())
    }
}

/// Makes the published keys ready to verify. Keys that are already in `before` keep their `Arc`.
pub(crate) fn carry_over(
    before: &[Arc<VerifyingKey>],
    published: Vec<PublishedKey>,
) -> Vec<Arc<VerifyingKey>> {
    let known = |key: &PublishedKey| before.iter().find(|known| known.is(key)).cloned();
    published
        .into_iter()
        .map(|key| known(&key).unwrap_or_else(|| Arc::new(key.into())))
        .collect()
}

fn without_leading_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.drain(..zeros);
    number
}

fn bits(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

const MIN_MODULUS_BITS: usize = 2048;

/// The greatest number of keys that are read from a set. If several keys have the same `kid`, the server tries each of
/// them.
const MAX_KEYS: usize = 32;
