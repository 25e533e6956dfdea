//! Callers that call without a pause, each over its own connection, and the recorded replies.

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::reply::Reply;
use crate::support::{Ask, client_at};

/// Calls, each with a label.
pub(crate) struct Load<L> {
    stopped: Cell<bool>,
    calls: RefCell<Vec<Called<L>>>,
}

/// A call that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Called<L> {
    pub(crate) label: L,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) reply: Reply,
}

impl<L: Copy> Load<L> {
    pub(crate) fn new() -> Self {
        Self {
            stopped: Cell::new(false),
            calls: RefCell::default(),
        }
    }

    /// Calls without a pause from this address until the load is stopped. `next` makes each
    /// request, and receives the previous call.
    pub(crate) async fn caller(
        &self,
        from: Ipv4Addr,
        mut next: impl FnMut(Option<&Called<L>>) -> (L, Ask),
    ) {
        let http = client_at(Some(from.into()));
        let mut last = None;
        while !self.stopped.get() {
            let (label, ask) = next(last.as_ref());
            let began = Instant::now();
            let reply = ask.over(&http).send().await;
            let called = Called {
                label,
                began,
                ended: Instant::now(),
                reply,
            };
            self.calls.borrow_mut().push(called.clone());
            last = Some(called);
        }
    }

    pub(crate) fn stop(&self) {
        self.stopped.set(true);
    }

    pub(crate) fn calls(&self) -> Ref<'_, Vec<Called<L>>> {
        self.calls.borrow()
    }

    /// The number of answered calls that match.
    pub(crate) fn count(&self, holds: impl Fn(&Called<L>) -> bool) -> usize {
        self.calls().iter().filter(|call| holds(call)).count()
    }
}

impl<L> Called<L> {
    pub(crate) fn status(&self) -> u16 {
        self.reply.status
    }

    /// Whether the tool ran and answered with this text.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.status() == 200 && self.reply.text() == text
    }
}

/// The latencies of calls, for the printed output only. No assertion uses them.
pub(crate) struct Latency(Vec<Duration>);

impl Latency {
    pub(crate) fn of<'a, L: 'a>(calls: impl IntoIterator<Item = &'a Called<L>>) -> Self {
        let took = |call: &Called<L>| call.ended - call.began;
        let mut all: Vec<_> = calls.into_iter().map(took).collect();
        all.sort();
        Self(all)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "a fraction of the length is an index"
            )]
            let index = (self.0.len() as f64 * share) as usize;
            let index = index.min(self.0.len().saturating_sub(1));
            self.0.get(index).map_or(0.0, Duration::as_secs_f64) * 1e3
        };
        write!(
            f,
            "{} calls, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
            self.0.len(),
            ms(0.5),
            ms(0.99),
            ms(1.0)
        )
    }
}
