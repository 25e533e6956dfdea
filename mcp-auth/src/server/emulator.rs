//! Runs the local Clerk inside the process, and checks that it does not run in production.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clerk_emulator::{Directory, DirectoryFileError, Emulator, EmulatorOptions};

use crate::clerk::{FrontendUrl, SecretKey};
use crate::guard::Requirement;
use crate::http::Canonical;
use crate::identity::{Clock, Parties, TokenPolicy};
use crate::loopback;
use crate::primitive::Registry;

use super::assemble::{LocalClerk, Seat};
use super::builder::tokens::machine_id;
use super::builder::{ClerkSettings, OFFLINE_ACCESS, People, ServerBuilder};
use super::cast::cast;
use super::codes;
use super::environment::Environment;
use super::error::chain;
use super::finding::Finding;
use super::setting::{Setting, Source};

impl People {
    /// The people that the application describes. `None` if it describes no people.
    pub(super) fn described(&self) -> Result<Option<Directory>, Finding> {
        match self {
            Self::Default => Ok(None),
            Self::Directory(directory) => Ok(Some(Directory::clone(directory))),
            Self::File(path) => Directory::read(path).map(Some).map_err(|error| {
                let error_text = chain(&error);
                let what = format!("the people and roles of the local Clerk: {error_text}");
                let finding = Finding::new(&codes::EMULATOR_PEOPLE_INVALID, what);
                match error {
                    DirectoryFileError::Unreadable { .. } => finding.remedy_is(
                        "in `serve!(emulator = \"…\")` a path is relative to the package's Cargo.toml",
                    ),
                    _ => finding,
                }
            }),
        }
    }
}

/// Starts the local Clerk, configured for the tools of this server. If the local Clerk stores its state in a file, it
/// starts with the port, keys, clients and tokens of the last run.
///
/// The server is registered under each of its URLs, so the tokens that clients fetch have an audience. The default
/// scopes are the scopes that a new client of this server asks for. The scopes of single tools exist too, but are not
/// default scopes. A client that registered without scopes therefore cannot ask for them later, as at Clerk. Session
/// tokens have an `azp` that the server accepts.
pub(super) async fn start(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    registry: &Registry,
    keeps_state: bool,
) -> Result<ClerkSettings, Finding> {
    let host = builder.serving.host(env);
    let url = builder.serving.url(env).source;
    check(cfg!(debug_assertions), &host, canonical, url, env)?;
    let directory = directory(builder, env, registry)?;
    let default_scopes = default_scopes(builder, registry)?;
    let mut options = EmulatorOptions::default().directory(directory);
    for url in canonical.audiences() {
        options = options.mcp_server(url);
    }
    if keeps_state {
        match state_file(env, std::env::current_exe().ok().as_deref()) {
            Ok(path) => options = options.optional_state_file(path),
            Err(why) => tracing::info!(
                target: "mcp_auth",
                why,
                "the local Clerk keeps no state: clients have to sign in again after a restart"
            ),
        }
    }
    let failed = |error: &dyn Error| {
        let what = format!("the emulator did not start: {}", chain(error));
        Finding::new(&codes::EMULATOR_FAILED, what)
    };
    let emulator = Emulator::start(options).await;
    let emulator = emulator.map_err(|error| failed(&error))?;
    emulator.instance().change_settings(|settings| {
        settings.default_scopes = Some(default_scopes);
        settings.session_origin = match builder.tokens.sessions.as_ref().map(|parties| &parties.0) {
            Some(Parties::Listed(origins)) => origins.first().cloned(),
            Some(Parties::Any) | None => None,
        };
    });
    let frontend = FrontendUrl::parse(emulator.url()).map_err(|error| failed(&error))?;
    let secret_key = SecretKey::parse(emulator.instance().secret_key().expose());
    let secret_key = secret_key.map_err(|error| failed(&error))?;
    let unset = Source::Default;
    Ok(ClerkSettings {
        api_url: Setting {
            value: Some(frontend.url().clone()),
            source: unset("CLERK_API_URL"),
        },
        frontend: Setting {
            value: frontend,
            source: Source::Emulator,
        },
        development: true,
        secret_key: Setting {
            value: Some(secret_key),
            source: unset("CLERK_SECRET_KEY"),
        },
        machine_key: Setting {
            value: None,
            source: unset("CLERK_MACHINE_SECRET_KEY"),
        },
        jwt_key: Setting {
            value: None,
            source: unset("CLERK_JWT_KEY"),
        },
        emulator: Some(Arc::new(emulator)),
    })
}

