//! The declaration of a tool, a prompt or a resource, which `#[mcp_tool]`, `#[mcp_prompt]` or
//! `#[mcp_resource]` generates.

use std::panic::Location;

use crate::guard::{OwnGuard, Requirement};

use super::arguments::Field;
use super::authorize::Authorize;
use super::inject::Inject;
use super::rate::Rate;
use super::state::RequiredState;
use super::uri_template::UriPart;

/// The data of the attribute and the signature of a tool, a prompt or a resource.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The name in the protocol.
    pub name: &'static str,
    /// The kind (tool, prompt or resource), with the data that only this kind has.
    pub kind: Kind,
    /// The name that people see.
    pub title: Option<&'static str>,
    /// The doc comment of the function.
    pub description: &'static str,
    /// Pictures for a client's user interface.
    pub icons: &'static [Icon],
    /// The members of `_meta`.
    pub meta: &'static [(&'static str, MetaValue)],
    /// The guard that the attribute and the parameters state. [`PrimitiveInfo`](super::PrimitiveInfo) adds
    /// the guards of the modules.
    pub own_guard: OwnGuard,
    /// The `authorize` function, which runs after the guard. `None` if the attribute has no
    /// `authorize`.
    pub authorize: Option<Authorize>,
    /// The injected parameters.
    pub parameters: &'static [Parameter],
    /// The names of the arguments that have a completion function, as clients know them.
    pub completed: &'static [&'static str],
    /// The declared rate limits.
    pub rates: &'static [Rate],
    /// The largest number of calls that may run at once. `None` for no limit.
    pub concurrency: Option<u32>,
    /// The time-out in seconds. `None` for the time-out of the server.
    pub timeout: Option<u64>,
    /// The longest time in seconds to which reports of progress extend the time-out. `None` if reports do not extend
    /// the time-out.
    pub extend_on_progress: Option<u64>,
    /// True for a plain `fn`, which needs a thread of its own.
    pub blocking: bool,
    /// The way in which the arguments are read.
    pub arguments: ArgumentsForm,
    /// The Cargo package that has the function.
    pub package: &'static str,
    /// The module that has the function.
    pub module: &'static str,
    /// The place of the function in the source.
    pub location: &'static Location<'static>,
}

/// The kind of a declaration (tool, prompt or resource), with the data that only this kind has.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A prompt: `prompts/get` runs the function.
    Prompt(PromptTraits),
    /// A resource or a resource template: `resources/read` runs the function.
    Resource(ResourceTraits),
    /// A tool: `tools/call` runs the function.
    Tool(ToolTraits),
}

impl Kind {
    /// Returns true if a person must confirm each call. Only a tool can require a confirmation.
    pub(crate) fn confirms(&self) -> bool {
        match self {
            Self::Tool(tool) => tool.confirms,
            Self::Prompt(_) | Self::Resource(_) => false,
        }
    }

    /// Returns whether some or all calls run as tasks. `None` if no call does, as for every prompt and resource.
    pub(crate) fn task(&self) -> Option<TaskSupport> {
        match self {
            Self::Tool(tool) => tool.task,
            Self::Prompt(_) | Self::Resource(_) => None,
        }
    }

    /// Returns the arguments that clients repeat in headers. Only tools have such arguments.
    pub(crate) fn mirrored(&self) -> &'static [MirroredArgument] {
        match self {
            Self::Tool(tool) => tool.mirrored,
            Self::Prompt(_) | Self::Resource(_) => &[],
        }
    }
}

/// The data that only a prompt has.
#[derive(Clone, Copy, Debug)]
pub struct PromptTraits {
    /// The names of the arguments, as clients know them, in the order of the parameters.
    pub argument_names: &'static [&'static str],
}

/// The data that only a tool has.
#[derive(Clone, Copy, Debug)]
pub struct ToolTraits {
    /// The declared effects of the tool.
    pub annotations: Annotations,
    /// True if unknown arguments are ignored.
    pub allow_unknown: bool,
    /// True if the arguments of the tool are read leniently: a number, boolean, list or object may
    /// be sent as a JSON string (`"10"` for a number), and extra arguments that certain clients add
    /// are removed.
    pub lenient: bool,
    /// True if a person must confirm each call.
    pub confirms: bool,
    /// Whether calls run as tasks. `None` if no call runs as a task.
    pub task: Option<TaskSupport>,
    /// The arguments that clients repeat in headers.
    pub mirrored: &'static [MirroredArgument],
}

/// Whether calls of a tool run as tasks (the MCP extension `io.modelcontextprotocol/tasks`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TaskSupport {
    /// A call runs as a task if its client supports tasks, and as an ordinary call otherwise.
    Optional,
    /// Each call runs as a task. A client that does not support tasks cannot call the tool.
    Required,
}

