//! From a configuration to a server that can serve: everything is checked here, once.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web::ServiceConfig;

use crate::clerk::{Clerk, ClerkConfig, Metadata};
use crate::guard::{ORGANIZATION_SCOPE, SchemeSource};
use crate::http::{Canonical, ConnectionLimits, Gate, ResourceInfo, Site, SiteConfig};
use crate::identity::{Authenticator, Clock, IoRuntime, Organizations, Policy, SystemClock};
use crate::limits::Networks;
use crate::protocol::{Calls, Endpoint, EndpointConfig, ServerInfo};
use crate::tool::{Registry, Threads, ToolSettings};

use super::advertised::advertised_scopes;
use super::builder::{ServerBuilder, descriptors, trusted_proxies};
use super::check::{Answers, Found, Known, address, judge, organizations, panics, schemas, settle};
use super::environment::Environment;
use super::error::StartError;
use super::load::Load;
use super::matrix::AccessMatrix;
use super::private_url::{check_addresses, plain_http};
use super::report::Report;
use super::satisfiable::{check_guards, scopeless_sessions};
use super::settings::{
    ClerkSettings, HasKeys, Names, canonical, clerk_settings, gate, policy, policy_mistakes, scopes,
};

/// A server that has been checked and can be mounted.
///
/// Made by [`ServerBuilder::build`]. Cheap to clone; every worker has one.
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
/// // Without this a client that hangs up does not cancel its call.
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
    pub(super) connections: Arc<ConnectionLimits>,
    pub(super) report: Arc<Report>,
    /// Clerk is called from this runtime only, for as long as the server is there.
    _io: Arc<IoRuntime>,
    #[cfg(feature = "emulator")]
    _emulator: Option<Arc<clerk_emulator::Emulator>>,
}

impl Server {
    /// Registers the MCP endpoint, at the configured path: POST, and OPTIONS for browsers.
    ///
    /// In a scope of actix-web the path is that below the scope; the public URL, with the scope, is
    /// [`ServerBuilder::url`].
    ///
    /// # Security
    ///
    /// A mounted server does not know the address that its application binds. The rules for servers that only this
    /// machine reaches go by `HOST` and the public URL: tokens without an audience are accepted, and the keys of a
    /// local Clerk are believed, if `HOST` is a loopback address (as it is by default) and so is the host of the URL.
    /// An application that binds another address, such as `0.0.0.0`, sets `HOST` to that address or gives its public
    /// URL. The start then fails beside a local Clerk, and an audience is required otherwise.
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let site = Arc::clone(&self.site);
        move |services| site.routes(services)
    }

    /// Registers the discovery documents: the resource's metadata (RFC 9728 §3.1), and copies of the
    /// authorization server's, `/.well-known/oauth-authorization-server` (RFC 8414) and
    /// `/.well-known/openid-configuration`, unless
    /// [`without_legacy_discovery`](ServerBuilder::without_legacy_discovery).
    ///
    /// They belong at the root of the origin, whatever scope the endpoint is mounted in: that is
    /// where clients look.
    pub fn well_known(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let site = Arc::clone(&self.site);
        move |services| site.well_known(services)
    }

    /// The site itself, for a server that serves nothing else.
    pub(crate) fn site(&self) -> Arc<Site> {
        Arc::clone(&self.site)
    }

    /// Returns who may call what.
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

/// What a site needs to know its callers.
pub(super) struct Identity {
    pub(super) authenticator: Authenticator,
    pub(super) organizations: Organizations,
    /// The proxies that are believed about the addresses of their clients.
    pub(super) proxies: Networks,
    /// The issuer's documents, of which copies are published.
    pub(super) documents: Vec<Metadata>,
    /// The local Clerk, if the server runs one.
    pub(super) local: Option<LocalClerk>,
}

/// The facts of its local Clerk that a server prints.
#[derive(Debug)]
pub(super) struct LocalClerk {
    /// Everybody, once for each membership; people without an organization come last.
    pub(super) seats: Vec<Seat>,
    /// How the people came by their permissions, if the tools decided that.
    pub(super) note: Option<&'static str>,
    pub(super) state_file: Option<PathBuf>,
}

/// Somebody at a local Clerk, in one of their organizations or in none.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) user: String,
    pub(super) organization: Option<String>,
    /// The role's key, `org:admin`.
    pub(super) role: Option<String>,
    pub(super) permissions: Vec<String>,
}

