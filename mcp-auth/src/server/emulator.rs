//! The local Clerk inside the process, and what keeps it out of production.

use std::collections::BTreeMap;
use std::sync::Arc;

use clerk_emulator::{Directory, Emulator, EmulatorOptions};

use crate::clerk::{FrontendUrl, SecretKey};
use crate::http::Canonical;
use crate::tool::Registry;

use super::builder::ServerBuilder;
use super::environment::Environment;
use super::error::StartError;
use super::settings::{ClerkSettings, bind_address, is_loopback_host};
use super::start::LocalRole;

/// Whether the emulator is to run: the code says so, and nothing names a Clerk instance.
pub(super) fn is_wanted(builder: &mut ServerBuilder, env: &Environment<'_>) -> bool {
    let in_code = builder.publishable_key.is_some()
        || builder.frontend_api_url.is_some()
        || builder.secret_key.is_some()
        || builder.api_url.is_some()
        || builder.jwt_key.is_some();
    if builder.emulator && (in_code || env.names_clerk()) {
        builder.emulator = false;
        builder.emulator_stays_off = true;
    }
    builder.emulator
}

/// Starts it, on a free port of its own. Its admins have every permission that the tools ask for:
/// otherwise nobody could try them.
pub(super) async fn start(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    registry: &Registry,
) -> Result<ClerkSettings, StartError> {
    let (host, _) = bind_address(builder, env)?;
    check(cfg!(debug_assertions), &host, canonical, env)?;
    let mut directory = Directory::default();
    for tool in registry.iter() {
        directory.grant("admin", &tool.guard().permissions());
    }
    let emulator = Emulator::start(EmulatorOptions::default().directory(directory)).await?;
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

/// The roles that somebody has, each once, with their permissions.
pub(super) fn roles(emulator: &Emulator) -> Vec<LocalRole> {
    let directory = emulator.instance().directory();
    let organizations = directory.organizations();
    let members = organizations.flat_map(|organization| directory.members_of(&organization.id));
    let roles: BTreeMap<_, _> = members
        .map(|member| (member.role, member.permissions))
        .collect();
    let role = |(name, permissions)| LocalRole { name, permissions };
    roles.into_iter().map(role).collect()
}

/// The guard rails: a build for development, or one that says it is meant; and loopback on both ends.
fn check(
    debug_build: bool,
    host: &str,
    canonical: &Canonical,
    env: &Environment<'_>,
) -> Result<(), StartError> {
    // Not a feature's business: features are unified across a build, a release is not.
    if !debug_build && env.get("MCP_AUTH_EMULATOR").as_deref() != Some("1") {
        return Err(StartError::EmulatorInRelease);
    }
    if !is_loopback_host(host) {
        let what = format!("HOST {host}");
        return Err(StartError::EmulatorExposed { what });
    }
    if !canonical.is_loopback() {
        let what = format!("MCP_URL {}", canonical.as_str());
        return Err(StartError::EmulatorExposed { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(debug_build: bool, host: &str, url: &str, variable: Option<&str>) -> Option<String> {
        let env = |name: &str| {
            assert_eq!(name, "MCP_AUTH_EMULATOR");
            variable.map(str::to_owned)
        };
        let canonical = Canonical::parse(url, "/mcp").unwrap();
        let checked = check(debug_build, host, &canonical, &Environment(&env));
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn whatever_names_an_instance_in_code_keeps_it_off() {
        let none = |_: &str| None;
        let wanted =
            |builder: ServerBuilder| is_wanted(&mut builder.emulator(), &Environment(&none));
        let builder = || ServerBuilder::of_package("test", "1");
        assert!(wanted(builder()));
        for named in [
            builder().publishable_key("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"),
            builder().frontend_api_url("clerk.example.com"),
            builder().secret_key("sk_test_1"),
            builder().api_url("https://api.example.com"),
            builder().jwt_key("-----BEGIN PUBLIC KEY-----"),
        ] {
            assert!(!wanted(named));
        }
    }

    #[test]
    fn a_release_build_has_an_emulator_only_if_the_machine_says_so() {
        let (host, url) = ("127.0.0.1", "http://127.0.0.1:3000");
        assert_eq!(checked(true, host, url, None), None);
        assert_eq!(checked(false, host, url, Some("1")), None);
        for variable in [None, Some("0"), Some("true"), Some("")] {
            let error = checked(false, host, url, variable).unwrap();
            assert!(
                error.starts_with("the emulator runs in debug builds only"),
                "{error}"
            );
        }
    }

    #[test]
    fn whatever_it_is_told_an_emulator_is_never_exposed() {
        for (host, url) in [
            ("0.0.0.0", "http://127.0.0.1:3000"),
            ("::", "http://127.0.0.1:3000"),
            ("127.0.0.1", "https://mcp.example.com"),
        ] {
            for debug_build in [true, false] {
                let error = checked(debug_build, host, url, Some("1")).unwrap();
                assert!(
                    error.starts_with("the emulator runs on loopback only"),
                    "{error}"
                );
            }
        }
    }
}
