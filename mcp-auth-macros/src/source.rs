//! Writes tokens as a person would write them, for messages. `to_string` would put spaces between
//! all tokens.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

pub(crate) fn source(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                    Delimiter::Parenthesis => ("(", ")"),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                text.push(punct.as_char());
                if matches!(punct.as_char(), ',' | ';') && punct.spacing() == Spacing::Alone {
                    text.push(' ');
                }
            }
            // A space is needed between two words, as in `dyn Error` or `&'a str`.
            word => {
                let joins = text
                    .chars()
                    .next_back()
                    .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '"'));
                if joins {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn types_and_lists_read_as_written() {
        let rows = [
            (quote!(Vec<Option<crate::Id>>), "Vec<Option<crate::Id>>"),
            (quote!(&'a str), "&'a str"),
            (quote!(Box<dyn Fn(u8) + Send>), "Box<dyn Fn(u8)+Send>"),
            (quote!("a", CONST, b::C), "\"a\", CONST, b::C"),
            (quote!([u8; 4]), "[u8; 4]"),
        ];
        for (tokens, text) in rows {
            assert_eq!(source(tokens), text);
        }
    }
}
