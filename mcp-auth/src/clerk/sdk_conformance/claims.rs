//! Payloads of session tokens, and the data in them.

use serde_json::Value;

use super::verify::compare_actor;
use super::{Case, Report, files_with, same};
use crate::identity::test_support::TestKey;
use crate::identity::{
    AudienceMode, Caller, Entitlements, Keys, Org, Parties, TokenError, TokenPolicy, test_support,
};

#[test]
fn claims_vectors_decode_as_in_the_sdk() {
    let mut report = Report::default();
    for file in files_with("decoded") {
        for vector in file.vectors() {
            let outcome = check(vector, &mut report);
            report.add(&file, vector, outcome);
        }
    }
    report.finish("claims vectors");
}

/// Returns the caller of a session token with these claims, verified at a time when the token is
/// current.
pub(super) fn verified(claims: &Value) -> (Case, Result<Caller, TokenError>) {
    let token = TestKey::shared().sign(&test_support::session_header(), claims);
    let issuer = claims["iss"].as_str().unwrap_or(test_support::ISSUER);
    let mut policy = TokenPolicy::new(issuer.to_owned(), Vec::new());
    policy.audience.mode = AudienceMode::Off;
    policy.sessions = Some(Parties::Any);
    let seconds = |name: &str| claims[name].as_f64().unwrap_or_default();
    let now_ms = (seconds("iat").max(seconds("nbf")) * 1e3) as u64;
    let keys = Keys::from_pem(&TestKey::shared().public_pem()).unwrap();
    let case = Case::of(&token, false);
    let outcome = case.verify(policy, keys, now_ms);
    (case, outcome)
}

fn check(vector: &Value, report: &mut Report) -> Result<(), String> {
    for member in vector.as_object().ok_or("no object")?.keys() {
        match member.as_str() {
            "name" | "claims" | "request_status" | "decoded" | "sdk_throws" => {}
            "pending_signed_out_by_default" | "python_sdk_org_permissions" => {}
            "features" | "plans" => {}
            unknown => report.count(format!("vectors with the unknown member {unknown}")),
        }
    }
    let (case, outcome) = verified(&vector["claims"]);
    if vector["pending_signed_out_by_default"] == true {
        same(
            "pending",
            outcome.as_ref().err(),
            Some(&TokenError::Pending),
        )?;
    }
    let signed_in = vector["request_status"] != "signed-out";
    let decoded = !vector["decoded"].is_null() && vector["sdk_throws"] != true;
    match case.after_rules(outcome, report)? {
        None => Ok(()),
        Some(Err(TokenError::Claims)) if !decoded => Ok(()),
        Some(Err(_)) if !signed_in => Ok(()),
        Some(Err(error)) => Err(format!("refused: {error}")),
        Some(Ok(_)) if !decoded || !signed_in => Err("accepted".to_owned()),
        Some(Ok(caller)) => compare(&caller, vector, report),
    }
}

fn compare(caller: &Caller, vector: &Value, report: &mut Report) -> Result<(), String> {
    compare_entitlements("features", caller.features(), &vector["features"])?;
    compare_entitlements("plans", caller.plans(), &vector["plans"])?;
    let org = caller.token_org();
    let session = caller.session();
    let decoded = vector["decoded"]
        .as_object()
        .ok_or("decoded is not an object")?;
    let organization = decoded
        .get("org_id")
        .and_then(Value::as_str)
        .is_some_and(|id| !id.is_empty());
    same("has an organization", org.is_some(), organization)?;
    for (name, expected) in decoded {
        // The SDK keeps an empty text. An empty text means the same as no text.
        let text = expected.as_str().filter(|text| !text.is_empty());
        match name.as_str() {
            "user_id" => same(name, caller.user_id(), text)?,
            "session_id" => same(name, session.map(|session| session.id()), text)?,
            "session_status" => same(name, session.and_then(|session| session.status()), text)?,
            "actor" => compare_actor(caller.actor(), expected)?,
            "factor_verification_age" => compare_ages(caller, expected)?,
            "org_id" => same(name, caller.org_id(), text)?,
            // Without an id there is no organization, and no role.
            "org_role" | "org_slug" | "org_permissions" if org.is_none() => {}
            "org_role" if !is_text_or_none(&vector["claims"]["o"]["rol"]) => {
                report.count("stricter: a role is text");
                same(name, org.and_then(Org::role), None)?;
            }
            "org_role" => same(name, org.and_then(Org::role), text)?,
            "org_slug" => same(name, org.and_then(Org::slug), text)?,
            "org_permissions" => compare_permissions(org, expected, vector, report)?,
            unknown => report.count(format!("not compared: decoded.{unknown}")),
        }
    }
    Ok(())
}

