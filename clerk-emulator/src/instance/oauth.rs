//! The authorization server of an instance.

use std::sync::Arc;

use serde_json::Value;

use crate::error::MintError;
use crate::instance::Instance;
use crate::oauth::{Context, OAuth};

impl Instance {
    /// The object that the Backend API would return at the time `now` for an OAuth access token. The token may be a
    /// JWT or opaque. `None` if this instance did not issue the token.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance, TokenRequest};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let token = clerk.mint(&TokenRequest::oauth("ada").opaque(), 1_750_000_000)?;
    /// assert!(token.starts_with("oat_"));
    /// let answer = clerk.verify_oauth_token(&token, 1_750_000_000).unwrap();
    /// assert_eq!((&answer["subject"], &answer["scopes"][0]), (&"user_ada".into(), &"profile".into()));
    ///
    /// assert!(clerk.revoke(&token));
    /// assert_eq!(clerk.verify_oauth_token(&token, 1_750_000_000).unwrap()["revoked"], true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn verify_oauth_token(&self, token: &str, now: u64) -> Option<Value> {
        self.shared.oauth.verify(&self.context(now), token)
    }

    /// Mints an opaque OAuth access token with the claims of a JWT. A test can change the claims of
    /// [`token_parts`](Self::token_parts) and pass them to this method. The claims are not compared with the directory.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance, TokenRequest};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let (_, mut claims) = clerk.token_parts(&TokenRequest::oauth("ada"), 1_750_000_000)?;
    /// claims["org_id"] = "org_globex".into();
    /// let token = clerk.mint_opaque_claims(claims)?;
    /// let info = clerk.userinfo(&token, 1_750_000_000).unwrap();
    /// assert_eq!(info.get("org_id"), None, "the scope for that was not granted");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`MintError::Claims`]: a claim of an OAuth access token is missing or has the wrong type.
    /// - [`MintError::Random`]: the system has no randomness.
    pub fn mint_opaque_claims(&self, claims: Value) -> Result<String, MintError> {
        self.shared.oauth.issue_access_token(claims)
    }

    /// The userinfo response for an OAuth access token, as if the time were `now`. `None` if the token is not active.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance, TokenRequest};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let request = TokenRequest::oauth("ada").org("acme").opaque();
    /// let token = clerk.mint(&request, 1_750_000_000)?;
    /// let info = clerk.userinfo(&token, 1_750_000_000).unwrap();
    /// assert_eq!((&info["sub"], &info["org_id"]), (&"user_ada".into(), &"org_acme".into()));
    /// assert!(clerk.userinfo("oat_unknown", 1_750_000_000).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn userinfo(&self, token: &str, now: u64) -> Option<Value> {
        self.shared.oauth.userinfo(&self.context(now), token)
    }

    pub(crate) fn oauth(&self) -> &OAuth {
        &self.shared.oauth
    }

    /// The snapshot for a request that arrives now at the authorization server.
    pub(crate) fn oauth_context(&self) -> Context {
        self.context(self.now())
    }

    fn context(&self, now: u64) -> Context {
        let state = self.read();
        Context {
            issuer: self.shared.issuer.clone(),
            directory: state.directory.clone(),
            settings: state.settings.clone(),
            key: Arc::clone(&state.key),
            published: state.published.clone(),
            now,
        }
    }
}
