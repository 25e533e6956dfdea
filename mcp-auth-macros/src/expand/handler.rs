//! The implementation of the trait that runs the function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Index, ext::IdentExt, spanned::Spanned};

use super::{field_name, field_type_name, local_name, located, optional, respanned};
use crate::{
    entry::{Call, Confirm},
    model::{Handler, Kind},
    parameter::{Parameter, Role},
};

pub(super) fn implementation(handler: &Handler) -> TokenStream {
    let Handler { ident, output, .. } = handler;
    let arguments = arguments_type(handler);
    let validation = validation(handler);
    let injections = handler.parameters.iter().filter_map(injection);
    let values = handler
        .parameters
        .iter()
        .map(|parameter| match &parameter.role {
            Role::Argument(argument) if !argument.is_derived_otherwise() => {
                let value = value(handler, parameter);
                quote!(__private::taken(#value))
            }
            _ => value(handler, parameter),
        });
    let body = if handler.is_async {
        quote!(#ident(#(#values),*).await)
    } else {
        quote!(#ident(#(#values),*))
    };
    let (kind, permit) = (kind(handler), permit(handler));
    let confirmation = confirmation(handler);
    let confirmed = confirmation
        .is_some()
        .then(|| quote!(let __check = __check.before_confirmation()?;));
    let completion = completion(handler);
    // If the future is not `Send`, the compiler reports this at the head of `call`.
    let head = quote_spanned! {located(ident.span())=>
        async fn call(
            __args: #arguments,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop>
    };
    quote! {
        #[automatically_derived]
        impl __private::Handler for __Handler {
            type Kind = #kind;
            type Arguments = #arguments;
            type Output = #output;
            #validation
            #head {
                #(#injections)*
                #confirmed
                let __permit = #permit?;
                #confirmation
                __private::started(__cx);
                ::core::result::Result::Ok(__permit.ran(#body))
            }
            #completion
        }
    }
}

/// The marker of the result's kind. It has the span of the return type, so that the compiler reports a wrong return
/// type at the return type.
fn kind(handler: &Handler) -> TokenStream {
    let kind = match handler.kind {
        Kind::Prompt => "AsPrompt",
        Kind::Resource(_) => "AsResource",
        Kind::Tool(_) => "AsTool",
    };
    let mut output = handler.output.clone().into_iter();
    let first = output
        .next()
        .map_or_else(Span::call_site, |token| located(token.span()));
    let last = output.last().map_or(first, |token| located(token.span()));
    let kind = Ident::new(kind, last);
    quote_spanned!(first=> __private::#kind)
}

/// The code that validates the rules of garde. garde is a dependency of the user's package, so only
/// the expansion can use its types.
fn validation(handler: &Handler) -> Option<TokenStream> {
    let garde = handler.garde()?;
    let arguments = arguments_type(handler);
    let validate = quote_spanned!(garde.span()=> ::garde::Validate::validate(__args));
    let names = handler.arguments().filter_map(|(parameter, argument)| {
        let field = parameter.ident.to_string();
        let name = argument
            .flatten
            .is_none()
            .then(|| argument.name(&parameter.ident, handler.rename_all.as_ref()));
        (handler.sole_struct().is_none() && name.as_ref() != Some(&field)).then(|| {
            let name = optional(&name);
            quote!((#field, #name))
        })
    });
    Some(quote! {
        fn validate(__args: &#arguments) -> ::core::result::Result<(), __private::Violations> {
            #validate.map_err(|report| {
                __private::Violations::new(
                    report.iter().map(|(path, error)| (path, error)),
                    &[#(#names),*],
                )
            })
        }
    })
}

/// The code that makes the `Permit`, which must exist before the function is called.
fn permit(handler: &Handler) -> TokenStream {
    let Some(Call {
        function,
        parameters,
    }) = &handler.authorize
    else {
        return quote!(__check.none());
    };
    let parameters = parameters
        .iter()
        .filter_map(|name| reference(handler, name));
    quote_spanned! {located(function.span())=>
        __check.authorize(#function(#(#parameters),*)).await
    }
}

/// The code that asks the person. It turns the `Permit` of `authorize` into the final `Permit`.
fn confirmation(handler: &Handler) -> Option<TokenStream> {
    let Kind::Tool(tool) = &handler.kind else {
        return None;
    };
    let (question, span) = match tool.confirm.as_ref()? {
        Confirm::Function(Call {
            function,
            parameters,
        }) => {
            let parameters = parameters
                .iter()
                .filter_map(|name| reference(handler, name));
            let span = located(function.span());
            (quote_spanned!(span=> #function(#(#parameters),*)), span)
        }
        Confirm::Text { text, names } => {
            let values = names.iter().filter_map(|name| {
                let value = reference(handler, name)?;
                Some(quote_spanned!(text.span()=> #name = #value))
            });
            let question = quote_spanned!(text.span()=> ::std::format!(#text, #(#values),*));
            (question, located(text.span()))
        }
    };
    // If the question has a wrong type, the compiler reports this at the function.
    Some(quote_spanned! {span=>
        let __permit = __permit.confirm(__cx, #question).await?;
    })
}

/// The code that calls the completion function of the requested argument.
fn completion(handler: &Handler) -> Option<TokenStream> {
    let arms: Vec<_> = handler
        .completions()
        .map(|(argument, call)| suggestions(handler, &argument, call))
        .collect();
    let head = quote_spanned! {located(handler.ident.span())=>
        async fn complete(
            __request: &__private::CompletionRequest,
            __cx: &__private::Context,
        ) -> ::core::result::Result<__private::Suggestions, __private::ToolError>
    };
    (!arms.is_empty()).then(|| {
        quote! {
            #head {
                match __request.argument() {
                    #(#arms)*
                    _ => ::core::result::Result::Ok(__private::Suggestions::none()),
                }
            }
        }
    })
}

fn suggestions(handler: &Handler, argument: &str, call: &Call) -> TokenStream {
    let Call {
        function,
        parameters,
    } = call;
    let is_passed = |parameter: &&Parameter| {
        parameters
            .iter()
            .any(|name| name.unraw() == parameter.ident.unraw())
    };
    let injections = handler.parameters.iter().filter(is_passed);
    let injections = injections.filter_map(injection);
    let parameters = parameters
        .iter()
        .filter_map(|name| reference(handler, name));
    let suggested = quote_spanned! {located(function.span())=>
        __private::suggested(#function(__request, #(#parameters),*)).await
    };
    quote! {
        #argument => {
            #(#injections)*
            #suggested
        }
    }
}

/// Returns a parameter of the function in the form that the `authorize`, `confirm` or `complete` function takes. The
/// compiler reports mistakes at the parameter's name.
fn reference(handler: &Handler, name: &Ident) -> Option<TokenStream> {
    let parameter = handler
        .parameters
        .iter()
        .find(|parameter| parameter.ident.unraw() == name.unraw())?;
    let value = value(handler, parameter);
    let span = located(name.span());
    let passed = match parameter.role {
        Role::Argument(_) => quote_spanned!(span=> &#value),
        Role::Injected | Role::InjectedOptional => value,
    };
    Some(respanned(passed, span))
}

fn arguments_type(handler: &Handler) -> TokenStream {
    if handler.takes_values() {
        let types = handler
            .arguments()
            .map(|(parameter, _)| field_type_name(parameter));
        return quote!(__private::Values<(#(#types,)*)>);
    }
    handler.sole_struct().map_or_else(
        || quote!(__Arguments),
        |parameter| field_type_name(parameter).to_token_stream(),
    )
}

/// Returns the code that injects a parameter. All its tokens have the span of the type, because with different spans
/// the compiler would report a type that cannot be injected several times.
fn injection(parameter: &Parameter) -> Option<TokenStream> {
    let span = parameter.ty.span();
    let inject = match parameter.role {
        Role::Argument(_) => return None,
        Role::Injected => Ident::new("inject", span),
        Role::InjectedOptional => Ident::new("inject_optional", span),
    };
    let (local, ty) = (local_name(parameter), &parameter.ty);
    // If a `macro_rules!` macro wrote the type, the hygiene of that macro would hide `__cx`.
    let cx = Ident::new("__cx", located(span));
    Some(quote_spanned!(span=> let #local = __private::#inject::<#ty>(#cx).await?;))
}

/// Returns the expression that is passed for a parameter of the function.
fn value(handler: &Handler, parameter: &Parameter) -> TokenStream {
    let (field, local) = (field_name(parameter), local_name(parameter));
    match parameter.role {
        Role::Argument(_) if handler.sole_struct().is_some() => quote!(__args),
        Role::Argument(_) if handler.takes_values() => {
            let mut arguments = handler.arguments();
            let index = arguments.position(|(other, _)| other.ident == parameter.ident);
            let index = Index {
                index: u32::try_from(index.unwrap_or_default()).unwrap_or_default(),
                span: field.span(),
            };
            quote!(__args.0.#index)
        }
        Role::Argument(_) => quote!(__args.#field),
        Role::Injected => quote!(&#local),
        Role::InjectedOptional => quote!(#local.as_deref()),
    }
}
