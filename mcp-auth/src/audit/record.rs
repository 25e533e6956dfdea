//! The form of a record.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use super::json;

/// A record of the audit log. `docs/audit.md` describes each field, and [`json_schema`](Self::json_schema) returns the
/// schema of the JSON form.
///
/// A record contains neither arguments nor tokens, and no name of a tool, a prompt or a resource that does not exist.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditRecord {
    /// The version of the form. A later release may add fields to version 1, but never changes or removes a field of version 1.
    #[schemars(range(min = 1, max = 1))]
    pub v: u32,
    /// The time at which the decision or the call ended, in UTC: `2026-11-29T14:41:06.123Z`.
    pub time: String,
    /// The subject of the record.
    pub event: AuditEvent,
    /// The outcome of the decision and of the call. Absent in a record about lost records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AuditOutcome>,
    /// The method of MCP, such as `tools/call`. `other` stands for a method that uses no tool, no prompt and no resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// The tool, the prompt or the resource. Absent in a record about a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primitive: Option<AuditPrimitive>,
    /// The guard that the server checked, and `authorize`. The guard includes the requirements of modules and of
    /// injected parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// The requirement that was not met. Absent unless the outcome is `denied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<AuditRequirement>,
    /// The reason of an outcome other than `allowed`, as in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The subject of the token: a user (`user_…`), a machine (`mch_…`) or an organization. Absent without a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The subject of the person who acts in the user's name. `unknown` if the token does not name that person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The id of the OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The kind of token: `oauth`, `session`, `m2m` or `api_key`. Absent without a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<&'static str>,
    /// The id of the organization in which the caller acts. Absent if the caller acts in no organization, or if the decision did
    /// not need an organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Where the facts of the decision came from. Absent without a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<AuditFacts>,
    /// The keyed digest of the arguments: `hmac-sha256:<id of the key>:<digest in Base64url>`. Absent if the request has no
    /// arguments, and for a request that was refused before its arguments were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// The time from the beginning of the decision to the end of the call, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// The error id, which is also in the log, and in the response if the function failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The trace id of the request's W3C trace context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The number of events for which the record stands: refused sign-ins, or lost records. Absent in other records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// The subject of a record.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditEvent {
    /// A decision about a tool, a prompt, a resource or a list. If the decision allowed a call, the record covers that call
    /// too.
    Decision,
    /// Records that were lost because the queue was full.
    Lost,
    /// Requests that were refused because they have no token, or a token that is not accepted.
    SignInRefused,
}

/// The outcome of a decision and of the call that it allowed.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditOutcome {
    /// The call was allowed, and the function returned a result.
    Allowed,
    /// The call was allowed, and the function asked questions. The call with the answers has a record of its own.
    Asked,
    /// The call was dropped before it ended, for example because the client closed the connection.
    Cancelled,
    /// The call was allowed, and the person declined or closed a question of the function.
    Declined,
    /// A requirement was not met.
    Denied,
    /// The call was allowed and failed.
    Failed,
    /// The arguments do not fit the schema or break its rules, so the function did not run.
    Invalid,
    /// A limit refused the call.
    Limited,
    /// The function panicked.
    Panicked,
    /// The function ran longer than its time-out.
    TimedOut,
    /// The request needs a token, and has no token.
    Unauthenticated,
    /// The data for the decision could not be looked up.
    Unavailable,
    /// The tool, the prompt, the resource or the task does not exist.
    Unknown,
}

impl AuditEvent {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Lost => "lost",
            Self::SignInRefused => "sign_in_refused",
        }
    }
}

impl AuditOutcome {
    /// Returns the name, which the log, the metrics and the span of a request have too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Asked => "asked",
            Self::Cancelled => "cancelled",
            Self::Declined => "declined",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Limited => "limited",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
    }
}

/// A tool, a prompt or a resource.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditPrimitive {
    /// `tool`, `prompt`, `resource` or `task`.
    pub kind: &'static str,
    /// The declared name of a tool or a prompt, or the URI or the template of a resource. Absent if the name does not exist,
    /// because a caller chose that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A requirement that was not met.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditRequirement {
    /// The kind, such as `permission`, `scope` or `organization`.
    pub kind: &'static str,
    /// The names, such as `org:documents:delete`. Empty if the kind has no names. Each alternative of a choice is one name.
    pub names: Vec<String>,
}

