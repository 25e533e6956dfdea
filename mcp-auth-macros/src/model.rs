//! A checked tool, which combines the data of its attribute and its signature.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Ident, LitStr, Path, ReturnType, Type, ext::IdentExt, parse_quote};

use crate::{
    args::ToolArgs,
    docs::Description,
    entry::{Call, Choice, Hint, List, Spelling},
    errors::{Errors, did_you_mean, listed},
    grammar,
    icon::Icon,
    item::ToolItem,
    meta::Meta,
    parameter::{Argument, Parameter, Role},
    types::error_of,
};

/// The data that the expansion needs.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) allow_unknown: bool,
    pub(crate) annotations: Annotations,
    pub(crate) attributes: Vec<TokenStream>,
    pub(crate) authorize: Option<Call>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) description: Description,
    /// The error type in the return type. If the return type is an alias, the whole alias.
    pub(crate) error: Option<Type>,
    pub(crate) guard: Guard,
    pub(crate) icons: Vec<Icon>,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    pub(crate) krate: Path,
    pub(crate) lenient: bool,
    pub(crate) meta: Vec<Meta>,
    pub(crate) name: Spelling,
    pub(crate) output: TokenStream,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) rates: Vec<Spelling>,
    pub(crate) rename_all: Option<LitStr>,
    pub(crate) timeout: Option<u64>,
    pub(crate) title: Option<Spelling>,
}

#[derive(Debug)]
pub(crate) struct Annotations {
    pub(crate) destructive: Option<bool>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) open_world: Option<bool>,
    pub(crate) read_only: Option<bool>,
}

#[derive(Debug)]
pub(crate) enum Guard {
    Public,
    SignedIn {
        accept: Vec<Spelling>,
        no_actor: bool,
        user: bool,
        organization: bool,
        /// The lists of `permission`, `role` and similar keys.
        held: Vec<List>,
        choices: Vec<Choice>,
    },
}

impl Tool {
    /// Returns the tool. Use it only if `errors` is empty afterwards.
    pub(crate) fn check(
        args: ToolArgs,
        item: &ToolItem,
        parameters: Vec<Parameter>,
        errors: &mut Errors,
    ) -> Self {
        check_hints(&args, errors);
        check_public(&args, errors);
        check_roles(&args, errors);
        check_rates(&args, errors);
        check_authorize(&args, item, errors);
        check_rename_all(&args, &parameters, errors);
        check_argument_names(&args, &parameters, errors);
        let ident = item.signature.ident.clone();
        Self {
            allow_unknown: args.allow_unknown.is_some(),
            annotations: Annotations::of(&args),
            attributes: item.shared_attributes().collect(),
            description: Description::of(&item.attributes),
            error: error_of(&item.signature.output).cloned(),
            guard: if args.public.is_some() {
                Guard::Public
            } else {
                Guard::SignedIn {
                    accept: args.accept.map(|list| list.values).unwrap_or_default(),
                    no_actor: args.forbid_actor.is_some(),
                    user: args.require_user.is_some(),
                    organization: args.require_org.is_some(),
                    held: [
                        args.permissions,
                        args.roles,
                        args.features,
                        args.plans,
                        args.reverification,
                        args.scopes,
                    ]
                    .into_iter()
                    .flatten()
                    .collect(),
                    choices: args.choices,
                }
            },
            authorize: args.authorize,
            concurrency: args.concurrency,
            icons: args.icons,
            is_async: item.signature.asyncness.is_some(),
            lenient: args.lenient.is_some(),
            meta: args.meta,
            krate: args.krate.unwrap_or_else(|| parse_quote!(::mcp_auth)),
            name: args
                .name
                .unwrap_or_else(|| name_of_function(&ident, errors)),
            ident,
            output: match &item.signature.output {
                ReturnType::Default => quote!(()),
                ReturnType::Type(_, ty) => ty.to_token_stream(),
            },
            parameters,
            rates: args.rates.map(|list| list.values).unwrap_or_default(),
            rename_all: args.rename_all,
            timeout: args.timeout,
            title: args.title,
        }
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&Parameter, &Argument)> {
        arguments(&self.parameters)
    }

    /// Whether a permission is required, alone or as an alternative.
    pub(crate) fn names_permissions(&self) -> bool {
        match &self.guard {
            Guard::Public => false,
            Guard::SignedIn { held, choices, .. } => {
                let alternatives = choices.iter().flat_map(|choice| &choice.alternatives);
                held.iter()
                    .chain(alternatives)
                    .any(|list| list.key == "permission")
            }
        }
    }

    pub(crate) fn sole_struct(&self) -> Option<&Parameter> {
        sole_struct(&self.parameters)
    }

    /// The word `garde` that asks for validation, if there is one.
    pub(crate) fn garde(&self) -> Option<&Path> {
        self.arguments()
            .find_map(|(_, argument)| argument.garde.as_ref())
    }
}

impl Annotations {
    fn of(args: &ToolArgs) -> Self {
        let said = |hint: &Option<Hint>| hint.as_ref().map(|hint| hint.value);
        Self {
            destructive: said(&args.destructive),
            idempotent: said(&args.idempotent),
            open_world: args.closed_world.as_ref().map(|_| false),
            read_only: said(&args.read_only),
        }
    }
}

