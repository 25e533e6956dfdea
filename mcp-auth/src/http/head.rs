//! Reads the headers that the server needs in one pass.

use std::str;

use actix_web::dev::RequestHead;
use actix_web::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderName, HeaderValue};

use crate::protocol::{Header, Headers, Mirrored};

/// The headers that this server reads.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) host: Header<'a>,
    pub(super) origin: Header<'a>,
    /// The value may contain characters that are not ASCII, because looking for them in a long token would cost time in
    /// each request. A token with these characters is refused when it is classified.
    pub(super) authorization: Header<'a>,
    pub(super) content_length: Header<'a>,
    pub(super) content_type: Header<'a>,
    /// True if an `Accept` header accepts JSON. `None` if there is no `Accept` header.
    pub(super) accepts_json: Option<bool>,
    /// True if an `Accept` header accepts a stream of events.
    pub(super) accepts_events: bool,
    /// True if actix treats all bytes after the head as the body. The body then has no end.
    pub(super) switches: bool,
    pub(super) mirrored: Mirrored<'a>,
}

impl<'a> Fields<'a> {
    /// Reads all headers in one pass, because looking up each header by its name would cost more.
    pub(super) fn of(head: &'a RequestHead) -> Self {
        let mut fields = Self {
            host: Header::Absent,
            origin: Header::Absent,
            authorization: Header::Absent,
            content_length: Header::Absent,
            content_type: Header::Absent,
            accepts_json: None,
            accepts_events: false,
            switches: false,
            mirrored: Mirrored {
                required: true,
                version: Header::Absent,
                method: Header::Absent,
                name: Header::Absent,
                arguments: head.headers(),
            },
        };
        let mut is_chunked = false;
        for (name, value) in head.headers() {
            let field = match name.as_str() {
                "host" => &mut fields.host,
                "origin" => &mut fields.origin,
                "authorization" => {
                    read(&mut fields.authorization, text(value));
                    continue;
                }
                "content-length" => &mut fields.content_length,
                "content-type" => &mut fields.content_type,
                "mcp-protocol-version" => &mut fields.mirrored.version,
                "mcp-method" => &mut fields.mirrored.method,
                "mcp-name" => &mut fields.mirrored.name,
                "accept" => {
                    fields.accept(value);
                    continue;
                }
                "transfer-encoding" => {
                    is_chunked = true;
                    continue;
                }
                "upgrade" => {
                    let is_websocket = |value: &str| value.eq_ignore_ascii_case("websocket");
                    fields.switches |= ascii(value).is_some_and(is_websocket);
                    continue;
                }
                _ => continue,
            };
            read(field, ascii(value));
        }
        fields.switches &= !is_chunked;
        fields
    }

    /// Reads an `Accept` header.
    fn accept(&mut self, accept: &HeaderValue) {
        if accept == USUAL_ACCEPT {
            self.accepts_json = Some(true);
            self.accepts_events = true;
            return;
        }
        let accept = ascii(accept).unwrap_or_default();
        let mut json = self.accepts_json.unwrap_or_default();
        for range in accept.split(',').filter(|range| !has_weight_zero(range)) {
            let is = |known: &str| media_type(range).eq_ignore_ascii_case(known);
            let is_any = is("*/*");
            json |= is_any || is("application/json") || is("application/*");
            self.accepts_events |= is_any || is("text/event-stream") || is("text/*");
        }
        self.accepts_json = Some(json);
    }
}

impl Headers for HeaderMap {
    fn header(&self, name: &str) -> Header<'_> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Header::Absent,
            (Some(value), None) => single(value),
            (Some(_), Some(_)) => Header::Malformed,
        }
    }
}

/// Reads one value of a header. A second value makes the header malformed.
fn read<'a>(field: &mut Header<'a>, value: Option<&'a str>) {
    *field = match (&field, value) {
        (Header::Absent, Some(value)) => Header::Value(value),
        (Header::Absent | Header::Malformed | Header::Value(_), _) => Header::Malformed,
    };
}

/// Returns the header whose only value is `value`.
fn single(value: &HeaderValue) -> Header<'_> {
    ascii(value).map_or(Header::Malformed, Header::Value)
}

/// Returns a value as text, without surrounding blanks. `None` if it is not ASCII. HTTP permits no
/// control characters in a value, so ASCII here means visible ASCII.
fn ascii(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(str::trim_ascii)
}

/// Returns a value as text, without surrounding blanks. `None` if the value is not UTF-8.
fn text(value: &HeaderValue) -> Option<&str> {
    str::from_utf8(value.as_bytes().trim_ascii()).ok()
}

/// Returns the headers of arguments that a browser asks for in a preflight request.
pub(super) fn requested_argument_headers(head: &RequestHead) -> impl Iterator<Item = &str> {
    let lists = head.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    let names = lists.filter_map(ascii).flat_map(|list| list.split(','));
    names.map(str::trim).filter(|name| {
        let prefix = name.get(..ARGUMENT_PREFIX.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(ARGUMENT_PREFIX))
            && HeaderName::from_bytes(name.as_bytes()).is_ok()
    })
}

/// The beginning of the name of each header that repeats an argument.
const ARGUMENT_PREFIX: &str = "mcp-param-";

/// Returns the media type without its parameters.
pub(super) fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Returns true if a range of an `Accept` header has the weight 0, which means "not acceptable" (RFC 9110 section
/// 12.4.2).
fn has_weight_zero(range: &str) -> bool {
    range.split(';').skip(1).any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let mut digits = value.trim().bytes();
        name.trim().eq_ignore_ascii_case("q")
            && digits.next() == Some(b'0')
            && digits.all(|digit| matches!(digit, b'0' | b'.'))
    })
}

/// The value that most clients send, which is compared first.
const USUAL_ACCEPT: &str = "application/json, text/event-stream";
