//! Faults, and the clock of an instance.

use std::time::Duration;

use crate::clock;
use crate::faults::{Failure, Fault, Faults};
use crate::instance::Instance;

impl Instance {
    /// Adds a fault to those there are. Without [a path](Fault::at) it is of every request for keys and to the
    /// Backend API: discovery documents and `/oauth` are answered all the same, and so is what is asked in
    /// process. There are 100 faults at most: adding one more removes the oldest.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Removes all faults, and sets the clock right.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Lets the clock of this instance go before (or, if negative, after) the system's by so many seconds. It
    /// is what tokens asked for over HTTP are minted by, what `expired` is said by, and the `Date` of every
    /// answer.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// let emulator = Emulator::start(EmulatorOptions::default()).await?;
    /// // Some time in the eighty-fourth century:
    /// emulator.instance().set_clock_offset(200_000_000_000);
    /// let answer = reqwest::get(format!("{}/.well-known/jwks.json", emulator.url())).await?;
    /// assert!(answer.headers()["date"].to_str()?.contains(" 83"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.faults.set_clock_offset(seconds);
    }

    /// Answers every request for keys and to the Backend API with this HTTP status, until told `None`. What
    /// is no status (below 100, above 999) is 500. See [`add_fault`](Self::add_fault) for part of them.
    pub fn fail_with(&self, status: Option<u16>) {
        let failure = status.map(|status| Failure {
            status,
            retry_after: None,
        });
        self.shared.faults.set_failure(failure);
    }

    /// The same with 429 and a `Retry-After` of so many seconds, until [`fail_with`](Self::fail_with) is told
    /// `None`.
    pub fn throttle(&self, retry_after: u64) {
        self.shared.faults.set_failure(Some(Failure {
            status: 429,
            retry_after: Some(retry_after),
        }));
    }

    /// Lets every request for keys and to the Backend API wait so long for its answer; zero for none.
    pub fn latency(&self, latency: Duration) {
        self.shared.faults.set_latency(latency);
    }

    /// How many requests had a path that starts with `prefix`, failed ones included. Requests to `/dev` and for
    /// the front page are not counted, nor are paths of more than 256 bytes, and those beyond 10 000 different paths.
    #[must_use]
    pub fn requests_to(&self, prefix: &str) -> usize {
        self.shared.faults.requests_to(prefix)
    }

    /// What the clock of this instance shows, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        clock::unix_seconds().saturating_add_signed(self.shared.faults.clock_offset())
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }
}
