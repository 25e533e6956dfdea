//! Turns a checked primitive into tokens. The expansion contains only data and one call. All
//! decisions are made at run time.

mod arguments;
mod declaration;
mod guard;
mod handler;
mod module;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{ext::IdentExt, spanned::Spanned};

use self::{
    arguments::{argument_checks, arguments, error_check, field_types, rule_checks},
    declaration::declaration,
    handler::implementation,
};

use crate::{
    entry::Spelling,
    model::{Guard, Handler},
    parameter::Parameter,
};

pub(crate) use self::module::expand_module;

pub(crate) fn expand(handler: &Handler) -> TokenStream {
    let Handler {
        attributes, krate, ..
    } = handler;
    let arguments = arguments(handler);
    let (checks, fields) = (argument_checks(handler), field_types(handler));
    let (rules, error) = (rule_checks(handler), error_check(handler));
    let implementation = implementation(handler);
    let declaration = declaration(handler);
    let registration = match handler.completions().next() {
        Some(_) => quote!(with_completion),
        None => quote!(of),
    };
    let declared = handler.names_permissions().then(declared);
    let guarded = match &handler.guard {
        Guard::Public(public) => Some(guard::check_public(public)),
        Guard::SignedIn(_) => None,
    };
    // The import has two purposes. A wrong `crate = path` causes only one error, and serde gets a path without
    // `$crate`.
    quote! {
        #(#attributes)*
        #[doc(hidden)]
        const _: () = {
            use #krate::__private;
            #declared
            #guarded
            #checks
            #fields
            #rules
            #error
            #arguments
            struct __Handler;
            #implementation
            __private::inventory::submit! {
                __private::Registration::#registration::<__Handler>(#declaration)
            }
        };
    }
}

/// The permissions that guards of this crate may name. The outer block imports the default by name. If `permissions! {
/// only; … }` is at the root of the crate, a glob import in the inner block hides the default. The inner block
/// evaluates no code of the user.
fn declared() -> TokenStream {
    quote! {
        use __private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
        const __DECLARED: __private::Declared = {
            use crate::*;
            __MCP_AUTH_PERMISSIONS
        };
    }
}

/// A text that the compiler checks. It reports mistakes at the user's tokens.
fn spelled(text: &Spelling, check: &str, among: &TokenStream) -> TokenStream {
    let span = text.span();
    let check = Ident::new(check, span);
    quote_spanned!(span=> const { __private::KeyText(#text).#check(#among) })
}

/// The file and line of the function, not of the attribute.
fn location(span: Span) -> TokenStream {
    quote_spanned!(located(span)=> ::core::panic::Location::caller())
}

pub(crate) fn optional(value: &Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let tokens = tokens.into_iter().map(|mut token| {
        token.set_span(token.span().located_at(span));
        token
    });
    tokens.collect()
}

fn field_name(parameter: &Parameter) -> Ident {
    let mut name = parameter.ident.clone();
    name.set_span(located(name.span()));
    name
}

fn field_type_name(parameter: &Parameter) -> Ident {
    format_ident!(
        "__Type_{}",
        parameter.ident.unraw(),
        span = Span::call_site()
    )
}

/// Returns the name of a local variable. Hygiene distinguishes it from the user's names.
fn local_name(parameter: &Parameter) -> Ident {
    format_ident!(
        "__{}",
        parameter.ident,
        span = Span::mixed_site().located_at(parameter.ident.span())
    )
}

fn default_name(parameter: &Parameter) -> Ident {
    format_ident!("__default_{}", parameter.ident, span = Span::call_site())
}

/// Returns a span that points to the user's token, but marks the token as generated, so that lints ignore it.
fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}
