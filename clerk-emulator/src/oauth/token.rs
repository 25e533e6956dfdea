//! The token endpoint: exchanges a code or a refresh token for tokens. The module also implements
//! consent, introspection and revocation.

use serde_json::{Map, Value, json};

use crate::directory::User;
use crate::error::MintError;
use crate::mint;
use crate::oauth::context::Context;
use crate::oauth::{
    Authorization, Client, Code, Fields, Grant, OAuth, OAuthError, OPAQUE_PREFIX, authorization,
    check_known_scopes, invalid_grant,
};
use crate::opaque::Revocation;
use crate::request::{Audience, TokenRequest};
use crate::scope;

impl OAuth {
    /// Lets a client act for a user, in an organization or in none. Returns the location of the response to the client.
    ///
    /// # Errors
    /// - The text of an error page: the user or the membership does not exist.
    pub(crate) fn allow(
        &self,
        context: &Context,
        authorization: &Authorization,
        user: &str,
        organization: Option<&str>,
    ) -> Result<String, String> {
        let directory = &context.directory;
        let user = directory
            .user(user)
            .ok_or_else(|| format!("There is no user {user}"))?;
        let organization_id = match organization {
            None => None,
            Some(_) if !authorization.asks_organization() => None,
            Some(name) => {
                let membership = directory
                    .organization(name)
                    .and_then(|organization| directory.membership(&organization.id, &user.id));
                let membership = membership
                    .ok_or_else(|| format!("{} is not a member of {name}", user.username))?;
                Some(membership.id)
            }
        };
        let grant = Grant {
            client_id: authorization.client.id.clone(),
            user_id: user.id.clone(),
            organization_id,
            scopes: authorization.scopes.clone(),
            resources: authorization.resources.clone(),
            audience: context.settings.audience_of(&authorization.resources),
            nonce: authorization.nonce.clone(),
        };
        Ok(match self.issue_code(authorization, grant, context.now) {
            Ok(code) => authorization.redirect.with_code(&code),
            Err(error) => authorization.redirect.with_error(&error),
        })
    }

    /// Answers a token request (RFC 6749 §4.1.3, §6) of an authenticated client.
    pub(crate) fn exchange(
        &self,
        context: &Context,
        fields: &Fields,
        client: &Client,
    ) -> Result<Value, OAuthError> {
        match fields.required("grant_type")? {
            "authorization_code" => self.exchange_code(context, fields, client),
            "refresh_token" => self.exchange_refresh_token(context, fields, client),
            _ => {
                let text = "grant_type must be authorization_code or refresh_token";
                Err(OAuthError::new(Code::UnsupportedGrantType, text))
            }
        }
    }

    fn exchange_code(
        &self,
        context: &Context,
        fields: &Fields,
        client: &Client,
    ) -> Result<Value, OAuthError> {
        let code = fields.required("code")?;
        let redirect_uri = fields.one("redirect_uri")?;
        let verifier = fields.one("code_verifier")?;
        let (grant_id, grant) = self.redeem(code, client, redirect_uri, verifier, context.now)?;
        let audience = audience(context, fields, &grant)?;
        let answer = self.tokens(context, &grant_id, &grant, &grant.scopes, audience)?;
        let refresh_token = self.issue_refresh_token(&grant_id, context.now)?;
        Ok(with_refresh_token(answer, refresh_token))
    }

    fn exchange_refresh_token(
        &self,
        context: &Context,
        fields: &Fields,
        client: &Client,
    ) -> Result<Value, OAuthError> {
        let token = fields.required("refresh_token")?;
        let (grant_id, grant) = self.refreshable(token, client, context.now)?;
        // At Clerk, a grant with a scope that the instance no longer has cannot be refreshed.
        check_known_scopes(&grant.scopes, &context.directory)?;
        let scopes = narrowed_scopes(fields, &grant)?;
        let audience = audience(context, fields, &grant)?;
        let answer = self.tokens(context, &grant_id, &grant, &scopes, audience)?;
        let next = self.rotate(token, context.now)?;
        Ok(with_refresh_token(answer, next))
    }

