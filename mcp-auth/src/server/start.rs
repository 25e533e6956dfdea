//! Builds a server from its resolved configuration.

#[cfg(feature = "metrics")]
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;

use crate::audit::Audit;
use crate::guard::Explanation;
#[cfg(feature = "tls")]
use crate::http::Certificates;
use crate::http::{ConnectionLimits, Site};
use crate::identity::{IoRuntime, Revocations};
use crate::metrics::Metrics;
#[cfg(feature = "otel")]
use crate::otel;
use crate::primitive::Notifier;
use crate::protocol::{RunningTasks, Transport};

use super::assemble::{Identity, Parts, assemble};
#[cfg(feature = "tls")]
use super::builder::Tls;
use super::builder::{Monitoring, ServerBuilder, tokens};
use super::check::{connect, probe};
#[cfg(any(feature = "metrics", feature = "tls"))]
use super::codes;
use super::environment::Environment;
#[cfg(any(feature = "metrics", feature = "tls"))]
use super::error::chain;
use super::finding::{Finding, Findings};
use super::matrix::{AccessMatrix, SampleCaller};
#[cfg(feature = "metrics")]
use super::monitor::{self, Monitor};
use super::observe::{observe, observe_certificates};
use super::report::Report;
use super::resolve::{Purpose, policy, resolve, tools};
use super::runtime::{clock, io_thread};

/// A server whose configuration has been checked, ready to be mounted into an application.
///
/// [`ServerBuilder::build`] makes a server. Cloning a server is cheap, so every worker can have a clone.
///
/// ```no_run
/// use actix_web::{App, HttpServer};
///
/// # #[actix_web::main]
/// # async fn main() -> mcp_auth::Result<()> {
/// let server = mcp_auth::server!().build().await?;
/// HttpServer::new(move || {
///     App::new().configure(server.well_known()).configure(server.routes())
/// })
/// // Without this setting, a call continues after its client closes the connection.
/// .h1_allow_half_closed(false)
/// .bind(("127.0.0.1", 3000))?
/// .run()
/// .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    site: Arc<Site>,
    revocations: Revocations,
    pub(super) connections: Arc<ConnectionLimits>,
    pub(super) report: Arc<Report>,
    /// How long the server accepts connections after it was told to stop.
    pub(super) drain: Duration,
    /// The server of metrics, if there is one.
    #[cfg(feature = "metrics")]
    pub(super) monitor: Option<Arc<Monitor>>,
    /// All calls to Clerk run on this runtime, which lives as long as the server.
    _io: Arc<IoRuntime>,
    #[cfg(feature = "emulator")]
    _emulator: Option<Arc<clerk_emulator::Emulator>>,
}

impl Server {
    /// Returns the running MCP tasks, which end when the server stops.
    pub(super) fn tasks(&self) -> Arc<RunningTasks> {
        self.site.tasks()
    }

    /// The audit log, which is closed when the server stops.
    pub(super) fn audit(&self) -> Option<Arc<Audit>> {
        self.site.endpoint.audit_log().map(Arc::clone)
    }

