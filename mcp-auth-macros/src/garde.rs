//! Checks `#[garde(…)]` on a parameter or a field. garde enforces the rules and schemars writes
//! them into the schema, but they interpret some rules differently. The schema must not forbid a
//! value that the server would accept.

use std::{env, fs};

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{
    Attribute, Expr, LitStr, Path, Token, Type,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
    token::Paren,
};

use crate::{
    errors::Errors,
    types::{item_of, option_of},
};

/// A keyword that schemars would derive from a rule, and that is stricter than the rule. The
/// keyword must not be in the schema.
#[derive(Debug)]
pub(crate) struct SuppressedKeyword {
    /// The number of lists around the rule.
    depth: usize,
    keyword: &'static str,
}

/// Refuses rules in a package that does not depend on garde. The expansion uses garde, so the compiler would otherwise
/// report the missing dependency at every use. `manifest` is the text of the package's `Cargo.toml`. There is no check
/// if the text cannot be read, or if the text mentions garde anywhere.
pub(crate) fn check_dependency(garde: Option<&Path>, manifest: Option<&str>, errors: &mut Errors) {
    if let (Some(garde), Some(manifest)) = (garde, manifest)
        && !manifest.contains("garde")
    {
        errors.at(
            garde,
            "`#[garde(…)]` needs garde as a dependency of this package: `cargo add garde --features derive`",
        );
    }
}

/// Returns the `Cargo.toml` of the package that is being compiled. `None` without Cargo.
pub(crate) fn manifest() -> Option<String> {
    fs::read_to_string(env::var_os("CARGO_MANIFEST_PATH")?).ok()
}

/// Returns true if the attributes say what to do with the rules of the type itself: enforce these rules (`dive`) or
/// skip them (`skip`).
pub(crate) fn reaches_in<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> bool {
    let said = |attribute: &Attribute| {
        attribute
            .meta
            .require_list()
            .map(|list| list.tokens.clone())
    };
    let mut rules = attributes
        .into_iter()
        .filter(|attribute| attribute.path().is_ident("garde"))
        .filter_map(|attribute| said(attribute).ok());
    rules.any(names_dive_or_skip)
}

fn names_dive_or_skip(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => names_dive_or_skip(group.stream()),
        TokenTree::Ident(word) => word == "dive" || word == "skip",
        TokenTree::Literal(_) | TokenTree::Punct(_) => false,
    })
}

