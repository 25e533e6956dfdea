//! What can be taken by reference.

use std::sync::Arc;

use mcp_auth::{
    Caller, Context, FromContext, Injected, Org, RequiredState, Requirement, State, ToolError,
    mcp_tool,
};

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

/// Borrowed from the state.
#[derive(Debug)]
struct Tenant(String);

impl FromContext for Tenant {
    const REQUIRES: &'static [Requirement] = &[Requirement::Organization];

    fn needs(needs: &mut RequiredState) {
        needs.state::<Documents>();
    }

    async fn from_context(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
        std::future::ready(()).await;
        let org = cx.org().ok_or_else(|| ToolError::new("no organization"))?;
        Ok(Injected::Owned(Self(org.id().to_owned())))
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
) -> bool {
    caller.is_some() && org.is_some() && tenant.is_some() && documents.0.is_empty()
}
