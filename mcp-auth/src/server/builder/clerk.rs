//! The Clerk instance, and the keys to it.

use std::error::Error;

use url::Url;

use crate::clerk::{FrontendUrl, Instance, MachineKey, PublishableKey, SecretKey};

use super::super::codes::{self, Code};
use super::super::environment::{Environment, Variable};
use super::super::error::chain;
use super::super::finding::{Finding, Findings};
use super::super::setting::{Setting, Source};
use super::ServerBuilder;

/// The settings of the Clerk instance that are set in code.
// There is no `Debug`, because it would print the keys.
#[derive(Default)]
pub(in crate::server) struct ClerkOptions {
    publishable_key: Option<String>,
    frontend_api_url: Option<String>,
    secret_key: Option<String>,
    pub(in crate::server) machine_id: Option<String>,
    pub(in crate::server) machine_secret_key: Option<String>,
    api_url: Option<String>,
    jwt_key: Option<String>,
}

/// The Clerk instance, and the keys to it.
impl ServerBuilder {
    /// Sets the Clerk instance by its publishable key (`pk_test_…`, `pk_live_…`). Default:
    /// `CLERK_PUBLISHABLE_KEY`.
    ///
    /// If [`frontend_api_url`](Self::frontend_api_url) is also set, both settings must name the same instance. If code
    /// sets one of the two settings, the server ignores the environment variables of both.
    pub fn publishable_key(mut self, key: impl Into<String>) -> Self {
        self.clerk.publishable_key = Some(key.into());
        self
    }

    /// Sets the Clerk instance by its Frontend API URL, which is the issuer of its tokens. Default:
    /// `CLERK_FRONTEND_API_URL` or `MCP_USE_OAUTH_CLERK_FRONTEND_API_URL`.
    ///
    /// The URL must use https; http is permitted on loopback only. `https://` may be left out. The
    /// URL must not have a query, a fragment or credentials.
    pub fn frontend_api_url(mut self, url: impl Into<String>) -> Self {
        self.clerk.frontend_api_url = Some(url.into());
        self
    }

    /// Sets the instance's secret key (`sk_test_…`, `sk_live_…`). Default: `CLERK_SECRET_KEY`. The server uses the key
    /// to look up memberships and users, and to verify opaque tokens. Without a secret key the server looks up no
    /// memberships and users. It then also refuses opaque tokens, except M2M tokens if
    /// [`machine_secret_key`](Self::machine_secret_key) is set.
    ///
    /// The server sends the key to the Backend API only, and never shows it in a log, an error or
    /// `Debug`. A key of another instance, or a key that Clerk refuses, is a start-up error.
    pub fn secret_key(mut self, key: impl Into<String>) -> Self {
        self.clerk.secret_key = Some(key.into());
        self
    }

    /// Sets the id of the Clerk machine that represents this server (`mch_…`). Default:
    /// `CLERK_MACHINE_ID`. The server accepts only M2M tokens that are meant for this machine.
    ///
    /// The server verifies opaque M2M tokens with [`machine_secret_key`](Self::machine_secret_key).
    /// If that key is not set, it uses [`secret_key`](Self::secret_key).
    pub fn machine_id(mut self, id: impl Into<String>) -> Self {
        self.clerk.machine_id = Some(id.into());
        self
    }

    /// Sets the secret key of the Clerk machine that represents this server (`ak_…`). Default:
    /// `CLERK_MACHINE_SECRET_KEY`. When the server uses this key, Clerk confirms only opaque tokens
    /// that are meant for this machine.
    ///
    /// The key does not contain the machine's id. If [`machine_id`](Self::machine_id) is not set,
    /// the server therefore refuses M2M tokens that are JWTs. The server sends the key to the
    /// Backend API only, and never shows it in a log, an error or `Debug`.
    ///
    /// ```
    /// # let key = "ak_1";
    /// let builder = mcp_auth::server!().m2m_tokens().machine_secret_key(key);
    /// # let _ = builder;
    /// ```
    pub fn machine_secret_key(mut self, key: impl Into<String>) -> Self {
        self.clerk.machine_secret_key = Some(key.into());
        self
    }

