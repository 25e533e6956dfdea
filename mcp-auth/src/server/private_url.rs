//! Checks a canonical URL with plain http, which `dangerous_http_url` permits if the host has only
//! private addresses.
//!
//! The server checks the addresses once, at the start, and never connects to the host.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::http::Canonical;
use crate::limits::is_private;

use super::builder::ServerBuilder;
use super::codes;
use super::environment::Environment;
use super::error::chain;
use super::finding::Finding;

/// Resolves the name of a host to its addresses.
pub(super) type Resolve = fn(&str) -> io::Result<Vec<IpAddr>>;

/// The resolver of the system.
pub(super) fn system(host: &str) -> io::Result<Vec<IpAddr>> {
    // `to_socket_addrs` needs a port, but the addresses do not depend on it.
    let addresses = (host.trim_matches(['[', ']']), 0).to_socket_addrs()?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// Checks that the host of a canonical URL with plain http has only private addresses.
///
/// # Errors
///
/// Returns a finding if the host has no address, if the resolver does not answer within 5 seconds,
/// or if an address is not private.
pub(super) async fn check_addresses(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
) -> Result<(), Finding> {
    let Some(host) = canonical.plain_http_host() else {
        return Ok(());
    };
    let source = builder.serving.url(env).source;
    let unresolved = |error: io::Error| {
        let error = chain(&error);
        let what = format!("{source} is plain http, and its host {host} does not resolve: {error}");
        let remedy = "start the server in a network that resolves this host, or use an https URL";
        Finding::new(&codes::URL_UNRESOLVED, what).remedy_is(remedy)
    };
    let (resolve, asked) = (builder.serving.resolve, host.to_owned());
    let resolved = timeout(PATIENCE, spawn_blocking(move || resolve(&asked))).await;
    let addresses = match resolved {
        Ok(Ok(addresses)) => addresses.map_err(unresolved)?,
        Ok(Err(panicked)) => return Err(unresolved(io::Error::other(panicked))),
        Err(_) => return Err(unresolved(io::ErrorKind::TimedOut.into())),
    };
    if addresses.is_empty() {
        return Err(unresolved(io::Error::other("it has no address")));
    }
    match addresses.into_iter().find(|address| !is_private(*address)) {
        None => Ok(()),
        Some(address) => {
            let what = format!(
                "{source} is plain http, and its host {host} has the address {address}, which is not private"
            );
            let remedy = "use an https URL, or a host that has only private addresses";
            Err(Finding::new(&codes::URL_PUBLIC, what).remedy_is(remedy))
        }
    }
}

/// Returns the finding about a canonical URL with plain http.
pub(super) fn plain_http(canonical: &Canonical) -> Option<Finding> {
    canonical.plain_http_host()?;
    let url = canonical.as_str();
    let what = format!("the server has the URL {url}, without TLS");
    let remedy =
        "drop `dangerous_http_url` and use https, unless you own every machine in this network";
    Some(Finding::new(&codes::HTTP_URL, what).remedy_is(remedy))
}

const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_resolves_addresses_and_the_local_machine() {
        for (host, address) in [("10.0.0.7", "10.0.0.7"), ("[fd00::7]", "fd00::7")] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(system(host).unwrap(), [address]);
        }
        let local = system("localhost").unwrap();
        assert!(!local.is_empty() && local.iter().all(IpAddr::is_loopback));
    }
}
