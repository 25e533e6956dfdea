//! `rename_all`: serde's rules for the names of fields and variants. The macros need these rules to find two arguments
//! that get the same name. Forms need them too, because forms are read without serde.

use crate::errors::{did_you_mean, listed};

const RULES: [&str; 8] = [
    "lowercase",
    "UPPERCASE",
    "PascalCase",
    "camelCase",
    "snake_case",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
    "SCREAMING-KEBAB-CASE",
];

pub(crate) fn rule(text: &str) -> Result<(), String> {
    if RULES.contains(&text) {
        return Ok(());
    }
    Err(format!(
        "`rename_all` does not know `{text}`{}\nnote: accepted are {}",
        did_you_mean(text, &RULES),
        listed(&RULES)
    ))
}

/// Returns the name that serde gives to `field`. An unknown rule changes nothing, because other code refuses it.
pub(crate) fn renamed(field: &str, rule: &str) -> String {
    match rule {
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => field.to_ascii_uppercase(),
        "PascalCase" => pascal(field),
        "camelCase" => {
            let pascal = pascal(field);
            let mut letters = pascal.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_ascii_lowercase().to_string() + letters.as_str()
            })
        }
        "kebab-case" => field.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => field.to_ascii_uppercase().replace('_', "-"),
        _ => field.to_owned(),
    }
}

/// Returns the name that serde gives to `variant`. An unknown rule changes nothing, because other code refuses it.
pub(crate) fn renamed_variant(variant: &str, rule: &str) -> String {
    match rule {
        "lowercase" => variant.to_ascii_lowercase(),
        "UPPERCASE" => variant.to_ascii_uppercase(),
        "camelCase" => {
            let mut letters = variant.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_ascii_lowercase().to_string() + letters.as_str()
            })
        }
        "snake_case" | "SCREAMING_SNAKE_CASE" | "kebab-case" | "SCREAMING-KEBAB-CASE" => {
            let mut snake = String::new();
            for letter in variant.chars() {
                if letter.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(letter.to_ascii_lowercase());
            }
            renamed(&snake, rule)
        }
        _ => variant.to_owned(),
    }
}

fn pascal(field: &str) -> String {
    let mut pascal = String::new();
    for word in field.split('_') {
        let mut letters = word.chars();
        pascal.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(letters.as_str());
    }
    pascal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_renamed_as_serde_renames_them() {
        let rows = [
            ("lowercase", "document_id"),
            ("UPPERCASE", "DOCUMENT_ID"),
            ("PascalCase", "DocumentId"),
            ("camelCase", "documentId"),
            ("snake_case", "document_id"),
            ("SCREAMING_SNAKE_CASE", "DOCUMENT_ID"),
            ("kebab-case", "document-id"),
            ("SCREAMING-KEBAB-CASE", "DOCUMENT-ID"),
        ];
        for (name, expected) in rows {
            assert_eq!(rule(name), Ok(()));
            assert_eq!(renamed("document_id", name), expected);
        }
    }

    #[test]
    fn variants_are_renamed_as_serde_renames_them() {
        let rows = [
            ("lowercase", "verylow"),
            ("UPPERCASE", "VERYLOW"),
            ("PascalCase", "VeryLow"),
            ("camelCase", "veryLow"),
            ("snake_case", "very_low"),
            ("SCREAMING_SNAKE_CASE", "VERY_LOW"),
            ("kebab-case", "very-low"),
            ("SCREAMING-KEBAB-CASE", "VERY-LOW"),
        ];
        for (name, expected) in rows {
            assert_eq!(renamed_variant("VeryLow", name), expected);
        }
    }

    #[test]
    fn an_unknown_rule_is_refused_with_the_nearest() {
        assert!(
            rule("camelcase")
                .unwrap_err()
                .contains("did you mean `camelCase`?")
        );
    }
}
