//! Users, read from the Backend API and from userinfo.
//!
//! The code never reads the metadata of a user, neither public, private nor unsafe metadata.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clerk::errors::{ErrorReporter, Unreadable};
use crate::clerk::outgoing::{Bearer, Outgoing};
use crate::identity::{
    Clock, LookupError, Profile, TokenText, User, UserInfo, UserInfoSource, parse_object,
};

/// Parses the response to `GET /v1/users/{id}`. The response must be about the requested user.
pub(super) fn read(body: &[u8], user_id: &str) -> Result<User, Useless> {
    let user: ApiUser =
        serde_json::from_slice(body).map_err(|error| Useless::Unreadable((&error).into()))?;
    if user.id != user_id {
        return Err(Useless::SomebodyElse);
    }
    Ok(user.into())
}

/// The reason why a response about a user cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Useless {
    #[error(transparent)]
    Unreadable(Unreadable),
    #[error("the response is about another user")]
    SomebodyElse,
}

/// The members of a user that are read.
#[derive(Deserialize)]
struct ApiUser {
    id: String,
    banned: bool,
    locked: bool,
    first_name: Option<String>,
    last_name: Option<String>,
    username: Option<String>,
    image_url: Option<String>,
    primary_email_address_id: Option<String>,
    #[serde(default)]
    email_addresses: Vec<EmailAddress>,
}

#[derive(Deserialize)]
struct EmailAddress {
    id: String,
    email_address: String,
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    status: Option<String>,
}

impl From<ApiUser> for User {
    fn from(user: ApiUser) -> Self {
        let ApiUser {
            id: _,
            banned,
            locked,
            first_name,
            last_name,
            username,
            image_url,
            primary_email_address_id,
            email_addresses,
        } = user;
        let primary = email_addresses
            .into_iter()
            .find(|address| Some(&address.id) == primary_email_address_id.as_ref());
        let (email, email_verified) = match primary {
            Some(address) => {
                let status = address.verification.and_then(|is| is.status);
                let verified = status.as_deref() == Some("verified");
                (Some(address.email_address), Some(verified))
            }
            None => (None, None),
        };
        let names: Vec<_> = [first_name, last_name]
            .into_iter()
            .flatten()
            .filter(|name| !name.is_empty())
            .collect();
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let profile = Profile {
            email,
            email_verified,
            name: text(Some(names.join(" "))),
            username: text(username),
            picture: text(image_url),
        };
        Self {
            profile,
            banned,
            locked,
        }
    }
}

/// The issuer's userinfo endpoint. A caller's token is sent only to this endpoint.
#[derive(Clone, Debug)]
pub(super) struct FrontendUserInfo {
    frontend: Arc<Outgoing>,
    errors: Arc<ErrorReporter>,
}

impl FrontendUserInfo {
    pub(super) fn at(frontend: Arc<Outgoing>, clock: Arc<dyn Clock>) -> Self {
        let errors = ErrorReporter::about("userinfo", "the caller's token", clock);
        Self {
            frontend,
            errors: Arc::new(errors),
        }
    }

    async fn ask(self, token: TokenText) -> Result<UserInfo, LookupError> {
        let asked = self.frontend.get_as(&PATH, Bearer::Caller(&token)).await;
        let answer = asked.map_err(|error| self.errors.failed(&error))?;
        match answer.status {
            200 => {}
            // The token was revoked, or its scopes do not allow userinfo.
            401 => return Err(LookupError::Declined),
            _ => return Err(self.errors.refused(&answer)),
        }
        let claims = parse_object(&answer.body).map_err(|error| self.errors.unreadable(&error))?;
        Ok(user_info(&claims))
    }
}

/// Reads the response of the userinfo endpoint.
pub(crate) fn user_info(claims: &Map<String, Value>) -> UserInfo {
    let text = |name| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    UserInfo {
        subject: text("sub").unwrap_or_default(),
        org_id: text("org_id").filter(|id| !id.is_empty()),
        profile: Profile::of_claims(claims),
    }
}

impl UserInfoSource for FrontendUserInfo {
    fn user_info(&self, token: TokenText) -> BoxFuture<'static, Result<UserInfo, LookupError>> {
        self.clone().ask(token).boxed()
    }
}

const PATH: [&str; 2] = ["oauth", "userinfo"];

#[cfg(test)]
mod tests;
