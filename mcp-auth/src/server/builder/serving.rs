//! Where a server is found, and who may reach it.

use super::ServerBuilder;

/// Where the server is, and who may reach it.
impl ServerBuilder {
    /// Names the public URL of the endpoint, the canonical URL; else `MCP_URL`, else on loopback
    /// `http://127.0.0.1:{port}/mcp`. Elsewhere it must be given.
    ///
    /// An origin gets the endpoint's path appended. It is https, and http on loopback only, or inside a private
    /// network with [`dangerous_http_url`](Self::dangerous_http_url); without query, fragment and credentials. It is what the metadata calls `resource` (RFC 9728 §2) and,
    /// unless [`audience`](Self::audience) says otherwise, what tokens must name as their audience;
    /// nothing of it is taken from requests.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Permits a canonical URL with plain http off loopback, like `http://mcp:3000`, inside a network of
    /// containers. Everything else follows the URL as it does otherwise: metadata, challenges, audience, and
    /// the `Host` that is served.
    ///
    /// The host is resolved at the start. Each of its addresses must be private: loopback, 10/8, 172.16/12,
    /// 192.168/16, link-local (169.254/16, fe80::/10), unique local (fc00::/7), or shared (100.64/10, which
    /// overlay networks use). If the host does not resolve, or has one other address, the server does not
    /// start. [`check`](Self::check) names the URL as a warning.
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
    /// Access tokens cross the network in the clear. Whoever can read its traffic, or can answer under the
    /// name of the server, gets tokens of its users. MCP demands https off loopback.
    ///
    /// Source: MCP 2026-07-28, basic/authorization, "Security considerations"; RFC 6750 section 5.3.
    pub fn dangerous_http_url(mut self) -> Self {
        self.dangerous_http_url = true;
        self
    }

    /// Sets the address or name to listen on; else `HOST`, else `127.0.0.1`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the port to listen on, 0 for a free one; else `PORT`, else 3000.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the path at which the endpoint is served, `/mcp` by default; it begins with `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the `Host` values that are served: `name` (any port) or `name:port`, in any case; else
    /// `MCP_ALLOWED_HOSTS` (separated by commas), else host and port of the canonical URL, on
    /// loopback under each of its names. Any other is answered with 403.
    ///
    /// A name with letters beyond ASCII is compared in Punycode, an IPv6 address with its brackets. An origin
    /// stands for its host and port. A `Host` without a port matches the ports 80 and 443, which clients
    /// leave out. The server does not start with an entry that is empty, has a path or a wildcard, or is not a
    /// host.
    ///
    /// Source: MCP 2026-07-28, basic/transports/streamable-http, on DNS rebinding.
    pub fn allowed_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.allowed_hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the browser origins that may call, like `https://app.example.com`; else `MCP_ALLOWED_ORIGINS`
    /// (separated by commas), else local pages if the canonical URL is on loopback, and none elsewhere. Any
    /// other is answered with 403.
    ///
    /// An entry is normalised to what browsers send: capitals, a default port and a final slash make no
    /// difference. The server does not start with an entry that is empty, has no scheme, a path or a wildcard,
    /// or is `null`, which is the origin of every page that hides its own.
    ///
    /// Programs send no `Origin`, and are not concerned.
    ///
    /// Source: MCP 2026-07-28, basic/transports/streamable-http; RFC 6454 section 6.2.
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.allowed_origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Names the resource in its metadata (RFC 9728 `resource_name`); the title by default.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// Names a page for developers in the metadata (RFC 9728 `resource_documentation`); none by
    /// default.
    pub fn resource_documentation(mut self, url: impl Into<String>) -> Self {
        self.resource_documentation = Some(url.into());
        self
    }

    /// Publishes no copies of the authorization server's metadata at the root: neither
    /// `/.well-known/oauth-authorization-server` (RFC 8414) nor `/.well-known/openid-configuration`. Only
    /// clients of MCP 2025-03-26, and those that knew the server as one of mcp-use, look for them there.
    pub fn without_legacy_discovery(mut self) -> Self {
        self.legacy_discovery = false;
        self
    }
}
