//! A canonical URL with plain http: permitted on request, if its host has private addresses alone.
//!
//! The addresses are looked at once, at the start. The server itself never connects to them.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::http::Canonical;
use crate::limits::is_private;

use super::builder::ServerBuilder;
use super::check::{Finding, Found};
use super::error::StartError;
use super::settings::Names;

/// Resolves the name of a host to its addresses.
pub(super) type Resolve = fn(&str) -> io::Result<Vec<IpAddr>>;

/// The resolver of the system.
pub(super) fn system(host: &str) -> io::Result<Vec<IpAddr>> {
    // A port belongs to the form; no address depends on it.
    let addresses = (host.trim_matches(['[', ']']), 0).to_socket_addrs()?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// Checks that the host of a canonical URL with plain http has private addresses, and no others.
///
/// # Errors
///
/// [`StartError::UnresolvedUrl`] if the host has no address, or if the resolver does not answer within
/// 5 seconds; [`StartError::PublicUrl`] if an address is not private.
pub(super) async fn check_addresses(
    builder: &ServerBuilder,
    canonical: &Canonical,
) -> Result<(), StartError> {
    let Some(host) = canonical.plain_http_host() else {
        return Ok(());
    };
    let name = Names::of(builder).url;
    let unresolved = |source| StartError::UnresolvedUrl {
        name,
        host: host.to_owned(),
        source,
    };
    let (resolve, asked) = (builder.resolve, host.to_owned());
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
        Some(address) => Err(StartError::PublicUrl {
            name,
            host: host.to_owned(),
            address,
        }),
    }
}

/// The finding about a canonical URL with plain http.
pub(super) fn plain_http(canonical: &Canonical) -> Option<Found> {
    canonical.plain_http_host()?;
    let finding = Finding::warning(
        format!(
            "the server calls itself {}, without TLS",
            canonical.as_str()
        ),
        "access tokens cross the network in the clear: whoever reads the traffic can call the server as \
         their users",
        "drop `dangerous_http_url` and use https, unless all that is in this network is yours",
    );
    Some(finding.into())
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
