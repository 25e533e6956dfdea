//! From plain settings to what a server asks of Clerk.

use std::sync::Arc;

use url::Url;

use crate::clerk::backend::Backend;
use crate::clerk::backend::BackendKeysError;
use crate::clerk::claims::ClerkClaims;
use crate::clerk::frontend::FrontendUrl;
use crate::clerk::jwks::FrontendKeys;
use crate::clerk::metadata::Metadata;
use crate::clerk::outgoing::Outgoing;
use crate::clerk::outgoing::OutgoingError;
use crate::clerk::secret_key::SecretKey;
use crate::identity::Authenticator;
use crate::identity::Clock;
use crate::identity::FlightLost;
use crate::identity::Flights;
use crate::identity::IoRuntime;
use crate::identity::Keys;
use crate::identity::Memberships;
use crate::identity::Organizations;
use crate::identity::PemError;
use crate::identity::Policy;
use crate::identity::PublishedKey;

/// The settings of a Clerk instance.
#[derive(Clone, Debug)]
pub(crate) struct ClerkConfig {
    /// The instance's Frontend API, which is the issuer.
    pub(crate) frontend: FrontendUrl,
    /// The key to the Backend API; without it nothing is looked up.
    pub(crate) secret_key: Option<SecretKey>,
    /// The Backend API, if it is not Clerk's own.
    pub(crate) api_url: Option<Url>,
    /// The instance's public key as PEM; keys are not fetched then.
    pub(crate) jwt_key: Option<String>,
    /// Which tokens are accepted. Its issuer must be the Frontend API's.
    pub(crate) policy: Policy,
}

/// What a server asks of a Clerk instance. Nothing is fetched before it is asked for.
#[derive(Debug)]
pub(crate) struct Clerk {
    /// Verifies access tokens.
    pub(crate) authenticator: Authenticator,
    /// Resolves organizations.
    pub(crate) organizations: Organizations,
    /// The authorization server's metadata.
    pub(crate) metadata: Metadata,
    backend: Option<Backend>,
    checks: Flights<(), SecretKeyAnswer>,
}

/// Why settings can't be used. Each names the setting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The Backend API's URL is not safe: the secret key is sent there.
    #[error("CLERK_API_URL must be https (http is for loopback only)")]
    ApiUrl,
    /// No client could be made.
    #[error("no HTTPS client could be made; are certificates of authorities installed?")]
    Client(#[source] OutgoingError),
    /// The issuer of the policy is not the Frontend API.
    #[error("the accepted issuer is not the Frontend API")]
    Issuer,
    /// The public key can't be read.
    #[error("CLERK_JWT_KEY can't be used: {0}")]
    JwtKey(PemError),
}

/// What a look at the secret key shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SecretKeyCheck {
    /// It belongs to the instance that issues the tokens, or there is none.
    Fits,
    /// It belongs to another instance: every look-up would ask about strangers.
    OtherInstance,
    /// Clerk does not accept it.
    Refused,
    /// That can't be told now.
    Unknown,
}

/// What the Backend API tells about the secret key.
type SecretKeyAnswer = Result<Arc<[PublishedKey]>, SecretKeyCheck>;

