//! The ledger of a budget: the recent requests to the identity provider (here called questions), and how much of its
//! share each network has used up.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use quick_cache::sync::Cache;

use super::BudgetLimits;
use crate::limits::{Network, Site};

/// The questions of the last ten seconds, and the accounts of networks.
pub(super) struct Ledger {
    limits: BudgetLimits,
    /// The questions of the last ten seconds, by number. At most [`BudgetLimits::most`].
    asked: VecDeque<Asked>,
    /// The number of the next question.
    next: u64,
    /// For each network, the uptime at which the network has earned back all questions that it
    /// spent.
    spent: Cache<Network, Duration>,
    /// The number of questions in flight for each network. Networks without a question in flight
    /// have no entry.
    pub(super) in_flight: HashMap<Network, usize>,
}

struct Asked {
    number: u64,
    /// The uptime of the question.
    at: Duration,
    /// The site whose share of the budget the question uses.
    site: Option<Site>,
}

/// The payer of a question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cost {
    /// There is no payer, because the question was not asked.
    Nothing,
    /// The look-up counts against the budget alone, because the response does not show that the token is bad.
    Budget,
    /// The look-up counts against the budget and against the network of the request.
    Network,
}

/// The reason why a question cannot be asked now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blocked {
    /// The network has questions in flight that may be refunded. If they are not refunded, the network earns a question
    /// after this time.
    Answers(Duration),
    /// The share of the site is used up. The site may ask another question after this time.
    Site(Duration),
    /// The network spent all its questions on tokens that did not prove good. It earns a question after this time.
    Spent(Duration),
    /// The whole budget is used up. Another question is free after this time.
    Full(Duration),
}

impl Ledger {
    pub(super) fn new(limits: BudgetLimits) -> Self {
        Self {
            limits,
            asked: VecDeque::new(),
            next: 0,
            spent: Cache::new(MAX_NETWORKS),
            in_flight: HashMap::new(),
        }
    }

    /// Returns the number of questions of the last ten seconds, as of the last
    /// [`Self::forget_before`].
    pub(super) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Takes a question, and returns its number.
    pub(super) fn take(&mut self, now: Duration, network: Option<Network>) -> Result<u64, Blocked> {
        self.check(now, network)?;
        let number = self.next;
        self.next += 1;
        self.asked.push_back(Asked {
            number,
            at: now,
            site: network.map(Network::site),
        });
        if let Some(network) = network {
            *self.in_flight.entry(network).or_default() += 1;
            let earned_by = self.earned_by(network, now) + PERIOD;
            self.spent.insert(network, earned_by);
        }
        Ok(number)
    }

    /// Checks that a question may be asked now.
    pub(super) fn check(&mut self, now: Duration, network: Option<Network>) -> Result<(), Blocked> {
        self.forget_before(now);
        if let Some(network) = network {
            let earned_by = self.earned_by(network, now);
            let early = earned_by.saturating_sub(now + PERIOD * (BURST - 1));
            if !early.is_zero() {
                return Err(if self.in_flight.contains_key(&network) {
                    Blocked::Answers(early)
                } else {
                    Blocked::Spent(early)
                });
            }
            let site = Some(network.site());
            let mut of_site = self.asked.iter().filter(|asked| asked.site == site);
            let share = (self.limits.most / 2).max(BURST as usize);
            if of_site.clone().count() >= share
                && let Some(first) = of_site.next()
            {
                return Err(Blocked::Site(first.rest(now)));
            }
        }
        match self.asked.front() {
            Some(first) if self.asked.len() >= self.limits.most => {
                Err(Blocked::Full(first.rest(now)))
            }
            None if self.limits.most == 0 => Err(Blocked::Full(WINDOW)),
            Some(_) | None => Ok(()),
        }
    }

    /// Ends the question `number`. `cost` says who pays for the question: the ledger refunds the network unless the
    /// network pays, and refunds the budget if nobody pays.
    pub(super) fn settle(&mut self, number: u64, network: Option<Network>, cost: Cost) {
        if let Some(network) = network
            && let Some(questions) = self.in_flight.get_mut(&network)
        {
            *questions -= 1;
            if *questions == 0 {
                self.in_flight.remove(&network);
            }
        }
        if cost == Cost::Network {
            return;
        }
        if let Some(network) = network
            && let Some(earned_by) = self.spent.get(&network)
        {
            let earned_by = earned_by.saturating_sub(PERIOD);
            self.spent.insert(network, earned_by);
        }
        let place = self
            .asked
            .binary_search_by_key(&number, |asked| asked.number);
        let Ok(place) = place else { return };
        if cost == Cost::Nothing {
            self.asked.remove(place);
        } else if let Some(asked) = self.asked.get_mut(place) {
            asked.site = None;
        }
    }

    fn earned_by(&self, network: Network, now: Duration) -> Duration {
        self.spent.get(&network).unwrap_or_default().max(now)
    }

    pub(super) fn forget_before(&mut self, now: Duration) {
        while self
            .asked
            .front()
            .is_some_and(|asked| asked.rest(now).is_zero())
        {
            self.asked.pop_front();
        }
    }
}

impl Asked {
    /// Returns how long the question still counts.
    fn rest(&self, now: Duration) -> Duration {
        (self.at + WINDOW).saturating_sub(now)
    }
}

impl Blocked {
    pub(super) fn wait(self) -> Duration {
        match self {
            Self::Answers(wait) | Self::Site(wait) | Self::Spent(wait) | Self::Full(wait) => wait,
        }
    }

    /// Returns true if no question can become free in time.
    pub(super) fn is_hopeless(self, limits: &BudgetLimits) -> bool {
        match self {
            Self::Answers(_) => false,
            Self::Site(wait) | Self::Full(wait) => wait > limits.longest_wait,
            Self::Spent(_) => true,
        }
    }
}

pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// The time in which a network earns one question.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
/// The greatest number of questions that a network may have saved.
const BURST: u32 = 10;
const MAX_NETWORKS: usize = 10_000;
