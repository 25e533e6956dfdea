//! `MCP_AUTH=check`: prints the report of a check, and ends the program with a status for a pipeline.

use std::io::{self, Write};
use std::process;

use super::builder::ServerBuilder;
use super::codes;
use super::environment::Environment;
use super::error::{Error, Result};
use super::finding::{CheckReport, Finding, Severity, counted};
use super::setting::Source;

/// The form in which the report is printed.
#[derive(Clone, Copy)]
enum Format {
    Json,
    Text,
}

/// Checks the configuration, and prints the report. Ends the process with status 2 if the only error is that Clerk did
/// not answer.
///
/// # Errors
///
/// - `MCP_CHECK_FORMAT` has an unknown value.
/// - The report has an error. The program then ends with status 1.
pub(super) async fn run(builder: ServerBuilder, env: Environment<'_>) -> Result<()> {
    let format = format(&env).map_err(Error::start)?;
    let report = builder.check().await;
    let text = match format {
        Format::Json => report.to_json(),
        Format::Text => report.to_string(),
    };
    io::stdout().write_all(text.as_bytes())?;
    let errors = report.count(Severity::Error);
    if errors == 0 {
        return Ok(());
    }
    let what = format!("the check found {}", counted(errors, "error"));
    let error = Error::start(Finding::new(&codes::CHECK_FAILED, what));
    if report.only_lacks_answers() {
        io::stdout().flush()?;
        writeln!(io::stderr(), "Error: {error}")?;
        // An error would become status 1 in the `main` of the application. No server runs yet, so the exit interrupts nothing.
        process::exit(CheckReport::NOT_ASKED);
    }
    Err(error)
}

fn format(env: &Environment<'_>) -> Result<Format, Finding> {
    match env.get("MCP_CHECK_FORMAT").as_deref() {
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some(value) => {
            let expected = "`json` or `text` is expected";
            Err(Source::Variable("MCP_CHECK_FORMAT").invalid(value, expected))
        }
    }
}
