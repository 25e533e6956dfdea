//! Turns doc comments into a description: the text that the author wrote, without the comment
//! syntax.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The text of an item's doc attributes.
#[derive(Debug, Default)]
pub(crate) struct Description(Vec<Piece>);

/// A part of a description. The text of `#[doc = include_str!("…")]` is an expression, because only the compiler can
/// read the file.
#[derive(Debug)]
enum Piece {
    Expression(Expr),
    Text(String),
}

impl Description {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        let mut pieces = Vec::new();
        for attribute in attributes {
            let Meta::NameValue(doc) = &attribute.meta else {
                continue;
            };
            if !doc.path.is_ident("doc") {
                continue;
            }
            match (&doc.value, pieces.last_mut()) {
                (
                    Expr::Lit(ExprLit {
                        lit: Lit::Str(text),
                        ..
                    }),
                    Some(Piece::Text(before)),
                ) => {
                    before.push('\n');
                    before.push_str(&undecorated(&text.value()));
                }
                (
                    Expr::Lit(ExprLit {
                        lit: Lit::Str(text),
                        ..
                    }),
                    _,
                ) => {
                    pieces.push(Piece::Text(undecorated(&text.value())));
                }
                (expression, _) => pieces.push(Piece::Expression(expression.clone())),
            }
        }
        Self(pieces)
    }
}

impl ToTokens for Description {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        if let [] | [Piece::Text(_)] = self.0.as_slice() {
            let text = match self.0.first() {
                Some(Piece::Text(text)) => text.trim(),
                _ => "",
            };
            text.to_tokens(tokens);
            return;
        }
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Expression(expression) => quote!(#expression, "\n"),
            Piece::Text(text) => quote!(#text, "\n"),
        });
        tokens.extend(quote!(::core::concat!(#(#pieces),*)));
    }
}

/// Removes the comment syntax. The macro gets `/// text` as `" text"`, and `/** … */` as its lines
/// with indentation and stars.
fn undecorated(text: &str) -> String {
    let Some((first, rest)) = text.split_once('\n') else {
        return text.strip_prefix(' ').unwrap_or(text).trim_end().to_owned();
    };
    let mut lines: Vec<&str> = rest.lines().collect();
    // The last line of a block comment is only the indentation before `*/`.
    if lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    if lines.iter().all(|line| line.trim_start().starts_with('*')) {
        lines = lines
            .iter()
            .map(|line| line.trim_start().trim_start_matches('*'))
            .collect();
    }
    let indentation = |line: &&str| line.len() - line.trim_start().len();
    let common = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(indentation)
        .min()
        .unwrap_or(0);
    let mut plain = vec![first.trim()];
    plain.extend(
        lines
            .iter()
            .map(|line| line.get(common..).unwrap_or("").trim_end()),
    );
    plain.join("\n")
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn description(attributes: &[Attribute]) -> String {
        Description::of(attributes).to_token_stream().to_string()
    }

    #[test]
    fn line_comments_keep_their_inner_indentation() {
        let text = description(&[
            parse_quote!(#[doc = " Deletes a document."]),
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = "     code"]),
            parse_quote!(#[doc(hidden)]),
            parse_quote!(#[doc = " End. "]),
        ]);
        assert_eq!(text, r#""Deletes a document.\n\n    code\nEnd.""#);
    }

    #[test]
    fn block_comments_lose_stars_and_indentation() {
        let starred = description(&[parse_quote!(#[doc = "\n * Deletes.\n *\n *   code\n "])]);
        assert_eq!(starred, r#""Deletes.\n\n  code""#);
        let plain =
            description(&[parse_quote!(#[doc = " Deletes.\n    More.\n\n      code\n    "])]);
        assert_eq!(plain, r#""Deletes.\nMore.\n\n  code""#);
    }

    #[test]
    fn included_text_is_concatenated_by_the_compiler() {
        let text = description(&[
            parse_quote!(#[doc = " Deletes."]),
            parse_quote!(#[doc = include_str!("delete.md")]),
        ]);
        assert_eq!(
            text,
            r#":: core :: concat ! ("Deletes." , "\n" , include_str ! ("delete.md") , "\n")"#
        );
    }

    #[test]
    fn no_comment_is_an_empty_description() {
        assert_eq!(description(&[parse_quote!(#[inline])]), r#""""#);
    }
}
