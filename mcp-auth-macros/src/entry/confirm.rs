//! Parses the question of `confirm`: a text with names of parameters in braces, or a function with names of
//! parameters.

use syn::{Expr, ExprLit, Ident, Lit, LitStr};

use super::{Call, Entry};
use crate::primitive::Primitive;

/// The question for the person, before the function runs.
#[derive(Debug)]
pub(crate) enum Confirm {
    /// `question(document_id, db)`
    Function(Call),
    /// `"Delete {title}?"`, with the names in braces. Each name is listed once.
    Text { text: LitStr, names: Vec<Ident> },
}

impl Entry {
    /// `confirm = "…"` or `confirm = function(parameter, …)`
    pub(crate) fn confirm(self) -> syn::Result<Confirm> {
        let value = self.value(r#" = "…""#)?;
        match value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => {
                let names = names(&text)?;
                Ok(Confirm::Text { text, names })
            }
            value @ Expr::Call(_) => Ok(Confirm::Function(Call::read(
                Primitive::Tool,
                &value,
                FORM,
            )?)),
            other => Err(syn::Error::new_spanned(other, FORM)),
        }
    }
}

impl Confirm {
    /// Returns the parameters that the question uses.
    pub(crate) fn parameters(&self) -> &[Ident] {
        match self {
            Self::Function(call) => &call.parameters,
            Self::Text { names, .. } => names,
        }
    }
}

/// Returns the names in the braces of a text.
fn names(text: &LitStr) -> syn::Result<Vec<Ident>> {
    let value = text.value();
    let error = |message: String| Err(syn::Error::new_spanned(text, message));
    if value.trim().is_empty() {
        return error("`confirm` is empty; write the question for the person".to_owned());
    }
    let plain = value.replace("{{", "").replace("}}", "");
    let mut names: Vec<Ident> = Vec::new();
    let mut rest = plain.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, after)) = after.split_once('}').filter(|_| !before.contains('}')) else {
            return error(BRACES.to_owned());
        };
        let name = inside
            .split_once(':')
            .map_or(inside, |(name, _)| name)
            .trim();
        let Ok(mut name) = syn::parse_str::<Ident>(name) else {
            return error(format!("`{{{inside}}}` names no parameter: {BRACES}"));
        };
        name.set_span(text.span());
        if !names.contains(&name) {
            names.push(name);
        }
        rest = after;
    }
    if rest.contains('}') {
        return error(BRACES.to_owned());
    }
    Ok(names)
}

const FORM: &str = "`confirm` takes a question, or a function that makes it: `confirm = \"Delete {document_id}?\"` or `confirm = question(parameter, …)`";
const BRACES: &str = "write the name of a parameter between braces, as in `{document_id}`, and `{{` or `}}` for a brace";