/// Asserts that types have no rules, at places where the rules of a type would not be enforced.
pub(crate) fn check_undived<'a>(types: impl Iterator<Item = &'a Type>) -> Option<TokenStream> {
    let checks: Vec<_> = types
        .map(|ty| quote_spanned!(ty.span()=> __private::check_undived(__private::Rules::<#ty>::DECLARED);))
        .collect();
    (!checks.is_empty()).then(|| {
        quote! {
            const _: () = {
                use __private::NoRules as _;
                #(#checks)*
            };
        }
    })
}

/// One rule: its name, and the text in its parentheses.
struct Rule {
    name: Ident,
    content: TokenStream,
}

/// One part of `length(…)`: a mode, or a limit.
struct Part(Ident);

impl SuppressedKeyword {
    /// Checks the rules of one attribute. Does not report mistakes that garde reports.
    pub(crate) fn of(attribute: &Attribute, ty: &Type, errors: &mut Errors) -> Vec<Self> {
        let mut found = Vec::new();
        if let Ok(list) = attribute.meta.require_list() {
            check(list.tokens.clone(), Some(ty), 0, &mut found, errors);
        }
        found
    }

    /// Returns the attribute that removes the keyword from the schema.
    pub(crate) fn transform(&self, private: &Path) -> TokenStream {
        let Self { depth, keyword } = self;
        quote!(#[schemars(transform = #private::SuppressedKeyword { keyword: #keyword, depth: #depth })])
    }
}

fn check(
    rules: TokenStream,
    ty: Option<&Type>,
    depth: usize,
    found: &mut Vec<SuppressedKeyword>,
    errors: &mut Errors,
) {
    let Ok(rules) = Punctuated::<Rule, Token![,]>::parse_terminated.parse2(rules) else {
        return;
    };
    for Rule { name, content } in rules {
        match name.to_string().as_str() {
            // `adapt` names a module with other rules, which schemars does not know.
            "adapt" => errors.at(
                name,
                "the schema would show other rules than `adapt` enforces: use `custom(…)`",
            ),
            // In an `Option<Vec<_>>`, garde applies `inner` to the list, but schemars applies it to
            // the items of the list.
            "inner" if ty.is_some_and(|ty| option_of(ty).is_some()) => errors.at(
                name,
                "the schema would show `inner` of an `Option` wrongly: take a list that may be empty, with `#[arg(default)]`",
            ),
            "inner" => check(content, ty.and_then(item_of), depth + 1, found, errors),
            "length" => check_length(&name, content, depth, found, errors),
            "pattern" => check_pattern(content, errors),
            _ => {}
        }
    }
}

// #[garde(length(min = 3))]: garde counts bytes, JSON Schema characters
fn check_length(
    name: &Ident,
    content: TokenStream,
    depth: usize,
    found: &mut Vec<SuppressedKeyword>,
    errors: &mut Errors,
) {
    let Ok(parts) = Punctuated::<Part, Token![,]>::parse_terminated.parse2(content) else {
        return;
    };
    let parts: Vec<_> = parts.iter().map(|Part(name)| name.to_string()).collect();
    let has = |names: &[&str]| parts.iter().any(|part| names.contains(&part.as_str()));
    let keyword = if has(&["chars"]) {
        return;
    } else if has(&["bytes", "simple", "utf16"]) {
        // A text has at least as many bytes as characters, so the same minimum of characters would be too strict.
        has(&["min", "equal"]).then_some("minLength")
    } else if has(&["graphemes"]) {
        // A text has at most as many graphemes as characters, so the same maximum of characters would be too strict.
        has(&["max", "equal"]).then_some("maxLength")
    } else {
        errors.at(
            name,
            "`length` would count bytes where the schema counts characters: write `length(chars, min = 1)` for a text, `length(simple, min = 1)` for a list",
        );
        return;
    };
    found.extend(keyword.map(|keyword| SuppressedKeyword { depth, keyword }));
}

// #[garde(pattern("(?i)^[a-z]+$"))]
fn check_pattern(content: TokenStream, errors: &mut Errors) {
    // The macro cannot see the value of a constant.
    let Ok(pattern) = syn::parse2::<LitStr>(content) else {
        return;
    };
    if let Some(construct) = not_ecmascript(&pattern.value()) {
        errors.at(
            pattern,
            format!(
                "clients read a pattern as ECMAScript, which does not support `{construct}` in this place"
            ),
        );
    }
}

/// Returns a construct of the pattern that ECMA-262 does not support, or that ECMA-262 and the `regex` crate interpret
/// differently.
fn not_ecmascript(pattern: &str) -> Option<&'static str> {
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let found = STRANGE
            .iter()
            .find(|(class, construct)| *class == in_class && rest.starts_with(construct));
        if let Some((_, construct)) = found
            && !["(?:", "(?<"].iter().any(|known| rest.starts_with(known))
        {
            return Some(construct);
        }
        match next {
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        // Skip an escaped character together with its backslash.
        let length = if next == '\\' { 2 } else { 1 };
        rest = rest
            .char_indices()
            .nth(length)
            .and_then(|(index, _)| rest.get(index..))
            .unwrap_or_default();
    }
    None
}

/// Constructs that ECMA-262 does not support. The flag is true for a construct inside `[…]`.
const STRANGE: [(bool, &str); 11] = [
    (false, "(?"),
    (false, "\\A"),
    (false, "\\z"),
    (false, "\\x{"),
    (false, "[]"),
    (false, "[^]"),
    (true, "["),
    (true, "&&"),
    (true, "--"),
    (true, "~~"),
    (true, "\\x{"),
];

impl Parse for Rule {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        let content = if input.peek(Paren) {
            let content;
            parenthesized!(content in input);
            content.parse()?
        } else {
            TokenStream::new()
        };
        Ok(Self { name, content })
    }
}

impl Parse for Part {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if input.parse::<Option<Token![=]>>()?.is_some() {
            input.parse::<Expr>()?;
        }
        Ok(Self(name))
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn unshown(attribute: &Attribute) -> Vec<(usize, &'static str)> {
        let mut errors = Errors::default();
        let found = SuppressedKeyword::of(attribute, &parse_quote!(Vec<Vec<String>>), &mut errors);
        assert!(errors.is_empty());
        found
            .iter()
            .map(|unshown| (unshown.depth, unshown.keyword))
            .collect()
    }

    #[test]
    fn a_length_that_is_not_counted_in_characters_is_shown_as_far_as_it_is_true() {
        let none = Vec::new();
        let rows: [(Attribute, _); 8] = [
            (
                parse_quote!(#[garde(length(chars, min = 1, max = 2))]),
                none.clone(),
            ),
            (parse_quote!(#[garde(length(bytes, max = 2))]), none.clone()),
            (
                parse_quote!(#[garde(length(bytes, min = 2))]),
                vec![(0, "minLength")],
            ),
            (
                parse_quote!(#[garde(length(utf16, equal = 2))]),
                vec![(0, "minLength")],
            ),
            (parse_quote!(#[garde(length(graphemes, min = 2))]), none),
            (
                parse_quote!(#[garde(length(graphemes, max = 2))]),
                vec![(0, "maxLength")],
            ),
            (
                parse_quote!(#[garde(length(simple, min = 1), inner(length(chars, min = 3)))]),
                vec![(0, "minLength")],
            ),
            (
                parse_quote!(#[garde(inner(inner(length(min = 2, bytes))))]),
                vec![(2, "minLength")],
            ),
        ];
        for (attribute, expected) in rows {
            assert_eq!(unshown(&attribute), expected);
        }
    }

    #[test]
    fn patterns_that_only_the_regex_crate_reads_are_found() {
        for (pattern, construct) in [
            ("(?i)^a$", Some("(?")),
            ("(?:a)(?i:b)", Some("(?")),
            ("(?P<year>[0-9]+)", Some("(?")),
            (r"\Aa", Some(r"\A")),
            ("[[:alpha:]]+", Some("[")),
            ("[a-z&&[^b]]", Some("&&")),
            ("^(?:a|b)(?<c>d)$", None),
            (r"^[a-z]\d{3}\.\/\(?\[[(?]$", None),
            (r"\\A", None),
        ] {
            assert_eq!(not_ecmascript(pattern), construct, "{pattern}");
        }
    }
}
