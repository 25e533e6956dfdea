//! Compares the access matrix with a matrix that was recorded in a file (`MCP_MATRIX`).

use std::fs;

use super::super::codes;
use super::super::environment::Environment;
use super::super::finding::{Finding, Findings};
use super::super::matrix::{AccessMatrix, Recorded};

/// Adds a finding for each tool, prompt and resource that more or fewer callers may use than the file records.
pub(super) fn access(matrix: &AccessMatrix, env: &Environment<'_>, findings: &mut Findings) {
    let Some(path) = env.get("MCP_MATRIX") else {
        return;
    };
    let unreadable = |why: String| {
        let what = format!("MCP_MATRIX: `{path}` cannot be read: {why}");
        let remedy = format!("write it with `MCP_AUTH=tools-markdown cargo run > {path}`");
        Finding::new(&codes::MATRIX_UNREADABLE, what).remedy_is(remedy)
    };
    let text = fs::read_to_string(&path).map_err(|error| error.kind().to_string());
    let recorded = text.and_then(|text| Recorded::read(&text).map_err(|error| error.to_string()));
    let current = Recorded::read(&matrix.to_markdown()).map_err(|error| error.to_string());
    let (recorded, current) = match (recorded, current) {
        (Ok(recorded), Ok(current)) => (recorded, current),
        (Err(why), _) | (_, Err(why)) => return findings.push(unreadable(why)),
    };
    let changes = recorded.changes_to(&current);
    let remedy = format!("if that is intended, write {path} again, and review the difference");
    for change in &changes.wider {
        let what = format!("more callers may use {change}");
        findings.push(Finding::new(&codes::ACCESS_WIDENED, what).remedy_is(&remedy));
    }
    if !changes.dropped_scopes.is_empty() {
        let scopes = changes.dropped_scopes.join(" ");
        let what = format!("the server no longer requires the scopes of every caller: {scopes}");
        findings.push(Finding::new(&codes::ACCESS_WIDENED, what).remedy_is(&remedy));
    }
    if changes.wider.is_empty() && changes.dropped_scopes.is_empty() {
        findings.pass(format!("nobody may do more than {path} records"));
    }
    for change in &changes.narrower {
        let what = format!("fewer callers may use {change}");
        let remedy = format!("write {path} again, so that the next check compares with it");
        findings.push(Finding::new(&codes::ACCESS_NARROWED, what).remedy_is(remedy));
    }
}
