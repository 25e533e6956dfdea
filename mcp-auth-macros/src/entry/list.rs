//! Lists of values, `key = all("a", "b")`, and alternatives, `any(…)`.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::{Expr, Ident, Token, parse_quote_spanned, punctuated::Punctuated};

use super::{Entry, Spelling, Value, number, spelling, ungrouped};
use crate::{
    errors::Errors,
    grammar::{self, CheckResult},
    source::source,
};

/// `permission = "a"` or `permission = all("a", CONSTANT)`.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) key: Ident,
    /// The normalised values. Two lists are equal if they have the same normalised values. The order of the values,
    /// and the way in which they are written, do not matter.
    names: BTreeSet<(bool, String)>,
    pub(crate) values: Vec<Spelling>,
}

/// `any(permission = "a", scope = all("b", "c"))`. Each alternative is a list that must be met in full.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) key: Ident,
    pub(crate) alternatives: Vec<List>,
}

/// The word before a list of values: `all("a", "b")`, or `any("a", "b")`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quantifier {
    All,
    Any,
}

impl Entry {
    /// Parses `key = "a"`, or `key = all("a", "b")` with the `quantifier` of the key.
    pub(crate) fn list(
        self,
        quantifier: Quantifier,
        check: &dyn Fn(&str) -> CheckResult,
        normal: fn(&str) -> String,
        errors: &mut Errors,
    ) -> List {
        let read = |key: &Ident, value| spelling(key, value, check);
        self.list_of(quantifier, "\"…\"", &read, normal, errors)
    }

    /// Parses `policy = function`, `policy = CONSTANT` or `policy = all(function, CONSTANT)`.
    pub(crate) fn policies(self, errors: &mut Errors) -> List {
        let read = |_: &Ident, value| match value {
            path @ Expr::Path(_) => Ok(Spelling::Constant(path)),
            other => Err(syn::Error::new_spanned(
                other,
                "`policy` takes the name of a function or of a constant: `policy = is_staff` or `policy = EU_STAFF`",
            )),
        };
        self.list_of(Quantifier::All, "…", &read, str::to_owned, errors)
    }

    /// Parses a list. `example` is the value that messages show as an example, and `read` parses a value.
    fn list_of(
        self,
        quantifier: Quantifier,
        example: &str,
        read: &dyn Fn(&Ident, Expr) -> syn::Result<Spelling>,
        normal: fn(&str) -> String,
        errors: &mut Errors,
    ) -> List {
        let Self { key, value } = self;
        let given = match value {
            Value::List(values) => {
                unquantified(&key, quantifier, &key, &values, errors);
                values
            }
            Value::Expression(Expr::Tuple(tuple)) => {
                let values: Vec<Expr> = tuple.elems.iter().cloned().map(ungrouped).collect();
                unquantified(&key, quantifier, &tuple, &values, errors);
                values
            }
            Value::Expression(Expr::Array(array)) => {
                let values: Vec<Expr> = array.elems.iter().cloned().map(ungrouped).collect();
                unquantified(&key, quantifier, &array, &values, errors);
                values
            }
            Value::Expression(Expr::Call(call)) => match Quantifier::of(&call.func) {
                Some(written) => {
                    if written != quantifier {
                        errors.at(&call.func, quantifier.correction(&key, &call.args));
                    }
                    call.args.into_iter().map(ungrouped).collect()
                }
                None => vec![Expr::Call(call)],
            },
            Value::Expression(one) => vec![one],
            Value::Entries(_) | Value::Missing | Value::None => Vec::new(),
        };
        if given.is_empty() {
            errors.at(
                &key,
                format!(
                    "`{key}` has no value; write `{key} = {example}` or `{key} = {}({example}, …)`, or leave it out",
                    quantifier.word()
                ),
            );
        }
        let mut names = BTreeSet::new();
        let mut values = Vec::new();
        for value in given {
            let Some(value) = errors.keep(read(&key, value)) else {
                continue;
            };
            let name = match &value {
                Spelling::Literal(text) => normal(&text.value()),
                Spelling::Constant(constant) => source(constant),
            };
            if names.insert((matches!(value, Spelling::Literal(_)), name)) {
                values.push(value);
            } else {
                errors.at(&value, format!("`{key}` names `{}` twice", source(&value)));
            }
        }
        List { key, names, values }
    }

