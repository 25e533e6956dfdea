//! Access that the operator revokes.

use std::path::{Path, PathBuf};

use crate::identity::{RevocationFile, Revocations};

use super::super::codes;
use super::super::environment::{Environment, Variable};
use super::super::finding::{Finding, Findings, counted};
use super::super::setting::Setting;
use super::ServerBuilder;

/// The revocations that are set in code.
#[derive(Debug, Default)]
pub(in crate::server) struct RevocationOptions {
    pub(in crate::server) handle: Revocations,
    file: Option<String>,
}

/// The methods for revocation.
impl ServerBuilder {
    /// Returns the handle with which the application revokes access while the server runs. Call this method before the
    /// server starts, and keep the handle in the code that revokes, for example in the handler of a webhook.
    ///
    /// ```no_run
    /// use mcp_auth::Revocation;
    ///
    /// #[actix_web::main]
    /// async fn main() -> mcp_auth::Result<()> {
    ///     let server = mcp_auth::server!();
    ///     let revocations = server.revocations();
    ///     actix_web::rt::spawn(async move {
    ///         for user in dismissed().await {
    ///             revocations.revoke(Revocation::subject(user));
    ///         }
    ///     });
    ///     server.serve().await
    /// }
    /// # async fn dismissed() -> Vec<String> { Vec::new() }
    /// ```
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        self.revocations.handle.clone()
    }

    /// Sets the file that lists revoked access. Default: `MCP_REVOCATIONS`, or no file. The server reads the file again
    /// within a second after the file changes. The guide *Revocation* describes the format of the file.
    ///
    /// The server does not start if it cannot read the file. If the file later disappears or is malformed, the last good
    /// content stays valid, and the server logs an error.
    ///
    /// ```no_run
    /// let builder = mcp_auth::server!().revocation_file("/etc/documents/revocations.json");
    /// # let _ = builder;
    /// ```
    pub fn revocation_file(mut self, path: impl AsRef<Path>) -> Self {
        self.revocations.file = Some(path.as_ref().to_string_lossy().into_owned());
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[Variable::of_server("MCP_REVOCATIONS")];

impl RevocationOptions {
    /// Reads the file, if a setting names one.
    pub(in crate::server) fn resolve(
        &self,
        env: &Environment<'_>,
        findings: &mut Findings,
    ) -> Result<Option<RevocationFile>, Finding> {
        let in_code = self.file.as_ref();
        let path = Setting::text(env, in_code, "revocation_file", "MCP_REVOCATIONS");
        let Some(text) = path.value else {
            return Ok(None);
        };
        let file = RevocationFile::open(&PathBuf::from(&text), &self.handle);
        let file = file.map_err(|error| {
            let what = format!("{}: `{text}` cannot be used: {error}", path.source);
            let remedy = "correct the file, or create it with the content `{\"version\": 1}`";
            Finding::new(&codes::REVOCATIONS_INVALID, what).remedy_is(remedy)
        })?;
        let ids = counted(file.entries(), "revoked id");
        findings.pass(format!("the revocation file has {ids}"));
        Ok(Some(file))
    }
}
