//! Keys that sign the tokens of unit tests.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::aws_lc;
use serde_json::{Value, json};

use crate::identity::PublishedKey;

/// An RSA key pair.
pub(crate) struct TestKey {
    pair: RsaKeyPair,
}

impl TestKey {
    /// Returns the key of most tests. The key is generated once, because generating a key takes a while.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<TestKey> = OnceLock::new();
        SHARED.get_or_init(Self::generate)
    }

    /// Returns a second key for the whole process.
    pub(crate) fn other() -> &'static Self {
        static OTHER: OnceLock<TestKey> = OnceLock::new();
        OTHER.get_or_init(Self::generate)
    }

    fn generate() -> Self {
        Self {
            pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    pub(crate) fn published(&self, kid: &str) -> PublishedKey {
        let der = self.pair.public_key().as_ref();
        let components = aws_lc::DEFAULT_PROVIDER
            .key_utils
            .rsa_pub_components_from_public_key;
        let (modulus, exponent) = components(der).unwrap();
        PublishedKey::new(kid.to_owned(), modulus, exponent).unwrap()
    }

    pub(crate) fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.pair.public_key().as_der().unwrap();
        let body = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }

    /// Returns the JWK of RFC 7517, as `{issuer}/.well-known/jwks.json` lists it.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let der = self.pair.public_key().as_ref();
        let components = aws_lc::DEFAULT_PROVIDER
            .key_utils
            .rsa_pub_components_from_public_key;
        let (modulus, exponent) = components(der).unwrap();
        let [n, e] = [modulus, exponent].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e})
    }

    /// Returns a token with this header and these claims, which may be any JSON text.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        self.sign_with(&RSA_PKCS1_SHA256, header, claims)
    }

    pub(crate) fn sign_sha384(&self, header: &str, claims: &str) -> String {
        self.sign_with(&RSA_PKCS1_SHA384, header, claims)
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_with(&self, padding: &'static dyn RsaEncoding, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                padding,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
