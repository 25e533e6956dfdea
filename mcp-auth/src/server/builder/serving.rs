//! The address, the URL, and the accepted hosts and origins of requests.

use std::fmt;

use url::Url;

use crate::http::{AllowedHost, BadEntry, Canonical, Gate, Origins, origin};
use crate::loopback;

use super::super::codes;
use super::super::environment::{Environment, Variable};
use super::super::error::chain;
use super::super::finding::{Finding, Findings};
use super::super::private_url::{Resolve, system};
use super::super::setting::{Setting, Source};
use super::ServerBuilder;

/// The settings of the address and the URL that are set in code.
#[derive(Debug)]
pub(in crate::server) struct ServingOptions {
    url: Option<String>,
    dangerous_http_url: bool,
    pub(in crate::server) resolve: Resolve,
    host: Option<String>,
    pub(in crate::server) port: Option<u16>,
    pub(in crate::server) path: String,
    allowed_hosts: Option<Vec<String>>,
    allowed_origins: Option<Vec<String>>,
    pub(in crate::server) resource_name: Option<String>,
    pub(in crate::server) resource_documentation: Option<String>,
    pub(in crate::server) legacy_discovery: bool,
}

impl Default for ServingOptions {
    fn default() -> Self {
        Self {
            url: None,
            dangerous_http_url: false,
            resolve: system,
            host: None,
            port: None,
            path: "/mcp".to_owned(),
            allowed_hosts: None,
            allowed_origins: None,
            resource_name: None,
            resource_documentation: None,
            legacy_discovery: true,
        }
    }
}

