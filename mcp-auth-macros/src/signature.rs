//! Checks that the signature of a function is suitable for a tool, a prompt or a resource. All three get their
//! arguments as one JSON object.

use syn::{FnArg, GenericParam, Safety, Signature};

use crate::{
    errors::Errors,
    item::{Function, declares},
    parameter::Parameter,
    primitive::Primitive,
    types::returned,
};

/// Returns the valid parameters, and adds all mistakes to `errors`.
pub(crate) fn parameters(
    primitive: Primitive,
    item: &Function,
    errors: &mut Errors,
) -> Vec<Parameter> {
    check_attributes(primitive, item, errors);
    check_qualifiers(primitive, &item.signature, errors);
    check_generics(primitive, &item.signature, errors);
    let parameters = item
        .signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Receiver(receiver) => {
                errors.at(
                    receiver,
                    format!(
                        "a {primitive} must be a free function: take `&State<T>` instead of `self`"
                    ),
                );
                None
            }
            FnArg::Typed(parameter) => Parameter::read(primitive, parameter, errors),
        });
    let parameters = parameters.collect();
    if let Some(variadic) = &item.signature.variadic {
        errors.at(
            variadic,
            format!(
                "a {primitive} cannot take `...`, because each argument needs a name: use a parameter `Vec<T>`"
            ),
        );
    }
    errors.keep(returned(primitive, &item.signature.output));
    parameters
}

// #[mcp_tool] #[mcp_prompt] async fn tool()
fn check_attributes(primitive: Primitive, item: &Function, errors: &mut Errors) {
    for attribute in &item.attributes {
        let Some(other) = declares(attribute) else {
            continue;
        };
        let name = other.attribute();
        let message = if other == primitive {
            format!("a function is one {primitive}: `#[{name}]` is given twice")
        } else {
            format!(
                "a function cannot be both a {primitive} and a {other}: write a second function for `#[{name}]`"
            )
        };
        errors.at(&attribute.meta, message);
    }
}

fn check_qualifiers(primitive: Primitive, signature: &Signature, errors: &mut Errors) {
    if let Some(token) = signature.constness {
        errors.at(token, format!("a {primitive} cannot be `const`"));
    }
    if let Safety::Unsafe(token) = signature.safety {
        errors.at(
            token,
            format!("a {primitive} cannot be `unsafe`: a remote caller cannot keep the safety conditions of the function"),
        );
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, format!("a {primitive} cannot be `extern`"));
    }
}

// `async fn tool<T>(…)`: a tool has one schema, and a client cannot choose `T`.
fn check_generics(primitive: Primitive, signature: &Signature, errors: &mut Errors) {
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Const(_) | GenericParam::Type(_) => {
                errors.at(
                    parameter,
                    format!("a {primitive} cannot have generics: write concrete types instead"),
                );
            }
            GenericParam::Lifetime(lifetime) => errors.at(
                lifetime,
                format!("a {primitive} cannot have lifetimes: remove them"),
            ),
        }
    }
    if let Some(clause) = &signature.generics.where_clause
        && signature.generics.params.is_empty()
    {
        errors.at(
            clause,
            format!("a {primitive} cannot have a `where` clause, because it cannot have generics"),
        );
    }
}
