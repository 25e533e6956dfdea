//! Parses what only a resource has: the URI, which comes first, and the keys that tools and prompts do not have.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Ident, LitStr, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    token::Paren,
};

use crate::{
    entry::{Entry, List, Quantifier::Any},
    errors::Errors,
    grammar::{CheckResult, among, quoted},
    template::Template,
};

/// The values of the keys that only a resource has.
#[derive(Debug, Default)]
pub(crate) struct ResourceArgs {
    /// `None` if the URI is missing or invalid.
    pub(crate) uri: Option<Uri>,
    pub(crate) audience: Vec<LitStr>,
    pub(crate) last_modified: Option<LitStr>,
    pub(crate) mime_type: Option<LitStr>,
    pub(crate) priority: Option<f64>,
    pub(crate) size: Option<Size>,
    pub(crate) ttl_ms: Option<u64>,
}

/// `"docs://{id}"`
#[derive(Debug)]
pub(crate) struct Uri {
    pub(crate) text: LitStr,
    pub(crate) template: Template,
}

/// `size = 1024`
#[derive(Debug)]
pub(crate) struct Size {
    pub(crate) key: Ident,
    pub(crate) bytes: u64,
}

impl ResourceArgs {
    /// Parses the URI, and returns the entries after it.
    pub(super) fn take_uri(&mut self, tokens: TokenStream, errors: &mut Errors) -> TokenStream {
        let split = |input: ParseStream<'_>| {
            if input.peek(LitStr) {
                let text: LitStr = input.parse()?;
                match Template::parse(&text.value()) {
                    Ok(template) => self.uri = Some(Uri { text, template }),
                    Err(message) => errors.at(text, message),
                }
                if !input.is_empty() && !input.peek(Token![,]) {
                    errors.push(input.error("expected `,` after the URI"));
                }
                skip_entry(input)?;
            } else {
                errors.push(syn::Error::new(input.span(), URI_FORM));
                if stands_for_uri(input) {
                    skip_entry(input)?;
                }
            }
            input.parse()
        };
        let rest = split.parse2(tokens);
        errors.keep(rest).unwrap_or_default()
    }

    /// Parses one entry. `name` is a key that only a resource has.
    pub(super) fn take(&mut self, name: &str, entry: Entry, errors: &mut Errors) {
        match name {
            "audience" => {
                let list = entry.list(Any, &audience, str::to_owned, errors);
                self.audience = literals(list, errors);
            }
            "last_modified" => {
                self.last_modified =
                    errors.keep(entry.literal("2026-01-12T15:00:58Z", &last_modified));
            }
            "mime_type" => self.mime_type = errors.keep(entry.literal("text/markdown", &mime_type)),
            "priority" => self.priority = errors.keep(entry.fraction()),
            "size" => {
                let key = entry.key.clone();
                let bytes = errors.keep(entry.bytes());
                self.size = bytes.map(|bytes| Size { key, bytes });
            }
            "ttl" => {
                let text = errors.keep(entry.literal("5m", &ttl));
                self.ttl_ms = text.and_then(|text| milliseconds(&text.value()));
            }
            other => unreachable!("`{other}` has no reader, please report"),
        }
    }
}

/// Returns true if the author probably meant the first entry as the URI: the entry has none of the forms `key`, `key =
/// …` and `key(…)`, or its key is `uri`, or it is the name of a constant.
fn stands_for_uri(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let Ok(key) = ahead.call(Ident::parse_any) else {
        return true;
    };
    let is_entry = ahead.is_empty() || ahead.peek(Token![,]);
    let has_value = ahead.peek(Token![=]) || ahead.peek(Paren);
    let is_constant = || key.to_string().chars().all(|c| !c.is_ascii_lowercase());
    key == "uri" || !(is_entry || has_value) || (is_entry && is_constant())
}

/// Skips all tokens up to the next comma, and the comma.
fn skip_entry(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    input.parse::<Option<Token![,]>>()?;
    Ok(())
}

fn literals(list: List, errors: &mut Errors) -> Vec<LitStr> {
    let List { key, values, .. } = list;
    let literals = values
        .into_iter()
        .map(|value| value.literal(&key, "user"))
        .filter_map(|literal| errors.keep(literal));
    literals.collect()
}

/// Checks a value of `audience`, which MCP calls a `Role`.
fn audience(text: &str) -> CheckResult {
    among("`audience`", &["user", "assistant"], text)
}

/// Checks a MIME type `type/subtype; parameter=value`. The names have the characters of RFC 6838 §4.2,
/// and the parameters have the form of RFC 9110 §8.3.1.
fn mime_type(text: &str) -> CheckResult {
    let mut pieces = text.split(';').map(|piece| piece.trim_matches([' ', '\t']));
    let essence = pieces.next().and_then(|essence| essence.split_once('/'));
    let is_type = essence.is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_type && pieces.all(is_parameter) {
        return Ok(());
    }
    Err(format!(
        "`mime_type` must look like `text/markdown` or `text/html; charset=utf-8`, found {}",
        quoted(text)
    ))
}

/// Returns true if the text is a `restricted-name` (RFC 6838 §4.2).
fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
    name.len() <= 127
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(legal)
}

/// Returns true if the text is `name=token` or `name="text"`. The quoted text must not contain `;`, or a character that
/// needs an escape.
fn is_parameter(parameter: &str) -> bool {
    let token = |text: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !text.is_empty() && text.chars().all(legal)
    };
    let plain = |c: char| matches!(c, ' '..='~') && !['"', '\\'].contains(&c);
    parameter.split_once('=').is_some_and(|(name, value)| {
        let inner = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        token(name) && inner.map_or_else(|| token(value), |inner| inner.chars().all(plain))
    })
}

