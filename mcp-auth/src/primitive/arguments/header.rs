//! Compares an argument with the header that repeats it (MCP 2026-07-28,
//! basic/transports/streamable-http, value encoding and server validation).

use super::repair::integer;
use super::text::decoded;

/// Returns true if `text`, the decoded value of a header, is the string representation of an argument. `written` is the
/// argument as written in the body. Only strings, integers and booleans have a string representation.
pub(crate) fn repeats(text: &str, written: &str) -> bool {
    match written.bytes().next() {
        Some(b'"') => decoded(written).is_some_and(|argument| argument == text),
        Some(b't' | b'f') => written == text,
        Some(b'-' | b'0'..=b'9') => {
            let plain = integer(written);
            if plain.is_none() && written.contains(['.', 'e', 'E']) {
                // The argument is no integer. The code that reads the arguments reports this mistake.
                return written == text;
            }
            let argument = whole(plain.as_deref().unwrap_or(written));
            argument.is_some() && argument == whole(text)
        }
        Some(_) | None => false,
    }
}

/// Reads a decimal number without an exponent, whose fraction is zero. MCP compares integers numerically, so `42.0` is `42`.
///
/// Returns `None` for a number that a double-precision number cannot represent exactly. MCP does not permit such a
/// number in a header, because a proxy could confuse it with the next number.
fn whole(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_canonical = match digits.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_zero = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    let number: i64 = (is_canonical && is_zero).then(|| whole.parse().ok())??;
    (number.unsigned_abs() <= LARGEST).then_some(number)
}

/// The largest integer of MCP: 2^53 - 1.
const LARGEST: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_repeats_the_value_and_not_the_spelling() {
        for (text, written) in [
            ("us-west1", r#""us-west1""#),
            ("us-west1", r#""us\u002dwest1""#),
            ("", r#""""#),
            (" padded ", r#"" padded ""#),
            ("Zürich", r#""Zürich""#),
            ("42", r#""42""#),
            ("42", "42"),
            ("42.0", "42"),
            ("42", "42.0"),
            ("42", "4.2e1"),
            ("-7", "-7"),
            ("0", "0.0"),
            ("9007199254740991", "9007199254740991"),
            ("1.5", "1.5"),
            ("true", "true"),
            ("false", "false"),
            ("true", r#""true""#),
        ] {
            assert!(repeats(text, written), "{text} {written}");
        }
    }

    #[test]
    fn a_header_that_differs_repeats_nothing() {
        for (text, written) in [
            ("us-west2", r#""us-west1""#),
            ("US-WEST1", r#""us-west1""#),
            (r#""us-west1""#, r#""us-west1""#),
            ("padded", r#"" padded ""#),
            ("\u{fffd}", r#""\ud800""#),
            ("42.0", r#""42""#),
            ("43", "42"),
            ("042", "42"),
            ("+42", "42"),
            ("42.", "42"),
            ("42.01", "42"),
            (".0", "0"),
            ("4.2e1", "42"),
            ("0x2a", "42"),
            ("42 ", "42"),
            ("", "0"),
            ("-", "0"),
            ("1.50", "1.5"),
            ("9007199254740992", "9007199254740992"),
            ("9007199254740993", "9007199254740992"),
            ("99999999999999999999", "99999999999999999999"),
            ("True", "true"),
            ("1", "true"),
            ("null", "null"),
            ("", "null"),
            ("[]", "[]"),
            ("{}", "{}"),
            ("", ""),
        ] {
            assert!(!repeats(text, written), "{text} {written}");
        }
    }
}
