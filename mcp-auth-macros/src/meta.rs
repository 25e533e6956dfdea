//! `meta("com.example/team" = "billing")`: the members of a tool's `_meta` (MCP 2025-11-25, basic:
//! `_meta`).

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, ExprAssign, ExprLit, ExprUnary, Lit, LitBool, LitStr, UnOp};

use crate::errors::Errors;

/// One key and its value.
#[derive(Debug)]
pub(crate) struct Meta {
    key: LitStr,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Flag(bool),
    Float(f64),
    Integer(i64),
    Text(LitStr),
}

impl Meta {
    pub(crate) fn read(key: &Ident, values: Vec<Expr>, errors: &mut Errors) -> Vec<Self> {
        if values.is_empty() {
            errors.at(key, FORM);
        }
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        for value in values {
            let Some(entry) = errors.keep(Self::entry(value)) else {
                continue;
            };
            let name = entry.key.value();
            if let Err(message) = check_key(&name) {
                errors.at(&entry.key, message);
            } else if seen.insert(name.clone()) {
                entries.push(entry);
            } else {
                errors.at(&entry.key, format!("`meta` names `{name}` twice"));
            }
        }
        entries
    }

    fn entry(value: Expr) -> syn::Result<Self> {
        let Expr::Assign(ExprAssign { left, right, .. }) = value else {
            return Err(syn::Error::new_spanned(value, FORM));
        };
        let Expr::Lit(ExprLit {
            lit: Lit::Str(key), ..
        }) = *left
        else {
            return Err(syn::Error::new_spanned(left, FORM));
        };
        let value = Value::of(&right).ok_or_else(|| {
            syn::Error::new_spanned(
                right,
                "a value of `meta` is a literal: a text, a number, `true` or `false`",
            )
        })?;
        Ok(Self { key, value })
    }
}

impl Value {
    fn of(value: &Expr) -> Option<Self> {
        let (negative, value) = match value {
            Expr::Unary(ExprUnary {
                op: UnOp::Neg(_),
                expr,
                ..
            }) => (true, &**expr),
            other => (false, other),
        };
        let Expr::Lit(ExprLit { lit, .. }) = value else {
            return None;
        };
        let sign = if negative { "-" } else { "" };
        match lit {
            Lit::Int(number) if number.suffix().is_empty() => {
                format!("{sign}{}", number.base10_digits())
                    .parse()
                    .ok()
                    .map(Self::Integer)
            }
            Lit::Float(number) if number.suffix().is_empty() => {
                let number: f64 = format!("{sign}{}", number.base10_digits()).parse().ok()?;
                number.is_finite().then_some(Self::Float(number))
            }
            Lit::Bool(LitBool { value, .. }) if !negative => Some(Self::Flag(*value)),
            Lit::Str(text) if !negative => Some(Self::Text(text.clone())),
            _ => None,
        }
    }
}

impl ToTokens for Meta {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let key = &self.key;
        let value = match &self.value {
            Value::Flag(flag) => quote!(Flag(#flag)),
            Value::Float(number) => quote!(Float(#number)),
            Value::Integer(number) => quote!(Integer(#number)),
            Value::Text(text) => quote!(Text(#text)),
        };
        tokens.extend(quote!((#key, __private::MetaValue::#value)));
    }
}

/// Checks a key: an optional prefix and a name. The prefix consists of labels that are separated by
/// dots, and ends with a slash.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let labels = prefix.iter().flat_map(|prefix| prefix.split('.'));
    let is_key = labels.clone().all(is_label) && is_name(name);
    if !is_key {
        return Err(format!(
            "a key of `meta` is a name like `com.example/team`, found `{key}`"
        ));
    }
    let reserved = |label: &&str| matches!(*label, "mcp" | "modelcontextprotocol");
    let trace = prefix.is_none() && matches!(name, "baggage" | "traceparent" | "tracestate");
    if trace || labels.clone().any(|label| reserved(&label)) {
        return Err(format!(
            "`{key}` is reserved for MCP: use a domain of your own"
        ));
    }
    Ok(())
}

fn is_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    label.starts_with(|c: char| c.is_ascii_alphabetic())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        && label.chars().all(inner)
}

fn is_name(name: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| end(c) || matches!(c, '-' | '_' | '.');
    name.starts_with(end) && name.ends_with(end) && name.chars().all(inner)
}

const FORM: &str = "`meta` takes keys and values: `meta(\"com.example/team\" = \"billing\")`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_the_grammar_of_meta() {
        for key in ["team", "com.example/team", "a-b.c1/x_y.z-1", "example/a"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in [
            "",
            "/",
            "com.example/",
            "1com/a",
            "com-/a",
            "a b",
            "com..x/a",
            "_a",
            "a_",
            "a/b/c",
            "é",
        ] {
            assert!(
                check_key(key).unwrap_err().starts_with("a key of `meta`"),
                "{key}"
            );
        }
    }

    #[test]
    fn keys_of_the_protocol_are_reserved() {
        for key in [
            "mcp/a",
            "io.modelcontextprotocol/a",
            "com.mcp.tools/a",
            "traceparent",
        ] {
            assert!(
                check_key(key).unwrap_err().contains("is reserved for MCP"),
                "{key}"
            );
        }
        assert_eq!(check_key("com.example.mcp-tools/a"), Ok(()));
    }
}