    /// The introspection of a token (RFC 7662). `None` if the token is not active.
    pub(crate) fn token_info(&self, context: &Context, token: &str) -> Option<TokenInfo> {
        if let Some(presented) = self.present(context, token) {
            let is_active = presented.is_active(context.now);
            let claims = presented.claims;
            return is_active.then(|| TokenInfo {
                scope: claims.scopes().collect::<Vec<_>>().join(" "),
                client_id: claims.client_id,
                sub: claims.sub,
                org_id: claims.org_id,
                iat: claims.iat,
            });
        }
        let (grant, issued_at) = self.refresh_grant(token)?;
        Some(TokenInfo {
            client_id: grant.client_id,
            sub: grant.user_id,
            scope: grant.scopes.join(" "),
            org_id: grant.organization_id,
            iat: i64::try_from(issued_at).unwrap_or(i64::MAX),
        })
    }

    /// Revokes a token of the client (RFC 7009 §2.1). The method also succeeds for an unknown token.
    pub(crate) fn revoke_for(
        &self,
        context: &Context,
        client: &Client,
        token: &str,
    ) -> Result<(), OAuthError> {
        let not_its_own = || {
            let text = "the token belongs to another client";
            Err(OAuthError::new(Code::UnauthorizedClient, text))
        };
        let at = context.now;
        if token.starts_with(OPAQUE_PREFIX) {
            let Some(presented) = self.present(context, token) else {
                return Ok(());
            };
            if presented.claims.client_id != client.id {
                return not_its_own();
            }
            self.revoke_access_token(token, Revocation { at, reason: None });
        } else if let Some(owner) = self.refresh_client(token) {
            if owner != client.id {
                return not_its_own();
            }
            self.revoke_refresh_token(token, at);
        } else if context
            .published
            .iter()
            .any(|key| key.verify(token).is_some())
        {
            let text = "a JWT cannot be revoked: it is valid until it expires";
            return Err(OAuthError::new(Code::UnsupportedTokenType, text));
        }
        Ok(())
    }

    /// The response with an access token, and with an ID token if the scope `openid` was granted.
    fn tokens(
        &self,
        context: &Context,
        grant_id: &str,
        grant: &Grant,
        scopes: &[String],
        audience: Option<Audience>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let lifetime = context.settings.access_token_lifetime;
        let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
        // The user may have left the organization since the grant. A token must never name an
        // organization of which its user is not a member.
        let organization = grant.organization_id.as_deref();
        let organization = organization
            .filter(|_| has(scope::ORGANIZATION))
            .filter(|id| context.directory.membership(id, &grant.user_id).is_some());
        let mut request = TokenRequest::oauth(&grant.user_id)
            .client_id(&grant.client_id)
            .scopes(scopes.iter().cloned())
            .expires_in(i64::from(lifetime));
        request.org = organization.map(String::from);
        request.aud = audience;
        let access_token = self.mint(context, &request).map_err(mint_error)?;
        self.bind(&access_token, grant_id);
        let mut answer = Map::new();
        if has("openid") {
            let id_token = id_token(context, grant, scopes, organization)?;
            answer.insert("id_token".into(), json!(id_token));
        }
        answer.insert("access_token".into(), json!(access_token));
        answer.insert("token_type".into(), json!("Bearer"));
        answer.insert("expires_in".into(), json!(lifetime));
        answer.insert("scope".into(), json!(scopes.join(" ")));
        Ok(answer)
    }

    /// Mints an access token in the format of the settings.
    fn mint(&self, context: &Context, request: &TokenRequest) -> Result<String, MintError> {
        let Context {
            issuer,
            directory,
            key,
            now,
            ..
        } = context;
        let (header, claims) = mint::token_parts(directory, issuer, key.kid(), request, *now)?;
        if context.settings.oauth_jwt_access_tokens {
            key.sign(&header, &claims)
        } else {
            self.issue_access_token(claims)
        }
    }
}

