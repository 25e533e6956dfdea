//! The connection to a Clerk instance, made from settings.

use std::sync::Arc;

use tokio::runtime::Handle;
use url::Url;

use crate::clerk::Instance;
use crate::clerk::backend::Backend;
use crate::clerk::claims::ClerkClaims;
use crate::clerk::conventions::CONVENTIONS;
use crate::clerk::frontend::FrontendUrl;
use crate::clerk::jwks::FrontendKeys;
use crate::clerk::machine::{MachineCheck, OwnMachine};
use crate::clerk::machine_key::MachineKey;
use crate::clerk::metadata::{DocumentKind, Metadata};
use crate::clerk::outgoing::{Outgoing, OutgoingError};
use crate::clerk::ownership::{Ownership, SecretKeyCheck};
use crate::clerk::secret_key::SecretKey;
use crate::clerk::settings::{OauthSettings, Role, Untold};
use crate::clerk::user::FrontendUserInfo;
use crate::clerk::verification::Verification;
use crate::identity::{
    Authenticator, AuthenticatorConfig, Budget, Clock, ConfirmationSource, IoRuntime, KeySource,
    Keys, Machine, Memberships, Organizations, PemError, People, PublishedKey, TokenPolicy,
    UserSource,
};
use crate::metrics::Metrics;

/// The settings of a Clerk instance.
#[derive(Clone, Debug)]
pub(crate) struct ClerkConfig {
    /// The instance's Frontend API, which is the issuer.
    pub(crate) frontend: FrontendUrl,
    /// The key for the Backend API. Without it, the Backend API is not used.
    pub(crate) secret_key: Option<SecretKey>,
    /// The key of this server's machine. With this key, Clerk confirms only tokens that are meant for this machine.
    pub(crate) machine_key: Option<MachineKey>,
    /// The URL of the Backend API. `None` means the URL of Clerk's own API.
    pub(crate) api_url: Option<Url>,
    /// The instance's public key as PEM. If this key is set, the server fetches no keys.
    pub(crate) jwt_key: Option<String>,
    /// The rules that decide which tokens are accepted. The issuer in these rules must be the
    /// Frontend API.
    pub(crate) policy: TokenPolicy,
    /// The largest number of new opaque tokens that are confirmed in ten seconds. The default is a tenth of the
    /// instance's limit.
    pub(crate) new_opaque_tokens: Option<usize>,
    /// The largest number of memberships that are looked up in ten seconds. The default is half of the instance's
    /// limit.
    pub(crate) membership_look_ups: Option<usize>,
    /// Counts the requests to the instance.
    pub(crate) metrics: Metrics,
    /// True if the instance is a local Clerk inside this process, which has no rate limit.
    pub(crate) is_in_process: bool,
}

/// A Clerk instance. All its data is fetched on demand.
#[derive(Debug)]
pub(crate) struct Clerk {
    /// Verifies access tokens.
    pub(crate) authenticator: Authenticator,
    /// Resolves organizations.
    pub(crate) organizations: Organizations,
    /// The authorization server's metadata.
    pub(crate) metadata: Metadata,
    /// The issuer's OpenID configuration.
    pub(crate) openid: Metadata,
    backend: Option<Backend>,
    ownership: Option<Ownership>,
    /// `None` if machines' tokens are not accepted.
    machine: Option<OwnMachine>,
    frontend_keys: Arc<FrontendKeys>,
    io: Handle,
}