/// The address, the URL, and the accepted hosts and origins of requests.
impl ServerBuilder {
    /// Sets the public URL of the endpoint, which is its canonical URL. Default: `MCP_URL`, or
    /// `http://127.0.0.1:{port}/mcp` if that variable is unset and the server listens on loopback, with `https` if the
    /// server speaks TLS. A server that listens on another address does not start without this setting.
    ///
    /// If the URL is an origin without a path, the server appends the endpoint's path. The URL must use https; http is
    /// permitted on loopback, and inside a private network with [`dangerous_http_url`](Self::dangerous_http_url). The
    /// URL must not have a query, a fragment or credentials. The metadata names the URL as `resource` (RFC 9728 §2).
    /// Tokens must name the URL as their audience, unless [`audience`](Self::audience) sets another audience. The
    /// server never derives the URL from a request.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.serving.url = Some(url.into());
        self
    }

    /// Permits a canonical URL with plain http off loopback, such as `http://mcp:3000` inside a
    /// network of containers. The metadata, the challenges, the audience and the accepted `Host`
    /// follow from the URL as usual.
    ///
    /// The server resolves the URL's host when it starts. Each address of the host must be private:
    /// loopback, 10/8, 172.16/12, 192.168/16, link-local (169.254/16, fe80::/10), unique local
    /// (fc00::/7), or shared (100.64/10, which overlay networks use). If the host does not resolve
    /// or has a public address, the server does not start. [`check`](Self::check) reports the URL
    /// as a warning.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .url("http://mcp:3000")
    ///     .host("0.0.0.0")
    ///     .dangerous_http_url();
    /// # let _ = builder;
    /// ```
    ///
    /// # Security
    ///
    /// Access tokens cross the network unencrypted. Anyone who can read the traffic, or can answer
    /// requests to the server's host name, gets tokens of its users. MCP requires https off
    /// loopback.
    ///
    /// Source: MCP 2026-07-28, basic/authorization, "Security considerations"; RFC 6750 section
    /// 5.3.
    pub fn dangerous_http_url(mut self) -> Self {
        self.serving.dangerous_http_url = true;
        self
    }

    /// Sets the address or the host name to listen on. Default: `HOST`, or `127.0.0.1` if that
    /// variable is unset.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.serving.host = Some(host.into());
        self
    }

    /// Sets the port to listen on. With 0 the system chooses a free port. Default: `PORT`, or 3000
    /// if that variable is unset.
    pub fn port(mut self, port: u16) -> Self {
        self.serving.port = Some(port);
        self
    }

    /// Sets the path of the endpoint; `/mcp` by default. The path must begin with `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.serving.path = path.into();
        self
    }

    /// Sets the accepted values of the `Host` header: `name` (any port) or `name:port`, compared
    /// without regard to case. Default: `MCP_ALLOWED_HOSTS` (separated by commas), or the host and
    /// port of the canonical URL if that variable is unset. If the canonical URL is on loopback,
    /// the default accepts `127.0.0.1`, `localhost` and `[::1]`. The server answers a request with
    /// any other `Host` with 403.
    ///
    /// A name with non-ASCII letters is compared in Punycode. An IPv6 address needs brackets. An
    /// entry may also be an origin, which stands for its host and port. A `Host` without a port
    /// matches entries with port 80 or 443, because clients leave out these ports. If an entry is
    /// empty, has a path or a wildcard, or is not a host, the server does not start.
    ///
    /// Source: MCP 2026-07-28, basic/transports/streamable-http, on DNS rebinding.
    pub fn allowed_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.serving.allowed_hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the origins of web pages that may call the server, such as `https://app.example.com`. Default:
    /// `MCP_ALLOWED_ORIGINS` (separated by commas). If that variable is unset, pages on loopback may call a server
    /// whose canonical URL is on loopback, and no page may call any other server. The server answers a request from any
    /// other origin with 403.
    ///
    /// The server normalises each entry to the form that browsers send: capitals, a default port and a final slash make
    /// no difference. The server does not start if an entry is empty, lacks a scheme, has a path or a wildcard, or is
    /// `null`. The origin `null` is forbidden because unrelated pages share this origin, for example all sandboxed
    /// frames.
    ///
    /// The list affects browsers only, because other clients send no `Origin`.
    ///
    /// Source: MCP 2026-07-28, basic/transports/streamable-http; RFC 6454 section 6.2.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.serving.allowed_origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the name of the server in its metadata (RFC 9728 `resource_name`). The default is the title.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.serving.resource_name = Some(name.into());
        self
    }

    /// Sets the URL of a page for developers in the metadata (RFC 9728 `resource_documentation`). By default the
    /// metadata names no page.
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.serving.resource_documentation = Some(url.into());
        self
    }

    /// Stops publishing copies of the authorization server's metadata at
    /// `/.well-known/oauth-authorization-server` (RFC 8414) and
    /// `/.well-known/openid-configuration`. Only two groups of clients need the copies: clients of
    /// MCP 2025-03-26, and clients that connected while the server still used mcp-use.
    pub fn without_legacy_discovery(mut self) -> Self {
        self.serving.legacy_discovery = false;
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[
    Variable::of_server("HOST"),
    Variable::of_server("MCP_ALLOWED_HOSTS"),
    Variable::of_server("MCP_ALLOWED_ORIGINS"),
    Variable::of_server("MCP_URL"),
    Variable::of_server("PORT"),
];

/// The address to listen on. Port 0 lets the system choose a port.
#[derive(Clone)]
pub(in crate::server) struct Address {
    pub(in crate::server) host: Setting<String>,
    pub(in crate::server) port: Setting<u16>,
}

/// The hosts and origins that settings list. `None` if no setting lists any.
#[derive(Debug)]
pub(in crate::server) struct Allowed {
    hosts: Option<Vec<AllowedHost>>,
    origins: Option<Vec<String>>,
}

impl ServingOptions {
    pub(in crate::server) fn host(&self, env: &Environment<'_>) -> Setting<String> {
        let host = Setting::text(env, self.host.as_ref(), "host", "HOST");
        Setting {
            value: host.value.unwrap_or_else(|| "127.0.0.1".to_owned()),
            source: host.source,
        }
    }

    pub(in crate::server) fn address(&self, env: &Environment<'_>) -> Result<Address, Finding> {
        let in_code = self.port.map(|port| port.to_string());
        let port = Setting::text(env, in_code.as_ref(), "port", "PORT");
        let port = port.parse(|port, source| {
            let expected = "a number from 0 to 65535 is expected";
            port.parse().map_err(|_| source.invalid(&port, expected))
        })?;
        Ok(Address {
            host: self.host(env),
            port: Setting {
                value: port.value.unwrap_or(3000),
                source: port.source,
            },
        })
    }

    /// Returns the setting that names the canonical URL.
    pub(in crate::server) fn url(&self, env: &Environment<'_>) -> Setting<Option<String>> {
        Setting::text(env, self.url.as_ref(), "url", "MCP_URL")
    }

    pub(in crate::server) fn canonical(
        &self,
        env: &Environment<'_>,
        address: &Address,
        has_tls: bool,
    ) -> Result<Canonical, Finding> {
        let path = &self.path;
        if !path.starts_with('/') {
            return Err(Source::Code("path").invalid(path, "it must begin with `/`"));
        }
        if !is_written_as_in_url(path) {
            let expected =
                "it must be written as it is in a URL, without query, fragment and braces";
            return Err(Source::Code("path").invalid(path, expected));
        }
        let url = self.url(env);
        let host = &address.host.value;
        let canonical = match url.value {
            Some(url) if self.dangerous_http_url => Canonical::parse_allowing_http(&url, path),
            Some(url) => Canonical::parse(&url, path),
            None if loopback::is_host(host) => {
                let scheme = if has_tls { "https" } else { "http" };
                Canonical::loopback(scheme, host, address.port.value, path)
            }
            None => {
                let what = format!("MCP_URL is not set, and {host} is not loopback");
                let remedy =
                    "set it to the public URL of the endpoint, like https://mcp.example.com";
                return Err(Finding::new(&codes::URL_MISSING, what).remedy_is(remedy));
            }
        };
        let canonical = canonical.map_err(|error| {
            let what = format!("{}: {}", url.source, chain(&error));
            let remedy = "set it like https://mcp.example.com/mcp";
            Finding::new(&codes::URL_INVALID, what).remedy_is(remedy)
        })?;
        if has_tls && !canonical.is_https() {
            let (source, url) = (url.source, canonical.as_str());
            let what = format!("{source} is `{url}`, but the server speaks https only");
            let remedy = "set it to the https URL, or unset MCP_TLS_CERT and MCP_TLS_KEY";
            return Err(Finding::new(&codes::HTTP_URL_WITH_TLS, what).remedy_is(remedy));
        }
        Ok(canonical)
    }

    /// Reads the listed hosts and origins, and adds a finding for each invalid entry.
    pub(in crate::server) fn allowed(
        &self,
        env: &Environment<'_>,
        findings: &mut Findings,
    ) -> Allowed {
        let in_code = self.allowed_hosts.as_ref();
        let hosts = Setting::list(env, in_code, "allowed_hosts", "MCP_ALLOWED_HOSTS");
        let in_code = self.allowed_origins.as_ref();
        let origins = Setting::list(env, in_code, "allowed_origins", "MCP_ALLOWED_ORIGINS");
        let source = hosts.source;
        let read = |list: Vec<_>| entries(source, &list, AllowedHost::parse, findings);
        let hosts = hosts.value.map(read);
        let source = origins.source;
        let read = |list: Vec<_>| entries(source, &list, origin, findings);
        let origins = origins.value.map(read);
        Allowed { hosts, origins }
    }
}

impl Allowed {
    /// Returns the accepted hosts and origins. By default they follow from the canonical URL.
    pub(in crate::server) fn gate(self, canonical: &Canonical) -> Gate {
        let names = || canonical.names().map(|name| name.host()).collect();
        let origins = match self.origins {
            Some(origins) => Origins::Listed(origins),
            None if canonical.is_loopback() => Origins::Loopback,
            None => Origins::Listed(Vec::new()),
        };
        Gate::new(self.hosts.unwrap_or_else(names), origins)
    }
}

/// Checks that the path is written as in a URL, because the server compares it byte for byte with the path of a
/// request.
fn is_written_as_in_url(path: &str) -> bool {
    let url = Url::parse("http://localhost").and_then(|base| base.join(path));
    let is_path =
        |url: Url| url.path() == path && url.query().is_none() && url.fragment().is_none();
    url.is_ok_and(is_path) && !path.contains(['{', '}'])
}

/// Parses the entries of a list, and adds a finding for each invalid entry.
pub(super) fn entries<T>(
    list: impl fmt::Display,
    texts: &[String],
    parse: fn(&str) -> Result<T, BadEntry>,
    findings: &mut Findings,
) -> Vec<T> {
    let mut entry = |text: &String| match parse(text) {
        Ok(entry) => Some(entry),
        Err(bad) => {
            // The message leaves out the text before the `@`, which may be a password.
            let value = match text.trim().rsplit_once('@') {
                Some((_, host)) => format!("…@{host}"),
                None => text.trim().to_owned(),
            };
            let what = format!("`{value}` in {list} {}", bad.problem);
            findings.push(Finding::new(&codes::ENTRY_INVALID, what).remedy_is(bad.remedy));
            None
        }
    };
    texts.iter().filter_map(&mut entry).collect()
}