/// An argument that clients repeat in a header of the request (MCP 2026-07-28,
/// basic/transports/streamable-http, custom headers from tool parameters).
#[derive(Clone, Copy, Debug)]
pub struct MirroredArgument {
    /// The name of the argument, as clients know it.
    pub argument: &'static str,
    /// The whole name of the header, such as `Mcp-Param-Region`.
    pub header: &'static str,
}

/// The data that only a resource has. MCP 2026-07-28, server/resources: data types.
#[derive(Clone, Copy, Debug)]
pub struct ResourceTraits {
    /// The parts of the URI, or of the URI template.
    pub uri: &'static [UriPart],
    /// The MIME type of the contents.
    pub mime_type: Option<&'static str>,
    /// The time for which a client may cache the contents, in milliseconds. `None` means
    /// 0, so that clients do not cache the contents.
    pub ttl_ms: Option<u64>,
    /// The size of the contents in bytes, before any encoding.
    pub size: Option<u64>,
    /// The readers for whom the contents are meant: `user`, `assistant`. Empty if the attribute has
    /// no `audience`.
    pub audience: &'static [&'static str],
    /// The importance, from 0 (optional) to 1 (required).
    pub priority: Option<f64>,
    /// The time of the last change, in ISO 8601.
    pub last_modified: Option<&'static str>,
}

/// MCP tool annotations: hints for a client's user interface. The server does not rely on them.
#[derive(Clone, Copy, Debug)]
pub struct Annotations {
    /// The tool changes nothing.
    pub read_only: Option<bool>,
    /// The tool may destroy something.
    pub destructive: Option<bool>,
    /// Two calls with the same arguments have the same effect as one call.
    pub idempotent: Option<bool>,
    /// The tool deals with systems outside the server.
    pub open_world: Option<bool>,
}

/// MCP 2025-11-25, `Icon`.
#[derive(Clone, Copy, Debug)]
pub struct Icon {
    /// The address of the picture.
    pub src: &'static str,
    /// The MIME type, if the address does not show it.
    pub mime_type: Option<&'static str>,
    /// `48x48`, or `any`.
    pub sizes: &'static [&'static str],
    /// The background for which the picture is made: `light` or `dark`.
    pub theme: Option<&'static str>,
}

/// A value of `_meta`.
#[derive(Clone, Copy, Debug)]
pub enum MetaValue {
    /// `true` or `false`.
    Flag(bool),
    /// A number with a fraction.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(&'static str),
}

/// How the arguments of a function are read.
#[derive(Clone, Copy, Debug)]
pub enum ArgumentsForm {
    /// The attribute generated a struct from the parameters. The struct itself refuses unknown fields.
    Generated,
    /// The application's own struct, taken with `#[arg(flatten)]`. The schema names the fields of
    /// the struct.
    Struct,
    /// A tuple with a value for each parameter.
    Values {
        /// The parameters, in the order of the tuple.
        fields: &'static [Field],
        /// True if unknown arguments are ignored.
        open: bool,
    },
}

/// Describes an injected parameter, for the start-up checks.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) location: &'static Location<'static>,
    pub(crate) needs: fn(&mut RequiredState),
    /// True if the value is the same for all callers.
    pub(crate) shared: bool,
    /// True if the value gives access to the [`Context`](crate::Context).
    pub(crate) uses_context: bool,
    requires: &'static [Requirement],
    parts: &'static [&'static [Requirement]],
    optional: &'static [&'static [Requirement]],
}

impl Parameter {
    /// The requirements that the parameter adds to the guard, and the requirements without which the parameter or a
    /// part of the parameter is `None`.
    pub(crate) fn requirements(&self) -> impl Iterator<Item = Requirement> + use<> {
        let parts = self.parts.iter().chain(self.optional).copied().flatten();
        self.requires.iter().chain(parts).copied()
    }

    /// Describes a parameter `&T`.
    #[must_use]
    pub const fn of<T: Inject>(name: &'static str, location: &'static Location<'static>) -> Self {
        Self {
            name,
            location,
            needs: T::needs,
            shared: T::SHARED,
            uses_context: T::USES_CONTEXT,
            requires: T::REQUIRES,
            parts: T::PARTS,
            optional: T::OPTIONAL,
        }
    }

    /// Describes a parameter `Option<&T>`.
    #[must_use]
    pub const fn optional<T: Inject>(
        name: &'static str,
        location: &'static Location<'static>,
    ) -> Self {
        Self::of::<T>(name, location)
    }
}