/// Returns the people that the application describes, or else the default people with permissions that are adapted to
/// the tools. In both cases clients can ask for every scope of the server. If the server accepts M2M tokens, the
/// directory also has a machine for the server.
fn directory(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    registry: &Registry,
) -> Result<Directory, Finding> {
    let machine = match builder.tokens.m2m {
        true => machine_id(builder, env, true)?,
        false => None,
    };
    let mut directory = match builder.local_clerk.people.described()? {
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
    let of_the_server = builder.scopes.required.iter();
    for scope in of_the_server.chain(builder.scopes.supported.iter().flatten()) {
        directory.add_scopes(&[scope]);
    }
    for leaf in registry.iter().flat_map(|tool| tool.guard().leaves()) {
        if let Requirement::Scope(scope) = leaf {
            directory.add_scopes(&[scope.as_str()]);
        }
    }
    Ok(directory)
}

/// Grants the default people the claims that the guards of the tools require. Admins get every
/// permission, and members get the permissions that only read. The organizations get every feature
/// and plan; a feature or plan with the prefix `user:` goes to their admins.
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

/// Reports whether a permission only permits reading.
fn is_to_read(permission: &str) -> bool {
    let action = permission.rsplit(':').next();
    matches!(action, Some("read" | "list" | "view"))
}

/// Returns the file that stores the state: the file that the environment names, or else a file with the program's name
/// in the target directory in which cargo built the program. The error is the reason why no state is stored. Tests
/// never store state, even if the environment names a file.
fn state_file(env: &Environment<'_>, program: Option<&Path>) -> Result<PathBuf, &'static str> {
    let folder = program.and_then(Path::parent);
    // Among the programs that cargo runs, only test programs are in the folder `deps`.
    if folder.is_some_and(|folder| folder.ends_with("deps")) {
        return Err("tests store no state");
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
            "the program is not in a target directory of cargo; MCP_AUTH_EMULATOR_STATE can name a file",
        );
    };
    let mut file = name.to_owned();
    file.push(".json");
    Ok(target.join("mcp-auth").join(file))
}

/// The target directory that contains the folder of a program. The folder is `debug` or
/// `debug/examples`, possibly below a folder with the name of a platform. A target directory has
/// the file `CACHEDIR.TAG`, or is named by the environment.
fn target_directory<'a>(folder: &'a Path, env: &Environment<'_>) -> Option<&'a Path> {
    let named = env.cargo_target_directory();
    let named = named.and_then(|path| Path::new(&path).canonicalize().ok());
    let mut around = folder.ancestors().take(4);
    around.find(|folder| {
        folder.join("CACHEDIR.TAG").is_file() || named.as_deref().is_some_and(|it| it == *folder)
    })
}

/// The scopes that this server advertises, and the two scopes that clients always ask for.
fn default_scopes(builder: &ServerBuilder, registry: &Registry) -> Result<Vec<String>, Finding> {
    let scopes = &builder.scopes;
    let hierarchy = scopes.hierarchy(builder.tokens.api_keys.as_ref())?;
    let mut default_scopes = scopes.advertised(&hierarchy, registry);
    for scope in ["openid", OFFLINE_ACCESS] {
        if !default_scopes.iter().any(|known| known == scope) {
            default_scopes.push(scope.to_owned());
        }
    }
    Ok(default_scopes)
}

/// Describes the people of the local Clerk, and the file that stores its state.
pub(super) fn describe(
    emulator: &Emulator,
    people: &People,
    policy: &TokenPolicy,
    clock: &Arc<dyn Clock>,
) -> LocalClerk {
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
        cast: cast(emulator.instance(), policy, clock),
    }
}

/// Permits the local Clerk only in a debug build or with `MCP_AUTH_EMULATOR=1`, and only if the
/// address and the URL of the server are on loopback.
fn check(
    debug_build: bool,
    host: &Setting<String>,
    canonical: &Canonical,
    url: Source,
    env: &Environment<'_>,
) -> Result<(), Finding> {
    // The build profile decides, not a cargo feature: cargo unifies features across a build, so a
    // feature may be on unintentionally.
    if !debug_build && env.get("MCP_AUTH_EMULATOR").as_deref() != Some("1") {
        let remedy =
            "set CLERK_PUBLISHABLE_KEY, or MCP_AUTH_EMULATOR=1 if this is a development machine";
        let what = "the emulator runs in debug builds only";
        return Err(Finding::new(&codes::EMULATOR_IN_RELEASE, what).remedy_is(remedy));
    }
    let exposed = if !loopback::is_host(&host.value) {
        format!("{} {}", host.source, host.value)
    } else if !canonical.is_loopback() {
        format!("{url} {}", canonical.as_str())
    } else {
        return Ok(());
    };
    let what = format!("the emulator runs on loopback only, and {exposed} is not");
    let finding = Finding::new(&codes::EMULATOR_EXPOSED, what);
    Err(finding.remedy_is("set CLERK_PUBLISHABLE_KEY to serve others"))
}

const DEFAULT_PEOPLE: &str = "At the local Clerk, admins have every permission that the tools ask for. Members \
     have the permissions whose action is read, list or view. serve!(emulator = \"clerk.toml\") takes other people \
     and roles from a file.";
const STATE: &str = "MCP_AUTH_EMULATOR_STATE";

#[cfg(test)]
mod tests;
