//! The Frontend API URL: the issuer of an instance's tokens.

use url::Url;

use crate::clerk::Instance;
use crate::loopback;

/// A Frontend API URL. It has the scheme `https`, or `http` on loopback, and has neither query nor fragment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FrontendUrl {
    url: Url,
    issuer: String,
}

/// The reason why a text is not a Frontend API URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FrontendUrlError {
    /// The URL has a user name or a password.
    #[error("the Frontend API URL must not contain credentials")]
    Credentials,
    /// The URL is plain http to another machine.
    #[error("the Frontend API URL must be https (http is for loopback only)")]
    Insecure,
    /// The URL has a query or a fragment.
    #[error("the Frontend API URL must have neither query nor fragment")]
    QueryOrFragment,
    /// The text is not a URL with a host.
    #[error(
        "the Frontend API URL is not a valid URL (a valid one looks like `https://verb-noun-42.clerk.accounts.dev`)"
    )]
    Unreadable,
}

impl FrontendUrl {
    /// Parses a URL. The default scheme is `https`. A path is kept, but a final slash is removed.
    ///
    /// # Errors
    /// One of [`FrontendUrlError`].
    pub(crate) fn parse(text: &str) -> Result<Self, FrontendUrlError> {
        let text = text.trim();
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let mut url = Url::parse(&with_scheme).map_err(|_| FrontendUrlError::Unreadable)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(FrontendUrlError::Unreadable);
        }
        match url.scheme() {
            "https" => {}
            "http" if loopback::is_url(&url) => {}
            _ => return Err(FrontendUrlError::Insecure),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FrontendUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(FrontendUrlError::QueryOrFragment);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let issuer = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, issuer })
    }

    /// Returns the issuer of tokens (`iss`): the URL without a final slash.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the base of all paths of the Frontend API.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns true if the URL is the URL of a local Clerk. Only loopback URLs may use plain http.
    pub(crate) fn is_local(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Returns the kind of the instance, which the host shows: development instances are below `accounts.dev`.
    pub(crate) fn instance(&self) -> Instance {
        let host = self.url.host_str().unwrap_or_default();
        if host.ends_with(".accounts.dev") {
            Instance::Development
        } else {
            Instance::Production
        }
    }

    /// Returns the URL of the Backend API that the server uses if no setting names one.
    pub(crate) fn default_api_url(&self) -> &'static str {
        // Clerk's staging environment has its own Backend API.
        let staging = self
            .url
            .host_str()
            .is_some_and(|host| host.ends_with(".accountsstage.dev"));
        if staging {
            "https://api.clerkstage.dev"
        } else {
            "https://api.clerk.com"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_the_url_without_a_final_slash() {
        for (text, issuer) in [
            (
                "verb-noun-42.clerk.accounts.dev",
                "https://verb-noun-42.clerk.accounts.dev",
            ),
            ("https://clerk.example.com/", "https://clerk.example.com"),
            (" https://clerk.example.com\n", "https://clerk.example.com"),
            ("https://Clerk.Example.com:443", "https://clerk.example.com"),
            ("example.com/__clerk", "https://example.com/__clerk"),
            (
                "https://example.com/__clerk//",
                "https://example.com/__clerk",
            ),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
            ("http://localhost:4000/", "http://localhost:4000"),
            ("http://[::1]:4000", "http://[::1]:4000"),
            ("localhost.dev:4000", "https://localhost.dev:4000"),
        ] {
            assert_eq!(FrontendUrl::parse(text).unwrap().issuer(), issuer, "{text}");
        }
    }

    #[test]
    fn an_unsafe_or_unreadable_url_is_refused() {
        use FrontendUrlError::*;
        for (text, error) in [
            ("http://clerk.example.com", Insecure),
            ("http://localhost.example.com", Insecure),
            ("ftp://clerk.example.com", Insecure),
            ("https://user@clerk.example.com", Credentials),
            ("https://clerk.example.com?x", QueryOrFragment),
            ("https://clerk.example.com#x", QueryOrFragment),
            ("", Unreadable),
            ("https://", Unreadable),
            ("clerk example", Unreadable),
        ] {
            assert_eq!(FrontendUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_development_instance_is_told_by_its_host() {
        let instance = |text| FrontendUrl::parse(text).unwrap().instance();
        assert_eq!(instance("a-b-1.clerk.accounts.dev"), Instance::Development);
        for text in [
            "clerk.example.com",
            "accounts.dev.example.com",
            "myaccounts.dev",
        ] {
            assert_eq!(instance(text), Instance::Production, "{text}");
        }
    }

    #[test]
    fn staging_has_its_own_backend() {
        let api = |text| FrontendUrl::parse(text).unwrap().default_api_url();
        assert_eq!(api("a-b-1.accountsstage.dev"), "https://api.clerkstage.dev");
        assert_eq!(api("a-b-1.clerk.accounts.dev"), "https://api.clerk.com");
        assert_eq!(
            api("accountsstage.dev.example.com"),
            "https://api.clerk.com"
        );
    }
}
