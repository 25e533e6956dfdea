//! The two eras of MCP, and the headers that repeat values of the body. The revision 2026-07-28 is the modern era, and
//! the older revisions are the legacy era.
//!
//! A request is modern if its `_meta` names a version. A request other than `initialize` is also modern if its header
//! names a version that is not a legacy version. Every other request is legacy. A legacy request needs no session.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::primitive::{MirroredArgument, repeats};

use super::envelope::Meta;
use super::error::RpcError;
use super::scan::Scanner;

/// The revision of MCP that the modern era uses.
pub(crate) const MODERN: &str = "2026-07-28";

/// The revisions of MCP that the legacy era uses, newest first.
pub(super) const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// The first revision whose tools have icons.
pub(super) const WITH_ICONS: &str = "2025-11-25";

/// The headers of a POST that repeat values of its body. A header that occurs twice, or that has bytes other than
/// visible ASCII, is `Malformed`. A malformed header never equals a value of the body.
#[derive(Clone, Copy)]
pub(crate) struct Mirrored<'a> {
    /// False for a transport without headers (stdio), where no header repeats a value of the body.
    pub(crate) required: bool,
    /// `MCP-Protocol-Version`.
    pub(crate) version: Header<'a>,
    /// `Mcp-Method`.
    pub(crate) method: Header<'a>,
    /// `Mcp-Name`.
    pub(crate) name: Header<'a>,
    /// All headers, by name. `Mcp-Param-*` is looked up only for a tool that declares such headers, and
    /// `Mcp-Session-Id` only if the server gives sessions.
    pub(crate) arguments: &'a dyn Headers,
}

impl fmt::Debug for Mirrored<'_> {
    /// Leaves out `arguments`, because all headers include the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrored")
            .field("version", &self.version)
            .field("method", &self.method)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The headers of a request, by name.
pub(crate) trait Headers: Sync {
    /// Returns the header with this name. The comparison of names ignores case.
    fn header(&self, name: &str) -> Header<'_>;
}

/// The headers of a request without headers, or of a test.
impl<const N: usize> Headers for [(&str, &str); N] {
    fn header(&self, name: &str) -> Header<'_> {
        let found = self
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Header::Absent, |(_, value)| Header::Value(value))
    }
}

/// A header that repeats a value of the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Header<'a> {
    /// The request does not have the header.
    Absent,
    /// The request has the header twice, or the value is not visible ASCII.
    Malformed,
    /// The value of the header, without surrounding blanks.
    Value(&'a str),
}

/// The era of a request. It determines the form of the response.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

impl Era {
    /// Returns the era of a request, and checks the version and `_meta` as that era requires.
    ///
    /// `initialize` negotiates the version in its body, and MCP requires the header only in later
    /// requests (MCP 2025-11-25, basic/transports, protocol version header). Some clients send
    /// their newest version in the header of `initialize`. The server ignores that header.
    ///
    /// # Errors
    ///
    /// [`RpcError::HeaderMismatch`] if the header and `_meta` disagree. [`RpcError::Malformed`] if
    /// a modern request lacks a required member. [`RpcError::UnsupportedVersion`] if the server
    /// does not support the version.
    pub(super) fn of(
        mirrored: &Mirrored<'_>,
        method: &str,
        meta: &Meta<'_>,
    ) -> Result<Self, RpcError> {
        let legacy = match mirrored.version {
            _ if method == "initialize" => true,
            Header::Absent => true,
            Header::Value(version) => LEGACY.contains(&version),
            Header::Malformed => return Err(RpcError::HeaderMismatch(VERSION)),
        };
        if legacy && !meta.is_modern() {
            return Ok(Self::Legacy);
        }
        let Some(version) = meta.version() else {
            return Err(RpcError::Malformed(
                "`_meta` must name `io.modelcontextprotocol/protocolVersion`",
            ));
        };
        if meta.capabilities().is_none() {
            return Err(RpcError::Malformed(
                "`_meta` must have `io.modelcontextprotocol/clientCapabilities`",
            ));
        }
        // Without this check, a modern body without the header would bypass proxies that route by
        // the header.
        if mirrored.required && mirrored.version != Header::Value(&version) {
            return Err(RpcError::HeaderMismatch(VERSION));
        }
        if version != MODERN {
            return Err(RpcError::UnsupportedVersion(version.into_owned()));
        }
        Ok(Self::Modern)
    }

