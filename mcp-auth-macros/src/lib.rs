//! The macros of `mcp-auth`. Do not depend on this crate directly: `mcp-auth` re-exports and
//! documents the macros, and the expansions use items of the same version of `mcp-auth`.
//!
//! A tool, a prompt or a resource is processed in three steps. First, the attribute (`args`) and the function (`item`,
//! `signature`, `docs`) are parsed independently, so that all mistakes are reported at once. Then `model` combines and
//! checks the results. Finally, `expand` generates the code. `primitive` contains the differences between tools,
//! prompts and resources. `data` (for the types of arguments and results), `form` (for types that a person fills in)
//! and `permissions` are separate small macros. `module_guard` takes only the keys of a guard.

#![forbid(unsafe_code)]

mod args;
mod data;
mod docs;
mod entry;
mod errors;
mod expand;
mod form;
mod garde;
mod grammar;
mod icon;
mod item;
mod meta;
mod model;
mod module_guard;
mod parameter;
mod permissions;
mod primitive;
mod rename;
mod secret;
mod signature;
mod source;
mod template;
mod types;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{ParseStream, Parser};

use crate::primitive::Primitive;

#[expect(
    missing_docs,
    reason = "documented on the re-export, where its examples can run"
)]
#[proc_macro_attribute]
pub fn mcp_prompt(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    declared(Primitive::Prompt, args, item)
}

#[expect(
    missing_docs,
    reason = "documented on the re-export, where its examples can run"
)]
#[proc_macro_attribute]
pub fn mcp_resource(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    declared(Primitive::Resource, args, item)
}

#[expect(
    missing_docs,
    reason = "documented on the re-export, where its examples can run"
)]
#[proc_macro_attribute]
pub fn mcp_tool(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    declared(Primitive::Tool, args, item)
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
    reason = "documented on the re-export, where its examples can run"
)]
#[proc_macro_attribute]
pub fn form(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    form::expand(args.into(), &item.into()).into()
}

#[expect(
    missing_docs,
    reason = "documented on the re-export, where its examples can run"
)]
#[proc_macro]
pub fn module_guard(stated: proc_macro::TokenStream) -> proc_macro::TokenStream {
    module_guard::expand(stated.into()).into()
}

#[expect(
    missing_docs,
    reason = "documented on the `macro_rules!` of the same name, which says where the crate is"
)]
#[proc_macro]
pub fn permissions(declared: proc_macro::TokenStream) -> proc_macro::TokenStream {
    permissions::expand(declared.into()).into()
}

/// Expands an attribute of this primitive, with the manifest of the user's package.
fn declared(
    primitive: Primitive,
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let manifest = garde::manifest();
    primitive_tokens(primitive, args.into(), &item.into(), manifest.as_deref()).into()
}

/// Returns the user's function and its registration. If there are mistakes, returns the function
/// and all errors.
fn primitive_tokens(
    primitive: Primitive,
    args: TokenStream,
    item: &TokenStream,
    manifest: Option<&str>,
) -> TokenStream {
    let mut errors = errors::Errors::default();
    let args = args::Args::parse(primitive, args, &mut errors);
    let function = |input: ParseStream<'_>| item::Function::parse(primitive, input);
    let mut function = match function.parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.push(error);
            let errors = errors.finish();
            return quote!(#item #errors);
        }
    };
    let parameters = signature::parameters(primitive, &function, &mut errors);
    let completions = parameters
        .iter()
        .filter_map(|parameter| parameter.completion());
    let used = completions.chain(&args.authorize);
    let used = used.flat_map(|call| &call.parameters);
    let confirm = args.tool.confirm.iter();
    let confirm = confirm.flat_map(entry::Confirm::parameters);
    function.mark_used(&used.chain(confirm).collect::<Vec<_>>());
    let handler = model::Handler::check(primitive, args, &function, parameters, &mut errors);
    garde::check_dependency(handler.garde(), manifest, &mut errors);
    let registration = if errors.is_empty() {
        expand::expand(&handler)
    } else {
        errors.finish()
    };
    quote!(#function #registration)
}

#[cfg(test)]
mod tests;
