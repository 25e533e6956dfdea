//! The formats of texts in forms.
//!
//! INVARIANT: a validator of JSON Schema that checks formats accepts every text that is accepted here. A few rare texts
//! that a validator accepts are refused here, for example an email address with a quoted name.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use url::{Host, Url};

/// A format that MCP permits in forms (MCP 2026-07-28, client: elicitation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    DateTime,
    Email,
    Uri,
}

impl Format {
    /// Returns the format with this name in schemas.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "date" => Some(Self::Date),
            "date-time" => Some(Self::DateTime),
            "email" => Some(Self::Email),
            "uri" => Some(Self::Uri),
            _ => None,
        }
    }

    /// Returns true if the text has the format.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Self::Date => is_date(text),
            Self::DateTime => is_date_time(text),
            Self::Email => is_email(text),
            Self::Uri => is_uri(text),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Date => "a date such as 2026-07-28",
            Self::DateTime => "a date and a time such as 2026-07-28T12:00:00Z",
            Self::Email => "an email address",
            Self::Uri => "a URI such as https://example.com",
        })
    }
}

/// Returns true for a `full-date` (RFC 3339 §5.6).
fn is_date(text: &str) -> bool {
    let format = format_description!("[year]-[month]-[day]");
    // `[year]` would also accept a sign.
    text.len() == 10 && time::Date::parse(text, format).is_ok()
}

/// Returns true for a `date-time` (RFC 3339 §5.6). The crate `time` would accept every character between date and time.
fn is_date_time(text: &str) -> bool {
    let separator = text.as_bytes().get(10);
    matches!(separator, Some(b'T' | b't')) && OffsetDateTime::parse(text, &Rfc3339).is_ok()
}

/// Returns true for a `Mailbox` (RFC 5321 §4.1.2) whose local part is not quoted and whose domain is a host name.
fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || ATOM_MARKS.contains(&byte);
        !atom.is_empty() && atom.bytes().all(legal)
    };
    let is_label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
            // Punycode labels have rules of their own.
            && label.get(2..4) != Some("--")
    };
    name.len() <= 64
        && name.split('.').all(is_atom)
        && host.len() <= 253
        && host.split('.').all(is_label)
}

/// `URI` (RFC 3986 §3). The crate `url` reads URLs as browsers do, so it also accepts characters
/// that are illegal in URIs.
fn is_uri(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || URI_MARKS.contains(&byte);
    let escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    // Brackets are legal only around an IPv6 address.
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b']'));
    let most = match url.host() {
        Some(Host::Ipv6(_)) => 2,
        Some(Host::Domain(_) | Host::Ipv4(_)) | None => 0,
    };
    text.bytes().all(legal)
        && escapes.into_iter().all(is_escape)
        && text.bytes().filter(|byte| *byte == b'#').count() <= 1
        && brackets.count() <= most
}

/// The marks in `atext` (RFC 5322 §3.2.3).
const ATOM_MARKS: &[u8] = b"!#$%&'*+-/=?^_`{|}~";

/// The marks in `reserved` and `unreserved` (RFC 3986 §2), and the percent sign.
const URI_MARKS: &[u8] = b":/?#[]@!$&'()*+,;=-._~%";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, fitting: &[&str], others: &[&str]) {
        let format = Format::named(format).unwrap();
        for text in fitting {
            assert!(format.fits(text), "{text}");
        }
        for text in others.iter().chain(&["", " "]) {
            assert!(!format.fits(text), "{text}");
        }
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        check(
            "date",
            &["2026-07-28", "2024-02-29", "0000-01-01", "9999-12-31"],
            &[
                "2026-02-29",
                "2026-7-28",
                "2026-13-01",
                "26-07-28",
                "2026-07-28 ",
                "20260728",
                "+026-07-28",
                "-026-07-28",
                "2026-07-28T00:00:00Z",
                "२०२६-०७-२८",
            ],
        );
    }

    #[test]
    fn times_have_an_offset() {
        check(
            "date-time",
            &[
                "2026-07-28T12:00:00Z",
                "2026-07-28t12:00:00.123456789123z",
                "2026-07-28T12:00:00-05:30",
                "2016-12-31T23:59:60Z",
            ],
            &[
                "2026-07-28",
                "2026-07-28T12:00:00",
                "2026-07-28 12:00:00Z",
                "2026-07-28T24:00:00Z",
                "2026-07-28T12:00:60Z",
                "2026-07-28T12:00Z",
                "2026-07-28T12:00:00.Z",
                "2026-07-28T12:00:00+24:00",
            ],
        );
    }

    #[test]
    fn email_addresses_have_a_name_and_a_host() {
        let long = format!("{}@example.com", "a".repeat(65));
        check(
            "email",
            &[
                "ada@example.com",
                "a.b+c@x-y.example",
                "root@localhost",
                "o'neill@example.com",
            ],
            &[
                "ada",
                "@example.com",
                "ada@",
                "a@b@c",
                ".a@example.com",
                "a..b@example.com",
                "a b@example.com",
                "ada@-example.com",
                "ada@example..com",
                "ada@example.com\n",
                "ädä@example.com",
                "ada@exämple.com",
                "\"a b\"@example.com",
                &long,
            ],
        );
    }

    #[test]
    fn uris_are_absolute_and_escaped() {
        check(
            "uri",
            &[
                "https://example.com",
                "https://ada@example.com:8443/a%20b?c=d&e#f",
                "http://[2001:db8::1]/",
                "mailto:ada@example.com",
                "urn:isbn:0451450523",
            ],
            &[
                "example.com",
                "/path",
                "//example.com",
                "https://",
                "https://exa mple.com",
                "https://example.com/ä",
                "https://example.com/%2",
                "https://example.com/%zz",
                "https://example.com/#a#b",
                "https://example.com/[a]",
                "https://[::1",
                "https:\\\\example.com",
                " https://example.com",
                "https://example.com\n",
            ],
        );
    }
}
