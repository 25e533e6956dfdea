//! The tools that a caller sees in a list.
//!
//! INVARIANT: a cached decision is valid only for the exact facts that [`decide`] used, and only if no guard depends on
//! time. The cache serves only lists. Each call is decided anew.

use std::sync::Arc;
use std::{fmt, iter};

use quick_cache::sync::Cache;

use crate::identity::{self, Caller, Fingerprint, Mark, NamedBy, Org};

use super::decision::{NotAuthorized, decide};
use super::facts::CallFacts;
use super::requirement::Guard;

/// Decides which of a server's tools a caller sees.
pub(crate) struct Visibility {
    tools: Vec<(Guard, identity::Freshness)>,
    server_scopes: Vec<String>,
    /// True for prompts and resources. A caller without an organization sees no prompt and no resource that needs a
    /// role or a permission.
    hides: bool,
    asks_current: bool,
    asks_claimed: bool,
    /// The last decision for each token. There is no cache if a guard depends on time.
    decided: Option<Cache<Fingerprint, Decided>>,
}

/// The tools that a caller sees, with marks of the facts that the decision used. An entry contains neither claims nor
/// tokens.
#[derive(Clone)]
struct Decided {
    caller: Mark,
    organizations: [Option<Mark>; 2],
    visible: Visible,
}

/// A set of tools: one bit for each tool of the server, by its index.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Visible(Arc<[u64]>);

/// The organization of a caller. It is looked up only if a guard uses the organization.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OrganizationFacts<'a> {
    /// The current membership.
    pub(crate) current: Option<&'a Org>,
    /// The membership in the token.
    pub(crate) claimed: Option<&'a Org>,
    /// The source that named the current organization. If no source named an organization, this is the last source that
    /// was read.
    pub(crate) named_by: NamedBy,
}

impl OrganizationFacts<'_> {
    /// Returns true if the URL names an organization in which the caller cannot act. Tools that need an organization
    /// are then hidden, because no new token would unlock them. Such a list is not cached, because the cache could not
    /// tell it from the list for a URL without an organization.
    fn lack_that_of_the_url(&self) -> bool {
        self.current.is_none() && self.named_by == NamedBy::UrlQuery
    }
}

impl Visible {
    /// Returns true if the set has the tool at this index.
    pub(crate) fn has(&self, place: usize) -> bool {
        let word = self.0.get(place / WORD);
        word.is_some_and(|word| word >> (place % WORD) & 1 == 1)
    }

    /// Returns the set as bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// Returns the number of tools that are seen.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
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

impl Decided {
    /// Returns true if the decision used exactly these facts. Equal facts from another verification or from another
    /// look-up do not count.
    fn is_of(&self, caller: &Caller, organizations: [Option<&Org>; 2]) -> bool {
        let mut pairs = self.organizations.iter().zip(organizations);
        let same = pairs.all(|(mark, org)| match (mark, org) {
            (Some(mark), Some(org)) => org.has_mark(mark),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        });
        same && caller.has_mark(&self.caller)
    }
}

impl Visibility {
    /// `tools` has the guard of each tool, and says how current the organization must be for a decision about the tool.
    pub(crate) fn new(
        tools: impl Iterator<Item = (Guard, identity::Freshness)>,
        server_scopes: Vec<String>,
        hides: bool,
    ) -> Self {
        let tools: Vec<(Guard, identity::Freshness)> = tools.collect();
        let asks = |wanted| {
            let mut tools = tools.iter();
            tools.any(|(guard, facts)| *facts == wanted && guard.uses_organization())
        };
        Self {
            asks_current: asks(identity::Freshness::Current),
            asks_claimed: asks(identity::Freshness::AsInToken),
            decided: (!tools.iter().any(|(guard, _)| guard.depends_on_time()))
                .then(|| Cache::new(MOST_DECIDED)),
            tools,
            server_scopes,
            hides,
        }
    }

    /// Returns true if a guard uses an organization that must be as current as `facts` says.
    pub(crate) fn asks(&self, facts: identity::Freshness) -> bool {
        match facts {
            identity::Freshness::Current => self.asks_current,
            identity::Freshness::AsInToken => self.asks_claimed,
        }
    }

    /// Returns the tools that the caller may call now, and the tools that a new token or a reverification
    /// would allow.
    pub(crate) fn of(&self, caller: Option<&Caller>, known: OrganizationFacts<'_>) -> Visible {
        let organizations = [known.current, known.claimed];
        let decided = self.decided.as_ref();
        let cached = decided
            .filter(|_| !known.lack_that_of_the_url())
            .zip(caller);
        if let Some((decided, caller)) = cached
            && let Some(decided) = decided.get(&caller.fingerprint())
            && decided.is_of(caller, organizations)
        {
            return decided.visible;
        }
        let tools = self.tools.iter();
        let visible: Visible = tools.map(|tool| self.sees(caller, tool, known)).collect();
        if let Some((decided, caller)) = cached {
            let entry = Decided {
                caller: caller.mark(),
                organizations: organizations.map(|org| org.map(Org::mark)),
                visible: visible.clone(),
            };
            decided.insert(caller.fingerprint(), entry);
        }
        visible
    }

    /// Returns all tools, for a list that callers can read before they sign in.
    pub(crate) fn all(&self) -> Visible {
        self.tools.iter().map(|_| true).collect()
    }

    fn sees(
        &self,
        caller: Option<&Caller>,
        (guard, facts): &(Guard, identity::Freshness),
        known: OrganizationFacts<'_>,
    ) -> bool {
        let organization = match facts {
            identity::Freshness::Current => known.current,
            identity::Freshness::AsInToken => known.claimed,
        };
        let decided = decide(
            guard,
            &CallFacts {
                caller,
                organization: Ok(organization),
                named_by: known.named_by,
                server_scopes: &self.server_scopes,
            },
        );
        match decided {
            Ok(_) => true,
            Err(NotAuthorized::Denied(denied)) if self.hides => denied.shows(guard),
            Err(NotAuthorized::Denied(denied)) => denied.is_curable(),
            Err(NotAuthorized::Unauthenticated | NotAuthorized::Unavailable(_)) => false,
        }
    }
}

impl fmt::Debug for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visibility")
            .field("tools", &self.tools)
            .finish_non_exhaustive()
    }
}

const WORD: usize = u64::BITS as usize;
/// The number of tokens whose last decision is cached. A client requests the list about once per connection.
const MOST_DECIDED: usize = 1_000;

#[cfg(test)]
mod tests;