    /// Registers the MCP endpoint, at the configured path: POST, OPTIONS for browsers, and GET and DELETE with
    /// [`legacy_sessions`](ServerBuilder::legacy_sessions).
    ///
    /// In a scope of actix-web, the endpoint's path is below the path of the scope. In that case,
    /// set the public URL with the path of the scope by [`ServerBuilder::url`].
    ///
    /// # Security
    ///
    /// A mounted server does not know the address that its application binds. The server assumes the address of `HOST`
    /// and the public URL. If both are on loopback, which is the default, the server accepts tokens without an audience
    /// and trusts the keys of a local Clerk. If your application binds another address, such as `0.0.0.0`, set `HOST`
    /// to this address or set the public URL. The server then requires an audience, and does not start with a local
    /// Clerk.
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let site = Arc::clone(&self.site);
        move |services| site.routes(services)
    }

    /// Registers the discovery documents: the metadata of this resource (RFC 9728 §3.1), and copies
    /// of the authorization server's metadata at `/.well-known/oauth-authorization-server` (RFC
    /// 8414) and `/.well-known/openid-configuration`. With
    /// [`without_legacy_discovery`](ServerBuilder::without_legacy_discovery) there are no copies.
    ///
    /// Mount these documents at the root of the origin, even if the endpoint is mounted in a scope,
    /// because clients look for the documents at the root.
    pub fn well_known(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let site = Arc::clone(&self.site);
        move |services| site.well_known(services)
    }

    /// Registers the probes `/healthz` and `/readyz`, which answer any `Host` without a token.
    ///
    /// ```no_run
    /// use actix_web::App;
    ///
    /// # async fn example() -> mcp_auth::Result<()> {
    /// let server = mcp_auth::server!().build().await?;
    /// let application = App::new().configure(server.probes()).configure(server.routes());
    /// # let _ = application;
    /// # Ok(())
    /// # }
    /// ```
    pub fn probes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let site = Arc::clone(&self.site);
        move |services| site.probes(services)
    }

    /// Returns the address of the metrics. `None` if the server has no metrics. If the configured port is 0, the address
    /// has the port that the system chose.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.monitor.as_ref().map(|monitor| monitor.address)
    }

    /// Returns the notifier, with which the application notifies clients that a resource or a list changed.
    ///
    /// ```no_run
    /// # async fn publish() -> mcp_auth::Result<()> {
    /// let server = mcp_auth::server!().build().await?;
    /// server.notifier().resource_updated("docs://handbook");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.site.endpoint.notifier().clone()
    }

    /// Returns the handle with which the application revokes access while the server runs.
    ///
    /// ```no_run
    /// # async fn dismiss() -> mcp_auth::Result<()> {
    /// use mcp_auth::Revocation;
    ///
    /// let server = mcp_auth::server!().build().await?;
    /// server.revocations().revoke(Revocation::subject("user_2abc"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        self.revocations.clone()
    }

    /// The site, for a server that runs without an actix-web application.
    pub(crate) fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site)
    }

    /// Explains why a sample caller may or may not use a tool, a prompt or a resource. `name` is the name of the tool or the
    /// prompt, or the URI or the template of the resource. `None` if the server has nothing with this name. See
    /// [`AccessMatrix::explain`].
    ///
    /// ```no_run
    /// use mcp_auth::SampleCaller;
    ///
    /// # async fn print() -> mcp_auth::Result<()> {
    /// let server = mcp_auth::server!().build().await?;
    /// let editor = SampleCaller::new("editor").role("org:editor");
    /// if let Some(explanation) = server.explain(&editor, "delete_document") {
    ///     println!("{explanation}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn explain(&self, caller: &SampleCaller, name: &str) -> Option<Explanation> {
        self.report.matrix.explain(caller, name)
    }

    /// Explains why the caller with this token may or may not use a tool, a prompt or a resource now. The server verifies the
    /// token and looks up the membership, as for a request to the endpoint's URL without a query. `None` if the server has
    /// nothing with this name.
    ///
    /// If the server does not accept the token, the explanation is about a caller without a token, and says why the token was
    /// refused.
    ///
    /// # Security
    ///
    /// The explanation shows the data of the caller. Show the explanation only to the caller and to operators.
    pub async fn explain_token(&self, token: &str, name: &str) -> Option<Explanation> {
        self.site.explain(Some(token), None, name).await
    }

    /// Returns the access matrix, which shows which callers may call which tools.
    ///
    /// ```no_run
    /// # async fn print() -> mcp_auth::Result<()> {
    /// let server = mcp_auth::server!().build().await?;
    /// println!("{}", server.matrix().role("org:admin", &["org:documents:delete"]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn matrix(&self) -> AccessMatrix {
        self.report.matrix.clone()
    }
}

