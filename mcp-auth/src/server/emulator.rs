//! The local Clerk inside the process, and what keeps it out of production.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clerk_emulator::{Directory, Emulator, EmulatorOptions};

use crate::clerk::{FrontendUrl, SecretKey};
use crate::guard::Requirement;
use crate::http::Canonical;
use crate::identity::Parties;
use crate::loopback;
use crate::tool::Registry;

use super::advertised::{OFFLINE_ACCESS, advertised_scopes};
use super::builder::ServerBuilder;
use super::environment::Environment;
use super::error::StartError;
use super::settings::{ClerkSettings, Names, bind_address, machine_id, scopes};
use super::start::{LocalClerk, Seat};

/// Where the people and roles of the local Clerk come from.
#[derive(Clone, Debug, Default)]
pub(super) enum People {
    /// The people of [`Directory::default`], whose roles are made to fit the tools.
    #[default]
    Default,
    /// A directory that code has built.
    Directory(Box<Directory>),
    /// A TOML file.
    File(PathBuf),
}

impl People {
    /// The people that the application describes; `None` if it describes none.
    pub(super) fn described(&self) -> Result<Option<Directory>, StartError> {
        match self {
            Self::Default => Ok(None),
            Self::Directory(directory) => Ok(Some(Directory::clone(directory))),
            Self::File(path) => Ok(Some(Directory::read(path)?)),
        }
    }
}

/// Whether the emulator is to run: the code says so, and nothing names a Clerk instance.
pub(super) fn is_wanted(builder: &mut ServerBuilder, env: &Environment<'_>) -> bool {
    let names = Names::of(builder);
    let in_code = [
        (builder.publishable_key.is_some(), names.publishable_key),
        (builder.frontend_api_url.is_some(), names.frontend_api_url),
        (builder.secret_key.is_some(), names.secret_key),
        (
            builder.machine_secret_key.is_some(),
            names.machine_secret_key,
        ),
        (builder.api_url.is_some(), names.api_url),
        (builder.jwt_key.is_some(), names.jwt_key),
    ];
    let in_code = in_code.into_iter().filter(|(is_set, _)| *is_set);
    let set: Vec<_> = in_code
        .map(|(_, name)| name)
        .chain(env.of_an_instance())
        .collect();
    if builder.emulator && !set.is_empty() {
        builder.emulator = false;
        builder.emulator_kept_off_by = set;
    }
    builder.emulator
}

/// Starts the local Clerk, set up for the tools of this server. Its port, keys, clients and tokens are those of the
/// last start, if there is a file for them.
///
/// The server is registered under each of its URLs, so tokens that clients fetch have an audience. The default
/// scopes are those that a new client of this server asks for. The scopes of single tools are known, but not
/// among the default scopes: a client that registered without scopes cannot step up to them, as at Clerk. Session
/// tokens name a party that the server accepts.
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
    let directory = directory(builder, env, registry)?;
    let default_scopes = default_scopes(builder, registry)?;
    let mut options = EmulatorOptions::default().directory(directory);
    for url in canonical.audiences() {
        options = options.mcp_server(url);
    }
    if builder.emulator_state {
        match state_file(env, std::env::current_exe().ok().as_deref()) {
            Ok(path) => options = options.optional_state_file(path),
            Err(why) => tracing::info!(
                target: "mcp_auth",
                why,
                "the local Clerk keeps no state: clients have to sign in again after a restart"
            ),
        }
    }
    let emulator = Emulator::start(options).await?;
    emulator.instance().change_settings(|settings| {
        settings.default_scopes = Some(default_scopes);
        settings.session_origin = match builder.sessions.as_ref().map(|parties| &parties.0) {
            Some(Parties::Listed(origins)) => origins.first().cloned(),
            Some(Parties::Any) | None => None,
        };
    });
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
        new_opaque_tokens: None,
        membership_look_ups: None,
        emulator: Some(Arc::new(emulator)),
    })
}

