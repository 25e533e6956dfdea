//! Ready tools. A server has a ready tool only if the application switches the tool on.
//!
//! INVARIANT: a ready tool tells a caller nothing that the caller could not learn otherwise.

use std::fmt;
use std::sync::OnceLock;

use mcp_auth_macros::{data, mcp_tool};

use crate::guard::{TokenFacts, would_allow};
use crate::identity::{Actor, Caller, Org};
use crate::primitive::{AccessRule, Json, PrimitiveKind, Registry, State};

/// The module of the ready tools.
pub(crate) const MODULE: &str = module_path!();

/// The access rules of the tools that a server serves. The rules are set when the server starts.
#[derive(Default)]
pub(crate) struct ServedTools(OnceLock<Rules>);

struct Rules {
    tools: Vec<(String, AccessRule)>,
    server_scopes: Vec<String>,
}

impl ServedTools {
    pub(crate) fn set(&self, registry: &Registry, server_scopes: &[String]) {
        let tools = registry.iter().filter(|served| {
            let kind = served.info().kind();
            kind == PrimitiveKind::Tool
        });
        let tools = tools.map(|served| (served.name().to_owned(), served.access_rule()));
        // Only the start of a server sets the rules.
        let _ = self.0.set(Rules {
            tools: tools.collect(),
            server_scopes: server_scopes.to_vec(),
        });
    }
}

impl fmt::Debug for ServedTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools = self.0.get().map_or(0, |rules| rules.tools.len());
        write!(f, "ServedTools({tools})")
    }
}

/// The data about a caller that the server has.
#[data(crate = crate)]
struct WhoAmI {
    /// The subject of the token: a user, a machine or an organization.
    subject: String,
    /// The kind of token: `oauth`, `session`, `m2m` or `api_key`.
    token: String,
    /// The OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// The person who acts in the user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    scopes: Vec<String>,
    /// The organization in which the caller acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Membership>,
    /// The tools of this server that the caller may call.
    tools: Vec<String>,
    /// The tools among them that also decide by their arguments.
    depending_on_arguments: Vec<String>,
}

/// An organization, with the role and the permissions of the caller there.
#[data(crate = crate)]
struct Membership {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    /// Absent if the server does not know the role.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// Absent if the server does not know the permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<String>>,
}

/// Tell what this server knows of the caller: who they are, in which organization they act, their permissions, and which
/// tools they may call.
#[mcp_tool(crate = crate, read_only)]
async fn whoami(caller: &Caller, org: Option<&Org>, served: &State<ServedTools>) -> Json<WhoAmI> {
    let facts = TokenFacts::of(caller);
    let rules = served.0.get();
    let tools = rules.into_iter().flat_map(|rules| {
        let allowed =
            |rule: &AccessRule| would_allow(&rule.guard, Some(&facts), org, &rules.server_scopes);
        rules.tools.iter().filter(move |(_, rule)| allowed(rule))
    });
    let tools: Vec<_> = tools.collect();
    let names = |all: &[&(String, AccessRule)]| all.iter().map(|(name, _)| name.clone()).collect();
    let by_arguments = tools.iter().filter(|(_, rule)| rule.rule.is_some());
    let actor = caller
        .is_impersonated()
        .then(|| caller.actor().map_or("unknown", Actor::subject));
    Json(WhoAmI {
        subject: caller.subject().to_owned(),
        token: caller.token_kind().to_string(),
        client: caller.client_id().map(str::to_owned),
        actor: actor.map(str::to_owned),
        scopes: caller.scopes().to_vec(),
        organization: org.map(|org| Membership {
            id: org.id().to_owned(),
            slug: org.slug().map(str::to_owned),
            role: org.role().map(str::to_owned),
            permissions: org.permissions().map(<[String]>::to_vec),
        }),
        depending_on_arguments: names(&by_arguments.copied().collect::<Vec<_>>()),
        tools: names(&tools),
    })
}