/// Resolves a configuration, queries the Clerk instance, and builds the server.
pub(super) async fn build(
    builder: ServerBuilder,
    env: Environment<'_>,
    purpose: Purpose,
) -> Result<Server, Finding> {
    let mut resolved = resolve(builder, &env, purpose).await;
    resolved.findings.check()?;
    let settings = resolved.clerk.clone()?;
    let clock = clock(&mut resolved.builder);
    let io = Arc::new(io_thread()?);
    let monitoring = match purpose {
        Purpose::Check | Purpose::Listen | Purpose::Mount => resolved.settings.monitoring.clone(),
        // Clients may start several such servers at once, which could not share an address.
        Purpose::Stdio => Monitoring::default(),
    };
    let metrics = &monitoring.metrics;
    #[cfg(feature = "metrics")]
    let listener = monitoring.address.as_ref().map(monitor::bind).transpose()?;
    let policy = &resolved.policy;
    let clerk = connect(&settings, &resolved.builder, policy, &clock, &io, metrics)?;
    probe(&mut resolved, &settings, &clerk, &clock, false).await;
    resolved.findings.check()?;
    resolved.findings.log(&resolved.accepted);
    let identity = Identity {
        authenticator: clerk.authenticator,
        organizations: clerk.organizations,
        documents: vec![clerk.metadata, clerk.openid],
        #[cfg(feature = "emulator")]
        local: settings.emulator.as_deref().map(|emulator| {
            let people = &resolved.builder.local_clerk.people;
            super::emulator::describe(emulator, people, &resolved.policy, &clock)
        }),
        #[cfg(not(feature = "emulator"))]
        local: None,
    };
    let canonical = resolved.settings.canonical?;
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_mut, reason = "only TLS adds a certificate")
    )]
    let mut connections = resolved.settings.connections?;
    #[cfg(feature = "tls")]
    let tls = (resolved.settings.tls?).filter(|_| purpose != Purpose::Stdio);
    let revocations = resolved.policy.revocations.clone();
    let audit_file = resolved.settings.audit.file().map(Path::to_owned);
    let (site, mut report) = assemble(Parts {
        gate: resolved.settings.allowed.gate(&canonical),
        canonical,
        builder: resolved.builder,
        local_clerk: resolved.local_clerk,
        load: resolved.settings.load,
        monitoring: monitoring.clone(),
        proxies: resolved.settings.proxies,
        registry: resolved.settings.registry?,
        state_keys: resolved.settings.state_keys?,
        revocation_file: resolved.settings.revocation_file?,
        transport: match purpose {
            Purpose::Check | Purpose::Listen | Purpose::Mount => Transport::Http {
                legacy_sessions: resolved.settings.legacy_sessions,
            },
            Purpose::Stdio => Transport::Stdio,
        },
        audit: resolved.settings.audit,
        policy: resolved.policy,
        identity,
        clock,
    })?;
    let site = Arc::new(site);
    if let Some(file) = audit_file {
        report.audits_to(&file);
    }
    observe(metrics, &site);
    #[cfg(feature = "tls")]
    if let Some(tls) = tls {
        report.has_tls(&tls);
        connections.certificates = Some(secure(tls)?);
    }
    observe_certificates(
        metrics,
        #[cfg(feature = "tls")]
        connections.certificates.as_ref(),
    );
    #[cfg(feature = "metrics")]
    let monitor = match listener {
        Some(listener) => {
            let monitor = Monitor::serve(listener, Arc::clone(&site)).map_err(|error| {
                let what = format!("metrics cannot be served: {}", chain(&error));
                Finding::new(&codes::METRICS_LISTEN_FAILED, what)
            })?;
            report.exposes_metrics_at(monitor.address);
            Some(Arc::new(monitor))
        }
        None => None,
    };
    #[cfg(feature = "otel")]
    if let Some(export) = otel::started()
        && purpose != Purpose::Stdio
    {
        report.exports_spans_to(export.collector());
    }
    Ok(Server {
        site,
        revocations,
        connections: Arc::new(connections),
        report: Arc::new(report),
        drain: monitoring.drain,
        #[cfg(feature = "metrics")]
        monitor,
        _io: io,
        #[cfg(feature = "emulator")]
        _emulator: settings.emulator,
    })
}

/// Watches the files of the certificate, and returns the certificate for connections.
#[cfg(feature = "tls")]
fn secure(tls: Tls) -> Result<Arc<Certificates>, Finding> {
    let Tls {
        files,
        certificates,
        path,
    } = tls;
    files.watch(&certificates).map_err(|error| {
        let what = format!("`{path}` cannot be watched: {}", chain(&error));
        Finding::new(&codes::TLS_WATCH_FAILED, what)
    })?;
    Ok(certificates)
}

/// The access matrix for `MCP_AUTH=tools`. Needs neither a Clerk instance nor a network.
pub(super) fn matrix(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<AccessMatrix, Finding> {
    builder.scopes.hierarchy(builder.tokens.api_keys.as_ref())?;
    let registry = tools(builder, &Metrics::default())?;
    // The settings in code decide which kinds of tokens are accepted, even if the keys for them are
    // not set yet.
    let keys = tokens::HeldKeys::of(builder, env, false);
    let policy = policy(builder, env, None, "", keys, &mut Findings::default());
    let matrix = AccessMatrix::new(&registry, &builder.scopes.required, &policy);
    let matrix = matrix.with_organizations(builder.organizations);
    Ok(matrix.for_anonymous(builder.scopes.anonymous))
}
