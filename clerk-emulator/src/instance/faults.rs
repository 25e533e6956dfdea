//! The injected faults and the clock of an instance.

use std::time::Duration;

use crate::clock;
use crate::faults::{Failure, Fault, Faults};
use crate::instance::Instance;

impl Instance {
    /// Adds a fault. A fault without [a path](Fault::at) applies to every request for the JWKS and
    /// to every request to the Backend API. It does not apply to discovery documents, to `/oauth`,
    /// or to calls of methods in process. An instance has at most 100 faults: adding another fault
    /// removes the oldest.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Removes all faults and resets the clock.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Sets the clock of this instance ahead of the system's clock by `seconds`, or behind it if
    /// `seconds` is negative. This clock determines the times of tokens that are requested over
    /// HTTP, the expiry of tokens, and the header `Date` of every response.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// let emulator = Emulator::start(EmulatorOptions::default()).await?;
    /// // About the year 8300:
    /// emulator.instance().set_clock_offset(200_000_000_000);
    /// let answer = reqwest::get(format!("{}/.well-known/jwks.json", emulator.url())).await?;
    /// assert!(answer.headers()["date"].to_str()?.contains(" 83"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.faults.set_clock_offset(seconds);
    }

    /// Answers every request for the JWKS, and every request to the Backend API, with this HTTP status. `None` ends
    /// these failures. A number that is not a status (below 100 or above 999) is replaced by 500. To let only some of
    /// these requests fail, use [`add_fault`](Self::add_fault).
    pub fn fail_with(&self, status: Option<u16>) {
        let failure = status.map(|status| Failure {
            status,
            retry_after: None,
        });
        self.shared.faults.set_failure(failure);
    }

    /// Answers every request for the JWKS, and every request to the Backend API, with 429 and
    /// `Retry-After`. [`fail_with(None)`](Self::fail_with) ends these responses.
    pub fn throttle(&self, retry_after: u64) {
        self.shared.faults.set_failure(Some(Failure {
            status: 429,
            retry_after: Some(retry_after),
        }));
    }

    /// Delays the response to every request for the JWKS and to every request to the Backend API. A latency of
    /// zero ends the delay.
    pub fn latency(&self, latency: Duration) {
        self.shared.faults.set_latency(latency);
    }

    /// The number of requests whose path starts with `prefix`, including failed requests. Requests
    /// for `/`, for routes below `/dev`, and with a path of more than 256 bytes are not counted. At
    /// most 10 000 different paths are counted.
    #[must_use]
    pub fn requests_to(&self, prefix: &str) -> usize {
        self.shared.faults.requests_to(prefix)
    }

    /// The time by the clock of this instance, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        clock::unix_seconds().saturating_add_signed(self.shared.faults.clock_offset())
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }
}
