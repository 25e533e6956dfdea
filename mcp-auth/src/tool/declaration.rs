//! What `#[mcp_tool]` writes down, and the link-time collection it goes to.

use std::panic::Location;

use schemars::Schema;

use crate::guard::{Guard, Requirement};

use super::authorize::Authorize;
use super::context::FromContext;
use super::info::ToolInfo;
use super::rate::Rate;
use super::run::{Call, Run, Tool, run};
use super::schema;
use super::state::RequiredState;

/// Everything a tool's attribute and signature say, as data.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The tool's name on the wire.
    pub name: &'static str,
    /// A name for people.
    pub title: Option<&'static str>,
    /// The doc comment.
    pub description: &'static str,
    /// What the tool says of its effects.
    pub annotations: Annotations,
    /// Pictures for a client's user interface.
    pub icons: &'static [Icon],
    /// What `_meta` holds.
    pub meta: &'static [(&'static str, MetaValue)],
    /// Who may call it.
    pub guard: Guard,
    /// What decides after the guard, with the tool's parameters.
    pub authorize: Option<Authorize>,
    /// The injected parameters.
    pub parameters: &'static [Parameter],
    /// How often it may be called.
    pub rates: &'static [Rate],
    /// How many calls of it may run at once; `None` for as many as there are.
    pub concurrency: Option<u32>,
    /// Its time-out in seconds; `None` for the server's.
    pub timeout: Option<u64>,
    /// Whether it is a plain function, which needs a thread.
    pub blocking: bool,
    /// How its arguments type came to be.
    pub arguments: ArgumentsForm,
    /// Whether unknown arguments are passed over.
    pub allow_unknown: bool,
    /// Whether values that are sent as strings, and arguments that clients add, are taken.
    pub lenient: bool,
    /// The Cargo package that declares it.
    pub package: &'static str,
    /// The module that declares it.
    pub module: &'static str,
    /// The place in the source.
    pub location: &'static Location<'static>,
}

/// MCP tool annotations: hints for a client's user interface, never relied upon here.
#[derive(Clone, Copy, Debug)]
pub struct Annotations {
    /// Changes nothing.
    pub read_only: Option<bool>,
    /// May destroy something.
    pub destructive: Option<bool>,
    /// Calling twice has the effect of calling once.
    pub idempotent: Option<bool>,
    /// Deals with the world outside the server.
    pub open_world: Option<bool>,
}

/// MCP 2025-11-25, `Icon`.
#[derive(Clone, Copy, Debug)]
pub struct Icon {
    /// Its address.
    pub src: &'static str,
    /// Its type, if the address does not tell.
    pub mime_type: Option<&'static str>,
    /// `48x48`, or `any`.
    pub sizes: &'static [&'static str],
    /// The background it is made for: `light` or `dark`.
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

/// How the arguments type of a tool came to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArgumentsForm {
    /// Made by the attribute from the parameters: it refuses unknown fields itself.
    Generated,
    /// The user's own struct, taken with `#[arg(flatten)]`: its schema says which fields it knows.
    Struct,
}

/// An injected parameter, for the start-up checks.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) location: &'static Location<'static>,
    pub(crate) needs: fn(&mut RequiredState),
    pub(crate) requires: &'static [Requirement],
}

impl Parameter {
    /// A parameter `&T`.
    #[must_use]
    pub const fn of<T: FromContext>(
        name: &'static str,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            name,
            location,
            needs: T::needs,
            requires: T::REQUIRES,
        }
    }

    /// A parameter `Option<&T>`.
    #[must_use]
    pub const fn optional<T: FromContext>(
        name: &'static str,
        location: &'static Location<'static>,
    ) -> Self {
        Self::of::<T>(name, location)
    }
}

/// A tool as it was linked into the program.
#[derive(Clone, Copy)]
pub struct Registration {
    pub(crate) declaration: Declaration,
    pub(crate) input_schema: fn() -> Schema,
    pub(crate) output_schema: fn() -> Option<Schema>,
    pub(crate) run: fn(Call) -> Run,
}

impl Registration {
    /// Ties a declaration to the type that runs it.
    #[must_use]
    pub const fn of<T: Tool>(declaration: Declaration) -> Self {
        Self {
            declaration,
            input_schema: schema::input::<T::Arguments>,
            output_schema: schema::output::<T::Output>,
            run: run::<T>,
        }
    }

    /// Returns every tool linked into the program, in no particular order.
    pub(crate) fn linked() -> impl Iterator<Item = &'static Self> {
        inventory::iter::<Self>.into_iter()
    }

    pub(crate) fn info(&'static self) -> ToolInfo {
        ToolInfo::of(&self.declaration)
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.declaration.fmt(f)
    }
}

inventory::collect!(Registration);