/// Where the facts of a decision came from.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditFacts {
    /// The source of the caller and the scopes: `token` for a JWT, whose signature the server verified, and `look_up` for an
    /// opaque token.
    pub caller: AuditFact,
    /// The source of the organization's id: the `token`, the `url`, or the user's `only_membership`. Absent without an
    /// organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<FactSource>,
    /// The source of the role and the permissions. Absent without an organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub membership: Option<AuditFact>,
}

/// Where a fact came from.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditFact {
    /// `token` or `look_up`.
    pub from: FactSource,
    /// The age of the look-up when the decision ended, in milliseconds. Absent for a fact from the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
}

/// The source of a fact.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FactSource {
    /// A look-up at the identity provider.
    LookUp,
    /// The only organization of which the user is a member.
    OnlyMembership,
    /// The verified token.
    Token,
    /// The query of the request's URL. A membership proves that the caller may act in the organization.
    Url,
}

impl FactSource {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LookUp => "look_up",
            Self::OnlyMembership => "only_membership",
            Self::Token => "token",
            Self::Url => "url",
        }
    }
}

impl AuditRecord {
    /// Makes a record that has no facts.
    pub(crate) fn new(time: String, event: AuditEvent) -> Self {
        Self {
            v: VERSION,
            time,
            event,
            outcome: None,
            method: None,
            primitive: None,
            guard: None,
            requirement: None,
            reason: None,
            subject: None,
            actor: None,
            client: None,
            token: None,
            organization: None,
            facts: None,
            arguments: None,
            duration_us: None,
            request: None,
            trace_id: None,
            count: None,
        }
    }

    pub(super) fn sign_in_refused(time: String, reason: &str, count: u64) -> Self {
        Self {
            outcome: Some(AuditOutcome::Unauthenticated),
            reason: Some(reason.to_owned()),
            count: Some(count),
            ..Self::new(time, AuditEvent::SignInRefused)
        }
    }

    pub(super) fn lost(time: String, count: u64) -> Self {
        Self {
            reason: Some("the queue was full".to_owned()),
            count: Some(count),
            ..Self::new(time, AuditEvent::Lost)
        }
    }

    /// Returns the record as JSON, in one line without a line break.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::of(self)
    }

    /// Returns the JSON schema of a record.
    ///
    /// ```
    /// let schema = mcp_auth::AuditRecord::json_schema();
    /// assert_eq!(schema.get("title").unwrap(), "AuditRecord");
    /// ```
    #[must_use]
    pub fn json_schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}

impl AuditPrimitive {
    pub(crate) fn new(kind: &'static str, name: Option<String>) -> Self {
        Self { kind, name }
    }
}

impl AuditRequirement {
    pub(crate) fn new(kind: &'static str, names: Vec<String>) -> Self {
        Self { kind, names }
    }
}

impl AuditFacts {
    pub(crate) fn new(
        caller: AuditFact,
        organization: Option<FactSource>,
        membership: Option<AuditFact>,
    ) -> Self {
        Self {
            caller,
            organization,
            membership,
        }
    }
}

impl AuditFact {
    /// Makes the source of a fact: a look-up of this age, or the token if there is no age.
    pub(crate) fn new(age: Option<Duration>) -> Self {
        let age_ms = age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        Self {
            from: age.map_or(FactSource::Token, |_| FactSource::LookUp),
            age_ms,
        }
    }
}

/// Writes a time in milliseconds since 1970 as `2026-11-29T14:41:06.123Z`.
pub(crate) fn timestamp(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).ok();
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    let ms = u16::try_from(unix_ms % 1_000).unwrap_or_default();
    let year = u16::try_from(date.year()).unwrap_or_default();
    let (month, day) = (u16::from(u8::from(date.month())), u16::from(date.day()));
    let mut text = String::with_capacity(TIMESTAMP_LEN);
    for (number, digits, end) in [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (u16::from(hour), 2, ':'),
        (u16::from(minute), 2, ':'),
        (u16::from(second), 2, '.'),
        (ms, 3, 'Z'),
    ] {
        write_digits(&mut text, number, digits);
        text.push(end);
    }
    text
}

/// Writes the last digits of a number. Every record has a time, and `format!` would take many times as long.
fn write_digits(text: &mut String, number: u16, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u16.pow(place) % 10;
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or_default()));
    }
}

/// The length of `2026-11-29T14:41:06.123Z`.
const TIMESTAMP_LEN: usize = 24;
const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_824_000_007, "2026-11-28T00:00:00.007Z"),
            (1_795_963_266_120, "2026-11-29T14:41:06.120Z"),
        ] {
            assert_eq!(timestamp(ms), text);
        }
    }
}
