//! When not to ask a service that fails, and when to ask again.
//!
//! What can't be asked can't be known, and what can't be known is [`Unavailable`]: an open circuit
//! lets nobody in. Each service has a circuit of its own, so that one that fails takes no other along.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::identity::error::{LookupError, NoAnswer, Unavailable};
use crate::identity::log_throttle::LogThrottle;

/// Watches how questions to one service end.
///
/// After five failures in a row nothing is asked for a second; then a single question goes through,
/// and each further failure doubles the rest, up to eight seconds. A service that limits the rate is
/// given the rest that it asks for.
pub(crate) struct Circuit {
    what: &'static str,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    throttled: LogThrottle,
}

#[derive(Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Uptime before which nothing is asked.
    rests_until: Duration,
    /// The one question by which an open circuit finds out is on its way.
    probing: bool,
}

impl Circuit {
    /// A closed circuit; `what` can't be had while it is open.
    pub(crate) fn new(what: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            what,
            clock,
            state: Mutex::default(),
            throttled: LogThrottle::default(),
        }
    }

    /// Asks, unless the service is known not to answer now.
    ///
    /// # Errors
    /// - [`NoAnswer::KeyRefused`] if the service does not accept our key.
    /// - [`NoAnswer::Unavailable`] if it was not asked, or did not answer.
    pub(crate) async fn ask<T, F>(&self, question: impl FnOnce() -> F) -> Result<T, NoAnswer>
    where
        F: Future<Output = Result<T, LookupError>>,
    {
        let passage = self.enter()?;
        let outcome = question().await;
        let wait = passage.settle(outcome.as_ref().err());
        outcome.map_err(|error| match error {
            LookupError::KeyRefused => NoAnswer::KeyRefused,
            LookupError::Declined | LookupError::Failed | LookupError::Throttled(_) => {
                self.unavailable(wait).into()
            }
        })
    }

    /// Whether a question would go through now.
    ///
    /// # Errors
    /// [`Unavailable`] if not.
    pub(crate) fn check(&self) -> Result<(), Unavailable> {
        let rest = self.lock().rests_until.saturating_sub(self.clock.uptime());
        if rest.is_zero() {
            Ok(())
        } else {
            Err(self.unavailable(rest))
        }
    }

    /// Nothing is known of why the work was lost.
    pub(crate) fn lost(&self) -> Unavailable {
        self.unavailable(SHORTEST_REST)
    }

    fn enter(&self) -> Result<Passage<'_>, Unavailable> {
        self.check()?;
        let mut state = self.lock();
        let probe = state.failures >= FAILURES;
        if probe && state.probing {
            return Err(self.unavailable(SHORTEST_REST));
        }
        state.probing |= probe;
        Ok(Passage {
            circuit: self,
            probe,
        })
    }

    fn unavailable(&self, retry_after: Duration) -> Unavailable {
        Unavailable {
            what: self.what,
            retry_after,
        }
    }

    /// No code that may panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

/// One question on its way.
struct Passage<'a> {
    circuit: &'a Circuit,
    probe: bool,
}

impl Passage<'_> {
    /// Learns from the outcome; returns when it makes sense to ask again.
    fn settle(self, error: Option<&LookupError>) -> Duration {
        let now = self.circuit.clock.uptime();
        let mut state = self.circuit.lock();
        match error {
            // It answers; that it likes the question is not asked for. Otherwise whoever sends it
            // strange tokens could open the circuit for everybody.
            None | Some(LookupError::Declined | LookupError::KeyRefused) => state.failures = 0,
            Some(LookupError::Throttled(wait)) => {
                let wait = (*wait).clamp(SHORTEST_REST, LONGEST_THROTTLE);
                state.rests_until = state.rests_until.max(now + wait);
                let Circuit {
                    what, throttled, ..
                } = self.circuit;
                if let Some(answers) = throttled.due(now) {
                    tracing::warn!(
                        target: "mcp_auth", what, answers, ?wait,
                        "Clerk answers 429: the limit of the instance is reached; it is left alone for a while"
                    );
                }
            }
            // Of questions that were on their way together, one failure opens the circuit.
            Some(LookupError::Failed) if self.probe || state.failures < FAILURES => {
                state.failures = state.failures.saturating_add(1);
                if let Some(times) = state.failures.checked_sub(FAILURES) {
                    let rest = SHORTEST_REST.saturating_mul(1 << times.min(8));
                    state.rests_until = now + rest.min(LONGEST_REST);
                    tracing::warn!(
                        target: "mcp_auth", what = self.circuit.what,
                        "does not answer; it is left alone for a while"
                    );
                }
            }
            Some(LookupError::Failed) => {}
        }
        state.rests_until.saturating_sub(now).max(SHORTEST_REST)
    }
}

/// However the question ends, the next one may probe.
impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.circuit.lock().probing = false;
        }
    }
}

