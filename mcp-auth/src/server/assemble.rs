//! Assembles a site from the validated parts of a server.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::clerk::Metadata;
use crate::http::{Canonical, Cast, Explored, Gate, ResourceInfo, Site, SiteConfig};
use crate::identity::{Authenticator, Clock, Organizations, RevocationFile, TokenPolicy};
use crate::limits::Networks;
use crate::primitive::{List, Registry, Threads};
use crate::protocol::{
    Calls, Confirmations, Endpoint, EndpointConfig, Sealer, ServerInfo, Streams, Transport,
};
use crate::tools::ServedTools;

use super::builder::{AuditSettings, Load, LocalClerkChoice, Monitoring, ServerBuilder, StateKeys};
use super::codes;
use super::environment::Environment;
use super::error::chain;
use super::finding::Finding;
use super::report::Report;

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
    /// The people for whom the explorer acts.
    pub(super) cast: Cast,
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
    let shows_page = is_development(cfg!(debug_assertions), local_clerk.runs, &canonical)
        && transport != Transport::Stdio;
    let overview = shows_page.then(|| {
        let explored = explored(&builder, &policy, &registry, local);
        report.overview(&builder, &registry, local, explored)
    });
    let info = ServerInfo {
        name: builder.name,
        version: builder.version,
        title: builder.title.clone(),
        instructions: builder.instructions,
    };
    let url = canonical.as_str().to_owned();
    let sealer = Sealer::new(state_keys.0.as_deref(), url, Arc::clone(&clock));
    let audit = builder
        .audit
        .start(audit, &state_keys, &clock, shows_page)?;
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

/// Returns the data of the explorer.
fn explored(
    builder: &ServerBuilder,
    policy: &TokenPolicy,
    registry: &Registry,
    local: Option<&LocalClerk>,
) -> Explored {
    let declared = List::ALL.map(|list| {
        let entries = registry.list(list).map(|served| served.json(false));
        let entries: Vec<Value> = entries
            .filter_map(|entry| serde_json::from_str(entry).ok())
            .collect();
        (list.member(), entries)
    });
    Explored {
        issuer: policy.issuer.to_string(),
        kinds: policy.kinds().collect(),
        reads_url_org: builder.organizations.url_query,
        declared: declared.into_iter().collect(),
        cast: local.map(|local| local.cast.clone()),
        lines: builder.lines.clone(),
    }
}

/// Reports whether a server that listens has the page for browsers, with its explorer. False if a setting is invalid,
/// because the server then does not start.
pub(super) fn may_show_page(
    debug_build: bool,
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> bool {
    let address = builder.serving.address(env);
    let canonical = address.and_then(|address| {
        builder
            .serving
            .canonical(env, &address, builder.tls.is_on(env))
    });
    let local_clerk = LocalClerkChoice::of(builder, env);
    canonical.is_ok_and(|canonical| is_development(debug_build, local_clerk.runs, &canonical))
}

/// Returns true if a browser may see the access matrix. A loopback URL alone is not enough, because
/// a misconfigured proxy may forward other people's requests with that URL as the host.
fn is_development(debug_build: bool, emulator: bool, canonical: &Canonical) -> bool {
    canonical.is_loopback() && (debug_build || emulator)
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

    /// Without the page there is no explorer, no layer of the log and no audit log that only the explorer reads.
    #[test]
    fn a_release_build_without_a_local_clerk_keeps_no_lines() {
        let server = |url: &str| ServerBuilder::of_package("p", "1").url(url);
        let none = Environment::of(&|_| None);
        for (debug_build, url, expected) in [
            (true, "http://127.0.0.1:3000", true),
            (false, "http://127.0.0.1:3000", false),
            (true, "https://mcp.example.com", false),
            (true, "not a url", false),
        ] {
            let shown = may_show_page(debug_build, &server(url), &none);
            assert_eq!(shown, expected, "{debug_build} {url}");
        }
    }

    #[cfg(feature = "emulator")]
    #[test]
    fn a_local_clerk_shows_the_page_and_a_configured_instance_does_not() {
        let server = ServerBuilder::of_package("p", "1").emulator();
        assert!(may_show_page(false, &server, &Environment::of(&|_| None)));
        let instance = |name: &str| {
            (name == "CLERK_PUBLISHABLE_KEY").then(|| "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k".to_owned())
        };
        assert!(!may_show_page(false, &server, &Environment::of(&instance)));
    }
}
