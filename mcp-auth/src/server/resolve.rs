//! Resolves all settings of a server once, and collects all findings about them.
//!
//! A start fails with the first fatal finding. A check reports all findings. Start and check use
//! the resolved settings, and read no setting a second time.

use crate::guard::{ORGANIZATION_SCOPE, SchemeSource};
use crate::http::{Canonical, ConnectionLimits};
use crate::identity::{RevocationFile, TokenPolicy};
use crate::limits::Networks;
use crate::metrics::Metrics;
use crate::primitive::{Registry, RegistryError, RegistrySettings};

#[cfg(feature = "tls")]
use super::builder::Tls;
use super::builder::{
    Address, Allowed, AuditSettings, ClerkSettings, Load, LocalClerkChoice, Monitoring,
    ServerBuilder, StateKeys, audience, descriptors, tokens,
};
use super::check::{address, organizations, panics, questions, schemas};
use super::codes::{self, Code, Level};
use super::environment::Environment;
use super::finding::{Finding, Findings};
use super::private_url::{check_addresses, plain_http};
use super::satisfiable::{check_guards, scopeless_sessions};
use super::setting::Source;
use super::spans;

/// The reason why a configuration is resolved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To report all findings. The server does not run.
    Check,
    /// To listen on the configured address.
    Listen,
    /// To mount the server into an application, which may listen on another address.
    Mount,
    /// To serve one client over stdin and stdout.
    Stdio,
}

/// The resolved configuration of a server, with all findings about it. A part with a finding could not be resolved. If
/// there is no fatal finding, every result is `Ok`.
pub(super) struct Resolved {
    /// The settings that need no resolving.
    pub(super) builder: ServerBuilder,
    pub(super) settings: Settings,
    pub(super) local_clerk: LocalClerkChoice,
    pub(super) clerk: Result<ClerkSettings, Finding>,
    pub(super) policy: TokenPolicy,
    pub(super) findings: Findings,
    /// The codes that `MCP_AUTH_ACCEPT` accepts.
    pub(super) accepted: Vec<&'static Code>,
}

/// The settings that do not depend on a Clerk instance.
pub(super) struct Settings {
    pub(super) address: Result<Address, Finding>,
    pub(super) canonical: Result<Canonical, Finding>,
    pub(super) allowed: Allowed,
    pub(super) load: Load,
    pub(super) monitoring: Monitoring,
    pub(super) connections: Result<ConnectionLimits, Finding>,
    pub(super) proxies: Networks,
    #[cfg(feature = "tls")]
    pub(super) tls: Result<Option<Tls>, Finding>,
    pub(super) registry: Result<Registry, Finding>,
    pub(super) state_keys: Result<StateKeys, Finding>,
    pub(super) revocation_file: Result<Option<RevocationFile>, Finding>,
    /// True if legacy clients get sessions.
    pub(super) legacy_sessions: bool,
    pub(super) audit: AuditSettings,
    /// The setting that gives the id of this server's machine.
    pub(super) machine_id: Source,
}

impl Settings {
    pub(super) fn read(
        builder: &ServerBuilder,
        env: &Environment<'_>,
        findings: &mut Findings,
    ) -> Self {
        let named = (&*builder.name, &*builder.version);
        let monitoring = builder.monitoring.resolve(env, named, findings);
        let monitoring = findings.note(monitoring).unwrap_or_default();
        let metrics = &monitoring.metrics;
        let address = builder.serving.address(env);
        let canonical = match &address {
            Ok(address) => {
                let has_tls = builder.tls.is_on(env);
                builder.serving.canonical(env, address, has_tls)
            }
            Err(finding) => Err(finding.clone()),
        };
        let canonical = findings.note(canonical);
        let tls = builder.tls.resolve(env, canonical.as_ref().ok(), findings);
        let tls = findings.note(tls);
        #[cfg(not(feature = "tls"))]
        drop(tls);
        let allowed = builder.serving.allowed(env, findings);
        let proxies = findings.note(builder.proxies.resolve(env));
        let proxies = proxies.unwrap_or_default();
        let connections = &builder.connections;
        let connections = connections.limits(proxies.clone(), descriptors(), metrics.clone());
        let connections = findings.note(connections);
        let most = connections.as_ref().ok().map(|one| one.connections);
        let load = builder.limits.resolve(most, findings);
        let registry = findings.note(tools(builder, metrics));
        let state_keys = findings.note(builder.state_keys.resolve(env));
        if let (Ok(keys), Ok(registry)) = (&state_keys, &registry) {
            findings.extend(builder.state_keys.check(keys, registry));
        }
        let revocation_file = builder.revocations.resolve(env, findings);
        let revocation_file = findings.note(revocation_file);
        let legacy_sessions = findings.note(builder.sessions.resolve(env));
        Self {
            address,
            canonical,
            allowed,
            load,
            monitoring,
            connections,
            proxies,
            #[cfg(feature = "tls")]
            tls,
            registry,
            state_keys,
            revocation_file,
            legacy_sessions: legacy_sessions.unwrap_or_default(),
            audit: builder.audit.resolve(env, findings),
            machine_id: builder.clerk.machine_id(env).source,
        }
    }
}

