//! Settings from code and environment, parsed: where to listen, which instance, which tokens.

use std::sync::Arc;

use url::Url;

use crate::clerk::{FrontendUrl, Instance, MachineKey, PublishableKey, SecretKey};
use crate::guard::is_scope;
use crate::http::{AllowedHost, BadEntry, Canonical, Gate, Origins, origin};
use crate::identity::{
    AudienceMode, Machine, Parties, Policy, ScopeCycle, ScopeHierarchy, TokenKind,
};
use crate::loopback;
use crate::tool::Registry;

use super::builder::{AudiencePolicy, ServerBuilder};
use super::date::beginning_of;
use super::environment::Environment;
use super::error::StartError;

/// What each setting was made with, for messages: the builder's method, or the variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) publishable_key: &'static str,
    pub(super) frontend_api_url: &'static str,
    pub(super) secret_key: &'static str,
    pub(super) machine_id: &'static str,
    pub(super) machine_secret_key: &'static str,
    pub(super) api_url: &'static str,
    pub(super) jwt_key: &'static str,
    pub(super) url: &'static str,
    pub(super) host: &'static str,
    pub(super) port: &'static str,
    pub(super) allowed_hosts: &'static str,
    pub(super) allowed_origins: &'static str,
}

impl Names {
    pub(super) fn of(builder: &ServerBuilder) -> Self {
        fn name<T>(
            in_code: Option<&T>,
            method: &'static str,
            variable: &'static str,
        ) -> &'static str {
            if in_code.is_some() { method } else { variable }
        }
        Self {
            publishable_key: name(
                builder.publishable_key.as_ref(),
                "`publishable_key`",
                "CLERK_PUBLISHABLE_KEY",
            ),
            frontend_api_url: name(
                builder.frontend_api_url.as_ref(),
                "`frontend_api_url`",
                "CLERK_FRONTEND_API_URL",
            ),
            secret_key: name(
                builder.secret_key.as_ref(),
                "`secret_key`",
                "CLERK_SECRET_KEY",
            ),
            machine_id: name(
                builder.machine_id.as_ref(),
                "`machine_id`",
                "CLERK_MACHINE_ID",
            ),
            machine_secret_key: name(
                builder.machine_secret_key.as_ref(),
                "`machine_secret_key`",
                "CLERK_MACHINE_SECRET_KEY",
            ),
            api_url: name(builder.api_url.as_ref(), "`api_url`", "CLERK_API_URL"),
            jwt_key: name(builder.jwt_key.as_ref(), "`jwt_key`", "CLERK_JWT_KEY"),
            url: name(builder.url.as_ref(), "`url`", "MCP_URL"),
            host: name(builder.host.as_ref(), "`host`", "HOST"),
            port: name(builder.port.as_ref(), "`port`", "PORT"),
            allowed_hosts: name(
                builder.allowed_hosts.as_ref(),
                "`allowed_hosts`",
                "MCP_ALLOWED_HOSTS",
            ),
            allowed_origins: name(
                builder.allowed_origins.as_ref(),
                "`allowed_origins`",
                "MCP_ALLOWED_ORIGINS",
            ),
        }
    }
}

/// The settings of the Clerk instance whose tokens are accepted.
pub(super) struct ClerkSettings {
    pub(super) frontend: FrontendUrl,
    /// The setting that names it.
    pub(super) named_by: &'static str,
    /// One for development, as far as keys and URL tell.
    pub(super) development: bool,
    pub(super) secret_key: Option<SecretKey>,
    pub(super) machine_key: Option<MachineKey>,
    pub(super) api_url: Option<Url>,
    pub(super) jwt_key: Option<String>,
    pub(super) new_opaque_tokens: Option<usize>,
    pub(super) membership_look_ups: Option<usize>,
    #[cfg(feature = "emulator")]
    pub(super) emulator: Option<Arc<clerk_emulator::Emulator>>,
}

