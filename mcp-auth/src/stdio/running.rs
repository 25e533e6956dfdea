//! The requests that run, by their ids, so that the client can cancel them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The requests that run. Each id has the form in which the message contains it.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    requests: HashMap<String, (u64, CancellationToken)>,
    next_serial: u64,
}

/// A request that runs. Dropping the value forgets the request.
#[derive(Debug)]
pub(super) struct RunningRequest {
    running: Arc<Running>,
    id: String,
    serial: u64,
    pub(super) cancelled: CancellationToken,
}

impl Running {
    /// Notes that a request runs. If the client uses the id of a running request again, a cancellation refers to the
    /// newer request.
    pub(super) fn enter(self: &Arc<Self>, id: &str) -> RunningRequest {
        let cancelled = CancellationToken::new();
        let mut table = self.lock();
        let serial = table.next_serial;
        table.next_serial += 1;
        let entry = (serial, cancelled.clone());
        table.requests.insert(id.to_owned(), entry);
        RunningRequest {
            running: Arc::clone(self),
            id: id.to_owned(),
            serial,
            cancelled,
        }
    }

    /// Returns the handle that cancels the request with this id. `None` if no such request runs.
    pub(super) fn find(&self, id: &str) -> Option<CancellationToken> {
        let table = self.lock();
        let (_, cancelled) = table.requests.get(id)?;
        Some(cancelled.clone())
    }

    /// Locks the table. Ignores poisoning: no code panics while it holds this lock, so the table cannot be half
    /// changed.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        let mut table = self.running.lock();
        if (table.requests.get(&self.id)).is_some_and(|(serial, _)| *serial == self.serial) {
            table.requests.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_by_its_id_while_it_runs() {
        let running = Arc::new(Running::default());
        let first = running.enter("1");
        let newer = running.enter("1");
        running.find("1").unwrap().cancel();
        assert!(newer.cancelled.is_cancelled() && !first.cancelled.is_cancelled());
        drop(first);
        assert!(running.find("1").is_some());
        drop(newer);
        assert!(running.find("1").is_none() && running.find("2").is_none());
    }
}
