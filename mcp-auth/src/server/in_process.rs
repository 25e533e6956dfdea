//! Builds a server in the process of a test. The server does not listen. The test supplies the clock and the parts that
//! identify callers.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use clerk_emulator::Directory;

use crate::clock::ManualClock;
use crate::http::{Site, origin};
use crate::identity::{Authenticator, Clock, Organizations, Parties, PemError, TokenPolicy};
use crate::protocol::Transport;

use super::assemble::{Identity, Parts, assemble};
use super::builder::tokens::HeldKeys;
use super::builder::{LocalClerkChoice, ServerBuilder};
use super::codes;
use super::environment::Environment;
use super::error::{Error, Result, chain};
use super::finding::{Finding, Findings};
use super::matrix::AccessMatrix;
use super::resolve::{Settings, policy};

impl ServerBuilder {
    /// Sets the function that resolves the host of an http URL, for tests of
    /// [`dangerous_http_url`](Self::dangerous_http_url). By default the system resolves the host. A
    /// [`TestServer`](crate::testing::TestServer) does not resolve hosts.
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
        self.serving.resolve = resolve;
        self
    }

    pub(crate) fn take_clock(&mut self) -> Option<Arc<ManualClock>> {
        self.clock.take()
    }

    /// The people of the local Clerk that the builder describes. The directory is empty if the
    /// builder describes no people.
    pub(crate) fn described_people(&self) -> Result<Directory> {
        #[cfg(feature = "emulator")]
        {
            let described = self.local_clerk.people.described();
            if let Some(directory) = described.map_err(Error::start)? {
                return Ok(directory);
            }
        }
        Ok(Directory::empty())
    }

    /// Returns the machine that represents the server. If no setting names a machine, the machine is made up.
    pub(crate) fn machine_in_process(&self) -> String {
        let id = self.clerk.machine_id.as_deref();
        id.unwrap_or("mch_server_under_test").to_owned()
    }

    /// Returns the first origin in the list of origins whose session tokens the server accepts. `None`
    /// if the server accepts no session tokens, or accepts session tokens of any origin.
    pub(crate) fn accepted_party(&self) -> Option<String> {
        match &self.tokens.sessions.as_ref()?.0 {
            Parties::Any => None,
            Parties::Listed(origins) => origin(origins.first()?).ok(),
        }
    }

    /// Builds a site that accepts tokens of `issuer`. `connect` returns the parts that identify
    /// callers. Does not read the environment.
    pub(crate) fn build_in_process(
        self,
        issuer: &str,
        clock: Arc<dyn Clock>,
        connect: impl FnOnce(&TokenPolicy) -> Result<(Authenticator, Organizations), PemError>,
    ) -> Result<(Site, AccessMatrix)> {
        let parts = self.parts_in_process(issuer, clock, connect);
        let (site, report) = parts.and_then(assemble).map_err(Error::start)?;
        Ok((site, report.matrix))
    }

    fn parts_in_process(
        mut self,
        issuer: &str,
        clock: Arc<dyn Clock>,
        connect: impl FnOnce(&TokenPolicy) -> Result<(Authenticator, Organizations), PemError>,
    ) -> Result<Parts, Finding> {
        let env = Environment::of(&|_| None);
        self.audit.collects = true;
        let has_machine_key = self.clerk.machine_secret_key.is_some();
        // In production the environment may name the machine, but a test does not read the
        // environment.
        if !has_machine_key {
            self.clerk.machine_id = Some(self.machine_in_process());
        }
        let keys = HeldKeys {
            secret: true,
            machine: has_machine_key,
            local_clerk: false,
        };
        let mut findings = Findings::default();
        let settings = Settings::read(&self, &env, &mut findings);
        let canonical = settings.canonical.as_ref().ok();
        let mut policy = policy(&self, &env, canonical, issuer, keys, &mut findings);
        findings.check()?;
        // The test itself is the issuer of the tokens, so the server trusts them with any URL of the server.
        policy.trust_emulator(true);
        let (authenticator, organizations) = connect(&policy).map_err(|error| {
            let what = format!("the key of the test cannot be read: {}", chain(&error));
            Finding::new(&codes::TEST_KEY_INVALID, what)
        })?;
        let canonical = settings.canonical?;
        Ok(Parts {
            gate: settings.allowed.gate(&canonical),
            canonical,
            builder: self,
            local_clerk: LocalClerkChoice::default(),
            load: settings.load,
            monitoring: settings.monitoring,
            proxies: settings.proxies,
            registry: settings.registry?,
            state_keys: settings.state_keys?,
            revocation_file: settings.revocation_file?,
            transport: Transport::Http {
                legacy_sessions: settings.legacy_sessions,
            },
            audit: settings.audit,
            policy,
            identity: Identity {
                authenticator,
                organizations,
                documents: Vec::new(),
                local: None,
            },
            clock,
        })
    }
}
