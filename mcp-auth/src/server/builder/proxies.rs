//! The proxies whose headers the server trusts for the addresses of clients.

use crate::limits::Networks;

use super::super::codes;
use super::super::environment::{Environment, Variable};
use super::super::error::chain;
use super::super::finding::Finding;
use super::super::setting::Setting;
use super::ServerBuilder;

/// The settings of proxies that are set in code.
#[derive(Debug, Default)]
pub(in crate::server) struct ProxyOptions {
    trusted: Option<Vec<String>>,
}

/// Proxies in front of the server.
impl ServerBuilder {
    /// Sets the proxies whose `Forwarded` and `X-Forwarded-For` headers the server trusts, as
    /// addresses (`10.0.0.7`, `::1`) and prefixes (`10.0.0.0/8`). Default: `MCP_TRUSTED_PROXIES`
    /// (separated by commas). If that variable is unset, the server trusts no proxy.
    ///
    /// Every limit for networks then counts a request for the address of its client instead of the address of the
    /// proxy. The server reads `Forwarded` (RFC 7239) and `X-Forwarded-For` from right to left. It skips trusted
    /// addresses, and takes the first address that is not trusted as the client's address. If an entry is not an
    /// address, the server takes the last trusted address before this entry. If a request has both headers and they
    /// name different clients, the request counts for the proxy. The server ignores these headers in requests of other
    /// peers.
    ///
    /// Only the limits use the client's address. The headers do not change the URL of the server,
    /// the accepted `Host` and `Origin`, or the rules for loopback.
    ///
    /// An entry that is neither an address nor a prefix, and a prefix of length 0 (`0.0.0.0/0`,
    /// `::/0`), are start-up errors.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .url("https://mcp.example.com")
    ///     .trusted_proxies(["10.0.0.0/8", "fd00::/8"]);
    /// # let _ = builder;
    /// ```
    ///
    /// # Security
    ///
    /// A client on a trusted address can write any address into its headers, and so evade the limits. List only
    /// proxies, and no network that also contains clients.
    pub fn trusted_proxies(
        mut self,
        networks: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.proxies.trusted = Some(networks.into_iter().map(Into::into).collect());
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[Variable::of_server("MCP_TRUSTED_PROXIES")];

impl ProxyOptions {
    /// The trusted proxies.
    pub(in crate::server) fn resolve(&self, env: &Environment<'_>) -> Result<Networks, Finding> {
        let in_code = self.trusted.as_ref();
        let list = Setting::list(env, in_code, "trusted_proxies", "MCP_TRUSTED_PROXIES");
        let source = list.source;
        let networks = Networks::parse(list.value.unwrap_or_default()).map_err(|error| {
            let what = format!("{source}: {}", chain(&error));
            let remedy =
                "list addresses and prefixes, separated by commas; names of hosts are not resolved";
            Finding::new(&codes::PROXY_INVALID, what).remedy_is(remedy)
        })?;
        if networks.have_everybody() {
            let what = format!("{source} trusts every address");
            let remedy = "list the addresses of the proxies only";
            return Err(Finding::new(&codes::PROXY_TRUSTS_ALL, what).remedy_is(remedy));
        }
        Ok(networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(builder: &ServerBuilder, variable: Option<&str>) -> Result<String, String> {
        let value = |name: &str| {
            let is_read = name == "MCP_TRUSTED_PROXIES";
            variable.filter(|_| is_read).map(str::to_owned)
        };
        let networks = builder.proxies.resolve(&Environment::of(&value));
        networks
            .map(|networks| networks.to_string())
            .map_err(|finding| finding.what().to_owned())
    }

    #[test]
    fn proxies_are_named_in_code_or_by_the_environment() {
        let builder = || ServerBuilder::of_package("p", "1");
        assert_eq!(networks(&builder(), None), Ok(String::new()));
        let listed = Ok("10.0.0.7, fd00::/8".to_owned());
        assert_eq!(networks(&builder(), Some("10.0.0.7, fd00::/8")), listed);
        let in_code = builder().trusted_proxies(["10.0.0.7", "fd00::/8"]);
        assert_eq!(networks(&in_code, Some("192.0.2.1")), listed);
    }

    #[test]
    fn a_wrong_proxy_is_named_and_does_not_start() {
        let builder = || ServerBuilder::of_package("p", "1");
        for bad in ["proxy.internal", "10.0.0.0/33", "10.0.0.7,", "10.0.0.7;::1"] {
            let error = networks(&builder(), Some(bad)).unwrap_err();
            let entry = bad.split(',').next_back().unwrap();
            let expected = format!(
                "MCP_TRUSTED_PROXIES: `{entry}` is neither an IP address nor a network such as `10.0.0.0/8`"
            );
            assert_eq!(error, expected);
        }
        for everybody in ["0.0.0.0/0", "::/0", "10.0.0.7,1.2.3.4/0"] {
            let error = networks(&builder().trusted_proxies(everybody.split(',')), None);
            assert_eq!(
                error,
                Err("`trusted_proxies` trusts every address".to_owned())
            );
        }
    }
}
