//! The entries of one layer, with look-ups by id.

use std::collections::{HashMap, HashSet};

use crate::identity::error::TokenError;

use super::revocation::{IdKind, Revocation, What};

/// The ids and the time of issue of a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenIds<'a> {
    /// True for an OAuth token. Only an OAuth token can be revoked by the id of its client.
    pub(crate) is_oauth: bool,
    pub(crate) subject: &'a str,
    /// The subjects of the actors, who act in the subject's name.
    pub(crate) actors: [Option<&'a str>; 2],
    pub(crate) client: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    /// The organization that the token names.
    pub(crate) organization: Option<&'a str>,
    /// The time of issue, in milliseconds since 1970.
    pub(crate) issued_ms: Option<u64>,
}

/// Ids, each with the time of day from which it is no longer revoked.
type Ids = HashMap<Box<str>, u64>;

/// Refuses tokens that were issued before a time.
#[derive(Clone, Copy)]
struct Before {
    issued_ms: u64,
    until_ms: u64,
}

/// The entries of one layer.
#[derive(Default)]
pub(super) struct List {
    clients: Ids,
    organizations: Ids,
    sessions: Ids,
    subjects: Ids,
    tokens: Ids,
    before: Option<Before>,
    subjects_before: HashMap<Box<str>, Before>,
    /// The only allowed clients. With `None`, the list of another layer applies.
    pub(super) allowed_clients: Option<HashSet<Box<str>>>,
}

impl Before {
    /// Returns true if the server refuses a token that was issued at the time `issued_ms`. `None` is a token without a time of
    /// issue, which is refused too.
    fn refuses(self, issued_ms: Option<u64>, now_ms: u64) -> bool {
        now_ms < self.until_ms && issued_ms.is_none_or(|issued_ms| issued_ms < self.issued_ms)
    }
}

impl List {
    pub(super) fn insert(&mut self, Revocation { what, until_ms }: Revocation) {
        let before = |issued_ms| Before {
            issued_ms,
            until_ms,
        };
        match what {
            What::Id(kind, id) => {
                self.ids(kind).insert(id, until_ms);
            }
            What::TokensBefore(issued_ms) => self.before = Some(before(issued_ms)),
            What::TokensOfSubjectBefore(subject, issued_ms) => {
                self.subjects_before.insert(subject, before(issued_ms));
            }
        }
    }

    /// Removes the entry that revokes the same access. Returns false if there is no such entry.
    pub(super) fn remove(&mut self, entry: &Revocation) -> bool {
        match &entry.what {
            What::Id(kind, id) => self.ids(*kind).remove(id).is_some(),
            What::TokensBefore(_) => self.before.take().is_some(),
            What::TokensOfSubjectBefore(subject, _) => {
                self.subjects_before.remove(subject).is_some()
            }
        }
    }

    /// Removes the entries that have expired. This takes time for every entry, so the method does nothing before the number
    /// of entries has reached the next power of two.
    pub(super) fn remove_expired(&mut self, now_ms: u64) {
        if !self.len().is_power_of_two() {
            return;
        }
        for kind in [
            IdKind::Client,
            IdKind::Organization,
            IdKind::Session,
            IdKind::Subject,
            IdKind::Token,
        ] {
            self.ids(kind).retain(|_, until_ms| now_ms < *until_ms);
        }
        self.subjects_before
            .retain(|_, before| now_ms < before.until_ms);
    }

    /// Checks a token against the entries.
    pub(super) fn check(&self, ids: &TokenIds<'_>, now_ms: u64) -> Result<(), TokenError> {
        let has = |ids: &Ids, id: Option<&str>| id.is_some_and(|id| has(ids, id, now_ms));
        if has(&self.clients, ids.client) {
            return Err(TokenError::Client);
        }
        let mut actors = ids.actors.into_iter();
        let is_before = |before: Option<&Before>| {
            before.is_some_and(|before| before.refuses(ids.issued_ms, now_ms))
        };
        let is_revoked = has(&self.subjects, Some(ids.subject))
            || actors.any(|actor| has(&self.subjects, actor))
            || has(&self.tokens, ids.token)
            || has(&self.sessions, ids.session)
            || has(&self.organizations, ids.organization)
            || is_before(self.before.as_ref())
            || is_before(self.subjects_before.get(ids.subject));
        if is_revoked {
            Err(TokenError::AccessRevoked)
        } else {
            Ok(())
        }
    }

    pub(super) fn has_organization(&self, id: &str, now_ms: u64) -> bool {
        has(&self.organizations, id, now_ms)
    }

    pub(super) fn has_organizations(&self) -> bool {
        !self.organizations.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of entries, without the allowed clients.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
            + self.organizations.len()
            + self.sessions.len()
            + self.subjects.len()
            + self.tokens.len()
            + self.subjects_before.len()
            + usize::from(self.before.is_some())
    }

    fn ids(&mut self, kind: IdKind) -> &mut Ids {
        match kind {
            IdKind::Client => &mut self.clients,
            IdKind::Organization => &mut self.organizations,
            IdKind::Session => &mut self.sessions,
            IdKind::Subject => &mut self.subjects,
            IdKind::Token => &mut self.tokens,
        }
    }
}

fn has(ids: &Ids, id: &str, now_ms: u64) -> bool {
    ids.get(id).is_some_and(|until_ms| now_ms < *until_ms)
}
