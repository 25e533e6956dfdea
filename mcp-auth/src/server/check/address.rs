//! Compares the address that the server listens on with its URL.

use crate::http::Canonical;
use crate::loopback;

use super::super::builder::{Address, ServerBuilder};
use super::super::codes;
use super::super::environment::Environment;
use super::super::finding::Finding;

/// Compares the canonical URL with the address of a server that listens itself. Does not compare port 0, because the
/// system has not chosen a port yet.
pub(in super::super) fn address(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    address: &Address,
    canonical: &Canonical,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let url = canonical.as_str();
    let url_setting = builder.serving.url(env).source;
    let (host, host_setting) = (&address.host.value, address.host.source);
    let (port, port_setting) = (address.port.value, address.port.source);
    match (canonical.is_loopback(), loopback::is_host(host)) {
        (true, false) => findings.push(
            Finding::new(
                &codes::URL_ON_LOOPBACK,
                format!("the server listens on {host}, but its URL is {url}"),
            )
            .remedy_is(format!(
                "set {url_setting} to the public https URL, or {host_setting} to 127.0.0.1"
            )),
        ),
        (false, true) => findings.push(
            Finding::new(
                &codes::LISTENS_ON_LOOPBACK,
                format!("the server listens on {host} only, and its URL is {url}"),
            )
            .remedy_is(format!(
                "without a proxy or a tunnel, set {host_setting} to 0.0.0.0"
            )),
        ),
        (true, true) if port != 0 && canonical.port() != Some(port) => findings.push(
            Finding::new(
                &codes::PORT_DIFFERS,
                format!("the server listens on port {port}, but its URL is {url}"),
            )
            .remedy_is(format!("make {url_setting} and {port_setting} agree")),
        ),
        (true, true) | (false, false) => {}
    }
    let path = builder.serving.path.as_str();
    if canonical.path() != path {
        let code = match canonical.path().ends_with(path) {
            true => &codes::PATH_REWRITTEN,
            false => &codes::PATH_DIFFERS,
        };
        let what = format!("the endpoint is served at {path}, but its URL is {url}");
        let of_url = canonical.path();
        let remedy = format!("set `path` to {of_url}, unless a proxy rewrites the path");
        findings.push(Finding::new(code, what).remedy_is(remedy));
    }
    findings
}
