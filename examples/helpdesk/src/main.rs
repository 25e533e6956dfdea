//! A help desk: the members of an organization open tickets, and the agents of the organization
//! answer the tickets.
//!
//! `cargo run -p helpdesk` starts the server with a local Clerk. The people and roles are in
//! `clerk.toml`: `ada` is an admin, `grace` and `alan` are agents, and `linus` can only open
//! tickets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mcp_auth::{
    Caller, Context, FromContext, Json, Org, PublicErrorExt, State, ToolError, mcp_tool,
};

mod reading;
#[cfg(test)]
mod tests;

mcp_auth::permissions! {
    only;
    /// Read the tickets of the team.
    READ = "org:tickets:read";
    /// Assign a ticket to the person who answers it.
    ASSIGN = "org:tickets:assign";
    /// Answer tickets, and close one's own assigned tickets.
    ANSWER = "org:tickets:answer";
}

#[mcp_auth::data]
#[derive(Clone, Default)]
#[serde(rename_all = "snake_case")]
enum Priority {
    Low,
    #[default]
    Normal,
    Urgent,
}

#[mcp_auth::data]
#[derive(Clone)]
struct Problem {
    /// The problem, in one line.
    #[garde(length(chars, min = 3, max = 80))]
    title: String,
    #[serde(default)]
    priority: Priority,
}

#[mcp_auth::data]
#[derive(Clone)]
struct Ticket {
    id: usize,
    #[garde(dive)]
    problem: Problem,
    closed: bool,
    /// Id of the user who opened the ticket.
    opened_by: String,
    /// Id of the user who answers the ticket.
    assignee: Option<String>,
}

/// The tickets of all organizations. The key is the id of the organization.
#[derive(Default)]
struct Desk(Mutex<HashMap<String, Vec<Ticket>>>);

/// The caller's team. A tool that takes a `Team` reaches only the tickets of that team.
struct Team {
    org_id: String,
    desk: State<Desk>,
}

impl FromContext for Team {
    type Parts = (Org, State<Desk>);

    async fn from_context(
        _: &Context,
        (org, desk): (&Org, &State<Desk>),
    ) -> Result<Self, ToolError> {
        Ok(Self {
            org_id: org.id().to_owned(),
            desk: desk.clone(),
        })
    }
}

impl Team {
    fn tickets<R>(&self, read: impl FnOnce(&mut Vec<Ticket>) -> R) -> R {
        // Ignore poisoning, because a panic cannot leave a ticket half changed.
        let mut desk = self.desk.0.lock().unwrap_or_else(PoisonError::into_inner);
        read(desk.entry(self.org_id.clone()).or_default())
    }

    fn ticket<R>(&self, id: usize, read: impl FnOnce(&mut Ticket) -> R) -> Result<R, ToolError> {
        self.tickets(|tickets| tickets.iter_mut().find(|ticket| ticket.id == id).map(read))
            .or_public(format!(
                "There is no ticket {id}; `list_tickets` has their ids"
            ))
    }
}

/// Tell the hours in which tickets are answered.
#[mcp_tool(public, read_only, closed_world)]
async fn office_hours() -> &'static str {
    "Monday to Friday, 9:00 to 17:00 UTC"
}

/// Open a ticket.
#[mcp_tool(destructive = false)]
async fn open_ticket(
    #[garde(dive)] problem: Problem,
    caller: &Caller,
    team: &Team,
) -> Json<Ticket> {
    Json(team.tickets(|tickets| {
        let ticket = Ticket {
            id: tickets.len() + 1,
            problem,
            closed: false,
            opened_by: caller.subject().to_owned(),
            assignee: None,
        };
        tickets.push(ticket.clone());
        ticket
    }))
}

/// Assign a ticket to the person who answers it.
#[mcp_tool(permission = ASSIGN, idempotent, destructive = false)]
async fn assign_ticket(
    /// Id of the ticket, as `list_tickets` returns it.
    id: usize,
    /// Id of the user who answers the ticket, `user_…`.
    #[garde(length(chars, max = 80), prefix("user_"))]
    assignee: String,
    team: &Team,
) -> Result<(), ToolError> {
    team.ticket(id, |ticket| ticket.assignee = Some(assignee))
}

/// Agents may close the tickets that are assigned to them. Admins may close all tickets.
fn may_close(id: &usize, caller: &Caller, org: &Org, team: &Team) -> Result<bool, ToolError> {
    let assignee = team.ticket(*id, |ticket| ticket.assignee.clone())?;
    Ok(assignee.as_deref() == Some(caller.subject()) || org.has_role("admin"))
}

/// Close a ticket.
#[mcp_tool(
    any(permission = ANSWER, role = "admin"),
    authorize = may_close(id, caller, org, team),
    idempotent
)]
async fn close_ticket(
    /// Id of the ticket, as `list_tickets` returns it.
    id: usize,
    caller: &Caller,
    org: &Org,
    team: &Team,
) -> Result<(), ToolError> {
    team.ticket(id, |ticket| ticket.closed = true)
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    mcp_auth::serve!(emulator = "clerk.toml", state = Desk::default()).await
}
