//! Look-ups at the identity provider: cached, in single flight, behind a circuit breaker and within
//! a budget.
//!
//! This module decides when a service is asked and how long a response is cached. It does not know what the service is
//! asked: the user of a [`Lookup`] passes in the question, which is one request to the service.
//!
//! INVARIANT: a failure is never cached, and an expired entry is never returned. If the service
//! cannot be asked, the look-up fails.

mod budget;
mod circuit;
mod expiring;
mod single_flight;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::{Equivalent, UnitWeighter, Weighter};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::identity::error::{LookupError, NoAnswer, Unavailable};
use crate::limits::Network;

pub(crate) use budget::{Budget, OverBudget, Question};
pub(crate) use circuit::Circuit;
pub(crate) use expiring::{Cached, Entry, ExpiringCache};
pub(crate) use single_flight::{Abandoned, SingleFlight, Waiter};

/// A service of the identity provider. All look-ups at the service share its circuit breaker and
/// its budget, if it has a budget.
#[derive(Debug)]
pub(crate) struct Service {
    what: &'static str,
    clock: Arc<dyn Clock>,
    circuit: Circuit,
    budget: Option<Budget>,
}

/// A cache of responses, and the look-ups that fill the cache. At most one look-up runs for each
/// key.
pub(crate) struct Lookup<K, V, W = UnitWeighter> {
    service: Arc<Service>,
    cache: Arc<ExpiringCache<K, V, W>>,
    in_flight: SingleFlight<K, Result<V, NoAnswer>>,
}

impl Service {
    /// Creates a service without a budget. `what` names the data, for errors and the log.
    pub(crate) fn new(what: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            what,
            circuit: Circuit::new(what, Arc::clone(&clock)),
            clock,
            budget: None,
        }
    }

    /// Limits the requests to the service by a budget, if there is one.
    pub(crate) fn within(self, budget: Option<Budget>) -> Self {
        Self { budget, ..self }
    }

    /// Returns the uptime, by which the age of responses is measured.
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    /// Checks that a question would be asked now.
    ///
    /// # Errors
    /// [`Unavailable`] while the circuit breaker is open.
    pub(crate) fn check(&self) -> Result<(), Unavailable> {
        self.circuit.check()
    }

    /// Returns true while the circuit breaker is open.
    pub(crate) fn is_open(&self) -> bool {
        self.check().is_err()
    }

    /// Returns how often the circuit breaker opened.
    pub(crate) fn openings(&self) -> u64 {
        self.circuit.openings()
    }

    /// Returns how many questions the budget refused; 0 without a budget.
    pub(crate) fn over_budget(&self) -> u64 {
        self.budget.as_ref().map_or(0, Budget::refused)
    }

    /// Waits until the budget, if there is one, allows a question. `network` is the network of the client. The network
    /// pays for the question, unless the response proves that the token is good.
    ///
    /// # Errors
    /// - [`NoAnswer::Unavailable`] while the circuit breaker is open.
    /// - [`NoAnswer::OverBudget`] if no question becomes free in time.
    pub(crate) async fn turn(
        &self,
        network: Option<Network>,
    ) -> Result<Option<Question>, NoAnswer> {
        self.check()?;
        Ok(match &self.budget {
            Some(budget) => Some(budget.take(network).await?),
            None => None,
        })
    }

    /// Asks the service, unless the circuit breaker is open. Returns the response with the uptime
    /// at which the service was asked. The network pays for the turn when the question is asked.
    ///
    /// # Errors
    /// - [`NoAnswer::KeyRefused`] if the service refuses the server's key.
    /// - [`NoAnswer::Unavailable`] if the service was not asked, or did not answer.
    pub(crate) async fn ask<T, F>(
        &self,
        mut turn: Option<Question>,
        ask: impl FnOnce(Option<Question>) -> F,
    ) -> Result<(T, Duration), NoAnswer>
    where
        F: Future<Output = Result<T, LookupError>>,
    {
        let asked = self.uptime();
        let ask = || {
            if let Some(question) = &mut turn {
                question.pay();
            }
            ask(turn)
        };
        Ok((self.circuit.ask(ask).await?, asked))
    }

    /// Returns true if another look-up would not make a client's request wait: at least half of the budget, if there is
    /// one, is free, and the circuit breaker is closed.
    pub(crate) fn is_idle(&self) -> bool {
        self.budget.as_ref().is_none_or(Budget::is_half_free) && self.check().is_ok()
    }

    /// Returns true if there is room for a look-up for which no request waits: at least half of the budget is free, and
    /// the circuit breaker is closed. A service without a budget has no room.
    fn has_room(&self) -> bool {
        self.budget.as_ref().is_some_and(Budget::is_half_free) && self.check().is_ok()
    }

    /// Returns the error of a look-up that ended without an outcome.
    pub(crate) fn abandoned(&self) -> NoAnswer {
        self.circuit.lost().into()
    }

    /// Converts the error of a look-up, for code that treats every failure alike.
    pub(crate) fn unavailable(&self, error: NoAnswer) -> Unavailable {
        error.into_unavailable(self.what)
    }
}