    /// Checks `Mcp-Method`. The modern era requires the header. In both eras the header must equal the method in the
    /// body.
    pub(super) fn check_method(
        self,
        mirrored: &Mirrored<'_>,
        method: &str,
    ) -> Result<(), RpcError> {
        match mirrored.method {
            Header::Absent if self == Self::Legacy || !mirrored.required => Ok(()),
            Header::Value(value) if value == method => Ok(()),
            Header::Absent | Header::Malformed | Header::Value(_) => Err(RpcError::HeaderMismatch(
                "the header `Mcp-Method` must be the `method` of the body",
            )),
        }
    }

    /// Checks that `Mcp-Name` equals the name or the URI in the body. The header may be encoded in
    /// Base64.
    pub(super) fn check_name(self, mirrored: &Mirrored<'_>, name: &str) -> Result<(), RpcError> {
        match mirrored.name {
            Header::Absent if self == Self::Legacy || !mirrored.required => Ok(()),
            Header::Value(value) if decoded(value).is_some_and(|value| value == name) => Ok(()),
            Header::Absent | Header::Malformed | Header::Value(_) => Err(RpcError::HeaderMismatch(
                "the header `Mcp-Name` must be the `params.name`, or the `params.uri`, of the body",
            )),
        }
    }
}

impl Era {
    /// Checks that each header `Mcp-Param-*` of a tool equals the argument that it repeats, and is absent if the
    /// argument is absent or `null`. `written` is the argument object as written in the body. Ignores the headers of
    /// legacy requests, because the legacy era does not define these headers.
    pub(super) fn check_arguments(
        self,
        mirrored: &Mirrored<'_>,
        declared: &'static [MirroredArgument],
        written: &str,
    ) -> Result<(), RpcError> {
        if self == Self::Legacy || !mirrored.required {
            return Ok(());
        }
        for MirroredArgument { argument, header } in declared {
            let sent = mirrored.arguments.header(header);
            let sent = match sent {
                Header::Absent => None,
                Header::Malformed => Some(None),
                Header::Value(value) => Some(decoded(value)),
            };
            let agrees = |value: &str| match &sent {
                None => value == "null",
                Some(None) => false,
                Some(Some(text)) => repeats(text, value),
            };
            // If an argument is given twice, the header must equal both.
            let (mut is_given, mut is_equal) = (false, true);
            let read = Scanner::new(written).object(|value, name| {
                let value = value.value()?;
                if name == *argument {
                    is_given = true;
                    is_equal &= agrees(value);
                }
                Some(false)
            });
            if read.is_none() || !is_equal || !is_given && sent.is_some() {
                return Err(RpcError::ArgumentMismatch { argument, header });
            }
        }
        Ok(())
    }
}

/// Returns the version for the response to `initialize`: the version that the client offers if the
/// server supports it, and otherwise the newest legacy version (MCP 2025-11-25, basic/lifecycle,
/// version negotiation).
pub(super) fn negotiate(offered: &str) -> &'static str {
    LEGACY
        .into_iter()
        .find(|version| *version == offered)
        .unwrap_or(LEGACY[0])
}

/// Decodes a header value (MCP 2026-07-28, streamable-http, value encoding). A value without the
/// prefix or without the suffix is returned unchanged.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(STANDARD.decode(encoded).ok()?)
        .ok()
        .map(Cow::Owned)
}

const VERSION: &str = "the header `MCP-Protocol-Version` must be the version that `_meta` names";

#[cfg(test)]
mod tests {
    use super::super::envelope::Message;
    use super::*;

