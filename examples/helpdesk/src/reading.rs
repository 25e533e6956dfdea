//! The tools that read tickets. The guard of the module states once what they need.

mcp_auth::module_guard!(permission = READ);

use mcp_auth::{Content, Json, ToolError, mcp_tool};

use crate::{READ, Team, Ticket};

/// List the team's tickets, the oldest first.
#[mcp_tool(read_only)]
async fn list_tickets(
    /// Words that the title contains. The case must match.
    #[garde(length(chars, max = 80))]
    #[arg(default)]
    query: String,
    /// Id of the last ticket of the previous page.
    #[arg(default)]
    after: usize,
    /// How many tickets to list.
    #[garde(range(min = 1, max = 100))]
    #[arg(default = 20)]
    limit: usize,
    team: &Team,
) -> Json<Vec<Ticket>> {
    Json(team.tickets(|tickets| {
        let new = tickets.iter().filter(|ticket| ticket.id > after);
        let found = new.filter(|ticket| ticket.problem.title.contains(&query));
        found.take(limit).cloned().collect()
    }))
}

/// Find tickets whose titles contain most of the words in the title of a ticket.
// This is a plain function, because comparing all titles takes long. An async function would delay
// the other calls on its thread.
#[mcp_tool(read_only)]
fn find_duplicates(
    /// Id of the ticket, as `list_tickets` returns it.
    id: usize,
    team: &Team,
) -> Result<Json<Vec<usize>>, ToolError> {
    let title = team.ticket(id, |ticket| ticket.problem.title.to_lowercase())?;
    let words: Vec<_> = title.split_whitespace().collect();
    let mut tickets = team.tickets(|tickets| tickets.clone());
    tickets.retain(|other| {
        let title = other.problem.title.to_lowercase();
        let shared = words.iter().filter(|word| title.contains(**word)).count();
        other.id != id && shared * 2 > words.len()
    });
    Ok(Json(tickets.iter().map(|ticket| ticket.id).collect()))
}

/// Report on the team's tickets: a summary, and a table as CSV.
#[mcp_tool(read_only)]
async fn report(team: &Team) -> Vec<Content> {
    let tickets = team.tickets(|tickets| tickets.clone());
    let open = tickets.iter().filter(|ticket| !ticket.closed).count();
    let mut csv = "id,closed,assigned\n".to_owned();
    for ticket in &tickets {
        let assigned = ticket.assignee.is_some();
        csv += &format!("{},{},{assigned}\n", ticket.id, ticket.closed);
    }
    vec![
        Content::text(format!("{open} of {} open", tickets.len())),
        Content::embedded_text("helpdesk://report.csv", "text/csv", csv),
    ]
}
