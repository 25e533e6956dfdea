//! A budget of questions to the identity provider, in all and for each network of strangers.
//!
//! The customer's own application shares the rate limit of the instance, so the server uses a part
//! of that limit. A made-up opaque token costs a question, too, so each network of strangers has
//! few questions that prove nothing.
//!
//! The crate `governor` does not fit: it cannot give a question back, and it has no queue in order
//! of arrival. [`Queue`](crate::limits::Queue) does not fit: its places become free when they are
//! given back, and questions become free with time.

mod ledger;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::identity::log_throttle::LogThrottle;
use crate::limits::Network;

use ledger::{Blocked, Cost, Ledger, PERIOD};

/// A budget of questions.
///
/// A limited number of questions begin in any ten seconds. Each network (an IPv4 address, an IPv6
/// /64) may have ten questions that are in flight or proved nothing, and one a second more. A
/// question that proves its token good is given back to its network at once, so honest clients go
/// as fast as the answers come. Networks are cheap, so the questions of one site (an IPv4 /24, an
/// IPv6 /48) that proved nothing leave half of the budget to others.
///
/// A request that finds no question waits for its turn, first come first served, if a turn may come
/// in time. The requests of one site leave half of the queue to others.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Shared>);

/// The limits of a budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BudgetLimits {
    /// The subject of the questions, for the log.
    pub(crate) what: &'static str,
    /// The most questions that begin in any ten seconds.
    pub(crate) most: usize,
    /// The most requests that wait for a question.
    pub(crate) most_waiting: usize,
    pub(crate) longest_wait: Duration,
}

/// There were too many questions, so none is asked now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there were too many questions")]
pub(crate) struct OverBudget {
    /// When there may be a question again.
    pub(crate) retry_after: Duration,
}

/// Permission to ask one question. A question that is dropped before it is asked is given back.
pub(crate) struct Question {
    budget: Budget,
    number: u64,
    network: Option<Network>,
    cost: Cost,
    is_settled: bool,
}

struct Shared {
    limits: BudgetLimits,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held by the one waiting request that watches the time for all.
    watch: tokio::sync::Mutex<()>,
    warned: LogThrottle,
}

struct State {
    ledger: Ledger,
    /// The requests that wait, in order of arrival. At most [`BudgetLimits::most_waiting`].
    waiting: VecDeque<Waiting>,
}

/// A request that waits for its turn.
struct Waiting {
    network: Option<Network>,
    turn: oneshot::Sender<Result<Question, Blocked>>,
}

/// Tells a waiting request that it may ask, or that no turn will come in time.
type Turn = oneshot::Receiver<Result<Question, Blocked>>;

/// The outcome of asking for a question: a question, or a place in the queue.
enum Entry {
    Question(Question),
    Queued(Turn),
}