/// Mints an ID token (OpenID Connect Core §2).
fn id_token(
    context: &Context,
    grant: &Grant,
    scopes: &[String],
    organization: Option<&str>,
) -> Result<String, OAuthError> {
    let user = context.directory.user(&grant.user_id);
    let user = user.ok_or_else(|| invalid_grant(USER_DELETED))?;
    let mut claims = profile_claims(user, |wanted| scopes.iter().any(|scope| scope == wanted));
    claims.insert("iss".into(), json!(context.issuer));
    claims.insert("sub".into(), json!(grant.user_id));
    claims.insert("aud".into(), json!(grant.client_id));
    claims.insert("iat".into(), json!(context.now));
    claims.insert(
        "exp".into(),
        json!(context.now.saturating_add(ID_TOKEN_LIFETIME)),
    );
    if let Some(nonce) = &grant.nonce {
        claims.insert("nonce".into(), json!(nonce));
    }
    if let Some(organization) = organization {
        claims.insert("org_id".into(), json!(organization));
    }
    let header = json!({"alg": "RS256", "kid": context.key.kid(), "typ": "JWT"});
    let token = context.key.sign(&header, &Value::Object(claims));
    token.map_err(mint_error)
}

/// The audience of a new token. A resource becomes an audience only if its server is registered and
/// the audience claim is on, both at the time of the grant and now.
fn audience(
    context: &Context,
    fields: &Fields,
    grant: &Grant,
) -> Result<Option<Audience>, OAuthError> {
    let mut resources = narrowed_resources(fields, grant)?;
    resources.retain(|resource| grant.audience.contains(resource));
    let mut audience = context.settings.audience_of(&resources);
    Ok(match audience.len() {
        0 => None,
        1 => audience.pop().map(Audience::One),
        _ => Some(Audience::Many(audience)),
    })
}

/// The data of an active token that introspection returns.
pub(crate) struct TokenInfo {
    pub(crate) client_id: String,
    pub(crate) sub: String,
    pub(crate) scope: String,
    pub(crate) org_id: Option<String>,
    pub(crate) iat: i64,
}

/// The claims about a user in userinfo and in an ID token, limited by scopes.
pub(crate) fn profile_claims(user: &User, has: impl Fn(&str) -> bool) -> Map<String, Value> {
    let mut claims = Map::new();
    if has("email") {
        claims.insert("email".into(), json!(user.email));
        claims.insert("email_verified".into(), json!(user.email_verified));
    }
    if has("profile") {
        let (given, family) = match user.name.rsplit_once(' ') {
            Some((given, family)) => (given, Some(family)),
            None => (user.name.as_str(), None),
        };
        claims.insert("name".into(), json!(user.name));
        claims.insert("given_name".into(), json!(given));
        claims.insert("family_name".into(), json!(family));
        claims.insert("preferred_username".into(), json!(user.username));
        claims.insert("picture".into(), json!(user.image_url));
    }
    claims
}

/// The requested scopes, which must be among the scopes of the grant (RFC 6749 §6). The refresh
/// token keeps all scopes of the grant.
fn narrowed_scopes(fields: &Fields, grant: &Grant) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = fields.one("scope")? else {
        return Ok(grant.scopes.clone());
    };
    let asked = scope::parse(asked);
    if asked.iter().all(|scope| grant.scopes.contains(scope)) {
        return Ok(asked);
    }
    let text = format!(
        "scope exceeds the scopes of the grant ({})",
        grant.scopes.join(" ")
    );
    Err(OAuthError::new(Code::InvalidScope, text))
}

/// The requested resources, which must be among the resources of the authorization request (RFC
/// 8707 §2.2). If the token request names no resource, the result is all resources of the
/// authorization request.
fn narrowed_resources(fields: &Fields, grant: &Grant) -> Result<Vec<String>, OAuthError> {
    let asked = authorization::resources(fields)?;
    if asked.is_empty() {
        return Ok(grant.resources.clone());
    }
    if asked
        .iter()
        .all(|resource| grant.resources.contains(resource))
    {
        return Ok(asked);
    }
    let text = "resource is not among the resources of the authorization request";
    Err(OAuthError::new(Code::InvalidTarget, text))
}

/// Adds a refresh token. Clerk adds a refresh token to every token response.
fn with_refresh_token(mut answer: Map<String, Value>, token: String) -> Value {
    answer.insert("refresh_token".into(), Value::String(token));
    Value::Object(answer)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` passes the error by value"
)]
fn mint_error(error: MintError) -> OAuthError {
    match error {
        MintError::UnknownUser { .. } => invalid_grant(USER_DELETED),
        _ => OAuthError::server_error(),
    }
}

/// The lifetime of an ID token, in seconds: a day, as at Clerk.
const ID_TOKEN_LIFETIME: u64 = 86_400;
const USER_DELETED: &str = "the user was deleted";
