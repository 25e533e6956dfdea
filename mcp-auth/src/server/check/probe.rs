//! The requests that a check sends to a Clerk instance, and their results.

use futures_util::future::{join, join4};

use crate::clerk::{Clerk, Document, MachineCheck, OauthSettings, Role, SecretKeyCheck, Untold};

/// The results of the requests to an instance.
pub(super) struct Probe {
    /// `None` if no request was sent to the Frontend API.
    pub(super) frontend: Option<Frontend>,
    pub(super) secret_key: SecretKeyCheck,
    pub(super) settings: Result<Option<OauthSettings>, Untold>,
    pub(super) roles: Result<Option<Vec<Role>>, Untold>,
    pub(super) machine: MachineCheck,
}

/// The responses of the public Frontend API. A field is `None` if its request failed.
pub(super) struct Frontend {
    pub(super) metadata: Option<Document>,
    pub(super) keys: Option<PublishedKeys>,
}

/// The keys that the issuer publishes.
pub(super) enum PublishedKeys {
    /// The number of keys that can verify tokens.
    Usable(usize),
    /// Whether the configured key is among the published keys.
    Configured { published: bool },
}

impl Probe {
    /// Sends all requests at the same time, so that a slow Clerk delays the start by at most the 5 seconds of one
    /// request. A server with a configured public key may be unable to reach the issuer, so its start sends no requests
    /// to the issuer. With `everything` it sends them.
    pub(super) async fn send(clerk: &Clerk, has_jwt_key: bool, everything: bool) -> Self {
        let frontend = async {
            if has_jwt_key && !everything {
                return None;
            }
            let (metadata, keys) = join(clerk.metadata.document(), keys(clerk, has_jwt_key)).await;
            let metadata = metadata.ok();
            Some(Frontend { metadata, keys })
        };
        let backend = join4(
            clerk.check_secret_key(),
            clerk.oauth_settings(),
            clerk.roles(),
            clerk.check_machine(),
        );
        let (frontend, (secret_key, settings, roles, machine)) = join(frontend, backend).await;
        Self {
            frontend,
            secret_key,
            settings,
            roles,
            machine,
        }
    }
}

async fn keys(clerk: &Clerk, has_jwt_key: bool) -> Option<PublishedKeys> {
    if !has_jwt_key {
        let usable = clerk.authenticator.keys().await;
        return usable.ok().map(PublishedKeys::Usable);
    }
    let published = clerk.published_keys().await.ok()?;
    let published = clerk.authenticator.shares_keys(&published).await.ok()?;
    Some(PublishedKeys::Configured { published })
}