/// The people that the application describes, exactly, or else the default ones, fitted to the tools. In both cases
/// clients can ask for every scope of the server, and the server is a machine if it has to be one.
fn directory(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    registry: &Registry,
) -> Result<Directory, StartError> {
    let machine = match builder.m2m_tokens {
        true => machine_id(builder, env)?,
        false => None,
    };
    let mut directory = match builder.emulator_people.described()? {
        Some(mut directory) => {
            if let Some(id) = machine.filter(|id| directory.machine(id).is_none()) {
                directory.set_machine(&id, &[]);
            }
            directory
        }
        None => {
            let mut directory = Directory::default();
            let guards = registry.iter().map(|tool| tool.guard());
            fit(&mut directory, guards.flat_map(|guard| guard.leaves()));
            if let Some(id) = machine {
                directory.set_machine("billing", &["mcp", &id]);
            }
            directory
        }
    };
    let of_the_server = builder.required_scopes.iter();
    for scope in of_the_server.chain(builder.scopes_supported.iter().flatten()) {
        directory.add_scopes(&[scope]);
    }
    for leaf in registry.iter().flat_map(|tool| tool.guard().leaves()) {
        if let Requirement::Scope(scope) = leaf {
            directory.add_scopes(&[scope.as_str()]);
        }
    }
    Ok(directory)
}

/// Gives the default people what the guards of the tools ask for: admins every permission, members the permissions
/// to read, the organizations and their admins every feature and plan.
fn fit(directory: &mut Directory, asked: impl Iterator<Item = Requirement>) {
    let owners = |asked: &str| match asked.starts_with("user:") {
        true => ["user_ada", "user_margaret"],
        false => ["org_acme", "org_globex"],
    };
    directory.set_role("admin", &[]);
    directory.set_role("member", &[]);
    for requirement in asked {
        match requirement {
            Requirement::Permission(permission) => {
                directory.grant("admin", &[permission.as_str()]);
                if is_to_read(permission.as_str()) {
                    directory.grant("member", &[permission.as_str()]);
                }
            }
            Requirement::Feature(feature) => {
                for owner in owners(&feature.to_string()) {
                    directory.subscribe(owner, &[], &[feature.slug()]);
                }
            }
            Requirement::Plan(plan) => {
                for owner in owners(&plan.to_string()) {
                    directory.subscribe(owner, &[plan.slug()], &[]);
                }
            }
            _ => {}
        }
    }
}

/// Whether the action of a permission is one that changes nothing.
fn is_to_read(permission: &str) -> bool {
    let action = permission.rsplit(':').next();
    matches!(action, Some("read" | "list" | "view"))
}

