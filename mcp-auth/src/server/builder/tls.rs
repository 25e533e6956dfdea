//! TLS: the certificate of the server and its private key.

#[cfg(feature = "tls")]
use std::path::Path;
#[cfg(feature = "tls")]
use std::sync::Arc;

#[cfg(feature = "tls")]
use crate::clock::{Clock, SystemClock};
use crate::http::Canonical;
#[cfg(feature = "tls")]
use crate::http::{CertificateFiles, Certificates, FileProblem, Invalidity, PairFile, SOON_MS};

use super::super::codes;
#[cfg(feature = "tls")]
use super::super::date::day_of;
use super::super::environment::{Environment, Variable};
use super::super::finding::{Finding, Findings};
use super::super::setting::Setting;
#[cfg(feature = "tls")]
use super::ServerBuilder;

/// The files of the certificate that are set in code.
#[derive(Debug, Default)]
pub(in crate::server) struct TlsOptions {
    certificate: Option<String>,
    key: Option<String>,
}

/// TLS.
#[cfg(feature = "tls")]
impl ServerBuilder {
    /// Serves https instead of http. `certificate` is the path of a file with the certificate of the server, followed by
    /// the intermediate certificates. `key` is the path of a file with the private key, which is not encrypted. Both files
    /// are PEM. Default: `MCP_TLS_CERT` and `MCP_TLS_KEY`, or plain http if both variables are unset.
    ///
    /// The server speaks TLS 1.2 and TLS 1.3, and asks clients for no certificate. It reads the files again within a second
    /// after they change. New connections then use the new certificate, and open connections continue. If the new files
    /// cannot be used, or the new certificate is expired or not valid yet, the last good certificate stays in use, and the
    /// server logs the reason.
    ///
    /// The default of the canonical URL becomes `https://127.0.0.1:{port}/mcp`. The server does not start if the
    /// [`url`](Self::url) is an http URL, if a file cannot be read, or if the key does not belong to the certificate.
    ///
    /// The setting applies to [`serve`](Self::serve), [`start`](Self::start) and
    /// [`Server::listen`](crate::Server::listen). It does not apply to an application under actix-web's `HttpServer`, or to
    /// the address of the metrics. The page *TLS* of the guide explains the setting.
    ///
    /// ```
    /// let builder = mcp_auth::server!()
    ///     .url("https://mcp.example.com")
    ///     .host("0.0.0.0")
    ///     .tls("/etc/tls/fullchain.pem", "/etc/tls/privkey.pem");
    /// # let _ = builder;
    /// ```
    pub fn tls(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        self.tls.certificate = Some(text(certificate.as_ref()));
        self.tls.key = Some(text(key.as_ref()));
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[
    Variable::of_server("MCP_TLS_CERT"),
    Variable::of_server("MCP_TLS_KEY"),
];

/// The certificate of a server, and its files.
#[cfg(feature = "tls")]
pub(in crate::server) struct Tls {
    pub(in crate::server) files: CertificateFiles,
    pub(in crate::server) certificates: Arc<Certificates>,
    /// The path of the certificate.
    pub(in crate::server) path: String,
}

impl TlsOptions {
    /// Returns the paths of the certificate and of the key.
    fn paths(&self, env: &Environment<'_>) -> [Setting<Option<String>>; 2] {
        [
            Setting::text(env, self.certificate.as_ref(), "tls", "MCP_TLS_CERT"),
            Setting::text(env, self.key.as_ref(), "tls", "MCP_TLS_KEY"),
        ]
    }

    /// Returns true if a setting asks for TLS.
    pub(in crate::server) fn is_on(&self, env: &Environment<'_>) -> bool {
        self.paths(env).iter().any(|path| path.value.is_some())
    }

    /// Reads the certificate and its key, if settings name them.
    #[cfg(feature = "tls")]
    pub(in crate::server) fn resolve(
        &self,
        env: &Environment<'_>,
        canonical: Option<&Canonical>,
        findings: &mut Findings,
    ) -> Result<Option<Tls>, Finding> {
        let [certificate, key] = self.paths(env);
        let (path, key_path) = match (&certificate.value, &key.value) {
            (None, None) => return Ok(None),
            (Some(path), Some(key)) => (path, key),
            (Some(_), None) => return Err(incomplete(&certificate, &key)),
            (None, Some(_)) => return Err(incomplete(&key, &certificate)),
        };
        let host = canonical.map(Canonical::host_name);
        let opened = CertificateFiles::open(Path::new(path), Path::new(key_path), host);
        let (files, certificates) = opened.map_err(|error| {
            let (setting, path) = match error.file {
                PairFile::Chain => (certificate.source, path),
                PairFile::Key => (key.source, key_path),
            };
            let what = format!("{setting}: `{path}` cannot be used: {}", error.problem);
            let code = match (error.file, error.problem) {
                (_, FileProblem::Content(problem)) if problem.is_mismatch() => {
                    &codes::TLS_KEY_MISMATCH
                }
                (PairFile::Chain, _) => &codes::TLS_CERTIFICATE_UNUSABLE,
                (PairFile::Key, _) => &codes::TLS_KEY_UNUSABLE,
            };
            let remedy = match error.file {
                PairFile::Chain => {
                    "name a PEM file with the certificate of the server, followed by the intermediate certificates"
                }
                PairFile::Key => "name the PEM file with the private key of the certificate",
            };
            Finding::new(code, what).remedy_is(remedy)
        })?;
        if let Some(canonical) = canonical {
            check(&certificate, path, &certificates, canonical, findings);
        }
        Ok(Some(Tls {
            files,
            path: path.clone(),
            certificates,
        }))
    }

    /// Returns a finding if a setting asks for TLS, because the server was built without TLS.
    #[cfg(not(feature = "tls"))]
    pub(in crate::server) fn resolve(
        &self,
        env: &Environment<'_>,
        _canonical: Option<&Canonical>,
        _findings: &mut Findings,
    ) -> Result<(), Finding> {
        let set = self.paths(env).into_iter();
        match set.into_iter().find(|path| path.value.is_some()) {
            None => Ok(()),
            Some(Setting { source, .. }) => {
                let what = format!("{source} is set, but the server was built without TLS");
                let remedy = "build with the feature `tls` of mcp-auth, or unset the variable";
                Err(Finding::new(&codes::TLS_NOT_BUILT, what).remedy_is(remedy))
            }
        }
    }
}

/// The finding about one of the two files without the other.
#[cfg(feature = "tls")]
fn incomplete(set: &Setting<Option<String>>, unset: &Setting<Option<String>>) -> Finding {
    let what = format!("{} is set, but {} is not set", set.source, unset.source);
    let remedy = format!("set {} too, or unset {}", unset.source, set.source);
    Finding::new(&codes::TLS_INCOMPLETE, what).remedy_is(remedy)
}

/// Checks the certificate's validity and names. Adds a finding for each problem.
#[cfg(feature = "tls")]
fn check(
    setting: &Setting<Option<String>>,
    path: &str,
    certificates: &Certificates,
    canonical: &Canonical,
    findings: &mut Findings,
) {
    let (source, certificate) = (setting.source, certificates.current());
    let now = SystemClock::new().unix_ms();
    let end = certificate.expires_unix_ms();
    let day = day_of(end);
    let before = findings.len();
    let mut warn = |code, what: String, remedy: &str| {
        findings.push(Finding::new(code, what).remedy_is(remedy));
    };
    let about = |problem: &str| format!("{source}: the certificate in `{path}` {problem}");
    match certificate.invalidity(now) {
        Some(early @ Invalidity::NotYetValid) => {
            let what = about("is not valid yet");
            warn(&codes::CERTIFICATE_EXPIRED, what, early.remedy());
        }
        Some(expired @ Invalidity::Expired) => {
            let what = about(&format!("expired on {day}"));
            warn(&codes::CERTIFICATE_EXPIRED, what, expired.remedy());
        }
        None if end.saturating_sub(now) <= SOON_MS => {
            let what = about(&format!("expires on {day}"));
            warn(
                &codes::CERTIFICATE_EXPIRING,
                what,
                Invalidity::Expired.remedy(),
            );
        }
        None => {}
    }
    let host = canonical.host_name();
    if !certificate.covers(host) {
        let what = format!(
            "{source}: the certificate in `{path}` is not valid for `{host}`, the host of the canonical URL"
        );
        let remedy = "use a certificate for this host, or correct MCP_URL";
        warn(&codes::CERTIFICATE_OF_OTHER_HOST, what, remedy);
    }
    if findings.len() == before {
        findings.pass(format!("the certificate is valid for {host} until {day}"));
    }
}
