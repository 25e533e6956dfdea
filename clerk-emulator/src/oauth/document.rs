//! Clients whose id is the URL of their metadata document.
//!
//! Any web page can make a browser send an authorization request whose client id is a URL, so the URL is untrusted.
//! This module fetches documents only from public addresses, limits size and time, and follows no redirects.
//!
//! Source: draft-ietf-oauth-client-id-metadata-document §4, §6.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header;
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::oauth::client::is_document_url;
use crate::oauth::context::Context;
use crate::oauth::{Client, Code, Metadata, OAuth, OAuthError};
use crate::settings::Settings;

impl OAuth {
    /// The client of an authorization request: a registered client, or a client whose document is
    /// fetched now.
    pub(crate) async fn find_client(
        &self,
        context: &Context,
        client_id: &str,
    ) -> Result<Client, OAuthError> {
        if !is_document_url(client_id) {
            let client = self.client(client_id);
            return client.ok_or_else(|| invalid(format!("there is no client {client_id}")));
        }
        self.admit(&context.settings, client_id)?;
        let loopback = context.settings.loopback_client_documents;
        let metadata = fetch(client_id, loopback).await?;
        let client = metadata.into_document_client(client_id, &context.directory)?;
        self.put_client(client.clone())?;
        Ok(client)
    }

    /// Refuses a client with a document if the settings do not allow it.
    ///
    /// Source: Clerk, "Configure CIMD settings",
    /// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/client-id-metadata-documents>.
    fn admit(&self, settings: &Settings, client_id: &str) -> Result<(), OAuthError> {
        let only_known = settings.client_id_metadata_documents_only_allow_pre_registered_clients;
        let block_known = settings.client_id_metadata_documents_block_implicitly_allowed_clients;
        let is_known = self.client(client_id).is_some();
        let admitted = self.is_allowed_client(client_id)
            || (settings.client_id_metadata_documents_advertised && !only_known)
            || (is_known && !(only_known && block_known));
        if admitted {
            return Ok(());
        }
        Err(invalid(format!(
            "{client_id} is not allowed by the settings of this instance"
        )))
    }
}

async fn fetch(client_id: &str, loopback: bool) -> Result<Metadata, OAuthError> {
    let url = check_url(client_id, loopback)?;
    let unreachable = |error: reqwest::Error| {
        tracing::debug!(%error, client_id, "client document not fetched");
        invalid(format!("the document {client_id} cannot be fetched"))
    };
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy() // A proxy would resolve the name itself.
        .timeout(TIMEOUT)
        .dns_resolver(Arc::new(Resolver { loopback }))
        .build()
        .map_err(unreachable)?;
    let request = client.get(url).header(header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(unreachable)?;
    if response.status() != 200 || !is_json(response.headers()) {
        return Err(invalid(format!(
            "the response for {client_id} is not status 200 with JSON"
        )));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len().saturating_add(chunk.len()) > MAX_BODY {
            return Err(invalid(format!(
                "the document {client_id} is longer than 64 KiB"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body)
        .map_err(|_| invalid(format!("the document {client_id} is not client metadata")))
}

fn is_json(headers: &header::HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Checks that a client id is an `https` URL that has a path and is written in the normal form of a
/// URL parser. The normal form is required so that each client has exactly one id.
pub(crate) fn check_url(client_id: &str, loopback: bool) -> Result<Url, OAuthError> {
    let refuse = |why: &str| Err(invalid(format!("{client_id} cannot be a client id: {why}")));
    let Ok(url) = Url::parse(client_id) else {
        return refuse("it is not a URL");
    };
    if url.as_str() != client_id || url.fragment().is_some() {
        return refuse("it is not in the normal form of a URL parser, or it has a fragment");
    }
    if url.path() == "/" || !url.username().is_empty() || url.password().is_some() {
        return refuse("it has no path, or it has a user name");
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return refuse("it has no host"),
    };
    // The resolver checks the addresses of a host name. If the host is itself an address, the resolver is not used, so
    // this code checks the address.
    if address.is_some_and(|address| !is_allowed(address, loopback)) {
        return refuse("its address is not public");
    }
    let is_local =
        address.is_some_and(|address| address.is_loopback()) || url.host_str() == Some("localhost");
    if url.scheme() != "https" && !(loopback && is_local) {
        return refuse("it is not https");
    }
    Ok(url)
}

/// Resolves host names, and fails if any address of the name is not allowed.
struct Resolver {
    loopback: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let loopback = self.loopback;
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs()?;
                std::io::Result::Ok(found.collect::<Vec<SocketAddr>>())
            });
            let found = found.await??;
            if found
                .iter()
                .all(|address| is_allowed(address.ip(), loopback))
            {
                Ok(Box::new(found.into_iter()) as Addrs)
            } else {
                Err(Box::<dyn Error + Send + Sync>::from(
                    "an address is not public",
                ))
            }
        })
    }
}

fn is_allowed(address: IpAddr, loopback: bool) -> bool {
    if loopback && address.is_loopback() {
        return true;
    }
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Source: IANA IPv4 Special-Purpose Address Registry.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    let protocols = a == 192 && b == 0 && c == 0;
    !(a == 0
        || a >= 224
        || shared
        || benchmark
        || protocols
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation())
}

/// Whether the address is global unicast, and does not embed an IPv4 address.
///
/// Source: IANA IPv6 Special-Purpose Address Registry.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    let protocols = first == 0x2001 && second < 0x0200; // Includes Teredo.
    let documentation = (first == 0x2001 && second == 0x0db8) || first == 0x3fff;
    let six_to_four = first == 0x2002;
    global && !protocols && !documentation && !six_to_four
}

