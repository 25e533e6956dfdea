//! Generates the type into which the client's object is deserialized, and the compile-time checks of the
//! types of arguments and errors.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprLit, Lit, parse_quote, spanned::Spanned};

use super::{default_name, field_name, field_type_name};
use crate::{
    garde::{check_undived, reaches_in},
    model::Handler,
    parameter::{Argument, DefaultValue, Parameter},
};

/// Returns the struct into which the arguments are deserialized. There is no such struct if the function takes its own
/// struct, or if the arguments are read into a tuple.
pub(super) fn arguments(handler: &Handler) -> TokenStream {
    if handler.sole_struct().is_some() || handler.takes_values() {
        return TokenStream::new();
    }
    let deny_unknown = (!handler.allows_unknown()).then(|| quote!(#[serde(deny_unknown_fields)]));
    let rename_all = handler
        .rename_all
        .as_ref()
        .map(|rule| quote!(#[serde(rename_all = #rule)]));
    let validate = handler.garde().map(|garde| {
        let derive = quote_spanned!(garde.span()=> ::garde::Validate);
        quote!(#[derive(#derive)] #[garde(allow_unvalidated)])
    });
    let fields = handler
        .arguments()
        .map(|(parameter, argument)| field(parameter, argument));
    let defaults = handler
        .arguments()
        .map(|(parameter, argument)| default_function(parameter, argument));
    quote! {
        #[derive(__private::serde::Deserialize, __private::schemars::JsonSchema)]
        #[serde(crate = "__private::serde", expecting = "an object of arguments")]
        #[schemars(crate = "__private::schemars")]
        #deny_unknown
        #rename_all
        #validate
        struct __Arguments { #(#fields),* }
        #(#defaults)*
    }
}

/// Returns compile-time checks that the type of each parameter can be an argument. A parameter with
/// an attribute of serde or schemars gets no check, because the attribute may make the type usable.
pub(super) fn argument_checks(handler: &Handler) -> Option<TokenStream> {
    let checks: Vec<_> = plain(handler)
        .map(|Parameter { ty, .. }| quote_spanned!(ty.span()=> __private::IsArgument<#ty>))
        .collect();
    (!checks.is_empty()).then(|| quote!(struct __Checked(#(#checks),*);))
}

/// Returns the types of the fields. A field has the type of its parameter, or a stand-in if this type cannot be an
/// argument. Without the stand-in, every use of the type in the derived code would cause an error in addition to the
/// error of the check.
pub(super) fn field_types(handler: &Handler) -> Option<TokenStream> {
    let types: Vec<_> = plain(handler)
        .map(|parameter| {
            let (name, ty) = (field_type_name(parameter), &parameter.ty);
            let is_argument = quote_spanned!(ty.span()=> __private::ArgumentOf::<#ty>::IS_READ);
            quote! {
                #[allow(non_camel_case_types, reason = "named after the parameter")]
                type #name =
                    <__private::When<{ #is_argument }> as __private::FieldType<#ty>>::Type;
            }
        })
        .collect();
    (!types.is_empty()).then(|| {
        quote! {
            #[allow(unused_imports, reason = "every type may be an argument")]
            use __private::NotRead as _;
            #(#types)*
        }
    })
}

/// The arguments without an attribute of serde or schemars.
fn plain(handler: &Handler) -> impl Iterator<Item = &Parameter> {
    handler
        .arguments()
        .filter(|(_, argument)| !argument.is_derived_otherwise())
        .map(|(parameter, _)| parameter)
}

/// Returns compile-time checks that no rules inside the type of a parameter are ignored.
pub(super) fn rule_checks(handler: &Handler) -> Option<TokenStream> {
    let passed_over = handler
        .arguments()
        .filter(|(_, argument)| !reaches_in(&argument.attributes));
    check_undived(passed_over.map(|(parameter, _)| &parameter.ty))
}

/// Returns a compile-time check that the error type is not a text. A text would compile, because
/// the standard library converts it into an error, but the model could not read it.
pub(super) fn error_check(handler: &Handler) -> Option<TokenStream> {
    let (output, error) = (&handler.output, handler.error.as_ref()?);
    let check = quote_spanned! {error.span()=>
        __private::check_error(__private::ErrorOf::<#output>::IS_TEXT);
    };
    Some(quote! {
        const _: () = {
            use __private::NoText as _;
            #check
        };
    })
}

fn field(parameter: &Parameter, argument: &Argument) -> TokenStream {
    let Argument {
        attributes,
        default,
        flatten,
        rename,
        unshown,
        ..
    } = argument;
    let private = parse_quote!(__private);
    let unshown = unshown.iter().map(|unshown| unshown.transform(&private));
    let name = field_name(parameter);
    let ty = if argument.is_derived_otherwise() {
        parameter.ty.to_token_stream()
    } else {
        field_type_name(parameter).to_token_stream()
    };
    let default = default.as_ref().map(|_| {
        let function = default_name(parameter).to_string();
        quote!(#[serde(default = #function)])
    });
    let flatten = flatten.as_ref().map(|_| quote!(#[serde(flatten)]));
    let rename = rename.as_ref().map(|name| quote!(#[serde(rename = #name)]));
    quote!(#(#attributes)* #(#unshown)* #default #flatten #rename #name: #ty)
}

/// Returns the function that returns the default of an argument. serde and schemars need the name of a function. For a
/// type without `Default`, the compiler then reports one error, at the word `default`.
fn default_function(parameter: &Parameter, argument: &Argument) -> Option<TokenStream> {
    let (name, ty) = (default_name(parameter), &parameter.ty);
    let value = match argument.default.as_ref()? {
        // `default = "text"` for a `String`.
        DefaultValue::Expression(
            value @ Expr::Lit(ExprLit {
                lit: Lit::Str(_), ..
            }),
        ) => {
            quote_spanned!(value.span()=> ::std::borrow::ToOwned::to_owned(#value))
        }
        DefaultValue::Expression(value) => value.to_token_stream(),
        DefaultValue::OfType(key) => {
            quote_spanned!(key.span()=> ::core::default::Default::default())
        }
    };
    Some(quote!(fn #name() -> #ty { #value }))
}
