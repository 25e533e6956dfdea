//! The settings of an instance. The start-up checks read them from the Backend API.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clerk::backend::Backend;

/// The settings of the instance's OAuth applications.
///
/// Source: Clerk's Backend API, `OAuthApplicationSettings`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OauthSettings {
    /// True if clients can register themselves (RFC 7591).
    #[serde(rename = "dynamic_oauth_client_registration")]
    pub(crate) registers: bool,
    /// The scopes of a client that requests no scopes. `None` means Clerk's own default.
    pub(crate) default_scopes: Option<Vec<String>>,
    /// True if OAuth access tokens are JWTs.
    #[serde(rename = "oauth_jwt_access_tokens")]
    pub(crate) jwt_access_tokens: bool,
    /// True if a client's id may be the URL of its metadata.
    #[serde(default, rename = "client_id_metadata_documents_advertised")]
    pub(crate) takes_client_documents: bool,
    /// True if only registered clients may have the URL of their metadata as their id.
    #[serde(
        default,
        rename = "client_id_metadata_documents_only_allow_pre_registered_clients"
    )]
    pub(crate) only_known_client_documents: bool,
}

/// A role of organizations.
///
/// Source: Clerk's Backend API, `Role`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Role {
    /// The name with the prefix, such as `org:admin`.
    pub(crate) key: String,
    /// The permissions of the role.
    pub(crate) permissions: Vec<RolePermission>,
}

/// A permission of a role.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RolePermission {
    /// The name, such as `org:documents:read`.
    pub(crate) key: String,
}

/// The instance did not answer, or the response has an unexpected form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the Backend API did not answer")]
pub(crate) struct Untold;

impl Backend {
    /// Reads the settings of OAuth applications. `None` if the API has no such call.
    pub(super) async fn oauth_settings(&self) -> Result<Option<OauthSettings>, Untold> {
        self.told(&["v1", "instance", "oauth_application_settings"], &[])
            .await
    }

    /// Reads the roles of organizations. `None` if the API has no such call.
    pub(super) async fn roles(&self) -> Result<Option<Vec<Role>>, Untold> {
        let limit = MOST_ROLES.to_string();
        let page: Option<Roles> = self
            .told(&["v1", "organization_roles"], &[("limit", &limit)])
            .await?;
        match page {
            // An incomplete list does not show which roles are missing.
            Some(page) if page.total_count > page.data.len() => Err(Untold),
            page => Ok(page.map(|page| page.data)),
        }
    }

    async fn told<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Untold> {
        let answer = self.ask(path, query).await.map_err(|_| Untold)?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|_| Untold),
            404 => Ok(None),
            _ => Err(Untold),
        }
    }
}

#[derive(Deserialize)]
struct Roles {
    data: Vec<Role>,
    total_count: usize,
}

/// The greatest number of roles that Clerk returns at once.
const MOST_ROLES: usize = 500;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::clerk::mock_http::{Reply, Stub};
    use crate::clerk::outgoing::Outgoing;
    use crate::clerk::secret_key::SecretKey;
    use crate::identity::Clock;
    use crate::identity::test_support::{self, block_on};

    #[test]
    fn the_settings_of_oauth_applications_are_read() {
        let (stub, backend) = answering(|| {
            Reply::json(&json!({
                "object": "oauth_application_settings", "dynamic_oauth_client_registration": true,
                "default_scopes": null, "oauth_jwt_access_tokens": false,
                "client_id_metadata_documents_advertised": true,
                "client_id_metadata_documents_only_allow_pre_registered_clients": false,
                "client_id_metadata_documents_block_implicitly_allowed_clients": false,
            }))
        });
        let settings = block_on(backend.oauth_settings()).unwrap().unwrap();
        assert!(settings.registers && settings.takes_client_documents);
        assert!(!settings.jwt_access_tokens && !settings.only_known_client_documents);
        assert_eq!(settings.default_scopes, None);
        let head = &stub.heads()[0];
        let line = "GET /v1/instance/oauth_application_settings HTTP/1.1\r\n";
        assert!(head.starts_with(line), "{head}");
    }

    #[test]
    fn all_roles_are_read_or_none() {
        let role = json!({"object": "role", "key": "org:admin", "permissions": [
            {"object": "permission", "key": "org:documents:read", "type": "user"},
        ]});
        let page = |total_count: usize| json!({"data": [role], "total_count": total_count});
        let (whole, part) = (page(1), page(2));
        let (stub, backend) = answering(move || Reply::json(&whole));
        let roles = block_on(backend.roles()).unwrap().unwrap();
        assert_eq!(roles[0].key, "org:admin");
        assert_eq!(roles[0].permissions[0].key, "org:documents:read");
        let head = &stub.heads()[0];
        let line = "GET /v1/organization_roles?limit=500 HTTP/1.1\r\n";
        assert!(head.starts_with(line), "{head}");
        let (_stub, backend) = answering(move || Reply::json(&part));
        assert_eq!(block_on(backend.roles()).unwrap_err(), Untold);
    }

    #[test]
    fn an_unknown_call_is_none_and_another_answer_is_an_error() {
        let (_stub, backend) = answering(|| Reply::http(404, "", "{}"));
        assert!(block_on(backend.oauth_settings()).unwrap().is_none());
        assert!(block_on(backend.roles()).unwrap().is_none());
        for (status, body) in [(200, "{}"), (200, "<p>"), (401, "{}"), (500, "{}")] {
            let (_stub, backend) = answering(move || Reply::http(status, "", body));
            assert_eq!(block_on(backend.oauth_settings()).unwrap_err(), Untold);
            assert_eq!(block_on(backend.roles()).unwrap_err(), Untold);
        }
    }

    fn answering(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Stub, Backend) {
        let stub = Stub::answering(move |_| reply());
        let key = SecretKey::parse("sk_test_secret").unwrap();
        let clock: Arc<dyn Clock> = test_support::clock();
        let backend = Backend::at(Outgoing::to(stub.url()).unwrap(), key, &clock);
        (stub, backend)
    }
}