/// Compares entitlements. An absent claim and an unreadable claim count as equal.
fn compare_entitlements(
    what: &str,
    ours: Option<&Entitlements>,
    expected: &Value,
) -> Result<(), String> {
    if expected["malformed"] == true {
        return same(what, ours.is_none(), true);
    }
    let texts = |list: &Value| -> Vec<String> {
        let all = list.as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let held =
        |list: fn(&Entitlements) -> &Vec<String>| ours.map(list).cloned().unwrap_or_default();
    same(what, held(|all| &all.organization), texts(&expected["org"]))?;
    same(what, held(|all| &all.user), texts(&expected["user"]))
}

fn is_text_or_none(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn compare_ages(caller: &Caller, expected: &Value) -> Result<(), String> {
    let is_age = |age: &Value| age.as_f64().is_some_and(|age| age == -1.0 || age >= 0.0);
    let expected = match expected.as_array().map(Vec::as_slice) {
        Some([first, second]) if is_age(first) && is_age(second) => {
            Some([first, second].map(|age| age.as_f64().filter(|&age| age >= 0.0)))
        }
        _ => None,
    };
    let ours = caller.session().and_then(|session| session.factor_ages());
    same(
        "ages",
        ours.map(|ages| [ages.first_minutes(), ages.second_minutes()]),
        expected,
    )
}

/// Compares with the permissions of the JavaScript SDK. If a mask may belong to another feature,
/// compares with the permissions that all SDKs grant.
fn compare_permissions(
    org: Option<&Org>,
    expected: &Value,
    vector: &Value,
    report: &mut Report,
) -> Result<(), String> {
    let texts = |list: &Value| -> Option<Vec<String>> {
        let all = list.as_array()?.iter().filter_map(Value::as_str);
        Some(all.map(str::to_owned).collect())
    };
    let ours = org.and_then(Org::permissions).map(<[_]>::to_vec);
    let mut expected = texts(expected);
    let Some(others) = texts(&vector["python_sdk_org_permissions"]) else {
        return same("permissions", ours, expected);
    };
    if let Some(expected) = expected
        .as_mut()
        .filter(|_| is_ambiguous(&vector["claims"]))
    {
        report.count("stricter: only permissions that all readings of the masks grant");
        let granted = |permission: &String| ours.iter().flatten().any(|own| own == permission);
        if is_plain(&vector["claims"]) {
            expected.retain(|permission| others.contains(permission));
        } else {
            // The other SDK also reads spaces and colons differently. This crate may grant a permission that the other
            // SDK does not grant for this reason, but must grant every permission that both SDKs grant.
            expected.retain(|permission| others.contains(permission) || granted(permission));
        }
    }
    same("permissions", ours, expected)
}

/// Returns true if the claims have the form that Clerk writes: no spaces, one colon in each entry,
/// masks of digits.
fn is_plain(claims: &Value) -> bool {
    let texts = [&claims["fea"], &claims["o"]["per"], &claims["o"]["fpm"]];
    let [features, _, masks] = texts.map(|text| text.as_str().unwrap_or_default());
    texts.iter().all(|text| {
        !text
            .as_str()
            .unwrap_or_default()
            .contains(char::is_whitespace)
    }) && features
        .split(',')
        .all(|entry| entry.matches(':').count() == 1)
        && masks
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b',')
}

/// Returns true if an entry of another owner precedes an entry of organizations.
pub(super) fn is_ambiguous(claims: &Value) -> bool {
    let of_organization = |entry: &str| {
        ["o:", "ou:", "uo:"]
            .iter()
            .any(|scope| entry.trim().starts_with(scope))
    };
    let entries: Vec<&str> = claims["fea"]
        .as_str()
        .unwrap_or_default()
        .split(',')
        .collect();
    let first_other = entries.iter().position(|entry| !of_organization(entry));
    let last_own = entries.iter().rposition(|entry| of_organization(entry));
    claims["v"].as_f64() == Some(2.0)
        && first_other
            .zip(last_own)
            .is_some_and(|(other, own)| other < own)
}
