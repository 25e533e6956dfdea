//! Builds a server from its resolved configuration.

#[cfg(feature = "metrics")]
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;

use crate::audit::Audit;
use crate::clerk::Metadata;
use crate::guard::Explanation;
use crate::http::{Canonical, ConnectionLimits, Gate, ResourceInfo, Site, SiteConfig};
use crate::identity::{
    Authenticator, Clock, IoRuntime, Organizations, RevocationFile, Revocations, TokenPolicy,
};
use crate::limits::Networks;
use crate::metrics::Metrics;
use crate::primitive::{Notifier, Registry, Threads};
use crate::protocol::{
    Calls, Confirmations, Endpoint, EndpointConfig, RunningTasks, Sealer, ServerInfo, Streams,
    Transport,
};
use crate::tools::ServedTools;

use super::builder::{
    AuditSettings, Load, LocalClerkChoice, Monitoring, ServerBuilder, StateKeys, tokens,
};
use super::check::{connect, probe};
use super::codes;
use super::environment::Environment;
use super::error::chain;
use super::finding::{Finding, Findings};
use super::matrix::{AccessMatrix, SampleCaller};
#[cfg(feature = "metrics")]
use super::monitor::{self, Monitor};
use super::observe::observe;
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

    /// Explains why a sample caller may or may not use a tool, a prompt or a resource. `name` is its name; of a resource, the
    /// URI or the template. `None` if the server has nothing of this name. See [`AccessMatrix::explain`].
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
    /// nothing of this name.
    ///
    /// If the token is not accepted, the explanation is about a caller without a token, and says why.
    ///
    /// # Security
    ///
    /// The explanation shows the data of the caller. Show it to the caller and to operators only.
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

/// The parts that a site needs to identify its callers.
pub(super) struct Identity {
    pub(super) authenticator: Authenticator,
    pub(super) organizations: Organizations,
    /// The metadata documents of the issuer. The site publishes copies of them.
    pub(super) documents: Vec<Metadata>,
    /// The local Clerk, if the server runs one.
    pub(super) local: Option<LocalClerk>,
}

/// The facts about the server's local Clerk for the start report.
#[derive(Debug)]
pub(super) struct LocalClerk {
    /// All people, with one entry for each membership. People without an organization come last.
    pub(super) seats: Vec<Seat>,
    /// The explanation of the people's permissions, if the permissions follow from the tools.
    pub(super) note: Option<&'static str>,
    pub(super) state_file: Option<PathBuf>,
}

/// A person of a local Clerk, with one of their organizations or without an organization.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) user: String,
    pub(super) organization: Option<String>,
    /// The role's key, `org:admin`.
    pub(super) role: Option<String>,
    pub(super) permissions: Vec<String>,
}

/// The validated parts of a server.
pub(super) struct Parts {
    pub(super) builder: ServerBuilder,
    pub(super) local_clerk: LocalClerkChoice,
    pub(super) canonical: Canonical,
    pub(super) gate: Gate,
    pub(super) load: Load,
    pub(super) monitoring: Monitoring,
    pub(super) proxies: Networks,
    pub(super) registry: Registry,
    pub(super) state_keys: StateKeys,
    pub(super) revocation_file: Option<RevocationFile>,
    pub(super) transport: Transport,
    pub(super) audit: AuditSettings,
    pub(super) policy: TokenPolicy,
    pub(super) identity: Identity,
    pub(super) clock: Arc<dyn Clock>,
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
            super::emulator::describe(emulator, &resolved.builder.local_clerk.people)
        }),
        #[cfg(not(feature = "emulator"))]
        local: None,
    };
    let canonical = resolved.settings.canonical?;
    let connections = resolved.settings.connections?;
    let revocations = resolved.policy.revocations.clone();
    #[cfg_attr(
        not(feature = "metrics"),
        expect(unused_mut, reason = "only metrics add a line")
    )]
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
    observe(metrics, &site);
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

