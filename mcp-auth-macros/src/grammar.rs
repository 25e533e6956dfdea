//! The grammars of permissions, roles, scopes, features and names. Each function checks a text.
//! Macros cannot see the values of constants, so the runtime applies the same grammars to constants.

use crate::{
    errors::{did_you_mean, listed},
    primitive::Primitive,
};

/// The result of a check. The error is the message that the author of the code reads.
pub(crate) type CheckResult = Result<(), String>;

/// Checks a permission: `org:<feature>:<action>`, the form of permission keys in Clerk's dashboard.
pub(crate) fn permission(text: &str) -> CheckResult {
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

/// Checks a role: `admin`, or `org:admin` as Clerk writes it.
pub(crate) fn role(text: &str) -> CheckResult {
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

/// Returns the role without its optional prefix, because both spellings mean the same role.
pub(crate) fn role_key(text: &str) -> &str {
    text.strip_prefix("org:").unwrap_or(text)
}

/// Checks a scope (RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`).
pub(crate) fn scope(text: &str) -> CheckResult {
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
            "`scope` takes one scope in each string; write `scope = all({list})`"
        ));
    }
    Err(format!(
        "`scope` takes printable ASCII without space, `\"` and `\\`, found {}",
        quoted(text)
    ))
}

/// Checks a feature: a slug, alone or after the word for its owner.
pub(crate) fn feature(text: &str) -> CheckResult {
    entitlement("feature", "export", text)
}

/// Checks a plan: a slug, alone or after the word for its owner.
pub(crate) fn plan(text: &str) -> CheckResult {
    entitlement("plan", "pro", text)
}

/// Returns the feature or plan with one spelling for each owner, because `o:export` and `org:export` mean the same
/// feature.
pub(crate) fn entitlement_key(text: &str) -> String {
    match text
        .split_once(':')
        .map(|(scope, slug)| (owner(scope), slug))
    {
        Some((Some(owner), slug)) => format!("{owner}:{slug}"),
        Some((None, _)) | None => text.to_owned(),
    }
}

/// Checks a preset of Clerk's reverification.
pub(crate) fn reverification(text: &str) -> CheckResult {
    among("`reverification`", &PRESETS, text)
}

/// Checks a level of Clerk's reverification.
pub(crate) fn level(text: &str) -> CheckResult {
    among("the level of `reverification`", &LEVELS, text)
}

/// Checks a kind of token.
pub(crate) fn accept(text: &str) -> CheckResult {
    among("`accept`", &TOKEN_KINDS, text)
}

/// Checks a rate, such as `10/min per user`.
pub(crate) fn rate(text: &str) -> CheckResult {
    let parts = text.split_once('/').and_then(|(count, rest)| {
        let (unit, whom) = rest.split_once(" per ")?;
        Some((count, unit, whom))
    });
    let Some((count, unit, whom)) = parts else {
        return Err(format!(
            "`rate` must look like `10/min per user`, found {}",
            quoted(text)
        ));
    };
    if !is_count(count) {
        return Err(format!(
            "the count of `rate` must be a whole number from 1 to 4294967295, found {}",
            quoted(count)
        ));
    }
    among("the unit of `rate`", &UNITS, unit)?;
    among("what follows `per` in `rate`", &WHOM, whom)
}

/// Checks the name of a tool, a prompt or a resource: 1 to 64 ASCII letters, digits, `_` and `-`. MCP also permits
/// 128 characters and `.`, but claude.ai hides all tools of a server that has a tool with such a name, and OpenAI
/// refuses a request with such a tool.
pub(crate) fn primitive_name(primitive: Primitive, text: &str) -> CheckResult {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let what = format!("a {primitive}'s name");
    name(&what, "`_` and `-`", &legal, text)
}

/// Checks the name of an argument: 1 to 64 ASCII letters, digits, `_`, `-` and `.`. Claude refuses a request if the
/// schema of a tool has a property with another name.
pub(crate) fn argument_name(text: &str) -> CheckResult {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name("an argument's name", "`_`, `-` and `.`", &legal, text)
}

