//! Parses one entry of the attribute: `key`, `key = value` or `key(…)`.
//!
//! Every value keeps its span. A mistake in one entry does not hide a mistake in the next entry.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use proc_macro2::{Literal, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprLit, ExprPath, Ident, Lit, LitBool, LitStr, Path, Token,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream, Parser},
    parse_quote_spanned,
    punctuated::Punctuated,
    token::Paren,
};

use crate::{
    errors::Errors,
    grammar::{self, CheckResult},
    source::source,
};

/// An annotation that may also be negated: `destructive`, `destructive = false`.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) key: Ident,
    pub(crate) value: bool,
}

/// `permission = "a"` or `permission = all("a", CONSTANT)`.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) key: Ident,
    /// The normalised values. They make two lists comparable whatever the order and the spelling of
    /// their values.
    names: BTreeSet<(bool, String)>,
    pub(crate) values: Vec<Spelling>,
}

/// `any(permission = "a", scope = all("b", "c"))`. Each alternative is a list that must be met in full.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) key: Ident,
    pub(crate) alternatives: Vec<List>,
}

/// `owns(document_id, org, db)`
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: ExprPath,
    pub(crate) parameters: Vec<Ident>,
}

/// The word before a list of values: `all("a", "b")`, or `any("a", "b")`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quantifier {
    All,
    Any,
}

/// A text. The macro checks a literal. The compiler checks the value of a constant.
#[derive(Debug)]
pub(crate) enum Spelling {
    Constant(Expr),
    Literal(LitStr),
}

/// One entry between two commas.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    value: Value,
}

enum Value {
    /// `any(key = value, …)`
    Entries(TokenStream),
    /// `key = value`
    Expression(Expr),
    /// `key(value, …)`
    List(Vec<Expr>),
    /// `key =`
    Missing,
    /// `key`
    None,
}

impl Entry {
    /// Splits at the commas. After an invalid entry, continues with the next entry.
    pub(crate) fn all(tokens: TokenStream, errors: &mut Errors) -> Vec<Self> {
        let split = |input: ParseStream<'_>| {
            let mut entries = Vec::new();
            while !input.is_empty() {
                entries.extend(errors.keep(input.parse::<Self>()));
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(entries)
        };
        let read = split.parse2(tokens);
        errors.keep(read).unwrap_or_default()
    }

    pub(crate) fn flag(self) -> syn::Result<Ident> {
        let message = format!(
            "`{0}` takes no value: write `{0}`, or leave it out",
            self.key
        );
        match self.value {
            Value::None => Ok(self.key),
            Value::Expression(value) => Err(syn::Error::new_spanned(value, message)),
            Value::Entries(_) | Value::List(_) | Value::Missing => {
                Err(syn::Error::new_spanned(self.key, message))
            }
        }
    }

    pub(crate) fn hint(self) -> syn::Result<Hint> {
        let message = format!(
            "`{0}` takes `true` or `false`: write `{0}` or `{0} = false`",
            self.key
        );
        match self.value {
            Value::None => Ok(Hint {
                key: self.key,
                value: true,
            }),
            Value::Expression(Expr::Lit(ExprLit {
                lit: Lit::Bool(LitBool { value, .. }),
                ..
            })) => Ok(Hint {
                key: self.key,
                value,
            }),
            Value::Expression(other) => Err(syn::Error::new_spanned(other, message)),
            Value::Entries(_) | Value::List(_) | Value::Missing => {
                Err(syn::Error::new_spanned(self.key, message))
            }
        }
    }

    pub(crate) fn text(self, check: &dyn Fn(&str) -> CheckResult) -> syn::Result<Spelling> {
        let key = self.key.clone();
        spelling(&key, self.value(r#" = "…""#)?, check)
    }

    pub(crate) fn literal(self, check: &dyn Fn(&str) -> CheckResult) -> syn::Result<LitStr> {
        match self.text(check)? {
            Spelling::Literal(text) => Ok(text),
            Spelling::Constant(other) => Err(syn::Error::new_spanned(
                other,
                "`rename_all` takes a string literal, such as `\"camelCase\"`, not a constant",
            )),
        }
    }

    /// Parses `key = "a"`, or `key = all("a", "b")` with the `quantifier` of the key.
    pub(crate) fn list(
        self,
        quantifier: Quantifier,
        check: &dyn Fn(&str) -> CheckResult,
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
                    "`{key}` names nothing; write `{key} = \"…\"` or `{key} = {}(\"…\", …)`, or leave it out",
                    quantifier.word()
                ),
            );
        }
        let mut names = BTreeSet::new();
        let mut values = Vec::new();
        for value in given {
            let Some(value) = errors.keep(spelling(&key, value, check)) else {
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
                let minutes = self::minutes(minutes)?;
                // All tokens have the same span, because the checks above leave no mistake for the
                // compiler to report.
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
                [only] => inside.at(&only.key, format!("this is the only alternative: write it without `{key}`, or add another")),
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

    /// `key = function(parameter, …)`
    pub(crate) fn call(self) -> syn::Result<Call> {
        let key = self.key.clone();
        let form = || {
            format!(
                "`{key}` takes a function and names of the tool's parameters: `{key} = function(parameter, …)`"
            )
        };
        let value = match self.value {
            Value::Expression(value) => value,
            Value::Entries(_) | Value::List(_) | Value::Missing | Value::None => {
                return Err(syn::Error::new_spanned(&key, form()));
            }
        };
        let Expr::Call(call) = &value else {
            return Err(syn::Error::new_spanned(value, form()));
        };
        let Expr::Path(function) = ungrouped((*call.func).clone()) else {
            return Err(syn::Error::new_spanned(&call.func, form()));
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
                "only names of the tool's parameters can be passed, each as a reference: write `name`, and let the function take a reference",
            ))
        };
        let parameters = call.args.iter().cloned().map(name);
        Ok(Call {
            parameters: parameters.collect::<syn::Result<_>>()?,
            function,
        })
    }

