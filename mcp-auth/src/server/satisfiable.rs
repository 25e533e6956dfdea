//! Finds guards that no accepted token can pass. Such a guard is a mistake in the code or in the
//! configuration.
//!
//! Each kind of token can contain only certain claims. For each accepted kind, the check therefore evaluates each guard
//! for a caller who has all claims that a token of this kind can contain.

use std::fmt;

use crate::guard::{Guard, Requirement};
use crate::identity::{TokenKind, TokenPolicy};
use crate::primitive::{PrimitiveInfo, PrimitiveKind, Registry};

use super::builder::ServerBuilder;
use super::codes;
use super::finding::Finding;

/// Returns a finding if no accepted token can pass one of the guards.
pub(super) fn check_guards(
    registry: &Registry,
    builder: &ServerBuilder,
    looks_up: bool,
    policy: &TokenPolicy,
) -> Result<(), Finding> {
    if builder.scopes.allow_unsatisfiable_guards {
        return Ok(());
    }
    let accepts = Accepts::of(policy, looks_up, &builder.scopes.required);
    let mut tools: Vec<Unsatisfiable> = Vec::new();
    for served in registry.iter() {
        let Some(why) = accepts.why_not(served.guard()) else {
            continue;
        };
        let stated = why.stated_by_modules(served.guard());
        let item = format!("{} ({})", quoted(served.info()), served.location());
        let same = tools
            .iter_mut()
            .find(|known| known.why == why && known.stated == stated);
        match same {
            Some(known) => known.items.push(item),
            None => tools.push(Unsatisfiable {
                items: vec![item],
                why,
                stated,
            }),
        }
    }
    if tools.is_empty() {
        Ok(())
    } else {
        let tools: Vec<_> = tools.iter().map(Unsatisfiable::to_string).collect();
        let tools = tools.join("; and of ");
        let what = format!("no caller can ever pass the guard of {tools}");
        Err(Finding::new(&codes::GUARD_UNSATISFIABLE, what))
    }
}

/// Returns the finding that session tokens lack the scopes that the server requires.
pub(super) fn scopeless_sessions(
    policy: &TokenPolicy,
    server_scopes: &[String],
) -> Option<Finding> {
    let others = policy.kinds().any(|kind| kind != TokenKind::Session);
    let shut_out = policy.sessions.is_some() && !server_scopes.is_empty() && others;
    shut_out.then(|| {
        let scopes = server_scopes.join(" ");
        let what = format!(
            "`require_scope` requires {scopes} for every request, and session tokens have no scopes"
        );
        let remedy = "name the scope on the tools that need it, or do not accept session tokens";
        Finding::new(&codes::SESSIONS_WITHOUT_SCOPES, what).remedy_is(remedy)
    })
}

/// The tools, prompts and resources whose guards no accepted token can pass for the same reason.
#[derive(Debug)]
pub(crate) struct Unsatisfiable {
    /// The kind, the name and the location of each tool, prompt or resource.
    items: Vec<String>,
    why: WhyNot,
    /// A text for each requirement that a module states. The text names the place of the `module_guard!`.
    stated: Vec<String>,
}

/// The reason why no token passes a guard, and what to do about it.
#[derive(Debug, Eq, PartialEq)]
struct WhyNot {
    /// For each kind of token, the requirements that its callers cannot meet. If all callers of the
    /// kind fail the same requirement, the list has only that requirement. Otherwise it has one
    /// requirement for each caller.
    lacks: Vec<(TokenKind, Vec<String>)>,
    remedy: &'static str,
}

impl WhyNot {
    fn stated_by_modules(&self, guard: &Guard) -> Vec<String> {
        let lacks = |text: &str| {
            let mut all = self.lacks.iter().flat_map(|(_, lacks)| lacks);
            all.any(|lack| lack == text)
        };
        let stated = guard.stated().filter_map(|(requirement, module)| {
            let (text, place) = (requirement.to_string(), module?.place());
            lacks(&text).then(|| format!("`module_guard!` at {place} requires `{text}`"))
        });
        stated.collect()
    }
}

/// Returns the name of a tool. For a prompt or a resource, returns the kind and the name.
fn quoted(info: PrimitiveInfo) -> String {
    match info.kind() {
        PrimitiveKind::Tool => format!("`{}`", info.name()),
        PrimitiveKind::Prompt | PrimitiveKind::Resource | PrimitiveKind::ResourceTemplate => {
            info.in_words()
        }
    }
}

/// The tokens that a server accepts.
#[derive(Debug)]
struct Accepts<'a> {
    kinds: Vec<TokenKind>,
    looks_up: bool,
    server_scopes: &'a [String],
}

/// An imagined caller with one kind of token, who meets every requirement that a token of this kind can meet.
#[derive(Clone, Copy, Debug)]
struct Best {
    kind: TokenKind,
    user: bool,
    organization: bool,
}

impl<'a> Accepts<'a> {
    fn of(policy: &TokenPolicy, looks_up: bool, server_scopes: &'a [String]) -> Self {
        Self {
            kinds: policy.kinds().collect(),
            looks_up,
            server_scopes,
        }
    }

