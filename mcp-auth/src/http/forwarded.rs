//! The address of the client that sent a request. Only limits use it.
//!
//! Host, origin, URLs and the rules for loopback do not depend on forwarding headers. Limits read
//! them from a proxy that the operator names, because otherwise all clients behind the proxy would
//! share one limit.
//!
//! INVARIANT: an address is believed only if the peer wrote it, or a believed proxy nearer to the
//! server. A client never decides which address counts for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, Ordering};

use actix_web::dev::RequestHead;
use actix_web::http::header::{FORWARDED, HeaderName, HeaderValue, X_FORWARDED_FOR};

use crate::limits::{Networks, is_private};

/// Identifies clients by their addresses.
#[derive(Debug)]
pub(super) struct Clients {
    proxies: Networks,
    /// Whether the addresses of the peers indicate a proxy.
    guess: AtomicU8,
}

impl Clients {
    /// `proxies` lists the proxies whose forwarding headers are read. `is_public` is true if the
    /// server's URL is not on loopback.
    pub(super) fn new(proxies: Networks, is_public: bool) -> Self {
        let is_certain = !is_public || !proxies.is_empty();
        let guess = if is_certain { SETTLED } else { OPEN };
        Self {
            proxies,
            guess: AtomicU8::new(guess),
        }
    }

    /// Returns the address of the request's client. It is the peer's address unless the peer is a
    /// trusted proxy.
    ///
    /// Source: RFC 7239 section 4 to 6; `X-Forwarded-For` as proxies write it.
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
            // A proxy writes one of the two headers, and forwards the other as the client sent it.
            (Some(_), Some(_)) => peer,
        }
    }

    /// Walks from the nearest hop to the client, and returns the first address that is no trusted
    /// proxy. At an entry that is not an address the walk ends at the last trusted proxy. Returns
    /// `None` if the request does not have the header.
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

    /// A server with a public URL whose peers are all on private networks is probably behind a
    /// proxy.
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
                "the URL of this server is public, and its peer is on a private network: if that is a proxy, all \
                 of its clients are one client for the limits; name the proxy in the setting"
            );
        }
    }
}

/// Returns a value without control characters and without bytes beyond ASCII.
fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// Takes the last element of a list, without the blanks around it; `None` if the list is empty. The
/// list is read from its end, so that no text of the client's decides where the element begins.
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

/// Returns the address of the one `for` in an element of `Forwarded`.
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

/// The parameters of an element: `name=value`, separated by semicolons; `None` for a parameter that
/// cannot be read.
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

/// Splits off the first parameter at its semicolon. A quoted value with a backslash is not read: no
/// address needs one.
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

/// The characters of parameter names, a part of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Reads an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`. Returns `None` for names that hide the address, `unknown`
/// and `_hidden`.
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

/// RFC 7239 section 6.1: digits, or a name that hides the port.
fn is_port(text: &str) -> bool {
    let hidden = text.strip_prefix('_');
    match hidden {
        Some(name) => !name.is_empty() && name.bytes().all(|byte| is_token(byte) || byte == b'.'),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const BLANKS: [char; 2] = [' ', '\t'];
/// The characters that end a value without quotes.
const END: [char; 4] = [';', '"', ' ', '\t'];
/// The greatest number of entries that are read of a header. No chain of proxies is so long.
const MOST_ENTRIES: usize = 32;
/// No peer so far shows whether there is a proxy.
const OPEN: u8 = 0;
const SETTLED: u8 = 1;

#[cfg(test)]
mod tests;
