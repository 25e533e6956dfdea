//! A canonical URL with plain http: permitted on request, if its host has private addresses alone.
//!
//! The addresses are looked at once, at the start. The server itself never connects to them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::http::Canonical;

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

/// Whether an address is of the local machine or of a private network: loopback, RFC 1918, link-local
/// (RFC 3927, RFC 4291), unique local (RFC 4193), and the shared address space of RFC 6598, which overlay
/// networks use. An IPv4 address inside an IPv6 address counts as the IPv4 address.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || is_shared(address)
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// 100.64.0.0/10.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("10.0.0.1", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("172.15.255.255", false),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.0.1", true),
            ("192.169.0.1", false),
            ("169.254.1.1", true),
            ("100.63.255.255", false),
            ("100.64.0.1", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("224.0.0.1", false),
            ("8.8.8.8", false),
            ("::1", true),
            ("::", false),
            ("fc00::1", true),
            ("fdff::1", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fec0::1", false),
            ("ff02::1", false),
            ("2001:db8::1", false),
            ("2606:4700::1111", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }

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