/// Assembles a site from its parts. Tests call this function with their own keys and their own
/// clock.
pub(super) fn assemble(parts: Parts) -> Result<(Site, Report), Finding> {
    let Parts {
        builder,
        local_clerk,
        canonical,
        gate,
        load,
        monitoring,
        proxies,
        registry,
        state_keys,
        revocation_file,
        transport,
        audit,
        policy,
        identity,
        clock,
    } = parts;
    if let Some(file) = revocation_file {
        file.watch(&policy.revocations).map_err(|error| {
            let what = format!("the revocation file cannot be watched: {}", chain(&error));
            Finding::new(&codes::REVOCATIONS_INVALID, what)
        })?;
    }
    let threads = Threads::new(load.threads).map_err(|error| {
        let what = format!("the threads of tools cannot be started: {}", chain(&error));
        Finding::new(&codes::THREADS_FAILED, what)
    })?;
    let sources = builder.organizations;
    let looks_up = identity.organizations.looks_up();
    let scopes = builder.scopes.advertised(&policy.scopes, &registry);
    let local = identity.local.as_ref();
    let report = Report::new(
        &builder,
        &local_clerk,
        &canonical,
        &policy,
        looks_up,
        &registry,
        &load,
        local,
    )
    .with_proxies(&proxies, !canonical.is_loopback())
    .with_state_keys(&state_keys, &registry);
    let shows_page = is_development(cfg!(debug_assertions), local_clerk.runs, &canonical);
    let overview = shows_page.then(|| report.overview(&builder, &registry, local));
    let info = ServerInfo {
        name: builder.name,
        version: builder.version,
        title: builder.title.clone(),
        instructions: builder.instructions,
    };
    let url = canonical.as_str().to_owned();
    let sealer = Sealer::new(state_keys.0.as_deref(), url, Arc::clone(&clock));
    let audit = builder.audit.start(audit, &state_keys, &clock)?;
    let confirmations = match builder.state_keys.store {
        Some(store) => Confirmations::of(store),
        None => Confirmations::in_memory(Arc::clone(&clock)),
    };
    let authenticator = Arc::new(identity.authenticator);
    let tasks = builder.tasks.tasks(&clock);
    if let Some(tools) = builder.states.get::<ServedTools>() {
        tools.set(&registry, &builder.scopes.required);
    }
    let endpoint = Endpoint::new(EndpointConfig {
        info,
        registry,
        states: Arc::new(builder.states),
        organizations: Arc::new(
            (identity.organizations.with_sources(sources))
                .with_revocations(policy.revocations.clone()),
        ),
        clock: Arc::clone(&clock),
        audit,
        // If `organization_from` adds a source, every organization needs a current membership.
        trust_token_org: builder.scopes.trust_token_org && sources.is_empty(),
        required_scopes: builder.scopes.required,
        anonymous: builder.scopes.anonymous,
        scope_denials_as_results: builder.scopes.denials_as_results,
        organization_step_up: builder.scopes.organization_step_up,
        calls: Arc::new(Calls::new(
            load.calls,
            load.calls_per_user,
            load.anonymous_calls,
        )),
        rates: builder.limits.rates,
        threads: Arc::new(threads),
        timeout: builder.limits.timeout,
        page_size: builder.limits.page_size,
        progress_interval: builder.limits.progress_interval,
        sealer,
        confirmations,
        transport,
        streams: Streams::new(
            load.subscriptions,
            Arc::clone(&authenticator),
            Arc::clone(&clock),
        ),
        tasks: Arc::new(tasks),
        metrics: monitoring.metrics.clone(),
    });
    let site = Site::new(SiteConfig {
        endpoint: Arc::new(endpoint),
        authenticator,
        copies: if builder.serving.legacy_discovery {
            identity.documents
        } else {
            Vec::new()
        },
        resource: ResourceInfo {
            issuer: policy.issuer.to_string(),
            scopes,
            name: builder.serving.resource_name.or(builder.title),
            documentation: builder.serving.resource_documentation,
        },
        overview,
        canonical,
        gate,
        clock,
        path: builder.serving.path,
        body_limit: builder.limits.body_limit,
        body_bytes: load.bytes,
        body_deadline: builder.limits.body_deadline,
        failures_per_minute: builder.limits.failures_per_minute,
        proxies,
        answers_probes: monitoring.probes,
        metrics: monitoring.metrics,
    });
    Ok((site, report))
}

/// Reports whether a browser may see the access matrix. A loopback URL alone is not enough, because
/// a misconfigured proxy may forward other people's requests with that URL as the host.
fn is_development(debug_build: bool, emulator: bool, canonical: &Canonical) -> bool {
    canonical.is_loopback() && (debug_build || emulator)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_is_loopback_and_a_debug_build_or_a_local_clerk() {
        let at = |url: &str| Canonical::parse(url, "/mcp").unwrap();
        let (near, far) = (at("http://127.0.0.1:3000"), at("https://mcp.example.com"));
        for (debug_build, emulator, expected) in [
            (true, false, true),
            (false, true, true),
            (false, false, false),
        ] {
            assert_eq!(is_development(debug_build, emulator, &near), expected);
            assert!(!is_development(debug_build, emulator, &far));
        }
    }
}
