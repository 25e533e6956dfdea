//! Generates the declaration: one constant with all data about a primitive.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use super::{field_type_name, guard::guard, location, optional, spelled};
use crate::{
    docs::Description,
    entry::{Call, Spelling, TaskSupport},
    model::{Handler, Kind, Resource, Tool},
    parameter::{Parameter, Role},
    template::Part,
};

pub(super) fn declaration(handler: &Handler) -> TokenStream {
    let Handler {
        description, ident, ..
    } = handler;
    let name = match &handler.name {
        Spelling::Constant(_) => spelled(&handler.name, "name", &TokenStream::new()),
        Spelling::Literal(name) => name.to_token_stream(),
    };
    let (title, timeout) = (optional(&handler.title), optional(&handler.timeout));
    let extension = optional(&handler.extend_on_progress);
    let (kind, guard) = (kind(handler), guard(handler));
    let (icons, meta) = (&handler.icons, &handler.meta);
    let blocking = !handler.is_async;
    let rates = handler.rates.iter();
    let rates = rates.map(|text| spelled(text, "rate", &TokenStream::new()));
    let concurrency = optional(&handler.concurrency);
    let authorize = optional(
        &handler
            .authorize
            .as_ref()
            .map(|call| authorize(handler, call)),
    );
    let parameters = handler.parameters.iter().filter_map(injected_parameter);
    let completed = handler.completions().map(|(name, _)| name);
    let form = arguments_form(handler);
    let location = location(ident.span());
    quote! {
        __private::Declaration {
            name: #name,
            kind: #kind,
            title: #title,
            description: #description,
            icons: &[#(#icons),*],
            meta: &[#(#meta),*],
            own_guard: #guard,
            authorize: #authorize,
            parameters: &[#(#parameters),*],
            completed: &[#(#completed),*],
            rates: &[#(#rates),*],
            concurrency: #concurrency,
            timeout: #timeout,
            extend_on_progress: #extension,
            blocking: #blocking,
            arguments: __private::ArgumentsForm::#form,
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: #location,
        }
    }
}

/// How the arguments are read. For a tuple, this is the data of each argument.
fn arguments_form(handler: &Handler) -> TokenStream {
    if !handler.takes_values() {
        return match handler.sole_struct() {
            Some(_) => quote!(Struct),
            None => quote!(Generated),
        };
    }
    let fields = handler.arguments().map(|(parameter, argument)| {
        let ty = field_type_name(parameter);
        let name = argument.name(&parameter.ident, handler.rename_all.as_ref());
        let description = Description::of(&argument.attributes);
        quote!(__private::Field::of::<#ty>(#name, #description))
    });
    let open = handler.allows_unknown();
    quote!(Values { fields: &[#(#fields),*], open: #open })
}

/// The data that only the kind of this primitive has.
fn kind(handler: &Handler) -> TokenStream {
    match &handler.kind {
        Kind::Prompt => {
            let names = handler.argument_names();
            quote! {
                __private::Kind::Prompt(__private::PromptTraits {
                    argument_names: &[#(#names),*],
                })
            }
        }
        Kind::Resource(resource) => resource_traits(resource),
        Kind::Tool(tool) => tool_traits(handler, tool),
    }
}

fn tool_traits(handler: &Handler, tool: &Tool) -> TokenStream {
    let Tool {
        allow_unknown,
        lenient,
        ..
    } = tool;
    let confirms = tool.confirm.is_some();
    let task = tool.task.map(|support| match support {
        TaskSupport::Optional => quote!(__private::TaskSupport::Optional),
        TaskSupport::Required => quote!(__private::TaskSupport::Required),
    });
    let task = optional(&task);
    let (read_only, destructive) = (optional(&tool.read_only), optional(&tool.destructive));
    let (idempotent, open_world) = (optional(&tool.idempotent), optional(&tool.open_world));
    let mirrored = handler.headers().map(|(argument, header)| {
        quote!(__private::MirroredArgument { argument: #argument, header: #header })
    });
    quote! {
        __private::Kind::Tool(__private::ToolTraits {
            annotations: __private::Annotations {
                read_only: #read_only,
                destructive: #destructive,
                idempotent: #idempotent,
                open_world: #open_world,
            },
            allow_unknown: #allow_unknown,
            lenient: #lenient,
            confirms: #confirms,
            task: #task,
            mirrored: &[#(#mirrored),*],
        })
    }
}

fn resource_traits(resource: &Resource) -> TokenStream {
    let Resource {
        audience, template, ..
    } = resource;
    let parts = template.parts.iter().map(uri_part);
    let (mime_type, last_modified) = (
        optional(&resource.mime_type),
        optional(&resource.last_modified),
    );
    let (ttl_ms, size) = (optional(&resource.ttl_ms), optional(&resource.size));
    let priority = optional(&resource.priority);
    quote! {
        __private::Kind::Resource(__private::ResourceTraits {
            uri: &[#(#parts),*],
            mime_type: #mime_type,
            ttl_ms: #ttl_ms,
            size: #size,
            audience: &[#(#audience),*],
            priority: #priority,
            last_modified: #last_modified,
        })
    }
}

fn uri_part(part: &Part) -> TokenStream {
    let part = match part {
        Part::Literal(text) => quote!(Literal(#text)),
        Part::Query { names, continued } => quote! {
            Query { names: &[#(#names),*], continued: #continued }
        },
        Part::Variable { name, reserved } => quote! {
            Variable { name: #name, reserved: #reserved }
        },
    };
    quote!(__private::UriPart::#part)
}

/// The `authorize` rule of the declaration. Its arguments have the names of the schema, which clients know. Injected
/// parameters are left out, because clients do not know them.
fn authorize(handler: &Handler, call: &Call) -> TokenStream {
    let function = call.function.path.segments.last();
    let function = function.map_or_else(String::new, |last| last.ident.unraw().to_string());
    let names = call.parameters.iter();
    let parameters: Vec<_> = names.clone().map(|name| name.unraw().to_string()).collect();
    let rule = format!("{function}({})", parameters.join(", "));
    let arguments = names.filter_map(|name| {
        let mut arguments = handler.arguments();
        let (parameter, argument) =
            arguments.find(|(parameter, _)| parameter.ident.unraw() == name.unraw())?;
        Some(argument.name(&parameter.ident, handler.rename_all.as_ref()))
    });
    quote!(__private::Authorize { rule: #rule, arguments: &[#(#arguments),*] })
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
