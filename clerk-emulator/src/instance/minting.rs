//! Minting tokens.

use std::sync::Arc;

use serde_json::Value;

use crate::error::MintError;
use crate::instance::{Instance, State};
use crate::mint;
use crate::request::{TokenFormat, TokenKind, TokenRequest};

impl Instance {
    /// Mints a token: a JWT (RFC 7519, signed with RS256), or an opaque token that this instance
    /// stores. The token is minted as if the time were `now`, in Unix seconds.
    ///
    /// [`TokenRequest::expires_in`] decides whether the token has expired at `now`. A banned or locked user gets a
    /// token too, as if the token had been issued before the ban.
    ///
    /// # Errors
    /// - [`MintError::UnknownUser`], [`MintError::UnknownOrganization`],
    ///   [`MintError::UnknownMachine`], [`MintError::NotAMember`], [`MintError::NotScoped`]: Clerk
    ///   would not issue such a token.
    /// - [`MintError::Inapplicable`], [`MintError::Scope`], [`MintError::Permission`],
    ///   [`MintError::NotAnObject`]: a token of this kind cannot contain the requested data.
    /// - [`MintError::Incomplete`]: the request does not name the user, organization or machine of the token.
    /// - [`MintError::Random`], [`MintError::Signing`]: the system has no randomness, or the key
    ///   cannot sign.
    pub fn mint(&self, request: &TokenRequest, now: u64) -> Result<String, MintError> {
        if mint::is_opaque(request) {
            let mut state = self.write();
            let token = mint::opaque_token(&state.directory, request, now)?;
            let secret = state.opaque_tokens.add(token)?;
            self.save_opaque_tokens(&state);
            return Ok(secret);
        }
        let state = self.read();
        let key = Arc::clone(&state.key);
        let (header, claims) = state.token_parts(self.issuer(), request, now)?;
        let is_jwt = match request.format {
            Some(format) => format == TokenFormat::Jwt,
            None => request.kind != TokenKind::Oauth || state.settings.oauth_jwt_access_tokens,
        };
        // Signing takes a millisecond. Release the lock first, so that no writer waits.
        drop(state);
        if is_jwt {
            key.sign(&header, &claims)
        } else {
            self.shared.oauth.issue_access_token(claims)
        }
    }

    /// The header and the claims that [`mint`](Self::mint) would sign. Both are JSON objects. A
    /// test can change them and pass them to [`mint_claims`](Self::mint_claims).
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance, TokenRequest};
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::default())?;
    /// let (header, mut claims) = clerk.token_parts(&TokenRequest::oauth("ada"), 1_750_000_000)?;
    /// assert_eq!(header["typ"], "at+jwt");
    /// assert_eq!(claims["exp"], 1_750_086_400);
    /// claims["iss"] = "https://elsewhere.example.com".into();
    /// let foreign = clerk.mint_claims(header, claims)?;
    /// # assert_eq!(foreign.split('.').count(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`MintError::Opaque`]: the requested token is opaque, so it is not signed.
    /// - The errors of [`mint`](Self::mint), except [`MintError::Signing`].
    pub fn token_parts(
        &self,
        request: &TokenRequest,
        now: u64,
    ) -> Result<(Value, Value), MintError> {
        let kind = request.kind;
        if kind == TokenKind::Oauth && request.format == Some(TokenFormat::Opaque) {
            return Err(MintError::Opaque { kind });
        }
        self.read().token_parts(self.issuer(), request, now)
    }

    /// Signs any header and claims with RS256 and the current key. The signature does not depend on
    /// `alg` and `kid` in the header.
    ///
    /// ```
    /// use clerk_emulator::{Directory, Instance};
    /// use serde_json::json;
    ///
    /// let clerk = Instance::new("http://127.0.0.1:4400", Directory::empty())?;
    /// let lie = clerk.mint_claims(json!({"alg": "none"}), json!({"iss": 7}))?;
    /// assert!(lie.starts_with("eyJhbGciOiJub25lIn0.eyJpc3MiOjd9."));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`MintError::NotAnObject`]: `header` or `claims` is not a JSON object.
    /// - [`MintError::Signing`]: the key cannot sign.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write both with `json!`"
    )]
    pub fn mint_claims(&self, header: Value, claims: Value) -> Result<String, MintError> {
        for (part, value) in [("header", &header), ("claims", &claims)] {
            if !value.is_object() {
                return Err(MintError::NotAnObject { part });
            }
        }
        let key = Arc::clone(&self.read().key);
        key.sign(&header, &claims)
    }
}

impl State {
    /// The header and the claims of a token. The settings supply the fields that the request lacks.
    fn token_parts(
        &self,
        issuer: &str,
        request: &TokenRequest,
        now: u64,
    ) -> Result<(Value, Value), MintError> {
        let mut request = request.clone();
        if let TokenKind::Session | TokenKind::SessionV1 = request.kind {
            request.azp = request.azp.or_else(|| self.settings.session_origin.clone());
        }
        mint::token_parts(&self.directory, issuer, self.key.kid(), &request, now)
    }
}