impl Clerk {
    /// Makes ready what a server asks of an instance; opens no connection.
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
            api_url,
            jwt_key,
            policy,
        } = config;
        if policy.issuer != frontend.issuer() {
            return Err(ConnectError::Issuer);
        }
        let io = io.handle().clone();
        let backend = secret_key
            .map(|key| backend(&frontend, api_url, key))
            .transpose()?;
        let frontend =
            Arc::new(Outgoing::to(frontend.url().clone()).map_err(ConnectError::Client)?);
        let keys = match jwt_key {
            Some(pem) => Keys::from_pem(&pem).map_err(ConnectError::JwtKey)?,
            None => {
                let source = Arc::new(FrontendKeys::at(Arc::clone(&frontend)));
                Keys::published(source, Arc::clone(&clock), io.clone())
            }
        };
        let decode = Arc::new(ClerkClaims);
        let memberships = backend
            .clone()
            .map(|backend| Arc::new(backend) as Arc<dyn Memberships>);
        Ok(Self {
            authenticator: Authenticator::new(policy, keys, decode, Arc::clone(&clock)),
            organizations: Organizations::new(memberships, Arc::clone(&clock), io.clone()),
            metadata: Metadata::at(frontend, clock, io.clone()),
            backend,
            checks: Flights::new(io),
        })
    }

    /// Looks whether the secret key belongs to the instance that issues the tokens, for the start.
    pub(crate) async fn check_secret_key(&self) -> SecretKeyCheck {
        let Some(backend) = self.backend.clone() else {
            return SecretKeyCheck::Fits;
        };
        let answer = self.checks.join(&(), || async move {
            backend
                .keys()
                .await
                .map(Arc::from)
                .map_err(|error| match error {
                    BackendKeysError::KeyRefused => SecretKeyCheck::Refused,
                    BackendKeysError::Unreachable => SecretKeyCheck::Unknown,
                })
        });
        match answer.await {
            Ok(Ok(keys)) => match self.authenticator.shares_keys(&keys).await {
                Ok(true) => SecretKeyCheck::Fits,
                Ok(false) => SecretKeyCheck::OtherInstance,
                Err(_unavailable) => SecretKeyCheck::Unknown,
            },
            Ok(Err(check)) => check,
            Err(FlightLost) => SecretKeyCheck::Unknown,
        }
    }
}

