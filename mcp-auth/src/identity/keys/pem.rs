//! Public keys in PEM format, from environment variables.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::aws_lc;

use crate::identity::keys::key::{PublishedKey, VerifyingKey};

/// The reason why a text is not a usable key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PemError {
    /// The text between the markers is not base64.
    #[error("the key is not PEM: its body is not base64")]
    Base64,
    /// The text is not an RSA public key.
    #[error("the key is not an RSA public key (SPKI, `-----BEGIN PUBLIC KEY-----`)")]
    NotPublicRsa,
    /// The text is a private key. Only public keys may be configured.
    #[error("the key is a private key; the public key is needed")]
    Private,
    /// The modulus of the key has fewer than 2048 bits.
    #[error("the key is shorter than 2048 bits")]
    Short,
}

/// Reads a public key. Line breaks may be missing or written as `\n`. The markers may also be missing.
pub(super) fn parse(text: &str) -> Result<VerifyingKey, PemError> {
    if text.contains("PRIVATE KEY") {
        return Err(PemError::Private);
    }
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let body = match text.split_once(BEGIN) {
        Some((_, rest)) => {
            let (_label, body) = rest.split_once(DASHES).ok_or(PemError::Base64)?;
            body.split_once(END).map_or(body, |(body, _)| body)
        }
        None => text.as_str(),
    };
    let body: String = body
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let der = STANDARD.decode(body).map_err(|_| PemError::Base64)?;
    let components = aws_lc::DEFAULT_PROVIDER
        .key_utils
        .rsa_pub_components_from_public_key;
    let (modulus, exponent) = components(&der).map_err(|_| PemError::NotPublicRsa)?;
    PublishedKey::new(String::new(), modulus, exponent)
        .map(VerifyingKey::from)
        .ok_or(PemError::Short)
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::TestKey;

    #[test]
    fn a_key_is_read_in_every_shape_an_environment_leaves_it() {
        let pem = TestKey::shared().public_pem();
        let bare: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect::<Vec<_>>()
            .join("\n");
        let shapes = [
            pem.clone(),
            pem.replace('\n', "\r\n"),
            pem.replace('\n', "\\n"),
            pem.replace('\n', ""),
            pem.replace('\n', " "),
            bare.clone(),
            bare.replace('\n', "\\n"),
            bare.replace('\n', ""),
            format!("\n  {pem}\n\n"),
            pem.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
        ];
        let published = TestKey::shared().published("any");
        for shape in shapes {
            assert!(
                parse(&shape).unwrap().has_material_of(&published),
                "{shape}"
            );
        }
    }

    #[test]
    fn a_text_that_is_not_a_public_rsa_key_is_refused() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert_eq!(refused("not base64!"), PemError::Base64);
        assert_eq!(refused("-----BEGIN PUBLIC KEY"), PemError::Base64);
        assert_eq!(refused("aGVsbG8="), PemError::NotPublicRsa);
        assert_eq!(refused(""), PemError::NotPublicRsa);
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        assert_eq!(refused(private), PemError::Private);
        assert_eq!(refused(SHORT), PemError::Short);
    }

    /// A public key of 1024 bits. Its private key was deleted.
    const SHORT: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC2BU5OI2l1oDLeVnQ6/70soiujvu5ILxI0w9\
        3afmdhkY1Bt7EVacrzUE+Z0yhSG3gOWhSfw0nKyNvxJIad4GJy1WFADNVVJhMjwGyWvBTk5gCwTvgEkyGkJFHScvFN\
        Rd4+GfmxJada89BTgbpCzxJdoq3Jjnswv+s4BkObdxRbmwIDAQAB";
}
