//! Questions to `has()`, and the SDK's answers.

use serde_json::Value;

use super::Report;
use super::claims::is_ambiguous;
use super::claims::verified;
use super::files_with;
use crate::identity::Caller;

#[test]
fn has_vectors_of_roles_and_permissions_are_answered_as_by_the_sdk() {
    let mut report = Report::default();
    for file in files_with("group") {
        for vector in file.vectors() {
            let outcome = check(vector, &mut report);
            report.add(&file, vector, outcome);
        }
    }
    report.finish("has vectors");
}

fn check(vector: &Value, report: &mut Report) -> Result<(), String> {
    let group = vector["group"].as_str().unwrap_or_default();
    if !GROUPS.contains(&group) {
        return Err(format!("unknown group {group}"));
    }
    for member in vector.as_object().ok_or("no object")?.keys() {
        let known = [
            "group",
            "name",
            "claims",
            "query",
            "expected",
            "via",
            "options",
            "machine",
            "sdk_throws",
        ];
        if !known.contains(&member.as_str()) {
            report.count(format!("vectors with the unknown member {member}"));
        }
    }
    let query = &vector["query"];
    let not_implemented = ["feature", "plan", "reverification"];
    if vector["claims"].is_null()
        || not_implemented
            .iter()
            .any(|&asked| query.get(asked).is_some())
    {
        report.count(format!("not implemented: group {group}"));
        return Ok(());
    }
    let expected = vector["expected"].as_bool().ok_or("no expectation")?;
    let (case, outcome) = verified(&vector["claims"]);
    let ours = match case.after_rules(outcome, report)? {
        // Refused by a rule: nobody is signed in, who could have anything?
        None => return Ok(()),
        Some(Err(_)) => false,
        Some(Ok(caller)) => has(&caller, query),
    };
    if expected && !ours && is_ambiguous(&vector["claims"]) {
        report.count("stricter: only permissions that all readings of the masks grant");
        return Ok(());
    }
    super::same("has()", ours, expected)
}

/// All that is asked for holds, and something is asked for.
fn has(caller: &Caller, query: &Value) -> bool {
    let Some(org) = caller.token_org() else {
        return false;
    };
    let holds = |asked: &str, holds: &dyn Fn(&str) -> bool| {
        query
            .get(asked)
            .map(|value| value.as_str().is_some_and(holds))
    };
    let role = holds("role", &|role| org.has_role(role));
    let permission = holds("permission", &|permission| org.has_permission(permission));
    let asked = [role, permission];
    asked.iter().any(Option::is_some) && asked.iter().flatten().all(|&holds| holds)
}

const GROUPS: [&str; 8] = [
    "permission",
    "role",
    "and",
    "feature",
    "plan",
    "reverification",
    "pending",
    "machine",
];