fn invalid(description: impl AsRef<str>) -> OAuthError {
    OAuthError::new(Code::InvalidClient, description)
}

const MAX_BODY: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_connected_to() {
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111"] {
            assert!(is_allowed(address.parse().unwrap(), false), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2001::1",
            "2001:db8::1",
            "2002:a9fe:a9fe::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_allowed(address.parse().unwrap(), false), "{address}");
        }
        for address in ["127.0.0.1", "::1"] {
            assert!(is_allowed(address.parse().unwrap(), true), "{address}");
        }
        assert!(!is_allowed("10.0.0.1".parse().unwrap(), true));
    }

    #[test]
    fn a_client_id_is_https_with_a_path_and_in_normal_form() {
        assert!(check_url("https://app.example.com/client.json", false).is_ok());
        assert!(check_url("https://app.example.com:8443/client.json?v=1", false).is_ok());
        for (client_id, why) in [
            ("https://app.example.com", "normal form"),
            ("https://app.example.com/", "no path"),
            ("https://App.example.com/c", "normal form"),
            ("https://app.example.com/a/../c", "normal form"),
            ("https://app.example.com:443/c", "normal form"),
            ("https://app.example.com/c#f", "fragment"),
            ("https://user@app.example.com/c", "user name"),
            ("http://app.example.com/c", "not https"),
            ("http://127.0.0.1/c", "not public"),
            ("http://localhost/c", "not https"),
            ("https://127.0.0.1/c", "not public"),
            ("https://[::1]/c", "not public"),
            ("https://169.254.169.254/latest", "not public"),
            ("https://0x7f000001/c", "normal form"),
            ("https://", "not a URL"),
        ] {
            let error = check_url(client_id, false).unwrap_err();
            assert!(error.description.contains(why), "{}", error.description);
        }
        assert!(check_url("http://127.0.0.1:4500/c", true).is_ok());
        assert!(check_url("http://localhost:4500/c", true).is_ok());
        assert!(check_url("http://app.example.com/c", true).is_err());
        assert!(check_url("http://10.0.0.1/c", true).is_err());
    }

    #[actix_web::test]
    async fn a_name_of_this_machine_is_not_connected_to() {
        let error = fetch("https://localhost:1/c", false).await.err().unwrap();
        assert!(error.description.contains("cannot be fetched"));
    }
}
