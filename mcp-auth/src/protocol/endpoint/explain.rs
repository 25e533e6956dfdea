//! Explains what a caller may use, as if the caller sent a request now.

use crate::guard::{Authorized, Explained, Explanation, NotAuthorized, TokenFacts};
use crate::identity::{Acting, Caller, NamedBy, Unavailable, UrlOrg};
use crate::primitive::{LogName, Served};

use super::{Endpoint, facts};

impl Endpoint {
    /// Explains the decision about a tool, a prompt or a resource. `name` is the name of the tool or the prompt, or the URI or
    /// the template of the resource. `None` if the server has nothing with this name.
    pub(crate) async fn explain(
        &self,
        caller: Option<&Caller>,
        url: &UrlOrg,
        name: &str,
    ) -> Option<Explanation> {
        let named = |served: &Served| {
            let LogName {
                prompt,
                resource,
                tool,
            } = served.log_name();
            [prompt, resource, tool].contains(&Some(name))
        };
        let served = self.config.registry.iter().find(|served| named(served))?;
        let wanted = served
            .wants_organization()
            .then(|| facts(served.guard(), self.config.trust_token_org));
        let acting = self.acting(caller, url, wanted).await;
        let acting = acting.as_ref();
        let decision = self.decide_use(served, caller, acting).map(|_| ());
        let token = caller.map(TokenFacts::of);
        let facts = Explained {
            caller: token.as_ref(),
            organization: acting.map(|acting| acting.org.as_ref()),
            named_by: acting.map_or_else(|_| NamedBy::default(), |acting| acting.named_by),
            server_scopes: &self.config.required_scopes,
        };
        let mut explanation = Explanation::new(served.guard(), facts, decision.as_ref().copied());
        explanation.kind = match served.log_name() {
            LogName {
                prompt: Some(_), ..
            } => "prompt",
            LogName {
                resource: Some(_), ..
            } => "resource",
            LogName { .. } => "tool",
        };
        name.clone_into(&mut explanation.name);
        explanation.then = served.access_rule().after_guard();
        Some(explanation)
    }

    /// Decides whether a caller may use a primitive. Calls, subscriptions and explanations all use
    /// this function.
    pub(super) fn decide_use(
        &self,
        served: &Served,
        caller: Option<&Caller>,
        acting: Result<&Acting, &Unavailable>,
    ) -> Result<Authorized, NotAuthorized> {
        match acting {
            Err(unavailable) if served.takes_organization() => {
                Err(NotAuthorized::Unavailable(*unavailable))
            }
            acting => self.decide(served.guard(), caller, acting),
        }
    }
}