fn ttl(text: &str) -> CheckResult {
    match milliseconds(text) {
        Some(_) => Ok(()),
        None => Err(format!(
            "`ttl` must look like `5m`: a whole number above zero with `ms`, `s`, `m`, `h` or `d`, found {}",
            quoted(text)
        )),
    }
}

/// Returns the milliseconds of a time such as `5m`. `None` if the text has another form, if the time is zero, or if a
/// JSON number cannot express the milliseconds exactly.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    let time = count.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..1 << 53).contains(&time).then_some(time)
}

fn last_modified(text: &str) -> CheckResult {
    if is_timestamp(text) {
        return Ok(());
    }
    Err(format!(
        "`last_modified` must look like `2026-01-12T15:00:58Z`, found {}",
        quoted(text)
    ))
}

/// Returns true if the text is a time of RFC 3339 §5.6 with upper-case `T` and `Z`.
fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else {
        return false;
    };
    let Some(offset) = time.find(['Z', '+', '-']) else {
        return false;
    };
    let Some((time, offset)) = time.split_at_checked(offset) else {
        return false;
    };
    is_date(date) && is_time(time) && is_offset(offset)
}

fn is_date(date: &str) -> bool {
    let [Some(year), Some(month), Some(day)] = numbers(date, '-', [4, 2, 2]) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Returns true if the text is a time such as `15:00:58` or `15:00:58.25`. The second may be 60, a leap second.
fn is_time(time: &str) -> bool {
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let numbers = numbers(time, ':', [2, 2, 2]);
    let fits = matches!(numbers, [Some(0..=23), Some(0..=59), Some(0..=60)]);
    fits && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns true if the text is an offset such as `Z` or `+01:00`.
fn is_offset(offset: &str) -> bool {
    let hours = offset.strip_prefix(['+', '-']);
    offset == "Z"
        || hours.is_some_and(|hours| {
            matches!(numbers(hours, ':', [2, 2]), [Some(0..=23), Some(0..=59)])
        })
}

/// Returns the numbers between separators. `digits` is the number of digits that each number must have. A number that
/// is missing or has another form is `None`. If there are too many numbers, all numbers are `None`.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> [Option<u32>; N] {
    let mut pieces = text.split(separator);
    let numbers = digits.map(|digits| {
        let piece = pieces.next().filter(|piece| piece.len() == digits)?;
        let is_number = piece.bytes().all(|byte| byte.is_ascii_digit());
        piece.parse().ok().filter(|_| is_number)
    });
    match pieces.next() {
        Some(_) => [None; N],
        None => numbers,
    }
}

const URI_FORM: &str = "`#[mcp_resource]` must begin with the URI, a string literal without a key: `#[mcp_resource(\"docs://{id}\")]`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mime_types_have_two_names_and_parameters() {
        for text in [
            "text/markdown",
            "application/vnd.api+json",
            "image/svg+xml",
            "text/html; charset=utf-8",
            "text/html;charset=\"utf-8\";level=1",
            "1/2",
        ] {
            assert_eq!(mime_type(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "markdown",
            "text/",
            "/markdown",
            "text/mark down",
            "text/a/b",
            " text/html",
            "text/*",
            "*/*",
            "+a/b",
            "text/html;",
            "text/html; charset",
            "text/html; charset=",
            "text/html; charset=\"",
            "text/html; a=b c",
            "text/h\u{e9}",
        ] {
            assert!(mime_type(text).is_err(), "{text}");
        }
        let longest = format!("a/{}", "b".repeat(127));
        assert_eq!(mime_type(&longest), Ok(()));
        assert!(mime_type(&format!("{longest}b")).is_err());
    }

    #[test]
    fn times_are_a_number_and_a_unit() {
        for (text, expected) in [
            ("1ms", Some(1)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("9007199254740991ms", Some(9_007_199_254_740_991)),
            ("9007199254740992ms", None),
            ("18446744073709551615d", None),
            ("0s", None),
            ("", None),
            ("5", None),
            ("m", None),
            ("5 m", None),
            ("1.5h", None),
            ("+5m", None),
            ("-5m", None),
            ("5min", None),
            ("5M", None),
            ("\u{665}m", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
            assert_eq!(ttl(text).is_ok(), expected.is_some(), "{text}");
        }
    }

    #[test]
    fn timestamps_are_those_of_rfc_3339() {
        for text in [
            "2026-01-12T15:00:58Z",
            "2026-01-12T15:00:58.123456Z",
            "2026-01-12T15:00:58+02:00",
            "2024-02-29T23:59:60-11:30",
            "2000-02-29T00:00:00Z",
        ] {
            assert_eq!(last_modified(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "2026-01-12",
            "2026-01-12T15:00:58",
            "2026-01-12 15:00:58Z",
            "2026-01-12T15:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "26-01-12T15:00:58Z",
            "2026-1-12T15:00:58Z",
            "2026-01-12T24:00:00Z",
            "2026-01-12T15:60:58Z",
            "2026-01-12T15:00:61Z",
            "2026-01-12T15:00:58.Z",
            "2026-01-12T15:00:58+2:00",
            "2026-01-12T15:00:58+24:00",
            "2026-01-12T15:00:58Z+01:00",
            "2026-01-12T+5:00:58Z",
            "2026-01-12-01T15:00:58Z",
            "12 January 2026",
        ] {
            assert!(last_modified(text).is_err(), "{text}");
        }
    }
}
