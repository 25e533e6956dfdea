//! The signing key and the secret key of an instance. Both keys are random. The source contains no constant key.

use std::fmt;

use aws_lc_rs::constant_time;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::error::{Error, MintError};

/// The secret key of the Backend API, `sk_test_…`, or the secret key of a machine, `ak_…`. `Debug` does not print the
/// key.
///
/// ```
/// use clerk_emulator::{Directory, Instance};
///
/// let key = Instance::new("http://127.0.0.1:4400", Directory::empty())?.secret_key();
/// let authorization = format!("Bearer {}", key.expose());
/// assert!(authorization.starts_with("Bearer sk_test_"));
/// assert_eq!(format!("{key:?}"), "[redacted]");
/// # Ok::<(), clerk_emulator::Error>(())
/// ```
#[derive(Clone)]
pub struct SecretKey(String);

impl SecretKey {
    pub(crate) fn generate() -> Result<Self, Error> {
        Ok(Self(format!("sk_test_{}", random_hex::<20>()?)))
    }

    pub(crate) fn from_stored(text: String) -> Option<Self> {
        text.starts_with("sk_test_").then_some(Self(text))
    }

    /// The secret key of a machine, which is derived from this key. It changes only if this key changes.
    pub(crate) fn of_machine(&self, id: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        Self(format!(
            "ak_{}",
            URL_SAFE_NO_PAD.encode(hmac::sign(&key, id.as_bytes()))
        ))
    }

    /// Returns true if `sent` is this key. The comparison takes constant time.
    pub(crate) fn is(&self, sent: &str) -> bool {
        constant_time::verify_slices_are_equal(sent.as_bytes(), self.0.as_bytes()).is_ok()
    }

    /// Returns the key itself.
    ///
    /// # Security
    ///
    /// The key gives access to the emulator's Backend API. It gives no access to Clerk.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The key that signs every token of an instance.
pub(crate) struct SigningKey {
    kid: String,
    pair: rsa::KeyPair,
}

impl SigningKey {
    pub(crate) fn generate() -> Result<Self, Error> {
        Self::generate_as(format!("{KID_PREFIX}{}", random_hex::<12>()?))
    }

    /// A new key with the id `kid`, which another key may also have.
    pub(crate) fn generate_as(kid: String) -> Result<Self, Error> {
        Ok(Self {
            kid,
            pair: rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| Error::KeyGeneration)?,
        })
    }

    /// A key from a state file. `None` unless the key is an RSA key of 2048 bits, with an id that
    /// an emulator gives.
    pub(crate) fn from_stored(kid: String, pkcs8: &[u8]) -> Option<Self> {
        let pair = rsa::KeyPair::from_pkcs8(pkcs8).ok()?;
        // Clerk's SDKs import RSA-2048 only.
        let usable =
            kid.starts_with(KID_PREFIX) && pair.public_modulus_len() == KeySize::Rsa2048.len();
        usable.then_some(Self { kid, pair })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn to_pkcs8(&self) -> Result<Pkcs8V1Der<'static>, Error> {
        self.pair.as_der().map_err(|_| Error::KeyGeneration)
    }

    /// The JWS of `header` and `claims`. The signature is always RS256, even if the header names
    /// another algorithm, so that a test can present a forged header.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> Result<String, MintError> {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .map_err(|_| MintError::Signing)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The header and the claims of a JWT, if this key signed it.
    pub(crate) fn verify(&self, token: &str) -> Option<(Value, Value)> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key())
            .verify(message.as_bytes(), &signature)
            .ok()?;
        let decode = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some((decode(header)?, decode(claims)?))
    }

    /// The public key as Clerk publishes it.
    pub(crate) fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "use": "sig",
            "kty": "RSA",
            "kid": self.kid,
            "alg": "RS256",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The public key as SPKI in PEM. Clerk calls it the JWT key.
    pub(crate) fn pem(&self) -> Result<String, Error> {
        let der = self
            .pair
            .public_key()
            .as_der()
            .map_err(|_| Error::KeyGeneration)?;
        let text = STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (index, character) in text.chars().enumerate() {
            if index > 0 && index % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        Ok(pem)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// `N` random bytes in hexadecimal.
pub(crate) fn random_hex<const N: usize>() -> Result<String, Error> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::KeyGeneration)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The prefix of every key id. A verifier in production can refuse keys with this prefix.
const KID_PREFIX: &str = "ins_emulator_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_in_debug_output() {
        let secret = SecretKey::generate().unwrap();
        assert!(secret.expose().starts_with("sk_test_"));
        assert_eq!(format!("{secret:?}"), "[redacted]");
        let key = SigningKey::generate().unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey {{ kid: {:?}, .. }}", key.kid())
        );
    }

    #[test]
    fn keys_are_fresh_each_time() {
        let (one, two) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        assert!(one.kid().starts_with("ins_emulator_"));
        assert_ne!(one.kid(), two.kid());
        assert_ne!(one.jwk()["n"], two.jwk()["n"]);
        let (one, two) = (
            SecretKey::generate().unwrap(),
            SecretKey::generate().unwrap(),
        );
        assert_ne!(one.expose(), two.expose());
    }

    #[test]
    fn only_a_signature_of_the_same_key_verifies() {
        let key = SigningKey::generate().unwrap();
        let (header, claims) = (json!({"alg": "RS256"}), json!({"sub": "user_ada"}));
        let token = key.sign(&header, &claims).unwrap();
        assert_eq!(key.verify(&token), Some((header, claims)));
        assert_eq!(SigningKey::generate().unwrap().verify(&token), None);
        let (message, signature) = token.rsplit_once('.').unwrap();
        for forged in [
            format!("{message}."),
            format!("{message}x.{signature}"),
            format!("x{token}"),
            String::from(message),
            String::new(),
        ] {
            assert_eq!(key.verify(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_stored_key_that_no_emulator_generated_is_refused() {
        let key = SigningKey::generate().unwrap();
        let pkcs8 = key.to_pkcs8().unwrap();
        assert!(SigningKey::from_stored(String::from("ins_emulator_1"), pkcs8.as_ref()).is_some());
        assert!(SigningKey::from_stored(String::from("ins_2abc"), pkcs8.as_ref()).is_none());
        assert!(SigningKey::from_stored(String::from("ins_emulator_1"), b"no key").is_none());
        assert!(SecretKey::from_stored(String::from("sk_live_1")).is_none());
    }
}
