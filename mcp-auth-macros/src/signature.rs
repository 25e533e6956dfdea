//! Checks that the signature of a function is suitable for a tool, which is called with one JSON
//! object.

use syn::{FnArg, GenericParam, Safety, Signature};

use crate::{
    errors::Errors,
    item::{ToolItem, is_mcp_tool},
    parameter::Parameter,
    types::returned,
};

/// Returns the valid parameters, and adds all mistakes to `errors`.
pub(crate) fn parameters(item: &ToolItem, errors: &mut Errors) -> Vec<Parameter> {
    for attribute in item
        .attributes
        .iter()
        .filter(|attribute| is_mcp_tool(attribute))
    {
        errors.at(
            &attribute.meta,
            "a function is one tool: `#[mcp_tool]` is given twice",
        );
    }
    check_qualifiers(&item.signature, errors);
    check_generics(&item.signature, errors);
    let parameters = item.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(receiver) => {
            errors.at(receiver, "a tool must be a free function: take what it needs by `&State<T>` instead of `self`");
            None
        }
        FnArg::Typed(parameter) => Parameter::read(parameter, errors),
    });
    let parameters = parameters.collect();
    if let Some(variadic) = &item.signature.variadic {
        errors.at(
            variadic,
            "a tool's arguments have names: take a list by `Vec<T>` instead of `...`",
        );
    }
    errors.keep(returned(&item.signature.output));
    parameters
}

fn check_qualifiers(signature: &Signature, errors: &mut Errors) {
    if let Some(token) = signature.constness {
        errors.at(token, "a tool cannot be `const`");
    }
    if let Safety::Unsafe(token) = signature.safety {
        errors.at(
            token,
            "a tool cannot be `unsafe`: a remote caller cannot keep the safety conditions of the function",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, "a tool cannot be `extern`");
    }
}

// `async fn tool<T>(…)`: a tool has one schema, and a client cannot choose `T`.
fn check_generics(signature: &Signature, errors: &mut Errors) {
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Const(_) | GenericParam::Type(_) => {
                errors.at(
                    parameter,
                    "a tool cannot have generics: name the types that it works with",
                );
            }
            GenericParam::Lifetime(lifetime) => {
                errors.at(lifetime, "a tool cannot have lifetimes: remove them")
            }
        }
    }
    if let Some(clause) = &signature.generics.where_clause
        && signature.generics.params.is_empty()
    {
        errors.at(clause, "a tool cannot have generics, and so no `where`");
    }
}
