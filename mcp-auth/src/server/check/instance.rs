//! What the instance answers, against what the server is configured for and its tools ask.

use std::collections::BTreeMap;

use futures_util::future::{join, join4};

use crate::clerk::{Clerk, Document, MachineCheck, OauthSettings, Role, SecretKeyCheck, Untold};
use crate::guard::{Guard, ORGANIZATION_SCOPE, Requirement, nearest};
use crate::http::Canonical;
use crate::identity::{Machine, Policy, TokenKind};
use crate::tool::Registry;

use super::super::error::{StartError, counted};
use super::super::settings::Names;
use super::audience::audience;
use super::default_scopes::{asks_for_refresh_tokens, default_scopes};
use super::{Finding, Found};

/// What the server knows of itself.
pub(in super::super) struct Known<'a> {
    pub(in super::super) policy: &'a Policy,
    pub(in super::super) required_scopes: &'a [String],
    /// The scopes that the metadata and the first challenge name; empty if the tools themselves are wrong.
    pub(in super::super) advertised: &'a [String],
    /// Milliseconds since 1970.
    pub(in super::super) now_ms: u64,
    /// None if the tools themselves are wrong.
    pub(in super::super) registry: Option<&'a Registry>,
    /// None if there can be none.
    pub(in super::super) canonical: Option<&'a Canonical>,
    pub(in super::super) names: Names,
    /// The setting that names the instance.
    pub(in super::super) named_by: &'static str,
    /// The origin of the Backend API.
    pub(in super::super) api: String,
    /// It is a local Clerk, which has no dashboard.
    pub(in super::super) local: bool,
    /// The instance is one for development.
    pub(in super::super) development: bool,
    pub(in super::super) has_secret_key: bool,
    /// The public key was given, so the instance's own ones are not needed.
    pub(in super::super) has_jwt_key: bool,
}

impl Known<'_> {
    /// What to do in the dashboard, which a local Clerk does not have.
    pub(super) fn dashboard(&self, what: &str) -> String {
        if self.local {
            format!(
                "set the local Clerk so, if it matters there; at Clerk, in the dashboard, {what}"
            )
        } else {
            format!("in the dashboard, {what}")
        }
    }
}

/// What the instance answers.
pub(in super::super) struct Answers {
    /// None if it was not asked.
    frontend: Option<Frontend>,
    secret_key: SecretKeyCheck,
    settings: Result<Option<OauthSettings>, Untold>,
    roles: Result<Option<Vec<Role>>, Untold>,
    machine: MachineCheck,
}

/// What it says to everybody; nothing of what it does not.
struct Frontend {
    metadata: Option<Document>,
    keys: Option<Keys>,
}

/// The keys that are published.
enum Keys {
    /// This many can verify tokens.
    Usable(usize),
    /// The one that was given is, or is not, among them.
    Given { published: bool },
}

impl Answers {
    /// Asks everything at once, so that a slow Clerk costs the 5 seconds of one request. A server that
    /// was given the public key may be one that cannot reach the issuer, which is asked then only if
    /// `all` is wanted.
    pub(in super::super) async fn ask(clerk: &Clerk, has_jwt_key: bool, all: bool) -> Self {
        let frontend = async {
            if has_jwt_key && !all {
                return None;
            }
            let (metadata, keys) = join(clerk.metadata.document(), keys(clerk, has_jwt_key)).await;
            let metadata = metadata.ok();
            Some(Frontend { metadata, keys })
        };
        let backend = join4(
            clerk.check_secret_key(),
            clerk.oauth_settings(),
            clerk.roles(),
            clerk.check_machine(),
        );
        let (frontend, (secret_key, settings, roles, machine)) = join(frontend, backend).await;
        Self {
            frontend,
            secret_key,
            settings,
            roles,
            machine,
        }
    }
}

async fn keys(clerk: &Clerk, has_jwt_key: bool) -> Option<Keys> {
    if !has_jwt_key {
        return clerk.authenticator.keys().await.ok().map(Keys::Usable);
    }
    let published = clerk.published_keys().await.ok()?;
    let published = clerk.authenticator.shares_keys(&published).await.ok()?;
    Some(Keys::Given { published })
}

