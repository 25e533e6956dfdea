//! Verifies and revokes opaque tokens. Machines verify M2M tokens with their own secret keys.

use serde_json::Value;

use crate::instance::Instance;
use crate::keys::SecretKey;
use crate::oauth::OPAQUE_PREFIX;
use crate::opaque::{OpaqueKind, Revocation};

impl Instance {
    /// The object that the Backend API returns for an opaque M2M token at `now`, even if the token is revoked or
    /// expired. `None` if the token is unknown.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance, TokenRequest};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let token = clerk.mint(&TokenRequest::m2m("billing"), 1_750_000_000)?;
    /// let answer = clerk.verify_m2m_token(&token, 1_750_000_000).unwrap();
    /// assert_eq!((&answer["subject"], &answer["scopes"][0]), (&"mch_billing".into(), &"mch_mcp".into()));
    /// assert_eq!((&answer["expired"], &answer["revoked"]), (&false.into(), &false.into()));
    /// assert!(clerk.verify_m2m_token("mt_unknown", 1_750_000_000).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn verify_m2m_token(&self, token: &str, now: u64) -> Option<Value> {
        self.verify(OpaqueKind::M2m, token, now)
    }

    /// The object that the Backend API returns for an API key at `now`, even if the key is revoked or expired. `None`
    /// if the key is unknown.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance, TokenRequest};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let key = clerk.mint(&TokenRequest::org_api_key("acme").scopes(["read"]), 1_750_000_000)?;
    /// let answer = clerk.verify_api_key(&key, 1_750_000_000).unwrap();
    /// assert_eq!((&answer["subject"], &answer["scopes"][0]), (&"org_acme".into(), &"read".into()));
    ///
    /// assert!(clerk.revoke(&key));
    /// assert_eq!(clerk.verify_api_key(&key, 1_750_000_000).unwrap()["revoked"], true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn verify_api_key(&self, secret: &str, now: u64) -> Option<Value> {
        self.verify(OpaqueKind::ApiKey, secret, now)
    }

    /// Revokes an opaque access token, an opaque M2M token or an API key, given by its text or its id. For a refresh
    /// token, revokes the token's grant and the opaque tokens of the grant. Returns whether the token is known.
    pub fn revoke(&self, token_or_id: &str) -> bool {
        self.revoke_because(token_or_id, None).is_some()
            || self.oauth().revoke_refresh_token(token_or_id, self.now())
    }

    /// The secret key of a machine, given by name or id. `None` if the machine is unknown. With this key a machine
    /// verifies the M2M tokens that are meant for the machine.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// assert!(clerk.machine_secret_key("mcp").unwrap().expose().starts_with("ak_"));
    /// assert!(clerk.machine_secret_key("mainframe").is_none());
    /// # Ok::<(), clerk_emulator::Error>(())
    /// ```
    #[must_use]
    pub fn machine_secret_key(&self, machine: &str) -> Option<SecretKey> {
        let state = self.read();
        let machine = state.directory.machine(machine)?;
        Some(self.shared.secret_key.of_machine(&machine.id))
    }

    fn verify(&self, kind: OpaqueKind, secret: &str, now: u64) -> Option<Value> {
        let mut state = self.write();
        let token = state.opaque_tokens.find(kind, secret)?;
        Some(token.to_json(now))
    }

    /// Revokes a token, given by its text or its id, and returns the object of the Backend API.
    pub(crate) fn revoke_because(
        &self,
        token_or_id: &str,
        reason: Option<String>,
    ) -> Option<Value> {
        let at = self.now();
        let revocation = Revocation { at, reason };
        if token_or_id.starts_with(OPAQUE_PREFIX) {
            return self.oauth().revoke_access_token(token_or_id, revocation);
        }
        let mut state = self.write();
        let token = state.opaque_tokens.revoke(token_or_id, revocation)?;
        let shown = token.to_json(at);
        self.save_opaque_tokens(&state);
        Some(shown)
    }

    /// The id of the machine that has this secret key.
    pub(crate) fn machine_with_key(&self, sent: &str) -> Option<String> {
        let state = self.read();
        let mut machines = state.directory.machines();
        let found = machines.find(|it| self.shared.secret_key.of_machine(&it.id).is(sent));
        found.map(|machine| machine.id.clone())
    }
}