    /// Sets the base URL of the Backend API. Default: `CLERK_API_URL`, or `https://api.clerk.com`
    /// if that variable is unset.
    ///
    /// The server sends the secret key to this URL, so it must use https; http is permitted on
    /// loopback only.
    ///
    /// ```
    /// // A local stand-in for Clerk, for a test that uses the network.
    /// let builder = mcp_auth::server!()
    ///     .frontend_api_url("http://127.0.0.1:4400")
    ///     .api_url("http://127.0.0.1:4400")
    ///     .secret_key("sk_test_1");
    /// # let _ = builder;
    /// ```
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.clerk.api_url = Some(url.into());
        self
    }

    /// Sets the instance's public key in PEM. Default: `CLERK_JWT_KEY`. With this key the server
    /// verifies tokens without fetching the issuer's keys.
    ///
    /// The server then accepts only signatures of this key. To change the key, restart the server.
    /// At the start the server does not check that the issuer's metadata names the configured URL.
    ///
    /// Source: <https://clerk.com/docs/guides/sessions/manual-jwt-verification>.
    pub fn jwt_key(mut self, pem: impl Into<String>) -> Self {
        self.clerk.jwt_key = Some(pem.into());
        self
    }
}

/// The resolved settings of the Clerk instance whose tokens the server accepts.
#[derive(Clone)]
pub(in crate::server) struct ClerkSettings {
    /// The Frontend API URL, with the setting that names it.
    pub(in crate::server) frontend: Setting<FrontendUrl>,
    /// True if the keys and the URL belong to a development instance.
    pub(in crate::server) development: bool,
    pub(in crate::server) secret_key: Setting<Option<SecretKey>>,
    pub(in crate::server) machine_key: Setting<Option<MachineKey>>,
    pub(in crate::server) api_url: Setting<Option<Url>>,
    pub(in crate::server) jwt_key: Setting<Option<String>>,
    #[cfg(feature = "emulator")]
    pub(in crate::server) emulator: Option<std::sync::Arc<clerk_emulator::Emulator>>,
}

impl ClerkSettings {
    /// The origin of the Backend API.
    pub(in crate::server) fn api_origin(&self) -> String {
        let url = self.api_url.value.clone();
        let url = url.or_else(|| Url::parse(self.frontend.value.default_api_url()).ok());
        url.map_or_else(String::new, |url| url.origin().ascii_serialization())
    }
}

/// The environment variables that configure the Clerk instance.
pub(in crate::server) const VARIABLES: &[Variable] = &[
    Variable::of_instance("CLERK_API_URL"),
    Variable::of_instance(FRONTEND_API_URL),
    Variable::of_instance("CLERK_JWT_KEY"),
    // A machine's id does not identify an instance, and the local Clerk accepts any machine id.
    Variable::of_server("CLERK_MACHINE_ID"),
    Variable::of_instance("CLERK_MACHINE_SECRET_KEY"),
    Variable::of_instance(PUBLISHABLE_KEY),
    Variable::of_instance("CLERK_SECRET_KEY"),
    Variable::of_instance(FRONTEND_API_URL_OF_MCP_USE),
];

impl ClerkOptions {
    /// The settings in code that name an instance. If one of them is set, no local Clerk starts.
    pub(in crate::server) fn of_an_instance(&self) -> impl Iterator<Item = Source> + use<> {
        let set = [
            (self.publishable_key.is_some(), "publishable_key"),
            (self.frontend_api_url.is_some(), "frontend_api_url"),
            (self.secret_key.is_some(), "secret_key"),
            (self.machine_secret_key.is_some(), "machine_secret_key"),
            (self.api_url.is_some(), "api_url"),
            (self.jwt_key.is_some(), "jwt_key"),
        ];
        let set = set.into_iter().filter(|(is_set, _)| *is_set);
        set.map(|(_, method)| Source::Code(method))
    }

    pub(in crate::server) fn secret_key(&self, env: &Environment<'_>) -> Setting<Option<String>> {
        let in_code = self.secret_key.as_ref();
        Setting::text(env, in_code, "secret_key", "CLERK_SECRET_KEY")
    }