/// The reason why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The URL of the Backend API is not https. The server sends its secret key to this URL.
    #[error("the Backend API's URL must be https (http is for loopback only)")]
    ApiUrl,
    /// The HTTPS client could not be created.
    #[error("no HTTPS client could be created; are CA certificates installed?")]
    Client(#[source] OutgoingError),
    /// The issuer of the policy is not the Frontend API.
    #[error("the accepted issuer is not the URL of the Frontend API")]
    Issuer,
    /// The public key cannot be read.
    #[error("the public key can't be used")]
    JwtKey(#[source] PemError),
}

impl Clerk {
    /// Creates the instance from the settings. No connection is opened yet.
    ///
    /// # Errors
    /// One of [`ConnectError`].
    pub(crate) fn connect(
        config: ClerkConfig,
        clock: Arc<dyn Clock>,
        io: &IoRuntime,
    ) -> Result<Self, ConnectError> {
        let ClerkConfig {
            frontend,
            secret_key,
            machine_key,
            api_url,
            jwt_key,
            policy,
            new_opaque_tokens,
            membership_look_ups,
            metrics,
            is_in_process,
        } = config;
        if *policy.issuer != *frontend.issuer() {
            return Err(ConnectError::Issuer);
        }
        let io = io.handle().clone();
        let limit = limit(&frontend, secret_key.as_ref());
        let budget = (!is_in_process).then(|| {
            let most = new_opaque_tokens.unwrap_or(limit / 10);
            Budget::of_new_tokens(most, Arc::clone(&clock))
        });
        let look_ups = (!is_in_process).then(|| {
            let most = membership_look_ups.unwrap_or(limit / 2);
            Budget::of_memberships(most, Arc::clone(&clock))
        });
        let has_key = secret_key.is_some() || machine_key.is_some();
        let api = has_key.then(|| api(&frontend, api_url, metrics.clone()));
        let api = api.transpose()?;
        let backend = api
            .clone()
            .zip(secret_key.clone())
            .map(|(api, key)| Backend::at(api, key, &clock));
        let frontend = Outgoing::to(frontend.url().clone()).map_err(ConnectError::Client)?;
        let frontend = Arc::new(frontend.counted_by(metrics));
        let frontend_keys = Arc::new(FrontendKeys::at(Arc::clone(&frontend)));
        let keys = match jwt_key {
            Some(pem) => Keys::from_pem(&pem).map_err(ConnectError::JwtKey)?,
            None => {
                let source = Arc::<FrontendKeys>::clone(&frontend_keys);
                Keys::published(source, Arc::clone(&clock), io.clone())
            }
        };
        let decode = Arc::new(ClerkClaims);
        let memberships = backend
            .clone()
            .map(|backend| Arc::new(backend) as Arc<dyn Memberships>);
        let users = backend
            .clone()
            .map(|backend| Arc::new(backend) as Arc<dyn UserSource>);
        let userinfo = Arc::new(FrontendUserInfo::at(
            Arc::clone(&frontend),
            Arc::clone(&clock),
        ));
        let people = People::new(users, Some(userinfo), Arc::clone(&clock), io.clone());
        let people = Arc::new(people);
        let owned = |backend| Ownership::of(backend, keys.clone());
        let ownership = backend.clone().map(owned);
        let by_secret_key = secret_key.zip(ownership.clone());
        let machine = policy.machine.clone().map(|machine| OwnMachine {
            id: match machine {
                Machine::Named(id) => Some(id),
                Machine::Unnamed => None,
            },
            key: machine_key.clone().zip(api.clone()),
            backend: backend.clone(),
        });
        let confirm = api.map(|api| {
            let source: Arc<dyn ConfirmationSource> =
                Arc::new(Verification::at(api, by_secret_key, machine_key, &clock));
            (source, budget, io.clone())
        });
        let authenticator = Authenticator::new(AuthenticatorConfig {
            policy,
            keys,
            decode,
            clock: Arc::clone(&clock),
            confirm,
            people: Some(Arc::clone(&people)),
        });
        let kinds = [DocumentKind::AuthorizationServer, DocumentKind::OpenId];
        let [metadata, openid] = kinds.map(|kind| {
            let (frontend, clock) = (Arc::clone(&frontend), Arc::clone(&clock));
            Metadata::at(kind, frontend, clock, io.clone())
        });
        let organizations =
            Organizations::new(look_ups, memberships, &CONVENTIONS, clock, io.clone());
        Ok(Self {
            authenticator,
            organizations: organizations.with_people(people),
            metadata,
            openid,
            backend,
            ownership,
            machine,
            frontend_keys,
            io,
        })
    }

    /// Fetches the keys that the instance publishes, even if tokens are verified with a key from
    /// the settings.
    pub(crate) async fn published_keys(&self) -> Result<Vec<PublishedKey>, Untold> {
        let keys = self.io.spawn(self.frontend_keys.fetch());
        keys.await.map_err(|_| Untold)?.map_err(|_| Untold)
    }

    /// Reads the settings of the instance's OAuth applications. `None` without a secret key, or if Clerk's API has no
    /// such call.
    pub(crate) async fn oauth_settings(&self) -> Result<Option<OauthSettings>, Untold> {
        let Some(backend) = self.backend.clone() else {
            return Ok(None);
        };
        let asked = async move { backend.oauth_settings().await };
        self.io.spawn(asked).await.unwrap_or(Err(Untold))
    }

    /// Reads the roles of the instance's organizations. `None` without a secret key, or if Clerk's API has no such
    /// call.
    pub(crate) async fn roles(&self) -> Result<Option<Vec<Role>>, Untold> {
        let Some(backend) = self.backend.clone() else {
            return Ok(None);
        };
        let asked = async move { backend.roles().await };
        self.io.spawn(asked).await.unwrap_or(Err(Untold))
    }

    /// Checks that the Clerk machine that represents this server exists and has the configured key.
    pub(crate) async fn check_machine(&self) -> MachineCheck {
        let Some(machine) = self.machine.clone() else {
            return MachineCheck::Unasked;
        };
        let checked = self.io.spawn(machine.check());
        checked.await.unwrap_or(MachineCheck::Unknown)
    }

    /// Checks that the secret key belongs to the instance that issues the tokens.
    pub(crate) async fn check_secret_key(&self) -> SecretKeyCheck {
        let Some(ownership) = self.ownership.clone() else {
            return SecretKeyCheck::Fits;
        };
        let checked = self.io.spawn(async move { ownership.check().await });
        checked.await.unwrap_or(SecretKeyCheck::Unknown)
    }
}

/// Creates the client of the Backend API, which receives the secret keys.
fn api(
    frontend: &FrontendUrl,
    api_url: Option<Url>,
    metrics: Metrics,
) -> Result<Arc<Outgoing>, ConnectError> {
    let url = match api_url {
        Some(url) => url,
        None => Url::parse(frontend.default_api_url()).map_err(|_| ConnectError::ApiUrl)?,
    };
    match Outgoing::to(url) {
        Ok(outgoing) => Ok(Arc::new(outgoing.counted_by(metrics))),
        Err(OutgoingError::Address) => Err(ConnectError::ApiUrl),
        Err(error) => Err(ConnectError::Client(error)),
    }
}

/// Returns the rate limit of the Backend API: the number of requests in ten seconds. The customer's
/// own application shares the limit.
///
/// Source: <https://clerk.com/docs/guides/how-clerk-works/system-limits>.
fn limit(frontend: &FrontendUrl, secret_key: Option<&SecretKey>) -> usize {
    match secret_key.map_or(frontend.instance(), SecretKey::instance) {
        Instance::Development => 100,
        Instance::Production => 1_000,
    }
}

#[cfg(test)]
mod tests;
