//! Parses one entry of the attribute: `key`, `key = value` or `key(…)`.
//!
//! Every value keeps its span. A mistake in one entry does not hide a mistake in the next entry.

mod call;
mod confirm;
mod list;
mod number;
mod task;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprLit, Ident, Lit, LitBool, LitStr, Path, Token,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    token::Paren,
};

pub(crate) use self::{
    call::{COMPLETION_FORM, Call},
    confirm::{Confirm, Place},
    list::{Choice, List, Quantifier},
    number::Limit,
    task::TaskSupport,
};

use crate::{errors::Errors, grammar::CheckResult};

/// An annotation that can be negated: `destructive`, `destructive = false`.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) key: Ident,
    pub(crate) value: bool,
}

/// A text. The macro checks a literal, and the compiler checks the value of a constant.
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

    /// Parses a text that must be a literal, because the macro must know its value.
    pub(crate) fn literal(
        self,
        example: &str,
        check: &dyn Fn(&str) -> CheckResult,
    ) -> syn::Result<LitStr> {
        let key = self.key.clone();
        match self.value(&format!(" = \"{example}\""))? {
            value @ Expr::Lit(ExprLit {
                lit: Lit::Str(_), ..
            }) => spelling(&key, value, check)?.literal(&key, example),
            other => Err(no_literal(other, &key, example)),
        }
    }

    pub(crate) fn values(self) -> Vec<Expr> {
        match self.value {
            Value::List(list) => list,
            Value::Expression(one) => vec![one],
            Value::Entries(_) | Value::Missing | Value::None => Vec::new(),
        }
    }

    /// A value of any type.
    pub(crate) fn expression(self) -> syn::Result<Expr> {
        self.value(" = …")
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

    /// Returns the single value after `=`.
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

impl Spelling {
    /// Returns the literal. A constant is an error.
    pub(crate) fn literal(self, key: &Ident, example: &str) -> syn::Result<LitStr> {
        match self {
            Self::Literal(text) => Ok(text),
            Self::Constant(other) => Err(no_literal(other, key, example)),
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

fn no_literal(value: Expr, key: &Ident, example: &str) -> syn::Error {
    let message =
        format!("`{key}` takes a string literal, such as `\"{example}\"`, not a constant");
    syn::Error::new_spanned(value, message)
}

/// Removes groups and parentheses. A `macro_rules!` variable arrives inside an invisible group.
fn ungrouped(expression: Expr) -> Expr {
    match expression {
        Expr::Group(group) => ungrouped(*group.expr),
        Expr::Paren(paren) => ungrouped(*paren.expr),
        other => other,
    }
}
