//! Networks of IP addresses. Limits count unauthenticated clients by network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// The addresses that count as one unauthenticated client: an IPv4 address, or an IPv6 /64.
///
/// An IPv6 subscriber has at least a /64, and can use a new address for each connection. An IPv4
/// address from an IPv6 socket (`::ffff:…`) counts as the IPv4 address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Network {
    V4(Ipv4Addr),
    /// The first four of eight segments.
    V6([u16; 4]),
}

/// A site: the networks that one operator is likely to have, which are an IPv4 /24 or an IPv6 /48. An attacker can
/// easily get many networks of one site, so each site gets only a part of a limit that all clients share.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Site {
    V4([u8; 3]),
    V6([u16; 3]),
}

impl Network {
    /// Returns the network of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }

    /// Returns the site of the network.
    pub(crate) fn site(self) -> Site {
        match self {
            Self::V4(address) => {
                let [a, b, c, _] = address.octets();
                Site::V4([a, b, c])
            }
            Self::V6([a, b, c, _]) => Site::V6([a, b, c]),
        }
    }
}

/// A list of networks, as a setting names them: addresses (`10.0.0.7`, `::1`) and prefixes
/// (`10.0.0.0/8`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Networks(Vec<IpNet>);

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match (
                network.addr(),
                network.prefix_len() == network.max_prefix_len(),
            ) {
                (address, true) => write!(f, "{separator}{address}")?,
                (_, false) => write!(f, "{separator}{network}")?,
            }
        }
        Ok(())
    }
}

/// An entry of a list that is neither an address nor a prefix.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is neither an IP address nor a network such as `10.0.0.0/8`")]
pub(crate) struct NotANetwork(pub(crate) String);

impl Networks {
    /// Reads a list.
    ///
    /// # Errors
    /// [`NotANetwork`] for the first entry that is not a network.
    pub(crate) fn parse<S: AsRef<str>>(
        entries: impl IntoIterator<Item = S>,
    ) -> Result<Self, NotANetwork> {
        let networks = entries.into_iter().map(|entry| {
            let entry = entry.as_ref().trim();
            parse(entry).ok_or_else(|| NotANetwork(entry.to_owned()))
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }

    /// Returns true if the list has no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if an entry is a prefix of length 0, which contains every address of its
    /// family.
    pub(crate) fn have_everybody(&self) -> bool {
        self.0.iter().any(|network| network.prefix_len() == 0)
    }

    /// Returns true if an entry contains the address. An IPv4 address from an IPv6 socket is
    /// compared as the IPv4 address.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn parse(entry: &str) -> Option<IpNet> {
    let network = IpNet::from_str(entry)
        .or_else(|_| IpAddr::from_str(entry).map(IpNet::from))
        .ok()?;
    match network {
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => mapped(v6.addr(), v6.prefix_len()),
        network => Some(network.trunc()),
    }
}

/// Returns the IPv4 network in an IPv6 entry such as `::ffff:10.0.0.0/104`.
fn mapped(address: Ipv6Addr, prefix: u8) -> Option<IpNet> {
    let address = address.to_ipv4_mapped()?;
    let network = IpNet::new(address.into(), prefix.checked_sub(96)?).ok()?;
    Some(network.trunc())
}

/// Returns true if an address belongs to the local machine or to a private network: loopback, RFC
/// 1918, link-local (RFC 3927, RFC 4291), unique local (RFC 4193), and the shared address space of
/// RFC 6598, which overlay networks use. An IPv4 address inside an IPv6 address counts as the IPv4
/// address.
pub(crate) fn is_private(address: IpAddr) -> bool {
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

/// Returns true if the address is in 100.64.0.0/10.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_and_an_ipv6_64_are_one_network() {
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
    }

    #[test]
    fn an_ipv4_24_and_an_ipv6_48_are_one_site() {
        let site = |address| network(address).site();
        assert_eq!(site("192.0.2.1"), site("192.0.2.255"));
        assert_ne!(site("192.0.2.1"), site("192.0.3.1"));
        assert_eq!(site("2001:db8:1:1::1"), site("2001:db8:1:2::1"));
        assert_ne!(site("2001:db8:1::1"), site("2001:db8:2::1"));
    }

    #[test]
    fn a_list_has_addresses_and_prefixes() {
        let list = [
            "10.0.0.7",
            " 192.0.2.0/24 ",
            "2001:db8::/32",
            "::ffff:10.9.0.0/112",
        ];
        let networks = Networks::parse(list).unwrap();
        for inside in [
            "10.0.0.7",
            "::ffff:10.0.0.7",
            "192.0.2.255",
            "2001:db8:9::1",
            "10.9.0.200",
        ] {
            assert!(networks.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.0.0.8", "192.0.3.0", "2001:db9::1", "::1", "10.10.0.1"] {
            assert!(!networks.contain(outside.parse().unwrap()), "{outside}");
        }
        let shown = "10.0.0.7, 192.0.2.0/24, 2001:db8::/32, 10.9.0.0/16";
        assert_eq!(networks.to_string(), shown);
        assert!(!networks.is_empty() && !networks.have_everybody());
        assert!(
            Networks::parse(["10.0.0.7", "::/0"])
                .unwrap()
                .have_everybody()
        );
        assert!(Networks::default().is_empty());
    }

    #[test]
    fn an_entry_that_is_no_network_is_named() {
        for bad in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "proxy.internal",
            "::ffff:10.0.0.0/90",
        ] {
            let refused = Networks::parse(["::1", bad]);
            assert_eq!(refused, Err(NotANetwork(bad.to_owned())), "{bad}");
        }
    }

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
}