impl Budget {
    pub(crate) fn new(limits: BudgetLimits, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            limits,
            clock,
            state: Mutex::new(State {
                ledger: Ledger::new(limits),
                waiting: VecDeque::new(),
            }),
            watch: tokio::sync::Mutex::new(()),
            warned: LogThrottle::default(),
        }))
    }

    /// A budget for opaque tokens that the issuer never confirmed.
    pub(crate) fn of_new_tokens(most: usize, clock: Arc<dyn Clock>) -> Self {
        let limits = BudgetLimits {
            what: "new opaque tokens",
            most,
            most_waiting: 256,
            longest_wait: Duration::from_secs(5),
        };
        Self::new(limits, clock)
    }

    /// A budget for look-ups of memberships. The queue is as long as the look-ups of 30 s, which is
    /// how long a look-up may wait.
    pub(crate) fn of_memberships(most: usize, clock: Arc<dyn Clock>) -> Self {
        let limits = BudgetLimits {
            what: "organization memberships",
            most,
            most_waiting: most.saturating_mul(3),
            longest_wait: Duration::from_secs(30),
        };
        Self::new(limits, clock)
    }

    /// Takes a question, for a client of this network if a network has to pay for it.
    ///
    /// # Errors
    /// [`OverBudget`] if there is no question and none may come in time, or if too many requests
    /// wait.
    pub(crate) async fn take(&self, network: Option<Network>) -> Result<Question, OverBudget> {
        let turn = match self.take_or_queue(network) {
            Ok(Entry::Question(question)) => return Ok(question),
            Ok(Entry::Queued(turn)) => turn,
            Err(blocked) => return Err(self.exhausted(blocked)),
        };
        let watch = pin!(self.watch());
        match timeout(self.0.limits.longest_wait, select(turn, watch)).await {
            Ok(Either::Left((Ok(turn), _))) => turn.map_err(|blocked| self.exhausted(blocked)),
            Ok(Either::Right((never, _))) => match never {},
            // The turn did not come in time.
            Ok(Either::Left((Err(_), _))) | Err(_) => {
                let now = self.0.clock.uptime();
                let blocked = self.lock().ledger.check(now, network).err();
                Err(self.exhausted(blocked.unwrap_or(Blocked::Full(PERIOD))))
            }
        }
    }

    /// Takes a question, or a place in the queue if a turn may come in time.
    fn take_or_queue(&self, network: Option<Network>) -> Result<Entry, Blocked> {
        let limits = &self.0.limits;
        let mut state = self.lock();
        let now = self.0.clock.uptime();
        // A flood of tokens from a network without questions must not cost a walk through the
        // queue.
        if let Err(blocked) = state.ledger.check(now, network)
            && blocked.is_hopeless(limits)
        {
            return Err(blocked);
        }
        self.serve(&mut state, now);
        let blocked = match state.ledger.take(now, network) {
            Ok(number) => return Ok(Entry::Question(self.question(number, network))),
            Err(blocked) => blocked,
        };
        if blocked.is_hopeless(limits) || !state.has_room(limits, network) {
            return Err(blocked);
        }
        let (sender, turn) = oneshot::channel();
        state.waiting.push_back(Waiting {
            network,
            turn: sender,
        });
        Ok(Entry::Queued(turn))
    }

    /// Gives turns when they come, and never ends. One waiting request watches for all of them.
    /// When it leaves, the next request takes over, so a long queue costs no more than a short one.
    async fn watch(&self) -> Infallible {
        let _watch = self.0.watch.lock().await;
        loop {
            let soonest = {
                let mut state = self.lock();
                let now = self.0.clock.uptime();
                self.serve(&mut state, now)
            };
            sleep(soonest.unwrap_or(PERIOD).max(SHORTEST_PAUSE)).await;
        }
    }

    /// Whether at least half of the questions of ten seconds are free, and no request waits.
    pub(crate) fn is_half_free(&self) -> bool {
        let mut state = self.lock();
        let now = self.0.clock.uptime();
        self.serve(&mut state, now);
        state.ledger.forget_before(now);
        state.waiting.is_empty() && state.ledger.asked() <= self.0.limits.most / 2
    }

    /// Gives turns in the order in which the requests came. A request that is blocked by its
    /// network or site does not hold up the requests behind it. Returns the time until a further
    /// turn may come, if any request waits.
    fn serve(&self, state: &mut State, now: Duration) -> Option<Duration> {
        let limits = &self.0.limits;
        let mut soonest: Option<Duration> = None;
        let mut place = 0;
        while let Some(waiting) = state.waiting.get(place) {
            if waiting.turn.is_closed() {
                state.waiting.remove(place);
                continue;
            }
            let network = waiting.network;
            let turn = match state.ledger.take(now, network) {
                Ok(number) => Ok(self.question(number, network)),
                Err(blocked) if blocked.is_hopeless(limits) => Err(blocked),
                Err(blocked) => {
                    soonest = Some(soonest.map_or(blocked.wait(), |wait| wait.min(blocked.wait())));
                    if matches!(blocked, Blocked::Full(_)) {
                        break;
                    }
                    place += 1;
                    continue;
                }
            };
            let waiting = state.waiting.remove(place);
            let unheard = waiting.and_then(|waiting| waiting.turn.send(turn).err());
            if let Some(Ok(mut question)) = unheard {
                // The request is gone. The question is settled here, because dropping it would take
                // the lock again.
                question.settle(state);
            }
        }
        soonest
    }

    fn question(&self, number: u64, network: Option<Network>) -> Question {
        Question {
            budget: self.clone(),
            number,
            network,
            cost: Cost::Nothing,
            is_settled: false,
        }
    }

    fn exhausted(&self, blocked: Blocked) -> OverBudget {
        let Shared {
            limits,
            clock,
            warned,
            ..
        } = &*self.0;
        if let Some(requests) = warned.due(clock.uptime()) {
            let what = limits.what;
            tracing::warn!(
                target: "mcp_auth", what, requests,
                "the budget for questions to the identity provider is used up; requests are answered with 503"
            );
        }
        OverBudget {
            retry_after: blocked.wait(),
        }
    }

    /// No code under this lock panics, so the data is consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    /// The question is asked now, so its network pays for it.
    pub(crate) fn pay(&mut self) {
        self.cost = Cost::Network;
    }

    /// The answer proved the token good, or says nothing about it: the network gets the question
    /// back.
    pub(crate) fn give_back(&mut self) {
        self.cost = Cost::Budget;
    }

    fn settle(&mut self, state: &mut State) {
        if !self.is_settled {
            self.is_settled = true;
            state.ledger.settle(self.number, self.network, self.cost);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let budget = self.budget.clone();
        let mut state = budget.lock();
        self.settle(&mut state);
        let now = budget.0.clock.uptime();
        budget.serve(&mut state, now);
    }
}

impl State {
    /// Whether one more request of this network may wait.
    fn has_room(&mut self, limits: &BudgetLimits, network: Option<Network>) -> bool {
        self.waiting.retain(|waiting| !waiting.turn.is_closed());
        let Some(network) = network else {
            return self.waiting.len() < limits.most_waiting;
        };
        let site = network.site();
        let sites = self.waiting.iter().filter_map(|waiting| waiting.network);
        let of_site = sites.filter(|other| other.site() == site).count();
        self.waiting.len() < limits.most_waiting && of_site < limits.most_waiting / 2
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

/// The shortest time between two rounds of the request that watches.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
