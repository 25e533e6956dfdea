//! Lists tools, prompts, resources and resource templates. A list has the entries that the caller may
//! use, and the entries that the caller could use with a new token.

use crate::audit::AuditOutcome;
use crate::guard::{self, Visibility, Visible};
use crate::identity::{Caller, Freshness, UrlOrg};
use crate::primitive::List;

use super::super::cursor::Paged;
use super::super::decisions::UNDECIDED;
use super::super::era::{Era, Header, WITH_ICONS};
use super::super::error::RpcError;
use super::super::lists::Key;
use super::super::record::Record;
use super::super::results::Page;
use super::super::{RefusedMessage, Response};
use super::{AnonymousAccess, Endpoint, EndpointConfig, Request, Stopped, facts, not_found};

/// Decides which entries of each list a caller sees.
#[derive(Debug)]
pub(super) struct Visibilities {
    prompts: Visibility,
    resources: Visibility,
    templates: Visibility,
    tools: Visibility,
}

impl Visibilities {
    pub(super) fn of(config: &EndpointConfig) -> Self {
        let visibility = |list| {
            let guards = config.registry.list(list).map(|served| {
                let guard = *served.guard();
                (guard, facts(&guard, config.trust_token_org))
            });
            Visibility::new(guards, config.required_scopes.clone(), list != List::Tools)
        };
        Self {
            prompts: visibility(List::Prompts),
            resources: visibility(List::Resources),
            templates: visibility(List::Templates),
            tools: visibility(List::Tools),
        }
    }

    fn get(&self, list: List) -> &Visibility {
        match list {
            List::Prompts => &self.prompts,
            List::Resources => &self.resources,
            List::Templates => &self.templates,
            List::Tools => &self.tools,
        }
    }
}

impl Endpoint {
    pub(super) async fn list(
        &self,
        list: List,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        if !self.serves(list) {
            return Err(not_found(request.era));
        }
        let cursor = request.params.cursor()?;
        let mut record = Record::of_list(&self.decisions, list, caller);
        if let Some(record) = &mut record {
            self.audit(request, None, record).await?;
        }
        let visible = self.visible(list, caller, request.url_org).await;
        if let Some(record) = &mut record {
            match &visible {
                Ok(_) => record.close(AuditOutcome::Allowed),
                Err(_) => record.unavailable(UNDECIDED),
            }
        }
        let visible = visible?;
        let paged = Paged {
            list,
            caller,
            visible: &visible,
        };
        let size = self.config.page_size;
        let from = match cursor {
            None => 0,
            Some(cursor) => paged.open(&self.config.sealer, &cursor).ok_or({
                let text =
                    "`cursor` is unknown or has expired; request the list again without a cursor";
                RpcError::InvalidParams(text)
            })? as usize,
        };
        let end = from.saturating_add(size);
        let next = u32::try_from(end).ok().filter(|_| end < visible.count());
        let next = next.and_then(|place| paged.seal(&self.config.sealer, place));
        let page = Page {
            key: Key {
                list,
                era: request.era,
                with_icons: knows_icons(request),
                from,
                visible,
            },
            size,
            next,
        };
        let entries = self.config.registry.list(list);
        Ok(self.results.list(request.id, page, entries))
    }

    /// Returns true if the server supports the method of the list. MCP has one capability for resources and templates,
    /// so a server that has resources or templates supports both lists.
    pub(super) fn serves(&self, list: List) -> bool {
        let has = |list| self.config.registry.has(list);
        match list {
            List::Prompts | List::Tools => has(list),
            List::Resources | List::Templates => has(List::Resources) || has(List::Templates),
        }
    }

    /// Returns true if the entries that a caller sees depend on the caller's current membership.
    pub(super) fn depends_on_membership(&self, list: List) -> bool {
        self.visibilities.get(list).asks(Freshness::Current)
    }

    pub(super) async fn visible(
        &self,
        list: List,
        caller: Option<&Caller>,
        url: &UrlOrg,
    ) -> Result<Visible, Stopped> {
        let visibility = self.visibilities.get(list);
        let asking = |facts| visibility.asks(facts).then_some(facts);
        let current = self.acting(caller, url, asking(Freshness::Current)).await;
        let claimed = self.acting(caller, url, asking(Freshness::AsInToken)).await;
        let (current, claimed) = match (current, claimed) {
            (Ok(current), Ok(claimed)) => (current, claimed),
            // Refuse the request, because a list without these entries would be wrong.
            (Err(unavailable), _) | (_, Err(unavailable)) => {
                return Err(RefusedMessage::Unavailable(unavailable).into());
            }
        };
        let known = guard::OrganizationFacts {
            current: current.org.as_ref(),
            claimed: claimed.org.as_ref(),
            named_by: current.named_by,
        };
        Ok(match (caller, self.config.anonymous) {
            (None, AnonymousAccess::ListAll) => visibility.all(),
            (_, _) => visibility.of(caller, known),
        })
    }
}

/// Returns true if the client supports icons, which MCP 2025-11-25 introduced. A legacy request that names no version
/// counts as a request of an older revision.
fn knows_icons(request: &Request<'_>) -> bool {
    request.era == Era::Modern || request.mirrored.version == Header::Value(WITH_ICONS)
}
