//! Checks the data that only a resource has. The variables of its URI are its arguments.

use syn::{LitStr, ext::IdentExt};

use super::arguments;
use crate::{
    args::{ResourceArgs, Uri},
    errors::{Errors, listed, nearest},
    item::Function,
    parameter::Parameter,
    template::Template,
};

/// The data that only a resource has.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) audience: Vec<LitStr>,
    pub(crate) last_modified: Option<LitStr>,
    pub(crate) mime_type: Option<LitStr>,
    pub(crate) priority: Option<f64>,
    pub(crate) size: Option<u64>,
    pub(crate) template: Template,
    pub(crate) ttl_ms: Option<u64>,
}

impl Resource {
    /// Returns the resource. Use it only if `errors` is empty afterwards.
    pub(super) fn check(
        args: ResourceArgs,
        item: &Function,
        parameters: &[Parameter],
        rename_all: Option<&LitStr>,
        errors: &mut Errors,
    ) -> Self {
        check_size(&args, errors);
        check_flatten(parameters, errors);
        if let Some(uri) = &args.uri {
            check_variables(uri, item, parameters, rename_all, errors);
            check_query(uri, parameters, rename_all, errors);
        }
        Self {
            audience: args.audience,
            last_modified: args.last_modified,
            mime_type: args.mime_type,
            priority: args.priority,
            size: args.size.map(|size| size.bytes),
            template: args.uri.map(|uri| uri.template).unwrap_or_default(),
            ttl_ms: args.ttl_ms,
        }
    }
}

// #[mcp_resource("docs://{id}", size = 1024)]
fn check_size(args: &ResourceArgs, errors: &mut Errors) {
    if let (Some(size), Some(uri)) = (&args.size, &args.uri)
        && uri.template.variables().next().is_some()
    {
        errors.at(
            &size.key,
            "`size` is the size of a single resource, but this URI has variables: remove `size`",
        );
    }
}

// #[mcp_resource("docs://{id}")] async fn document(#[arg(flatten)] input: Input)
fn check_flatten(parameters: &[Parameter], errors: &mut Errors) {
    let flattened = arguments(parameters).filter_map(|(_, argument)| argument.flatten.as_ref());
    for flatten in flattened {
        errors.at(
            flatten,
            "each variable of the URI needs a separate parameter: declare the fields as parameters instead of `flatten`",
        );
    }
}

// #[mcp_resource("docs://{id}")] async fn document(title: String)
fn check_variables(
    uri: &Uri,
    item: &Function,
    parameters: &[Parameter],
    rename_all: Option<&LitStr>,
    errors: &mut Errors,
) {
    let variables: Vec<_> = uri.template.variables().collect();
    let names: Vec<_> = variables.iter().map(|variable| variable.name).collect();
    let mut missing = variables.clone();
    for (parameter, argument) in arguments(parameters) {
        if argument.flatten.is_some() {
            missing.clear();
            continue;
        }
        let name = argument.name(&parameter.ident, rename_all);
        if names.contains(&name.as_str()) {
            missing.retain(|variable| variable.name != name);
            continue;
        }
        if names.is_empty() {
            errors.at(
                &parameter.ident,
                format!("`{name}` is not a variable of the URI, which has no variables"),
            );
            continue;
        }
        let nearest = nearest(&name, &names);
        let hint = nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        // Report a misspelt name only once, and not also as a missing parameter.
        missing.retain(|variable| Some(variable.name) != nearest);
        errors.at(
            &parameter.ident,
            format!(
                "`{name}` is not a variable of the URI{hint}\nnote: its variables are {}",
                listed(&names)
            ),
        );
    }
    // An invalid parameter may be the missing parameter, so report no missing parameters.
    if parameters.len() < item.signature.inputs.len() {
        return;
    }
    for variable in missing {
        let (name, braced) = (variable.name, variable.braced());
        let ty = match variable.query {
            Some(_) => "Option<String>",
            None => "String",
        };
        let injected = |parameter: &Parameter| parameter.ident.unraw() == name;
        let message = if parameters.iter().any(injected) {
            format!(
                "`{braced}` has no argument, because the parameter `{name}` is injected: add `#[arg(rename = \"{name}\")] {name}_in_uri: {ty}`"
            )
        } else {
            format!("`{braced}` has no parameter: add `{name}: {ty}`")
        };
        errors.at(&uri.text, message);
    }
}

// #[mcp_resource("docs://all{?page}")] async fn documents(page: u32)
fn check_query(
    uri: &Uri,
    parameters: &[Parameter],
    rename_all: Option<&LitStr>,
    errors: &mut Errors,
) {
    for (Parameter { ident, ty, .. }, argument) in arguments(parameters) {
        let name = argument.name(ident, rename_all);
        let mut variables = uri.template.variables();
        let variable = variables.find(|variable| variable.name == name);
        if let Some(variable) = variable
            && variable.query.is_some()
            && !argument.may_be_absent(ty)
        {
            let braced = variable.braced();
            errors.at(
                ty,
                format!(
                    "clients may leave out `{braced}`: make `{ident}` an `Option`, or add `#[arg(default)]`"
                ),
            );
        }
    }
}
