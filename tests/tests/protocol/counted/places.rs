//! The four places, and what each of them has to say.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::collector::Exported;
use crate::support::Era;

use super::Differences;
use super::kinds::{End, Kind, Planned, Token};
use super::sending::{Seen, Sent, trace_of};

/// Numbers of requests by some properties.
type Counts<K> = BTreeMap<K, u64>;

/// The numbers that the other places have to show, from the requests and the responses of the client.
#[derive(Default)]
pub(super) struct Expected {
    /// By method and outcome.
    pub(super) requests: Counts<(String, String)>,
    responses: Counts<String>,
    /// By kind, name and outcome.
    calls: Counts<(String, String, String)>,
    denials: Counts<String>,
    refusals: Counts<String>,
    refused_tokens: Counts<String>,
    accepted_tokens: u64,
    limited: u64,
    /// By method, name and outcome.
    decisions: Counts<(String, String, String)>,
    /// The requirements of denied calls.
    requirements: Counts<String>,
    sign_ins: Counts<String>,
}

impl Expected {
    pub(super) fn of(sent: &[Sent]) -> Self {
        let mut expected = Self::default();
        for one in sent {
            expected.add(one);
        }
        expected
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.values().sum()
    }

    fn add(&mut self, sent: &Sent) {
        let Planned { kind, .. } = sent.planned;
        assert!(sent.has_expected_form(), "{sent:?}");
        if let Some(outcome) = sent.request_outcome() {
            count(
                &mut self.requests,
                (sent.method().to_owned(), outcome.to_owned()),
            );
        }
        if let Some(seen) = sent.seen {
            count(&mut self.responses, seen.status.to_string());
            match (seen.status, kind.token) {
                (401, Token::None) => count(&mut self.refusals, "sign_in".to_owned()),
                (401, _) => count(&mut self.refusals, "invalid_token".to_owned()),
                (403, _) => count(&mut self.refusals, "more_scope".to_owned()),
                _ => {}
            }
        }
        match (kind.end, kind.token) {
            (End::SignIn(reason), Token::None) => count(&mut self.sign_ins, reason.to_owned()),
            (End::SignIn(reason), _) => {
                count(&mut self.sign_ins, reason.to_owned());
                count(&mut self.refused_tokens, reason.to_owned());
            }
            (_, Token::None) => {}
            (_, _) => self.accepted_tokens += 1,
        }
        if let (Some(outcome), Some((of, name))) = (sent.outcome(), kind.target) {
            let call = (of.to_owned(), name.to_owned(), outcome.to_owned());
            count(&mut self.calls, call);
            self.limited += u64::from(outcome == "limited");
        }
        if let Some((name, outcome)) = sent.decision() {
            let decision = (kind.method.to_owned(), name.to_owned(), outcome.to_owned());
            count(&mut self.decisions, decision);
        }
        if let Some(requirement) = kind.requirement() {
            count(&mut self.denials, requirement.to_owned());
            count(&mut self.requirements, requirement.to_owned());
        }
    }
}

impl Kind {
    fn requirement(&self) -> Option<&'static str> {
        match self.end {
            End::Denied(requirement) => Some(requirement),
            End::Rpc(Some("denied")) => Some("role"),
            _ => None,
        }
    }
}

