//! Which tools a caller sees in a list.
//!
//! INVARIANT: what is kept with a caller is what [`decide`] said of the facts that it is kept with, and
//! nothing else that is decided on changes with time. It is for lists alone: a call is decided anew.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::identity::{self, Caller, NamedBy, Org, Sight};

use super::decision::{Refusal, decide};
use super::facts::Facts;
use super::requirement::Guard;

/// Tells which of a server's tools a caller sees.
#[derive(Debug)]
pub(crate) struct Visibility {
    /// Tells it apart from that of another server in the process.
    id: u64,
    tools: Vec<(Guard, identity::Freshness)>,
    server_scopes: Vec<String>,
    asks_current: bool,
    asks_claimed: bool,
    /// Whether what a caller sees stays the same while the facts do.
    is_kept: bool,
}

/// Tools by their places among all, a bit each.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Visible(Arc<[u64]>);

/// The organization of a caller, as far as a guard asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Organizations<'a> {
    /// The current membership.
    pub(crate) current: Option<&'a Org>,
    /// The membership in the token.
    pub(crate) claimed: Option<&'a Org>,
    /// The source that named the current organization, or the last source that was asked for it.
    pub(crate) named_by: NamedBy,
}

impl Organizations<'_> {
    /// Whether the URL names an organization in which the caller cannot act. The list is then another
    /// one than without that URL, since no new token would help, and it is not kept for the caller.
    fn lack_that_of_the_url(&self) -> bool {
        self.current.is_none() && self.named_by == NamedBy::UrlQuery
    }
}

impl Visible {
    /// Whether the tool at this place is seen.
    pub(crate) fn has(&self, place: usize) -> bool {
        let word = self.0.get(place / WORD);
        word.is_some_and(|word| word >> (place % WORD) & 1 == 1)
    }

    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.0)
    }
}

impl FromIterator<bool> for Visible {
    fn from_iter<I: IntoIterator<Item = bool>>(tools: I) -> Self {
        let mut tools = tools.into_iter().peekable();
        let word = || {
            tools.peek()?;
            let bits = tools.by_ref().take(WORD).enumerate();
            Some(bits.fold(0, |word, (place, bit)| word | u64::from(bit) << place))
        };
        Self(iter::from_fn(word).collect())
    }
}

impl Visibility {
    /// Decides these guards for a caller, each with the facts that it is decided on.
    pub(crate) fn new(
        tools: impl Iterator<Item = (Guard, identity::Freshness)>,
        server_scopes: Vec<String>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let tools: Vec<(Guard, identity::Freshness)> = tools.collect();
        let asks = |wanted| {
            let mut tools = tools.iter();
            tools.any(|(guard, facts)| *facts == wanted && guard.uses_organization())
        };
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            asks_current: asks(identity::Freshness::Current),
            asks_claimed: asks(identity::Freshness::AsInToken),
            is_kept: !tools.iter().any(|(guard, _)| guard.depends_on_time()),
            tools,
            server_scopes,
        }
    }

    /// Whether a guard asks for such facts.
    pub(crate) fn asks(&self, facts: identity::Freshness) -> bool {
        match facts {
            identity::Freshness::Current => self.asks_current,
            identity::Freshness::AsInToken => self.asks_claimed,
        }
    }

    /// The tools that the caller may call, and those that a new token could cure.
    pub(crate) fn of(&self, caller: Option<&Caller>, known: Organizations<'_>) -> Visible {
        let keeper = caller.filter(|_| self.is_kept && !known.lack_that_of_the_url());
        let organizations = [known.current, known.claimed];
        if let Some(places) = keeper.and_then(|caller| caller.sight(self.id, organizations)) {
            return Visible(places);
        }
        let tools = self.tools.iter();
        let visible: Visible = tools.map(|tool| self.sees(caller, tool, known)).collect();
        if let Some(caller) = keeper {
            caller.keep_sight(Sight::new(self.id, organizations, Arc::clone(&visible.0)));
        }
        visible
    }

    /// All tools, for a list that shows what there is to callers who have not signed in yet.
    pub(crate) fn all(&self) -> Visible {
        self.tools.iter().map(|_| true).collect()
    }

    fn sees(
        &self,
        caller: Option<&Caller>,
        (guard, facts): &(Guard, identity::Freshness),
        known: Organizations<'_>,
    ) -> bool {
        let organization = match facts {
            identity::Freshness::Current => known.current,
            identity::Freshness::AsInToken => known.claimed,
        };
        let decided = decide(
            guard,
            &Facts {
                caller,
                organization: Ok(organization),
                named_by: known.named_by,
                server_scopes: &self.server_scopes,
            },
        );
        match decided {
            Ok(_) => true,
            Err(Refusal::Denied(denied)) => denied.is_curable(),
            Err(Refusal::Unauthenticated | Refusal::Unavailable(_)) => false,
        }
    }
}

const WORD: usize = u64::BITS as usize;

#[cfg(test)]
mod tests;
