//! Verification of opaque tokens by Clerk's Backend API.
//!
//! The body of the response decides, not the status, because the response about a revoked or expired token also has
//! status 200.
//!
//! Source: <https://clerk.com/docs/reference/backend-api>.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::clerk::claims;
use crate::clerk::conventions::CONVENTIONS;
use crate::clerk::errors::{ErrorReporter, Unreadable};
use crate::clerk::machine_key::MachineKey;
use crate::clerk::outgoing::{Bearer, ClerkResponse, Outgoing};
use crate::clerk::ownership::{Ownership, SecretKeyCheck};
use crate::clerk::secret_key::SecretKey;
use crate::identity::{
    CallerParts, Clock, Confirmation, ConfirmationSource, Json, LookupError, Org, TokenError,
    TokenKind, TokenStatus, TokenText, parse_object,
};

/// The calls that verify tokens, with their keys.
#[derive(Clone, Debug)]
pub(super) struct Verification {
    outgoing: Arc<Outgoing>,
    /// The secret key of the instance, with the check that it belongs to the issuer.
    secret_key: Option<(SecretKey, Ownership)>,
    machine_key: Option<MachineKey>,
    by_secret_key: Arc<ErrorReporter>,
    by_machine_key: Arc<ErrorReporter>,
}

impl Verification {
    /// Creates a source. For machines' tokens, the source uses the machine's own key, if there is such a key. In all
    /// other cases it uses the secret key of the instance, but only after a check that the secret key belongs to the
    /// issuer.
    pub(super) fn at(
        outgoing: Arc<Outgoing>,
        secret_key: Option<(SecretKey, Ownership)>,
        machine_key: Option<MachineKey>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let about = |key| {
            let what = "opaque tokens";
            Arc::new(ErrorReporter::about(what, key, Arc::clone(clock)))
        };
        Self {
            outgoing,
            secret_key,
            machine_key,
            by_secret_key: about("CLERK_SECRET_KEY"),
            by_machine_key: about("CLERK_MACHINE_SECRET_KEY"),
        }
    }

    fn key(&self, kind: TokenKind) -> Option<(Bearer<'_>, &ErrorReporter)> {
        let machine = self.machine_key.as_ref().filter(|_| kind == TokenKind::M2m);
        if let Some(key) = machine {
            return Some((Bearer::Machine(key), &self.by_machine_key));
        }
        let (key, _) = self.secret_key.as_ref()?;
        Some((Bearer::Secret(key), &self.by_secret_key))
    }

    async fn ask(self, kind: TokenKind, token: TokenText) -> Result<TokenStatus, LookupError> {
        let Some((call, (bearer, errors))) = Call::of(kind).zip(self.key(kind)) else {
            return Ok(TokenStatus::Refused(TokenError::Opaque));
        };
        if let (Bearer::Secret(_), Some((_, ownership))) = (bearer, &self.secret_key) {
            match ownership.check().await {
                SecretKeyCheck::Fits => {}
                SecretKeyCheck::OtherInstance => return Err(errors.key_of_another()),
                SecretKeyCheck::Refused => return Err(errors.key_refused()),
                SecretKeyCheck::Unknown => return Err(LookupError::Failed),
            }
        }
        let body = json!({ (call.member): token.expose() });
        let asked = self.outgoing.post_as(call.path, &body, bearer).await;
        let answer = asked.map_err(|error| errors.failed(&error))?;
        call.judge(&answer, errors)
    }
}

impl ConfirmationSource for Verification {
    fn confirms(&self, kind: TokenKind) -> bool {
        Call::of(kind).is_some() && self.key(kind).is_some()
    }

    fn confirm(
        &self,
        kind: TokenKind,
        token: TokenText,
    ) -> BoxFuture<'static, Result<TokenStatus, LookupError>> {
        self.clone().ask(kind, token).boxed()
    }
}

/// Returns the status of a token from its description, without a network. `None` means a response with status 404.
#[cfg(feature = "testing")]
pub(crate) fn token_status(
    kind: TokenKind,
    description: Option<Value>,
) -> Result<TokenStatus, LookupError> {
    let Some((call, description)) = Call::of(kind).zip(description) else {
        return Ok(TokenStatus::Refused(TokenError::Unknown));
    };
    let description = serde_json::from_value(description).map_err(|_| LookupError::Failed)?;
    call.token_status(description)
        .map_err(|_| LookupError::Failed)
}

/// A call that verifies one kind of token.
struct Call {
    kind: TokenKind,
    /// The path without `v1`. Clerk's SDK uses the same path.
    path: &'static [&'static str],
    /// The member of the body that contains the token.
    member: &'static str,
    /// The value of `object` in the response.
    object: &'static str,
}

impl Call {
    fn of(kind: TokenKind) -> Option<Self> {
        let (path, member, object) = match kind {
            TokenKind::OAuth => (
                &["oauth_applications", "access_tokens", "verify"][..],
                "access_token",
                "clerk_idp_oauth_access_token",
            ),
            TokenKind::M2m => (
                &["m2m_tokens", "verify"][..],
                "token",
                "machine_to_machine_token",
            ),
            TokenKind::ApiKey => (&["api_keys", "verify"][..], "secret", "api_key"),
            TokenKind::Session => return None,
        };
        Some(Self {
            kind,
            path,
            member,
            object,
        })
    }

