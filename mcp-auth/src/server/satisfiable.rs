//! Whether a guard can be passed at all: one that nobody passes, ever, is a mistake of whoever declares
//! or configures.
//!
//! What a kind of token can carry is known without a caller, so that each guard is tried on the best
//! there could be of each kind.

use std::fmt;
use std::panic::Location;

use crate::guard::{Guard, Requirement};
use crate::identity::{Policy, TokenKind};
use crate::tool::Registry;

use super::builder::ServerBuilder;
use super::check::{Finding, Found};
use super::error::StartError;

/// Refuses guards that no accepted token can pass.
pub(super) fn check_guards(
    registry: &Registry,
    builder: &ServerBuilder,
    looks_up: bool,
    policy: &Policy,
) -> Result<(), StartError> {
    if builder.allow_unsatisfiable_guards {
        return Ok(());
    }
    let accepts = Accepts::of(policy, looks_up, &builder.required_scopes);
    let tools: Vec<_> = registry
        .iter()
        .filter_map(|tool| {
            Some(Unsatisfiable {
                tool: tool.name(),
                location: tool.location(),
                why: accepts.why_not(tool.guard())?,
            })
        })
        .collect();
    if tools.is_empty() {
        Ok(())
    } else {
        Err(StartError::Unsatisfiable { tools })
    }
}

/// What session tokens cannot do on a server like this.
pub(super) fn scopeless_sessions(policy: &Policy, server_scopes: &[String]) -> Option<Found> {
    let others = accepted_kinds(policy).any(|kind| kind != TokenKind::Session);
    let shut_out = policy.sessions.is_some() && !server_scopes.is_empty() && others;
    shut_out.then(|| {
        Found::Other(Finding::warning(
            format!(
                "`require_scope` asks everybody for {}, and session tokens have no scopes",
                server_scopes.join(" ")
            ),
            "they are accepted, and can call public tools only",
            "name the scope on the tools that need it, or do not accept session tokens",
        ))
    })
}

/// A tool whose guard nobody can pass.
#[derive(Debug)]
pub(crate) struct Unsatisfiable {
    tool: &'static str,
    location: &'static Location<'static>,
    why: WhyNot,
}

/// Why nobody passes, and what to do about it.
#[derive(Debug, Eq, PartialEq)]
struct WhyNot {
    /// What each kind of token lacks, first; several are lacked in turn, by one token or another.
    lacks: Vec<(TokenKind, Vec<String>)>,
    remedy: &'static str,
}

/// What a server accepts.
#[derive(Debug)]
struct Accepts<'a> {
    kinds: Vec<TokenKind>,
    looks_up: bool,
    server_scopes: &'a [String],
}

/// The best that a caller of some kind can be.
#[derive(Clone, Copy, Debug)]
struct Best {
    kind: TokenKind,
    user: bool,
    organization: bool,
}

impl<'a> Accepts<'a> {
    fn of(policy: &Policy, looks_up: bool, server_scopes: &'a [String]) -> Self {
        Self {
            kinds: accepted_kinds(policy).collect(),
            looks_up,
            server_scopes,
        }
    }