/// Checks a configuration and builds the server. One that `listens` does so as configured; else it is
/// mounted into an application that may listen anywhere.
pub(super) async fn build(
    mut builder: ServerBuilder,
    env: Environment<'_>,
    listens: bool,
) -> Result<Server, StartError> {
    let names = Names::of(&builder);
    Load::of(&builder)?;
    let proxies = trusted_proxies(&builder, &env)?;
    let connections = builder.connections.limits(proxies.clone(), descriptors())?;
    let canonical = canonical(&builder, &env)?;
    check_addresses(&builder, &canonical).await?;
    let gate = gate(&builder, &env, &canonical)?;
    let registry = tools(&builder)?;
    let settings = clerk_settings(&mut builder, &env, &canonical, &registry).await?;
    let keys = HasKeys::of(&builder, &env);
    let policy = policy(&builder, &env, &canonical, settings.frontend.issuer(), keys)?;
    check_guards(&registry, &builder, settings.secret_key.is_some(), &policy)?;
    let clock = clock(&mut builder);
    let io = Arc::new(IoRuntime::start().map_err(StartError::Io)?);
    let advertised = advertised_scopes(&builder, &policy.scopes, &registry);
    let known = Known {
        policy: &policy,
        required_scopes: &builder.required_scopes,
        advertised: &advertised,
        now_ms: clock.unix_ms(),
        registry: Some(&registry),
        canonical: Some(&canonical),
        names,
        named_by: settings.named_by,
        api: settings.api_origin(),
        local: settings.frontend.is_local(),
        development: settings.development,
        has_secret_key: settings.secret_key.is_some(),
        has_jwt_key: settings.jwt_key.is_some(),
    };
    #[cfg(feature = "emulator")]
    let emulator = settings.emulator.clone();
    let clerk = connect(settings, policy.clone(), &clock, &io, names)?;
    // This also fetches the keys, so that the first request need not wait.
    let answers = Answers::ask(&clerk, known.has_jwt_key, false).await;
    let mut found = judge(&answers, &known);
    found.extend(plain_http(&canonical));
    if listens {
        found.extend(address(&builder, &env, &canonical, names));
    }
    found.extend(scopeless_sessions(&policy, &builder.required_scopes));
    found.extend(organizations(
        builder.organization_sources,
        &policy,
        &registry,
    ));
    found.extend(schemas(&registry));
    found.extend(panics());
    found.extend(env.unread().into_iter().map(Found::from));
    settle(found)?;
    let identity = Identity {
        authenticator: clerk.authenticator,
        organizations: clerk.organizations,
        proxies,
        documents: vec![clerk.metadata, clerk.openid],
        #[cfg(feature = "emulator")]
        local: emulator
            .as_deref()
            .map(|emulator| super::emulator::describe(emulator, &builder.emulator_people)),
        #[cfg(not(feature = "emulator"))]
        local: None,
    };
    let (site, report) = assemble(builder, canonical, gate, &policy, registry, identity, clock)?;
    Ok(Server {
        site: Arc::new(site),
        connections: Arc::new(connections),
        report: Arc::new(report),
        _io: io,
        #[cfg(feature = "emulator")]
        _emulator: emulator,
    })
}

/// Makes ready what is asked of the instance.
pub(super) fn connect(
    settings: ClerkSettings,
    policy: Policy,
    clock: &Arc<dyn Clock>,
    io: &IoRuntime,
    names: Names,
) -> Result<Clerk, StartError> {
    #[cfg(feature = "emulator")]
    let is_in_process = settings.emulator.is_some();
    #[cfg(not(feature = "emulator"))]
    let is_in_process = false;
    let config = ClerkConfig {
        is_in_process,
        frontend: settings.frontend,
        secret_key: settings.secret_key,
        machine_key: settings.machine_key,
        api_url: settings.api_url,
        jwt_key: settings.jwt_key,
        policy,
        new_opaque_tokens: settings.new_opaque_tokens,
        membership_look_ups: settings.membership_look_ups,
    };
    Clerk::connect(config, Arc::clone(clock), io).map_err(|error| StartError::connect(error, names))
}

