//! A checked primitive, which combines the data of its attribute and its signature. A primitive is a
//! tool, a prompt or a resource.

mod checks;
mod guard;
mod resource;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Ident, LitStr, Path, ReturnType, Type, ext::IdentExt, parse_quote};

pub(crate) use self::{
    checks::check_roles,
    guard::{Guard, Requirements},
    resource::Resource,
};

use crate::{
    args::{Args, ToolArgs},
    docs::Description,
    entry::{Call, Confirm, Hint, Spelling, TaskSupport},
    errors::Errors,
    grammar,
    icon::Icon,
    item::Function,
    meta::Meta,
    parameter::{Argument, Parameter, Role},
    primitive::Primitive,
    types::error_of,
};

/// The data that the expansion needs.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) attributes: Vec<TokenStream>,
    pub(crate) authorize: Option<Call>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) description: Description,
    /// The error type in the return type. If the return type is an alias, this is the whole alias.
    pub(crate) error: Option<Type>,
    pub(crate) extend_on_progress: Option<u64>,
    pub(crate) guard: Guard,
    pub(crate) icons: Vec<Icon>,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    pub(crate) kind: Kind,
    pub(crate) krate: Path,
    pub(crate) meta: Vec<Meta>,
    pub(crate) name: Spelling,
    pub(crate) output: TokenStream,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) rates: Vec<Spelling>,
    pub(crate) rename_all: Option<LitStr>,
    pub(crate) timeout: Option<u64>,
    pub(crate) title: Option<Spelling>,
}

/// The primitive, with the data that only this kind of primitive has.
#[derive(Debug)]
pub(crate) enum Kind {
    Prompt,
    Resource(Resource),
    Tool(Tool),
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) allow_unknown: bool,
    pub(crate) confirm: Option<Confirm>,
    pub(crate) destructive: Option<bool>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) lenient: bool,
    pub(crate) open_world: Option<bool>,
    pub(crate) read_only: Option<bool>,
    pub(crate) task: Option<TaskSupport>,
}

