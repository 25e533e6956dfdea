//! The local Clerk inside the process, and what keeps it out of production.

use std::collections::BTreeMap;
use std::sync::Arc;

use clerk_emulator::{Directory, Emulator, EmulatorOptions};

use crate::clerk::{FrontendUrl, SecretKey};
use crate::guard::Requirement;
use crate::http::Canonical;
use crate::tool::Registry;

use super::advertised::{OFFLINE_ACCESS, advertised_scopes};
use super::builder::ServerBuilder;
use super::environment::Environment;
use super::error::StartError;
use super::settings::{ClerkSettings, Names, bind_address, is_loopback_host, machine_id, scopes};
use super::start::LocalRole;

/// Whether the emulator is to run: the code says so, and nothing names a Clerk instance.
pub(super) fn is_wanted(builder: &mut ServerBuilder, env: &Environment<'_>) -> bool {
    let in_code = builder.publishable_key.is_some()
        || builder.frontend_api_url.is_some()
        || builder.secret_key.is_some()
        || builder.machine_secret_key.is_some()
        || builder.api_url.is_some()
        || builder.jwt_key.is_some();
    if builder.emulator && (in_code || env.names_clerk()) {
        builder.emulator = false;
        builder.emulator_stays_off = true;
    }
    builder.emulator
}

/// Starts the local Clerk on a free port, set up so that every tool of this server can be tried: admins have every
/// permission that a tool requires, `acme` has every feature and plan (`ada` has those of a user), and the machine
/// `billing` may talk to this server.
///
/// The server is registered under each of its URLs, so tokens that clients fetch have an audience. The default
/// scopes are those that a new client of this server asks for. The scopes of single tools are known, but not
/// among the default scopes: a client that registered without scopes cannot step up to them, as at Clerk.
pub(super) async fn start(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    registry: &Registry,
) -> Result<ClerkSettings, StartError> {
    let (host, _) = bind_address(builder, env)?;
    check(
        cfg!(debug_assertions),
        &host,
        canonical,
        Names::of(builder),
        env,
    )?;
    let mut directory = Directory::default();
    for tool in registry.iter() {
        directory.grant("admin", &tool.guard().permissions());
        for requirement in tool.guard().requirements() {
            each(requirement, &mut |part| make_possible(&mut directory, part));
        }
    }
    let of_the_server = builder.required_scopes.iter();
    for scope in of_the_server.chain(builder.scopes_supported.iter().flatten()) {
        directory.add_scopes(&[scope]);
    }
    if let (true, Some(id)) = (builder.m2m_tokens, machine_id(builder, env)?) {
        directory.set_machine("billing", &["mcp", &id]);
    }
    let mut options = EmulatorOptions::default().directory(directory);
    for url in canonical.audiences() {
        options = options.mcp_server(url);
    }
    let default_scopes = default_scopes(builder, registry)?;
    let emulator = Emulator::start(options).await?;
    emulator
        .instance()
        .change_settings(|settings| settings.default_scopes = Some(default_scopes));
    let frontend =
        FrontendUrl::parse(emulator.url()).map_err(|source| StartError::FrontendUrl {
            name: "the emulator's URL",
            source,
        })?;
    let secret_key =
        SecretKey::parse(emulator.instance().secret_key().expose()).map_err(|source| {
            StartError::SecretKey {
                name: "the emulator's secret key",
                source,
            }
        })?;
    Ok(ClerkSettings {
        api_url: Some(frontend.url().clone()),
        frontend,
        named_by: "the emulator",
        development: true,
        secret_key: Some(secret_key),
        machine_key: None,
        jwt_key: None,
        emulator: Some(Arc::new(emulator)),
    })
}

/// The scopes that this server advertises, and those that clients ask the authorization server for by
/// themselves.
fn default_scopes(builder: &ServerBuilder, registry: &Registry) -> Result<Vec<String>, StartError> {
    let mut default_scopes = advertised_scopes(builder, &*scopes(builder)?, registry);
    for scope in ["openid", OFFLINE_ACCESS] {
        if !default_scopes.iter().any(|known| known == scope) {
            default_scopes.push(scope.to_owned());
        }
    }
    Ok(default_scopes)
}

