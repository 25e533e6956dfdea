//! `module_guard!(…)`: the requirements that every tool, prompt and resource in a module has.

use proc_macro2::{Span, TokenStream};
use syn::parse_quote;

use crate::{
    args::ModuleArgs,
    errors::Errors,
    expand::expand_module,
    model::{Requirements, check_roles},
};

pub(crate) fn expand(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let ModuleArgs { guard, krate } = ModuleArgs::parse(tokens, &mut errors);
    check_roles(&guard, &mut errors);
    if errors.is_empty() && guard.keys().next().is_none() {
        errors.push(syn::Error::new(Span::call_site(), EMPTY));
    }
    if !errors.is_empty() {
        return errors.finish();
    }
    let krate = krate.unwrap_or_else(|| parse_quote!(::mcp_auth));
    expand_module(&krate, &Requirements::of(guard))
}

const EMPTY: &str = "this guard requires nothing; name what everything in the module needs, for example `module_guard!(require_org)`";
