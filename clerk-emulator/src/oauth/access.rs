//! Verifies access tokens: a JWT by its signature, an opaque token by the stored entry.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::error::MintError;
use crate::oauth::context::Context;
use crate::oauth::token::profile_claims;
use crate::oauth::{OAuth, State, new_secret};
use crate::opaque::{EXPIRED_RETENTION, MAX_TOKENS, Revocation, make_room};
use crate::request::Audience;
use crate::scope;

/// The claims of an access token, which is a JWT or opaque.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct AccessClaims {
    iss: String,
    pub(crate) jti: String,
    pub(crate) sub: String,
    pub(crate) client_id: String,
    scope: String,
    pub(crate) aud: Option<Audience>,
    act: Option<Value>,
    pub(crate) org_id: Option<String>,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

impl AccessClaims {
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split(' ').filter(|scope| !scope.is_empty())
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        i64::try_from(now).map_or(true, |now| self.exp <= now)
    }
}

/// The stored entry of an opaque token.
#[derive(Deserialize, Serialize)]
pub(super) struct AccessToken {
    claims: AccessClaims,
    /// The grant of a token from the token endpoint. `None` for a token that [`Instance::mint`](crate::Instance::mint)
    /// issued.
    grant_id: Option<String>,
    revocation: Option<Revocation>,
    /// Whether the token was ever presented. State files of earlier versions lack this member.
    #[serde(default)]
    is_used: bool,
}

/// A presented token that this instance issued. It may be expired or revoked.
pub(crate) struct Presented {
    pub(crate) claims: AccessClaims,
    is_opaque: bool,
    revocation: Option<Revocation>,
}

impl Presented {
    /// Whether the token is neither revoked nor expired.
    pub(crate) fn is_active(&self, now: u64) -> bool {
        self.revocation.is_none() && !self.claims.is_expired(now)
    }

    /// The object of the Backend API. Its times are in milliseconds.
    ///
    /// Source: `POST /oauth_applications/access_tokens/verify`,
    /// <https://clerk.com/docs/reference/backend-api>.
    fn to_json(&self, now: u64) -> Value {
        let is_expired = self.claims.is_expired(now);
        if is_expired && !self.is_opaque {
            return json!({"active": false});
        }
        let claims = &self.claims;
        let milliseconds = |seconds: i64| seconds.saturating_mul(1000);
        let changed = self.revocation.as_ref().map(|revocation| revocation.at);
        let changed = changed.and_then(|at| i64::try_from(at).ok());
        let mut object = json!({
            "object": "clerk_idp_oauth_access_token",
            "id": claims.jti,
            "client_id": claims.client_id,
            "subject": claims.sub,
            "scopes": claims.scopes().collect::<Vec<_>>(),
            "revoked": self.revocation.is_some(),
            "revocation_reason": self.revocation.as_ref().and_then(|it| it.reason.as_deref()),
            "expired": is_expired,
            "expiration": milliseconds(claims.exp),
            "created_at": milliseconds(claims.iat),
            "updated_at": milliseconds(changed.unwrap_or(claims.iat)),
        });
        let aud = claims.aud.as_ref().map(|aud| match aud {
            Audience::One(aud) => json!([aud]),
            Audience::Many(aud) => json!(aud),
        });
        if let Some(object) = object.as_object_mut() {
            object.extend(aud.map(|aud| (String::from("aud"), aud)));
            let act = claims.act.clone();
            object.extend(act.map(|act| (String::from("act"), act)));
        }
        object
    }
}

impl OAuth {
    /// The object that the Backend API returns for an access token. `None` if the instance did not issue the token.
    pub(crate) fn verify(&self, context: &Context, token: &str) -> Option<Value> {
        Some(self.present(context, token)?.to_json(context.now))
    }

