//! Turns a decision into a record of the audit log.

use std::time::Duration;

use crate::audit::{
    AuditEvent, AuditFact, AuditFacts, AuditPrimitive, AuditRecord, AuditRequirement, FactSource,
    Room,
};
use crate::guard::Denied;
use crate::identity::{Acting, Caller, NamedBy, Org};
use crate::primitive::{LogName, Served};

use super::decisions::{About, Decision, Who};

/// The facts about a decision that only the audit log needs. A decision has these facts only if the server has an audit log.
#[derive(Debug, Default)]
pub(super) struct Audited {
    /// The digest of the arguments.
    pub(super) arguments: Option<String>,
    pub(super) trace_id: Option<String>,
    /// The source of the organization. `None` if the decision did not look for an organization.
    named_by: Option<NamedBy>,
    /// The uptime at which the membership was looked up.
    looked_up: Option<Duration>,
    /// The room that is reserved for the record in the queues.
    pub(super) room: Option<Room>,
}

impl Audited {
    /// The facts about a request that names no primitive.
    pub(super) fn traced(trace_id: Option<String>) -> Self {
        Self {
            trace_id,
            ..Self::default()
        }
    }

    pub(super) fn acts_in(&mut self, acting: &Acting) {
        self.named_by = Some(acting.named_by);
        self.looked_up = acting.looked_up;
    }
}

/// Returns the record of a decision that ended at the time `now` and the uptime `uptime`.
pub(super) fn record(
    decision: &Decision<'_>,
    audited: &mut Audited,
    now: String,
    uptime: Duration,
) -> AuditRecord {
    let who = decision.caller.map(|caller| Who::of(Some(caller)));
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    AuditRecord {
        outcome: Some(decision.outcome),
        method: Some(decision.method.name()),
        primitive: decision.about.primitive(),
        guard: decision
            .about
            .served()
            .map(|served| served.access_text().to_owned()),
        requirement: decision.cause.denied.map(requirement),
        reason: decision.cause.reason.map(str::to_owned),
        subject: who.as_ref().and_then(|who| text(who.subject)),
        actor: who.as_ref().and_then(|who| text(who.actor?)),
        client: who.as_ref().and_then(|who| text(who.client)),
        token: who.as_ref().and_then(|who| who.token),
        organization: decision.org.map(|org| org.id().to_owned()),
        facts: decision
            .caller
            .map(|caller| facts(caller, decision.org, audited, uptime)),
        arguments: audited.arguments.take(),
        duration_us: decision
            .since
            .map(|since| micros(uptime.saturating_sub(since))),
        request: decision.cause.request.map(|request| request.to_string()),
        trace_id: audited.trace_id.take(),
        ..AuditRecord::new(now, AuditEvent::Decision)
    }
}

fn facts(caller: &Caller, org: Option<&Org>, audited: &Audited, uptime: Duration) -> AuditFacts {
    let fact = |looked_up: Option<Duration>| {
        AuditFact::new(looked_up.map(|since| uptime.saturating_sub(since)))
    };
    let organization = org.and(audited.named_by).map(|named_by| match named_by {
        // Without another source, the organization comes from the token.
        NamedBy::Nobody { .. } | NamedBy::Token => FactSource::Token,
        NamedBy::OnlyMembership { .. } => FactSource::OnlyMembership,
        NamedBy::UrlQuery => FactSource::Url,
    });
    let has_membership = org.is_some() || audited.looked_up.is_some();
    AuditFacts::new(
        fact(caller.verified().confirmed_at()),
        organization,
        has_membership.then(|| fact(audited.looked_up)),
    )
}

fn requirement(denied: &Denied) -> AuditRequirement {
    let names = denied.names().into_iter();
    AuditRequirement::new(denied.kind(), names.map(Into::into).collect())
}

impl<'a> About<'a> {
    fn served(self) -> Option<&'a Served> {
        match self {
            Self::Served(served) => Some(served),
            Self::Request | Self::Unknown(_) => None,
        }
    }

    fn primitive(self) -> Option<AuditPrimitive> {
        let (kind, name) = match self {
            Self::Request => return None,
            Self::Served(served) => match served.log_name() {
                LogName {
                    prompt: Some(name), ..
                } => ("prompt", Some(name)),
                LogName {
                    resource: Some(name),
                    ..
                } => ("resource", Some(name)),
                LogName { tool, .. } => ("tool", tool),
            },
            Self::Unknown(kind) => (kind.name(), None),
        };
        Some(AuditPrimitive::new(kind, name.map(str::to_owned)))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
