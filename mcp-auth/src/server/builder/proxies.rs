//! Which proxies are believed about the addresses of their clients.

use crate::limits::Networks;

use super::super::environment::Environment;
use super::super::error::StartError;
use super::ServerBuilder;

/// Proxies before the server.
impl ServerBuilder {
    /// Names the proxies that are believed about the addresses of their clients, as addresses (`10.0.0.7`, `::1`)
    /// and prefixes (`10.0.0.0/8`); else `MCP_TRUSTED_PROXIES`, a list with commas; none by default.
    ///
    /// Every limit that counts by network then counts the client of a request and not the proxy. `Forwarded`
    /// (RFC 7239) and `X-Forwarded-For` are read from the right, past trusted addresses, up to the first address
    /// that is not trusted. An entry that is no address ends the reading at the last trusted one. If a request
    /// has both headers and they name different clients, the request counts as the proxy's own. Requests from
    /// other peers count as their peer's, whatever they say.
    ///
    /// Only limits use that address: the URL of the server, the `Host` and `Origin` that are served, and
    /// what is allowed on loopback only do not change.
    ///
    /// An entry that is neither an address nor a prefix is a start-up error, and so is a prefix of no length
    /// (`0.0.0.0/0`, `::/0`).
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
    /// A client on a trusted address chooses the address that its requests count for, and escapes the limits.
    /// Name the proxies, and no network that holds clients as well.
    pub fn trusted_proxies(
        mut self,
        networks: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.trusted_proxies = Some(networks.into_iter().map(Into::into).collect());
        self
    }
}

/// The proxies that code or environment name.
pub(in super::super) fn trusted_proxies(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Networks, StartError> {
    let (name, list) = match &builder.trusted_proxies {
        Some(list) => ("`trusted_proxies`", list.clone()),
        None => {
            let list = env.list("MCP_TRUSTED_PROXIES");
            ("MCP_TRUSTED_PROXIES", list.unwrap_or_default())
        }
    };
    let networks =
        Networks::parse(&list).map_err(|source| StartError::TrustedProxies { name, source })?;
    if networks.have_everybody() {
        return Err(StartError::EverybodyTrusted { name });
    }
    Ok(networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(builder: &ServerBuilder, variable: Option<&str>) -> Result<String, String> {
        let value = |name: &str| {
            let is_read = name == "MCP_TRUSTED_PROXIES";
            variable.filter(|_| is_read).map(str::to_owned)
        };
        trusted_proxies(builder, &Environment::of(&value))
            .map(|networks| networks.to_string())
            .map_err(|error| {
                let mut text = String::new();
                super::super::super::error::write_chain(&mut text, &error).unwrap();
                text
            })
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
