//! The local Clerk inside the process, and what keeps it out of production.

use std::sync::Arc;

use clerk_emulator::{Emulator, EmulatorOptions};

use crate::clerk::{FrontendUrl, SecretKey};
use crate::http::Canonical;

use super::builder::ServerBuilder;
use super::environment::Environment;
use super::error::StartError;
use super::settings::{ClerkSettings, bind_address, is_loopback_host};

/// Whether the emulator is to run: the code says so, and nothing names a Clerk instance.
pub(super) fn is_wanted(builder: &mut ServerBuilder, env: &Environment<'_>) -> bool {
    let in_code = builder.publishable_key.is_some()
        || builder.frontend_api_url.is_some()
        || builder.secret_key.is_some()
        || builder.jwt_key.is_some();
    if builder.emulator && (in_code || env.names_clerk()) {
        builder.emulator = false;
        builder.emulator_stays_off = true;
    }
    builder.emulator
}

/// Starts it, on a free port of its own.
pub(super) async fn start(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
) -> Result<ClerkSettings, StartError> {
    // Not a feature's business: features are unified across a build, a release is not.
    if !cfg!(debug_assertions) && env.get("MCP_AUTH_EMULATOR").as_deref() != Some("1") {
        return Err(StartError::EmulatorInRelease);
    }
    let (host, _) = bind_address(builder, env)?;
    if !is_loopback_host(&host) {
        return Err(StartError::EmulatorExposed {
            what: format!("HOST {host}"),
        });
    }
    if !canonical.is_loopback() {
        return Err(StartError::EmulatorExposed {
            what: format!("MCP_URL {}", canonical.as_str()),
        });
    }
    let emulator = Emulator::start(EmulatorOptions::default()).await?;
    let frontend =
        FrontendUrl::parse(emulator.url()).map_err(|source| StartError::FrontendUrl {
            name: "the emulator's URL",
            source,
        })?;
    let secret_key = SecretKey::parse(emulator.instance().secret_key().expose())?;
    Ok(ClerkSettings {
        api_url: Some(frontend.url().clone()),
        frontend,
        secret_key: Some(secret_key),
        jwt_key: None,
        emulator: Some(Arc::new(emulator)),
    })
}