    fn mirrored(version: Header<'static>) -> Mirrored<'static> {
        Mirrored {
            required: true,
            version,
            method: Header::Absent,
            name: Header::Absent,
            arguments: &[],
        }
    }

    fn era(version: Header<'static>, meta: &str) -> Result<Era, i32> {
        era_of("m", version, meta)
    }

    fn era_of(method: &str, version: Header<'static>, meta: &str) -> Result<Era, i32> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{meta}}}}}"#
        );
        let message = Message::parse(&body).unwrap();
        let meta = message.params().unwrap().meta().unwrap();
        Era::of(&mirrored(version), method, &meta).map_err(|error| error.code())
    }

    const COMPLETE: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    #[test]
    fn the_era_follows_from_header_and_meta() {
        use Header::{Absent, Malformed, Value};
        for (header, meta, expected) in [
            (Absent, "{}", Ok(Era::Legacy)),
            (Value("2025-03-26"), "{}", Ok(Era::Legacy)),
            (
                Value("2025-11-25"),
                r#"{"progressToken":1}"#,
                Ok(Era::Legacy),
            ),
            (Value("2026-07-28"), COMPLETE, Ok(Era::Modern)),
            (Value("2026-07-28"), "{}", Err(-32602)),
            (
                Value("2026-07-28"),
                r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
                Err(-32602),
            ),
            (
                Value("2026-07-28"),
                r#"{"io.modelcontextprotocol/clientCapabilities":{}}"#,
                Err(-32602),
            ),
            (
                Value("2026-07-28"),
                r#"{"io.modelcontextprotocol/protocolVersion":7,"io.modelcontextprotocol/clientCapabilities":{}}"#,
                Err(-32602),
            ),
            (Value("1999-01-01"), "{}", Err(-32602)),
            (Absent, COMPLETE, Err(-32020)),
            (Value("2025-11-25"), COMPLETE, Err(-32020)),
            (Value("v999"), COMPLETE, Err(-32020)),
            (Malformed, COMPLETE, Err(-32020)),
            (Malformed, "{}", Err(-32020)),
            (
                Value("v9"),
                r#"{"io.modelcontextprotocol/protocolVersion":"v9","io.modelcontextprotocol/clientCapabilities":{}}"#,
                Err(-32022),
            ),
        ] {
            assert_eq!(era(header, meta), expected, "{header:?} {meta}");
        }
    }

    #[test]
    fn the_header_does_not_tell_the_era_of_initialize() {
        use Header::{Absent, Malformed, Value};
        for header in [
            Absent,
            Malformed,
            Value("2024-11-05"),
            Value("2025-03-26"),
            Value("2026-07-28"),
            Value("2999-01-01"),
        ] {
            assert_eq!(era_of("initialize", header, "{}"), Ok(Era::Legacy));
        }
        let modern = era_of("initialize", Value("2026-07-28"), COMPLETE);
        assert_eq!(modern, Ok(Era::Modern));
        let contradiction = era_of("initialize", Value("2025-11-25"), COMPLETE);
        assert_eq!(contradiction, Err(-32020));
    }

