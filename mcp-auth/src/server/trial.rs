//! The example request that the report and the page for browsers show.

use std::path::PathBuf;
use std::sync::Arc;

use url::form_urlencoded;

use crate::identity::{AudienceMode, TokenPolicy};
use crate::primitive::{Registry, Served};

use super::assemble::{LocalClerk, Seat};
use super::builder::ServerBuilder;
use super::matrix::{AccessMatrix, SampleCaller};

/// An example request to a server with a local Clerk, for people who try the server out.
#[derive(Clone, Debug)]
pub(super) struct TryIt {
    trial: Trial,
    /// The user whose token the request uses, for example `ada`.
    pub(super) user: String,
    /// The role and the organization of that user, for example `admin of acme`.
    pub(super) place: Option<String>,
    /// The query string of the request that fetches the user's token.
    token_query: String,
    /// The file that stores the state of the local Clerk.
    pub(super) state_file: Option<PathBuf>,
}

/// The request that the example sends.
#[derive(Clone, Debug)]
enum Trial {
    Call(&'static str),
    List,
}

impl TryIt {
    /// Returns the command that fetches a token that the server accepts.
    pub(super) fn token_command(&self, issuer: &str) -> String {
        format!("curl -sS '{issuer}/dev/token?{}'", self.token_query)
    }

    /// Returns a command for a shell. The command fetches a token and sends a request of MCP 2025-11-25, because this
    /// revision needs no `_meta`.
    pub(super) fn command(&self, endpoint: &str, issuer: &str) -> String {
        let token = self.token_command(issuer);
        let (method, params) = match self.trial {
            Trial::Call(tool) => (
                "tools/call",
                format!(r#"{{"name":"{tool}","arguments":{{}}}}"#),
            ),
            Trial::List => ("tools/list", "{}".to_owned()),
        };
        format!(
            "curl -sS {endpoint} -H \"Authorization: Bearer $({token})\" \
             -H 'Content-Type: application/json' \
             -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{params}}}'"
        )
    }
}

/// Chooses the example request: a call by the first person who may call a suitable tool. If there
/// is no such person, the request lists the tools.
pub(super) fn try_it(
    builder: &ServerBuilder,
    policy: &TokenPolicy,
    registry: &Registry,
    matrix: &AccessMatrix,
    local: &LocalClerk,
) -> TryIt {
    let calls = local.seats.iter().filter_map(|seat| {
        let tool = tool_to_try(registry, matrix, &sample_caller(seat))?;
        Some((seat, tool))
    });
    // Prefer a tool that requires an organization, because it is the better example.
    let best = calls.min_by_key(|(_, tool)| !tool.guard().needs_organization());
    let seat = best.map_or(local.seats.first(), |(seat, _)| Some(seat));
    let trial = best.map_or(Trial::List, |(_, tool)| Trial::Call(tool.name()));
    let place = seat.and_then(|seat| {
        let role = seat.role.as_deref()?;
        let role = role.strip_prefix("org:").unwrap_or(role);
        Some(format!("{role} of {}", seat.organization.as_deref()?))
    });
    TryIt {
        trial,
        user: seat.map_or("NAME", |seat| &seat.user).to_owned(),
        place,
        token_query: token_query(builder, policy, seat),
        state_file: local.state_file.clone(),
    }
}

/// A guarded tool that is read-only, needs no arguments, answers at once and admits this caller.
fn tool_to_try<'a>(
    registry: &'a Registry,
    matrix: &AccessMatrix,
    caller: &SampleCaller,
) -> Option<&'a Arc<Served>> {
    let fits = |tool: &&Arc<Served>| {
        tool.is_read_only()
            && !tool.requires_arguments()
            && tool.task().is_none()
            && !tool.guard().is_public()
            && matrix.lets(caller, tool.name())
    };
    let fitting = registry.tools().filter(fits);
    fitting.min_by_key(|tool| !tool.guard().needs_organization())
}

fn sample_caller(seat: &Seat) -> SampleCaller {
    let caller = SampleCaller::new(&seat.user);
    let caller = match &seat.role {
        Some(role) => caller.role(role),
        None => caller,
    };
    let permissions = seat.permissions.iter();
    permissions.fold(caller, |caller, permission| caller.permission(permission))
}

fn token_query(builder: &ServerBuilder, policy: &TokenPolicy, seat: Option<&Seat>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("user", seat.map_or("NAME", |seat| &seat.user));
    if let Some(organization) = seat.and_then(|seat| seat.organization.as_deref()) {
        query.append_pair("org", organization);
    }
    if !builder.scopes.required.is_empty() {
        let scopes = format!("profile email {}", builder.scopes.required.join(" "));
        query.append_pair("scopes", &scopes);
    }
    if let (AudienceMode::Require, Some(audience)) =
        (policy.audience.mode, policy.audience.accepted.first())
    {
        query.append_pair("aud", audience);
    }
    query.finish()
}
