//! The publishable key, which names an instance and its Frontend API.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

use crate::clerk::Instance;
use crate::clerk::frontend::FrontendUrl;

/// A publishable key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PublishableKey {
    instance: Instance,
    frontend: FrontendUrl,
}

/// The reason why a text is not a publishable key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a Clerk publishable key begins with `pk_test_` or `pk_live_` and must be complete")]
pub(crate) struct PublishableKeyError;

impl PublishableKey {
    /// Parses a key: `pk_test_` or `pk_live_`, followed by the base64 of a host and a final `$`.
    ///
    /// # Errors
    /// [`PublishableKeyError`] if the text is not a publishable key, for example if it is a secret key.
    pub(crate) fn parse(text: &str) -> Result<Self, PublishableKeyError> {
        Self::read(text.trim()).ok_or(PublishableKeyError)
    }

    /// Returns the kind of instance that the key names.
    pub(crate) fn instance(&self) -> Instance {
        self.instance
    }

    /// Returns the instance's Frontend API.
    pub(crate) fn frontend(&self) -> &FrontendUrl {
        &self.frontend
    }

    fn read(text: &str) -> Option<Self> {
        let (instance, encoded) = if let Some(rest) = text.strip_prefix("pk_test_") {
            (Instance::Development, rest)
        } else {
            (Instance::Production, text.strip_prefix("pk_live_")?)
        };
        let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
        let host = decoded.strip_suffix('$')?;
        if host.contains('$') {
            return None;
        }
        let frontend = FrontendUrl::parse(&format!("https://{host}")).ok()?;
        // A dot in a path does not make the text a host name.
        let has_dot = |host: &str| host.contains('.');
        let is_named = frontend.url().host_str().is_some_and(has_dot);
        is_named.then_some(Self { instance, frontend })
    }
}

/// Decodes base64 as leniently as a browser's `atob`. Only the alphabet is strict.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_key_names_the_instance_and_its_frontend() {
        let with_path = format!("pk_live_{}", STANDARD.encode("example.com/__clerk$"));
        for (key, issuer, instance) in [
            (
                "pk_test_dmVyYi1ub3VuLTQyLmNsZXJrLmFjY291bnRzLmRldiQ",
                "https://verb-noun-42.clerk.accounts.dev",
                Instance::Development,
            ),
            (
                "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
                "https://clerk.example.com",
                Instance::Production,
            ),
            (
                &with_path,
                "https://example.com/__clerk",
                Instance::Production,
            ),
            (
                "pk_test_bG9jYWxob3N0LmRldjo0MDAwJA",
                "https://localhost.dev:4000",
                Instance::Development,
            ),
            (
                "pk_test_bG9jYWxob3N0LmRldjo0MDAwJA==",
                "https://localhost.dev:4000",
                Instance::Development,
            ),
        ] {
            let parsed = PublishableKey::parse(key).unwrap();
            assert_eq!(
                (parsed.frontend().issuer(), parsed.instance()),
                (issuer, instance)
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let encoded = |text: &str| format!("pk_test_{}", STANDARD.encode(text));
        let valid = encoded("clerk.example.com$");
        assert!(PublishableKey::parse(&valid).is_ok());
        for key in [
            encoded("clerk.example.com"),
            encoded("clerk.example.com$$"),
            encoded("clerk$.example.com$"),
            encoded("clerk$"),
            encoded("clerk/x.example.com$"),
            encoded("clerk\\x.example.com$"),
            encoded("a@clerk.example.com$"),
            encoded("clerk.example.com?x$"),
            format!("{valid}_x"),
            valid.replace("pk_test", "sk_test"),
            valid.replace("pk_test", "live"),
            valid.replace("pk_test", "PK_TEST"),
            "pk_test_".to_owned(),
            "pk_test_!!!".to_owned(),
            String::new(),
        ] {
            assert_eq!(
                PublishableKey::parse(&key),
                Err(PublishableKeyError),
                "{key}"
            );
        }
    }
}
