//! A function in `authorize` may be asynchronous, may fail, and gets any parameter by its name.

use std::error::Error;
use std::io;

use mcp_auth::{Caller, Context, Org, State, ToolError, mcp_tool};
use schemars::JsonSchema;
use serde::Deserialize;

struct Documents(Vec<String>);

#[derive(Deserialize, JsonSchema)]
struct Input {
    document_id: String,
}

mod rules {
    use super::*;

    pub(super) async fn owns(
        document_id: &str,
        org: &Org,
        documents: &State<Documents>,
    ) -> Result<bool, ToolError> {
        Ok(documents.0.iter().any(|id| id == document_id) && org.slug().is_some())
    }

    pub(super) async fn is_there(document_id: &str) -> Result<bool, io::Error> {
        Ok(!document_id.is_empty())
    }

    pub(super) fn is_known<T: AsRef<str>>(text: &T) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(text.as_ref().parse::<u32>()? > 1)
    }

    pub(super) async fn is_late(text: &str) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(text.parse::<u32>()? > 1)
    }

    pub(super) struct Gate;

    impl Gate {
        pub(super) fn is_open(context: &Context, caller: Option<&Caller>) -> bool {
            context.org().is_some() || caller.is_some()
        }

        pub(super) fn takes(input: &Input) -> impl Future<Output = bool> + Send + use<> {
            std::future::ready(!input.document_id.is_empty())
        }
    }
}

#[mcp_tool(authorize = rules::owns(document_id, org, documents))]
async fn future_of_a_result(document_id: String, org: &Org, documents: &State<Documents>) {}

#[mcp_tool(authorize = rules::is_there(document_id))]
async fn future_with_an_error_of_another_kind(mut document_id: String) {
    document_id.clear();
}

#[mcp_tool(authorize = rules::is_known::<String>(r#type))]
async fn generic_function(r#type: String) {}

#[mcp_tool(authorize = rules::is_late(text))]
async fn future_with_a_boxed_error(text: String) {}

#[mcp_tool(public, authorize = rules::Gate::is_open(context, caller))]
async fn public_tool(context: &Context, caller: Option<&Caller>) {}

#[mcp_tool(authorize = <rules::Gate>::takes(input))]
async fn struct_of_arguments(#[arg(flatten)] input: Input) {}

macro_rules! tool_with {
    ($name:ident, $rule:path, $argument:expr) => {
        #[mcp_tool(authorize = $rule($argument, org))]
        async fn $name(text: String, org: &Org) {}
    };
}

fn fits(text: &str, org: &Org) -> bool {
    text != org.id()
}

tool_with!(tool_of_a_macro, fits, text);

#[mcp_tool(authorize = always())]
async fn nothing_passed() {}

const fn always() -> bool {
    true
}