    pub(in crate::server) fn machine_key(&self, env: &Environment<'_>) -> Setting<Option<String>> {
        let in_code = self.machine_secret_key.as_ref();
        let (method, variable) = ("machine_secret_key", "CLERK_MACHINE_SECRET_KEY");
        Setting::text(env, in_code, method, variable)
    }

    pub(in crate::server) fn machine_id(&self, env: &Environment<'_>) -> Setting<Option<String>> {
        let in_code = self.machine_id.as_ref();
        Setting::text(env, in_code, "machine_id", "CLERK_MACHINE_ID")
    }

    /// Resolves the settings of the instance. Adds every finding to `findings`, and returns the
    /// first finding as the error. `missing` is the finding to use if no setting names an instance.
    pub(in crate::server) fn resolve(
        &self,
        env: &Environment<'_>,
        missing: Finding,
        findings: &mut Findings,
    ) -> Result<ClerkSettings, Finding> {
        let publishable_key = self.publishable_key(env);
        let (urls, wrong): (Vec<_>, Vec<_>) =
            self.frontend_urls(env).into_iter().partition(Result::is_ok);
        let wrong: Vec<_> = wrong.into_iter().filter_map(Result::err).collect();
        findings.extend(wrong.iter().cloned());
        let frontend = match (&publishable_key, wrong.into_iter().next()) {
            (Err(finding), _) => Err(finding.clone()),
            (Ok(_), Some(finding)) => Err(finding),
            (Ok(key), None) => {
                let urls = urls.into_iter().flatten();
                findings.note(frontend(key, urls, missing))
            }
        };
        let publishable_key = findings.note(publishable_key);
        let secret_key = self.secret_key(env).parse(|key, source| {
            SecretKey::parse(&key)
                .map_err(|error| invalid(&codes::SECRET_KEY_INVALID, source, &error, COPY_KEY))
        });
        let secret_key = findings.note(secret_key);
        let mut kinds = Ok(());
        if let (Ok(publishable_key), Ok(secret_key)) = (&publishable_key, &secret_key) {
            kinds = findings.note(check_kinds(publishable_key, secret_key));
        }
        let machine_key = self.machine_key(env).parse(|key, source| {
            MachineKey::parse(&key)
                .map_err(|error| invalid(&codes::MACHINE_KEY_INVALID, source, &error, COPY_MACHINE))
        });
        let machine_key = findings.note(machine_key);
        let api_url = Setting::text(env, self.api_url.as_ref(), "api_url", "CLERK_API_URL");
        let api_url = api_url.parse(|url, source| {
            let invalid = |error| {
                let what = format!("{source} is not a URL: {}", chain(&error));
                Finding::new(&codes::API_URL_INVALID, what).remedy_is(UNSET_API_URL)
            };
            Url::parse(&url).map_err(invalid)
        });
        let api_url = findings.note(api_url);
        kinds?;
        let (publishable_key, frontend, secret_key) = (publishable_key?, frontend?, secret_key?);
        let instances = [
            publishable_key.value.as_ref().map(PublishableKey::instance),
            secret_key.value.as_ref().map(SecretKey::instance),
            Some(frontend.value.instance()),
        ];
        Ok(ClerkSettings {
            development: instances.contains(&Some(Instance::Development)),
            frontend,
            secret_key,
            machine_key: machine_key?,
            api_url: api_url?,
            jwt_key: Setting::text(env, self.jwt_key.as_ref(), "jwt_key", "CLERK_JWT_KEY"),
            #[cfg(feature = "emulator")]
            emulator: None,
        })
    }

    fn publishable_key(
        &self,
        env: &Environment<'_>,
    ) -> Result<Setting<Option<PublishableKey>>, Finding> {
        let in_code = self.publishable_key.as_ref();
        let read = |name: &str| self.variable(env, name);
        let key = Setting::read(in_code, "publishable_key", PUBLISHABLE_KEY, read);
        key.parse(|key, source| {
            PublishableKey::parse(&key)
                .map_err(|error| invalid(&codes::PUBLISHABLE_KEY_INVALID, source, &error, COPY_KEY))
        })
    }

