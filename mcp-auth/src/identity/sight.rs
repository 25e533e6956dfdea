//! What a caller saw of a list, kept with the facts that it was decided on.

use std::sync::Arc;

use crate::identity::org::{Org, WeakOrg};

/// Places in a list, a bit each, and what they were decided on beside the caller. Whoever decides says
/// what they mean.
#[derive(Debug)]
pub(crate) struct Sight {
    list: u64,
    organizations: [Option<WeakOrg>; 2],
    places: Arc<[u64]>,
}

impl Sight {
    pub(crate) fn new(list: u64, organizations: [Option<&Org>; 2], places: Arc<[u64]>) -> Self {
        Self {
            list,
            organizations: organizations.map(|organization| organization.map(Org::downgrade)),
            places,
        }
    }

    /// The places, if it is of this list and the facts are the same: those of one look-up, not those
    /// that say the same.
    pub(crate) fn places(&self, list: u64, organizations: [Option<&Org>; 2]) -> Option<Arc<[u64]>> {
        let mut both = self.organizations.iter().zip(organizations);
        let same = both.all(|(own, other)| match (own, other) {
            (Some(own), Some(other)) => own.is_of(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        });
        (same && list == self.list).then(|| Arc::clone(&self.places))
    }
}