/// Checks the part of a header's name after `Mcp-Param-`: 1 to 64 characters of a token (RFC 9110 §5.6.2). MCP sets no
/// limit on the length.
pub(crate) fn header(text: &str) -> CheckResult {
    let legal = |c: char| c.is_ascii_alphanumeric() || TOKEN_MARKS.contains(c);
    let start = text.get(..HEADER_PREFIX.len());
    let is_whole_name = start.is_some_and(|start| start.eq_ignore_ascii_case(HEADER_PREFIX));
    match text.chars().count() {
        0 => Err("`header` cannot be empty".to_owned()),
        1..=64 if is_whole_name => Err(format!(
            "clients add `{HEADER_PREFIX}` to the name in `header`: write the name without `{HEADER_PREFIX}`"
        )),
        1..=64 if text.chars().all(legal) => Ok(()),
        1..=64 => Err(format!(
            "`header` may have only ASCII letters, digits and {TOKEN_MARKS}, found {}; clients refuse other names",
            quoted(text)
        )),
        length => Err(format!(
            "`header` may have at most 64 characters, but this name has {length}"
        )),
    }
}

fn name(what: &str, marks: &str, legal: &dyn Fn(char) -> bool, text: &str) -> CheckResult {
    match text.chars().count() {
        1..=64 if text.chars().all(legal) => Ok(()),
        1..=64 => Err(format!(
            "{what} may have only ASCII letters, digits, {marks}, found {}; clients refuse other names",
            quoted(text)
        )),
        0 => Err(format!("{what} cannot be empty")),
        length => Err(format!(
            "{what} may have at most 64 characters, but this name has {length}; clients refuse longer names"
        )),
    }
}

/// Checks a feature or a plan. A third part is an error, because Clerk would ignore it. `o:`
/// without a slug is an error, because Clerk would read it as the feature `o`.
fn entitlement(key: &str, example: &str, text: &str) -> CheckResult {
    let is_entitlement = |text: &str| match text.split_once(':') {
        None => is_key(text),
        Some((scope, slug)) => owner(scope).is_some() && is_key(slug),
    };
    if is_entitlement(text) {
        return Ok(());
    }
    let lower = text.trim().to_ascii_lowercase();
    let hint = if is_entitlement(&lower) {
        format!("; did you mean `{lower}`?")
    } else {
        String::new()
    };
    Err(format!(
        "`{key}` must look like `{example}`, `org:{example}` or `user:{example}`, found {}{hint}",
        quoted(text)
    ))
}

fn owner(scope: &str) -> Option<&'static str> {
    match scope {
        "o" | "org" | "organization" => Some("org"),
        "u" | "user" => Some("user"),
        _ => None,
    }
}

pub(crate) fn among(what: &str, accepted: &[&str], text: &str) -> CheckResult {
    if accepted.contains(&text) {
        return Ok(());
    }
    Err(format!(
        "{what} must be {}, found {}{}",
        either(accepted),
        quoted(text),
        did_you_mean(text, accepted)
    ))
}

/// `` `a`, `b` or `c` ``
fn either(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or `{last}`", listed(first)),
        _ => listed(names),
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

/// Returns true for a positive number that consists of digits only. The check is necessary because `parse` accepts a
/// sign.
fn is_count(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|count: u32| count > 0)
}

/// Returns the permission that the author probably meant, if only the case, the separators or the
/// prefix are wrong.
fn repaired_permission(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase().replace(['.', '/'], ":");
    let mut rest = lower.as_str();
    while let Some(shorter) = rest.strip_prefix("org:") {
        rest = shorter;
    }
    let repaired = format!("org:{rest}");
    is_permission(&repaired).then_some(repaired)
}

/// The beginning of the name of each header that repeats an argument.
pub(crate) const HEADER_PREFIX: &str = "Mcp-Param-";
const TOKEN_MARKS: &str = "!#$%&'*+-.^_`|~";
const PRESETS: [&str; 4] = ["strict", "moderate", "lax", "strict_mfa"];
const LEVELS: [&str; 3] = ["first_factor", "second_factor", "multi_factor"];
const UNITS: [&str; 4] = ["s", "min", "hour", "day"];
const WHOM: [&str; 3] = ["user", "org", "client"];
const TOKEN_KINDS: [&str; 4] = ["oauth", "session", "m2m", "api_key"];