impl ClerkSettings {
    /// The origin of the Backend API.
    pub(super) fn api_origin(&self) -> String {
        let url = self.api_url.clone();
        let url = url.or_else(|| Url::parse(self.frontend.default_api_url()).ok());
        url.map_or_else(String::new, |url| url.origin().ascii_serialization())
    }
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
    if !is_written_as_in_url(&builder.path) {
        return Err(StartError::BadValue {
            name: "path",
            value: builder.path.clone(),
            expected: "it must be written as it is in a URL, without query, fragment and braces",
        });
    }
    let (host, port) = bind_address(builder, env)?;
    let canonical = match builder.url.clone().or_else(|| env.get("MCP_URL")) {
        Some(url) if builder.dangerous_http_url => {
            Canonical::parse_allowing_http(&url, &builder.path)
        }
        Some(url) => Canonical::parse(&url, &builder.path),
        None if loopback::is_host(&host) => Canonical::loopback(&host, port, &builder.path),
        None => return Err(StartError::NoCanonical { host }),
    };
    let name = Names::of(builder).url;
    canonical.map_err(|source| StartError::Canonical { name, source })
}

/// Requests are compared with the path byte for byte, and have it as a URL has it.
fn is_written_as_in_url(path: &str) -> bool {
    let url = Url::parse("http://localhost").and_then(|base| base.join(path));
    let is_path =
        |url: Url| url.path() == path && url.query().is_none() && url.fragment().is_none();
    url.is_ok_and(is_path) && !path.contains(['{', '}'])
}

/// Which hosts and origins are served.
pub(super) fn gate(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
) -> Result<Gate, StartError> {
    let (hosts, origins, mistakes) = allowed(builder, env);
    if let Some(mistake) = mistakes.into_iter().next() {
        return Err(mistake);
    }
    let names = || canonical.names().map(|name| name.host()).collect();
    let origins = match origins {
        Some(origins) => Origins::Listed(origins),
        None if canonical.is_loopback() => Origins::Loopback,
        None => Origins::Listed(Vec::new()),
    };
    Ok(Gate::new(hosts.unwrap_or_else(names), origins))
}

