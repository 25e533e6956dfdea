//! Reads the parameter `org` of a request's URL.
//!
//! The server reads the parameter only with `OrganizationSource::UrlQuery`. A malformed parameter differs from a
//! missing parameter: a request with a malformed parameter names an organization without members.

use actix_web::http::Uri;

use crate::identity::UrlOrg;

/// Returns the organization that the URL names.
pub(super) fn read(target: &Uri) -> UrlOrg {
    let Some(query) = target.query() else {
        return UrlOrg::Absent;
    };
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), value)
    });
    // A name that cannot be decoded is not `org`, because every encoding of `org` can be decoded.
    let mut named = pairs.filter(|(name, _)| name.as_deref() == Some("org"));
    let Some((_, value)) = named.next() else {
        return UrlOrg::Absent;
    };
    let is_alone = named.next().is_none();
    let value = decoded(value).filter(|value| is_alone && fits(value));
    value.map_or(UrlOrg::Malformed, |value| UrlOrg::Named(value.into()))
}

fn fits(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_BYTES
}

/// Decodes the percent-encoding of HTML forms, in which `+` is a blank. Returns `None` if a `%` is
/// not followed by two hexadecimal digits, or if the bytes are not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// The largest length of the parameter. An id has about 31 bytes, and a slug is not longer than the
/// name of its organization.
const MAX_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn named(target: &str) -> Option<String> {
        match read(&target.parse().unwrap()) {
            UrlOrg::Absent => None,
            UrlOrg::Malformed => Some("malformed".to_owned()),
            UrlOrg::Named(named) => Some(format!("named {named}")),
        }
    }

    #[test]
    fn the_parameter_is_decoded_and_others_are_passed_over() {
        for target in [
            "/mcp",
            "/mcp?",
            "/mcp?&",
            "/mcp?client=codex",
            "/mcp?ORG=acme",
            "/mcp?organization=acme",
            "/mcp?o=rg=acme",
            "/mcp?o%zzrg=acme",
            "/mcp?my_org=acme",
        ] {
            assert_eq!(named(target), None, "{target}");
        }
        for (target, value) in [
            ("/mcp?org=acme", "acme"),
            ("/mcp?org=org_2abc", "org_2abc"),
            ("/mcp?client=codex&org=acme&x=%zz", "acme"),
            ("/mcp?o%72g=acme", "acme"),
            ("/mcp?org=%61cm%65", "acme"),
            ("/mcp?org=a+b", "a b"),
            ("/mcp?org=a=b", "a=b"),
            ("/mcp?org=caf%C3%A9", "café"),
            ("http://127.0.0.1:3000/mcp?org=acme", "acme"),
        ] {
            assert_eq!(named(target), Some(format!("named {value}")), "{target}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_the_same_as_no_parameter() {
        let long = format!("/mcp?org={}", "a".repeat(MAX_BYTES + 1));
        for target in [
            "/mcp?org",
            "/mcp?org=",
            "/mcp?org=acme&org=acme",
            "/mcp?org=acme&o%72g=globex",
            "/mcp?org&org=acme",
            "/mcp?org=%",
            "/mcp?org=%6",
            "/mcp?org=%zz",
            "/mcp?org=%+1",
            "/mcp?org=%ff",
            long.as_str(),
        ] {
            assert_eq!(named(target).as_deref(), Some("malformed"), "{target}");
        }
        let longest = format!("/mcp?org={}", "a".repeat(MAX_BYTES));
        assert!(named(&longest).unwrap().starts_with("named a"));
    }
}
