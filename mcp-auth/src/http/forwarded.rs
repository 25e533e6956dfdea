//! Finds the address of the client that sent a request. Only limits use the address.
//!
//! Host, origin, URLs and the rules for loopback do not depend on forwarding headers. Limits use these headers only if
//! the request comes from a proxy that the operator named. Without forwarding headers, all clients behind a proxy would
//! share one limit.
//!
//! INVARIANT: an address is trusted only if a trusted proxy wrote it. A peer is a trusted proxy if the operator named
//! its address. Another proxy is trusted if the operator named its address and a trusted proxy wrote it into the
//! header. A client can never choose the address for which its requests count.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, Ordering};

use actix_web::dev::RequestHead;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR};

use crate::limits::{Networks, is_private};

/// Finds the addresses of clients.
#[derive(Debug)]
pub(super) struct Clients {
    proxies: Networks,
    /// Whether the first peer has already been examined. A first peer on a private network is probably a proxy.
    guess: AtomicU8,
}

impl Clients {
    /// `proxies` lists the proxies whose forwarding headers are trusted. `is_public` is true if the
    /// server's URL is not on loopback.
    pub(super) fn new(proxies: Networks, is_public: bool) -> Self {
        let is_certain = !is_public || !proxies.is_empty();
        let guess = if is_certain { SETTLED } else { OPEN };
        Self {
            proxies,
            guess: AtomicU8::new(guess),
        }
    }

    /// Returns the address of the client of a request. If the peer is not a trusted proxy, this is the address of the
    /// peer.
    ///
    /// Source: RFC 7239 sections 4 to 6. `X-Forwarded-For` has no standard. It is read in the form in which common
    /// proxies write it.
    pub(super) fn address(&self, head: &RequestHead) -> IpAddr {
        let peer = head
            .peer_addr
            .map_or(UNKNOWN, |peer| peer.ip().to_canonical());
        if self.guess.load(Ordering::Relaxed) == OPEN {
            self.guess_from(peer);
        }
        if self.proxies.is_empty() || !self.proxies.contain(peer) {
            return peer;
        }
        let standard = self.walk(peer, head, &FORWARDED, of_forwarded);
        let customary = self.walk(peer, head, &X_FORWARDED_FOR, node);
        match (standard, customary) {
            (None, None) => peer,
            (Some(client), None) | (None, Some(client)) => client,
            (Some(standard), Some(customary)) if standard == customary => standard,
            // The headers disagree. A proxy writes only one of the two headers, and forwards the other header as the
            // client sent it.
            (Some(_), Some(_)) => peer,
        }
    }

    /// Reads the addresses of a header from the nearest proxy to the client, and returns the first
    /// address that is not a trusted proxy. If an entry is not an address, returns the last trusted
    /// address that was read. Returns `None` if the request does not have the header.
    fn walk(
        &self,
        peer: IpAddr,
        head: &RequestHead,
        name: &HeaderName,
        address: fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let lines: Vec<_> = head.headers().get_all(name).collect();
        let mut believed = peer;
        let mut left = MOST_ENTRIES;
        for line in lines.iter().rev() {
            let Some(mut rest) = text(line) else {
                return Some(believed);
            };
            while let Some((before, element)) = last_element(rest) {
                rest = before;
                left -= 1;
                // RFC 9110 section 5.6.1: empty elements of a list are ignored.
                if !element.is_empty() {
                    let Some(client) = address(element) else {
                        return Some(believed);
                    };
                    if !self.proxies.contain(client) {
                        return Some(client);
                    }
                    believed = client;
                }
                if left == 0 {
                    return Some(believed);
                }
            }
        }
        (!lines.is_empty()).then_some(believed)
    }

    /// Logs a warning if the first peer of a server with a public URL is on a private network. The
    /// peer is then probably a proxy.
    #[cold]
    fn guess_from(&self, peer: IpAddr) {
        if peer == UNKNOWN {
            return;
        }
        let settled = self.guess.swap(SETTLED, Ordering::Relaxed);
        if settled == OPEN && is_private(peer) {
            tracing::warn!(
                target: "mcp_auth",
                %peer,
                setting = "MCP_TRUSTED_PROXIES",
                "the URL of this server is public, but a peer is on a private network: if the peer is a proxy, the limits \
                 count all of its clients as one client; name the proxy in the setting"
            );
        }
    }
}

