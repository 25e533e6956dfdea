//! Explains the cells of an access matrix.

use crate::guard::{Explained, ExplainedDecision, Explanation, NotAuthorized, supposed};
use crate::identity::NamedBy;
use crate::primitive::PrimitiveKind;

use super::sample_caller::SampleCaller;
use super::{AccessMatrix, Item, POLICIES_ALLOW, POLICIES_DENY};

impl AccessMatrix {
    /// Explains why a sample caller may or may not use a tool, a prompt or a resource. `name` is the name of the tool or the
    /// prompt, or the URI or the template of the resource. `None` if the server has nothing with this name.
    ///
    /// The matrix shows the same decision. The caller's OAuth token has the scopes that the server requires of every
    /// request, as in the matrix. The server evaluates no policy.
    #[must_use]
    pub fn explain(&self, caller: &SampleCaller, name: &str) -> Option<Explanation> {
        let mut items = self.items().iter();
        let item = items.find(|item| item.name == name)?;
        Some(self.explain_item(caller, item))
    }

    /// Explains the decisions about everything that the server has.
    pub(in crate::server) fn explain_all(&self, caller: &SampleCaller) -> Vec<Explanation> {
        let items = self.items().iter();
        items.map(|item| self.explain_item(caller, item)).collect()
    }

    fn explain_item(&self, caller: &SampleCaller, item: &Item) -> Explanation {
        let guard = &item.access.guard;
        let decided = |policies| {
            self.supposing(caller, policies, |token, organization| {
                supposed(guard, token, organization, &self.server_scopes)
            })
        };
        // Decide as if every policy denied the caller, and as if every policy allowed the caller. The second denial, if there
        // is one, has a cause other than a policy.
        let (least, most) = (decided(POLICIES_DENY), decided(POLICIES_ALLOW));
        let mut explanation = self.supposing(caller, POLICIES_DENY, |token, organization| {
            let facts = Explained {
                caller: token,
                organization: Ok(organization),
                named_by: NamedBy::default(),
                server_scopes: &self.server_scopes,
            };
            Explanation::new(guard, facts, most.as_ref().copied())
        });
        if most.is_ok() && least.is_err() {
            explanation.decision = ExplainedDecision::DependsOnPolicy;
        }
        let kind = self.accepts.kind_of(caller);
        if caller.signed_in && !self.accepts.has(kind) {
            explanation.decision = ExplainedDecision::NotSignedIn;
            explanation.reason = Some(format!("the server accepts no tokens of the kind {kind}"));
            explanation.scopes.clear();
            explanation.hint = None;
        } else if matches!(most, Err(NotAuthorized::Unauthenticated)) {
            explanation.reason = Some("the request has no token".to_owned());
        }
        explanation.kind = match item.kind {
            PrimitiveKind::Prompt => "prompt",
            PrimitiveKind::Resource | PrimitiveKind::ResourceTemplate => "resource",
            PrimitiveKind::Tool => "tool",
        };
        explanation.name.clone_from(&item.name);
        explanation.then = item.access.after_guard();
        explanation
    }
}
