//! Turns a checked tool into tokens. The expansion contains only data and one call. All decisions
//! are made at run time.

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
    // The import has two purposes: a wrong `crate = path` causes only one error, and serde gets a
    // path without `$crate`.
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

/// The permissions that tools of this crate may name. The default is imported by name in the outer
/// block. A glob import in the inner block hides it if `permissions! { only; … }` is at the root of
/// the crate. No code of the user is evaluated in the inner block.
fn declared() -> TokenStream {
    quote! {
        use __private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
        const __DECLARED: __private::Declared = {
            use crate::*;
            __MCP_AUTH_PERMISSIONS
        };
    }
}

/// The struct that the arguments are deserialized into, unless the tool takes its own struct.
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

/// Returns compile-time checks that the type of each parameter can be an argument. A parameter with
/// an attribute of serde or schemars gets no check, because the attribute may make the type usable.
fn argument_checks(tool: &Tool) -> Option<TokenStream> {
    let checks: Vec<_> = plain(tool)
        .map(|Parameter { ty, .. }| quote_spanned!(ty.span()=> __private::IsArgument<#ty>))
        .collect();
    (!checks.is_empty()).then(|| quote!(struct __Checked(#(#checks),*);))
}

/// The types of the fields. A field has the type of its parameter, or a stand-in if that type
/// cannot be an argument. Without the stand-in, every use of such a type in the derived code would
/// cause an error in addition to the error of the check.
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

/// The arguments without an attribute of serde or schemars.
fn plain(tool: &Tool) -> impl Iterator<Item = &Parameter> {
    tool.arguments()
        .filter(|(_, argument)| !argument.is_derived_otherwise())
        .map(|(parameter, _)| parameter)
}

/// Checks that the rules inside the type of a parameter are not ignored.
fn rule_checks(tool: &Tool) -> Option<TokenStream> {
    let passed_over = tool
        .arguments()
        .filter(|(_, argument)| !reaches_in(&argument.attributes));
    check_undived(passed_over.map(|(parameter, _)| &parameter.ty))
}

/// Checks that the error type is not a text. A text would compile, because the standard library
/// converts it into an error, but the model could not read it.
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

/// The function that returns the default of an argument, because serde and schemars both need the
/// name of a function. A type without `Default` then causes one error, at the word `default`.
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
    // The compiler reports a future that is not `Send` at the head of `call`.
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

/// The code that validates the rules of garde. garde is a dependency of the user's package, so only
/// the expansion can use its types.
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

/// The code that makes the `Permit`, which must exist before the function is called.
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

/// A parameter of the tool as the `authorize` function gets it. The compiler reports mistakes at
/// the parameter's name.
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

/// The code that injects a parameter. All its tokens have the span of the type. With different
/// spans, the compiler would report a type that cannot be injected several times.
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

/// The expression that is passed for a parameter of the tool's function.
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

/// The `authorize` rule of the declaration. Its arguments have the names of the schema, which
/// clients know. Injected parameters are left out, because clients do not know them.
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
            // Each check is a separate `const`, so that the compiler points at the type that adds a
            // requirement.
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

/// The requirements that an injected type adds to the guard, with the name of the parameter.
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

/// A permission, a role or a similar value as a requirement.
fn held(text: &Spelling, key: &str) -> TokenStream {
    if key == "permission" {
        let span = located(text.span());
        spelled(text, key, &quote_spanned!(span=> __DECLARED))
    } else {
        spelled(text, key, &TokenStream::new())
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

/// The name of a local variable. Hygiene keeps it apart from the user's names.
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

/// A span that points to the user's token, but marks the token as generated, so that lints ignore
/// it.
fn located(span: Span) -> Span {
    Span::call_site().located_at(span)
}
