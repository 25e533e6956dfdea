//! Building a server for a test: everything is real but Clerk and the clock.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clerk_emulator::{Directory, Instance, Membership};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::clerk::{self, CONVENTIONS, ClerkClaims};
use crate::http::{Site, origin};
use crate::identity::{
    Authenticator, AuthenticatorConfig, Clock, ConfirmationSource, Keys, LookupError,
    MembershipPage, Memberships, Org, Organizations, Parties, People, Profile, TokenKind,
    TokenStatus, TokenText, User, UserInfo, UserInfoSource, UserSource,
};
use crate::testing::TestClock;

use super::builder::{ServerBuilder, trusted_proxies};
use super::environment::Environment;
use super::error::{Error, Result, StartError};
use super::matrix::AccessMatrix;
use super::settings::{HasKeys, canonical, gate, policy};
use super::start::{Identity, assemble, tools};

impl ServerBuilder {
    /// Lets the server go by this clock instead of the system's; for tests.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # actix_web::rt::System::new().block_on(async {
    /// # use serde_json::json;
    /// use std::time::Duration;
    ///
    /// use mcp_auth::testing::{TestClock, TestServer};
    ///
    /// let clock = TestClock::new();
    /// let server = mcp_auth::server!().clock(&clock);
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.bearer(server.user("ada").expires_in(60).token().unwrap());
    /// ada.call("greet", json!({})).await.expect_ok();
    /// clock.advance(Duration::from_secs(65));
    /// ada.call("greet", json!({})).await.expect_unauthorized();
    /// # });
    /// ```
    pub fn clock(mut self, clock: &TestClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// The people of a local Clerk as the builder describes them; nobody if it describes none.
    pub(crate) fn test_people(&self) -> Result<Directory> {
        #[cfg(feature = "emulator")]
        if let Some(directory) = self.emulator_people.described().map_err(Error::start)? {
            return Ok(directory);
        }
        Ok(Directory::empty())
    }

    /// Lets the server resolve the host of an http URL by this function instead of the system's; for tests
    /// of [`dangerous_http_url`](Self::dangerous_http_url). A [`TestServer`](crate::testing::TestServer)
    /// resolves nothing.
    ///
    /// ```
    /// # /// Greet.
    /// # #[mcp_auth::mcp_tool]
    /// # async fn greet() -> String { "Hello".to_owned() }
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = mcp_auth::server!()
    ///     .frontend_api_url("http://127.0.0.1:1")
    ///     .url("http://mcp:3000")
    ///     .dangerous_http_url()
    ///     .resolver(|_| Ok(vec!["8.8.8.8".parse().unwrap()]));
    /// # let server = server.tools_of(module_path!());
    /// let error = server.build().await.unwrap_err().to_string();
    /// assert!(error.contains("the address 8.8.8.8, which is not private"), "{error}");
    /// # });
    /// ```
    pub fn resolver(mut self, resolve: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        self.resolve = resolve;
        self
    }

    pub(crate) fn take_clock(&mut self) -> Option<TestClock> {
        self.clock.take()
    }

    /// The machine that the server is; one made up if its settings do not name it.
    pub(crate) fn test_machine_id(&self) -> String {
        let id = self.machine_id.as_deref();
        id.unwrap_or("mch_server_under_test").to_owned()
    }

    /// An origin whose session tokens the server accepts; `None` if it accepts none, or of any.
    pub(crate) fn test_party(&self) -> Option<String> {
        match &self.sessions.as_ref()?.0 {
            Parties::Any => None,
            Parties::Listed(origins) => origin(origins.first()?).ok(),
        }
    }

    /// Builds a site that trusts the keys of `instance` and asks it for the rest, unless it is `away`.
    pub(crate) fn build_for_test(
        self,
        instance: &Instance,
        clock: &TestClock,
        away: &Arc<AtomicBool>,
        io: Handle,
    ) -> Result<(Site, AccessMatrix)> {
        self.try_build_for_test(instance, clock, away, io)
            .map_err(Error::start)
    }

    fn try_build_for_test(
        mut self,
        instance: &Instance,
        clock: &TestClock,
        away: &Arc<AtomicBool>,
        io: Handle,
    ) -> Result<(Site, AccessMatrix), StartError> {
        let env = Environment::of(&|_| None);
        let canonical = canonical(&self, &env)?;
        let gate = gate(&self, &env, &canonical)?;
        // Outside a test the environment may name it.
        if self.machine_secret_key.is_none() {
            self.machine_id = Some(self.test_machine_id());
        }
        // The test's own instance answers whatever it is asked.
        let keys = HasKeys {
            secret: true,
            machine: self.machine_secret_key.is_some(),
        };
        let mut policy = policy(&self, &env, &canonical, instance.issuer(), keys)?;
        // The test's own instance signs its tokens, whatever URL the server is tested for.
        policy.trust_emulator(true);
        let registry = tools(&self)?;
        let clock = Arc::clone(&clock.0) as Arc<dyn Clock>;
        let clerk = Arc::new(InProcess {
            instance: instance.clone(),
            clock: Arc::clone(&clock),
            away: Arc::clone(away),
        });
        let people = Arc::new(People::new(
            Some(Arc::clone(&clerk) as _),
            Some(Arc::clone(&clerk) as _),
            Arc::clone(&clock),
            io.clone(),
        ));
        let keys = Keys::from_pem(&instance.public_key_pem()).map_err(StartError::TestKey)?;
        let authenticator = Authenticator::new(AuthenticatorConfig {
            policy: policy.clone(),
            keys,
            decode: Arc::new(ClerkClaims),
            clock: Arc::clone(&clock),
            // A test is not to be slowed down by its own calls.
            confirm: Some((Arc::clone(&clerk) as _, None, io.clone())),
            people: Some(Arc::clone(&people)),
        });
        let memberships: Arc<dyn Memberships> = clerk;
        let time = Arc::clone(&clock);
        let organizations = Organizations::new(Some(memberships), &CONVENTIONS, time, io);
        let identity = Identity {
            authenticator,
            organizations: organizations.with_people(people),
            proxies: trusted_proxies(&self, &env)?,
            documents: Vec::new(),
            local: None,
        };
        let (site, report) = assemble(self, canonical, gate, &policy, registry, identity, clock)?;
        Ok((site, report.matrix))
    }
}

/// An instance that lives in this process, asked without a network.
#[derive(Debug)]
struct InProcess {
    instance: Instance,
    clock: Arc<dyn Clock>,
    away: Arc<AtomicBool>,
}

impl InProcess {
    /// The answer, unless the instance is away.
    fn answer<T: Send + 'static>(
        &self,
        answer: Result<T, LookupError>,
    ) -> BoxFuture<'static, Result<T, LookupError>> {
        let answer = match self.away.load(Ordering::Relaxed) {
            true => Err(LookupError::Failed),
            false => answer,
        };
        async move { answer }.boxed()
    }

    fn unix_seconds(&self) -> u64 {
        self.clock.unix_ms() / 1_000
    }
}