/// In a row, before nothing more is asked.
const FAILURES: u32 = 5;
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(8);
/// However long a service wants not to be asked, it is asked again after this.
const LONGEST_THROTTLE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;
    use crate::identity::{ManualClock, test_support};

    #[test]
    fn five_failures_in_a_row_open_it_and_one_question_closes_it() {
        let (circuit, clock) = circuit();
        for _ in 0..5 {
            assert_eq!(ask(&circuit, Err(LookupError::Failed)), Some(1));
        }
        assert_eq!(ask(&circuit, Ok(())), None, "asked while it was open");
        clock.advance(Duration::from_secs(1));
        assert_eq!(ask(&circuit, Ok(())), Some(0));
        assert_eq!(ask(&circuit, Err(LookupError::Failed)), Some(1));
        assert_eq!(ask(&circuit, Ok(())), Some(0));
    }

    #[test]
    fn each_failed_probe_doubles_the_rest_up_to_eight_seconds() {
        let (circuit, clock) = circuit();
        for _ in 0..5 {
            ask(&circuit, Err(LookupError::Failed));
        }
        for rest in [1, 2, 4, 8, 8] {
            clock.advance(Duration::from_millis(rest * 1_000 - 1));
            assert_eq!(ask(&circuit, Ok(())), None, "{rest}");
            clock.advance(Duration::from_millis(1));
            assert!(ask(&circuit, Err(LookupError::Failed)).is_some(), "{rest}");
        }
    }

    #[test]
    fn failures_with_an_answer_in_between_do_not_open_it() {
        let (circuit, _) = circuit();
        for answered in [
            Ok(()),
            Err(LookupError::Declined),
            Err(LookupError::KeyRefused),
        ] {
            for _ in 0..4 {
                ask(&circuit, Err(LookupError::Failed));
            }
            assert!(ask(&circuit, answered).is_some());
        }
        assert_eq!(ask(&circuit, Ok(())), Some(0));
    }

    #[test]
    fn an_open_circuit_lets_a_single_question_probe_even_if_that_is_dropped() {
        let (circuit, clock) = circuit();
        for _ in 0..5 {
            ask(&circuit, Err(LookupError::Failed));
        }
        clock.advance(Duration::from_secs(1));
        let mut probe = Box::pin(circuit.ask(pending::<Result<(), LookupError>>));
        assert!(probe.as_mut().now_or_never().is_none());
        assert_eq!(ask(&circuit, Ok(())), None, "a second one beside the probe");
        drop(probe);
        assert_eq!(ask(&circuit, Ok(())), Some(0));
    }

    #[test]
    fn questions_that_fail_together_open_it_once() {
        let (circuit, clock) = circuit();
        let together: Vec<_> = (0..50).map(|_| circuit.enter().unwrap()).collect();
        for passage in together {
            passage.settle(Some(&LookupError::Failed));
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(ask(&circuit, Ok(())), Some(0));
    }

    #[test]
    fn a_rate_limit_is_respected_within_reason() {
        for (asked, kept) in [(0, 1), (9, 9), (7_200, 60)] {
            let (circuit, clock) = circuit();
            let throttled = Err(LookupError::Throttled(Duration::from_secs(asked)));
            assert_eq!(ask(&circuit, throttled), Some(kept));
            clock.advance(Duration::from_millis(kept * 1_000 - 1));
            assert_eq!(ask(&circuit, Ok(())), None, "{asked}");
            clock.advance(Duration::from_millis(1));
            assert_eq!(ask(&circuit, Ok(())), Some(0), "{asked}");
        }
    }

    #[test]
    fn a_rate_limit_has_a_line_a_minute_with_a_count() {
        let (circuit, clock) = circuit();
        let log = test_support::logged(|| {
            for _ in 0..13 {
                let throttled = Err(LookupError::Throttled(Duration::from_secs(10)));
                assert_eq!(ask(&circuit, throttled), Some(10));
                clock.advance(Duration::from_secs(10));
            }
        });
        let counts: Vec<_> = log
            .split("answers=")
            .skip(1)
            .map(|line| line.split(' ').next())
            .collect();
        assert_eq!(counts, ["1", "6", "6"].map(Some), "{log}");
    }

    #[test]
    fn a_refused_key_is_no_outage() {
        let (circuit, _) = circuit();
        let refused = circuit.ask(|| ready(Err::<(), _>(LookupError::KeyRefused)));
        assert_eq!(refused.now_or_never(), Some(Err(NoAnswer::KeyRefused)));
    }

    /// `None` if the question was not asked, else for how many seconds to wait after it.
    fn ask(circuit: &Circuit, outcome: Result<(), LookupError>) -> Option<u64> {
        let mut asked = false;
        let question = || {
            asked = true;
            ready(outcome)
        };
        let outcome = circuit.ask(question).now_or_never().unwrap();
        let wait = match outcome {
            Err(NoAnswer::Unavailable(unavailable)) => unavailable.retry_after.as_secs(),
            Ok(()) | Err(NoAnswer::KeyRefused | NoAnswer::OverBudget(_)) => 0,
        };
        asked.then_some(wait)
    }

    fn circuit() -> (Circuit, Arc<ManualClock>) {
        let clock = test_support::clock();
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        (Circuit::new("the test's service", time), clock)
    }
}
