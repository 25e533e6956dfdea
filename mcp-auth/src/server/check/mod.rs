//! Checks a configuration and its Clerk instance. `MCP_AUTH=check` prints the findings, and a start
//! logs them.

mod access;
mod address;
mod audience;
mod config;
mod default_scopes;
mod evaluate;
mod organizations;
mod panics;
mod probe;
mod questions;
mod registration;
mod requirements;
mod schemas;

use std::sync::Arc;

use crate::clerk::{Clerk, ClerkConfig, ConnectError};
use crate::identity::{Clock, IoRuntime, TokenPolicy};
use crate::metrics::Metrics;

use super::builder::clerk::UNSET_API_URL;
use super::builder::{ClerkSettings, ServerBuilder};
use super::codes;
use super::environment::Environment;
use super::error::chain;
use super::finding::{CheckReport, Finding};
use super::log;
use super::resolve::{Purpose, Resolved, resolve};
use super::runtime::{clock, io_thread};
use super::start;

use self::access::access;
use self::config::Config;
use self::evaluate::evaluate;
use self::probe::Probe;

pub(super) use self::address::address;
pub(super) use self::organizations::organizations;
pub(super) use self::panics::panics;
pub(super) use self::questions::questions;
pub(super) use self::schemas::schemas;

/// Checks a configuration, and its instance if a setting names one.
pub(super) async fn check(builder: ServerBuilder, env: Environment<'_>) -> CheckReport {
    let mut resolved = resolve(builder, &env, Purpose::Check).await;
    resolved.findings.extend(log::mistake(&env));
    // Without a matrix there is a fatal finding already.
    if let Ok(matrix) = start::matrix(&resolved.builder, &env) {
        access(&matrix, &env, &mut resolved.findings);
    }
    let builder = &resolved.builder;
    let title = format!("{} {}", builder.name, builder.version);
    let subject = match ask(&mut resolved).await {
        Ok(()) if resolved.local_clerk.runs => format!(
            "{title}, checked against {} (a local Clerk, for development only)",
            resolved.policy.issuer
        ),
        Ok(()) => format!("{title}, checked against {}", resolved.policy.issuer),
        Err(_) => format!("{title}, checked without an instance"),
    };
    resolved.findings.report(subject, &resolved.accepted)
}

/// Sends all requests of a check to the instance, and adds the findings about the responses.
async fn ask(resolved: &mut Resolved) -> Result<(), Finding> {
    let settings = resolved.clerk.clone()?;
    let clock = clock(&mut resolved.builder);
    let io = io_thread();
    let io = resolved.findings.note(io)?;
    let clerk = connect(
        &settings,
        &resolved.builder,
        &resolved.policy,
        &clock,
        &io,
        &Metrics::default(),
    );
    let clerk = resolved.findings.note(clerk)?;
    probe(resolved, &settings, &clerk, &clock, true).await;
    Ok(())
}

/// Queries the instance, and adds the findings about its responses. Also fetches the issuer's keys, so that the first
/// request does not wait for the keys. With `everything`, also makes the queries that a start does not need.
pub(super) async fn probe(
    resolved: &mut Resolved,
    settings: &ClerkSettings,
    clerk: &Clerk,
    clock: &Arc<dyn Clock>,
    everything: bool,
) {
    let probe = Probe::send(clerk, settings.jwt_key.value.is_some(), everything).await;
    let config = Config::new(resolved, settings, clock.unix_ms());
    let findings = evaluate(&probe, &config);
    resolved.findings.append(findings);
}

/// Makes the client for the instance. Opens no connection.
pub(super) fn connect(
    settings: &ClerkSettings,
    builder: &ServerBuilder,
    policy: &TokenPolicy,
    clock: &Arc<dyn Clock>,
    io: &IoRuntime,
    metrics: &Metrics,
) -> Result<Clerk, Finding> {
    #[cfg(feature = "emulator")]
    let is_in_process = settings.emulator.is_some();
    #[cfg(not(feature = "emulator"))]
    let is_in_process = false;
    let ClerkSettings {
        frontend,
        secret_key,
        machine_key,
        api_url,
        jwt_key,
        ..
    } = settings.clone();
    let (api_source, jwt_source) = (api_url.source, jwt_key.source);
    let config = ClerkConfig {
        is_in_process,
        frontend: frontend.value,
        secret_key: secret_key.value,
        machine_key: machine_key.value,
        api_url: api_url.value,
        jwt_key: jwt_key.value,
        policy: policy.clone(),
        metrics: metrics.clone(),
        new_opaque_tokens: builder.limits.new_opaque_tokens,
        membership_look_ups: builder.limits.membership_look_ups,
    };
    Clerk::connect(config, Arc::clone(clock), io).map_err(|error| match error {
        ConnectError::ApiUrl => {
            let what = format!("{api_source} must be https (http is for loopback only)");
            Finding::new(&codes::API_URL_INVALID, what).remedy_is(UNSET_API_URL)
        }
        ConnectError::JwtKey(error) => {
            let what = format!("{jwt_source} can't be used: {}", chain(&error));
            let remedy = "copy the public key (PEM) from the dashboard's API keys";
            Finding::new(&codes::JWT_KEY_INVALID, what).remedy_is(remedy)
        }
        error @ (ConnectError::Client(_) | ConnectError::Issuer) => {
            Finding::new(&codes::CLIENT_FAILED, chain(&error))
        }
    })
}
