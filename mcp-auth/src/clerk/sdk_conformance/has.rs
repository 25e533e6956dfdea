//! Calls of `has()`, and the SDK's results.

use serde_json::Value;

use super::Report;
use super::claims::{is_ambiguous, verified};
use super::files_with;
use crate::guard::{Check, Policies, TokenFacts};
use crate::identity::{Org, ScopeHierarchy, TokenKind};

#[test]
fn has_vectors_are_answered_as_by_the_sdk() {
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
    let question = question(&vector["query"])?;
    let expected = vector["expected"].as_bool().ok_or("no expectation")?;
    if !vector["machine"].is_null() {
        return super::same("has()", machine_has(&question), expected);
    }
    let (case, outcome) = verified(&vector["claims"]);
    let ours = match case.after_rules(outcome, report)? {
        // A rule refused the token, so there is no caller.
        None if expected => {
            report.count("stricter: a token that a rule refuses has nothing");
            return Ok(());
        }
        None | Some(Err(_)) => false,
        Some(Ok(caller)) => question.holds(&TokenFacts::of(&caller), caller.token_org()),
    };
    if expected && !ours && is_ambiguous(&vector["claims"]) {
        report.count("stricter: only permissions that all readings of the masks grant");
        return Ok(());
    }
    if expected && !ours && question.mistake().is_some() {
        report.count("stricter: a name that Clerk would repair is an error");
        return Ok(());
    }
    super::same("has()", ours, expected)
}

/// Converts a call to a check of this crate. JavaScript can also pass `null` or a number as a name. The SDK always
/// returns false for such a name, so it is converted to a reverification that does not exist.
fn question(query: &Value) -> Result<Check, String> {
    let members = query.as_object().ok_or("the query is not an object")?;
    Ok(members
        .iter()
        .fold(Check::new(), |question, (asked, value)| {
            match (asked.as_str(), value.as_str()) {
                ("role", Some(role)) => question.role(role),
                ("permission", Some(permission)) => question.permission(permission),
                ("feature", Some(feature)) => question.feature(feature),
                ("plan", Some(plan)) => question.plan(plan),
                ("reverification", Some(preset)) => question.reverification(preset),
                ("reverification", None) => {
                    let level = value["level"].as_str().unwrap_or_default();
                    let minutes = value["afterMinutes"].as_f64().unwrap_or_default();
                    question.reverification_within(level, minutes)
                }
                ("role" | "permission" | "feature" | "plan", None) => question.reverification(""),
                _ => question,
            }
        }))
}

/// Returns the result for a machine that meets everything except the requirement of a user.
fn machine_has(question: &Check) -> bool {
    let everything = Org::new(
        "org_1".to_owned(),
        None,
        Some("org:admin".to_owned()),
        Some(vec!["org:documents:delete".to_owned()]),
    );
    let of = |user| {
        let standing = TokenFacts {
            token_kind: TokenKind::M2m,
            impersonated: false,
            user,
            scopes: &[],
            hierarchy: &ScopeHierarchy::default(),
            features: None,
            plans: None,
            factor_ages: None,
            policies: Policies::Assume(false),
        };
        question.holds(&standing, Some(&everything))
    };
    assert!(of(true), "the vector asks for something else");
    of(false)
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