impl<K, V, W> Lookup<K, V, W>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    W: Weighter<K, Entry<V>> + Clone + Send + Sync + 'static,
{
    /// Creates look-ups at this service, which run on `io` and fill the cache.
    pub(crate) fn new(service: Arc<Service>, cache: ExpiringCache<K, V, W>, io: Handle) -> Self {
        Self {
            service,
            cache: Arc::new(cache),
            in_flight: SingleFlight::new(io),
        }
    }

    /// Returns the service that is asked.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Returns the cached response, unless it is expired.
    pub(crate) fn cached<Q>(&self, key: &Q) -> Option<Cached<V>>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        self.cache.get(key)
    }

    /// Joins the look-up in flight for the key, or starts a look-up, and waits for the outcome. The response is cached
    /// before the next look-up for the key can start. The look-up continues even if the returned future is dropped.
    ///
    /// # Errors
    /// The error of the look-up.
    pub(crate) async fn get<F>(&self, key: K, look_up: impl FnOnce() -> F) -> Result<V, NoAnswer>
    where
        F: Future<Output = Result<Entry<V>, NoAnswer>> + Send + 'static,
    {
        let outcome = self.join(&key, look_up).await;
        outcome.unwrap_or_else(|Abandoned| Err(self.service.abandoned()))
    }

    /// Waits for [`Self::get`], but no longer than `patience`. The look-up then continues, so that a later request
    /// finds the response in the cache.
    ///
    /// # Errors
    /// The error of the look-up, or [`NoAnswer::Unavailable`] if it takes longer.
    pub(crate) async fn get_within<F>(
        &self,
        patience: Duration,
        key: K,
        look_up: impl FnOnce() -> F,
    ) -> Result<V, NoAnswer>
    where
        F: Future<Output = Result<Entry<V>, NoAnswer>> + Send + 'static,
    {
        let outcome = timeout(patience, self.get(key, look_up)).await;
        outcome.unwrap_or_else(|_| Err(self.service.abandoned()))
    }

    /// Looks up the key again before the cached response expires, if the service has room for this look-up. The request
    /// does not wait for the outcome.
    pub(crate) fn refresh<F>(&self, key: impl FnOnce() -> K, look_up: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Entry<V>, NoAnswer>> + Send + 'static,
    {
        if self.service.has_room() {
            let _nobody_waits = self.join(&key(), look_up);
        }
    }

    /// Empties the cache, for tests that change the data of the service and do not want to wait.
    #[cfg(feature = "testing")]
    pub(crate) fn forget(&self) {
        self.cache.clear();
    }

    fn join<F>(&self, key: &K, look_up: impl FnOnce() -> F) -> Waiter<Result<V, NoAnswer>>
    where
        F: Future<Output = Result<Entry<V>, NoAnswer>> + Send + 'static,
    {
        self.in_flight.join(key, || {
            let (cache, key) = (Arc::clone(&self.cache), key.clone());
            let looked_up = look_up();
            async move {
                let entry = looked_up.await?;
                let value = entry.value.clone();
                cache.insert(key, entry);
                Ok(value)
            }
        })
    }
}

impl<K, V, W> fmt::Debug for Lookup<K, V, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