    fn has(&self, kind: TokenKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Why nobody passes this guard; `None` if somebody can.
    fn why_not(&self, guard: &Guard) -> Option<WhyNot> {
        if guard.is_public() {
            return None;
        }
        let accepted = Best::ALL.into_iter().filter(|best| self.has(best.kind));
        let (meant, others): (Vec<_>, Vec<_>) =
            accepted.partition(|best| best.is_accepted_by(guard));
        // Of others the tool does not want to hear.
        let narrows = !meant.is_empty() && !others.is_empty();
        let callers = if meant.is_empty() { others } else { meant }.into_iter();
        let lacks: Vec<_> = callers
            .map(|best| (best.kind, self.lacks(best, guard)))
            .collect();
        if lacks.iter().any(|(_, lacks)| lacks.is_empty()) {
            return None;
        }
        // Who lacks least is the nearest to being let in.
        let nearest = lacks.iter().min_by_key(|(_, lacks)| lacks.len());
        // Without any kind nobody is let in anywhere, which is said elsewhere.
        let remedy = self.remedy(nearest.and_then(|(_, lacks)| lacks.first())?);
        let helps = remedy == MEMBERSHIP && lacks.iter().any(|(kind, _)| *kind == TokenKind::OAuth);
        let mut told: Vec<(TokenKind, Vec<String>)> = Vec::new();
        for (kind, _) in &lacks {
            if !told.iter().any(|(known, _)| known == kind) {
                told.push((*kind, of_kind(&lacks, *kind)));
            }
        }
        Some(WhyNot {
            lacks: told,
            remedy: if narrows && !helps { NARROW } else { remedy },
        })
    }

    /// What even the best of a kind cannot have.
    fn lacks(&self, best: Best, guard: &Guard) -> Vec<Lack<'a>> {
        let asked = guard.requirements();
        let asked = asked.filter(|requirement| !self.can_meet(best, *requirement));
        let scopes = self.server_scopes.iter();
        let scopes = scopes.filter(|_| !has_scopes(best.kind));
        asked
            .map(Lack::Requirement)
            .chain(scopes.map(|scope| Lack::ServerScope(scope)))
            .collect()
    }

    fn can_meet(&self, best: Best, requirement: Requirement) -> bool {
        let is_session = best.kind == TokenKind::Session;
        let is_looked_up = self.looks_up && best.kind == TokenKind::OAuth;
        match requirement {
            Requirement::SignedIn | Requirement::NoActor => true,
            Requirement::Accept(kinds) => kinds.contains(&best.kind),
            Requirement::User => best.user,
            Requirement::Organization => best.organization,
            Requirement::Role(_) => is_looked_up || is_session,
            // Clerk leaves its own permissions out of session tokens.
            Requirement::Permission(permission) => {
                is_looked_up || is_session && !is_system(permission.as_str())
            }
            Requirement::Feature(_) | Requirement::Plan(_) | Requirement::Reverification(_) => {
                is_session
            }
            Requirement::Scope(_) => has_scopes(best.kind),
            Requirement::Any(alternatives) => alternatives.iter().any(|all| {
                let mut can = all.iter().map(|one| self.can_meet(best, *one));
                !all.is_empty() && can.all(|can| can)
            }),
        }
    }

    fn remedy(&self, lack: &Lack<'_>) -> &'static str {
        let requirement = match lack {
            Lack::Requirement(requirement) => *requirement,
            Lack::ServerScope(_) => return SCOPES,
        };
        match requirement {
            Requirement::Accept(_) => KIND,
            Requirement::Permission(permission) if is_system(permission.as_str()) => SYSTEM,
            Requirement::Permission(_) | Requirement::Role(_) => MEMBERSHIP,
            Requirement::Feature(_) | Requirement::Plan(_) | Requirement::Reverification(_)
                if self.has(TokenKind::Session) =>
            {
                TOO_MUCH
            }
            Requirement::Feature(_) | Requirement::Plan(_) | Requirement::Reverification(_) => {
                SESSIONS
            }
            Requirement::Scope(_) if self.has(TokenKind::OAuth) => TOO_MUCH,
            Requirement::Scope(_) => SCOPES,
            Requirement::NoActor
            | Requirement::Organization
            | Requirement::SignedIn
            | Requirement::User => PEOPLE,
            // What would help with the first alternative.
            Requirement::Any(alternatives) => {
                let first = alternatives.iter().flat_map(|all| all.iter()).next();
                first.map_or(TOO_MUCH, |one| self.remedy(&Lack::Requirement(*one)))
            }
        }
    }
}

/// What a caller cannot have.
#[derive(Clone, Copy, Debug)]
enum Lack<'a> {
    Requirement(Requirement),
    ServerScope(&'a str),
}

impl Best {
    const ALL: [Self; 5] = [
        Self::new(TokenKind::OAuth, true, true),
        Self::new(TokenKind::Session, true, true),
        Self::new(TokenKind::M2m, false, false),
        // A user's, or an organization's.
        Self::new(TokenKind::ApiKey, true, false),
        Self::new(TokenKind::ApiKey, false, true),
    ];

