//! The places of the requests of one connection.
//!
//! A connection of HTTP/2 counts as one connection, and each further request that it has in flight counts as one more. A
//! client therefore gets no more requests in flight over HTTP/2 than over HTTP/1.1. The first request in flight uses the
//! place of the connection.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::super::registry::{Place, Registry};
use super::super::signals::Signals;

/// The places of the requests of one connection.
pub(super) struct Seats {
    signals: Rc<Signals>,
    registry: Arc<Registry>,
    peer: IpAddr,
    /// The number of requests in flight.
    open: Cell<usize>,
    /// True while a request occupies the place of the connection itself. Every further request needs a place of its own.
    is_lent: Cell<bool>,
    /// The time since which the request in the place of the connection transfers data.
    transfers_since: Cell<Option<Instant>>,
}

/// The place of one request. Dropping the value makes room for another request.
pub(super) struct Seat {
    seats: Rc<Seats>,
    /// `None` if the request occupies the place of the connection itself.
    own: Option<Place>,
    is_registered: Cell<bool>,
}

impl Seats {
    pub(super) fn new(signals: Rc<Signals>, registry: Arc<Registry>, peer: IpAddr) -> Self {
        Self {
            signals,
            registry,
            peer,
            open: Cell::new(0),
            is_lent: Cell::new(false),
            transfers_since: Cell::new(None),
        }
    }

    /// Returns a place for a request whose body has not arrived. `None` if there is no place.
    pub(super) fn take(self: &Rc<Self>) -> Option<Seat> {
        let now = Instant::now();
        let own = if self.is_lent.replace(true) {
            let place = self.registry.admit(self.peer, now)?;
            place.transfer(now);
            Some(place)
        } else {
            self.transfers_since.set(Some(now));
            None
        };
        self.open.set(self.open.get() + 1);
        // A request does not begin on an evicted connection, which `Seat::calls` reports.
        let _ = self.settle();
        Some(Seat {
            seats: Rc::clone(self),
            own,
            is_registered: Cell::new(false),
        })
    }

    /// Sets the state of the connection's place. The connection can be closed for another connection only if no request
    /// runs. Returns false if the connection was evicted.
    fn settle(&self) -> bool {
        match (self.open.get(), self.transfers_since.get()) {
            (0, _) => self.signals.requests_ended(),
            (1, Some(since)) if self.is_lent.get() => self.signals.transfers(since),
            _ => return self.signals.calls(),
        }
        !self.signals.is_evicted()
    }
}

impl Seat {
    /// Sets the state: the body is arriving, or the response waits for its client.
    pub(super) fn transfers(&self) {
        let now = Instant::now();
        match &self.own {
            Some(place) => place.transfer(now),
            None => {
                self.seats.transfers_since.set(Some(now));
                let _ = self.seats.settle();
            }
        }
    }

    /// Sets the state: the request runs, and cannot be ended for another connection. Returns false if the request must end
    /// to make room. In this case it must not begin.
    #[must_use]
    pub(super) fn calls(&self) -> bool {
        match &self.own {
            Some(place) => place.call(),
            None => {
                self.seats.transfers_since.set(None);
                self.seats.settle()
            }
        }
    }

    /// Returns true if the request must end to make room. `waker` is woken when a place of the request's own is given away.
    /// The deadlines of the connection wake the requests that use the connection's place.
    pub(super) fn is_evicted(&self, waker: &Waker) -> bool {
        let Some(place) = &self.own else {
            return self.seats.signals.is_evicted();
        };
        if !self.is_registered.replace(true) {
            place.wake_when_evicted(waker);
        }
        place.is_evicted()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.own.is_none() {
            self.seats.is_lent.set(false);
            self.seats.transfers_since.set(None);
        }
        self.seats.open.set(self.seats.open.get() - 1);
        let _ = self.seats.settle();
    }
}
