//! The errors of tools, prompts and resources that a server cannot serve.

use std::panic::Location;

use thiserror::Error;

use super::rate::Rate;

/// The reason why a server cannot serve a tool, a prompt or a resource.
#[derive(Debug, Error)]
pub(crate) enum RegistryError {
    /// Two tools, or two prompts, have the same name.
    #[error(
        "two {kind}s have the name `{name}`: {first} and {second}; give one of them another `name`"
    )]
    Duplicate {
        kind: &'static str,
        name: &'static str,
        first: &'static Location<'static>,
        second: &'static Location<'static>,
    },
    /// Two resources have the same URI, or at least one URI matches both.
    #[error(
        "two resources can match the same URI: `{first_uri}` at {first} and `{second_uri}` at {second}; \
         change one of the URIs so that no URI matches both"
    )]
    SharedUri {
        first_uri: String,
        first: &'static Location<'static>,
        second_uri: String,
        second: &'static Location<'static>,
    },
    /// A primitive is `public`, but a module around it has a guard.
    #[error(
        "{location}: {item} is `public`, which would loosen the guard of module `{module}` at {place}; move the function to another module, or drop `public`"
    )]
    PublicInGuardedModule {
        item: String,
        location: &'static Location<'static>,
        module: &'static str,
        place: &'static str,
    },
    /// A primitive takes state that the server does not have.
    #[error(
        "{location}: {item} takes state of type `{state}` (parameter `{parameter}`), but the server has no such state; add `state = <a {state}>`"
    )]
    MissingState {
        item: String,
        parameter: &'static str,
        state: &'static str,
        location: &'static Location<'static>,
    },
    /// A header repeats an argument that is neither a string nor an integer nor a boolean.
    #[error(
        "{location}: {item} has the header `{header}` for the argument `{argument}`, whose schema does not describe a string, an integer or a boolean; remove `header`, or change the type of the argument"
    )]
    HeaderOfAnotherType {
        item: String,
        argument: &'static str,
        header: &'static str,
        location: &'static Location<'static>,
    },
    /// A tool with `confirm` has an argument with the name of the argument that the server adds.
    #[error(
        "{location}: {item} has an argument `{argument}`, which `allow_confirmation_codes` reserves for the server; rename the argument"
    )]
    ReservedArgument {
        item: String,
        argument: &'static str,
        location: &'static Location<'static>,
    },
    /// A primitive counts its calls per organization, but its calls have no organization.
    #[error(
        "{location}: {item} has the rate `{rate}`, but does not require an organization; add `require_org`, or count `per user`"
    )]
    RateWithoutOrganization {
        item: String,
        rate: Rate,
        location: &'static Location<'static>,
    },
}
