//! Answers probes: `/healthz` says that the process answers, and `/readyz` says whether it can serve calls.
//!
//! A response is a status and one word. A probe needs no token, may have any `Host`, counts for no limit, and never
//! waits for the identity provider.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};

use crate::identity::{Authenticator, Clock, LogThrottle};
use crate::protocol::Endpoint;

use super::connection;

/// A path that answers probes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Probe {
    Live,
    Ready,
}

impl Probe {
    pub(super) const ALL: [Self; 2] = [Self::Live, Self::Ready];

    /// Returns the probe with this path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|probe| probe.path() == path)
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Live => "/healthz",
            Self::Ready => "/readyz",
        }
    }
}

/// Finds out for probes whether a server is ready.
#[derive(Debug)]
pub(crate) struct Health {
    endpoint: Arc<Endpoint>,
    authenticator: Arc<Authenticator>,
    clock: Arc<dyn Clock>,
    is_stopping: AtomicBool,
    stores: Mutex<Stores>,
    unready: LogThrottle,
}

/// The result of the last check of the stores.
#[derive(Clone, Copy, Debug)]
struct Stores {
    reachable: bool,
    /// The uptime after which the stores are checked again. `None` if they were never checked.
    next: Option<Duration>,
}

/// The reason why a server is not ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unready {
    Keys,
    Stopping,
    Stores,
}

impl Health {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        authenticator: Arc<Authenticator>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            endpoint,
            authenticator,
            clock,
            is_stopping: AtomicBool::new(false),
            stores: Mutex::new(Stores {
                reachable: true,
                next: None,
            }),
            unready: LogThrottle::default(),
        }
    }

    /// Returns true if the caller must check the stores now. Until the next check, other probes use the last result, so
    /// that probes cannot flood a store.
    fn claims_stores(&self) -> bool {
        let now = self.clock.uptime();
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = stores.next.is_none_or(|next| now >= next);
        if is_due {
            stores.next = Some(now + BETWEEN_STORE_PROBES);
        }
        is_due
    }

    fn stores_are_reachable(&self) -> bool {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.reachable
    }

    fn set_stores(&self, reachable: bool) {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.reachable = reachable;
    }

    /// Makes `/readyz` answer 503 from now on.
    pub(crate) fn begin_to_stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Returns true if `/readyz` would answer 200, as far as that is known without a check of the stores.
    pub(crate) fn is_ready(&self) -> bool {
        self.readiness().is_ok()
    }

    /// Answers a probe.
    pub(super) async fn answer(&self, head: &RequestHead, probe: Probe) -> HttpResponse {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let refusal = HttpResponse::MethodNotAllowed()
                .insert_header((ALLOW, "GET, HEAD"))
                .finish();
            return connection::announce_close(head, refusal);
        }
        let (status, word) = match probe {
            Probe::Live => (StatusCode::OK, "ok"),
            Probe::Ready => self.ready().await,
        };
        let response = HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(word);
        connection::announce_close(head, response)
    }

    async fn ready(&self) -> (StatusCode, &'static str) {
        if self.claims_stores() {
            self.set_stores(self.endpoint.reaches_stores().await);
        }
        let reason = match self.readiness() {
            Ok(()) => return (StatusCode::OK, "ready"),
            Err(Unready::Stopping) => return (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Err(Unready::Keys) => "the issuer's keys could not be fetched",
            Err(Unready::Stores) => "the store of tasks does not answer",
        };
        if self.unready.is_due(self.clock.uptime()) {
            tracing::warn!(target: "mcp_auth", fact = "unready", reason, "the server is not ready");
        }
        (StatusCode::SERVICE_UNAVAILABLE, "unready")
    }

    fn readiness(&self) -> Result<(), Unready> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Unready::Stopping);
        }
        if !self.authenticator.is_ready() {
            return Err(Unready::Keys);
        }
        match self.stores_are_reachable() {
            true => Ok(()),
            false => Err(Unready::Stores),
        }
    }
}

/// The shortest time between two questions to the stores.
const BETWEEN_STORE_PROBES: Duration = Duration::from_secs(5);