impl Memberships for InProcess {
    fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>> {
        let org = self
            .instance
            .membership(organization_id, user_id)
            .map(organization);
        self.answer(Ok(org))
    }

    fn memberships(
        &self,
        user_id: &str,
        offset: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>> {
        let directory = self.instance.directory();
        let all = directory.memberships_of(user_id).map(organization);
        let all: Vec<_> = all.collect();
        let total = all.len() as u64;
        let orgs = all.into_iter().skip(offset).collect();
        self.answer(Ok(MembershipPage { orgs, total }))
    }
}

fn organization(membership: Membership) -> Org {
    Org::new(
        membership.id,
        Some(membership.slug),
        Some(membership.role),
        Some(membership.permissions),
    )
}

impl ConfirmationSource for InProcess {
    fn confirms(&self, _: TokenKind) -> bool {
        true
    }

    fn confirm(
        &self,
        kind: TokenKind,
        token: TokenText,
    ) -> BoxFuture<'static, Result<TokenStatus, LookupError>> {
        let (token, now) = (token.expose(), self.unix_seconds());
        let said = match kind {
            TokenKind::ApiKey => self.instance.verify_api_key(token, now),
            TokenKind::M2m => self.instance.verify_m2m_token(token, now),
            TokenKind::OAuth => self.instance.verify_oauth_token(token, now),
            TokenKind::Session => None,
        };
        self.answer(clerk::token_status(kind, said))
    }
}

impl UserSource for InProcess {
    fn user(&self, user_id: &str) -> BoxFuture<'static, Result<Option<User>, LookupError>> {
        let directory = self.instance.directory();
        let user = directory.user(user_id).map(|user| User {
            profile: Profile {
                email: user.email.clone(),
                email_verified: user.email.as_ref().map(|_| user.email_verified),
                name: Some(user.name.clone()),
                username: Some(user.username.clone()),
                picture: user.image_url.clone(),
            },
            banned: user.banned,
            locked: user.locked,
        });
        self.answer(Ok(user))
    }
}

impl UserInfoSource for InProcess {
    fn user_info(&self, token: TokenText) -> BoxFuture<'static, Result<UserInfo, LookupError>> {
        let told = self.instance.userinfo(token.expose(), self.unix_seconds());
        let told = match told {
            Some(Value::Object(claims)) => Ok(clerk::user_info(&claims)),
            Some(_) | None => Err(LookupError::Declined),
        };
        self.answer(told)
    }
}