/// Judges the answers.
pub(in super::super) fn judge(answers: &Answers, known: &Known<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    let metadata = answers.frontend.as_ref().and_then(|frontend| {
        found.extend(issuer(frontend, known));
        found.extend(keys_fit(frontend, known));
        frontend.metadata.as_ref()
    });
    found.extend(secret_key(answers.secret_key, known));
    found.extend(machine(answers, known));
    found.extend(instance_is_for_this(known));
    found.extend(audience(known));
    found.extend(asks_for_refresh_tokens(known));
    // Another instance's settings say nothing of this one.
    let fits = answers.secret_key == SecretKeyCheck::Fits;
    let mut told = None;
    if fits {
        told = answers.settings.as_ref().ok().and_then(Option::as_ref);
        found.extend(settings(answers, known));
        found.extend(roles(&answers.roles, known));
    }
    if let Some(metadata) = metadata {
        found.extend(clock(metadata, known));
        found.extend(scopes(metadata, known));
    }
    found.extend(registration(metadata, told, known));
    found.extend(told.and_then(|settings| scopes_out_of_reach(settings, known)));
    found
}

/// An issuer that calls itself something else is a wrong configuration; one that does not answer
/// may be back before the first request.
fn issuer(frontend: &Frontend, known: &Known<'_>) -> Option<Found> {
    let expected = &*known.policy.issuer;
    let name = known.named_by;
    let Some(metadata) = &frontend.metadata else {
        let what = format!("the issuer {expected} cannot be reached");
        let remedy = format!("see that this machine reaches it, and that {name} is right");
        return Some(if known.has_jwt_key {
            let why = "tokens are verified with the key that was given, but clients that sign in need \
                       it, and whether it is the right one was not checked";
            Finding::warning(what, why, remedy).into()
        } else {
            let why =
                "its keys verify tokens; until it can be reached, requests are answered with 503";
            Finding::error(what, why, remedy).into()
        });
    };
    Some(match metadata.issuer() {
        Some(found) if found == expected => {
            Found::Passed(format!("the issuer answers, and calls itself {expected}"))
        }
        found => Found::Wrong(StartError::IssuerDiffers {
            name,
            expected: expected.to_owned(),
            found: found.map(str::to_owned),
        }),
    })
}

fn keys_fit(frontend: &Frontend, known: &Known<'_>) -> Option<Found> {
    let jwt_key = known.names.jwt_key;
    Some(match frontend.keys {
        Some(Keys::Usable(0)) => Finding::error(
            "the issuer publishes no RSA key of 2048 bits or more for RS256".to_owned(),
            "no token can be verified: all are answered with 401",
            format!(
                "look at {}/.well-known/jwks.json; is it a Clerk instance?",
                known.policy.issuer
            ),
        )
        .into(),
        Some(Keys::Usable(number)) => {
            let keys = counted(number, "key");
            Found::Passed(format!(
                "tokens can be verified: {keys} published for RS256"
            ))
        }
        Some(Keys::Given { published: true }) => {
            Found::Passed(format!("{jwt_key} is a key that the issuer publishes"))
        }
        Some(Keys::Given { published: false }) => Finding::error(
            format!("{jwt_key} is no key that the issuer publishes"),
            "tokens of the instance are signed with another one: all are answered with 401",
            format!("take it anew from the dashboard's API keys, or unset {jwt_key}"),
        )
        .into(),
        None if frontend.metadata.is_some() => Finding::error(
            "the issuer answers, but its keys cannot be had".to_owned(),
            "without keys no token can be verified: requests are answered with 503",
            format!("look at {}/.well-known/jwks.json", known.policy.issuer),
        )
        .into(),
        // That the issuer is away has been said.
        None => return None,
    })
}

/// A secret key of another instance would have every membership looked up among strangers.
fn secret_key(check: SecretKeyCheck, known: &Known<'_>) -> Option<Found> {
    let name = known.names.secret_key;
    Some(match check {
        SecretKeyCheck::Fits if known.has_secret_key => {
            Found::Passed(format!("{name} is of the instance that issues the tokens"))
        }
        SecretKeyCheck::Fits => Finding::note(
            format!("{name} is not set"),
            "no role and no permission of an OAuth caller is looked up, organizations are believed as \
             tokens name them, opaque tokens (`oat_…`) are refused, and the instance's settings were \
             not checked",
            format!("set {name}; without it, the instance has to issue JWT access tokens"),
        )
        .into(),
        SecretKeyCheck::OtherInstance => {
            let than = if known.has_jwt_key {
                known.names.jwt_key
            } else {
                "the one that issues the tokens"
            };
            Found::Wrong(StartError::SecretKeyOfOtherInstance { name, than })
        }
        SecretKeyCheck::Refused => Found::Wrong(StartError::SecretKeyRefused { name }),
        SecretKeyCheck::Unknown => Finding::error(
            format!("{name} could not be checked at {}", known.api),
            "the Backend API or the issuer's keys could not be reached; until the API answers, guards \
             that need a membership are answered with 503",
            format!(
                "see that this machine reaches it, and that {} is right if it is set",
                known.names.api_url
            ),
        )
        .into(),
    })
}