    #[test]
    fn a_name_may_be_spelled_in_base64() {
        let name = |value| Mirrored {
            name: Header::Value(value),
            ..mirrored(Header::Absent)
        };
        assert!(Era::Modern.check_name(&name("add"), "add").is_ok());
        assert!(
            Era::Modern
                .check_name(&name("=?base64?YWRk?="), "add")
                .is_ok()
        );
        assert!(
            Era::Modern
                .check_name(&name("=?base64?YWRk"), "=?base64?YWRk")
                .is_ok()
        );
        for wrong in [
            "ADD",
            "=?base64?YWR?=",
            "=?base64?YW!k?=",
            "=?base64?/w==?=",
            "sub",
        ] {
            assert!(
                Era::Modern.check_name(&name(wrong), "add").is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn mirrored_headers_are_required_in_the_modern_era_only() {
        let absent = mirrored(Header::Absent);
        assert!(Era::Legacy.check_method(&absent, "ping").is_ok());
        assert!(Era::Legacy.check_name(&absent, "x").is_ok());
        assert!(Era::Modern.check_method(&absent, "ping").is_err());
        assert!(Era::Modern.check_name(&absent, "x").is_err());
        let other = Mirrored {
            method: Header::Value("PING"),
            ..absent
        };
        assert!(Era::Legacy.check_method(&other, "ping").is_err());
    }

    #[test]
    fn a_transport_without_headers_needs_no_headers() {
        let none = Mirrored {
            required: false,
            ..mirrored(Header::Absent)
        };
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{COMPLETE}}}}}"#);
        let message = Message::parse(&body).unwrap();
        let meta = message.params().unwrap().meta().unwrap();
        assert_eq!(Era::of(&none, "m", &meta), Ok(Era::Modern));
        assert!(Era::Modern.check_method(&none, "m").is_ok());
        assert!(Era::Modern.check_name(&none, "add").is_ok());
        let declared = &[MirroredArgument {
            argument: "region",
            header: "Mcp-Param-Region",
        }];
        let checked = Era::Modern.check_arguments(&none, declared, r#"{"region":"eu"}"#);
        assert!(checked.is_ok());
    }

    #[test]
    fn a_header_of_an_argument_must_be_the_argument() {
        const REGION: &[MirroredArgument] = &[MirroredArgument {
            argument: "region",
            header: "Mcp-Param-Region",
        }];
        let check = |era: Era, sent: &dyn Headers, written: &str| {
            let mirrored = Mirrored {
                arguments: sent,
                ..mirrored(Header::Absent)
            };
            era.check_arguments(&mirrored, REGION, written).is_ok()
        };
        let eu = [("mcp-param-region", "eu")];
        let hello = [("Mcp-Param-Region", "=?base64?SGVsbG8=?=")];
        for (sent, written, agrees) in [
            (&eu as &dyn Headers, r#"{"region":"eu"}"#, true),
            (
                &eu,
                r#"{ "other": {"region": "us"}, "regi\u006fn" : "e\u0075" }"#,
                true,
            ),
            (&eu, r#"{"region":"us"}"#, false),
            (&eu, r#"{"region":"us","region":"eu"}"#, false),
            (&eu, r#"{"region":"eu","region":"us"}"#, false),
            (&eu, r#"{"region":"eu","region":null}"#, false),
            (&eu, r#"{"region":["eu"]}"#, false),
            (&eu, r#"{"region":null}"#, false),
            (&eu, "{}", false),
            (&eu, r#"{"Region":"eu"}"#, false),
            (&eu, r#"{"region":"eu""#, false),
            (&[], r#"{"region":"eu"}"#, false),
            (&[], r#"{"region":[]}"#, false),
            (&[], r#"{"region":null}"#, true),
            (&[], "{}", true),
            (&hello, r#"{"region":"Hello"}"#, true),
            (&hello, r#"{"region":"=?base64?SGVsbG8=?="}"#, false),
            (
                &[("Mcp-Param-Region", "=?base64?SGVsbG8?=")],
                r#"{"region":"Hello"}"#,
                false,
            ),
            (
                &[("Mcp-Param-Region", "SGVsbG8=")],
                r#"{"region":"SGVsbG8="}"#,
                true,
            ),
        ] {
            assert_eq!(check(Era::Modern, sent, written), agrees, "{written}");
            assert!(check(Era::Legacy, sent, written), "{written}");
        }
    }

    #[test]
    fn a_debug_text_has_no_headers_that_are_not_read() {
        let mirrored = Mirrored {
            arguments: &[("Authorization", "Bearer secret")],
            ..mirrored(Header::Absent)
        };
        let text = format!("{mirrored:?}");
        assert!(
            text.contains("version") && !text.contains("secret"),
            "{text}"
        );
    }

    #[test]
    fn initialize_answers_the_offered_version_or_the_newest() {
        assert_eq!(negotiate("2025-06-18"), "2025-06-18");
        assert_eq!(negotiate("2024-11-05"), "2025-11-25");
        assert_eq!(negotiate("2026-07-28"), "2025-11-25");
    }
}
