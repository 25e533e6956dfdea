//! `#[form(…)]` on a field or a variant.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, spanned::Spanned};

use super::unknown_key;
use crate::{
    entry::{Entry, Limit, Spelling},
    errors::Errors,
    grammar::{CheckResult, among},
};

const FIELD_KEYS: [&str; 10] = [
    "default",
    "format",
    "max",
    "max_items",
    "max_length",
    "min",
    "min_items",
    "min_length",
    "rename",
    "title",
];
const VARIANT_KEYS: [&str; 1] = ["rename"];
const FORMATS: [&str; 4] = ["date", "date-time", "email", "uri"];

/// The rules of a field.
#[derive(Default)]
pub(super) struct FieldRules {
    pub(super) rename: Option<LitStr>,
    default: Option<(Ident, Expr)>,
    format: Option<(Ident, LitStr)>,
    /// The rules `min`, `max` and similar rules, in the order of the source.
    limits: Vec<(Ident, Limit)>,
    title: Option<Spelling>,
}

/// The rules of a variant.
#[derive(Default)]
pub(super) struct VariantRules {
    pub(super) rename: Option<LitStr>,
}

impl FieldRules {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut rules = Self::default();
        let mut seen = Vec::new();
        for entry in entries(attributes, errors) {
            let key = entry.key.clone();
            let name = key.to_string();
            if seen.contains(&name) {
                errors.at(&key, format!("`{key}` is given twice"));
                continue;
            }
            match name.as_str() {
                "default" => {
                    let default = errors.keep(entry.expression());
                    rules.default = default.map(|default| (key, default));
                }
                "format" => {
                    let format = errors.keep(entry.literal("email", &format));
                    rules.format = format.map(|format| (key, format));
                }
                "max" | "min" => {
                    let limit = errors.keep(entry.limit());
                    rules.limits.extend(limit.map(|limit| (key, limit)));
                }
                "max_items" | "max_length" | "min_items" | "min_length" => {
                    let limit = errors.keep(entry.count());
                    rules.limits.extend(limit.map(|limit| (key, limit)));
                }
                "rename" => rules.rename = errors.keep(entry.literal("startDate", &some_name)),
                "title" => rules.title = errors.keep(entry.text(&|_| Ok(()))),
                _ => errors.at(&key, unknown_key(&key, &FIELD_KEYS)),
            }
            seen.push(name);
        }
        rules.check_limits(errors);
        rules.check_default(errors);
        rules
    }

    fn limit(&self, wanted: &str) -> Option<&(Ident, Limit)> {
        self.limits.iter().find(|(key, _)| key == wanted)
    }

    // #[form(min = 3, max = 2)] guests: u8
    fn check_limits(&self, errors: &mut Errors) {
        for [least, most] in LIMITS {
            if let (Some((_, min)), Some((_, max))) = (self.limit(least), self.limit(most))
                && min.is_above(max)
            {
                errors.at(
                    &max.literal,
                    format!("no value is possible: `{least}` is {min}, and `{most}` is {max}"),
                );
            }
        }
    }

    // #[form(max = 6, default = 8)] guests: u8
    fn check_default(&self, errors: &mut Errors) {
        let Some((_, default)) = &self.default else {
            return;
        };
        let (measure, [least, most]) = match default {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => (
                Limit::of_count(text.value().chars().count()),
                ["min_length", "max_length"],
            ),
            Expr::Array(list) => (
                Limit::of_count(list.elems.len()),
                ["min_items", "max_items"],
            ),
            other => match Limit::of(other) {
                Some(number) => (number, ["min", "max"]),
                None => return,
            },
        };
        let below = self.limit(least).filter(|(_, min)| min.is_above(&measure));
        let above = self.limit(most).filter(|(_, max)| measure.is_above(max));
        if let Some((key, limit)) = below.or(above) {
            errors.at(
                default,
                format!("the default breaks a rule of its field: `{key}` is {limit}"),
            );
        }
    }
}

/// Writes the rules as calls of methods. The default comes last, because the method checks it against the other rules.
impl ToTokens for FieldRules {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let title = self.title.iter().map(|title| quote!(.title(#title)));
        let limits = self
            .limits
            .iter()
            .map(|(key, limit)| call(key, &limit.literal));
        let format = self.format.iter();
        let format = format.map(|(key, format)| call(key, format));
        let default = self.default.iter().map(|(key, default)| {
            let borrowed = quote_spanned!(default.span()=> &#default);
            call(key, borrowed)
        });
        tokens.extend(title.chain(limits).chain(format).chain(default));
    }
}

/// Returns the call of a method. The call has the hygiene of its receiver. If the type of the field does not have the
/// rule, the compiler reports this at the key.
fn call(key: &Ident, value: impl ToTokens) -> TokenStream {
    let span = Span::mixed_site().located_at(key.span());
    let method = Ident::new(&key.to_string(), span);
    quote_spanned!(span=> .#method(#value))
}

impl VariantRules {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut rules = Self::default();
        for entry in entries(attributes, errors) {
            let key = entry.key.clone();
            if key != "rename" {
                errors.at(&key, unknown_key(&key, &VARIANT_KEYS));
            } else if rules.rename.is_some() {
                errors.at(&key, format!("`{key}` is given twice"));
            } else {
                rules.rename = errors.keep(entry.literal("high", &some_name));
            }
        }
        rules
    }
}

/// Returns the entries of every `#[form(…)]`. Reports attributes that would remove a field or a variant.
fn entries(attributes: &[Attribute], errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    for attribute in attributes {
        let path = attribute.path();
        if path.is_ident("form") {
            let list = errors.keep(attribute.meta.require_list());
            let tokens = list.map(|list| list.tokens.clone());
            entries.extend(Entry::all(tokens.unwrap_or_default(), errors));
        } else if path.is_ident("cfg") || path.is_ident("cfg_attr") {
            errors.at(
                &attribute.meta,
                "a form is the same in every build: put this attribute on the whole type",
            );
        }
    }
    entries
}

fn format(text: &str) -> CheckResult {
    if text == "password" {
        return Err(
            "a form must not ask for a secret: ask for a password in URL mode, with `cx.elicit_url`"
                .to_owned(),
        );
    }
    among("`format`", &FORMATS, text)
}

fn some_name(text: &str) -> CheckResult {
    if text.is_empty() {
        return Err("a name in a form cannot be empty".to_owned());
    }
    Ok(())
}

const LIMITS: [[&str; 2]; 3] = [
    ["min", "max"],
    ["min_items", "max_items"],
    ["min_length", "max_length"],
];
