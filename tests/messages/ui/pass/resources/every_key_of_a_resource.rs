//! All keys of a resource at once, with a trailing comma, and expressions of every operator.

use mcp_auth::{CompletionRequest, Contents, Json, Org, State, ToolError, mcp_resource};

struct Documents(Vec<String>);

fn ids(_request: &CompletionRequest, documents: &State<Documents>) -> Vec<String> {
    documents.0.clone()
}

fn may_read(document_id: &str, org: &Org) -> bool {
    document_id != org.id()
}

#[mcp_resource(
    "docs://{org}/{documentId}{?page,limit}",
    name = "document",
    title = "A document",
    icon("https://example.com/a.png", mime_type = "image/png", sizes("48x48"), theme = "dark"),
    meta("com.example/team" = "documents"),
    mime_type = "text/markdown; charset=utf-8",
    ttl = "5m",
    audience = any("user", "assistant"),
    priority = 0.8,
    last_modified = "2026-01-12T15:00:58Z",
    require_user,
    require_org,
    permission = "org:documents:read",
    role = "member",
    feature = "export",
    plan = "pro",
    reverification = "lax",
    scope = "documents:read",
    any(permission = "org:documents:list", scope = all("a", "b")),
    accept = "session",
    forbid_actor,
    authorize = may_read(document_id, organization),
    rate = "10/min per user",
    concurrency = 4,
    timeout = 30,
    extend_on_progress = 600,
    rename_all = "camelCase",
    crate = ::mcp_auth,
)]
async fn read_document(
    #[arg(rename = "org")] org_id: String,
    #[arg(complete = ids(documents))] document_id: String,
    #[arg(default = 1)] page: u32,
    limit: Option<u32>,
    organization: &Org,
    documents: &State<Documents>,
) -> Result<Option<String>, ToolError> {
    Ok((org_id == organization.id()).then(|| format!("{document_id} {page} {limit:?}")))
}

#[mcp_resource("docs://terms", public, size = 11, audience = "user")]
fn terms() -> &'static str {
    "Be friendly"
}

#[mcp_resource("files:///{+path}")]
async fn file(path: String) -> Vec<u8> {
    path.into_bytes()
}

#[mcp_resource("maps://{x,y}{.format}{/layer}{;scale}{#part}")]
async fn map(
    x: f64,
    y: f64,
    format: String,
    layer: String,
    scale: u32,
    part: String,
) -> Vec<Contents> {
    vec![Contents::text(format!(
        "{x} {y} {format} {layer} {scale} {part}"
    ))]
}

#[mcp_resource("search://all?sort={sort}{&after}")]
async fn search(sort: String, #[arg(default)] after: u32) -> Json<Vec<String>> {
    Json(vec![format!("{sort} {after}")])
}

macro_rules! resource_at {
    ($name:ident, $uri:literal) => {
        #[mcp_resource($uri)]
        async fn $name(id: String) -> String {
            id
        }
    };
}

resource_at!(resource_of_a_macro, "made://{id}");
