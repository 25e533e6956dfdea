//! Opaque M2M tokens and API keys. The instance stores only their digests.

use std::collections::BTreeMap;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::digest::Digest;
use crate::error::MintError;

/// The opaque tokens of an instance, by the digest of the secret.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct OpaqueTokens {
    by_digest: BTreeMap<Digest, OpaqueToken>,
}

/// The stored entry of an opaque token.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct OpaqueToken {
    /// The public id, from which the secret cannot be derived.
    pub(crate) id: String,
    pub(crate) kind: OpaqueKind,
    /// The id of a machine, a user or an organization.
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: Option<Map<String, Value>>,
    /// The time of issue, in Unix seconds.
    pub(crate) issued: i64,
    /// The time of expiry, in Unix seconds. `None` if the token never expires.
    pub(crate) expires: Option<i64>,
    pub(crate) revoked: Option<Revocation>,
    /// Whether the token was verified. State files of earlier versions lack this member.
    #[serde(default)]
    pub(crate) is_used: bool,
}

/// When and why a token was revoked. The time is in Unix seconds, and the reason comes from the request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Revocation {
    pub(crate) at: u64,
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) enum OpaqueKind {
    ApiKey,
    M2m,
}

impl OpaqueKind {
    /// The prefix of ids and secrets.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "ak_",
            Self::M2m => "mt_",
        }
    }

    /// A new secret. Like Clerk's API keys, the secret contains characters that are not allowed in a URL or an
    /// identifier.
    fn new_secret(self) -> Result<String, MintError> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| MintError::Random)?;
        // This makes the first character `/`. The other 31 bytes are random enough.
        if let (Self::ApiKey, [first, ..]) = (self, &mut bytes) {
            *first = 0xff;
        }
        Ok(format!("{}{}", self.prefix(), STANDARD.encode(bytes)))
    }
}

impl OpaqueTokens {
    /// Stores a token and returns its secret.
    pub(crate) fn add(&mut self, token: OpaqueToken) -> Result<String, MintError> {
        let secret = token.kind.new_secret()?;
        // Tokens that expired long ago are removed. A removed token is unknown instead of expired.
        self.by_digest.retain(|_, known| {
            let expires = known.expires.map(|at| at.saturating_add(EXPIRED_RETENTION));
            expires.is_none_or(|at| at > token.issued)
        });
        make_room(&mut self.by_digest, MAX_TOKENS, |known| {
            (known.is_used, known.issued)
        });
        self.by_digest.insert(Digest::of(&secret), token);
        Ok(secret)
    }

    /// The token of this kind with this secret. Marks the token as used.
    pub(crate) fn find(&mut self, kind: OpaqueKind, secret: &str) -> Option<&OpaqueToken> {
        let token = self.by_digest.get_mut(&Digest::of(secret));
        let token = token.filter(|token| token.kind == kind)?;
        token.is_used = true;
        Some(token)
    }

    /// Revokes the token with this id or secret, and returns it. If the token is already revoked,
    /// it keeps its first revocation.
    pub(crate) fn revoke(
        &mut self,
        id_or_secret: &str,
        revocation: Revocation,
    ) -> Option<&OpaqueToken> {
        let digest = Digest::of(id_or_secret);
        let mut tokens = self.by_digest.iter_mut();
        let found = tokens.find(|(key, token)| **key == digest || token.id == id_or_secret);
        let (_, token) = found?;
        token.revoked.get_or_insert(revocation);
        Some(token)
    }
}

impl OpaqueToken {
    /// The object of the Backend API. Its times are in milliseconds.
    pub(crate) fn to_json(&self, now: u64) -> Value {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let milliseconds = |seconds: i64| seconds.saturating_mul(1000);
        let updated = self.revoked.as_ref().map(|revocation| revocation.at);
        let updated = updated.and_then(|at| i64::try_from(at).ok());
        let mut object = json!({
            "id": self.id,
            "subject": self.subject,
            "claims": self.claims,
            "scopes": self.scopes,
            "revoked": self.revoked.is_some(),
            "revocation_reason": self.revoked.as_ref().and_then(|it| it.reason.as_deref()),
            "expired": self.expires.is_some_and(|expires| expires <= now),
            "expiration": self.expires.map(milliseconds),
            "last_used_at": null,
            "created_at": milliseconds(self.issued),
            "updated_at": milliseconds(updated.unwrap_or(self.issued)),
        });
        if let Value::Object(object) = &mut object {
            let further = match self.kind {
                OpaqueKind::M2m => json!({"object": "machine_to_machine_token"}),
                OpaqueKind::ApiKey => json!({
                    "object": "api_key",
                    "type": "api_key",
                    "name": "Development key",
                    "description": null,
                    "created_by": self.subject.starts_with("user_").then_some(&self.subject),
                }),
            };
            if let Value::Object(further) = further {
                object.extend(further);
            }
        }
        object
    }
}

