//! The values that a scrape of metrics reads from the parts of a server.

use std::sync::Arc;

#[cfg(feature = "tls")]
use crate::http::Certificates;
use crate::http::Site;
use crate::identity::Service;
#[cfg(feature = "otel")]
use crate::metrics::SPANS_LOST;
use crate::metrics::{
    AUDIT_LOST, BUDGET_SPENT, CALLS_IN_FLIGHT, CERTIFICATE_EXPIRES, CERTIFICATE_RELOADS,
    CIRCUIT_OPEN, CIRCUIT_OPENINGS, Family, KEY_REFRESHES, KEYS, Metrics, READY, SESSIONS,
    SUBSCRIPTIONS, TASKS,
};
#[cfg(feature = "otel")]
use crate::otel::{LOSSES, started};

/// Lets each scrape read the values of this site. The metrics do not keep the site alive.
pub(super) fn observe(metrics: &Metrics, site: &Arc<Site>) {
    if !metrics.is_on() {
        return;
    }
    let of_site = |family: &'static Family, label: &'static str, read: fn(&Site) -> u64| {
        let site = Arc::downgrade(site);
        metrics.watch(family, label, move || {
            site.upgrade().map_or(0, |site| read(&site))
        });
    };
    of_site(&KEYS, "", |site| site.authenticator.known_keys() as u64);
    of_site(&KEY_REFRESHES, "failed", |site| {
        site.authenticator.key_fetches().failed
    });
    of_site(&KEY_REFRESHES, "ok", |site| {
        site.authenticator.key_fetches().succeeded
    });
    of_site(&READY, "", |site| u64::from(site.health.is_ready()));
    of_site(&CALLS_IN_FLIGHT, "", |site| {
        site.endpoint.calls_in_flight() as u64
    });
    of_site(&SUBSCRIPTIONS, "", |site| {
        site.endpoint.open_subscriptions() as u64
    });
    of_site(&SESSIONS, "", |site| site.endpoint.open_sessions() as u64);
    of_site(&TASKS, "", |site| site.endpoint.running_tasks() as u64);
    of_site(&AUDIT_LOST, "", |site| {
        site.endpoint.audit_log().map_or(0, |audit| audit.lost())
    });
    #[cfg(feature = "otel")]
    for reason in LOSSES {
        metrics.watch(&SPANS_LOST, reason, move || {
            started().map_or(0, |export| export.lost(reason))
        });
    }
    let of_service = |family: &'static Family,
                      (name, service): (&'static str, &Arc<Service>),
                      read: fn(&Service) -> u64| {
        let service = Arc::downgrade(service);
        metrics.watch(family, name, move || {
            service.upgrade().map_or(0, |service| read(&service))
        });
    };
    let memberships = site.endpoint.membership_service();
    let memberships = memberships.map(|service| ("memberships", service));
    for named in site.authenticator.services().chain(memberships) {
        of_service(&CIRCUIT_OPEN, named, |service| u64::from(service.is_open()));
        of_service(&CIRCUIT_OPENINGS, named, Service::openings);
        of_service(&BUDGET_SPENT, named, Service::over_budget);
    }
}

/// Lets each scrape read the end of the certificate, and the number of changes of its files. These values are 0 without
/// TLS.
pub(super) fn observe_certificates(
    metrics: &Metrics,
    #[cfg(feature = "tls")] certificates: Option<&Arc<Certificates>>,
) {
    #[cfg(feature = "tls")]
    if let Some(certificates) = certificates {
        let of = |family: &'static Family, label: &'static str, read: fn(&Certificates) -> u64| {
            let certificates = Arc::downgrade(certificates);
            metrics.watch(family, label, move || {
                certificates.upgrade().map_or(0, |one| read(&one))
            });
        };
        of(&CERTIFICATE_EXPIRES, "", |of| {
            of.current().expires_unix_ms() / 1_000
        });
        of(&CERTIFICATE_RELOADS, "failed", Certificates::failed);
        of(&CERTIFICATE_RELOADS, "ok", Certificates::loaded);
        return;
    }
    metrics.watch(&CERTIFICATE_EXPIRES, "", || 0);
    metrics.watch(&CERTIFICATE_RELOADS, "failed", || 0);
    metrics.watch(&CERTIFICATE_RELOADS, "ok", || 0);
}