    const fn new(kind: TokenKind, user: bool, organization: bool) -> Self {
        Self {
            kind,
            user,
            organization,
        }
    }

    fn is_accepted_by(self, guard: &Guard) -> bool {
        guard.requirements().all(|requirement| match requirement {
            Requirement::Accept(kinds) => kinds.contains(&self.kind),
            _ => true,
        })
    }
}

/// What tokens of a kind cannot have: what none has, or else what one or the other lacks.
fn of_kind(lacks: &[(TokenKind, Vec<Lack<'_>>)], kind: TokenKind) -> Vec<String> {
    let all = || lacks.iter().filter(|(of, _)| *of == kind);
    let texts = |lacks: &[Lack<'_>]| lacks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut firsts = Vec::new();
    for (_, lacks) in all() {
        let texts = texts(lacks);
        let common = texts.iter().find(|text| {
            let mut others = all().map(|(_, lacks)| lacks.iter());
            others.all(|mut lacks| lacks.any(|lack| lack.to_string() == **text))
        });
        if let Some(common) = common {
            return vec![common.clone()];
        }
        firsts.extend(texts.into_iter().next());
    }
    firsts
}

impl fmt::Display for Unsatisfiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tool,
            location,
            why: WhyNot { lacks, remedy },
        } = self;
        let lacks: Vec<_> = lacks
            .iter()
            .map(|(kind, lacks)| {
                let at_once = if lacks.len() > 1 { " at once" } else { "" };
                format!(
                    "{kind} tokens cannot have `{}`{at_once}",
                    lacks.join("` and `")
                )
            })
            .collect();
        let why = lacks.join(", ");
        write!(f, "`{tool}` ({location}): {why}; {remedy}")
    }
}

impl fmt::Display for Lack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requirement(requirement) => requirement.fmt(f),
            Self::ServerScope(scope) => write!(f, "scope {scope}"),
        }
    }
}

fn accepted_kinds(policy: &Policy) -> impl Iterator<Item = TokenKind> + use<'_> {
    let kinds = [
        TokenKind::OAuth,
        TokenKind::Session,
        TokenKind::M2m,
        TokenKind::ApiKey,
    ];
    kinds.into_iter().filter(|kind| policy.accepts(*kind))
}

fn has_scopes(kind: TokenKind) -> bool {
    match kind {
        TokenKind::ApiKey | TokenKind::OAuth => true,
        TokenKind::M2m | TokenKind::Session => false,
    }
}

/// <https://clerk.com/docs/organizations/roles-permissions>: `org:sys_<feature>:<action>`.
fn is_system(permission: &str) -> bool {
    permission.starts_with("org:sys_")
}

const KIND: &str = "accept such tokens, or add an accepted kind to the tool's `accept`";
const MEMBERSHIP: &str =
    "set CLERK_SECRET_KEY so that OAuth callers' are looked up, or accept session tokens";
const NARROW: &str =
    "drop what these cannot have, or add to the tool's `accept` a kind that has it";
