//! The shares of a scarce resource that a party, and the groups of the party, may take.

use super::network::{Network, Site};

/// The party for which the use of a resource is counted: a user, a machine or a network.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Party {
    /// A user or a machine, identified by a keyed hash of its id. The key is random, so attackers cannot
    /// choose the hash.
    Known(u64),
    /// A caller without a token, identified by the network of the request.
    Stranger(Network),
}

/// The limits for a scarce resource: bytes, calls or threads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shares {
    /// The limit of all callers together.
    pub(crate) all: usize,
    /// The limit of one user or machine.
    pub(crate) known: usize,
    /// The limit of all strangers together. A stranger is a caller without a token.
    pub(crate) strangers: usize,
    /// The limit of all strangers of one site (an IPv4 /24, an IPv6 /48).
    pub(crate) site: usize,
    /// The limit of all strangers of one network (an IPv4 address, an IPv6 /64).
    pub(crate) network: usize,
}

/// A group of callers that share a limit.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Group {
    All,
    Known(u64),
    Network(Network),
    Site(Site),
    Strangers,
}

impl Shares {
    /// Divides a resource of size `all`, of which one user or machine may take `known`.
    ///
    /// Callers without a token may together take a quarter of the resource. One site may take half of that quarter, and
    /// one network a quarter of that quarter, so an attacker with many networks at one site leaves the rest to other
    /// callers. No share is less than `least`.
    pub(crate) fn of(all: usize, known: usize, least: usize) -> Self {
        let part = |whole: usize, parts: usize| (whole / parts).max(least).min(all);
        let strangers = part(all, 4);
        Self {
            all,
            known,
            strangers,
            site: part(strangers, 2),
            network: part(strangers, 4),
        }
    }

    /// Divides a resource that only callers without a token use. One network may take `network`. One site may take half
    /// of the resource, or as much as one network if that is more.
    pub(crate) fn of_strangers(all: usize, network: usize) -> Self {
        Self {
            all,
            known: 0,
            strangers: all,
            site: (all / 2).max(network),
            network,
        }
    }

    /// Returns the most that a group may take.
    pub(super) fn most(&self, group: Group) -> usize {
        match group {
            Group::All => self.all,
            Group::Known(_) => self.known,
            Group::Network(_) => self.network,
            Group::Site(_) => self.site,
            Group::Strangers => self.strangers,
        }
    }
}

impl Party {
    /// Returns the groups of a party, the smallest group first.
    pub(super) fn groups(self) -> impl DoubleEndedIterator<Item = Group> {
        let [first, second, third] = match self {
            Self::Known(hash) => [Some(Group::Known(hash)), None, None],
            Self::Stranger(network) => [
                Some(Group::Network(network)),
                Some(Group::Site(network.site())),
                Some(Group::Strangers),
            ],
        };
        [first, second, third, Some(Group::All)]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_share_a_quarter_of_which_no_site_and_no_network_can_take_all() {
        let shares = Shares::of(64, 32, 1);
        let Shares {
            all,
            known,
            strangers,
            site,
            network,
        } = shares;
        assert_eq!([all, known, strangers, site, network], [64, 32, 16, 8, 4]);
        // If there are few threads, each share is one thread.
        let Shares {
            strangers,
            site,
            network,
            ..
        } = Shares::of(3, 1, 1);
        assert_eq!([strangers, site, network], [1, 1, 1]);
    }
}
