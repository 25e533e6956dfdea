//! Parses a function with names of parameters: `authorize = function(parameter, …)` or
//! `complete = function`.

use syn::{Expr, ExprPath, Ident};

use super::{Entry, Value, ungrouped};
use crate::primitive::Primitive;

/// `owns(document_id, org, db)`
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: ExprPath,
    pub(crate) parameters: Vec<Ident>,
}

impl Entry {
    /// `key = function(parameter, …)`
    pub(crate) fn call(self, primitive: Primitive) -> syn::Result<Call> {
        let key = self.key.clone();
        let form = format!(
            "`{key}` takes a function and names of the {primitive}'s parameters: `{key} = function(parameter, …)`"
        );
        match self.value {
            Value::Expression(value) => Call::read(primitive, &value, &form),
            Value::Entries(_) | Value::List(_) | Value::Missing | Value::None => {
                Err(syn::Error::new_spanned(&key, form))
            }
        }
    }
}

impl Call {
    /// The value of `complete`: `function`, or `function(parameter, …)`.
    pub(crate) fn of_completion(primitive: Primitive, value: Expr) -> syn::Result<Self> {
        match ungrouped(value) {
            Expr::Path(function) => Ok(Self {
                function,
                parameters: Vec::new(),
            }),
            value => Self::read(primitive, &value, COMPLETION_FORM),
        }
    }

    pub(super) fn read(primitive: Primitive, value: &Expr, form: &str) -> syn::Result<Self> {
        let Expr::Call(call) = value else {
            return Err(syn::Error::new_spanned(value, form));
        };
        let Expr::Path(function) = ungrouped((*call.func).clone()) else {
            return Err(syn::Error::new_spanned(&call.func, form));
        };
        let name = |argument: Expr| {
            let argument = ungrouped(argument);
            if let Expr::Path(path) = &argument
                && let Some(name) = path.path.get_ident()
            {
                return Ok(name.clone());
            }
            Err(syn::Error::new_spanned(
                argument,
                format!(
                    "pass only the names of the {primitive}'s parameters: write `name`, not `&name` or an expression. The macro passes a reference, so the called function must take one"
                ),
            ))
        };
        let parameters = call.args.iter().cloned().map(name);
        Ok(Self {
            parameters: parameters.collect::<syn::Result<_>>()?,
            function,
        })
    }
}

pub(crate) const COMPLETION_FORM: &str = "`complete` takes a function, and names of injected parameters if it needs any: `complete = function` or `complete = function(parameter, …)`";
