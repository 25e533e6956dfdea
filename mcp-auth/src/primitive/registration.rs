//! The list of all linked functions, which the linker makes. `#[mcp_tool]`, `#[mcp_prompt]` and `#[mcp_resource]` add
//! each function to this list.

use schemars::Schema;

use super::arguments::Arguments;
use super::declaration::{ArgumentsForm, Declaration};
use super::outcome::Run;
use super::returned::Returns;
use super::run::{Call, Handler, complete, run};

/// A primitive that is linked into the program.
#[derive(Clone, Copy)]
pub struct Registration {
    pub(crate) declaration: Declaration,
    pub(crate) input_schema: fn(&ArgumentsForm) -> Schema,
    pub(crate) output_schema: fn() -> Option<Schema>,
    pub(crate) run: fn(Call) -> Run,
    /// Runs the completion functions, if an argument has one.
    pub(crate) complete: Option<fn(Call) -> Run>,
}

impl Registration {
    /// Connects a declaration with the type that runs the function.
    #[must_use]
    pub const fn of<T: Handler>(declaration: Declaration) -> Self {
        Self {
            declaration,
            input_schema: <T::Arguments as Arguments>::schema,
            output_schema: <T::Kind as Returns<T::Output>>::schema,
            run: run::<T>,
            complete: None,
        }
    }

    /// Connects a declaration with the type that runs the function and the completion functions of its
    /// arguments.
    #[must_use]
    pub const fn with_completion<T: Handler>(declaration: Declaration) -> Self {
        Self {
            complete: Some(complete::<T>),
            ..Self::of::<T>(declaration)
        }
    }

    /// Returns every primitive linked into the program, in no particular order.
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
