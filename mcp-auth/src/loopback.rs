//! Decides whether a host is this machine. No other module decides this.

use std::net::IpAddr;

use url::{Host, Url};

/// Returns true if the URL's host is loopback: `localhost`, `127.0.0.0/8` or `[::1]`.
pub(crate) fn is_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_name(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns true if a host to listen on is loopback. An IPv6 address may have brackets.
pub(crate) fn is_host(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    let address = bare.parse::<IpAddr>();
    is_name(bare) || address.is_ok_and(|address| address.is_loopback())
}

fn is_name(name: &str) -> bool {
    name == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_alone_decides_whether_a_url_is_loopback() {
        for url in [
            "http://localhost:1",
            "http://127.0.0.1/x",
            "https://127.9.9.9",
            "http://[::1]:3",
        ] {
            assert!(is_url(&Url::parse(url).unwrap()), "{url}");
        }
        for url in [
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://a@example.com",
            "data:x",
        ] {
            assert!(!is_url(&Url::parse(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn a_host_to_listen_on_is_loopback_by_name_or_address() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["0.0.0.0", "::", "10.0.0.7", "localhost.example.com", ""] {
            assert!(!is_host(host), "{host}");
        }
    }
}