/// The parameters that come from the client, in order.
fn arguments(parameters: &[Parameter]) -> impl Iterator<Item = (&Parameter, &Argument)> {
    parameters
        .iter()
        .filter_map(|parameter| match &parameter.role {
            Role::Argument(argument) => Some((parameter, argument.as_ref())),
            Role::Injected | Role::InjectedOptional => None,
        })
}

/// The flattened struct, if it is the tool's only argument. It is deserialized directly, because
/// errors of `serde(flatten)` do not name the path to a mistake.
fn sole_struct(parameters: &[Parameter]) -> Option<&Parameter> {
    let mut arguments = arguments(parameters);
    match (arguments.next(), arguments.next()) {
        (Some((parameter, argument)), None) if argument.flatten.is_some() => Some(parameter),
        _ => None,
    }
}

fn name_of_function(ident: &Ident, errors: &mut Errors) -> Spelling {
    let name = ident.unraw().to_string();
    if let Err(message) = grammar::tool_name(&name) {
        errors.at(
            ident,
            format!("{message}; give the tool another name with `name = \"…\"`"),
        );
    }
    Spelling::Literal(LitStr::new(&name, ident.span()))
}

// #[mcp_tool(read_only, destructive)]
fn check_hints(args: &ToolArgs, errors: &mut Errors) {
    if let (Some(Hint { value: true, .. }), Some(Hint { key, value: true })) =
        (&args.read_only, &args.destructive)
    {
        errors.at(
            key,
            "`read_only` and `destructive` contradict each other: keep one",
        );
    }
}

// #[mcp_tool(public, permission = "org:documents:delete")]
fn check_public(args: &ToolArgs, errors: &mut Errors) {
    if args.public.is_none() {
        return;
    }
    let lists = [
        &args.accept,
        &args.permissions,
        &args.roles,
        &args.features,
        &args.plans,
        &args.reverification,
        &args.scopes,
    ];
    let lists = lists.into_iter().flatten().map(|list| &list.key);
    let flags = [&args.require_org, &args.require_user, &args.forbid_actor];
    let flags = flags.into_iter().flatten();
    let choices = args.choices.iter().map(|choice| &choice.key);
    for key in flags.chain(lists).chain(choices) {
        errors.at(
            key,
            format!(
                "`public` lets everybody call the tool, so `{key}` cannot be required: keep one"
            ),
        );
    }
}

// #[mcp_tool(role = all("admin", "member"))]
fn check_roles(args: &ToolArgs, errors: &mut Errors) {
    let alternatives = args.choices.iter().flat_map(|choice| &choice.alternatives);
    for List { key, values, .. } in args.roles.iter().chain(alternatives) {
        if key == "role"
            && let [_, second, ..] = values.as_slice()
        {
            errors.at(
                second,
                "a caller has one role in an organization, so no caller has both: write `any(role = \"…\", role = \"…\")`",
            );
        }
    }
}

// #[mcp_tool(rate = all("10/min per user", "20/min per user"))]
fn check_rates(args: &ToolArgs, errors: &mut Errors) {
    let mut seen = HashMap::new();
    for value in args.rates.iter().flat_map(|list| &list.values) {
        let Spelling::Literal(text) = value else {
            continue;
        };
        let rate = text.value();
        let Some((_, counted)) = rate.split_once('/') else {
            continue;
        };
        if let Some(first) = seen.insert(counted.to_owned(), rate.clone()) {
            errors.at(
                text,
                format!("`{first}` and `{rate}` differ only in the count: keep the lower rate"),
            );
        }
    }
}

// #[mcp_tool(authorize = owns(document))] async fn tool(document_id: String)
fn check_authorize(args: &ToolArgs, item: &ToolItem, errors: &mut Errors) {
    // Parameters that have mistakes are included.
    let names: Vec<_> = item.parameter_names().collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    for parameter in args.authorize.iter().flat_map(|call| &call.parameters) {
        let name = parameter.unraw().to_string();
        if names.is_empty() {
            errors.at(
                parameter,
                format!("`{name}` is not a parameter of this tool, which has none"),
            );
        } else if !names.contains(&name.as_str()) {
            errors.at(
                parameter,
                format!(
                    "`{name}` is not a parameter of this tool{}\nnote: its parameters are {}",
                    did_you_mean(&name, &names),
                    listed(&names)
                ),
            );
        }
    }
}

// #[mcp_tool(rename_all = "camelCase")] async fn tool(#[arg(flatten)] input: Input)
fn check_rename_all(args: &ToolArgs, parameters: &[Parameter], errors: &mut Errors) {
    if let Some(rule) = &args.rename_all
        && sole_struct(parameters).is_some()
    {
        errors.at(rule, "`rename_all` has no effect on a flattened struct: write `#[serde(rename_all = \"…\")]` on the struct");
    }
}

// async fn tool(#[arg(rename = "id")] document: String, id: String)
fn check_argument_names(args: &ToolArgs, parameters: &[Parameter], errors: &mut Errors) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for (Parameter { ident, .. }, argument) in
        arguments(parameters).filter(|(_, argument)| argument.flatten.is_none())
    {
        let name = argument.name(ident, args.rename_all.as_ref());
        if let Err(message) = grammar::argument_name(&name) {
            let message = format!("{message}: write `#[arg(rename = \"…\")]`");
            errors.at(ident, message);
        }
        if let Some(first) = seen.get(&name) {
            errors.at(
                ident,
                format!("`{first}` and `{ident}` both have the argument name `{name}`"),
            );
        }
        seen.insert(name, ident);
    }
}
