//! The types that a tool can take by reference.

use std::sync::Arc;

use mcp_auth::{Caller, Context, FromContext, Org, State, ToolError, mcp_tool};

#[derive(Debug)]
struct Documents(Vec<String>);

trait Store: Send + Sync {
    fn count(&self) -> usize;
}

impl Store for Documents {
    fn count(&self) -> usize {
        self.0.len()
    }
}

#[derive(Debug)]
struct Tenant(String);

impl FromContext for Tenant {
    type Parts = Org;

    async fn from_context(_: &Context, org: &Org) -> Result<Self, ToolError> {
        std::future::ready(()).await;
        Ok(Self(org.id().to_owned()))
    }
}

#[derive(Debug)]
struct Summary(String);

impl FromContext for Summary {
    type Parts = (Option<Caller>, Option<Org>, State<Box<dyn Store>>);

    async fn from_context(
        cx: &Context,
        (caller, org, store): (Option<&Caller>, Option<&Org>, &State<Box<dyn Store>>),
    ) -> Result<Self, ToolError> {
        std::future::ready(()).await;
        let (known, member) = (caller.is_some(), org.is_some());
        Ok(Self(format!(
            "{} {known} {member} {}",
            cx.tool_name(),
            store.count()
        )))
    }
}

#[mcp_tool]
async fn everything(
    cx: &Context,
    caller: &Caller,
    org: &Org,
    documents: &State<Documents>,
    store: &State<Box<dyn Store>>,
    tenant: &Tenant,
    text: String,
) -> String {
    format!(
        "{cx:?} {caller:?} {org:?} {documents:?} {} {tenant:?} {text}",
        store.count()
    )
}

type Shared = State<Arc<dyn Store>>;

#[mcp_tool]
async fn behind_an_alias(store: &Shared, other: Option<&State<Box<dyn Store>>>) -> usize {
    std::future::ready(()).await;
    store.count() + other.map_or(0, |other| other.count())
}

#[mcp_tool(public)]
async fn perhaps(
    caller: Option<&Caller>,
    org: Option<&Org>,
    tenant: Option<&Tenant>,
    documents: &'_ State<Documents>,
    summary: &Summary,
) -> bool {
    !summary.0.is_empty()
        && caller.is_some()
        && org.is_some()
        && tenant.is_some()
        && documents.0.is_empty()
}
