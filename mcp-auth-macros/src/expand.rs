//! A checked tool as tokens. The expansion is data and one call; the runtime makes every decision.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Expr, ExprLit, Lit, ext::IdentExt, parse_quote, spanned::Spanned};

use crate::{
    entry::{Call, Choice, List, Spelling},
    garde::{check_undived, reaches_in},
    model::{Annotations, Guard, Tool},
    parameter::{Argument, DefaultValue, Parameter, Role},
};

pub(crate) fn expand(tool: &Tool) -> TokenStream {
    let Tool {
        attributes, krate, ..
    } = tool;
    let arguments = arguments(tool);
    let (checks, fields) = (argument_checks(tool), field_types(tool));
    let (rules, error) = (rule_checks(tool), error_check(tool));
    let implementation = implementation(tool);
    let declaration = declaration(tool);
    let declared = tool.names_permissions().then(declared);
    // The import makes a wrong `crate = path` one error, and gives serde a path without `$crate`.
    quote! {
        #(#attributes)*
        #[doc(hidden)]
        const _: () = {
            use #krate::__private;
            #declared
            #checks
            #fields
            #rules
            #error
            #arguments
            struct __Tool;
            #implementation
            __private::inventory::submit! { __private::Registration::of::<__Tool>(#declaration) }
        };
    }
}

/// The permissions that tools of this crate may name. A glob import of an inner block hides the
/// imports of the blocks around it, so a `permissions! { only; … }` at the root of the crate wins
/// over the default. No code of the user's is evaluated in that block.
fn declared() -> TokenStream {
    quote! {
        use __private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
        const __DECLARED: __private::Declared = {
            use crate::*;
            __MCP_AUTH_PERMISSIONS
        };
    }
}

/// The struct that the client's object is read into, unless the user has one.
fn arguments(tool: &Tool) -> TokenStream {
    if tool.sole_struct().is_some() {
        return TokenStream::new();
    }
    let deny_unknown = (!tool.allow_unknown).then(|| quote!(#[serde(deny_unknown_fields)]));
    let rename_all = tool
        .rename_all
        .as_ref()
        .map(|rule| quote!(#[serde(rename_all = #rule)]));
    let validate = tool.garde().map(|garde| {
        let derive = quote_spanned!(garde.span()=> ::garde::Validate);
        quote!(#[derive(#derive)] #[garde(allow_unvalidated)])
    });
    let fields = tool
        .arguments()
        .map(|(parameter, argument)| field(parameter, argument));
    let defaults = tool
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

/// Returns compile-time checks that the type of each parameter can be an argument. A parameter with an attribute of
/// serde or schemars gets no check, since the attribute may make the type readable.
fn argument_checks(tool: &Tool) -> Option<TokenStream> {
    let checks: Vec<_> = plain(tool)
        .map(|Parameter { ty, .. }| quote_spanned!(ty.span()=> __private::IsArgument<#ty>))
        .collect();
    (!checks.is_empty()).then(|| quote!(struct __Checked(#(#checks),*);))
}

/// The types of the fields: those of the parameters, and a stand-in for one that is no argument. Without
/// it, every use of such a type in what the derives write would be an error beside the one of the check.
fn field_types(tool: &Tool) -> Option<TokenStream> {
    let types: Vec<_> = plain(tool)
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

/// The parameters that are arguments by their type alone.
fn plain(tool: &Tool) -> impl Iterator<Item = &Parameter> {
    tool.arguments()
        .filter(|(_, argument)| !argument.is_derived_otherwise())
        .map(|(parameter, _)| parameter)
}

/// Rules of a type that a parameter does not reach into.
fn rule_checks(tool: &Tool) -> Option<TokenStream> {
    let passed_over = tool
        .arguments()
        .filter(|(_, argument)| !reaches_in(&argument.attributes));
    check_undived(passed_over.map(|(parameter, _)| &parameter.ty))
}

/// A text as the error would compile, since the standard library turns it into an error, and would then be
/// hidden from the model.
fn error_check(tool: &Tool) -> Option<TokenStream> {
    let (output, error) = (&tool.output, tool.error.as_ref()?);
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

/// serde and schemars both want the name of a function; a type without a `Default` is then one
/// error, at the word that asks for it.
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

fn implementation(tool: &Tool) -> TokenStream {
    let Tool { ident, output, .. } = tool;
    let arguments = arguments_type(tool);
    let validation = validation(tool);
    let injections = tool.parameters.iter().filter_map(injection);
    let values = tool
        .parameters
        .iter()
        .map(|parameter| match &parameter.role {
            Role::Argument(argument) if !argument.is_derived_otherwise() => {
                let value = value(tool, parameter);
                quote!(__private::taken(#value))
            }
            _ => value(tool, parameter),
        });
    let body = if tool.is_async {
        quote!(#ident(#(#values),*))
    } else {
        quote!(async { #ident(#(#values),*) })
    };
    let permit = permit(tool);
    // A future that is not `Send` is reported at the head of `call`.
    let head = quote_spanned! {located(ident.span())=>
        async fn call(
            __args: #arguments,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop>
    };
    quote! {
        #[automatically_derived]
        impl __private::Tool for __Tool {
            type Arguments = #arguments;
            type Output = #output;
            #validation
            #head {
                #(#injections)*
                let __permit = #permit?;
                __private::started(__cx);
                ::core::result::Result::Ok(__permit.run(#body).await)
            }
        }
    }
}

/// garde is the user's dependency: only here do its types meet ours.
fn validation(tool: &Tool) -> Option<TokenStream> {
    let garde = tool.garde()?;
    let arguments = arguments_type(tool);
    let validate = quote_spanned!(garde.span()=> ::garde::Validate::validate(__args));
    let names = tool.arguments().filter_map(|(parameter, argument)| {
        let field = parameter.ident.to_string();
        let name = argument
            .flatten
            .is_none()
            .then(|| argument.name(&parameter.ident, tool.rename_all.as_ref()));
        (tool.sole_struct().is_none() && name.as_ref() != Some(&field)).then(|| {
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

/// The `Permit` that must exist before the function is called.
fn permit(tool: &Tool) -> TokenStream {
    let Some(Call {
        function,
        parameters,
    }) = &tool.authorize
    else {
        return quote!(__check.none());
    };
    let parameters = parameters.iter().filter_map(|name| reference(tool, name));
    quote_spanned! {located(function.span())=>
        __check.authorize(#function(#(#parameters),*)).await
    }
}

/// A parameter of the tool as `authorize` gets it. The compiler reports mistakes at the parameter's
/// name.
fn reference(tool: &Tool, name: &Ident) -> Option<TokenStream> {
    let parameter = tool
        .parameters
        .iter()
        .find(|parameter| parameter.ident.unraw() == name.unraw())?;
    let value = value(tool, parameter);
    let span = located(name.span());
    let passed = match parameter.role {
        Role::Argument(_) => quote_spanned!(span=> &#value),
        Role::Injected | Role::InjectedOptional => value,
    };
    Some(respanned(passed, span))
}

fn arguments_type(tool: &Tool) -> TokenStream {
    tool.sole_struct().map_or_else(
        || quote!(__Arguments),
        |parameter| field_type_name(parameter).to_token_stream(),
    )
}

/// All of it has the span of the type: a span per token would report a type that cannot be injected
/// once for each of them.
fn injection(parameter: &Parameter) -> Option<TokenStream> {
    let span = parameter.ty.span();
    let inject = match parameter.role {
        Role::Argument(_) => return None,
        Role::Injected => Ident::new("inject", span),
        Role::InjectedOptional => Ident::new("inject_optional", span),
    };
    let (local, ty) = (local_name(parameter), &parameter.ty);
    // A `macro_rules!` macro may have given the type: its hygiene would hide `__cx`.
    let cx = Ident::new("__cx", located(span));
    Some(quote_spanned!(span=> let #local = __private::#inject::<#ty>(#cx).await?;))
}

/// The expression that is passed for a parameter of the user's function.
fn value(tool: &Tool, parameter: &Parameter) -> TokenStream {
    let (field, local) = (field_name(parameter), local_name(parameter));
    match parameter.role {
        Role::Argument(_) if tool.sole_struct().is_some() => quote!(__args),
        Role::Argument(_) => quote!(__args.#field),
        Role::Injected => quote!(&#local),
        Role::InjectedOptional => quote!(#local.as_deref()),
    }
}

fn declaration(tool: &Tool) -> TokenStream {
    let Tool {
        allow_unknown,
        description,
        ident,
        lenient,
        ..
    } = tool;
    let name = match &tool.name {
        Spelling::Constant(_) => spelled(&tool.name, "name", &TokenStream::new()),
        Spelling::Literal(name) => name.to_token_stream(),
    };
    let (title, timeout) = (optional(&tool.title), optional(&tool.timeout));
    let (annotations, guard) = (annotations(&tool.annotations), guard(tool));
    let (icons, meta) = (&tool.icons, &tool.meta);
    let blocking = !tool.is_async;
    let rates = tool.rates.iter();
    let rates = rates.map(|text| spelled(text, "rate", &TokenStream::new()));
    let concurrency = optional(&tool.concurrency);
    let authorize = optional(&tool.authorize.as_ref().map(|call| authorize(tool, call)));
    let parameters = tool.parameters.iter().filter_map(injected_parameter);
    let form = match tool.sole_struct() {
        Some(_) => quote!(Struct),
        None => quote!(Generated),
    };
    let location = location(ident.span());
    quote! {
        __private::Declaration {
            name: #name,
            title: #title,
            description: #description,
            annotations: #annotations,
            icons: &[#(#icons),*],
            meta: &[#(#meta),*],
            guard: #guard,
            authorize: #authorize,
            parameters: &[#(#parameters),*],
            rates: &[#(#rates),*],
            concurrency: #concurrency,
            timeout: #timeout,
            blocking: #blocking,
            arguments: __private::ArgumentsForm::#form,
            allow_unknown: #allow_unknown,
            lenient: #lenient,
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: #location,
        }
    }
}

fn annotations(annotations: &Annotations) -> TokenStream {
    let read_only = optional(&annotations.read_only);
    let destructive = optional(&annotations.destructive);
    let idempotent = optional(&annotations.idempotent);
    let open_world = optional(&annotations.open_world);
    quote! {
        __private::Annotations {
            read_only: #read_only,
            destructive: #destructive,
            idempotent: #idempotent,
            open_world: #open_world,
        }
    }
}

/// A client knows nothing of what is injected, and an argument by the name it has in the schema.
fn authorize(tool: &Tool, call: &Call) -> TokenStream {
    let function = call.function.path.segments.last();
    let function = function.map_or_else(String::new, |last| last.ident.unraw().to_string());
    let names = call.parameters.iter();
    let parameters: Vec<_> = names.clone().map(|name| name.unraw().to_string()).collect();
    let rule = format!("{function}({})", parameters.join(", "));
    let arguments = names.filter_map(|name| {
        let mut arguments = tool.arguments();
        let (parameter, argument) =
            arguments.find(|(parameter, _)| parameter.ident.unraw() == name.unraw())?;
        Some(argument.name(&parameter.ident, tool.rename_all.as_ref()))
    });
    quote!(__private::Authorize { rule: #rule, arguments: &[#(#arguments),*] })
}

fn guard(tool: &Tool) -> TokenStream {
    let required = tool
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.role, Role::Injected));
    match &tool.guard {
        Guard::Public => {
            // In a `const` of its own, so that the compiler points at the type that asks too much.
            let implied = required.map(|parameter| {
                let implied = implied(parameter, "in_public");
                quote_spanned!(parameter.ty.span()=> const { #implied })
            });
            quote!(__private::Guard::public().implied(&[#(#implied),*]))
        }
        Guard::SignedIn {
            accept,
            no_actor,
            user,
            organization,
            held,
            choices,
        } => {
            let kinds = accept.iter().map(|text| self::held(text, "accept"));
            let accept = (!accept.is_empty())
                .then(|| quote!(__private::Requirement::Accept(&[#(#kinds),*])));
            let no_actor = no_actor.then(|| quote!(__private::Requirement::NoActor));
            let user = user.then(|| quote!(__private::Requirement::User));
            let organization = organization.then(|| quote!(__private::Requirement::Organization));
            let requirements = [accept, no_actor, user, organization]
                .into_iter()
                .flatten()
                .chain(held.iter().flat_map(all_held))
                .chain(choices.iter().map(choice));
            let implied = required.map(|parameter| implied(parameter, "of"));
            quote!(__private::Guard::signed_in(&[#(#requirements),*]).implied(&[#(#implied),*]))
        }
    }
}

fn choice(choice: &Choice) -> TokenStream {
    let alternatives = choice.alternatives.iter().map(|list| {
        let all = all_held(list);
        quote!(&[#(#all),*])
    });
    quote!(__private::Requirement::Any(&[#(#alternatives),*]))
}

fn all_held(List { key, values, .. }: &List) -> impl Iterator<Item = TokenStream> {
    let key = key.unraw().to_string();
    values.iter().map(move |text| held(text, &key))
}

/// The requirements that an injected type adds to the guard, under the parameter's name.
fn implied(parameter: &Parameter, function: &str) -> TokenStream {
    let (name, ty) = (parameter.ident.unraw().to_string(), &parameter.ty);
    let function = Ident::new(function, ty.span());
    quote_spanned!(ty.span()=> __private::Implied::#function::<#ty>(#name))
}

fn injected_parameter(parameter: &Parameter) -> Option<TokenStream> {
    let function = match parameter.role {
        Role::Argument(_) => return None,
        Role::Injected => quote!(of),
        Role::InjectedOptional => quote!(optional),
    };
    let (name, ty) = (parameter.ident.unraw().to_string(), &parameter.ty);
    let location = location(parameter.ident.span());
    Some(quote!(__private::Parameter::#function::<#ty>(#name, #location)))
}

/// The value of a permission, a role and the like as a requirement.
fn held(text: &Spelling, key: &str) -> TokenStream {
    if key == "permission" {
        let span = located(text.span());
        spelled(text, key, &quote_spanned!(span=> __DECLARED))
    } else {
        spelled(text, key, &TokenStream::new())
    }
}

/// A text that the compiler checks, and reports at the user's tokens.
fn spelled(text: &Spelling, check: &str, among: &TokenStream) -> TokenStream {
    let span = text.span();
    let check = Ident::new(check, span);
    quote_spanned!(span=> const { __private::KeyText(#text).#check(#among) })
}

/// The file and line of the user's source, not of the attribute.
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

/// Cannot be seen by, and does not hide, anything that the user named.
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

/// Lints know that the token is not the user's, though it points there.
fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}