/// Machines' tokens name the machines that they are for, and Clerk tells a machine's key of those alone
/// that are for this machine.
fn machine(answers: &Answers, known: &Known<'_>) -> Option<Found> {
    let Names {
        machine_id,
        machine_secret_key,
        ..
    } = known.names;
    let id = match &known.policy.machine {
        Some(Machine::Named(id)) => id.as_str(),
        Some(Machine::Unnamed) | None => "",
    };
    let fits = answers.secret_key == SecretKeyCheck::Fits;
    match answers.machine {
        MachineCheck::Unasked => None,
        MachineCheck::Fits if id.is_empty() => {
            Some(Found::Passed(format!("Clerk accepts {machine_secret_key}")))
        }
        MachineCheck::Fits if !fits => None,
        MachineCheck::Fits => Some(Found::Passed(format!(
            "{id} is a machine, and its settings fit each other"
        ))),
        MachineCheck::KeyRefused => Some(Found::Wrong(StartError::MachineKeyRefused {
            name: machine_secret_key,
        })),
        // Another instance's machines say nothing of this one's.
        MachineCheck::NoSuch | MachineCheck::OtherKey if !fits => None,
        MachineCheck::NoSuch => {
            let finding = Finding::error(
                format!("{machine_id}: the instance has no machine {id}"),
                "no token is meant for it: those of all machines are answered with 401",
                "copy the id from the machine's page in the dashboard",
            );
            Some(finding.into())
        }
        MachineCheck::OtherKey => {
            let finding = Finding::error(
                format!("{machine_secret_key} is not the key of {id}"),
                "opaque tokens that are meant for it are answered with 401, or will be soon if its key \
                 was just changed",
                format!("take {machine_id} and {machine_secret_key} from one machine's page"),
            );
            Some(finding.into())
        }
        MachineCheck::Unknown => Some(untold("machines")),
    }
}

/// Source: Clerk, "Instances / environments": anyone can sign up to a development instance with a
/// test e-mail address.
fn instance_is_for_this(known: &Known<'_>) -> Option<Found> {
    let canonical = known.canonical.filter(|url| !url.is_loopback())?;
    let finding = Finding::warning(
        format!("a development instance serves {}", canonical.as_str()),
        "anybody can sign up with a test address, and Clerk answers it a tenth as often",
        "use the keys of a production instance (`pk_live_…`, `sk_live_…`)",
    );
    known.development.then(|| finding.into())
}

/// Which tokens the instance issues, and to clients that ask for nothing in particular.
fn settings(answers: &Answers, known: &Known<'_>) -> Vec<Found> {
    let settings = match &answers.settings {
        Ok(Some(settings)) if known.policy.oauth => settings,
        Ok(_) => return Vec::new(),
        Err(Untold) => return vec![untold("OAuth settings")],
    };
    let mut found = Vec::new();
    found.push(if settings.jwt_access_tokens {
        Found::Passed("OAuth access tokens are JWTs, verified without a call".to_owned())
    } else {
        Finding::warning(
            "the instance issues opaque OAuth access tokens".to_owned(),
            "each takes a call to the Backend API, again every minute, within a tenth of the \
             instance's rate limit",
            known.dashboard("under OAuth applications, switch on *Generate access tokens as JWTs*"),
        )
        .into()
    });
    // The advertised scopes follow from the tools.
    if known.registry.is_some() {
        found.push(default_scopes(settings, known));
    }
    found
}

fn untold(what: &str) -> Found {
    Finding::note(
        format!("the instance's {what} could not be read"),
        "the Backend API answered with an error, or in a form that is not known",
        "try again; else look at the dashboard",
    )
    .into()
}