pub(crate) fn quoted(text: &str) -> String {
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
    fn features_and_plans_are_keys_with_an_optional_owner() {
        for text in [
            "export",
            "o:export",
            "org:export",
            "organization:a-b",
            "u:a_1",
            "user:x",
            "org",
        ] {
            assert_eq!((feature(text), plan(text)), (Ok(()), Ok(())), "{text}");
        }
        for (text, repair) in [
            ("Export", Some("export")),
            ("Org:Export ", Some("org:export")),
            ("", None),
            ("o:", None),
            (":export", None),
            ("org:export:pdf", None),
            ("ou:export", None),
            ("two words", None),
        ] {
            let message = feature(text).unwrap_err();
            let hint = message.split_once("; ").map(|(_, hint)| hint.to_owned());
            let expected = repair.map(|repair| format!("did you mean `{repair}`?"));
            assert_eq!(hint, expected, "{text}");
        }
    }

    #[test]
    fn an_owner_has_one_key_whatever_it_is_called() {
        for (text, key) in [
            ("export", "export"),
            ("o:export", "org:export"),
            ("organization:export", "org:export"),
            ("u:export", "user:export"),
        ] {
            assert_eq!(entitlement_key(text), key);
        }
    }

    #[test]
    fn presets_levels_and_kinds_are_those_of_a_list() {
        assert_eq!(reverification("strict_mfa"), Ok(()));
        assert_eq!((level("first_factor"), accept("m2m")), (Ok(()), Ok(())));
        assert_eq!(
            accept("apikey").unwrap_err(),
            "`accept` must be `oauth`, `session`, `m2m` or `api_key`, found `apikey`; did you mean `api_key`?"
        );
        assert!(level("").unwrap_err().ends_with("found nothing"));
    }

    #[test]
    fn rates_are_a_count_in_a_unit_of_time_for_somebody() {
        for text in [
            "1/s per user",
            "10/min per user",
            "1000/hour per org",
            "4294967295/day per client",
        ] {
            assert_eq!(rate(text), Ok(()), "{text}");
        }
        for (text, told) in [
            ("", "must look like `10/min per user`, found nothing"),
            ("10/min", "must look like"),
            ("10 per user", "must look like"),
            ("10/minper user", "must look like"),
            ("0/min per user", "from 1 to 4294967295, found `0`"),
            ("/min per user", "from 1 to 4294967295, found nothing"),
            ("+1/min per user", "found `+1`"),
            ("1.5/min per user", "found `1.5`"),
            ("4294967296/s per user", "found `4294967296`"),
            (
                "10/mins per user",
                "`hour` or `day`, found `mins`; did you mean `min`?",
            ),
            ("10/ min per user", "found ` min`; did you mean `min`?"),
            ("10/minute per user", "found `minute`"),
            (
                "10/min per users",
                "`org` or `client`, found `users`; did you mean `user`?",
            ),
            ("10/min per  user", "found ` user`"),
            ("10/min per user per org", "found `user per org`"),
        ] {
            let message = rate(text).unwrap_err();
            assert!(message.contains(told), "{text}: {message}");
        }
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
                .ends_with("write `scope = all(\"a\", \"b\")`")
        );
    }

    #[test]
    fn headers_are_tokens_of_rfc_9110_without_the_prefix() {
        let longest = "a".repeat(64);
        for text in [
            "Region",
            "x",
            "a.b-c_1",
            "!#$%&'*+-.^_`|~",
            "Mcp-Param",
            &longest,
        ] {
            assert_eq!(header(text), Ok(()), "{text}");
        }
        let longer = "a".repeat(65);
        for (text, told) in [
            ("", "cannot be empty"),
            ("My Region", "found `My Region`"),
            ("Region:", "found `Region:`"),
            ("a\r\nb", "clients refuse other names"),
            ("Región", "found `Región`"),
            ("(x)", "found `(x)`"),
            ("Mcp-Param-Region", "without `Mcp-Param-`"),
            ("mcp-param-", "without `Mcp-Param-`"),
            (&longer, "this name has 65"),
        ] {
            let message = header(text).unwrap_err();
            assert!(message.contains(told), "{text}: {message}");
        }
    }

    #[test]
    fn tool_names_are_short_ascii_words() {
        let longest = "a".repeat(64);
        for text in ["a", "documents_delete", "Delete-1_x", &longest] {
            assert_eq!(primitive_name(Primitive::Tool, text), Ok(()), "{text}");
        }
        let longer = "a".repeat(65);
        for text in ["", "a b", "löschen", "a/b", "a.b", &longer] {
            assert!(primitive_name(Primitive::Tool, text).is_err(), "{text}");
        }
    }
}