    /// `reverification = "strict"` or `reverification("second_factor", 10)`.
    pub(crate) fn reverification(self) -> syn::Result<List> {
        const FORM: &str = "`reverification` takes a preset, or a level and minutes: `reverification = \"strict\"` or `reverification(\"second_factor\", 10)`";
        let Self { key, value } = self;
        let given = match value {
            Value::Expression(one) => vec![one],
            Value::List(list) => list,
            Value::Entries(_) | Value::Missing | Value::None => Vec::new(),
        };
        let value = match given.as_slice() {
            [Expr::Tuple(_) | Expr::Array(_)] | [] | [_, _, _, ..] => {
                return Err(syn::Error::new_spanned(&key, FORM));
            }
            [preset] => spelling(&key, preset.clone(), &grammar::reverification)?,
            [level, minutes] => {
                let Spelling::Literal(level) = spelling(&key, level.clone(), &grammar::level)?
                else {
                    return Err(syn::Error::new_spanned(
                        level,
                        "write the level as a string literal; a constant must be a whole `Reverification`: `reverification = CONSTANT`",
                    ));
                };
                let minutes = number::minutes(minutes)?;
                // The checks above leave no mistake that the compiler could report, so all tokens can have the same
                // span.
                Spelling::Constant(parse_quote_spanned!(level.span()=> (#level, #minutes)))
            }
        };
        let names = BTreeSet::from([(true, source(&value))]);
        let values = vec![value];
        Ok(List { key, names, values })
    }

    /// Parses the entries of `key(…)` with `read`.
    pub(crate) fn choice(
        self,
        read: impl Fn(Self, &mut Errors) -> Option<List>,
        errors: &mut Errors,
    ) -> Choice {
        let Self { key, value } = self;
        let mut inside = Errors::default();
        let entries = match value {
            Value::Entries(tokens) => Self::all(tokens, &mut inside),
            Value::Expression(_) | Value::List(_) | Value::Missing | Value::None => Vec::new(),
        };
        if inside.is_empty() {
            match entries.as_slice() {
                [] => inside.at(&key, format!("`{key}` names no alternatives; write `{key}(permission = \"…\", role = \"…\")`, or leave it out")),
                [only] => inside.at(&only.key, format!("this is the only alternative: write the alternative without `{key}`, or add a second alternative")),
                [_, _, ..] => {}
            }
        }
        let mut alternatives: Vec<List> = Vec::new();
        for entry in entries {
            let Some(list) = read(entry, &mut inside) else {
                continue;
            };
            let same = |other: &List| other.key == list.key && other.names == list.names;
            if !list.names.is_empty() && alternatives.iter().any(same) {
                inside.at(
                    &list.key,
                    format!("this alternative of `{key}` is given twice"),
                );
            }
            alternatives.push(list);
        }
        errors.append(inside);
        Choice { key, alternatives }
    }
}

/// Reports several values without a quantifier: `permission("a", "b")`, `permission = ("a", "b")`, `permission = ["a", "b"]`.
fn unquantified(
    key: &Ident,
    quantifier: Quantifier,
    written: &dyn ToTokens,
    values: &[Expr],
    errors: &mut Errors,
) {
    let message = match values {
        [] => return,
        [one] => format!("one value is written `{key} = {}`", source(one)),
        [_, _, ..] => format!(
            "several values are written `{key} = {}({})`",
            quantifier.word(),
            sources(values)
        ),
    };
    errors.at(written, message);
}

fn sources<'a>(values: impl IntoIterator<Item = &'a Expr>) -> String {
    let values = values.into_iter().map(source);
    values.collect::<Vec<_>>().join(", ")
}

impl Quantifier {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
        }
    }

    fn of(function: &Expr) -> Option<Self> {
        let Expr::Path(path) = function else {
            return None;
        };
        [Self::All, Self::Any]
            .into_iter()
            .find(|quantifier| path.path.is_ident(quantifier.word()))
    }

    /// The error for a list that is written with the wrong quantifier.
    fn correction(self, key: &Ident, values: &Punctuated<Expr, Token![,]>) -> String {
        match self {
            Self::All => {
                let alternatives = values
                    .iter()
                    .map(|value| format!("{key} = {}", source(value)));
                let alternatives = alternatives.collect::<Vec<_>>().join(", ");
                format!("`{key}` takes `all(…)`; one of several is written `any({alternatives})`")
            }
            Self::Any if key == "audience" => format!(
                "the contents are meant for any of these readers: write `{key} = any({})`",
                sources(values)
            ),
            Self::Any => format!(
                "a token has one kind, so no token has all of these: write `{key} = any({})`",
                sources(values)
            ),
        }
    }
}
