//! Fuzz checks of the code that reads a head: the token, the headers, and the configured entries with which headers are
//! compared.

use actix_web::dev::RequestHead;
use actix_web::http::Uri;
use actix_web::http::header::{HeaderName, HeaderValue};
use url::Url;

use super::bearer;
use super::canonical::Canonical;
use super::gate::{Gate, Origins};
use super::head::{Fields, media_type};
use super::listed::{AllowedHost, origin, split};
use super::org_query;
use crate::identity::UrlOrg;
use crate::protocol::{Header, Headers};

/// Checks which token is read from a request. The first line of the input is the target of the request, and each other
/// line is a value of `Authorization`.
pub fn authorization(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let target = target(lines.next().unwrap_or_default());
    let mut head = RequestHead::default();
    let mut sent = Vec::new();
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            sent.push(line.trim_ascii());
            head.headers
                .append(HeaderName::from_static("authorization"), value);
        }
    }
    let names_token = |pair: &str| pair == "access_token" || pair.starts_with("access_token=");
    let in_query = target
        .query()
        .is_some_and(|query| query.split('&').any(names_token));
    let read = bearer::token(Fields::of(&head).authorization, &target);
    let expected = match sent.as_slice() {
        _ if in_query => Err(()),
        [] => Ok(None),
        [value] => second_reading(value),
        _ => Err(()),
    };
    assert_eq!(read.map_err(|_| ()), expected, "{sent:?}");
}

/// Reads the token of a value in a second way: the text after `bearer` and a blank, without
/// surrounding blanks.
fn second_reading(value: &[u8]) -> Result<Option<&str>, ()> {
    let value = std::str::from_utf8(value).map_err(|_| ())?;
    let lower = value.to_ascii_lowercase();
    let rest = lower.strip_prefix("bearer").and_then(|_| value.get(6..));
    let is_scheme = |rest: &&str| rest.is_empty() || rest.starts_with([' ', '\t']);
    let token = rest.filter(is_scheme);
    Ok(token.map(|token| token.trim_matches([' ', '\t'])))
}

/// Checks how the headers and the target of a request are read, and how the same texts are read as a configuration. The
/// first line of the input is the target, and each other line is a header.
pub fn head(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let target = target(lines.next().unwrap_or_default());
    let mut head = RequestHead::default();
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            head.headers.append(name, value);
        }
        if let Ok(text) = std::str::from_utf8(line) {
            check_listed(text);
        }
    }
    let fields = Fields::of(&head);
    for (name, field) in [
        ("host", fields.host),
        ("origin", fields.origin),
        ("authorization", fields.authorization),
        ("content-length", fields.content_length),
        ("content-type", fields.content_type),
        ("mcp-protocol-version", fields.mirrored.version),
        ("mcp-method", fields.mirrored.method),
        ("mcp-name", fields.mirrored.name),
    ] {
        let values: Vec<_> = head.headers.get_all(name).collect();
        let is_read = |text: &&str| text.is_ascii() || name == "authorization";
        let expected = match values.as_slice() {
            [] => Header::Absent,
            [value] => {
                let text = std::str::from_utf8(value.as_bytes());
                let text = text.ok().filter(is_read);
                text.map_or(Header::Malformed, |text| Header::Value(text.trim_ascii()))
            }
            _ => Header::Malformed,
        };
        assert_eq!(field, expected, "{name}");
        if name != "authorization" {
            assert_eq!(head.headers.header(name), expected, "{name}");
        }
    }
    if let Header::Value(value) = fields.content_type {
        let essence = media_type(value);
        assert!(!essence.contains(';') && essence.trim() == essence);
    }
    check_gate(&fields, &target);
    check_organization(&target);
}

/// Checks that only the listed hosts and origins pass, independent of the target.
fn check_gate(fields: &Fields<'_>, target: &Uri) {
    let hosts = ["127.0.0.1:3000", "mcp.example.com", "[::1]:3000"];
    let hosts = hosts
        .iter()
        .filter_map(|host| AllowedHost::parse(host).ok());
    let gate = Gate::new(hosts.collect(), Origins::Loopback);
    if let Ok(host) = gate.host(fields.host, target) {
        assert_eq!(fields.host, Header::Value(host));
        let lower = host.to_ascii_lowercase();
        let known = ["127.0.0.1:", "mcp.example.com", "[::1]:"];
        assert!(known.iter().any(|known| lower.starts_with(known)), "{host}");
        let url = Url::parse(&format!("http://{host}/"));
        let is_alone = url.is_ok_and(|url| url.username().is_empty() && url.path() == "/");
        assert!(is_alone, "{host}");
        let authority = target.authority().map(|authority| authority.as_str());
        assert!(authority.is_none_or(|authority| authority == host));
    }
    if let Ok(Some(passed)) = gate.origin(fields.origin) {
        assert_eq!(fields.origin, Header::Value(passed));
        let url = Url::parse(passed);
        let host = url
            .as_ref()
            .ok()
            .and_then(Url::host_str)
            .unwrap_or_default();
        let is_local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        assert!(is_local || host.ends_with(".localhost"), "{passed}");
    }
}

/// Checks that an accepted entry matches the host or origin that it names. Also checks that normalising the entry again
/// changes nothing.
fn check_listed(text: &str) {
    if let Ok(listed) = origin(text) {
        assert_eq!(origin(&listed).as_ref(), Ok(&listed), "{text}");
    }
    if let Ok(allowed) = AllowedHost::parse(text) {
        assert!(!text.contains('*'));
        let text = text.trim();
        if let (Some((name, port)), false) = (split(text), text.contains(['/', '%']))
            && name.is_ascii()
            && !name.is_empty()
        {
            let again = AllowedHost::parse(&name.to_ascii_uppercase());
            assert!(again.is_ok() || name.contains(':'), "{text}");
            let canonical = Url::parse(&format!("http://{name}/"));
            if canonical.is_ok_and(|url| url.host_str() == Some(name)) {
                assert!(allowed.is(name, port), "{text}");
            }
        }
    }
    if let Ok(canonical) = Canonical::parse(text, "/mcp") {
        let again = Canonical::parse(canonical.as_str(), "/mcp");
        let again = again.map(|again| again.as_str().to_owned());
        assert_eq!(again.ok().as_deref(), Some(canonical.as_str()), "{text}");
        assert!(canonical.as_str().starts_with("https://") || canonical.is_loopback());
        let is_own = |audience: &String| audience.starts_with("http");
        assert!(canonical.audiences().iter().all(is_own));
    }
}

/// Checks that the parameter `org` has the value that a form parser finds, or is malformed.
fn check_organization(target: &Uri) {
    let query = target.query().unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let named: Vec<_> = pairs.filter(|(name, _)| name == "org").collect();
    match org_query::read(target) {
        // The form parser also accepts names that are wrongly encoded.
        UrlOrg::Absent => assert!(named.is_empty() || query.contains('%'), "{query}"),
        UrlOrg::Malformed => assert!(!named.is_empty(), "{query}"),
        UrlOrg::Named(organization) => {
            let values: Vec<_> = named.iter().map(|(_, value)| &**value).collect();
            assert_eq!(values, [&*organization], "{query}");
            assert!((1..=256).contains(&organization.len()), "{query}");
        }
    }
}

fn target(line: &[u8]) -> Uri {
    Uri::try_from(line).unwrap_or_else(|_| Uri::from_static("/mcp"))
}