impl Sent {
    /// The method, as metrics and spans name it.
    fn method(&self) -> &'static str {
        match (self.planned.kind.end, self.planned.kind.method) {
            (End::Malformed, _) | (_, "no/such/method") => "other",
            (_, method) => method,
        }
    }

    /// Whether the client saw what the kind has to see.
    fn has_expected_form(&self) -> bool {
        let Some(seen) = self.seen else {
            return self.planned.kind.end == End::Left;
        };
        let Seen {
            status,
            error,
            is_error,
        } = seen;
        let is_plain = status == 200 && error.is_none();
        match self.planned.kind.end {
            End::Ok => is_plain && !is_error,
            End::Accepted => status == 202,
            End::Denied("scope") if status == 403 => true,
            End::Tool(_) | End::Denied(_) => is_plain && is_error,
            End::Limited => is_plain,
            End::Malformed | End::Rpc(_) | End::Unknown => {
                status < 401 && error.is_some() || status == 404
            }
            End::SignIn(_) => status == 401,
            End::Left => false,
        }
    }

    /// The outcome of the message in the metrics. `None` if the server does not read the message.
    fn request_outcome(&self) -> Option<&'static str> {
        let kind = self.planned.kind;
        if !kind.is_read() {
            return None;
        }
        Some(match (self.seen, kind.end) {
            (None, _) => "cancelled",
            (_, End::Accepted) => "accepted",
            (
                Some(Seen {
                    status: 401 | 403, ..
                }),
                _,
            ) => "refused",
            (Some(Seen { error: Some(_), .. }), _) => "error",
            (Some(_), _) => "ok",
        })
    }

    /// The outcome of the call. `None` for a request that is no call.
    fn outcome(&self) -> Option<&'static str> {
        let Planned { kind, era, .. } = self.planned;
        kind.target?;
        Some(match kind.end {
            End::Ok => "allowed",
            End::Tool(outcome) | End::Rpc(Some(outcome)) => outcome,
            End::Denied(_) => "denied",
            End::Unknown => "unknown",
            End::Limited if self.seen?.is_error => "limited",
            End::Limited => "allowed",
            // The call of an older client ends without its client.
            End::Left if era == Era::Legacy => "allowed",
            End::Left => "cancelled",
            End::Accepted | End::Malformed | End::Rpc(None) | End::SignIn(_) => return None,
        })
    }

    /// The name and the outcome of the record in the audit log. `None` if the request has no record of its own.
    fn decision(&self) -> Option<(&'static str, &'static str)> {
        let kind = self.planned.kind;
        match (self.outcome(), kind.target) {
            (Some("unknown"), _) => Some(("", "unknown")),
            (Some(outcome), Some((_, name))) => Some((name, outcome)),
            _ if kind.method.ends_with("/list") && kind.end == End::Ok => Some(("", "allowed")),
            _ => None,
        }
    }

    /// The name of the span.
    fn span_name(&self) -> String {
        let kind = self.planned.kind;
        match (kind.end, kind.target) {
            (End::Malformed, _) => "POST /mcp".to_owned(),
            _ if !kind.is_read() => "POST /mcp".to_owned(),
            (End::Unknown, _) | (_, None | Some(("resource", _))) => self.method().to_owned(),
            (_, Some((_, name))) => format!("{} {name}", self.method()),
        }
    }

    /// The attribute `error.type` of the span.
    fn error_type(&self) -> Option<String> {
        let seen = self.seen?;
        match seen.error {
            // A refusal has the status as its code, and is no error of the server.
            Some(_) if [401, 403].contains(&seen.status) => None,
            Some(code) => Some(code.to_string()),
            None => seen.is_error.then(|| "tool_error".to_owned()),
        }
    }
}

/// The metrics of the server.
pub(super) struct Scraped {
    series: Vec<(String, BTreeMap<String, String>, u64)>,
}

