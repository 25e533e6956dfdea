//! The attribute macros of mcp-auth, which re-exports and documents them.
//!
//! A tool goes through a pipeline in which each step looks only at the one before: the attribute
//! (`args`) and the function (`item`, `signature`, `docs`) are read independently, so that all
//! mistakes show at once, put together and checked (`model`), and written down (`expand`).

#![forbid(unsafe_code)]

mod args;
mod docs;
mod entry;
mod errors;
mod expand;
mod grammar;
mod item;
mod model;
mod parameter;
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
    mcp_tool_tokens(args.into(), &item.into()).into()
}

/// The user's function and its registration; with a mistake in either, the function and every error.
fn mcp_tool_tokens(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = errors::Errors::default();
    let args = args::ToolArgs::parse(args, &mut errors);
    let function: item::ToolItem = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let errors = errors.finish();
            return quote!(#item #errors);
        }
    };
    let parameters = signature::parameters(&function, &mut errors);
    let tool = model::Tool::check(args, &function, parameters, &mut errors);
    let registration = if errors.is_empty() {
        expand::expand(&tool)
    } else {
        errors.finish()
    };
    quote!(#function #registration)
}

#[cfg(test)]
mod tests;
