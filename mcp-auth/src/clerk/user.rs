//! Users, read from the Backend API and from userinfo.
//!
//! The metadata of a user, private and unsafe metadata included, is never read.

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

/// Reads the answer to `GET /v1/users/{id}`, which must be about that user.
pub(super) fn read(body: &[u8], user_id: &str) -> Result<User, Useless> {
    let user: ApiUser =
        serde_json::from_slice(body).map_err(|error| Useless::Unreadable((&error).into()))?;
    if user.id != user_id {
        return Err(Useless::SomebodyElse);
    }
    Ok(user.into())
}

/// The reason why an answer about a user cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Useless {
    #[error(transparent)]
    Unreadable(Unreadable),
    #[error("the answer is about somebody else")]
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

/// The issuer's userinfo endpoint. A caller's token is sent only there.
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

/// Reads the answer of userinfo.
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
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clerk::backend::Backend;
    use crate::clerk::mock_http::{Reply, Stub};
    use crate::clerk::secret_key::SecretKey;
    use crate::identity::test_support::block_on;
    use crate::identity::{UserSource, test_support};

    #[test]
    fn a_user_is_read_with_the_primary_address() {
        let (stub, user) = looked_up(|| Reply::json(&ada()));
        let user = user.unwrap().unwrap();
        let Profile {
            email,
            email_verified,
            name,
            username,
            picture,
        } = user.profile;
        assert_eq!(email.as_deref(), Some("ada@example.com"));
        assert_eq!(email_verified, Some(true));
        assert_eq!(name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(username.as_deref(), Some("ada"));
        assert_eq!(picture.as_deref(), Some("https://img.example.com/ada"));
        assert!(!user.banned && !user.locked);
        let head = &stub.heads()[0];
        assert!(
            head.starts_with("GET /v1/users/user_ada HTTP/1.1"),
            "{head}"
        );
        assert!(head.contains("Bearer sk_test_secret"), "{head}");
    }

    #[test]
    fn what_a_user_does_not_have_is_none() {
        let bare = json!({
            "id": "user_ada", "banned": true, "locked": true, "last_name": "",
            "primary_email_address_id": "idn_9",
            "email_addresses": [{"id": "idn_1", "email_address": "other@example.com"}],
        });
        let user = looked_up(move || Reply::json(&bare)).1.unwrap().unwrap();
        assert!(
            user.profile.is_empty() && user.banned && user.locked,
            "{user:?}"
        );
    }

    #[test]
    fn a_user_that_is_not_there_is_none_and_anything_else_is_no_answer() {
        assert!(
            looked_up(|| Reply::http(404, "", "{}"))
                .1
                .unwrap()
                .is_none()
        );
        for (status, error) in [
            (400, LookupError::Declined),
            (401, LookupError::KeyRefused),
            (500, LookupError::Failed),
        ] {
            let (_, user) = looked_up(move || Reply::http(status, "", "{}"));
            assert_eq!(user.unwrap_err(), error, "{status}");
        }
        let mut another = ada();
        another["id"] = json!("user_bob");
        let mut unknown = ada();
        unknown.as_object_mut().unwrap().remove("banned");
        for body in [another, unknown, json!([]), json!("x")] {
            let (_, user) = looked_up(move || Reply::json(&body));
            assert_eq!(user.unwrap_err(), LookupError::Failed);
        }
    }

    #[test]
    fn userinfo_is_asked_with_the_callers_token_and_nothing_of_the_backend_api() {
        let (stub, info) = told(|| {
            Reply::json(&json!({
                "object": "oauth_user_info", "sub": "user_ada", "user_id": "user_ada",
                "org_id": "org_1", "email": "ada@example.com", "email_verified": true,
                "private_metadata": {"name": "secret"},
            }))
        });
        let info = info.unwrap();
        assert_eq!(
            (&*info.subject, info.org_id.as_deref()),
            ("user_ada", Some("org_1"))
        );
        assert_eq!(info.profile.email.as_deref(), Some("ada@example.com"));
        assert_eq!(info.profile.name, None);
        let head = stub.heads()[0].to_lowercase();
        assert!(head.starts_with("get /oauth/userinfo http/1.1"), "{head}");
        assert!(
            head.contains("authorization: bearer oat_secret\r\n"),
            "{head}"
        );
        assert!(!head.contains("clerk-api-version"), "{head}");
    }

    #[test]
    fn userinfo_that_is_refused_is_no_answer() {
        for (status, error) in [
            (302, LookupError::Failed),
            (400, LookupError::Declined),
            (401, LookupError::Declined),
            (403, LookupError::Declined),
            (500, LookupError::Failed),
        ] {
            let (_, info) = told(move || Reply::http(status, "", "{}"));
            assert_eq!(info.unwrap_err(), error, "{status}");
        }
        let (_, info) = told(|| Reply::http(429, "Retry-After: 3\r\n", "{}"));
        let wait = std::time::Duration::from_secs(3);
        assert_eq!(info.unwrap_err(), LookupError::Throttled(wait));
        let twice = r#"{"sub":"user_ada","org_id":"org_1","org_id":"org_2"}"#;
        for body in ["[]", "", twice] {
            let (_, info) = told(move || Reply::http(200, "", body));
            assert_eq!(info.unwrap_err(), LookupError::Failed, "{body}");
        }
    }

    #[test]
    fn nothing_of_an_answer_that_cannot_be_read_is_in_the_log() {
        let log = test_support::logged(|| {
            let mut strange = ada();
            strange["email_addresses"] = json!(["ada@example.com"]);
            let (_, user) = looked_up(move || Reply::json(&strange));
            assert_eq!(user.unwrap_err(), LookupError::Failed);
            let (_, info) = told(|| Reply::http(200, "", r#"{"sub": oat_secret}"#));
            assert_eq!(info.unwrap_err(), LookupError::Failed);
        });
        assert_eq!(log.matches("can't be read").count(), 2, "{log}");
        for secret in ["ada@example.com", "oat_secret"] {
            assert!(!log.contains(secret), "{log}");
        }
    }

    fn looked_up(
        reply: impl Fn() -> Reply + Send + Sync + 'static,
    ) -> (Stub, Result<Option<User>, LookupError>) {
        let stub = Stub::answering(move |_| reply());
        let key = SecretKey::parse("sk_test_secret").unwrap();
        let clock: Arc<dyn Clock> = test_support::clock();
        let backend = Backend::at(Outgoing::to(stub.url()).unwrap(), key, &clock);
        let user = block_on(backend.user("user_ada"));
        (stub, user)
    }

    fn told(
        reply: impl Fn() -> Reply + Send + Sync + 'static,
    ) -> (Stub, Result<UserInfo, LookupError>) {
        let stub = Stub::answering(move |_| reply());
        let frontend = Arc::new(Outgoing::to(stub.url()).unwrap());
        let token = TokenText::new("oat_secret");
        let userinfo = FrontendUserInfo::at(frontend, test_support::clock());
        let info = block_on(userinfo.user_info(token));
        (stub, info)
    }

    fn ada() -> Value {
        json!({
            "object": "user", "id": "user_ada", "banned": false, "locked": false,
            "first_name": "Ada", "last_name": "Lovelace", "username": "ada",
            "image_url": "https://img.example.com/ada", "primary_email_address_id": "idn_2",
            "email_addresses": [
                {"id": "idn_1", "email_address": "old@example.com"},
                {"id": "idn_2", "email_address": "ada@example.com",
                 "verification": {"status": "verified", "strategy": "email_code"}},
            ],
            "private_metadata": {"x": 1}, "unsafe_metadata": {"email": "forged@example.com"},
        })
    }
}