/// Puts a site together from parts that have been checked. Tests come in here, with keys and a
/// clock of their own.
pub(super) fn assemble(
    builder: ServerBuilder,
    canonical: Canonical,
    gate: Gate,
    policy: &Policy,
    registry: Registry,
    identity: Identity,
    clock: Arc<dyn Clock>,
) -> Result<(Site, Report), StartError> {
    let load = Load::of(&builder)?;
    let threads = Threads::new(load.threads).map_err(StartError::Io)?;
    let sources = builder.organization_sources;
    let looks_up = identity.organizations.looks_up();
    let scopes = advertised_scopes(&builder, &policy.scopes, &registry);
    let local = identity.local.as_ref();
    let report = Report::new(
        &builder, &canonical, policy, looks_up, &registry, &load, local,
    )
    .with_proxies(&identity.proxies, !canonical.is_loopback());
    let shows_page = is_development(cfg!(debug_assertions), builder.emulator, &canonical);
    let overview = shows_page.then(|| report.overview(&builder, &registry, local));
    let info = ServerInfo {
        name: builder.name,
        version: builder.version,
        title: builder.title.clone(),
        instructions: builder.instructions,
    };
    let endpoint = Endpoint::new(EndpointConfig {
        info,
        registry,
        states: Arc::new(builder.states),
        organizations: Arc::new(identity.organizations.with_sources(sources)),
        clock: Arc::clone(&clock),
        // With another source, organizations count only as current memberships.
        trust_token_org: builder.trust_token_org && sources.is_empty(),
        required_scopes: builder.required_scopes,
        anonymous: builder.anonymous,
        scope_denials_as_results: builder.scope_denials_as_results,
        organization_step_up: builder.organization_step_up,
        calls: Arc::new(Calls::new(
            load.calls,
            load.calls_per_user,
            load.anonymous_calls,
        )),
        rates: builder.rates,
        threads: Arc::new(threads),
        timeout: builder.timeout,
    });
    let site = Site::new(SiteConfig {
        endpoint,
        authenticator: identity.authenticator,
        copies: if builder.legacy_discovery {
            identity.documents
        } else {
            Vec::new()
        },
        resource: ResourceInfo {
            issuer: policy.issuer.to_string(),
            scopes,
            name: builder.resource_name.or(builder.title),
            documentation: builder.resource_documentation,
        },
        overview,
        canonical,
        gate,
        clock,
        path: builder.path,
        body_limit: builder.body_limit,
        body_bytes: load.bytes,
        body_deadline: builder.body_deadline,
        failures_per_minute: builder.failures_per_minute,
        proxies: identity.proxies,
    });
    Ok((site, report))
}

/// Whether a browser may be told who may call what. A loopback URL alone does not say so: a proxy
/// that was set up half-way brings in requests of others under that name.
fn is_development(debug_build: bool, emulator: bool, canonical: &Canonical) -> bool {
    canonical.is_loopback() && (debug_build || emulator)
}

pub(super) fn clock(builder: &mut ServerBuilder) -> Arc<dyn Clock> {
    #[cfg(feature = "testing")]
    if let Some(clock) = builder.clock.take() {
        return clock.0;
    }
    #[cfg(not(feature = "testing"))]
    let _ = builder;
    Arc::new(SystemClock::new())
}

/// Who may call what, as far as code alone says it: no instance and no network are needed.
pub(super) fn matrix(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<AccessMatrix, StartError> {
    scopes(builder)?;
    let registry = tools(builder)?;
    // Which kinds are accepted the code says, whatever keys are still to be set.
    let keys = HasKeys::of(builder, env);
    let (policy, _) = policy_mistakes(builder, env, None, "", keys);
    let matrix = AccessMatrix::new(&registry, &builder.required_scopes, &policy);
    let matrix = matrix.with_organizations(builder.organization_sources);
    Ok(matrix.for_anonymous(builder.anonymous))
}

/// The served tools.
pub(super) fn tools(builder: &ServerBuilder) -> Result<Registry, StartError> {
    if let Some(state) = builder.duplicate_state {
        return Err(StartError::DuplicateState(state));
    }
    let selected = builder.selection.resolve()?;
    let schemes = || SchemeSource {
        oauth: builder.oauth_tokens,
        required_scopes: builder.required_scopes.clone(),
        organization_scope: builder.organization_sources.is_empty()
            || builder
                .scopes_supported
                .as_ref()
                .is_none_or(|scopes| scopes.iter().any(|scope| scope == ORGANIZATION_SCOPE)),
        // An error in the scopes is reported where the policy is made.
        hierarchy: scopes(builder).unwrap_or_default(),
    };
    let settings = ToolSettings {
        schemes: builder.security_schemes.then(schemes),
        lenient_arguments: builder.lenient_arguments,
        closed_schemas: builder.closed_schemas,
    };
    let registry = Registry::collect(|tool| selected.serves(tool), &builder.states, &settings)?;
    if registry.len() == 0 {
        return Err(builder.selection.nothing());
    }
    let unserved = selected.unserved();
    if !unserved.is_empty() {
        let shown = unserved.get(..MOST_SHOWN).unwrap_or(&unserved).join(", ");
        let tools = match unserved.len().checked_sub(MOST_SHOWN) {
            None | Some(0) => shown,
            Some(more) => format!("{shown} and {more} more"),
        };
        tracing::info!(target: "mcp_auth", %tools, "linked but not served");
    }
    Ok(registry)
}

/// Of the tools that are not served, in the log.
const MOST_SHOWN: usize = 100;

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