impl Handler {
    /// Returns the primitive. Use it only if `errors` is empty afterwards.
    pub(crate) fn check(
        primitive: Primitive,
        args: Args,
        item: &Function,
        parameters: Vec<Parameter>,
        errors: &mut Errors,
    ) -> Self {
        checks::check(primitive, &args, item, &parameters, errors);
        let kind = match primitive {
            Primitive::Prompt => Kind::Prompt,
            Primitive::Resource => {
                let rename_all = args.rename_all.as_ref();
                let resource = args.resource;
                Kind::Resource(Resource::check(
                    resource,
                    item,
                    &parameters,
                    rename_all,
                    errors,
                ))
            }
            Primitive::Tool => Kind::Tool(Tool::of(args.tool)),
        };
        let ident = item.signature.ident.clone();
        Self {
            attributes: item.shared_attributes().collect(),
            description: Description::of(&item.attributes),
            error: error_of(&item.signature.output).cloned(),
            guard: match args.public {
                Some(public) => Guard::Public(public),
                None => Guard::SignedIn(Requirements::of(args.guard)),
            },
            authorize: args.authorize,
            concurrency: args.concurrency,
            extend_on_progress: args.extend_on_progress.map(|extension| extension.seconds),
            icons: args.icons,
            is_async: item.signature.asyncness.is_some(),
            kind,
            meta: args.meta,
            krate: args.krate.unwrap_or_else(|| parse_quote!(::mcp_auth)),
            name: args
                .name
                .unwrap_or_else(|| name_of_function(primitive, &ident, errors)),
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

    /// Returns true if unknown arguments are ignored.
    pub(crate) fn allows_unknown(&self) -> bool {
        matches!(
            self.kind,
            Kind::Tool(Tool {
                allow_unknown: true,
                ..
            })
        )
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = (&Parameter, &Argument)> {
        arguments(&self.parameters)
    }

    /// Returns true if the arguments are read into a tuple. If an attribute changes how serde, schemars or garde treat
    /// an argument, serde reads the arguments into a struct instead.
    pub(crate) fn takes_values(&self) -> bool {
        let is_value = |(_, argument): (_, &Argument)| {
            argument.default.is_none()
                && argument.flatten.is_none()
                && argument.garde.is_none()
                && !argument.is_derived_otherwise()
        };
        self.arguments().count() <= MOST_VALUES && self.arguments().all(is_value)
    }

    /// Returns the names of the arguments, as clients know them, without the fields of a flattened struct.
    pub(crate) fn argument_names(&self) -> impl Iterator<Item = String> {
        self.arguments()
            .filter(|(_, argument)| argument.flatten.is_none())
            .map(|(parameter, argument)| argument.name(&parameter.ident, self.rename_all.as_ref()))
    }

    /// Returns the completion functions, each with the name of its argument as clients know it.
    pub(crate) fn completions(&self) -> impl Iterator<Item = (String, &Call)> {
        self.arguments().filter_map(|(parameter, argument)| {
            let call = argument.complete.as_ref()?;
            Some((
                argument.name(&parameter.ident, self.rename_all.as_ref()),
                call,
            ))
        })
    }

    /// Returns the arguments that clients repeat in headers. Each has the name that clients know, and the whole name of
    /// its header.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (String, String)> {
        self.arguments().filter_map(|(parameter, argument)| {
            let header = argument.header.as_ref()?.value();
            Some((
                argument.name(&parameter.ident, self.rename_all.as_ref()),
                format!("{}{header}", grammar::HEADER_PREFIX),
            ))
        })
    }

    /// Returns true if a permission is required, alone or in an alternative.
    pub(crate) fn names_permissions(&self) -> bool {
        match &self.guard {
            Guard::Public(_) => false,
            Guard::SignedIn(requirements) => requirements.names_permissions(),
        }
    }

    pub(crate) fn sole_struct(&self) -> Option<&Parameter> {
        sole_struct(&self.parameters)
    }

    /// Returns the word `garde` of an attribute that asks for validation, if there is such an
    /// attribute.
    pub(crate) fn garde(&self) -> Option<&Path> {
        self.arguments()
            .find_map(|(_, argument)| argument.garde.as_ref())
    }
}

impl Tool {
    fn of(args: ToolArgs) -> Self {
        let said = |hint: &Option<Hint>| hint.as_ref().map(|hint| hint.value);
        Self {
            allow_unknown: args.allow_unknown.is_some(),
            confirm: args.confirm,
            destructive: said(&args.destructive),
            idempotent: said(&args.idempotent),
            lenient: args.lenient.is_some(),
            open_world: args.closed_world.as_ref().map(|_| false),
            read_only: said(&args.read_only),
            task: args.task,
        }
    }
}

/// The largest number of arguments that are read into a tuple.
const MOST_VALUES: usize = 8;

/// The parameters that come from the client, in order.
fn arguments(parameters: &[Parameter]) -> impl Iterator<Item = (&Parameter, &Argument)> {
    parameters
        .iter()
        .filter_map(|parameter| match &parameter.role {
            Role::Argument(argument) => Some((parameter, argument.as_ref())),
            Role::Injected | Role::InjectedOptional => None,
        })
}

/// Returns the flattened struct, if it is the only argument. The struct is then deserialized directly, because errors
/// of `serde(flatten)` do not name the path of a mistake.
fn sole_struct(parameters: &[Parameter]) -> Option<&Parameter> {
    let mut arguments = arguments(parameters);
    match (arguments.next(), arguments.next()) {
        (Some((parameter, argument)), None) if argument.flatten.is_some() => Some(parameter),
        _ => None,
    }
}

fn name_of_function(primitive: Primitive, ident: &Ident, errors: &mut Errors) -> Spelling {
    let name = ident.unraw().to_string();
    if let Err(message) = grammar::primitive_name(primitive, &name) {
        errors.at(
            ident,
            format!("{message}; give the {primitive} another name with `name = \"…\"`"),
        );
    }
    Spelling::Literal(LitStr::new(&name, ident.span()))
}

#[cfg(test)]
mod tests;
