//! Prompts and resources under test.

use mcp_auth::{
    Caller, CompletionRequest, Content, Contents, Json, Message, Org, State, ToolError, mcp_prompt,
    mcp_resource,
};

use crate::support::Runs;

/// Say hello.
#[mcp_prompt(public)]
async fn hello(runs: &State<Runs>) -> &'static str {
    runs.count();
    "Hello from the wiki"
}

/// Collect ideas.
#[mcp_prompt(title = "Ideas")]
async fn ideas(
    /// The number of ideas.
    #[arg(default = 3)]
    count: u8,
    /// The subject of the ideas.
    subject: Option<String>,
    runs: &State<Runs>,
) -> Vec<Message> {
    runs.count();
    let subject = subject.unwrap_or_else(|| "anything".to_owned());
    vec![
        Message::user(format!("{count} ideas about {subject}")),
        Message::assistant(Content::png(b"\x89PNG")),
    ]
}

/// The titles of an organization.
async fn titles(request: &CompletionRequest, org: &Org, runs: &State<Runs>) -> Vec<String> {
    runs.count();
    let first = match request.chosen("year") {
        Some(year) => format!("{} in {year}", org.id()),
        None => org.id().to_owned(),
    };
    let titles = [first, "Budget".to_owned(), "Board".to_owned()];
    let matching = titles
        .into_iter()
        .filter(|title| title.starts_with(request.value()));
    matching.collect()
}

fn years(_: &CompletionRequest) -> Result<Vec<String>, ToolError> {
    Ok((1900..2100).map(|year| year.to_string()).collect())
}

/// Write a report.
#[mcp_prompt(permission = "org:documents:read")]
async fn report(
    #[arg(complete = titles(org, runs), default = "Everything")] title: String,
    #[arg(complete = years)] year: Option<u16>,
    org: &Org,
    runs: &State<Runs>,
) -> Result<String, ToolError> {
    runs.count();
    if title == "secret" {
        return Err(ToolError::new("The report is being written"));
    }
    if title == "broken" {
        Err(std::io::Error::other("disk 7"))?;
    }
    Ok(format!("Report {title} of {} in {year:?}", org.id()))
}

/// Purge everything.
#[mcp_prompt(permission = "org:documents:delete")]
async fn purge(
    #[arg(complete = secrets(runs))] what: Option<String>,
    runs: &State<Runs>,
) -> String {
    runs.count();
    format!("Purge {what:?}")
}

async fn secrets(_: &CompletionRequest, runs: &State<Runs>) -> Vec<&'static str> {
    runs.count();
    vec!["a secret"]
}

/// Ask a question, twice a minute.
#[mcp_prompt(rate = "2/min per user", concurrency = 1)]
async fn question(#[arg(complete = years)] year: Option<u16>, runs: &State<Runs>) -> String {
    runs.count();
    format!("What happened in {year:?}?")
}

/// Read or write files.
#[mcp_prompt(any(scope = "files:read", scope = "files:write"))]
async fn either(runs: &State<Runs>) -> &'static str {
    runs.count();
    "with one of two scopes"
}

/// Read files.
#[mcp_prompt(scope = "files:read")]
async fn scoped(runs: &State<Runs>) -> &'static str {
    runs.count();
    "with a scope"
}

/// About this wiki.
#[mcp_resource(
    "wiki://about",
    public,
    ttl = "5m",
    mime_type = "text/markdown",
    size = 4
)]
async fn about(runs: &State<Runs>) -> &'static str {
    runs.count();
    "A wiki".strip_prefix("A ").unwrap_or_default()
}

/// The caller.
#[mcp_resource("wiki://me")]
async fn me(caller: &Caller, runs: &State<Runs>) -> Json<Vec<String>> {
    runs.count();
    Json(vec![caller.subject().to_owned()])
}

/// All pages.
#[mcp_resource(
    "wiki://index",
    require_org,
    title = "Index",
    audience = any("user", "assistant"),
    priority = 0.5,
    last_modified = "2026-01-12T15:00:58Z"
)]
async fn index(org: &Org, runs: &State<Runs>) -> Vec<Contents> {
    runs.count();
    vec![
        Contents::text(org.id().to_owned()),
        Contents::bytes([0, 255])
            .uri("wiki://index/map")
            .mime_type("image/x-map"),
    ]
}

/// A page.
#[mcp_resource("wiki://pages/{id}", permission = "org:documents:read")]
async fn page(
    #[arg(complete = pages)] id: u32,
    runs: &State<Runs>,
) -> Result<Option<String>, ToolError> {
    runs.count();
    match id {
        404 => Ok(None),
        500 => Err(ToolError::new("The page is being printed")),
        id => Ok(Some(format!("page {id}"))),
    }
}

fn pages(request: &CompletionRequest) -> Vec<String> {
    vec![format!("{}7", request.value())]
}

fn is_first(id: &u32) -> bool {
    *id == 1
}

/// A deleted page.
#[mcp_resource("wiki://trash/{id}", permission = "org:documents:delete", authorize = is_first(id))]
fn trash(id: u32, runs: &State<Runs>) -> String {
    runs.count();
    format!("trash {id}")
}

/// A file.
#[mcp_resource("wiki://files/{+path}", scope = "files:read")]
async fn file(path: String, runs: &State<Runs>) -> Vec<u8> {
    runs.count();
    path.into_bytes()
}
