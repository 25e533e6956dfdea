//! Building a server for a test: everything is real but Clerk and the clock.

use std::sync::Arc;

use clerk_emulator::Instance;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::clerk::ClerkClaims;
use crate::http::Site;
use crate::identity::{Authenticator, Clock, Keys, LookupError, Memberships, Org, Organizations};
use crate::testing::TestClock;

use super::builder::ServerBuilder;
use super::environment::Environment;
use super::error::{Error, Result, StartError};
use super::matrix::Matrix;
use super::settings::{canonical, policy};
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

    pub(crate) fn take_clock(&mut self) -> Option<TestClock> {
        self.clock.take()
    }

    /// Builds a site that trusts the keys of `instance` and asks it for memberships.
    pub(crate) fn build_for_test(
        self,
        instance: &Instance,
        clock: &TestClock,
        io: Handle,
    ) -> Result<(Site, Matrix)> {
        self.try_build_for_test(instance, clock, io)
            .map_err(Error::start)
    }

    fn try_build_for_test(
        self,
        instance: &Instance,
        clock: &TestClock,
        io: Handle,
    ) -> Result<(Site, Matrix), StartError> {
        let env = Environment(&|_| None);
        let canonical = canonical(&self, &env)?;
        let mut policy = policy(&self, &env, &canonical, instance.issuer())?;
        // The test's own instance signs its tokens, whatever URL the server is tested for.
        policy.development = true;
        let registry = tools(&self)?;
        let clock = Arc::clone(&clock.0) as Arc<dyn Clock>;
        let keys = Keys::from_pem(&instance.public_key_pem()).map_err(StartError::TestKey)?;
        let authenticator = Authenticator::new(
            policy.clone(),
            keys,
            Arc::new(ClerkClaims),
            Arc::clone(&clock),
        );
        let memberships = Arc::new(InProcess(instance.clone()));
        let organizations = Organizations::new(Some(memberships), Arc::clone(&clock), io);
        let identity = Identity {
            authenticator,
            organizations,
            metadata: None,
            roles: Vec::new(),
        };
        let (site, report) = assemble(self, &env, canonical, &policy, registry, identity, clock)?;
        Ok((site, report.matrix))
    }
}

/// The memberships of an instance that lives in this process.
#[derive(Debug)]
struct InProcess(Instance);

impl Memberships for InProcess {
    fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>> {
        let org = self
            .0
            .membership(organization_id, user_id)
            .map(|membership| {
                Org::new(
                    membership.id,
                    Some(membership.slug),
                    Some(membership.role),
                    Some(membership.permissions),
                )
            });
        async move { Ok(org) }.boxed()
    }
}