/// How clients come to an id of their own: the settings know, else the metadata.
fn registration(
    metadata: Option<&Document>,
    settings: Option<&OauthSettings>,
    known: &Known<'_>,
) -> Option<Found> {
    let told = settings.map(|settings| (settings.registers, settings.takes_client_documents));
    let read = || metadata.map(|of| (of.registers(), of.takes_client_documents()));
    let (registers, takes_documents) = told.or_else(read)?;
    if !known.policy.oauth {
        return None;
    }
    let listed = known.policy.allowed_clients.is_some();
    if !registers && !takes_documents {
        let what =
            "no MCP client can register by itself: dynamic client registration and client-id \
                    metadata documents are both off"
                .to_owned();
        let why = "a client that was not given an id stops after discovery";
        let remedy = known.dashboard(
            "under OAuth applications, Settings, Client onboarding, switch on *Publish CIMD support* or \
             *Publish DCR support*; or make an application for each client",
        );
        return Some(if listed {
            Finding::note(what, why, remedy).into()
        } else {
            Finding::warning(what, why, remedy).into()
        });
    }
    let open = settings.is_some_and(|settings| {
        settings.takes_client_documents && !settings.only_known_client_documents
    });
    Some(if open && !listed {
        Finding::note(
            "client-id metadata documents are taken from any client".to_owned(),
            "whoever publishes one may ask your users for access",
            known.dashboard(
                "under OAuth applications, allow pre-registered clients only, or name them with \
                 `allowed_clients`",
            ),
        )
        .into()
    } else {
        let by = match (registers, takes_documents) {
            (true, true) => "dynamically and by metadata documents",
            (true, false) => "dynamically",
            (false, _) => "by metadata documents",
        };
        Found::Passed(format!("clients can register {by}"))
    })
}

/// Tokens are good from one second to another; what the clocks differ by is lost or gained.
fn clock(metadata: &Document, known: &Known<'_>) -> Option<Found> {
    let ahead_ms = metadata.ahead_ms()?;
    let (difference, way) = (
        ahead_ms.unsigned_abs(),
        if ahead_ms > 0 { "ahead of" } else { "behind" },
    );
    if difference <= TOLERATED_MS {
        return Some(Found::Passed(
            "the clock agrees with the issuer's".to_owned(),
        ));
    }
    let seconds = difference.div_ceil(1_000);
    let what = format!("the clock is {seconds} s {way} the issuer's");
    let remedy = "set it, and keep it set (NTP)";
    Some(if difference > known.policy.leeway_ms {
        let why = "that is more than is tolerated: good tokens are refused, or ended ones accepted";
        Finding::error(what, why, remedy).into()
    } else {
        let why = "a little more, and good tokens are refused";
        Finding::warning(what, why, remedy).into()
    })
}

/// MCP 2026-07-28, basic/authorization: a client that is asked for a scope asks the issuer for it.
fn scopes(metadata: &Document, known: &Known<'_>) -> Vec<Found> {
    let Some(supported) = metadata.scopes().filter(|_| known.policy.oauth) else {
        return Vec::new();
    };
    let is_supported = |scope: &str| supported.iter().any(|one| one == scope);
    let mut found = Vec::new();
    // An API key's scopes are none of the authorization server's.
    let mut missing = asked(known, takes_oauth, |requirement| match requirement {
        Requirement::Scope(scope) => Some(scope.to_string()),
        _ => None,
    });
    for scope in known.required_scopes {
        missing.entry(scope.clone()).or_default().push("every tool");
    }
    missing.retain(|scope, _| !is_supported(scope) && scope != ORGANIZATION_SCOPE);
    if !missing.is_empty() {
        let finding = Finding::warning(
            format!(
                "the issuer does not advertise the scopes {}",
                listed(&missing)
            ),
            "a client that is sent back for one may be refused there (`invalid_scope`), or not ask",
            known.dashboard(
                "under OAuth applications, define them as scopes and have them advertised",
            ),
        );
        found.push(finding.into());
    }
    if uses_organization(known) && !is_supported(ORGANIZATION_SCOPE) {
        let finding = Finding::warning(
            format!("tools ask for an organization, and the issuer has no `{ORGANIZATION_SCOPE}`"),
            "without that scope no OAuth token names an organization: these tools deny everybody",
            known.dashboard("switch Organizations on"),
        );
        found.push(finding.into());
    }
    found
}

/// A client that registers itself may never ask for a scope later that it did not register with, or that
/// is no default scope if it registered without scopes.
///
/// Source: <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
fn scopes_out_of_reach(settings: &OauthSettings, known: &Known<'_>) -> Option<Found> {
    let mut tools = asked(known, takes_oauth, |requirement| match requirement {
        Requirement::Scope(scope) => Some(scope.to_string()),
        _ => None,
    });
    let defaults = settings.default_scopes.as_deref().unwrap_or_default();
    tools.retain(|scope, _| !known.advertised.contains(scope) && !defaults.contains(scope));
    let is_open = known.policy.oauth && settings.registers && !tools.is_empty();
    let finding = Finding::note(
        format!(
            "clients that register themselves may not get the scopes {}",
            listed(&tools)
        ),
        "such a client registers with the scopes that are advertised, and a step-up beyond them is \
         `invalid_scope`; clients with metadata documents step up",
        "name the scopes in `scopes_supported`, and add them to the default scopes; or admit clients with \
         metadata documents only",
    );
    is_open.then(|| finding.into())
}

