//! The user's function as written. The expansion always contains the function, so that a mistake in its declaration
//! does not cause further errors at the uses of the function.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::{
    Attribute, FnArg, Ident, Pat, PatType, Signature, Visibility, ext::IdentExt,
    parse::ParseStream, parse_quote,
};

use crate::primitive::Primitive;

/// The attributes that rustc permits on parameters. All other attributes are for the macro, and are removed.
const LINT_LEVELS: [&str; 5] = ["allow", "deny", "expect", "forbid", "warn"];

/// A function whose body remains tokens, because the macro does not need to parse it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    visibility: Visibility,
    pub(crate) signature: Signature,
    body: Group,
}

impl Function {
    pub(crate) fn parse(primitive: Primitive, input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let start = input.span();
        let attribute = primitive.attribute();
        let function = format!("`#[{attribute}]` goes on an `async fn` or a `fn`");
        let signature = input
            .parse()
            .map_err(|_| syn::Error::new(start, &function))?;
        match input.parse() {
            Ok(TokenTree::Group(body))
                if body.delimiter() == Delimiter::Brace && input.is_empty() =>
            {
                Ok(Self {
                    attributes,
                    visibility,
                    signature,
                    body,
                })
            }
            _ => Err(syn::Error::new_spanned(
                signature,
                format!("{function} with a body"),
            )),
        }
    }

    /// Marks parameters that only the attribute uses, so that the compiler does not report them as
    /// unused.
    pub(crate) fn mark_used(&mut self, names: &[&Ident]) {
        for input in &mut self.signature.inputs {
            if let FnArg::Typed(PatType { attrs, pat, .. }) = input
                && let Pat::Ident(pattern) = &**pat
                && names
                    .iter()
                    .any(|name| name.unraw() == pattern.ident.unraw())
            {
                attrs.push(
                    parse_quote!(#[allow(unused_variables, reason = "the attribute reads it")]),
                );
            }
        }
    }

    /// Returns the names of the parameters that have a name.
    pub(crate) fn parameter_names(&self) -> impl Iterator<Item = String> {
        self.signature
            .inputs
            .iter()
            .filter_map(|input| match input {
                FnArg::Typed(PatType { pat, .. }) => match &**pat {
                    Pat::Ident(pattern) => Some(pattern.ident.unraw().to_string()),
                    _ => None,
                },
                FnArg::Receiver(_) => None,
            })
    }

    /// The attributes that the registration needs too: `cfg`, because it decides whether the function exists, and lint
    /// levels, because the lints may also report the generated code.
    pub(crate) fn shared_attributes(&self) -> impl Iterator<Item = TokenStream> {
        self.attributes.iter().filter_map(|attribute| {
            let path = attribute.path();
            if path.is_ident("cfg") || path.is_ident("allow") {
                return Some(attribute.to_token_stream());
            }
            if path.is_ident("deprecated") {
                return Some(quote!(#[allow(deprecated)]));
            }
            // An `expect` becomes an `allow`, because the function itself already fulfils the expectation.
            let lints = &attribute.meta.require_list().ok()?.tokens;
            path.is_ident("expect").then(|| quote!(#[allow(#lints)]))
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        // Leave out a function with a receiver or `...`, because rustc would report another error
        // for it.
        if self.signature.receiver().is_some() || self.signature.variadic.is_some() {
            return;
        }
        let mut signature = self.signature.clone();
        // `const async fn` is not valid Rust.
        signature.constness = signature
            .constness
            .filter(|_| signature.asyncness.is_none());
        for input in &mut signature.inputs {
            if let FnArg::Typed(parameter) = input {
                parameter.attrs.retain(is_lint_level);
            }
        }
        tokens.append_all(
            self.attributes
                .iter()
                .filter(|attribute| declares(attribute).is_none()),
        );
        // Only a plain `fn` needs this, because the lint ignores an `async fn`.
        if signature.asyncness.is_none() {
            let taken = quote!(#[allow(clippy::needless_pass_by_value, reason = "arguments")]);
            tokens.extend(taken);
        }
        self.visibility.to_tokens(tokens);
        signature.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

pub(crate) fn is_lint_level(attribute: &Attribute) -> bool {
    LINT_LEVELS
        .iter()
        .any(|level| attribute.path().is_ident(level))
}

/// Returns the primitive that another attribute of the function declares. The attribute may have any path.
pub(crate) fn declares(attribute: &Attribute) -> Option<Primitive> {
    let last = attribute.path().segments.last()?;
    Primitive::declared_by(&last.ident.to_string())
}
