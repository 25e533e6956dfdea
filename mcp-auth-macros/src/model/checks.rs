//! Checks of keys and parameters against each other, one function for each rule.

use std::collections::HashMap;

use syn::{Ident, ext::IdentExt};

use super::{arguments, sole_struct};
use crate::{
    args::{Args, Extension, GuardArgs},
    entry::{Confirm, Hint, List, Spelling},
    errors::{Errors, did_you_mean, listed},
    grammar,
    item::Function,
    parameter::Parameter,
    primitive::Primitive,
};

pub(super) fn check(
    primitive: Primitive,
    args: &Args,
    item: &Function,
    parameters: &[Parameter],
    errors: &mut Errors,
) {
    check_hints(args, errors);
    check_public(primitive, args, errors);
    check_roles(&args.guard, errors);
    check_rates(args, errors);
    check_extension(args, errors);
    check_authorize(primitive, args, item, errors);
    check_completions(primitive, args, item, parameters, errors);
    check_rename_all(args, parameters, errors);
    check_argument_names(args, parameters, errors);
    check_headers(parameters, errors);
}

// #[mcp_tool(read_only, destructive)]
fn check_hints(args: &Args, errors: &mut Errors) {
    if let (Some(Hint { value: true, .. }), Some(Hint { key, value: true })) =
        (&args.tool.read_only, &args.tool.destructive)
    {
        errors.at(
            key,
            "`read_only` and `destructive` contradict each other: keep one",
        );
    }
}

// #[mcp_tool(public, permission = "org:documents:delete")]
fn check_public(primitive: Primitive, args: &Args, errors: &mut Errors) {
    if args.public.is_none() {
        return;
    }
    let verb = primitive.verb();
    for key in args.guard.keys() {
        errors.at(
            key,
            format!(
                "`public` lets everybody {verb} the {primitive}, so `{key}` cannot be required: keep one"
            ),
        );
    }
}

// #[mcp_tool(timeout = 60, extend_on_progress = 30)]
fn check_extension(args: &Args, errors: &mut Errors) {
    let Some(Extension { key, seconds }) = &args.extend_on_progress else {
        return;
    };
    match args.timeout {
        None => errors.at(
            key,
            "`extend_on_progress` extends a time-out of the same attribute: write `timeout` too, as the longest time between two reports of progress",
        ),
        Some(timeout) if *seconds <= timeout => errors.at(
            key,
            format!(
                "`extend_on_progress` is the longest time of the whole call, so it must be more than `timeout`, which is {timeout}"
            ),
        ),
        Some(_) => {}
    }
}

// #[mcp_tool(role = all("admin", "member"))]
pub(crate) fn check_roles(args: &GuardArgs, errors: &mut Errors) {
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
fn check_rates(args: &Args, errors: &mut Errors) {
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
// #[mcp_tool(confirm = "Delete {document}?")] async fn tool(document_id: String)
fn check_authorize(primitive: Primitive, args: &Args, item: &Function, errors: &mut Errors) {
    let authorize = args.authorize.iter().flat_map(|call| &call.parameters);
    let confirm = args.tool.confirm.iter().flat_map(Confirm::parameters);
    for parameter in authorize.chain(confirm) {
        check_parameter(primitive, parameter, item, errors);
    }
}

// #[mcp_prompt] async fn prompt(#[arg(complete = titles(id))] title: String, id: u32)
fn check_completions(
    primitive: Primitive,
    args: &Args,
    item: &Function,
    parameters: &[Parameter],
    errors: &mut Errors,
) {
    let completions = arguments(parameters).filter_map(|(_, argument)| argument.complete.as_ref());
    for name in completions.flat_map(|call| &call.parameters) {
        let mut arguments = arguments(parameters);
        let found = arguments.find(|(parameter, _)| parameter.ident.unraw() == name.unraw());
        if let Some((Parameter { ident, .. }, argument)) = found {
            let chosen = argument.name(ident, args.rename_all.as_ref());
            errors.at(
                name,
                format!("`{name}` is an argument, whose value is not known during completion; use `request.chosen(\"{chosen}\")`"),
            );
        } else {
            check_parameter(primitive, name, item, errors);
        }
    }
}

/// Reports a name that is not a parameter. Parameters that have mistakes count as parameters.
fn check_parameter(primitive: Primitive, parameter: &Ident, item: &Function, errors: &mut Errors) {
    let names: Vec<_> = item.parameter_names().collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let name = parameter.unraw().to_string();
    if names.is_empty() {
        errors.at(
            parameter,
            format!("`{name}` is not a parameter of this {primitive}, which has none"),
        );
    } else if !names.contains(&name.as_str()) {
        errors.at(
            parameter,
            format!(
                "`{name}` is not a parameter of this {primitive}{}\nnote: its parameters are {}",
                did_you_mean(&name, &names),
                listed(&names)
            ),
        );
    }
}

// #[mcp_tool(rename_all = "camelCase")] async fn tool(#[arg(flatten)] input: Input)
fn check_rename_all(args: &Args, parameters: &[Parameter], errors: &mut Errors) {
    if let Some(rule) = &args.rename_all
        && sole_struct(parameters).is_some()
    {
        errors.at(rule, "`rename_all` has no effect on a flattened struct: write `#[serde(rename_all = \"…\")]` on the struct");
    }
}

// async fn tool(#[arg(rename = "id")] document: String, id: String)
fn check_argument_names(args: &Args, parameters: &[Parameter], errors: &mut Errors) {
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

// async fn tool(#[arg(header = "Region")] from: String, #[arg(header = "region")] to: String)
fn check_headers(parameters: &[Parameter], errors: &mut Errors) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for (Parameter { ident, .. }, argument) in arguments(parameters) {
        let Some(header) = &argument.header else {
            continue;
        };
        let name = header.value();
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), ident) {
            errors.at(
                header,
                format!("`{first}` and `{ident}` both have the header `Mcp-Param-{name}`; upper and lower case are equal in the names of headers"),
            );
        }
    }
}
