//! The macros of `mcp-auth`. Do not depend on this crate directly: `mcp-auth` re-exports and
//! documents the macros, and the expansions use items of the same version of `mcp-auth`.
//!
//! A tool is processed in three steps. First, the attribute (`args`) and the function (`item`,
//! `signature`, `docs`) are parsed independently, so that all mistakes are reported at once. Then
//! `model` combines and checks the results. Finally, `expand` generates the code. `data` (for the
//! types of a tool) and `permissions` are separate small macros.

#![forbid(unsafe_code)]

mod args;
mod data;
mod docs;
mod entry;
mod errors;
mod expand;
mod garde;
mod grammar;
mod icon;
mod item;
mod meta;
mod model;
mod parameter;
mod permissions;
mod rename;
mod signature;
mod source;
mod types;

use proc_macro2::TokenStream;
use quote::quote;

#[expect(
    missing_docs,
    reason = "documented on the re-export, where its examples can run"
)]
#[proc_macro_attribute]
pub fn mcp_tool(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    mcp_tool_tokens(args.into(), &item.into(), garde::manifest().as_deref()).into()
}

#[expect(
    missing_docs,
    reason = "documented on the re-export, where its examples can run"
)]
#[proc_macro_attribute]
pub fn data(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    data::expand(args.into(), &item.into(), garde::manifest().as_deref()).into()
}

#[expect(
    missing_docs,
    reason = "documented on the `macro_rules!` of the same name, which says where the crate is"
)]
#[proc_macro]
pub fn permissions(declared: proc_macro::TokenStream) -> proc_macro::TokenStream {
    permissions::expand(declared.into()).into()
}

/// Returns the user's function and its registration. If there are mistakes, returns the function
/// and all errors.
fn mcp_tool_tokens(args: TokenStream, item: &TokenStream, manifest: Option<&str>) -> TokenStream {
    let mut errors = errors::Errors::default();
    let args = args::ToolArgs::parse(args, &mut errors);
    let mut function: item::ToolItem = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let errors = errors.finish();
            return quote!(#item #errors);
        }
    };
    if let Some(call) = &args.authorize {
        function.mark_used(&call.parameters);
    }
    let parameters = signature::parameters(&function, &mut errors);
    let tool = model::Tool::check(args, &function, parameters, &mut errors);
    garde::check_dependency(tool.garde(), manifest, &mut errors);
    let registration = if errors.is_empty() {
        expand::expand(&tool)
    } else {
        errors.finish()
    };
    quote!(#function #registration)
}

#[cfg(test)]
mod tests;