    /// Returns each Frontend API URL that a setting gives, or the finding about the setting.
    fn frontend_urls(&self, env: &Environment<'_>) -> Vec<Result<Setting<FrontendUrl>, Finding>> {
        let in_code = self.frontend_api_url.as_ref();
        let read = |name: &str| self.variable(env, name);
        let given = [
            Setting::read(in_code, "frontend_api_url", FRONTEND_API_URL, read),
            Setting::read(None, "", FRONTEND_API_URL_OF_MCP_USE, read),
        ];
        let given = given
            .into_iter()
            .filter_map(|Setting { value, source }| Some((value?, source)));
        let parsed = given.map(|(url, source)| match FrontendUrl::parse(&url) {
            Ok(value) => Ok(Setting { value, source }),
            Err(error) => {
                let remedy = "copy the Frontend API URL from the dashboard's API keys";
                Err(invalid(
                    &codes::FRONTEND_URL_INVALID,
                    source,
                    &error,
                    remedy,
                ))
            }
        });
        parsed.collect()
    }

    /// Reads a variable that names the instance. If code names the instance, the variable is ignored.
    fn variable(&self, env: &Environment<'_>, name: &str) -> Option<String> {
        let in_code = self.publishable_key.is_some() || self.frontend_api_url.is_some();
        if in_code { None } else { env.get(name) }
    }
}

fn invalid(code: &'static Code, source: Source, error: &dyn Error, remedy: &str) -> Finding {
    Finding::new(code, format!("{source}: {}", chain(error))).remedy_is(remedy)
}

/// Returns the Frontend API URL, on which all settings that name it must agree.
fn frontend(
    publishable_key: &Setting<Option<PublishableKey>>,
    urls: impl Iterator<Item = Setting<FrontendUrl>>,
    missing: Finding,
) -> Result<Setting<FrontendUrl>, Finding> {
    let source = publishable_key.source;
    let key = publishable_key.value.as_ref();
    let key = key.map(|key| key.frontend().clone());
    let key = key.map(|value| Setting { value, source });
    let mut named = key.into_iter().chain(urls);
    let first = named.next().ok_or(missing)?;
    match named.find(|other| other.value.issuer() != first.value.issuer()) {
        None => Ok(first),
        Some(other) => {
            let (first, second) = (first.source, other.source);
            let what = format!("{first} and {second} name different Clerk instances");
            let finding = Finding::new(&codes::INSTANCES_DISAGREE, what);
            Err(finding.remedy_is("unset one of them"))
        }
    }
}

/// Checks that the publishable key and the secret key belong to the same kind of instance: both to a development
/// instance, or both to a production instance. The prefix of a key shows the kind.
fn check_kinds(
    publishable: &Setting<Option<PublishableKey>>,
    secret: &Setting<Option<SecretKey>>,
) -> Result<(), Finding> {
    let kind = |instance| match instance {
        Instance::Development => "development",
        Instance::Production => "production",
    };
    match (&publishable.value, &secret.value) {
        (Some(key), Some(secret_key)) if key.instance() != secret_key.instance() => {
            let what = format!(
                "{} belongs to a {} instance, and {} to a {} instance",
                publishable.source,
                kind(key.instance()),
                secret.source,
                kind(secret_key.instance())
            );
            Err(Finding::new(&codes::KEYS_OF_TWO_INSTANCES, what)
                .remedy_is("take both from one instance"))
        }
        _ => Ok(()),
    }
}

pub(in crate::server) const COPY_MACHINE: &str = "copy it from the machine's page in the dashboard";
pub(in crate::server) const UNSET_API_URL: &str =
    "unset it, unless you use another Backend API than Clerk's";
const COPY_KEY: &str = "copy it from the dashboard's API keys";
const FRONTEND_API_URL: &str = "CLERK_FRONTEND_API_URL";
const FRONTEND_API_URL_OF_MCP_USE: &str = "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL";
const PUBLISHABLE_KEY: &str = "CLERK_PUBLISHABLE_KEY";
