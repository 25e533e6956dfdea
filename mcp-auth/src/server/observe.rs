//! The values that a scrape of metrics reads from the parts of a server.

use std::sync::Arc;

use crate::http::Site;
use crate::identity::Service;
use crate::metrics::{
    BUDGET_SPENT, CALLS_IN_FLIGHT, CIRCUIT_OPEN, CIRCUIT_OPENINGS, Family, KEY_REFRESHES, KEYS,
    Metrics, READY, SESSIONS, SUBSCRIPTIONS, TASKS,
};

/// Lets each scrape read the values of this site. The metrics do not keep the site alive.
pub(super) fn observe(metrics: &Metrics, site: &Arc<Site>) {
    if !metrics.is_on() {
        return;
    }
    let values: [(&Family, &'static str, fn(&Site) -> u64); 8] = [
        (&KEYS, "", |site| site.authenticator.known_keys() as u64),
        (&KEY_REFRESHES, "failed", |site| {
            site.authenticator.key_fetches().failed
        }),
        (&KEY_REFRESHES, "ok", |site| {
            site.authenticator.key_fetches().succeeded
        }),
        (&READY, "", |site| u64::from(site.health.is_ready())),
        (&CALLS_IN_FLIGHT, "", |site| {
            site.endpoint.calls_in_flight() as u64
        }),
        (&SUBSCRIPTIONS, "", |site| {
            site.endpoint.open_subscriptions() as u64
        }),
        (&SESSIONS, "", |site| site.endpoint.open_sessions() as u64),
        (&TASKS, "", |site| site.endpoint.running_tasks() as u64),
    ];
    for (family, label, read) in values {
        let site = Arc::downgrade(site);
        metrics.watch(family, label, move || {
            site.upgrade().map_or(0, |site| read(&site))
        });
    }
    let memberships = site.endpoint.membership_service();
    let memberships = memberships.map(|service| ("memberships", service));
    let services: [(&Family, fn(&Service) -> u64); 3] = [
        (&CIRCUIT_OPEN, |service| u64::from(service.is_open())),
        (&CIRCUIT_OPENINGS, Service::openings),
        (&BUDGET_SPENT, Service::over_budget),
    ];
    for (name, service) in site.authenticator.services().chain(memberships) {
        for (family, read) in services {
            let service = Arc::downgrade(service);
            metrics.watch(family, name, move || {
                service.upgrade().map_or(0, |service| read(&service))
            });
        }
    }
}