    fn judge(
        &self,
        answer: &ClerkResponse,
        errors: &ErrorReporter,
    ) -> Result<TokenStatus, LookupError> {
        match answer.status {
            200 => {}
            404 => return Ok(TokenStatus::Refused(TokenError::Unknown)),
            _ => return Err(errors.refused(answer)),
        }
        let description = parse_object(&answer.body).map_err(|error| errors.unreadable(&error))?;
        // Clerk works, so an unexpected response about one token must not open the circuit breaker for all tokens.
        let description = serde_json::from_value(Value::Object(description))
            .map_err(|error| errors.odd(&Unreadable::from(&error)))?;
        self.token_status(description)
            .map_err(|unexpected| errors.odd(&unexpected))
    }

    fn token_status(&self, description: Description) -> Result<TokenStatus, Unexpected> {
        if description.active == Some(false) {
            return Ok(TokenStatus::Refused(TokenError::Inactive));
        }
        Ok(match self.read(description)? {
            Ok(confirmation) => TokenStatus::Active(Box::new(confirmation)),
            Err(error) => TokenStatus::Refused(error),
        })
    }

    /// Reads the token's description in the response. The outer error means that the response has
    /// an unexpected form.
    fn read(
        &self,
        description: Description,
    ) -> Result<Result<Confirmation, TokenError>, Unexpected> {
        if description.object.as_deref() != Some(self.object) {
            return Err(Unexpected("object"));
        }
        if description.revoked.ok_or(Unexpected("revoked"))? {
            return Ok(Err(TokenError::Revoked));
        }
        if description.expired.ok_or(Unexpected("expired"))? {
            return Ok(Err(TokenError::Expired));
        }
        let expires_ms = match present(description.expiration) {
            None => None,
            Some(at) => Some(self.time_ms(&at).ok_or(Unexpected("expiration"))?),
        };
        // A token without a readable time of issue counts as older than any time.
        let issued_ms = present(description.created_at).and_then(|at| self.time_ms(&at));
        let subject = description.subject.ok_or(Unexpected("subject"))?;
        let claims = match present(description.claims) {
            None => Map::new(),
            Some(Value::Object(claims)) => claims,
            Some(_) => return Err(Unexpected("claims")),
        };
        let scopes = description.scopes.unwrap_or_default();
        let scopes: Vec<_> = scopes
            .into_iter()
            .filter(|scope| !scope.is_empty())
            .collect();
        let actor = match present(description.act) {
            None => None,
            // A guard may refuse actors, so an unreadable actor must still count as an actor.
            Some(act) => match claims::actor(&Json::from(&act), claims::MAX_ACTORS) {
                Some(actor) => Some(actor),
                None => return Ok(Err(TokenError::Claims)),
            },
        };
        let (scopes, machines) = match self.kind {
            TokenKind::M2m => (Vec::new(), scopes),
            TokenKind::ApiKey | TokenKind::OAuth | TokenKind::Session => (scopes, Vec::new()),
        };
        let is_oauth = self.kind == TokenKind::OAuth;
        let is_org =
            self.kind == TokenKind::ApiKey && subject.starts_with(CONVENTIONS.organization);
        let parts = CallerParts {
            client_id: description
                .client_id
                .filter(|id| is_oauth && !id.is_empty()),
            key_id: (description.id.clone()).filter(|_| self.kind == TokenKind::ApiKey),
            org_at_issuer: is_oauth && scopes.iter().any(|scope| scope == ORGANIZATION_SCOPE),
            scopes,
            // The key acts for the organization but is not a member of it, so the key has no role.
            org: is_org.then(|| Org::only_id(subject.clone())),
            actor,
            ..CallerParts::default()
        };
        Ok(Ok(Confirmation {
            subject,
            id: description.id,
            issued_ms,
            expires_ms,
            audience: present(description.aud).filter(names_anything),
            machines,
            claims,
            parts,
        }))
    }

    /// Returns a time in milliseconds since 1970. Clerk's sources disagree on the unit for OAuth
    /// tokens. Until the year 5138, a time in seconds is below 10^11. Since 1973, a time in
    /// milliseconds is above 10^11.
    fn time_ms(&self, at: &Value) -> Option<u64> {
        let at = at.as_f64()?;
        let in_seconds = self.kind == TokenKind::OAuth && at < 1e11;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates"
        )]
        let ms = if in_seconds { at * 1e3 } else { at } as u64;
        Some(ms)
    }
}

/// The members of the response that are read.
#[derive(Deserialize)]
struct Description {
    object: Option<String>,
    /// The id of the token. The id of an API key stays the same as long as the key exists.
    id: Option<String>,
    active: Option<bool>,
    subject: Option<String>,
    client_id: Option<String>,
    scopes: Option<Vec<String>>,
    revoked: Option<bool>,
    expired: Option<bool>,
    expiration: Option<Value>,
    created_at: Option<Value>,
    aud: Option<Value>,
    act: Option<Value>,
    claims: Option<Value>,
}

/// A member of the response is missing or has an unexpected form.
#[derive(Debug, thiserror::Error)]
#[error("the member `{0}` of the response is missing or has an unexpected form")]
struct Unexpected(&'static str);

fn present(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !value.is_null())
}

/// Returns true if the audience names a resource. An empty list or text names no resource.
fn names_anything(audience: &Value) -> bool {
    let empty_list = audience.as_array().is_some_and(Vec::is_empty);
    !empty_list && audience.as_str() != Some("")
}

/// With this scope, the userinfo endpoint names the organization that the user chose.
const ORGANIZATION_SCOPE: &str = "user:org:read";

#[cfg(test)]
mod tests;