/// The hosts and the origins that are listed, and everything that is wrong with them.
pub(super) fn allowed(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> (
    Option<Vec<AllowedHost>>,
    Option<Vec<String>>,
    Vec<StartError>,
) {
    let names = Names::of(builder);
    let mut mistakes = Vec::new();
    let hosts = builder.allowed_hosts.clone();
    let hosts = hosts
        .or_else(|| env.list("MCP_ALLOWED_HOSTS"))
        .map(|hosts| {
            entries(
                names.allowed_hosts,
                &hosts,
                AllowedHost::parse,
                &mut mistakes,
            )
        });
    let origins = builder.allowed_origins.clone();
    let origins = origins
        .or_else(|| env.list("MCP_ALLOWED_ORIGINS"))
        .map(|origins| entries(names.allowed_origins, &origins, origin, &mut mistakes));
    (hosts, origins, mistakes)
}

/// The entries of a list; which of them cannot be read is added to `mistakes`.
fn entries<T>(
    name: &'static str,
    list: &[String],
    parse: fn(&str) -> Result<T, BadEntry>,
    mistakes: &mut Vec<StartError>,
) -> Vec<T> {
    let mut entry = |text: &String| match parse(text) {
        Ok(entry) => Some(entry),
        Err(bad) => {
            // A password before the host is not repeated.
            let value = match text.trim().rsplit_once('@') {
                Some((_, host)) => format!("…@{host}"),
                None => text.trim().to_owned(),
            };
            mistakes.push(StartError::BadEntry { name, value, bad });
            None
        }
    };
    list.iter().filter_map(&mut entry).collect()
}

/// The Clerk instance, or the emulator if that was asked for and nothing names an instance.
pub(super) async fn clerk_settings(
    builder: &mut ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    registry: &Registry,
) -> Result<ClerkSettings, StartError> {
    #[cfg(feature = "emulator")]
    if wants_emulator(builder, env) {
        return super::emulator::start(builder, env, canonical, registry).await;
    }
    #[cfg(not(feature = "emulator"))]
    let _ = (canonical, registry);
    instance_settings(builder, env)
}

/// Whether a local Clerk is to run.
pub(super) fn wants_emulator(builder: &mut ServerBuilder, env: &Environment<'_>) -> bool {
    #[cfg(feature = "emulator")]
    return super::emulator::is_wanted(builder, env);
    #[cfg(not(feature = "emulator"))]
    {
        let _ = (builder, env);
        false
    }
}

/// Everything that is wrong with the settings of an instance, where [`instance_settings`] stops at the
/// first.
pub(super) fn instance_mistakes(builder: &ServerBuilder, env: &Environment<'_>) -> Vec<StartError> {
    let (key, secret_key) = (publishable_key(builder, env), secret_key(builder, env));
    let urls = frontend_urls(builder, env).filter_map(Result::err);
    let mut mistakes: Vec<_> = urls.collect();
    if let (Ok(key), true) = (&key, mistakes.is_empty()) {
        mistakes.extend(frontend(builder, env, key.as_ref()).err());
    }
    if let (Ok(key), Ok(secret_key)) = (&key, &secret_key) {
        mistakes.extend(check_kinds(builder, key.as_ref(), secret_key.as_ref()).err());
    }
    mistakes.extend(key.err());
    mistakes.extend(secret_key.err());
    mistakes.extend(machine_key(builder, env).err());
    mistakes.extend(api_url(builder, env).err());
    mistakes
}

/// The Clerk instance that code and environment name.
pub(super) fn instance_settings(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<ClerkSettings, StartError> {
    let secret_key = secret_key(builder, env)?;
    let publishable_key = publishable_key(builder, env)?;
    check_kinds(builder, publishable_key.as_ref(), secret_key.as_ref())?;
    let (named_by, frontend) = frontend(builder, env, publishable_key.as_ref())?;
    let instances = [
        publishable_key.as_ref().map(PublishableKey::instance),
        secret_key.as_ref().map(SecretKey::instance),
    ];
    let development = instances.contains(&Some(Instance::Development))
        || frontend.instance() == Instance::Development;
    Ok(ClerkSettings {
        frontend,
        named_by,
        development,
        secret_key,
        machine_key: machine_key(builder, env)?,
        api_url: api_url(builder, env)?,
        jwt_key: builder.jwt_key.clone().or_else(|| env.get("CLERK_JWT_KEY")),
        new_opaque_tokens: builder.new_opaque_tokens,
        membership_look_ups: builder.membership_look_ups,
        #[cfg(feature = "emulator")]
        emulator: None,
    })
}

/// Each key says of itself which kind of instance it is of.
fn check_kinds(
    builder: &ServerBuilder,
    publishable: Option<&PublishableKey>,
    secret: Option<&SecretKey>,
) -> Result<(), StartError> {
    let names = Names::of(builder);
    match (publishable, secret) {
        (Some(publishable), Some(secret)) if publishable.instance() != secret.instance() => {
            Err(StartError::KeysOfTwoInstances {
                publishable: names.publishable_key,
                publishable_of: kind(publishable.instance()),
                secret: names.secret_key,
                secret_of: kind(secret.instance()),
            })
        }
        _ => Ok(()),
    }
}

fn kind(instance: Instance) -> &'static str {
    match instance {
        Instance::Development => "development",
        Instance::Production => "production",
    }
}

pub(super) fn secret_key(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Option<SecretKey>, StartError> {
    let key = builder.secret_key.clone();
    let Some(key) = key.or_else(|| env.get("CLERK_SECRET_KEY")) else {
        return Ok(None);
    };
    let name = Names::of(builder).secret_key;
    let key = SecretKey::parse(&key).map_err(|source| StartError::SecretKey { name, source })?;
    Ok(Some(key))
}

fn machine_key(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Option<MachineKey>, StartError> {
    let key = builder.machine_secret_key.clone();
    let Some(key) = key.or_else(|| env.get("CLERK_MACHINE_SECRET_KEY")) else {
        return Ok(None);
    };
    let name = Names::of(builder).machine_secret_key;
    let key = MachineKey::parse(&key).map_err(|source| StartError::MachineKey { name, source })?;
    Ok(Some(key))
}

pub(super) fn api_url(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Option<Url>, StartError> {
    let url = builder.api_url.clone().or_else(|| env.get("CLERK_API_URL"));
    let name = Names::of(builder).api_url;
    url.map(|url| Url::parse(&url))
        .transpose()
        .map_err(|source| StartError::ApiUrl { name, source })
}

/// If code names the instance, in whatever way, the variables that could do so are not read.
fn variable_of_instance(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    name: &str,
) -> Option<String> {
    let in_code = builder.publishable_key.is_some() || builder.frontend_api_url.is_some();
    if in_code { None } else { env.get(name) }
}

pub(super) fn publishable_key(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Option<PublishableKey>, StartError> {
    let name = Names::of(builder).publishable_key;
    let key = builder.publishable_key.clone();
    key.or_else(|| variable_of_instance(builder, env, "CLERK_PUBLISHABLE_KEY"))
        .map(|key| PublishableKey::parse(&key))
        .transpose()
        .map_err(|source| StartError::PublishableKey { name, source })
}

/// Each Frontend API URL that is given, or what is wrong with it, and the setting that names it.
pub(super) fn frontend_urls(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> impl Iterator<Item = Result<(&'static str, FrontendUrl), StartError>> {
    let variable = |name| variable_of_instance(builder, env, name);
    let first = Names::of(builder).frontend_api_url;
    let in_code = builder.frontend_api_url.clone();
    let second = "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL";
    [
        (
            first,
            in_code.or_else(|| variable("CLERK_FRONTEND_API_URL")),
        ),
        (second, variable(second)),
    ]
    .into_iter()
    .filter_map(|(name, url)| Some((name, url?)))
    .map(|(name, url)| match FrontendUrl::parse(&url) {
        Ok(url) => Ok((name, url)),
        Err(source) => Err(StartError::FrontendUrl { name, source }),
    })
}

/// The Frontend API URL, and what names it; all that name it must agree.
fn frontend(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    publishable_key: Option<&PublishableKey>,
) -> Result<(&'static str, FrontendUrl), StartError> {
    let name = Names::of(builder).publishable_key;
    let key = publishable_key.map(|key| Ok((name, key.frontend().clone())));
    let mut named = key.into_iter().chain(frontend_urls(builder, env));
    let (first, url) = named.next().ok_or(StartError::NoInstance {
        emulator_kept_off_by: builder.emulator_kept_off_by.clone(),
    })??;
    for other in named {
        let (second, other) = other?;
        if other.issuer() != url.issuer() {
            return Err(StartError::Disagree { first, second });
        }
    }
    Ok((first, url))
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
        .chain(
            builder
                .api_keys
                .iter()
                .flat_map(|keys| keys.0.iter().flatten()),
        )
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

/// The kinds of keys that this server can ask with about opaque tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct HasKeys {
    pub(super) secret: bool,
    pub(super) machine: bool,
}

impl HasKeys {
    /// Those of code and environment; a local Clerk brings its own.
    pub(super) fn of(builder: &ServerBuilder, env: &Environment<'_>) -> Self {
        let given = |in_code: bool, name| in_code || env.get(name).is_some();
        Self {
            secret: builder.emulator || given(builder.secret_key.is_some(), "CLERK_SECRET_KEY"),
            machine: given(
                builder.machine_secret_key.is_some(),
                "CLERK_MACHINE_SECRET_KEY",
            ),
        }
    }
}

/// Which kinds of tokens are accepted, and what each must be beside genuine. Returns what is wrong with
/// that; the kinds are then those that were asked for all the same.
fn accept(
    policy: &mut Policy,
    builder: &ServerBuilder,
    env: &Environment<'_>,
    keys: HasKeys,
) -> Vec<StartError> {
    let mut mistakes = Vec::new();
    policy.oauth = builder.oauth_tokens;
    policy.sessions = builder.sessions.as_ref().map(|parties| parties.0.clone());
    policy.check_users = builder.check_users;
    policy.cache_age = builder.token_cache_age;
    policy.cache_bytes = builder.token_cache_bytes;
    if let Some(Parties::Listed(parties)) = &mut policy.sessions {
        if parties.is_empty() {
            mistakes.push(StartError::NoParty);
        }
        // A session token's `azp` is the `Origin` of the request that had it minted.
        let name = "`session_tokens(AuthorizedParties::only([…]))`";
        *parties = entries(name, parties, origin, &mut mistakes);
    }
    if builder.m2m_tokens {
        let machine = match machine_id(builder, env) {
            Ok(Some(id)) => Ok(Machine::Named(id)),
            Ok(None) if keys.machine => Ok(Machine::Unnamed),
            Ok(None) => Err(StartError::NoMachine),
            Err(error) => Err(error),
        };
        policy.machine = Some(machine.unwrap_or_else(|error| {
            mistakes.push(error);
            Machine::Unnamed
        }));
    }
    if let Some(required) = &builder.api_keys {
        // The list that was meant to hold something must not admit every key of the instance.
        if required.0.as_ref().is_some_and(Vec::is_empty) {
            mistakes.push(StartError::NoKeyScope);
        }
        policy.api_keys = Some(required.0.clone().unwrap_or_default());
    }
    let needs_secret = [
        (policy.api_keys.is_some(), "api_keys"),
        (policy.check_users, "check_users"),
        (
            !builder.organization_sources.is_empty(),
            "organization_from",
        ),
    ];
    let unmet = needs_secret.iter().filter(|(is, _)| *is && !keys.secret);
    mistakes.extend(unmet.map(|(_, setting)| StartError::NeedsSecretKey { setting }));
    let kinds = [
        TokenKind::OAuth,
        TokenKind::Session,
        TokenKind::M2m,
        TokenKind::ApiKey,
    ];
    if !kinds.into_iter().any(|kind| policy.accepts(kind)) {
        mistakes.push(StartError::NoKind);
    }
    mistakes
}

/// The machine that the server is: beside a local Clerk the one that is there for it, if none is named.
pub(super) fn machine_id(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Option<String>, StartError> {
    let id = builder
        .machine_id
        .clone()
        .or_else(|| env.get("CLERK_MACHINE_ID"))
        .or_else(|| builder.emulator.then(|| LOCAL_MACHINE.to_owned()));
    match id {
        Some(id) if id.strip_prefix("mch_").is_none_or(str::is_empty) => {
            // A secret key in its place must not be repeated.
            let name = Names::of(builder).machine_id;
            Err(StartError::MachineId { name })
        }
        id => Ok(id),
    }
}

/// What a token must be. The defaults: strict off loopback, where tokens of other
/// applications of the same instance exist; usable on loopback, where they do not matter.
pub(super) fn policy(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    issuer: &str,
    keys: HasKeys,
) -> Result<Policy, StartError> {
    let (policy, mistakes) = policy_mistakes(builder, env, Some(canonical), issuer, keys);
    mistakes.into_iter().next().map_or(Ok(policy), Err)
}

/// Everything that is wrong with the [`policy`], and the policy as far as it can be told. Without a
/// canonical URL nothing is said of audiences.
pub(super) fn policy_mistakes(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: Option<&Canonical>,
    issuer: &str,
    keys: HasKeys,
) -> (Policy, Vec<StartError>) {
    let mut policy = Policy::new(issuer.to_owned(), Vec::new());
    let mut mistakes = Vec::new();
    match scopes(builder) {
        Ok(scopes) => policy.scopes = scopes,
        Err(error) => mistakes.push(error),
    }
    if let Some(canonical) = canonical {
        mistakes.extend(audience(&mut policy, builder, env, canonical).err());
    }
    mistakes.extend(accept(&mut policy, builder, env, keys));
    (policy, mistakes)
}

/// Whom tokens must be meant for.
fn audience(
    policy: &mut Policy,
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
) -> Result<(), StartError> {
    // A server that other machines reach is not local, whatever it calls itself.
    let host = bind_address(builder, env).map(|(host, _)| host);
    let is_local =
        canonical.is_loopback() && host.as_ref().is_ok_and(|host| loopback::is_host(host));
    policy.trust_emulator(canonical.is_loopback());
    if let (Ok(host), true, false) = (host, policy.trusts_emulator, is_local) {
        policy.trust_emulator(false);
        return Err(StartError::LocalClerkExposed {
            host,
            issuer: policy.issuer.to_string(),
        });
    }
    let default = if is_local {
        AudiencePolicy::IfPresent
    } else {
        AudiencePolicy::Require
    };
    let audience_policy = builder.audience_policy.as_ref().unwrap_or(&default);
    let confined = builder.allowed_clients.is_some() || !builder.required_scopes.is_empty();
    let mode = match audience_policy {
        AudiencePolicy::Require => AudienceMode::Require,
        AudiencePolicy::IfPresent => AudienceMode::IfPresent,
        AudiencePolicy::RequiredAfter(date) => {
            AudienceMode::RequireAfter(beginning_of(date).ok_or_else(|| StartError::BadValue {
                name: "audience_policy",
                value: date.clone(),
                expected: "`AudiencePolicy::required_after` takes a day from 1970 on, like 2027-03-01",
            })?)
        }
    };
    // A transition accepts nothing that is not confined, on loopback either.
    let is_open = match mode {
        AudienceMode::IfPresent => !is_local,
        AudienceMode::RequireAfter(_) => true,
        AudienceMode::Off | AudienceMode::Require => false,
    };
    if is_open && builder.oauth_tokens && !confined {
        return Err(StartError::OpenAudience {
            url: canonical.as_str().to_owned(),
        });
    }
    let audience = builder
        .audience
        .clone()
        .or_else(|| env.get("CLERK_AUDIENCE"));
    policy.audience.accepted =
        audience.map_or_else(|| canonical.audiences(), |audience| vec![audience]);
    policy.audience.mode = if builder.ignore_audience {
        AudienceMode::Off
    } else {
        mode
    };
    policy.required_scopes.clone_from(&builder.required_scopes);
    policy.allowed_clients.clone_from(&builder.allowed_clients);
    Ok(())
}

/// In the default directory of the emulator.
const LOCAL_MACHINE: &str = "mch_mcp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_listens_on_loopback_takes_tokens_without_an_audience() {
        let none = |_: &str| None;
        let env = Environment::of(&none);
        let mode = |host: &str, url: &str| {
            let builder = ServerBuilder::of_package("test", "1").host(host).url(url);
            let canonical = Canonical::parse(url, "/mcp").unwrap();
            let keys = HasKeys::of(&builder, &env);
            let issuer = "https://clerk.example.com";
            let (policy, mistakes) =
                policy_mistakes(&builder, &env, Some(&canonical), issuer, keys);
            assert!(mistakes.is_empty(), "{mistakes:?}");
            policy.audience.mode
        };
        let local = "http://127.0.0.1:3000";
        for (host, url, expected) in [
            ("127.0.0.1", local, AudienceMode::IfPresent),
            ("localhost", local, AudienceMode::IfPresent),
            ("0.0.0.0", local, AudienceMode::Require),
            ("10.0.0.7", local, AudienceMode::Require),
            (
                "127.0.0.1",
                "https://mcp.example.com",
                AudienceMode::Require,
            ),
        ] {
            assert_eq!(mode(host, url), expected, "{host} {url}");
        }
    }
}