/// Where the state is kept: in the file that the environment names, or in the target directory that cargo built the
/// program in, by the name of the program. The error says why nowhere. Tests keep no state, whatever is set.
fn state_file(env: &Environment<'_>, program: Option<&Path>) -> Result<PathBuf, &'static str> {
    let folder = program.and_then(Path::parent);
    // Cargo puts tests there, and nothing that it runs.
    if folder.is_some_and(|folder| folder.ends_with("deps")) {
        return Err("tests keep none");
    }
    match env.get(STATE).as_deref() {
        Some(off) if off.eq_ignore_ascii_case("off") => {
            return Err("MCP_AUTH_EMULATOR_STATE is off");
        }
        Some(path) => return Ok(PathBuf::from(path)),
        None => {}
    }
    let name = program.and_then(Path::file_stem);
    let target = folder.and_then(|folder| target_directory(folder, env));
    let (Some(name), Some(target)) = (name, target) else {
        return Err(
            "the program is in no target directory of cargo; MCP_AUTH_EMULATOR_STATE can name a file",
        );
    };
    let mut file = name.to_owned();
    file.push(".json");
    Ok(target.join("mcp-auth").join(file))
}

/// The target directory around the folder of a program, `debug`, `debug/examples` or below the name of a platform:
/// it has the tag of a cache, or is the one that the environment names.
fn target_directory<'a>(folder: &'a Path, env: &Environment<'_>) -> Option<&'a Path> {
    let named = env.cargo_target_directory();
    let named = named.and_then(|path| Path::new(&path).canonicalize().ok());
    let mut around = folder.ancestors().take(4);
    around.find(|folder| {
        folder.join("CACHEDIR.TAG").is_file() || named.as_deref().is_some_and(|it| it == *folder)
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

/// Describes the people who can call, and the place of the state.
pub(super) fn describe(emulator: &Emulator, people: &People) -> LocalClerk {
    let directory = emulator.instance().directory();
    let mut seats = Vec::new();
    for user in directory.users() {
        let memberships = directory.memberships_of(&user.id);
        seats.extend(memberships.map(|membership| Seat {
            user: user.username.clone(),
            organization: Some(membership.slug),
            role: Some(membership.role),
            permissions: membership.permissions,
        }));
    }
    for user in directory.users() {
        if directory.memberships_of(&user.id).next().is_none() {
            seats.push(Seat {
                user: user.username.clone(),
                organization: None,
                role: None,
                permissions: Vec::new(),
            });
        }
    }
    LocalClerk {
        seats,
        note: matches!(people, People::Default).then_some(DEFAULT_PEOPLE),
        state_file: emulator.state_file().map(Path::to_path_buf),
    }
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
    if !loopback::is_host(host) {
        let what = format!("{} {host}", names.host);
        return Err(StartError::EmulatorExposed { what });
    }
    if !canonical.is_loopback() {
        let what = format!("{} {}", names.url, canonical.as_str());
        return Err(StartError::EmulatorExposed { what });
    }
    Ok(())
}

const DEFAULT_PEOPLE: &str = "At the local Clerk, admins have every permission that the tools ask for. Members \
     have the permissions whose action is read, list or view. serve!(emulator = \"clerk.toml\") takes other people \
     and roles from a file.";
const STATE: &str = "MCP_AUTH_EMULATOR_STATE";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Feature, Permission, Plan};

    #[test]
    fn admins_can_do_all_that_guards_ask_for_and_members_what_reads() {
        let permissions = [
            "org:invoices:read",
            "org:invoices:list",
            "org:invoices:view",
            "org:invoices:pay",
            "org:readers:manage",
        ];
        let mut asked: Vec<_> = permissions
            .iter()
            .map(|key| Requirement::Permission(Permission::new(key)))
            .collect();
        asked.extend([
            Requirement::SignedIn,
            Requirement::Feature(Feature::new("export")),
            Requirement::Feature(Feature::new("user:theme")),
            Requirement::Plan(Plan::new("org:pro")),
        ]);
        let mut directory = Directory::default();
        fit(&mut directory, asked.into_iter());
        let of = |organization, user| directory.membership(organization, user).unwrap();
        for admin in [
            of("org_acme", "user_ada"),
            of("org_globex", "user_margaret"),
        ] {
            assert_eq!(admin.permissions, permissions);
        }
        assert_eq!(of("org_acme", "user_grace").permissions, permissions[..3]);
        for (organization, before) in [("acme", &["team"][..]), ("globex", &[])] {
            let organization = directory.organization(organization).unwrap();
            assert_eq!(organization.plans, [before, &["pro"]].concat());
            assert!(organization.features.iter().any(|slug| slug == "export"));
        }
        for (user, features) in [("ada", 1), ("margaret", 1), ("grace", 0), ("linus", 0)] {
            assert_eq!(directory.user(user).unwrap().features.len(), features);
        }
    }

    #[test]
    fn state_is_kept_in_the_target_directory_by_the_name_of_the_program_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().canonicalize().unwrap();
        let at = |program: &str, variables: &[(&str, &str)]| {
            let env = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let program = target.join(program);
            std::fs::create_dir_all(program.parent().unwrap()).unwrap();
            state_file(&Environment::of(&env), Some(&program))
        };
        let named = target.to_str().unwrap();
        assert!(at("debug/invoices", &[]).is_err(), "there is no tag yet");
        let found = Ok(target.join("mcp-auth/invoices.json"));
        assert_eq!(at("debug/invoices", &[("CARGO_TARGET_DIR", named)]), found);
        std::fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
        for program in [
            "debug/invoices",
            "debug/invoices.exe",
            "debug/examples/invoices",
            "x86_64-unknown-linux-gnu/debug/examples/invoices",
        ] {
            assert_eq!(at(program, &[]), found, "{program}");
        }
        assert!(at("debug/deps/invoices-0a1b", &[]).is_err(), "a test");
        assert!(at("a/b/c/d/invoices", &[]).is_err(), "not cargo's");
        let variable = |value| [(STATE, value)];
        assert!(at("debug/invoices", &variable("off")).is_err());
        let elsewhere = Ok(PathBuf::from("/var/clerk.json"));
        assert_eq!(at("bin/invoices", &variable("/var/clerk.json")), elsewhere);
        let test = at("debug/deps/invoices-0a1b", &variable("/var/clerk.json"));
        assert!(test.is_err(), "a test");
    }

    fn checked(debug_build: bool, host: &str, url: &str, variable: Option<&str>) -> Option<String> {
        let env = |name: &str| {
            assert_eq!(name, "MCP_AUTH_EMULATOR");
            variable.map(str::to_owned)
        };
        let canonical = Canonical::parse_allowing_http(url, "/mcp").unwrap();
        let names = Names::of(&ServerBuilder::of_package("test", "1"));
        let checked = check(debug_build, host, &canonical, names, &Environment::of(&env));
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn an_instance_named_in_code_keeps_it_off() {
        let none = |_: &str| None;
        let kept_off_by = |builder: ServerBuilder| {
            let mut builder = builder.emulator();
            is_wanted(&mut builder, &Environment::of(&none));
            (builder.emulator, builder.emulator_kept_off_by.join(" "))
        };
        let builder = || ServerBuilder::of_package("test", "1");
        assert_eq!(kept_off_by(builder()), (true, String::new()));
        for (named, by) in [
            (
                builder().publishable_key("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"),
                "`publishable_key`",
            ),
            (
                builder().frontend_api_url("clerk.example.com"),
                "`frontend_api_url`",
            ),
            (builder().secret_key("sk_test_1"), "`secret_key`"),
            (builder().machine_secret_key("ak_1"), "`machine_secret_key`"),
            (builder().api_url("https://api.example.com"), "`api_url`"),
            (builder().jwt_key("-----BEGIN PUBLIC KEY-----"), "`jwt_key`"),
        ] {
            assert_eq!(kept_off_by(named), (false, by.to_owned()));
        }
    }

    #[test]
    fn a_variable_keeps_it_off_if_it_names_an_instance() {
        let wanted = |set: &str| {
            let env = |name: &str| (name == set).then(|| "mch_invoices".to_owned());
            let env = Environment::of(&env);
            let mut builder = ServerBuilder::of_package("test", "1").emulator();
            let wanted = is_wanted(&mut builder, &env);
            (wanted, machine_id(&builder, &env).unwrap())
        };
        assert_eq!(
            wanted("CLERK_MACHINE_ID"),
            (true, Some("mch_invoices".to_owned()))
        );
        for other in ["PATH", "MCP_URL", "CLERK_WEBHOOK_SIGNING_SECRET"] {
            assert_eq!(wanted(other), (true, Some("mch_mcp".to_owned())), "{other}");
        }
        for name in [
            "CLERK_AUDIENCE",
            "CLERK_MACHINE_SECRET_KEY",
            "CLERK_SECRET_KEY",
            "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL",
        ] {
            assert_eq!(wanted(name), (false, None), "{name}");
        }
    }

    #[test]
    fn where_something_keeps_it_off_the_error_names_it() {
        let env = |name: &str| {
            ["CLERK_SECRET_KEY", "CLERK_JWT_KEY"]
                .contains(&name)
                .then(|| "sk_test_1".to_owned())
        };
        let env = Environment::of(&env);
        let mut builder = ServerBuilder::of_package("test", "1").emulator();
        assert!(!is_wanted(&mut builder, &env));
        let error = super::super::settings::instance_settings(&builder, &env);
        let remedy = error.err().unwrap().remedy().unwrap();
        assert!(
            remedy.ends_with("for the local Clerk, take away CLERK_JWT_KEY, CLERK_SECRET_KEY"),
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
            ("127.0.0.1", "http://10.0.0.7:3000"),
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