const PEOPLE: &str = "accept tokens of people: OAuth access tokens or session tokens";
const SCOPES: &str = "accept OAuth access tokens, which have scopes";
const SESSIONS: &str = "accept session tokens (`session_tokens`), which alone tell it";
const SYSTEM: &str = "set CLERK_SECRET_KEY so that OAuth callers' are looked up: session tokens have none of Clerk's own";
const TOO_MUCH: &str = "no one kind of token has all that it asks for: make two tools of it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Feature, Permission, Plan, Reverification, Role, Scope};
    use crate::identity::Parties;

    const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
    const SYS: Requirement = Requirement::Permission(Permission::new("org:sys_profile:read"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
    const EXPORT: Requirement = Requirement::Feature(Feature::new("export"));
    const PRO: Requirement = Requirement::Plan(Plan::new("pro"));
    const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
    const ORG: Requirement = Requirement::Organization;
    const USER: Requirement = Requirement::User;
    const KEYS: Requirement = Requirement::Accept(&[TokenKind::ApiKey]);

    fn accepts<'a>(kinds: &[TokenKind], looks_up: bool, scopes: &'a [String]) -> Accepts<'a> {
        Accepts {
            kinds: kinds.to_vec(),
            looks_up,
            server_scopes: scopes,
        }
    }

    const OAUTH: &[TokenKind] = &[TokenKind::OAuth];
    const SESSION: &[TokenKind] = &[TokenKind::Session];
    const BOTH: &[TokenKind] = &[TokenKind::Session, TokenKind::OAuth];
    const M2M: &[TokenKind] = &[TokenKind::M2m];
    const API_KEY: &[TokenKind] = &[TokenKind::ApiKey];

    #[test]
    fn a_guard_can_be_passed_by_the_kinds_that_carry_what_it_asks_for() {
        for (asked, [oauth, looked_up, session, m2m, api_key]) in [
            (&[][..], [true; 5]),
            (&[Requirement::NoActor], [true; 5]),
            (&[ORG], [true, true, true, false, true]),
            (&[USER], [true, true, true, false, true]),
            (&[USER, ORG], [true, true, true, false, false]),
            (&[READ], [false, true, true, false, false]),
            (&[SYS], [false, true, false, false, false]),
            (&[ADMIN, ORG], [false, true, true, false, false]),
            (&[EXPORT], [false, false, true, false, false]),
            (&[PRO, READ], [false, false, true, false, false]),
            (&[STRICT], [false, false, true, false, false]),
            (&[DOCS], [true, true, false, false, true]),
            (&[DOCS, EXPORT], [false; 5]),
            (&[KEYS], [false, false, false, false, true]),
            (
                &[Requirement::Any(&[&[READ], &[DOCS]])],
                [true, true, true, false, true],
            ),
            (
                &[Requirement::Any(&[&[READ, DOCS], &[EXPORT]])],
                [false, true, true, false, false],
            ),
            (&[Requirement::Any(&[&[]])], [false; 5]),
        ] {
            let guard = Guard::signed_in(asked);
            for (kinds, looks_up, expected) in [
                (OAUTH, false, oauth),
                (OAUTH, true, looked_up),
                (SESSION, true, session),
                (M2M, true, m2m),
                (API_KEY, true, api_key),
                (BOTH, false, oauth || session),
                (BOTH, true, looked_up || session),
            ] {
                let why = accepts(kinds, looks_up, &[]).why_not(&guard);
                assert_eq!(
                    why.is_none(),
                    expected,
                    "{guard} {kinds:?} {looks_up}: {why:?}"
                );
            }
        }
    }

    #[test]
    fn sessions_beside_others_under_a_scope_of_the_server_are_warned_of() {
        let scopes = ["docs".to_owned()];
        for (oauth, sessions, scopes, warned) in [
            (true, Some(Parties::Any), &scopes[..], true),
            (true, Some(Parties::Any), &[], false),
            (true, None, &scopes, false),
            // Then no tool can be called at all, which is an error.
            (false, Some(Parties::Any), &scopes, false),
        ] {
            let policy = Policy {
                oauth,
                sessions,
                ..Policy::new("https://clerk.example.com".to_owned(), Vec::new())
            };
            let found = format!("{:?}", scopeless_sessions(&policy, scopes));
            assert_eq!(found.contains("asks everybody for docs"), warned, "{found}");
        }
    }

    #[test]
    fn a_scope_of_the_server_shuts_those_out_who_have_none() {
        let scopes = ["docs".to_owned()];
        let bare = Guard::signed_in(&[]);
        for (kinds, expected) in [(OAUTH, true), (SESSION, false), (BOTH, true), (M2M, false)] {
            let why = accepts(kinds, true, &scopes).why_not(&bare);
            assert_eq!(why.is_none(), expected, "{kinds:?}: {why:?}");
            assert_eq!(
                accepts(kinds, true, &scopes).why_not(&Guard::public()),
                None
            );
        }
        // Those who get past the server's have no features, those with features no scopes.
        let export = Guard::signed_in(&[EXPORT]);
        assert!(accepts(BOTH, true, &scopes).why_not(&export).is_some());
    }

    #[test]
    fn each_kind_says_what_it_lacks_and_the_nearest_what_to_do() {
        let scopes = ["docs".to_owned()];
        for (asked, kinds, looks_up, scopes, lacks, remedy) in [
            (
                &[ORG, ADMIN][..],
                OAUTH,
                false,
                &[][..],
                &["oauth role org:admin"][..],
                MEMBERSHIP,
            ),
            (
                &[EXPORT],
                OAUTH,
                true,
                &[],
                &["oauth feature export"],
                SESSIONS,
            ),
            (
                &[EXPORT, SYS],
                BOTH,
                true,
                &[],
                &[
                    "oauth feature export",
                    "session permission org:sys_profile:read",
                ],
                TOO_MUCH,
            ),
            (
                &[SYS],
                SESSION,
                true,
                &[],
                &["session permission org:sys_profile:read"],
                SYSTEM,
            ),
            (&[DOCS], SESSION, true, &[], &["session scope docs"], SCOPES),
            (&[], SESSION, true, &scopes, &["session scope docs"], SCOPES),
            (&[USER], M2M, true, &[], &["m2m user"], PEOPLE),
            (
                &[ORG, ADMIN],
                &[TokenKind::M2m, TokenKind::OAuth],
                false,
                &[],
                &["oauth role org:admin", "m2m organization"],
                MEMBERSHIP,
            ),
            (
                &[KEYS],
                BOTH,
                true,
                &[],
                &["oauth token api_key", "session token api_key"],
                KIND,
            ),
            (
                &[USER, ORG],
                API_KEY,
                true,
                &[],
                &["api_key organization & user"],
                PEOPLE,
            ),
            (
                &[Requirement::Any(&[&[PRO], &[STRICT]])],
                OAUTH,
                true,
                &[],
                &["oauth any of (plan pro; reverification strict)"],
                SESSIONS,
            ),
            (
                &[Requirement::Accept(M2M), READ],
                &[TokenKind::OAuth, TokenKind::Session, TokenKind::M2m],
                true,
                &[],
                &["m2m permission org:a:read"],
                NARROW,
            ),
            (
                &[Requirement::Accept(OAUTH), READ],
                BOTH,
                false,
                &[],
                &["oauth permission org:a:read"],
                MEMBERSHIP,
            ),
            (
                &[KEYS, USER, ORG],
                &[TokenKind::OAuth, TokenKind::ApiKey],
                true,
                &[],
                &["api_key organization & user"],
                NARROW,
            ),
            (
                &[KEYS, USER, READ],
                &[TokenKind::OAuth, TokenKind::ApiKey],
                true,
                &[],
                &["api_key permission org:a:read"],
                NARROW,
            ),
        ] {
            let guard = Guard::signed_in(asked);
            let why = accepts(kinds, looks_up, scopes).why_not(&guard).unwrap();
            let told = why
                .lacks
                .iter()
                .map(|(kind, lacks)| format!("{kind} {}", lacks.join(" & ")));
            assert_eq!(told.collect::<Vec<_>>(), lacks, "{guard}");
            assert_eq!(why.remedy, remedy, "{guard}");
        }
    }
}