/// Resolves the configuration of `builder` and the environment. Starts the local Clerk if the
/// configuration asks for one.
pub(super) async fn resolve(
    builder: ServerBuilder,
    env: &Environment<'_>,
    purpose: Purpose,
) -> Resolved {
    let mut findings = Findings::default();
    let accepted = accepted(env, &mut findings);
    let settings = Settings::read(&builder, env, &mut findings);
    if let Ok(canonical) = &settings.canonical {
        let checked = check_addresses(&builder, env, canonical).await;
        findings.extend(checked.err());
    }
    let local_clerk = LocalClerkChoice::of(&builder, env);
    let clerk = match local_clerk.runs {
        true => run_local_clerk(&builder, env, &settings, purpose, &mut findings).await,
        false => {
            let missing = local_clerk.instance_missing(&builder);
            builder.clerk.resolve(env, missing, &mut findings)
        }
    };
    let issuer = clerk.as_ref();
    let issuer = issuer.map_or("", |clerk| clerk.frontend.value.issuer());
    let keys = tokens::HeldKeys::of(&builder, env, local_clerk.runs);
    let canonical = settings.canonical.as_ref().ok();
    let policy = policy(&builder, env, canonical, issuer, keys, &mut findings);
    let registry = settings.registry.as_ref().ok();
    if let Some(registry) = registry {
        findings.extend(check_guards(registry, &builder, keys.secret, &policy).err());
    }
    findings.extend(canonical.and_then(plain_http));
    let listens = matches!(purpose, Purpose::Check | Purpose::Listen);
    if let (Ok(address_set), Some(canonical), true) = (&settings.address, canonical, listens) {
        findings.extend(address(&builder, env, address_set, canonical));
    }
    findings.extend(scopeless_sessions(&policy, &builder.scopes.required));
    findings
        .extend(registry.and_then(|tools| organizations(builder.organizations, &policy, tools)));
    findings.extend(registry.into_iter().flat_map(schemas));
    let has_sessions = settings.legacy_sessions || purpose == Purpose::Stdio;
    findings.extend(registry.filter(|_| !has_sessions).and_then(questions));
    findings.extend(panics());
    findings.extend(env.unread());
    if purpose != Purpose::Stdio {
        findings.extend(spans::mistakes(env));
    }
    Resolved {
        builder,
        settings,
        local_clerk,
        clerk,
        policy,
        findings,
        accepted,
    }
}

/// Starts the local Clerk with the tools and the URL of the server.
async fn run_local_clerk(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    settings: &Settings,
    purpose: Purpose,
    findings: &mut Findings,
) -> Result<ClerkSettings, Finding> {
    let registry = settings.registry.as_ref().map_err(Finding::clone)?;
    let canonical = settings.canonical.as_ref().map_err(Finding::clone)?;
    if purpose != Purpose::Check {
        findings.check()?;
    }
    #[cfg(feature = "emulator")]
    let clerk = {
        // A check does not use the state file, because the server may be running and using the
        // file.
        let keeps_state = purpose != Purpose::Check;
        super::emulator::start(builder, env, canonical, registry, keeps_state).await
    };
    #[cfg(not(feature = "emulator"))]
    let clerk = {
        let _ = (env, canonical, registry);
        Err(LocalClerkChoice::default().instance_missing(builder))
    };
    findings.note(clerk)
}

