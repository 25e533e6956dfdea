//! Settings from code and environment, parsed: where to listen, which instance, which tokens.

use std::net::IpAddr;
use std::sync::Arc;

use url::Url;

use crate::clerk::{FrontendUrl, Instance, PublishableKey, SecretKey};
use crate::guard::is_scope;
use crate::http::Canonical;
use crate::identity::{AudienceMode, Policy, ScopeCycle, ScopeHierarchy};
use crate::tool::Registry;

use super::builder::{AudiencePolicy, ServerBuilder};
use super::environment::Environment;
use super::error::StartError;

/// The settings of the Clerk instance whose tokens are accepted.
pub(super) struct ClerkSettings {
    pub(super) frontend: FrontendUrl,
    pub(super) secret_key: Option<SecretKey>,
    pub(super) api_url: Option<Url>,
    pub(super) jwt_key: Option<String>,
    #[cfg(feature = "emulator")]
    pub(super) emulator: Option<Arc<clerk_emulator::Emulator>>,
}

/// Where the server listens, before a port is known that the system chose.
pub(super) fn bind_address(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<(String, u16), StartError> {
    let host = builder.host.clone().or_else(|| env.get("HOST"));
    let port = match (builder.port, env.get("PORT")) {
        (Some(port), _) => port,
        (None, None) => 3000,
        (None, Some(value)) => value.parse().map_err(|_| StartError::BadValue {
            name: "PORT",
            value,
            expected: "a number from 0 to 65535 is expected",
        })?,
    };
    Ok((host.unwrap_or_else(|| "127.0.0.1".to_owned()), port))
}

pub(super) fn canonical(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Canonical, StartError> {
    if !builder.path.starts_with('/') {
        return Err(StartError::BadValue {
            name: "path",
            value: builder.path.clone(),
            expected: "it must begin with `/`",
        });
    }
    let (host, port) = bind_address(builder, env)?;
    match builder.url.clone().or_else(|| env.get("MCP_URL")) {
        Some(url) => Ok(Canonical::parse(&url, &builder.path)?),
        None if is_loopback_host(&host) => Ok(Canonical::loopback(&host, port, &builder.path)?),
        None => Err(StartError::NoCanonical { host }),
    }
}

/// The Clerk instance, or the emulator if that was asked for and nothing names an instance.
pub(super) async fn clerk_settings(
    builder: &mut ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    registry: &Registry,
) -> Result<ClerkSettings, StartError> {
    #[cfg(feature = "emulator")]
    if super::emulator::is_wanted(builder, env) {
        return super::emulator::start(builder, env, canonical, registry).await;
    }
    #[cfg(not(feature = "emulator"))]
    let _ = (canonical, registry);
    let secret_key = builder
        .secret_key
        .take()
        .or_else(|| env.get("CLERK_SECRET_KEY"));
    let secret_key = secret_key.map(|key| SecretKey::parse(&key)).transpose()?;
    let api_url = builder.api_url.take().or_else(|| env.get("CLERK_API_URL"));
    Ok(ClerkSettings {
        frontend: frontend(builder, env, secret_key.as_ref())?,
        secret_key,
        api_url: api_url
            .map(|url| Url::parse(&url))
            .transpose()
            .map_err(StartError::ApiUrl)?,
        jwt_key: builder.jwt_key.take().or_else(|| env.get("CLERK_JWT_KEY")),
        #[cfg(feature = "emulator")]
        emulator: None,
    })
}

/// The Frontend API URL; all that name it must agree.
fn frontend(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    secret_key: Option<&SecretKey>,
) -> Result<FrontendUrl, StartError> {
    let mut found: Option<(&'static str, FrontendUrl)> = None;
    let mut agree = |name: &'static str, url: FrontendUrl| match &found {
        Some((first, known)) if known.issuer() != url.issuer() => Err(StartError::Disagree {
            first,
            second: name,
        }),
        Some(_) => Ok(()),
        None => {
            found = Some((name, url));
            Ok(())
        }
    };
    let in_code = builder.publishable_key.is_some() || builder.frontend_api_url.is_some();
    let variable = |name| if in_code { None } else { env.get(name) };
    if let Some(key) = builder
        .publishable_key
        .clone()
        .or_else(|| variable("CLERK_PUBLISHABLE_KEY"))
    {
        let key = PublishableKey::parse(&key)?;
        if let Some(secret_key) = secret_key
            && key.instance() != secret_key.instance()
        {
            let name = |instance| match instance {
                Instance::Development => "development",
                Instance::Production => "production",
            };
            return Err(StartError::KeysOfTwoInstances {
                publishable: name(key.instance()),
                secret: name(secret_key.instance()),
            });
        }
        agree("CLERK_PUBLISHABLE_KEY", key.frontend().clone())?;
    }
    for name in [
        "CLERK_FRONTEND_API_URL",
        "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL",
    ] {
        let in_code = builder
            .frontend_api_url
            .clone()
            .filter(|_| name == "CLERK_FRONTEND_API_URL");
        if let Some(url) = in_code.or_else(|| variable(name)) {
            let url = FrontendUrl::parse(&url)
                .map_err(|source| StartError::FrontendUrl { name, source })?;
            agree(name, url)?;
        }
    }
    found.map(|(_, url)| url).ok_or(StartError::NoInstance)
}

/// Which scopes contain others; all that the builder names are checked on the way.
pub(super) fn scopes(builder: &ServerBuilder) -> Result<Arc<ScopeHierarchy>, StartError> {
    let implications = &builder.scope_implications;
    let named = implications
        .iter()
        .flat_map(|(scope, implied)| implied.iter().chain([scope]));
    let mut scopes = builder
        .required_scopes
        .iter()
        .chain(builder.scopes_supported.iter().flatten())
        .chain(named);
    // They end up in quotes in a header.
    if let Some(scope) = scopes.find(|scope| !is_scope(scope.as_bytes())) {
        return Err(StartError::BadScope {
            scope: scope.clone(),
        });
    }
    let hierarchy = ScopeHierarchy::new(implications);
    let cycle = |ScopeCycle(scopes)| StartError::ScopeCycle { scopes };
    Ok(Arc::new(hierarchy.map_err(cycle)?))
}

/// What a token must be. The defaults: strict off loopback, where tokens of other
/// applications of the same instance exist; usable on loopback, where they do not matter.
pub(super) fn policy(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    issuer: &str,
) -> Result<Policy, StartError> {
    let scopes = scopes(builder)?;
    let default = if canonical.is_loopback() {
        AudiencePolicy::IfPresent
    } else {
        AudiencePolicy::Require
    };
    let audience_policy = builder.audience_policy.unwrap_or(default);
    let confined = builder.allowed_clients.is_some() || !builder.required_scopes.is_empty();
    let lenient = audience_policy == AudiencePolicy::IfPresent;
    if lenient && !canonical.is_loopback() && !confined {
        return Err(StartError::OpenAudience {
            url: canonical.as_str().to_owned(),
        });
    }
    let audience = builder
        .audience
        .clone()
        .or_else(|| env.get("CLERK_AUDIENCE"));
    let accepted = audience.map_or_else(|| canonical.audiences(), |audience| vec![audience]);
    let mut policy = Policy::new(issuer.to_owned(), accepted);
    policy.audience.mode = match audience_policy {
        _ if builder.ignore_audience => AudienceMode::Off,
        AudiencePolicy::Require => AudienceMode::Require,
        AudiencePolicy::IfPresent => AudienceMode::IfPresent,
    };
    policy.allowed_clients.clone_from(&builder.allowed_clients);
    policy.sessions = builder.sessions.as_ref().map(|parties| parties.0.clone());
    policy.scopes = scopes;
    policy.development = canonical.is_loopback();
    Ok(policy)
}

/// Whether a host, as it is bound to, is the local machine.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