/// Makes room for one more entry. Removes the entries with the smallest `order` until fewer than `most` are left.
pub(crate) fn make_room<K: Clone + Ord, V, O: Ord>(
    all: &mut BTreeMap<K, V>,
    most: usize,
    order: impl Fn(&V) -> O,
) {
    while all.len() >= most {
        let first = all.iter().min_by_key(|(_, one)| order(one));
        let Some(first) = first.map(|(key, _)| key.clone()) else {
            return;
        };
        all.remove(&first);
    }
}

/// The maximal number of opaque tokens. It bounds the memory of an instance and its state file. Clerk has no such
/// limit, but development needs far fewer tokens.
pub(crate) const MAX_TOKENS: usize = 10_000;
/// The time for which an expired token is stored, in seconds: a day.
pub(crate) const EXPIRED_RETENTION: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(kind: OpaqueKind) -> OpaqueToken {
        OpaqueToken {
            id: format!("{}1", kind.prefix()),
            kind,
            subject: String::from("user_ada"),
            scopes: Vec::new(),
            claims: None,
            issued: 100,
            expires: Some(200),
            revoked: None,
            is_used: false,
        }
    }

    #[test]
    fn a_secret_is_found_only_by_its_kind_and_is_not_stored() {
        let mut tokens = OpaqueTokens::default();
        let secret = tokens.add(token(OpaqueKind::ApiKey)).unwrap();
        assert!(
            secret.starts_with("ak_/") && secret.ends_with('='),
            "{secret}"
        );
        assert!(tokens.find(OpaqueKind::ApiKey, &secret).is_some());
        assert!(tokens.find(OpaqueKind::M2m, &secret).is_none());
        assert!(tokens.find(OpaqueKind::ApiKey, "ak_1").is_none());
        assert!(!format!("{tokens:?}").contains(&secret));
        let other = tokens.add(token(OpaqueKind::ApiKey)).unwrap();
        assert_ne!(other, secret);
    }

    #[test]
    fn too_many_tokens_drop_the_oldest_unused() {
        let mut tokens = OpaqueTokens::default();
        let of_time = |issued| OpaqueToken {
            issued,
            expires: None,
            ..token(OpaqueKind::ApiKey)
        };
        let used = tokens.add(of_time(1)).unwrap();
        let unused = tokens.add(of_time(2)).unwrap();
        assert!(tokens.find(OpaqueKind::ApiKey, &used).is_some());
        for issued in 0..20 {
            tokens.add(of_time(100 + issued)).unwrap();
        }
        for index in tokens.by_digest.len()..MAX_TOKENS + 1 {
            tokens
                .by_digest
                .insert(Digest::of(&index.to_string()), of_time(50));
        }
        tokens.add(of_time(200)).unwrap();
        assert_eq!(tokens.by_digest.len(), MAX_TOKENS);
        assert!(tokens.find(OpaqueKind::ApiKey, &used).is_some());
        assert!(tokens.find(OpaqueKind::ApiKey, &unused).is_none());
    }

    #[test]
    fn a_token_has_expired_in_the_second_of_its_expiry() {
        let token = token(OpaqueKind::M2m);
        assert_eq!(token.to_json(199)["expired"], false);
        assert_eq!(token.to_json(200)["expired"], true);
        assert_eq!(token.to_json(200)["expiration"], 200_000);
    }

    #[test]
    fn a_second_revocation_does_not_replace_the_first() {
        let mut tokens = OpaqueTokens::default();
        let secret = tokens.add(token(OpaqueKind::M2m)).unwrap();
        let at = |at, reason: &str| Revocation {
            at,
            reason: Some(reason.into()),
        };
        assert!(tokens.revoke("mt_2", at(120, "unknown")).is_none());
        assert!(tokens.revoke("mt_1", at(130, "leaked")).is_some());
        let shown = tokens
            .revoke(&secret, at(140, "again"))
            .unwrap()
            .to_json(150);
        assert_eq!(
            (&shown["revoked"], &shown["revocation_reason"]),
            (&json!(true), &json!("leaked"))
        );
        assert_eq!(
            (&shown["created_at"], &shown["updated_at"]),
            (&json!(100_000), &json!(130_000))
        );
    }
}
