//! What is wrong, or not as it should be: said at the start, or alone and in full.
//!
//! A start stops at the first thing that is [`Found::Wrong`] and logs the rest. A check collects all
//! of it, serves nothing, and asks the instance also what a start does not wait for.

mod address;
mod audience;
mod default_scopes;
mod instance;
mod organizations;
mod run;
mod schemas;

use std::fmt;

use super::error::{StartError, counted, write_chain};

pub(super) use self::address::address;
pub(super) use self::instance::{Answers, Known, judge};
pub(super) use self::organizations::organizations;
pub(super) use self::run::check;
pub(super) use self::schemas::schemas;

/// What a check found, of which [`ServerBuilder::check`](crate::ServerBuilder::check) gives a list.
///
/// ```
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::Severity;
///
/// let report = mcp_auth::server!().publishable_key("pk_x").host("0.0.0.0").check().await;
/// let first = &report.findings()[0];
/// assert_eq!(first.severity(), Severity::Error);
/// assert_eq!(first.what(), "MCP_URL is not set, and 0.0.0.0 is not loopback");
/// assert!(first.why().starts_with("clients ask for tokens for that URL"));
/// assert!(first.remedy().unwrap().starts_with("set it to the public URL"));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Finding {
    severity: Severity,
    what: String,
    why: &'static str,
    remedy: Option<String>,
}

/// How bad a [`Finding`] is; the worst come first.
///
/// ```
/// use mcp_auth::Severity;
///
/// assert!(Severity::Error < Severity::Warning);
/// assert_eq!(Severity::Note.to_string(), "note");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The server does not start, or callers that should get in do not.
    Error,
    /// It serves, and some callers, or the operator, will be surprised.
    Warning,
    /// To be known, and right in many cases.
    Note,
}

/// What [`ServerBuilder::check`](crate::ServerBuilder::check) found; its `Display` is what
/// `MCP_AUTH=check` prints.
///
/// ```
/// # actix_web::rt::System::new().block_on(async {
/// let report = mcp_auth::server!().secret_key("pk_test_1").check().await;
/// assert!(report.has_errors());
/// assert!(report.to_string().contains("error    `secret_key`: a Clerk secret key begins"));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct CheckReport {
    subject: String,
    passed: Vec<String>,
    findings: Vec<Finding>,
}

impl Finding {
    /// Returns how bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Returns what was found, in a sentence that names the setting.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns why it matters.
    #[must_use]
    pub fn why(&self) -> &str {
        self.why
    }

    /// Returns what to do, unless [`what`](Self::what) says that.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    fn new(severity: Severity, what: String, why: &'static str, remedy: impl Into<String>) -> Self {
        Self {
            severity,
            what,
            why,
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn error(what: String, why: &'static str, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Error, what, why, remedy)
    }

    pub(super) fn warning(what: String, why: &'static str, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what, why, remedy)
    }

    pub(super) fn note(what: String, why: &'static str, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Note, what, why, remedy)
    }

    /// A server that starts all the same says it in its log.
    pub(super) fn log(&self) {
        let Self {
            severity,
            what,
            why,
            remedy,
        } = self;
        let remedy = remedy.as_deref();
        match severity {
            Severity::Error | Severity::Warning => {
                tracing::warn!(target: "mcp_auth", why, remedy, "{what}");
            }
            Severity::Note => tracing::debug!(target: "mcp_auth", why, remedy, "{what}"),
        }
    }
}

impl From<&StartError> for Finding {
    fn from(error: &StartError) -> Self {
        let mut what = String::new();
        // A string takes whatever is written to it.
        let _ = write_chain(&mut what, error);
        Self {
            severity: Severity::Error,
            what,
            why: error.why(),
            remedy: error.remedy(),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    /// Up to three lines: what, why, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:8} {}", self.severity, self.what)?;
        writeln!(f, "    why  {}", self.why)?;
        match &self.remedy {
            Some(remedy) => writeln!(f, "    do   {remedy}"),
            None => Ok(()),
        }
    }
}

impl CheckReport {
    /// Returns all findings, the worst first.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Tells whether one of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    pub(super) fn count(&self, severity: Severity) -> usize {
        let found = self.findings.iter();
        found.filter(|one| one.severity == severity).count()
    }

    fn new(subject: String, found: Vec<Found>) -> Self {
        let mut report = Self {
            subject,
            passed: Vec::new(),
            findings: Vec::new(),
        };
        for one in found {
            match one {
                Found::Wrong(error) => report.findings.push(Finding::from(&error)),
                Found::Other(finding) => report.findings.push(finding),
                Found::Passed(what) => report.passed.push(what),
            }
        }
        report.findings.sort_by_key(|finding| finding.severity);
        report
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject)?;
        for passed in &self.passed {
            writeln!(f, "ok       {passed}")?;
        }
        for finding in &self.findings {
            write!(f, "{finding}")?;
        }
        let counts = [
            (Severity::Error, "error"),
            (Severity::Warning, "warning"),
            (Severity::Note, "note"),
        ];
        let counts = counts.map(|(severity, name)| counted(self.count(severity), name));
        writeln!(f, "{}", counts.join(", "))
    }
}

/// One result of looking at the configuration or the instance.
#[derive(Debug)]
pub(super) enum Found {
    /// No server starts with this.
    Wrong(StartError),
    /// A server starts with this and says so.
    Other(Finding),
    /// As it should be.
    Passed(String),
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self::Other(finding)
    }
}

/// How the program was built.
pub(super) fn panics() -> Option<Found> {
    let aborts = cfg!(panic = "abort");
    aborts.then(|| {
        let finding = Finding::warning(
            "built with `panic = \"abort\"`".to_owned(),
            "a tool that panics takes the whole server with it",
            "drop that line of the profile in Cargo.toml",
        );
        finding.into()
    })
}

/// Logs what a start can live with.
pub(super) fn settle(found: Vec<Found>) -> Result<(), StartError> {
    for one in found {
        match one {
            Found::Wrong(error) => return Err(error),
            Found::Other(finding) => finding.log(),
            Found::Passed(_) => {}
        }
    }
    Ok(())
}
