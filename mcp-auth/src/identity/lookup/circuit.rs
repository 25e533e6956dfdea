//! A circuit breaker: it stops requests to a service that fails, and tries again later.
//!
//! INVARIANT: while the circuit is open, every question fails with [`Unavailable`], so an open
//! circuit never makes the server accept a token. Each service has a circuit of its own.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::identity::error::{LookupError, NoAnswer, Unavailable};
use crate::identity::log_throttle::LogThrottle;

/// A circuit breaker for one service.
///
/// Five failures in a row open the circuit for a second. Then a single question goes through. After
/// each further failure the circuit is open for twice as long, up to eight seconds. A rate limit
/// opens the circuit for the time that the service demands, up to a minute.
pub(crate) struct Circuit {
    what: &'static str,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    throttled: LogThrottle,
}

#[derive(Default)]
struct State {
    /// The number of failures in a row.
    failures: u32,
    /// The uptime until which the circuit is open.
    rests_until: Duration,
    /// True while the server waits for the one trial request. If this request succeeds, the circuit closes, and look-ups
    /// are allowed again.
    probing: bool,
    /// How often the circuit opened. A failed probe opens it again.
    openings: u64,
}

impl Circuit {
    /// Creates a closed circuit. `what` names the data that is looked up, for errors and the log.
    pub(crate) fn new(what: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self {
            what,
            clock,
            state: Mutex::default(),
            throttled: LogThrottle::default(),
        }
    }

    /// Asks a question, unless the circuit is open.
    ///
    /// # Errors
    /// - [`NoAnswer::KeyRefused`] if the service refuses the server's key.
    /// - [`NoAnswer::Unavailable`] if the service was not asked, or did not answer.
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

    /// Checks that a question would go through now.
    ///
    /// # Errors
    /// [`Unavailable`] while the circuit is open.
    pub(crate) fn check(&self) -> Result<(), Unavailable> {
        let rest = self.lock().rests_until.saturating_sub(self.clock.uptime());
        if rest.is_zero() {
            Ok(())
        } else {
            Err(self.unavailable(rest))
        }
    }

    /// Returns how often the circuit opened.
    pub(crate) fn openings(&self) -> u64 {
        self.lock().openings
    }

    /// Returns the error for a question that ended without an outcome.
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

    /// Locks the state. Ignores poisoning: no code panics while it holds this lock, so the state cannot be half
    /// changed.
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

/// One question in flight.
struct Passage<'a> {
    circuit: &'a Circuit,
    probe: bool,
}

impl Passage<'_> {
    /// Records the outcome. Returns the time after which the client may retry.
    fn settle(self, error: Option<&LookupError>) -> Duration {
        let now = self.circuit.clock.uptime();
        let mut state = self.circuit.lock();
        let was_open = state.rests_until > now;
        match error {
            // Any response closes the circuit, even a refusal. Otherwise a client could send malformed tokens to open
            // the circuit for all clients.
            None | Some(LookupError::Declined | LookupError::KeyRefused) => state.failures = 0,
            Some(LookupError::Throttled(wait)) => {
                let wait = (*wait).clamp(SHORTEST_REST, LONGEST_THROTTLE);
                state.rests_until = state.rests_until.max(now + wait);
                let Circuit {
                    what, throttled, ..
                } = self.circuit;
                if let Some(answers) = throttled.due(now) {
                    tracing::warn!(
                        target: "mcp_auth", fact = "circuit_open", what, answers, ?wait,
                        "the identity provider limits the rate of requests (429); the server sends it no requests for a while"
                    );
                }
            }
            // If several questions in flight fail together, only the first failures count.
            Some(LookupError::Failed) if self.probe || state.failures < FAILURES => {
                state.failures = state.failures.saturating_add(1);
                if let Some(times) = state.failures.checked_sub(FAILURES) {
                    let rest = SHORTEST_REST.saturating_mul(1 << times.min(8));
                    state.rests_until = now + rest.min(LONGEST_REST);
                    tracing::warn!(
                        target: "mcp_auth", fact = "circuit_open", what = self.circuit.what,
                        "the service does not answer; the server sends it no requests for a while"
                    );
                }
            }
            Some(LookupError::Failed) => {}
        }
        if !was_open && state.rests_until > now {
            state.openings += 1;
        }
        state.rests_until.saturating_sub(now).max(SHORTEST_REST)
    }
}

/// When the probing question ends, even without an outcome, the next question may probe.
impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.circuit.lock().probing = false;
        }
    }
}

/// The number of failures in a row that opens the circuit.
const FAILURES: u32 = 5;
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(8);
/// The longest time for which a rate limit opens the circuit.
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
        assert_eq!(
            ask(&circuit, Ok(())),
            None,
            "asked while the circuit was open"
        );
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

    /// Returns `None` if the question was not asked, and otherwise the seconds to wait after the
    /// question.
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