impl Scraped {
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            let labels = labels.trim_end_matches('}').split("\",");
            let labels = labels.filter_map(|label| label.split_once("=\""));
            let labels = labels
                .map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned()));
            Some((name.to_owned(), labels.collect(), value.parse().ok()?))
        });
        Self {
            series: series.collect(),
        }
    }

    /// The series of a metric that are not 0, by the values of these labels.
    fn by<const N: usize>(&self, metric: &str, labels: [&str; N]) -> Counts<[String; N]> {
        let of_metric = self
            .series
            .iter()
            .filter(|(name, _, value)| name == metric && *value > 0);
        let keyed =
            of_metric.map(|(_, found, value)| (labels.map(|label| found[label].clone()), *value));
        keyed.collect()
    }

    fn one(&self, metric: &str) -> u64 {
        self.by(metric, []).get(&[]).copied().unwrap_or_default()
    }

    /// The number of messages whose clients left.
    pub(super) fn cancelled(&self) -> u64 {
        let requests = self.by("mcp_auth_requests_total", ["outcome", "method"]);
        let cancelled = requests
            .iter()
            .filter(|([outcome, _], _)| outcome == "cancelled");
        cancelled.map(|(_, count)| count).sum()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.one("mcp_auth_calls_in_flight") == 0
    }

    /// The number of calls that ended.
    pub(super) fn calls(&self) -> u64 {
        let calls = self.by("mcp_auth_calls_total", ["kind", "name", "outcome"]);
        calls.values().sum()
    }

    pub(super) fn compare(&self, expected: &Expected, differences: &mut Differences) {
        let mut same = |what: &str, sent: Counts<Vec<String>>, found: Counts<Vec<String>>| {
            compare(differences, "metrics", what, &sent, &found);
        };
        let requests = self.by("mcp_auth_requests_total", ["method", "outcome"]);
        same("requests", pairs(&expected.requests), keys(requests));
        let responses = self.by("mcp_auth_http_responses_total", ["status"]);
        same("responses", ones(&expected.responses), keys(responses));
        let calls = self.by("mcp_auth_calls_total", ["kind", "name", "outcome"]);
        same("calls", triples(&expected.calls), keys(calls));
        let denials = self.by("mcp_auth_denials_total", ["requirement"]);
        same("denials", ones(&expected.denials), keys(denials));
        let refusals = self.by("mcp_auth_refusals_total", ["reason"]);
        same("refusals", ones(&expected.refusals), keys(refusals));
        let refused = self.by("mcp_auth_tokens_refused_total", ["reason"]);
        same(
            "refused tokens",
            ones(&expected.refused_tokens),
            keys(refused),
        );
        let limits = self.by("mcp_auth_limits_hit_total", ["limit"]);
        let limited = BTreeMap::from([(vec!["rates".to_owned()], expected.limited)]);
        same("limits", limited, keys(limits));
        let verified = self.by("mcp_auth_token_verifications_total", ["result"]);
        let of = |results: &[&str]| {
            let found = verified
                .iter()
                .filter(|([result], _)| results.contains(&result.as_str()));
            found.map(|(_, count)| count).sum::<u64>()
        };
        let refused: u64 = expected.refused_tokens.values().sum();
        differences.compare(
            "metrics",
            "accepted tokens",
            &expected.accepted_tokens,
            &of(&["accepted", "cached"]),
        );
        differences.compare("metrics", "refused tokens", &refused, &of(&["refused"]));
        differences.compare(
            "metrics",
            "tokens",
            &(expected.accepted_tokens + refused),
            &verified.values().sum(),
        );
        let lost: u64 = self
            .by("mcp_auth_spans_lost_total", ["reason"])
            .values()
            .sum();
        differences.compare("metrics", "lost spans", &0, &lost);
    }
}

/// The records of the audit log.
pub(super) struct Audited {
    records: Vec<Value>,
}

impl Audited {
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines();
        let records = lines.map(|line| serde_json::from_str(line).unwrap());
        Self {
            records: records.collect(),
        }
    }

    pub(super) fn compare(
        &self,
        expected: &Expected,
        sent: &[Sent],
        differences: &mut Differences,
    ) {
        let (mut decisions, mut requirements, mut sign_ins) =
            (Counts::new(), Counts::new(), Counts::new());
        let mut traced = BTreeMap::<String, Vec<String>>::new();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for record in &self.records {
            match record["event"].as_str() {
                Some("decision") => {
                    let (method, outcome) = (text(&record["method"]), text(&record["outcome"]));
                    let key = vec![method, text(&record["primitive"]["name"]), outcome.clone()];
                    count(&mut decisions, key);
                    if let Some(requirement) = record["requirement"]["kind"].as_str() {
                        count(&mut requirements, vec![requirement.to_owned()]);
                    }
                    traced
                        .entry(text(&record["trace_id"]))
                        .or_default()
                        .push(outcome);
                }
                Some("sign_in_refused") => {
                    let number = record["count"].as_u64().unwrap();
                    *sign_ins.entry(vec![text(&record["reason"])]).or_default() += number;
                }
                other => panic!("{other:?} in {record}"),
            }
        }
        compare(
            differences,
            "audit",
            "decisions",
            &triples(&expected.decisions),
            &decisions,
        );
        compare(
            differences,
            "audit",
            "requirements",
            &ones(&expected.requirements),
            &requirements,
        );
        compare(
            differences,
            "audit",
            "sign-ins",
            &ones(&expected.sign_ins),
            &sign_ins,
        );
        for one in sent {
            let wanted: Vec<_> = one
                .decision()
                .into_iter()
                .map(|(_, outcome)| outcome)
                .collect();
            let found = traced
                .get(&trace_of(one.planned.number))
                .cloned()
                .unwrap_or_default();
            let what = one.planned.kind.about(one);
            differences.compare(
                "audit",
                &what,
                &format!("{wanted:?}"),
                &format!("{found:?}"),
            );
        }
    }
}