    /// The values of `key = value` and of `key(value, …)`. A key without a value has none.
    pub(crate) fn values(self) -> Vec<Expr> {
        match self.value {
            Value::List(list) => list,
            Value::Expression(one) => vec![one],
            Value::Entries(_) | Value::Missing | Value::None => Vec::new(),
        }
    }

    pub(crate) fn seconds(self) -> syn::Result<u64> {
        self.positive(
            " = 30",
            "`timeout` takes whole seconds, at least one: `timeout = 30`",
        )
    }

    pub(crate) fn calls(self) -> syn::Result<u32> {
        self.positive(
            " = 4",
            "`concurrency` takes a whole number of calls, at least one: `concurrency = 4`",
        )
    }

    /// Parses a whole number above zero, without a suffix.
    fn positive<T>(self, example: &str, message: &str) -> syn::Result<T>
    where
        T: FromStr<Err: Display> + Default + PartialOrd,
    {
        let value = self.value(example)?;
        let Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) = &value
        else {
            return Err(syn::Error::new_spanned(value, message));
        };
        match number.base10_parse() {
            Ok(parsed) if parsed > T::default() && number.suffix().is_empty() => Ok(parsed),
            _ => Err(syn::Error::new_spanned(number, message)),
        }
    }

    pub(crate) fn path(self) -> syn::Result<Path> {
        match self.value(" = path::to::mcp_auth")? {
            Expr::Path(path) if path.qself.is_none() => Ok(path.path),
            other => Err(syn::Error::new_spanned(
                other,
                "`crate` takes a path, not a string: `crate = path::to::mcp_auth`",
            )),
        }
    }

    /// Returns the one value after `=`.
    fn value(self, example: &str) -> syn::Result<Expr> {
        match self.value {
            Value::Expression(value) => Ok(value),
            Value::Entries(_) | Value::List(_) | Value::Missing | Value::None => {
                Err(syn::Error::new_spanned(
                    &self.key,
                    format!("`{0}` takes one value: `{0}{example}`", self.key),
                ))
            }
        }
    }
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected a key, such as `permission = \"…\"`"));
        }
        let key = input.call(Ident::parse_any)?.unraw();
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            if input.is_empty() || input.peek(Token![,]) {
                Value::Missing
            } else {
                Value::Expression(ungrouped(input.parse()?))
            }
        } else if input.peek(Paren) {
            let list;
            parenthesized!(list in input);
            if key == "any" {
                Value::Entries(list.parse()?)
            } else {
                let list = Punctuated::<Expr, Token![,]>::parse_terminated(&list)?;
                Value::List(list.into_iter().map(ungrouped).collect())
            }
        } else {
            Value::None
        };
        if input.is_empty() || input.peek(Token![,]) {
            Ok(Self { key, value })
        } else {
            Err(input.error(format!("expected `,` after `{key}` and its value")))
        }
    }
}

impl ToTokens for Spelling {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Constant(constant) => constant.to_tokens(tokens),
            Self::Literal(text) => text.to_tokens(tokens),
        }
    }
}

fn spelling(
    key: &Ident,
    value: Expr,
    check: &dyn Fn(&str) -> CheckResult,
) -> syn::Result<Spelling> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => match check(&text.value()) {
            Ok(()) => Ok(Spelling::Literal(text)),
            Err(message) => Err(syn::Error::new_spanned(text, message)),
        },
        Expr::Lit(_) | Expr::Array(_) | Expr::Tuple(_) | Expr::Assign(_) => Err(
            syn::Error::new_spanned(value, format!("`{key}` takes strings or constants")),
        ),
        constant => Ok(Spelling::Constant(constant)),
    }
}

/// Parses a number above zero, and returns it as a floating-point literal.
fn minutes(value: &Expr) -> syn::Result<Literal> {
    let parsed = match value {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if number.suffix().is_empty() => number.base10_parse::<u32>().ok().map(f64::from),
        Expr::Lit(ExprLit {
            lit: Lit::Float(number),
            ..
        }) if number.suffix().is_empty() => number.base10_parse().ok(),
        _ => None,
    };
    match parsed.filter(|minutes: &f64| *minutes > 0.0 && minutes.is_finite()) {
        Some(minutes) => Ok(Literal::f64_suffixed(minutes)),
        None => Err(syn::Error::new_spanned(
            value,
            "the minutes are a number above zero: `reverification(\"second_factor\", 10)`",
        )),
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
            Self::Any => format!(
                "a token has one kind, so no token has all of these: write `{key} = any({})`",
                sources(values)
            ),
        }
    }
}

/// Removes groups and parentheses. A `macro_rules!` variable arrives inside an invisible group.
fn ungrouped(expression: Expr) -> Expr {
    match expression {
        Expr::Group(group) => ungrouped(*group.expr),
        Expr::Paren(paren) => ungrouped(*paren.expr),
        other => other,
    }
}
