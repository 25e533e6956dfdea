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
    /// `"Delete {title}?"`
    Text {
        /// The text, with `{}` for each place.
        frame: LitStr,
        places: Vec<Place>,
        /// The names of the places. Each name is listed once.
        names: Vec<Ident>,
    },
}

/// A parameter in the braces of a text.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: Ident,
    /// The braces as written: `{title}` or `{pages:>3}`.
    pub(crate) format: LitStr,
}

impl Entry {
    /// `confirm = "…"` or `confirm = function(parameter, …)`
    pub(crate) fn confirm(self) -> syn::Result<Confirm> {
        let value = self.value(r#" = "…""#)?;
        match value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => read(&text),
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

/// Reads the places in the braces of a text.
fn read(text: &LitStr) -> syn::Result<Confirm> {
    let value = text.value();
    let error = |message: String| Err(syn::Error::new_spanned(text, message));
    if value.trim().is_empty() {
        return error("`confirm` is empty; write the question for the person".to_owned());
    }
    let (mut frame, mut places) = (String::new(), Vec::new());
    let mut names: Vec<Ident> = Vec::new();
    let mut rest = value.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braces) = rest.split_at(at);
        frame.push_str(before);
        if let Some(("{{" | "}}", after)) = braces.split_at_checked(2) {
            frame.push_str(braces.split_at(2).0);
            rest = after;
            continue;
        }
        let inside = braces.strip_prefix('{');
        let Some((inside, after)) = inside.and_then(|inside| inside.split_once('}')) else {
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
            names.push(name.clone());
        }
        let format = LitStr::new(&format!("{{{inside}}}"), text.span());
        places.push(Place { name, format });
        frame.push_str("{}");
        rest = after;
    }
    frame.push_str(rest);
    let frame = LitStr::new(&frame, text.span());
    Ok(Confirm::Text {
        frame,
        places,
        names,
    })
}

const FORM: &str = "`confirm` takes a question, or a function that makes it: `confirm = \"Delete {document_id}?\"` or `confirm = question(parameter, …)`";
const BRACES: &str = "write the name of a parameter between braces, as in `{document_id}`, and `{{` or `}}` for a brace";
