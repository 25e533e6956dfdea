//! The identity of a caller for state that outlives a request.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::identity::caller::Caller;
use crate::identity::org::Org;
use crate::identity::token_kind::TokenKind;

/// The user, machine or API key, with the client and the organization, as the key of state that outlives a request.
/// Requests of equal principals share this state. Two clients of one user are two principals, and so are two API keys
/// of one user.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Principal<'a> {
    issuer: &'a str,
    kind: TokenKind,
    subject: &'a str,
    client_id: Option<&'a str>,
    key_id: Option<&'a str>,
    org_id: Option<&'a str>,
}

impl<'a> Principal<'a> {
    pub(super) fn new(caller: &'a Caller, org: Option<&'a Org>) -> Self {
        let claims = caller.verified();
        Self {
            issuer: claims.issuer(),
            kind: claims.kind(),
            subject: claims.subject(),
            client_id: caller.client_id(),
            key_id: caller.facts.parts.key_id.as_deref(),
            org_id: org.map(Org::id),
        }
    }

    /// Returns bytes that no other principal has. Each part is written after its length.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Self {
            issuer,
            kind,
            subject,
            client_id,
            key_id,
            org_id,
        } = self;
        let parts = [
            Some(*issuer),
            Some(kind.name()),
            Some(*subject),
            *client_id,
            *key_id,
            *org_id,
        ];
        let mut bytes = Vec::new();
        for part in parts {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(part.unwrap_or_default().as_bytes());
        }
        bytes
    }
}

/// A principal that owns its data, as the key of a table.
#[derive(Clone, Debug)]
pub(crate) struct PrincipalKey {
    caller: Caller,
    org: Option<Org>,
}

impl PrincipalKey {
    /// Returns the key of a caller who acts in this organization.
    pub(crate) fn new(caller: Caller, org: Option<&Org>) -> Self {
        Self {
            org: org.cloned(),
            caller,
        }
    }

    fn principal(&self) -> Principal<'_> {
        self.caller.principal_in(self.org.as_ref())
    }
}

/// Hashes only the user or machine, so all principals of one user have the same hash. A table must therefore contain
/// only few principals of each user.
impl Hash for PrincipalKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.caller.facts.subject_hash);
    }
}

impl PartialEq for PrincipalKey {
    fn eq(&self, other: &Self) -> bool {
        self.principal() == other.principal()
    }
}

impl Eq for PrincipalKey {}

/// Prints only ids, which are enough for logs.
impl fmt::Debug for Principal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("key_id", &self.key_id)
            .field("org_id", &self.org_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::identity::test_support;

    #[test]
    fn two_clients_of_one_user_are_two_principals() {
        let mut claims = test_support::oauth_claims();
        let one = test_support::oauth_caller(&claims);
        assert_eq!(
            one.principal_in(None),
            test_support::oauth_caller(&claims).principal_in(None)
        );
        for (name, other) in [
            ("client_id", "client_2"),
            ("org_id", "org_2"),
            ("sub", "user_bob"),
        ] {
            let before = claims[name].clone();
            claims[name] = json!(other);
            assert_ne!(
                one.principal_in(None),
                test_support::oauth_caller(&claims).principal_in(None),
                "{name}"
            );
            claims[name] = before;
        }
    }
}