/// What guards ask for has to be somewhere to be had.
fn roles(roles: &Result<Option<Vec<Role>>, Untold>, known: &Known<'_>) -> Vec<Found> {
    let mut permissions = asked(
        known,
        |_| true,
        |requirement| match requirement {
            Requirement::Permission(permission) => Some(permission.to_string()),
            _ => None,
        },
    );
    let mut asked_roles = asked(
        known,
        |_| true,
        |requirement| match requirement {
            Requirement::Role(role) => Some(role.to_string()),
            _ => None,
        },
    );
    if permissions.is_empty() && asked_roles.is_empty() {
        return Vec::new();
    }
    let roles = match roles {
        Ok(Some(roles)) => roles,
        Ok(None) => return Vec::new(),
        Err(Untold) => return vec![untold("roles")],
    };
    let mut found = Vec::new();
    let held = |key: &str| {
        let mut all = roles.iter().flat_map(|role| &role.permissions);
        all.any(|permission| permission.key == key)
    };
    permissions.retain(|key, _| !held(key));
    asked_roles.retain(|key, _| !roles.iter().any(|role| role.key == *key));
    if !permissions.is_empty() {
        let known_keys = roles.iter().flat_map(|role| &role.permissions);
        let known_keys: Vec<_> = known_keys.map(|one| one.key.as_str()).collect();
        let slips: String = permissions
            .keys()
            .filter_map(|key| Some((key, nearest(&known_keys, key)?)))
            .map(|(key, near)| format!("; did you mean `{near}` with `{key}`?"))
            .collect();
        let finding = Finding::warning(
            format!(
                "no role of the instance has the permissions {}",
                listed(&permissions)
            ),
            "these guards deny everybody who has no other way in",
            known.dashboard(
                "under Roles and permissions, create them and give them to roles; a slip of the pen \
                 in the tool looks the same",
            ) + &slips,
        );
        found.push(finding.into());
    }
    if !asked_roles.is_empty() {
        let finding = Finding::warning(
            format!("the instance has no roles {}", listed(&asked_roles)),
            "these guards deny everybody who has no other way in",
            known.dashboard(
                "under Roles and permissions, create them; a slip of the pen in the tool looks the \
                 same",
            ),
        );
        found.push(finding.into());
    }
    if found.is_empty() {
        let passed =
            "roles have all permissions that tools ask for, and exist if tools ask for them";
        found.push(Found::Passed(passed.to_owned()));
    }
    found
}

/// Whether a tool asks OAuth tokens for an organization.
fn uses_organization(known: &Known<'_>) -> bool {
    let mut tools = known.registry.into_iter().flat_map(Registry::iter);
    tools.any(|tool| tool.guard().uses_organization() && takes_oauth(tool.guard()))
}

/// Whether a tool does not refuse OAuth tokens as such.
fn takes_oauth(guard: &Guard) -> bool {
    guard.requirements().all(|requirement| match requirement {
        Requirement::Accept(kinds) => kinds.contains(&TokenKind::OAuth),
        _ => true,
    })
}

/// What such guards ask for, of one kind, with the tools that do.
fn asked(
    known: &Known<'_>,
    such: impl Fn(&Guard) -> bool,
    of_kind: impl Fn(Requirement) -> Option<String>,
) -> BTreeMap<String, Vec<&'static str>> {
    let mut asked: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let tools = known.registry.into_iter().flat_map(Registry::iter);
    for tool in tools.filter(|tool| such(tool.guard())) {
        for name in tool.guard().leaves().into_iter().filter_map(&of_kind) {
            let tools = asked.entry(name).or_default();
            if !tools.contains(&tool.name()) {
                tools.push(tool.name());
            }
        }
    }
    asked
}

/// `documents:write` (`save`, `share`), `billing` (every tool)
fn listed(asked: &BTreeMap<String, Vec<&str>>) -> String {
    let one = |(name, tools): (&String, &Vec<&str>)| format!("`{name}` ({})", tools.join(", "));
    asked.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Dates have whole seconds, and answers take their time.
const TOLERATED_MS: u64 = 2_000;