    /// The userinfo response for an access token. `None` if the token is not active.
    pub(crate) fn userinfo(&self, context: &Context, token: &str) -> Option<Value> {
        let presented = self.present(context, token)?;
        if !presented.is_active(context.now) {
            return None;
        }
        let claims = &presented.claims;
        let directory = &context.directory;
        let user = directory.user(&claims.sub)?;
        let has = |scope: &str| claims.has_scope(scope);
        let mut facts = profile_claims(user, has);
        facts.insert("object".into(), json!("oauth_user_info"));
        facts.insert("instance_id".into(), json!(context.key.kid()));
        facts.insert("user_id".into(), json!(user.id));
        facts.insert("sub".into(), json!(user.id));
        if has("profile") {
            // Clerk still sends this claim, although it is deprecated.
            facts.insert("username".into(), json!(user.username));
        }
        if has("public_metadata") {
            facts.insert("public_metadata".into(), json!(user.public_metadata));
            facts.insert("unsafe_metadata".into(), json!(user.unsafe_metadata));
        }
        if has("private_metadata") {
            facts.insert("private_metadata".into(), json!(user.private_metadata));
        }
        if has(scope::ORGANIZATION) {
            let organization = claims.org_id.as_deref();
            let organization = organization.and_then(|id| directory.organization(id));
            if let Some(organization) = organization {
                facts.insert("org_id".into(), json!(organization.id));
                facts.insert("org_name".into(), json!(organization.name));
                facts.insert("org_slug".into(), json!(organization.slug));
            }
        }
        Some(Value::Object(facts))
    }

    /// Looks up a presented access token. `None` if the instance did not issue the token. The token may be expired or
    /// revoked.
    pub(crate) fn present(&self, context: &Context, token: &str) -> Option<Presented> {
        if token.starts_with(OPAQUE_PREFIX) {
            return self.opaque(token);
        }
        let mut keys = context.published.iter();
        let (header, claims) = keys.find_map(|key| key.verify(token))?;
        let is_access_token = header.get("typ").and_then(Value::as_str) == Some("at+jwt");
        let claims: AccessClaims = serde_json::from_value(claims).ok()?;
        let is_own = is_access_token && claims.iss == context.issuer;
        is_own.then_some(Presented {
            claims,
            is_opaque: false,
            revocation: None,
        })
    }

    /// Issues an opaque token with the claims of a JWT.
    pub(crate) fn issue_access_token(&self, claims: Value) -> Result<String, MintError> {
        let claims: AccessClaims = serde_json::from_value(claims).map_err(|_| MintError::Claims)?;
        let token = new_secret(OPAQUE_PREFIX).map_err(|_| MintError::Random)?;
        let now = claims.iat;
        let mut state = self.lock();
        // Tokens that expired long ago are removed. A removed token is unknown instead of expired.
        state
            .persisted
            .access_tokens
            .retain(|_, token| token.claims.exp.saturating_add(EXPIRED_RETENTION) > now);
        let issued = AccessToken {
            claims,
            grant_id: None,
            revocation: None,
            is_used: false,
        };
        let tokens = &mut state.persisted.access_tokens;
        make_room(tokens, MAX_TOKENS, |token| {
            (token.is_used, token.claims.iat)
        });
        tokens.insert(Digest::of(&token), issued);
        self.save(&state);
        Ok(token)
    }

    /// Binds an opaque token to its grant.
    pub(crate) fn bind(&self, token: &str, grant_id: &str) {
        let mut state = self.lock();
        if let Some(token) = state.persisted.access_tokens.get_mut(&Digest::of(token)) {
            token.grant_id = Some(String::from(grant_id));
            self.save(&state);
        }
    }

    /// Revokes an opaque access token, given by its text or its id, and returns the object of the
    /// Backend API.
    pub(crate) fn revoke_access_token(
        &self,
        token_or_id: &str,
        revocation: Revocation,
    ) -> Option<Value> {
        let at = revocation.at;
        let digest = Digest::of(token_or_id);
        let mut state = self.lock();
        let mut tokens = state.persisted.access_tokens.iter_mut();
        let found = tokens.find(|(key, token)| **key == digest || token.claims.jti == token_or_id);
        let (_, token) = found?;
        token.revocation.get_or_insert(revocation);
        let shown = token.present().to_json(at);
        self.save(&state);
        Some(shown)
    }

    fn opaque(&self, token: &str) -> Option<Presented> {
        let mut state = self.lock();
        let token = state.persisted.access_tokens.get_mut(&Digest::of(token))?;
        token.is_used = true;
        Some(token.present())
    }
}

impl State {
    /// Revokes the opaque tokens of a grant.
    pub(super) fn revoke_tokens_of(&mut self, grant_id: &str, revocation: &Revocation) {
        for token in self.persisted.access_tokens.values_mut() {
            if token.grant_id.as_deref() == Some(grant_id) {
                token.revocation.get_or_insert_with(|| revocation.clone());
            }
        }
    }
}

impl AccessToken {
    fn present(&self) -> Presented {
        Presented {
            claims: self.claims.clone(),
            is_opaque: true,
            revocation: self.revocation.clone(),
        }
    }
}

pub(crate) const OPAQUE_PREFIX: &str = "oat_";