/// Returns true if a proxy has forwarded the request. Only the presence of headers counts, not their values. A proxy
/// must send `Via` (RFC 9110 section 7.6.3), but few proxies do, so other headers count too. A tunnel of TCP connections
/// adds no header, so this function cannot notice the tunnel.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        OF_PROXIES.contains(&name) || name.starts_with("x-forwarded-")
    })
}

/// Returns a value as text. `None` if it has control characters or non-ASCII bytes.
fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// Returns the list before its last element, and the last element without surrounding blanks.
/// `None` if the list is empty. The list is read from its end, so that text that the client wrote
/// cannot influence where the last element begins.
fn last_element(list: &str) -> Option<(&str, &str)> {
    if list.is_empty() {
        return None;
    }
    let bytes = list.as_bytes();
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(bytes, at) => quoted = !quoted,
            b',' if !quoted => {
                let (before, element) = list.split_at_checked(at)?;
                let element = element.strip_prefix(',')?;
                return Some((before, element.trim_matches(BLANKS)));
            }
            _ => {}
        }
    }
    Some(("", list.trim_matches(BLANKS)))
}

/// Returns true if the number of backslashes before this byte is odd.
fn is_escaped(bytes: &[u8], at: usize) -> bool {
    let before = bytes.iter().take(at).rev();
    before.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Returns the address of `for` in an element of `Forwarded`. `None` if `for` occurs twice or not
/// at all.
fn of_forwarded(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in Pairs(element) {
        let (name, value) = pair?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    node(found?)
}

/// Iterates over the parameters of an element: `name=value`, separated by semicolons. An item is
/// `None` if the parameter cannot be parsed.
struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = Option<(&'a str, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let pair = pair(self.0);
        self.0 = pair.map_or("", |(_, _, rest)| rest);
        Some(pair.map(|(name, value, _)| (name, value)))
    }
}

/// Splits off the first parameter at its semicolon. Returns `None` for a quoted value with a backslash, because an
/// address never needs a backslash.
fn pair(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.trim_start_matches(BLANKS).split_once('=')?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_at_checked(rest.find(END).unwrap_or(rest.len()))?,
    };
    let is_readable =
        !name.is_empty() && name.bytes().all(is_token) && !value.contains(['\\', '"']);
    let rest = rest.trim_start_matches(BLANKS);
    let rest = match rest.strip_prefix(';') {
        Some(rest) => rest,
        None if rest.is_empty() => rest,
        None => return None,
    };
    is_readable.then_some((name, value, rest))
}

/// Returns true for a character that the name of a parameter may have. RFC 9110 section 5.6.2 permits a few more
/// characters.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Reads an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`. Returns `None` for names that hide the address, such as
/// `unknown` and `_hidden`.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port.then(|| IpAddr::V6(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(IpAddr::V4(address))
}

/// Returns true for digits, or for a name that hides the port (RFC 7239 section 6.1).
fn is_port(text: &str) -> bool {
    let hidden = text.strip_prefix('_');
    match hidden {
        Some(name) => !name.is_empty() && name.bytes().all(|byte| is_token(byte) || byte == b'.'),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// The headers that proxies add, besides `X-Forwarded-…`.
const OF_PROXIES: [&str; 11] = [
    "cf-connecting-ip",
    "fly-client-ip",
    "forwarded",
    "tailscale-user-login",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-forwarded-for",
    "x-real-ip",
];
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const BLANKS: [char; 2] = [' ', '\t'];
/// The characters that end a value without quotes.
const END: [char; 4] = [';', '"', ' ', '\t'];
/// The largest number of entries that are read from a header. Chains of proxies are much shorter in practice.
const MOST_ENTRIES: usize = 32;
/// No peer has connected yet, so nobody knows whether the peers are proxies.
const OPEN: u8 = 0;
const SETTLED: u8 = 1;

#[cfg(test)]
mod tests;
