//! `icon("https://…", mime_type = "image/png", sizes("48x48"), theme = "dark")`: MCP 2025-11-25, `Icon`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, ExprAssign, ExprCall, ExprLit, Lit, LitStr};

use crate::{
    errors::{Errors, did_you_mean, listed},
    expand::optional,
};

const KEYS: [&str; 3] = ["mime_type", "sizes", "theme"];

#[derive(Debug)]
pub(crate) struct Icon {
    src: LitStr,
    mime_type: Option<LitStr>,
    sizes: Vec<LitStr>,
    theme: Option<LitStr>,
}

impl Icon {
    pub(crate) fn read(key: &Ident, values: Vec<Expr>, errors: &mut Errors) -> Option<Self> {
        let mut values = values.into_iter();
        let src = match values.next() {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(src), ..
            })) => src,
            other => {
                let message = "`icon` begins with an address: `icon = \"https://…\"`, `icon(\"https://…\", theme = \"dark\")`";
                match other {
                    Some(value) => errors.at(value, message),
                    None => errors.at(key, message),
                }
                return None;
            }
        };
        if !is_address(&src.value()) {
            errors.at(
                &src,
                "the address of an icon must begin with `https://`, or contain the image: `data:image/png;base64,…`",
            );
        }
        let mut icon = Self {
            src,
            mime_type: None,
            sizes: Vec::new(),
            theme: None,
        };
        for value in values {
            icon.take(value, errors);
        }
        Some(icon)
    }

    fn take(&mut self, value: Expr, errors: &mut Errors) {
        let (key, values) = match value {
            Expr::Assign(ExprAssign { left, right, .. }) => (left, vec![*right]),
            Expr::Call(ExprCall { func, args, .. }) => (func, args.into_iter().collect()),
            other => (Box::new(other), Vec::new()),
        };
        let name = key.to_token_stream().to_string();
        let given = match name.as_str() {
            "mime_type" => self.mime_type.is_some(),
            "sizes" => !self.sizes.is_empty(),
            "theme" => self.theme.is_some(),
            _ => {
                let hint = did_you_mean(&name, &KEYS);
                let known = listed(&KEYS);
                let message = format!("unknown key `{name}`{hint}\nnote: accepted are {known}");
                errors.at(key, message);
                return;
            }
        };
        if given {
            errors.at(key, format!("`{name}` is given twice"));
            return;
        }
        let mut texts = Vec::new();
        for value in values {
            match value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) if fits(&name, &text.value()) => {
                    texts.push(text);
                }
                other => errors.at(other, FORMS),
            }
        }
        match name.as_str() {
            "mime_type" => self.mime_type = texts.pop(),
            "theme" => self.theme = texts.pop(),
            _ => self.sizes = texts,
        }
    }
}

impl ToTokens for Icon {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { src, sizes, .. } = self;
        let (mime_type, theme) = (optional(&self.mime_type), optional(&self.theme));
        tokens.extend(quote! {
            __private::Icon {
                src: #src,
                mime_type: #mime_type,
                sizes: &[#(#sizes),*],
                theme: #theme,
            }
        });
    }
}

/// Returns true for an address that clients can safely fetch. The address must have the scheme https or contain the
/// image itself. It must not be plain http or a file.
fn is_address(src: &str) -> bool {
    let graphic = src.chars().all(|c| c.is_ascii_graphic());
    let host = src
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    let image = src
        .strip_prefix("data:image/")
        .is_some_and(|rest| rest.contains(";base64,"));
    graphic && (host || image)
}

fn fits(key: &str, text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match key {
        "mime_type" => text
            .strip_prefix("image/")
            .is_some_and(|kind| !kind.is_empty()),
        "sizes" => {
            text == "any"
                || text
                    .split_once('x')
                    .is_some_and(|(width, height)| is_number(width) && is_number(height))
        }
        _ => matches!(text, "dark" | "light"),
    }
}

const FORMS: &str = "the keys of an icon are `mime_type = \"image/png\"`, `sizes(\"48x48\", \"any\")`, and `theme = \"light\"` or `theme = \"dark\"`";
