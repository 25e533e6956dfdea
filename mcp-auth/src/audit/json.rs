//! Writes records as JSON.
//!
//! The text is the text of serde_json. Every call of a server with an audit log has a record, and serde_json takes three
//! times as many instructions for it.

use std::io::Write;

use serde::Serialize;

use crate::json_string::escape;

use super::record::{AuditFact, AuditFacts, AuditRecord, FactSource};

/// Returns a record as JSON, in one line without a line break.
pub(super) fn of(record: &AuditRecord) -> String {
    // A field that is not named here is a compile error.
    let AuditRecord {
        v,
        time,
        event,
        outcome,
        method,
        primitive,
        guard,
        requirement,
        reason,
        subject,
        actor,
        client,
        token,
        organization,
        facts,
        arguments,
        duration_us,
        request,
        trace_id,
        count,
    } = record;
    let mut line = Line(Vec::with_capacity(USUAL_LEN));
    line.number(r#"{"v":"#, Some(u64::from(*v)));
    line.text(r#","time":""#, Some(time));
    line.text(r#","event":""#, Some(event.name()));
    line.text(r#","outcome":""#, outcome.map(|outcome| outcome.name()));
    line.text(r#","method":""#, *method);
    if let Some(primitive) = primitive {
        line.text(r#","primitive":{"kind":""#, Some(primitive.kind));
        line.text(r#","name":""#, primitive.name.as_deref());
        line.0.push(b'}');
    }
    line.text(r#","guard":""#, guard.as_deref());
    if let Some(requirement) = requirement {
        line.0.extend_from_slice(br#","requirement":"#);
        line.json(requirement);
    }
    line.text(r#","reason":""#, reason.as_deref());
    line.text(r#","subject":""#, subject.as_deref());
    line.text(r#","actor":""#, actor.as_deref());
    line.text(r#","client":""#, client.as_deref());
    line.text(r#","token":""#, *token);
    line.text(r#","organization":""#, organization.as_deref());
    if let Some(facts) = facts {
        let AuditFacts {
            caller,
            organization,
            membership,
        } = facts;
        line.fact(r#","facts":{"caller":{"from":""#, Some(caller));
        line.text(r#","organization":""#, organization.map(FactSource::name));
        line.fact(r#","membership":{"from":""#, membership.as_ref());
        line.0.push(b'}');
    }
    line.text(r#","arguments":""#, arguments.as_deref());
    line.number(r#","duration_us":"#, *duration_us);
    line.text(r#","request":""#, request.as_deref());
    line.text(r#","trace_id":""#, trace_id.as_deref());
    line.number(r#","count":"#, *count);
    line.0.push(b'}');
    String::from_utf8(line.0).unwrap_or_default()
}

struct Line(Vec<u8>);

impl Line {
    /// Writes a member with a text. `member` ends with the quotation mark that opens the text.
    fn text(&mut self, member: &'static str, text: Option<&str>) {
        let Some(text) = text else { return };
        self.0.extend_from_slice(member.as_bytes());
        escape(&mut self.0, text);
        self.0.push(b'"');
    }

    fn number(&mut self, member: &'static str, number: Option<u64>) {
        if let Some(number) = number {
            self.0.extend_from_slice(member.as_bytes());
            // A write to memory cannot fail.
            let _ = write!(self.0, "{number}");
        }
    }

    /// Writes a member with a fact. `member` ends with the quotation mark that opens the source of the fact.
    fn fact(&mut self, member: &'static str, fact: Option<&AuditFact>) {
        if let Some(AuditFact { from, age_ms }) = fact {
            self.text(member, Some(from.name()));
            self.number(r#","age_ms":"#, *age_ms);
            self.0.push(b'}');
        }
    }

    fn json(&mut self, value: &impl Serialize) {
        // All keys of maps in a record are text, so a record can always be written.
        let _ = serde_json::to_writer(&mut self.0, value);
    }
}

/// A length that most records do not exceed, in bytes.
const USUAL_LEN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::super::record::{AuditEvent, AuditOutcome, AuditPrimitive, AuditRequirement};
    use super::*;

    fn is_as_serde_writes_it(record: &AuditRecord) {
        assert_eq!(of(record), serde_json::to_string(record).unwrap());
    }

    #[test]
    fn the_text_is_that_of_serde() {
        let empty = AuditRecord::new(String::new(), AuditEvent::Lost);
        is_as_serde_writes_it(&empty);
        let texts = [
            "plain",
            "",
            "a \"quote\"",
            "a\\b",
            "\n\u{0}\u{1f}",
            "ü\u{7f}\u{2028}",
        ];
        for (number, text) in (0_u64..).zip(texts) {
            let some = || Some(text.to_owned());
            let fact = AuditFact::new(Some(std::time::Duration::from_millis(number)));
            let membership = (number > 0).then_some(fact);
            is_as_serde_writes_it(&AuditRecord {
                outcome: Some(AuditOutcome::TimedOut),
                method: Some("tools/call"),
                primitive: Some(AuditPrimitive::new("tool", some())),
                guard: some(),
                requirement: Some(AuditRequirement::new("scope", Vec::from_iter(some()))),
                reason: some(),
                subject: some(),
                actor: some(),
                client: some(),
                token: Some("oauth"),
                organization: some(),
                facts: Some(AuditFacts::new(
                    fact,
                    Some(FactSource::OnlyMembership),
                    membership,
                )),
                arguments: some(),
                duration_us: Some(number),
                request: some(),
                trace_id: some(),
                count: Some(u64::MAX - number),
                ..AuditRecord::new(text.to_owned(), AuditEvent::SignInRefused)
            });
        }
        is_as_serde_writes_it(&AuditRecord {
            primitive: Some(AuditPrimitive::new("tool", None)),
            ..empty
        });
    }

    #[test]
    fn every_event_and_every_source_has_the_name_that_serde_writes() {
        for event in [
            AuditEvent::Decision,
            AuditEvent::Lost,
            AuditEvent::SignInRefused,
        ] {
            is_as_serde_writes_it(&AuditRecord::new(String::new(), event));
        }
        let by_token = AuditFact::new(None);
        for source in [
            FactSource::LookUp,
            FactSource::OnlyMembership,
            FactSource::Token,
            FactSource::Url,
        ] {
            is_as_serde_writes_it(&AuditRecord {
                facts: Some(AuditFacts::new(by_token, Some(source), None)),
                ..AuditRecord::new(String::new(), AuditEvent::Decision)
            });
        }
    }

    #[test]
    fn every_outcome_has_the_name_that_serde_writes() {
        use AuditOutcome as Of;

        for outcome in [
            Of::Allowed,
            Of::Asked,
            Of::Cancelled,
            Of::Declined,
            Of::Denied,
            Of::Failed,
            Of::Invalid,
            Of::Limited,
            Of::Panicked,
            Of::TimedOut,
            Of::Unauthenticated,
            Of::Unavailable,
            Of::Unknown,
        ] {
            is_as_serde_writes_it(&AuditRecord {
                outcome: Some(outcome),
                ..AuditRecord::new(String::new(), AuditEvent::Decision)
            });
        }
    }
}
