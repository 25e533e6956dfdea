//! The link-time registry, to which `#[mcp_tool]` adds each tool.

use schemars::Schema;

use super::declaration::Declaration;
use super::outcome::Run;
use super::run::{Call, Tool, run};
use super::schema;

/// A tool that is linked into the program.
#[derive(Clone, Copy)]
pub struct Registration {
    pub(crate) declaration: Declaration,
    pub(crate) input_schema: fn() -> Schema,
    pub(crate) output_schema: fn() -> Option<Schema>,
    pub(crate) run: fn(Call) -> Run,
}

impl Registration {
    /// Connects a declaration with the type that runs the tool.
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
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.declaration.fmt(f)
    }
}

inventory::collect!(Registration);
