//! Findings about a configuration and an instance, and the report that lists them.

use std::fmt;

use serde_json::{Value, json};

use super::codes::{Code, Level};

/// A finding of [`ServerBuilder::check`](crate::ServerBuilder::check).
///
/// ```
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::Severity;
///
/// let report = mcp_auth::server!().publishable_key("pk_x").host("0.0.0.0").check().await;
/// let first = &report.findings()[0];
/// assert_eq!(first.code(), "url-missing");
/// assert_eq!(first.severity(), Severity::Error);
/// assert_eq!(first.what(), "MCP_URL is not set, and 0.0.0.0 is not loopback");
/// assert!(first.why().starts_with("clients ask for tokens with this URL"));
/// assert!(first.remedy().unwrap().starts_with("set it to the public URL"));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Finding {
    code: &'static Code,
    what: String,
    why: &'static str,
    remedy: Option<String>,
}

/// The severity of a [`Finding`]; errors are listed first.
///
/// ```
/// use mcp_auth::Severity;
///
/// assert!(Severity::Error < Severity::Warning);
/// assert_eq!(Severity::Note.to_string(), "note");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The server does not start, or refuses callers that it should accept.
    Error,
    /// The server starts, but some callers or the operator will be surprised.
    Warning,
    /// A configuration that is often intended, and may need no change.
    Note,
}

impl Finding {
    /// Makes a finding with this code. `what` describes the problem.
    pub(super) fn new(code: &'static Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            why: code.why,
            remedy: None,
        }
    }

    /// Adds how to correct the problem. Not needed if `what` already says it.
    pub(super) fn remedy_is(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// Replaces the reason of the code with a more precise reason.
    pub(super) fn because(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    /// Returns the stable code, such as `url-missing`. `docs/findings.md` lists all codes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code.name
    }

    /// Returns how severe the finding is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.level.severity()
    }

    /// Returns the problem, as a sentence that names the setting.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns why the problem matters.
    #[must_use]
    pub fn why(&self) -> &str {
        self.why
    }

    /// Returns how to correct the problem. `None` if [`what`](Self::what) already says it.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Returns true if the server does not start because of the finding.
    pub(super) fn is_fatal(&self) -> bool {
        self.code.level == Level::Fatal
    }

    fn to_json(&self) -> Value {
        json!({
            "code": self.code(),
            "severity": self.severity().to_string(),
            "what": self.what,
            "why": self.why,
            "do": self.remedy,
        })
    }

    /// Logs the finding when the server starts.
    fn log(&self) {
        let Self {
            code,
            what,
            why,
            remedy,
        } = self;
        let (code, remedy) = (code.name, remedy.as_deref());
        match self.severity() {
            Severity::Error | Severity::Warning => {
                tracing::warn!(target: "mcp_auth", code, why, remedy, "{what}");
            }
            Severity::Note => tracing::debug!(target: "mcp_auth", code, why, remedy, "{what}"),
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
    /// Up to three lines: the problem with the code, the reason, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:8} {} [{}]", self.severity(), self.what, self.code())?;
        writeln!(f, "    why  {}", self.why)?;
        match &self.remedy {
            Some(remedy) => writeln!(f, "    do   {remedy}"),
            None => Ok(()),
        }
    }
}

/// The findings so far, in the order in which they were added, and the checks that passed.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    passed: Vec<String>,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// Adds a check that passed. `MCP_AUTH=check` prints these checks.
    pub(super) fn pass(&mut self, what: impl Into<String>) {
        self.passed.push(what.into());
    }

    /// Returns the number of findings.
    #[cfg(feature = "tls")]
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// If the result is an error, adds its finding. Returns the result.
    pub(super) fn note<T>(&mut self, result: Result<T, Finding>) -> Result<T, Finding> {
        result.inspect_err(|finding| self.push(finding.clone()))
    }

    pub(super) fn append(&mut self, later: Self) {
        self.found.extend(later.found);
        self.passed.extend(later.passed);
    }

    /// Returns the first fatal finding as an error.
    pub(super) fn check(&self) -> Result<(), Finding> {
        let fatal = self.found.iter().find(|finding| finding.is_fatal());
        fatal.cloned().map_or(Ok(()), Err)
    }

    /// Logs the findings when the server starts, without the accepted findings.
    pub(super) fn log(&self, accepted: &[&Code]) {
        let found = self.found.iter();
        found
            .filter(|finding| !is_accepted(finding, accepted))
            .for_each(Finding::log);
    }

    /// Makes the report of a check.
    pub(super) fn report(self, subject: String, accepted: &[&Code]) -> CheckReport {
        let (accepted, mut findings): (Vec<_>, Vec<_>) = self
            .found
            .into_iter()
            .partition(|finding| is_accepted(finding, accepted));
        findings.sort_by_key(Finding::severity);
        CheckReport {
            subject,
            passed: self.passed,
            accepted,
            findings,
        }
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        self.found.extend(findings);
    }
}

fn is_accepted(finding: &Finding, accepted: &[&Code]) -> bool {
    !finding.is_fatal() && accepted.iter().any(|code| code.name == finding.code())
}

/// The result of [`ServerBuilder::check`](crate::ServerBuilder::check). `MCP_AUTH=check` prints its `Display` form.
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
    accepted: Vec<Finding>,
    findings: Vec<Finding>,
}

impl CheckReport {
    /// Returns all findings, errors first. Findings that `MCP_AUTH_ACCEPT` lists are left out.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns true if the report has an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Writes the report as JSON, as `MCP_CHECK_FORMAT=json` prints the report. The members are `subject`, `passed`,
    /// `findings`, `accepted` and `summary`. Each entry of `findings` and of `accepted` has `code`, `severity`, `what`, `why`
    /// and `do`. `summary` has the numbers of findings.
    ///
    /// ```
    /// # actix_web::rt::System::new().block_on(async {
    /// let report = mcp_auth::server!().secret_key("pk_test_1").check().await;
    /// let report: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    /// assert!(report["summary"]["errors"].as_u64() > Some(0));
    /// assert_eq!(report["findings"][0]["severity"], "error");
    /// # });
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let all = |findings: &[Finding]| findings.iter().map(Finding::to_json).collect::<Vec<_>>();
        let report = json!({
            "subject": self.subject,
            "passed": self.passed,
            "findings": all(&self.findings),
            "accepted": all(&self.accepted),
            "summary": {
                "errors": self.count(Severity::Error),
                "warnings": self.count(Severity::Warning),
                "notes": self.count(Severity::Note),
            },
        });
        format!("{report:#}\n")
    }

    /// The exit status of a check that got no answer from Clerk.
    pub(super) const NOT_ASKED: i32 = 2;

    /// Returns true if each error says only that Clerk did not answer.
    pub(super) fn only_lacks_answers(&self) -> bool {
        let findings = self.findings.iter();
        let mut errors = findings.filter(|finding| finding.severity() == Severity::Error);
        errors.all(|finding| finding.code.lacks_an_answer())
    }

    pub(super) fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.severity() == severity)
            .count()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject)?;
        for passed in &self.passed {
            writeln!(f, "ok       {passed}")?;
        }
        for finding in &self.accepted {
            writeln!(f, "accepted {} [{}]", finding.what, finding.code())?;
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

/// A number with its noun: `1 error`, `2 errors`.
pub(super) fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