fn backend(
    frontend: &FrontendUrl,
    api_url: Option<Url>,
    key: SecretKey,
) -> Result<Backend, ConnectError> {
    let url = match api_url {
        Some(url) => url,
        None => Url::parse(frontend.default_api_url()).map_err(|_| ConnectError::ApiUrl)?,
    };
    match Outgoing::to(url) {
        Ok(outgoing) => Ok(Backend::at(outgoing, key)),
        Err(OutgoingError::Address) => Err(ConnectError::ApiUrl),
        Err(error) => Err(ConnectError::Client(error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clerk::stub::Reply;
    use crate::clerk::stub::Stub;
    use crate::identity::AuthError;
    use crate::identity::Facts;
    use crate::identity::doubles;
    use crate::identity::doubles::TestKey;
    use crate::identity::doubles::block_on;

    #[test]
    fn a_token_of_the_instance_is_accepted_and_its_organization_looked_up() {
        let instance = instance(TestKey::shared());
        let (clerk, _io) = connected(&instance, Some(&instance));
        let claims = json!({
            "iss": clerk_issuer(&instance), "sub": "user_ada", "aud": doubles::RESOURCE,
            "exp": doubles::NOW + 60, "org_id": "org_1",
        });
        let caller = block_on(
            clerk
                .authenticator
                .authenticate(&doubles::oauth_token(&claims)),
        )
        .unwrap();
        let org = block_on(clerk.organizations.of(&caller, Facts::Current))
            .unwrap()
            .unwrap();
        assert_eq!(org.role(), Some("org:admin"));
        let trusted = block_on(clerk.organizations.of(&caller, Facts::TokenOnly))
            .unwrap()
            .unwrap();
        assert_eq!((trusted.id(), trusted.role()), ("org_1", None));
    }

    #[test]
    fn an_issuer_that_is_down_is_unavailable_and_no_refusal() {
        let down = Stub::answering(|_| Reply::http(503, "", ""));
        let (clerk, _io) = connected(&down, None);
        let token = doubles::oauth_token(&doubles::oauth_claims());
        let error = block_on(clerk.authenticator.authenticate(&token)).unwrap_err();
        assert!(matches!(error, AuthError::Unavailable(_)), "{error:?}");
        assert!(!clerk.organizations.looks_up());
    }

    #[test]
    fn the_secret_key_is_known_to_fit_or_not_to() {
        let own = instance(TestKey::shared());
        let check = |api: Option<&Stub>| {
            let (clerk, _io) = connected(&own, api);
            block_on(clerk.check_secret_key())
        };
        assert_eq!(check(None), SecretKeyCheck::Fits);
        assert_eq!(check(Some(&own)), SecretKeyCheck::Fits);
        assert_eq!(
            check(Some(&instance(TestKey::other()))),
            SecretKeyCheck::OtherInstance
        );
        let refusing = Stub::answering(|_| Reply::http(401, "", "{}"));
        assert_eq!(check(Some(&refusing)), SecretKeyCheck::Refused);
        let down = Stub::answering(|_| Reply::http(500, "", "{}"));
        assert_eq!(check(Some(&down)), SecretKeyCheck::Unknown);
    }

    #[test]
    fn settings_that_are_wrong_are_refused_by_name() {
        let own = instance(TestKey::shared());
        let refused = |change: fn(&mut ClerkConfig)| {
            let mut config = config(&own, Some(&own));
            change(&mut config);
            let io = IoRuntime::start().unwrap();
            Clerk::connect(config, doubles::clock(), &io)
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        let api_url = refused(|config| config.api_url = Url::parse("http://api.clerk.com").ok());
        assert!(api_url.contains("CLERK_API_URL"), "{api_url}");
        let jwt_key = refused(|config| config.jwt_key = Some("x".to_owned()));
        assert!(jwt_key.contains("CLERK_JWT_KEY"), "{jwt_key}");
        let issuer = refused(|config| config.policy.issuer.push('/'));
        assert!(issuer.contains("issuer"), "{issuer}");
    }

    #[test]
    fn with_a_public_key_in_the_settings_nothing_is_fetched() {
        let own = instance(TestKey::shared());
        let mut config = config(&own, None);
        config.jwt_key = Some(TestKey::shared().public_pem());
        let io = IoRuntime::start().unwrap();
        let clerk = Clerk::connect(config, doubles::clock(), &io).unwrap();
        let mut claims = doubles::oauth_claims();
        claims["iss"] = json!(clerk_issuer(&own));
        block_on(clerk.authenticator.prepare()).unwrap();
        block_on(
            clerk
                .authenticator
                .authenticate(&doubles::oauth_token(&claims)),
        )
        .unwrap();
        assert!(own.heads().is_empty(), "{:?}", own.heads());
    }

    /// Frontend and Backend API of an instance with this key.
    fn instance(key: &'static TestKey) -> Stub {
        Stub::answering(move |head| {
            if head.contains("/memberships?") {
                return Reply::json(&json!({"data": [{
                    "organization": {"id": "org_1"}, "role": "org:admin", "permissions": [],
                }]}));
            }
            Reply::json(&json!({"keys": [key.jwk("ins_1")]}))
        })
    }

    fn config(frontend: &Stub, api: Option<&Stub>) -> ClerkConfig {
        let frontend = FrontendUrl::parse(frontend.url().as_str()).unwrap();
        let policy = Policy::new(
            frontend.issuer().to_owned(),
            vec![doubles::RESOURCE.to_owned()],
        );
        let secret_key = api.map(|_| SecretKey::parse("sk_test_secret").unwrap());
        ClerkConfig {
            frontend,
            secret_key,
            api_url: api.map(Stub::url),
            jwt_key: None,
            policy,
        }
    }

    fn connected(frontend: &Stub, api: Option<&Stub>) -> (Clerk, IoRuntime) {
        let io = IoRuntime::start().unwrap();
        let clerk = Clerk::connect(config(frontend, api), doubles::clock(), &io).unwrap();
        (clerk, io)
    }

    fn clerk_issuer(stub: &Stub) -> String {
        FrontendUrl::parse(stub.url().as_str())
            .unwrap()
            .issuer()
            .to_owned()
    }
}