    fn has(&self, kind: TokenKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// The reason why no accepted token can pass this guard. `None` if a token can pass.
    fn why_not(&self, guard: &Guard) -> Option<WhyNot> {
        if guard.is_public() {
            return None;
        }
        let roles = roles(guard);
        if roles.len() > 1 {
            let kinds = self.kinds.iter().map(|kind| (*kind, roles.clone()));
            return Some(WhyNot {
                lacks: kinds.collect(),
                remedy: ONE_ROLE,
            });
        }
        let accepted = Best::ALL.into_iter().filter(|best| self.has(best.kind));
        let (meant, others): (Vec<_>, Vec<_>) =
            accepted.partition(|best| best.is_accepted_by(guard));
        // True if the tool's `accept` excludes some of the kinds that the server accepts.
        let narrows = !meant.is_empty() && !others.is_empty();
        let callers = if meant.is_empty() { others } else { meant }.into_iter();
        let lacks: Vec<_> = callers
            .map(|best| (best.kind, self.lacks(best, guard)))
            .collect();
        if lacks.iter().any(|(_, lacks)| lacks.is_empty()) {
            return None;
        }
        // The remedy helps the caller who fails the fewest requirements.
        let nearest = lacks.iter().min_by_key(|(_, lacks)| lacks.len());
        // If no kind is accepted, another finding reports that.
        let remedy = self.remedy(nearest.and_then(|(_, lacks)| lacks.first())?);
        let helps = remedy == MEMBERSHIP && lacks.iter().any(|(kind, _)| *kind == TokenKind::OAuth);
        let mut lacked: Vec<(TokenKind, Vec<String>)> = Vec::new();
        for (kind, _) in &lacks {
            if !lacked.iter().any(|(known, _)| known == kind) {
                lacked.push((*kind, of_kind(&lacks, *kind)));
            }
        }
        Some(WhyNot {
            lacks: lacked,
            remedy: if narrows && !helps { NARROW } else { remedy },
        })
    }

    /// The requirements that this caller cannot meet.
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
            // A policy can allow every kind of token.
            Requirement::SignedIn | Requirement::NoActor | Requirement::Policy(_) => true,
            Requirement::Accept(kinds) => kinds.contains(&best.kind),
            Requirement::User => best.user,
            Requirement::Organization => best.organization,
            Requirement::Role(_) => is_looked_up || is_session,
            // Session tokens do not contain the system permissions of Clerk.
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
            | Requirement::Policy(_)
            | Requirement::SignedIn
            | Requirement::User => PEOPLE,
            // The remedy is about the first alternative.
            Requirement::Any(alternatives) => {
                let first = alternatives.iter().flat_map(|all| all.iter()).next();
                first.map_or(TOO_MUCH, |one| self.remedy(&Lack::Requirement(*one)))
            }
        }
    }
}

/// A requirement that a caller cannot meet, or a scope of the server that a caller cannot have.
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
        // An API key belongs to a user or to an organization.
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

/// Returns the different roles that a guard requires together. A module can require one role, and a tool another role.
fn roles(guard: &Guard) -> Vec<String> {
    let roles = guard.requirements();
    let roles = roles.filter(|one| matches!(one, Requirement::Role(_)));
    let mut roles: Vec<_> = roles.map(|role| role.to_string()).collect();
    roles.sort();
    roles.dedup();
    roles
}

/// The requirements that the callers of one kind of token cannot meet. If all of them fail the same
/// requirement, returns only that requirement. Otherwise returns one requirement for each caller.
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
            items,
            why: WhyNot { lacks, remedy },
            stated,
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
        write!(f, "{}: {}", items.join(", "), lacks.join(", "))?;
        for stated in stated {
            write!(f, "; {stated}")?;
        }
        write!(f, "; {remedy}")
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

fn has_scopes(kind: TokenKind) -> bool {
    match kind {
        TokenKind::ApiKey | TokenKind::OAuth => true,
        TokenKind::M2m | TokenKind::Session => false,
    }
}

/// Returns true if a permission is a system permission of Clerk, `org:sys_<feature>:<action>`.
/// Source: <https://clerk.com/docs/organizations/roles-permissions>.
fn is_system(permission: &str) -> bool {
    permission.starts_with("org:sys_")
}

const KIND: &str = "let the server accept tokens of this kind, or add a kind that the server accepts to the tool's `accept`";
const MEMBERSHIP: &str = "set CLERK_SECRET_KEY, so that the memberships of OAuth callers can be looked up, or accept session tokens";
const NARROW: &str = "remove the requirement, or add a kind of token that can meet the requirement to the tool's `accept`";
const ONE_ROLE: &str = "a caller has one role in an organization: require one of these roles";
const PEOPLE: &str = "accept tokens of people: OAuth access tokens or session tokens";
const SCOPES: &str = "accept OAuth access tokens, which have scopes";
const SESSIONS: &str =
    "accept session tokens (`session_tokens`), because only session tokens can contain it";
const SYSTEM: &str = "set CLERK_SECRET_KEY, so that the memberships of OAuth callers can be looked up; session tokens contain none of Clerk's own permissions";
const TOO_MUCH: &str =
    "no kind of token can meet all requirements of this tool; split it into two tools";

#[cfg(test)]
mod tests;
