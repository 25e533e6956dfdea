//! Finds names that ask for a secret. MCP forbids forms to ask for secrets.
//!
//! A symbolic link makes this file a file of `mcp-auth-macros` too, so that the macro and the server refuse the same
//! names. The file depends on no other file.
//!
//! Source: MCP 2026-07-28, client: elicitation ("Servers MUST NOT use form mode elicitation to
//! request sensitive information").

/// Returns the words in `name` that name a secret, such as `api key` in `stripeApiKey`.
///
/// Returns `None` for a name that only asks for a property of a secret, such as `token_count`.
pub(crate) fn secret_in(name: &str) -> Option<&'static str> {
    let words = words(name);
    let first = words.first().map(String::as_str).unwrap_or_default();
    let last = words.last().map(String::as_str).unwrap_or_default();
    if MEASURES.contains(&first) || PROPERTIES.contains(&last) {
        return None;
    }
    let joined = format!(" {} ", words.join(" "));
    let named = |secret: &&str| {
        joined.contains(&format!(" {secret} ")) || joined.contains(&format!(" {secret}s "))
    };
    SECRETS.into_iter().find(named)
}

/// Splits a name at every character that is not a letter, and where a lower-case letter precedes an upper-case letter.
/// In a run of upper-case letters that a lower-case letter follows, the last one begins the next word: `APIKey` is
/// `API` and `Key`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = None;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let next_is_lower = letters.peek().is_some_and(|next| next.is_lowercase());
        let begins = letter.is_uppercase()
            && before.is_some_and(|before: char| before.is_lowercase() || next_is_lower);
        if begins || !letter.is_alphabetic() {
            words.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = Some(letter);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The names of secrets. A plural ends in `s`.
const SECRETS: [&str; 43] = [
    "access code",
    "access key",
    "accesskey",
    "api key",
    "apikey",
    "auth code",
    "authorization code",
    "backup code",
    "bearer",
    "card number",
    "credential",
    "credit card",
    "cvc",
    "cvv",
    "debit card",
    "encryption key",
    "jwt",
    "mfa",
    "mnemonic",
    "one time code",
    "otp",
    "pass phrase",
    "pass word",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "private key",
    "privatekey",
    "pwd",
    "recovery code",
    "recovery phrase",
    "secret",
    "secretkey",
    "security code",
    "seed phrase",
    "signing key",
    "ssh key",
    "token",
    "totp",
    "two factor",
    "verification code",
];

/// The last words of names that ask for a property of a secret, such as `token_count`.
const PROPERTIES: [&str; 13] = [
    "age", "budget", "count", "expiry", "id", "kind", "length", "limit", "name", "policy",
    "status", "type", "usage",
];

/// The first words of names that ask for a limit, such as `max_tokens`.
const MEASURES: [&str; 2] = ["max", "min"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_found_in_every_style() {
        for (name, secret) in [
            ("password", "password"),
            ("new_password", "password"),
            ("passwordAgain", "password"),
            ("PASSWORD", "password"),
            ("password2", "password"),
            ("pass-phrase", "pass phrase"),
            ("pin", "pin"),
            ("PinCode", "pin"),
            ("clientSecret", "secret"),
            ("secrets", "secret"),
            ("access.token", "token"),
            ("api_key", "api key"),
            ("stripeAPIKey", "api key"),
            ("APIKey", "api key"),
            ("apikeys", "apikey"),
            ("AWS_ACCESS_KEY", "access key"),
            ("private-key", "private key"),
            ("credentials", "credential"),
            ("cvv2", "cvv"),
            ("cardNumber", "card number"),
            ("one_time_code", "one time code"),
            ("OTP", "otp"),
        ] {
            assert_eq!(secret_in(name), Some(secret), "{name}");
        }
    }

    #[test]
    fn other_names_and_properties_of_secrets_are_fair() {
        for name in [
            "",
            "_",
            "name",
            "email",
            "user_name",
            "opinion",
            "spin",
            "shipping",
            "tokenizer",
            "secretary",
            "key",
            "card",
            "token_count",
            "maxTokens",
            "password_length",
            "apiKeyName",
            "secret_id",
            "größe",
        ] {
            assert_eq!(secret_in(name), None, "{name}");
        }
    }

    #[test]
    fn each_list_is_in_order() {
        assert!(SECRETS.is_sorted());
        assert!(PROPERTIES.is_sorted());
        assert!(MEASURES.is_sorted());
    }
}
