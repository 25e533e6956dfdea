//! What a permission, role, scope and tool name look like: pure functions from text to a verdict.
//! The runtime applies the same rules to constants, whose values no macro can see.

/// The `Err` is the sentence shown to the user, without the name of the key.
pub(crate) type Verdict = Result<(), String>;

/// `org:<feature>:<action>`, as Clerk's dashboard makes permission keys.
pub(crate) fn permission(text: &str) -> Verdict {
    if is_permission(text) {
        return Ok(());
    }
    let hint = repaired_permission(text).map_or_else(String::new, |repaired| {
        format!("; did you mean `{repaired}`?")
    });
    Err(format!(
        "`permission` must look like `org:<feature>:<action>`, found {}{hint}",
        quoted(text)
    ))
}

/// `admin`, or `org:admin` as Clerk spells it.
pub(crate) fn role(text: &str) -> Verdict {
    if is_key(role_key(text)) {
        return Ok(());
    }
    let lower = text.trim().to_ascii_lowercase();
    let hint = if is_key(role_key(&lower)) {
        format!("; did you mean `{lower}`?")
    } else {
        String::new()
    };
    Err(format!(
        "`role` must look like `admin` or `org:admin`, found {}{hint}",
        quoted(text)
    ))
}

/// The role without its optional prefix: two spellings of one role are one role.
pub(crate) fn role_key(text: &str) -> &str {
    text.strip_prefix("org:").unwrap_or(text)
}

/// RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
pub(crate) fn scope(text: &str) -> Verdict {
    let legal = |c: char| matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
    if !text.is_empty() && text.chars().all(legal) {
        return Ok(());
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if words.len() > 1 && words.iter().all(|word| word.chars().all(legal)) {
        let list = words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ");
        return Err(format!(
            "`scope` takes one scope a string; write `scope({list})`"
        ));
    }
    Err(format!(
        "`scope` takes printable ASCII without space, `\"` and `\\`, found {}",
        quoted(text)
    ))
}

/// MCP 2025-11-25, tool names: 1 to 128 of ASCII letters, digits, `_`, `-` and `.`.
pub(crate) fn tool_name(text: &str) -> Verdict {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match text.chars().count() {
        1..=128 if text.chars().all(legal) => Ok(()),
        1..=128 => Err(format!(
            "a tool's name has only ASCII letters, digits, `_`, `-` and `.`, found {}",
            quoted(text)
        )),
        0 => Err("a tool's name cannot be empty".to_owned()),
        length => Err(format!(
            "a tool's name has at most 128 characters, this one has {length}"
        )),
    }
}

fn is_permission(text: &str) -> bool {
    let mut segments = text.split(':');
    segments.next() == Some("org")
        && segments.next().is_some_and(is_key)
        && segments.next().is_some_and(is_key)
        && segments.next().is_none()
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
}

/// What the text was meant to be, where case, separators or the prefix are all that is wrong.
fn repaired_permission(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase().replace(['.', '/'], ":");
    let mut rest = lower.as_str();
    while let Some(shorter) = rest.strip_prefix("org:") {
        rest = shorter;
    }
    let repaired = format!("org:{rest}");
    is_permission(&repaired).then_some(repaired)
}

fn quoted(text: &str) -> String {
    if text.is_empty() {
        "nothing".to_owned()
    } else {
        format!("`{text}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_of_three_lower_case_segments_are_accepted() {
        for text in [
            "org:documents:delete",
            "org:sys_profile:manage",
            "org:a-b:c_1",
            "org:org:read",
        ] {
            assert_eq!(permission(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn other_permissions_are_refused_with_the_repair_where_it_is_obvious() {
        let rows = [
            ("documents:delete", Some("org:documents:delete")),
            ("documents.delete", Some("org:documents:delete")),
            ("ORG:Documents:delete", Some("org:documents:delete")),
            ("org:org:documents:delete", Some("org:documents:delete")),
            (" org:documents:delete", Some("org:documents:delete")),
            ("", None),
            ("org:documents", None),
            ("org::delete", None),
            ("org:documents:delete:all", None),
            ("org:my documents:delete", None),
            ("user:documents:delete", None),
            ("org:dökuments:delete", None),
            ("org:documents:*", None),
        ];
        for (text, repair) in rows {
            let message = permission(text).unwrap_err();
            let hint = message.split_once("; ").map(|(_, hint)| hint.to_owned());
            assert_eq!(
                hint,
                repair.map(|repair| format!("did you mean `{repair}`?")),
                "{text}"
            );
        }
    }

    #[test]
    fn roles_are_keys_with_an_optional_prefix() {
        for text in ["admin", "org:admin", "org:billing_manager", "team-lead"] {
            assert_eq!(role(text), Ok(()), "{text}");
        }
        for text in ["", "org:", "Admin", "org:a:b", "two words", "org:Admin"] {
            assert!(role(text).is_err(), "{text}");
        }
        assert!(
            role("Admin")
                .unwrap_err()
                .ends_with("did you mean `admin`?")
        );
    }

    #[test]
    fn scopes_are_tokens_of_rfc_6749() {
        for text in [
            "documents:read",
            "profile",
            "https://example.com/a",
            "!",
            "~",
        ] {
            assert_eq!(scope(text), Ok(()), "{text}");
        }
        for text in ["", "a b", "a\"b", "a\\b", "é", "a\n"] {
            assert!(scope(text).is_err(), "{text:?}");
        }
        assert!(
            scope("a b")
                .unwrap_err()
                .ends_with("write `scope(\"a\", \"b\")`")
        );
    }

    #[test]
    fn tool_names_are_short_ascii_words() {
        let longest = "a".repeat(128);
        for text in ["a", "documents.delete", "Delete-1_x", &longest] {
            assert_eq!(tool_name(text), Ok(()), "{text}");
        }
        let longer = "a".repeat(129);
        for text in ["", "a b", "löschen", "a/b", &longer] {
            assert!(tool_name(text).is_err(), "{text}");
        }
    }
}
