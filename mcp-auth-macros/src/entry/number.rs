//! Numbers as values of keys.

use std::fmt::{self, Display};
use std::str::FromStr;

use proc_macro2::Literal;
use syn::{Expr, ExprLit, ExprUnary, Lit, UnOp, parse_quote};

use super::Entry;

impl Entry {
    pub(crate) fn seconds(self) -> syn::Result<u64> {
        self.positive(
            " = 30",
            "`timeout` takes whole seconds, at least one: `timeout = 30`",
        )
    }

    pub(crate) fn longest_seconds(self) -> syn::Result<u64> {
        self.positive(
            " = 600",
            "`extend_on_progress` takes whole seconds, more than `timeout`: `extend_on_progress = 600`",
        )
    }

    pub(crate) fn calls(self) -> syn::Result<u32> {
        self.positive(
            " = 4",
            "`concurrency` takes a whole number of calls, at least one: `concurrency = 4`",
        )
    }

    pub(crate) fn bytes(self) -> syn::Result<u64> {
        let value = self.value(" = 1024")?;
        match &value {
            Expr::Lit(ExprLit {
                lit: Lit::Int(number),
                ..
            }) if number.suffix().is_empty() => number.base10_parse().ok(),
            _ => None,
        }
        .ok_or_else(|| {
            syn::Error::new_spanned(value, "`size` takes a whole number of bytes: `size = 1024`")
        })
    }

    /// A number from 0 to 1.
    pub(crate) fn fraction(self) -> syn::Result<f64> {
        let value = self.value(" = 0.8")?;
        decimal(&value)
            .filter(|number| (0.0..=1.0).contains(number))
            .ok_or_else(|| {
                syn::Error::new_spanned(
                    value,
                    "`priority` takes a number from 0 (optional) to 1 (required): `priority = 0.8`",
                )
            })
    }

    /// A limit for the value of a number. The compiler checks that the limit has the type of the
    /// number.
    pub(crate) fn limit(self) -> syn::Result<Limit> {
        let key = self.key.clone();
        let value = self.value(" = 1")?;
        Limit::of(&value).ok_or_else(|| {
            let message = format!("`{key}` takes a number: `{key} = 1`");
            syn::Error::new_spanned(value, message)
        })
    }

    /// A limit for the number of characters or items.
    pub(crate) fn count(self) -> syn::Result<Limit> {
        let key = self.key.clone();
        let value = self.value(" = 1")?;
        let limit = Limit::of(&value).filter(|limit| limit.text.parse::<u32>().is_ok());
        limit.ok_or_else(|| {
            let message = format!("`{key}` takes a whole number that is not negative: `{key} = 1`");
            syn::Error::new_spanned(value, message)
        })
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
}

/// A number as written, with or without a sign.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) literal: Expr,
    text: String,
}

impl Limit {
    /// Returns `None` if the expression is no literal number.
    pub(crate) fn of(value: &Expr) -> Option<Self> {
        let (sign, number) = match value {
            Expr::Unary(ExprUnary {
                op: UnOp::Neg(_),
                expr,
                ..
            }) => ("-", &**expr),
            other => ("", other),
        };
        let Expr::Lit(ExprLit { lit, .. }) = number else {
            return None;
        };
        let digits = match lit {
            Lit::Int(number) if number.suffix().is_empty() => number.base10_digits(),
            Lit::Float(number) if number.suffix().is_empty() => number.base10_digits(),
            _ => return None,
        };
        Some(Self {
            literal: value.clone(),
            text: format!("{sign}{digits}"),
        })
    }

    /// A limit that is a number of characters or items.
    pub(crate) fn of_count(count: usize) -> Self {
        Self {
            literal: parse_quote!(#count),
            text: count.to_string(),
        }
    }

    pub(crate) fn is_above(&self, other: &Self) -> bool {
        let whole = |limit: &Self| limit.text.parse::<i128>().ok();
        let float = |limit: &Self| limit.text.parse::<f64>().unwrap_or_default();
        match (whole(self), whole(other)) {
            (Some(this), Some(other)) => this > other,
            _ => float(self) > float(other),
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses a number above zero, and returns it as a floating-point literal.
pub(super) fn minutes(value: &Expr) -> syn::Result<Literal> {
    match decimal(value).filter(|minutes: &f64| *minutes > 0.0 && minutes.is_finite()) {
        Some(minutes) => Ok(Literal::f64_suffixed(minutes)),
        None => Err(syn::Error::new_spanned(
            value,
            "the minutes are a number above zero: `reverification(\"second_factor\", 10)`",
        )),
    }
}

/// A number with neither sign nor suffix. It may have a fraction.
fn decimal(value: &Expr) -> Option<f64> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) if number.suffix().is_empty() => number.base10_parse::<u32>().ok().map(f64::from),
        Expr::Lit(ExprLit {
            lit: Lit::Float(number),
            ..
        }) if number.suffix().is_empty() => number.base10_parse().ok(),
        _ => None,
    }
}
