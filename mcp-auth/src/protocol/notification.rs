//! Writes the notifications that a running function sends to the client.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::primitive::{ClientMessage, LogLevel};

use super::envelope::Meta;
use super::era::Era;
use super::error::RpcError;

/// The messages that a request asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    /// The progress token, as written in the body.
    pub(super) token: Option<&'a str>,
    /// The log level that a modern request names.
    pub(super) level: Option<LogLevel>,
}

impl<'a> Asked<'a> {
    /// Reads which messages a request asks for.
    ///
    /// # Errors
    ///
    /// [`RpcError::Malformed`] if the progress token is neither a string nor a number, or if the level is
    /// unknown.
    pub(super) fn of(meta: &Meta<'a>, era: Era) -> Result<Self, RpcError> {
        let token = meta.progress_token();
        if token.is_some_and(|token| !is_token(token)) {
            return Err(RpcError::Malformed(
                "`progressToken` must be a string or a number, of at most 1024 bytes",
            ));
        }
        let level = match (era, meta.log_level()) {
            (Era::Legacy, _) | (Era::Modern, None) => None,
            (Era::Modern, Some(name)) => {
                let level = LogLevel::of(&name).ok_or(RpcError::Malformed(UNKNOWN_LEVEL))?;
                Some(level)
            }
        };
        Ok(Self { token, level })
    }
}

/// Writes a notification. `token` is the progress token, as written in the body.
pub(super) fn written(message: &ClientMessage, token: Option<&str>) -> Vec<u8> {
    let notification = match message {
        // `Close` ends the connection of a session's stream. It is no message.
        ClientMessage::Close => return Vec::new(),
        ClientMessage::Progress(progress) => Notification::new(
            "notifications/progress",
            Params::Progress {
                progress_token: token.and_then(|token| serde_json::from_str(token).ok()),
                progress: number(progress.done),
                total: progress.total.map(number),
                message: progress.message.as_deref(),
            },
        ),
        ClientMessage::Log(log) => Notification::new(
            "notifications/message",
            Params::Log {
                level: log.level.as_str(),
                logger: log.logger.as_deref(),
                data: serde_json::from_str(&log.data).ok(),
            },
        ),
    };
    // The server itself makes this value, so it can always be written as JSON.
    serde_json::to_vec(&notification).unwrap_or_default()
}

#[derive(Serialize)]
struct Notification<'a> {
    jsonrpc: &'static str,
    method: &'static str,
    params: Params<'a>,
}

impl<'a> Notification<'a> {
    fn new(method: &'static str, params: Params<'a>) -> Self {
        Self {
            jsonrpc: "2.0",
            method,
            params,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Params<'a> {
    #[serde(rename_all = "camelCase")]
    Progress {
        progress_token: Option<&'a RawValue>,
        progress: serde_json::Number,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<serde_json::Number>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    },
    Log {
        level: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        logger: Option<&'a str>,
        data: Option<&'a RawValue>,
    },
}

/// Returns a whole number without a fraction: `3`, not `3.0`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the number is whole, and within the range"
)]
fn number(value: f64) -> serde_json::Number {
    if value.fract() == 0.0 && value.abs() < MOST_EXACT {
        return (value as i64).into();
    }
    serde_json::Number::from_f64(value).unwrap_or_else(|| 0.into())
}

/// Returns true for a string or a number (MCP 2026-07-28, basic/patterns/progress). The length is
/// limited, because each notification repeats the token.
fn is_token(raw: &str) -> bool {
    let starts = |first: u8| first == b'"' || first == b'-' || first.is_ascii_digit();
    raw.len() <= 1024 && raw.bytes().next().is_some_and(starts)
}

/// The message of the error for an unknown level.
pub(super) const UNKNOWN_LEVEL: &str = "the log level must be `debug`, `info`, `notice`, `warning`, `error`, `critical`, `alert` or `emergency`";

/// 2⁵³. A larger float may differ from the number that the function meant.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::primitive::{LogMessage, Progress};

    fn value(message: &ClientMessage, token: Option<&str>) -> Value {
        let text = String::from_utf8(written(message, token)).unwrap();
        assert!(!text.contains('\n'));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn progress_has_the_token_of_the_client_and_whole_numbers() {
        let progress = |done, total, message: Option<&str>| {
            ClientMessage::Progress(Progress {
                done,
                total,
                message: message.map(str::to_owned),
            })
        };
        for (token, expected) in [
            (r#""a\u0062""#, json!("ab")),
            ("7", json!(7)),
            ("-1.5", json!(-1.5)),
        ] {
            let written = value(&progress(3.0, Some(10.0), Some("two\nlines")), Some(token));
            assert_eq!(written["method"], "notifications/progress");
            assert_eq!(
                written["params"],
                json!({ "progressToken": expected, "progress": 3, "total": 10, "message": "two\nlines" })
            );
        }
        let written = value(&progress(0.5, None, None), Some("1"));
        assert_eq!(
            written["params"],
            json!({ "progressToken": 1, "progress": 0.5 })
        );
    }

    #[test]
    fn a_log_message_has_its_data_unchanged() {
        let log = |logger: Option<&str>, data: &str| {
            ClientMessage::Log(LogMessage {
                level: LogLevel::Notice,
                logger: logger.map(str::to_owned),
                data: data.to_owned(),
            })
        };
        let written = value(&log(Some("db"), r#"{"rows":[1,null]}"#), None);
        assert_eq!(written["method"], "notifications/message");
        assert_eq!(
            written["params"],
            json!({ "level": "notice", "logger": "db", "data": { "rows": [1, null] } })
        );
        let written = value(&log(None, r#""done""#), None);
        assert_eq!(
            written["params"],
            json!({ "level": "notice", "data": "done" })
        );
    }

    #[test]
    fn a_token_is_a_string_or_a_number() {
        for token in [r#""x""#, "0", "-1", "1.5", r#""""#] {
            assert!(is_token(token), "{token}");
        }
        let long = format!(r#""{}""#, "x".repeat(1023));
        for no_token in ["{}", "[1]", "true", "null", "", &long] {
            assert!(!is_token(no_token), "{no_token}");
        }
    }
}