/// Returns the rules for tokens, as far as they can be resolved. Without a canonical URL, the list of audiences stays
/// empty.
pub(super) fn policy(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: Option<&Canonical>,
    issuer: &str,
    keys: tokens::HeldKeys,
    findings: &mut Findings,
) -> TokenPolicy {
    let mut policy = TokenPolicy::new(issuer.to_owned(), Vec::new());
    let hierarchy = builder.scopes.hierarchy(builder.tokens.api_keys.as_ref());
    policy.scopes = findings.note(hierarchy).unwrap_or_default();
    policy.revocations = builder.revocations.handle.clone();
    if let Some(canonical) = canonical {
        let host = builder.serving.host(env).value;
        let resolved = audience::resolve(&mut policy, builder, env, canonical, &host);
        findings.extend(resolved.err());
    }
    tokens::resolve(&mut policy, builder, env, keys, findings);
    policy
}

/// The served tools.
pub(super) fn tools(builder: &ServerBuilder, metrics: &Metrics) -> Result<Registry, Finding> {
    if let Some(state) = builder.duplicate_state {
        let what = format!("two values of type {state} were given as state");
        let remedy = "wrap one of them in a type of its own";
        return Err(Finding::new(&codes::STATE_DUPLICATE, what).remedy_is(remedy));
    }
    let selected = builder.selection.resolve()?;
    let scopes = &builder.scopes;
    let schemes = || SchemeSource {
        oauth: builder.tokens.oauth,
        required_scopes: scopes.required.clone(),
        organization_scope: builder.organizations.is_empty()
            || scopes
                .supported
                .as_ref()
                .is_none_or(|scopes| scopes.iter().any(|scope| scope == ORGANIZATION_SCOPE)),
        // `policy` adds the finding about invalid scopes.
        hierarchy: scopes
            .hierarchy(builder.tokens.api_keys.as_ref())
            .unwrap_or_default(),
    };
    let settings = RegistrySettings {
        schemes: scopes.security_schemes.then(schemes),
        lenient_arguments: builder.schemas.lenient_arguments,
        closed_schemas: builder.schemas.closed_schemas,
        metrics: metrics.clone(),
        confirmation_codes: builder.schemas.confirmation_codes,
    };
    let registry = Registry::collect(|tool| selected.serves(tool), &builder.states, &settings);
    let registry = registry.map_err(|error| {
        let code = match error {
            RegistryError::Duplicate { .. } => &codes::TOOL_NAME_DUPLICATE,
            RegistryError::HeaderOfAnotherType { .. } => &codes::HEADER_OF_ANOTHER_TYPE,
            RegistryError::PublicInGuardedModule { .. } => &codes::PUBLIC_IN_GUARDED_MODULE,
            RegistryError::MissingState { .. } => &codes::STATE_MISSING,
            RegistryError::ReservedArgument { .. } => &codes::ARGUMENT_RESERVED,
            RegistryError::SharedUri { .. } => &codes::RESOURCE_URI_SHARED,
            RegistryError::RateWithoutOrganization { .. } => &codes::RATE_WITHOUT_ORGANIZATION,
        };
        Finding::new(code, error.to_string())
    })?;
    if registry.is_empty() {
        return Err(builder.selection.nothing());
    }
    selected.log_unserved();
    Ok(registry)
}

/// Returns the codes that `MCP_AUTH_ACCEPT` lists. An unknown code, and the code of a fatal finding, cause a finding.
fn accepted(env: &Environment<'_>, findings: &mut Findings) -> Vec<&'static Code> {
    let mut accepted = Vec::new();
    for name in env.list("MCP_AUTH_ACCEPT").unwrap_or_default() {
        let name = name.trim();
        match Code::find(name) {
            Some(code) if code.level != Level::Fatal => accepted.push(code),
            Some(_) => findings.push(Finding::new(
                &codes::ACCEPTED_CODE_FATAL,
                format!("MCP_AUTH_ACCEPT lists `{name}`, but a fatal finding cannot be accepted"),
            )),
            None => findings.push(
                Finding::new(
                    &codes::ACCEPTED_CODE_UNKNOWN,
                    format!("MCP_AUTH_ACCEPT lists `{name}`, but no finding has this code"),
                )
                .remedy_is("take the code from the brackets at the end of a finding"),
            ),
        }
    }
    accepted
}