/// Lets a client ask for a scope, and gives `acme` or `ada` a feature or plan, whosever it has to be.
fn make_possible(directory: &mut Directory, requirement: Requirement) {
    let owner = |asked: String| match asked.starts_with("user:") {
        true => "user_ada",
        false => "org_acme",
    };
    match requirement {
        Requirement::Scope(scope) => directory.add_scopes(&[scope.as_str()]),
        Requirement::Feature(feature) => {
            directory.subscribe(owner(feature.to_string()), &[], &[feature.slug()]);
        }
        Requirement::Plan(plan) => {
            directory.subscribe(owner(plan.to_string()), &[plan.slug()], &[]);
        }
        _ => {}
    }
}

/// Every part of a requirement, alone or in an alternative.
fn each(requirement: Requirement, found: &mut impl FnMut(Requirement)) {
    match requirement {
        Requirement::Any(alternatives) => {
            let all = alternatives.iter().copied().flatten();
            all.for_each(|one| each(*one, found));
        }
        one => found(one),
    }
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
    names: Names,
    env: &Environment<'_>,
) -> Result<(), StartError> {
    // Not a feature's business: features are unified across a build, a release is not.
    if !debug_build && env.get("MCP_AUTH_EMULATOR").as_deref() != Some("1") {
        return Err(StartError::EmulatorInRelease);
    }
    if !is_loopback_host(host) {
        let what = format!("{} {host}", names.host);
        return Err(StartError::EmulatorExposed { what });
    }
    if !canonical.is_loopback() {
        let what = format!("{} {}", names.url, canonical.as_str());
        return Err(StartError::EmulatorExposed { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Feature, Plan, Scope};

    #[test]
    fn every_scope_feature_and_plan_of_a_guard_can_be_had() {
        const READ: Requirement = Requirement::Scope(Scope::new("documents:read"));
        const WRITE: Requirement = Requirement::Scope(Scope::new("documents:write"));
        const EXPORT: Requirement = Requirement::Feature(Feature::new("export"));
        let either = Requirement::Any(&[&[Requirement::Organization, WRITE], &[READ, EXPORT]]);
        let mut directory = Directory::default();
        for requirement in [
            Requirement::SignedIn,
            READ,
            either,
            Requirement::Feature(Feature::new("user:theme")),
            Requirement::Plan(Plan::new("org:pro")),
        ] {
            each(requirement, &mut |part| make_possible(&mut directory, part));
        }
        let scopes: Vec<_> = directory.scopes().collect();
        assert_eq!(scopes, ["documents:read", "documents:write"]);
        let (acme, ada) = (directory.organization("acme"), directory.user("ada"));
        assert_eq!(acme.unwrap().features, ["reports", "export"]);
        assert_eq!(acme.unwrap().plans, ["team", "pro"]);
        assert_eq!(
            (&ada.unwrap().features, ada.unwrap().plans.len()),
            (&vec!["theme".to_owned()], 0)
        );
    }

    fn checked(debug_build: bool, host: &str, url: &str, variable: Option<&str>) -> Option<String> {
        let env = |name: &str| {
            assert_eq!(name, "MCP_AUTH_EMULATOR");
            variable.map(str::to_owned)
        };
        let canonical = Canonical::parse(url, "/mcp").unwrap();
        let names = Names::of(&ServerBuilder::of_package("test", "1"));
        let checked = check(debug_build, host, &canonical, names, &Environment(&env));
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
    fn a_variable_keeps_it_off_unless_it_says_only_which_machine_the_server_is() {
        let wanted = |set: &str| {
            let env = |name: &str| (name == set).then(|| "mch_invoices".to_owned());
            let env = Environment(&env);
            let mut builder = ServerBuilder::of_package("test", "1").emulator();
            let wanted = is_wanted(&mut builder, &env);
            (wanted, machine_id(&builder, &env).unwrap())
        };
        assert_eq!(
            wanted("CLERK_MACHINE_ID"),
            (true, Some("mch_invoices".to_owned()))
        );
        assert_eq!(wanted("PATH"), (true, Some("mch_mcp".to_owned())));
        for name in ["CLERK_SECRET_KEY", "CLERK_MACHINE_SECRET_KEY"] {
            assert_eq!(wanted(name), (false, None), "{name}");
        }
    }

    #[test]
    fn where_something_keeps_it_off_the_error_says_so() {
        let env = |name: &str| (name == "CLERK_SECRET_KEY").then(|| "sk_test_1".to_owned());
        let env = Environment(&env);
        let mut builder = ServerBuilder::of_package("test", "1").emulator();
        assert!(!is_wanted(&mut builder, &env));
        let error = super::super::settings::instance_settings(&builder, &env);
        let remedy = error.err().unwrap().remedy().unwrap();
        assert!(
            remedy.contains("or, for the local Clerk, take away"),
            "{remedy}"
        );
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
