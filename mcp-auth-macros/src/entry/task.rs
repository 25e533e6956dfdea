//! Parses the value of `task`.

use syn::{Expr, ExprLit, Lit};

use super::{Entry, Value};

/// Says whether every call of the tool must become a task.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TaskSupport {
    /// `task = "optional"`
    Optional,
    /// `task`
    Required,
}

impl Entry {
    /// `task` or `task = "optional"`
    pub(crate) fn task(self) -> syn::Result<TaskSupport> {
        match self.value {
            Value::None => Ok(TaskSupport::Required),
            Value::Expression(Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            })) if text.value() == "optional" => Ok(TaskSupport::Optional),
            Value::Expression(other) => Err(syn::Error::new_spanned(other, FORM)),
            Value::Entries(_) | Value::List(_) | Value::Missing => {
                Err(syn::Error::new_spanned(self.key, FORM))
            }
        }
    }
}

const FORM: &str = "write `task` if each call must run as a task, or `task = \"optional\"` if clients without tasks may call the tool too";