/// Compares each span with the request of its trace.
pub(super) fn compare_spans(spans: &[Exported], sent: &[Sent], differences: &mut Differences) {
    differences.compare("spans", "all", &sent.len(), &spans.len());
    let mut traced = BTreeMap::<String, Vec<String>>::new();
    for span in spans {
        let shown = shown(
            &span.span.name,
            span.attribute("mcp_auth.outcome"),
            span.attribute("http.response.status_code"),
            span.attribute("error.type"),
            span.is_error(),
        );
        traced.entry(span.trace_id()).or_default().push(shown);
    }
    for one in sent {
        let status = one.seen.map(|seen| seen.status.to_string());
        let error = one.error_type();
        let wanted = shown(
            &one.span_name(),
            one.outcome(),
            status.as_deref(),
            error.as_deref(),
            error.is_some(),
        );
        let found = traced
            .get(&trace_of(one.planned.number))
            .cloned()
            .unwrap_or_default();
        let what = one.planned.kind.about(one);
        differences.compare("spans", &what, &wanted, &found.join(" and "));
    }
}

impl Kind {
    fn about(&self, sent: &Sent) -> String {
        let Planned { era, number, .. } = sent.planned;
        format!(
            "{number} {era:?} {} {} {:?}",
            self.method, self.name, self.end
        )
    }
}

fn shown(
    name: &str,
    outcome: Option<&str>,
    status: Option<&str>,
    error: Option<&str>,
    is_error: bool,
) -> String {
    format!("{name}, outcome {outcome:?}, status {status:?}, error {error:?} {is_error}")
}

fn count<K: Ord>(counts: &mut Counts<K>, key: K) {
    *counts.entry(key).or_default() += 1;
}

fn ones(counts: &Counts<String>) -> Counts<Vec<String>> {
    let keyed = counts
        .iter()
        .map(|(key, count)| (vec![key.clone()], *count));
    keyed.collect()
}

fn pairs(counts: &Counts<(String, String)>) -> Counts<Vec<String>> {
    let keyed = counts.iter();
    let keyed = keyed.map(|((a, b), count)| (vec![a.clone(), b.clone()], *count));
    keyed.collect()
}

fn triples(counts: &Counts<(String, String, String)>) -> Counts<Vec<String>> {
    let keyed = counts.iter();
    let keyed = keyed.map(|((a, b, c), count)| (vec![a.clone(), b.clone(), c.clone()], *count));
    keyed.collect()
}

fn keys<const N: usize>(counts: Counts<[String; N]>) -> Counts<Vec<String>> {
    counts
        .into_iter()
        .map(|(key, count)| (key.to_vec(), count))
        .collect()
}

fn compare(
    differences: &mut Differences,
    place: &str,
    what: &str,
    sent: &Counts<Vec<String>>,
    found: &Counts<Vec<String>>,
) {
    let mut all: Vec<_> = sent.keys().chain(found.keys()).collect();
    all.sort_unstable();
    all.dedup();
    for key in all {
        let of = |counts: &Counts<Vec<String>>| counts.get(key).copied().unwrap_or_default();
        differences.compare(
            place,
            &format!("{what}: {}", key.join(" ")),
            &of(sent),
            &of(found),
        );
    }
}
