//! Signed tokens with a clock and options, and the reasons of refusals.

use serde_json::Value;

use super::{Case, File, Report, files_with, same};
use crate::clerk::claims::ClerkClaims;
use crate::identity::test_support::CountingSource;
use crate::identity::{
    Actor, AudienceMode, Caller, Decode, IoRuntime, Keys, Machine, Object, Parties, PublishedKey,
    TokenError, TokenKind, TokenPolicy, test_support,
};

#[test]
fn verify_vectors_are_accepted_and_refused_as_by_the_sdk() {
    let mut report = Report::default();
    for file in files_with("fn") {
        for vector in file.vectors() {
            let outcome = check(&file, vector, &mut report);
            report.add(&file, vector, outcome);
        }
    }
    report.finish("verify vectors");
}

fn check(file: &File, vector: &Value, report: &mut Report) -> Result<(), String> {
    let audience_matters = !non_empty(&vector["options"]["audience"]).is_empty();
    let mut case = Case::of(
        vector["token"].as_str().ok_or("no token")?,
        audience_matters,
    );
    case.issuers = non_empty(&vector["options"]["issuer"]);
    for member in vector.as_object().ok_or("no object")?.keys() {
        let known = [
            "fn", "name", "header", "payload", "token", "options", "now_ms", "expected",
        ];
        if !known.contains(&member.as_str()) {
            report.count(format!("vectors with the unknown member {member}"));
        }
    }
    let policy = policy(vector, &case)?;
    let now_ms = vector["now_ms"].as_u64().ok_or("no now_ms")?;
    let expected = Expected {
        vector,
        case: &case,
    };
    for keys in [Source::Pem, Source::Jwks] {
        let io = IoRuntime::start().unwrap();
        if let Some(keys) = keys.keys(file, &expected, &io)? {
            let outcome = case.verify(policy.clone(), keys, now_ms);
            expected.compare(outcome, report)?;
        }
    }
    Ok(())
}

/// A file offers its key in two forms.
enum Source {
    Jwks,
    Pem,
}

impl Source {
    /// Returns `None` if this form does not fit the vector. The SDK got the key as PEM, unless its
    /// reason names a `kid`.
    fn keys(
        &self,
        file: &File,
        expected: &Expected<'_>,
        io: &IoRuntime,
    ) -> Result<Option<Keys>, String> {
        let by_kid = expected
            .reason()
            .is_some_and(|reason| reason.starts_with("jwk-"));
        match (self, file.content["pem"].as_str()) {
            (Self::Pem, Some(pem)) if !by_kid => Keys::from_pem(pem)
                .map(Some)
                .map_err(|error| error.to_string()),
            (Self::Pem, _) => Ok(None),
            (Self::Jwks, _) => {
                let set = file.content["jwks"].to_string();
                let keys = PublishedKey::parse_set(set.as_bytes()).map_err(|e| e.to_string())?;
                let kid = expected.case.header["kid"].as_str();
                let published = keys.iter().any(|key| Some(key.kid()) == kid);
                let source = CountingSource::of(keys);
                let keys = Keys::published(source, test_support::clock(), io.handle().clone());
                Ok((published || by_kid).then_some(keys))
            }
        }
    }
}

/// Returns the policy for the SDK's options.
fn policy(vector: &Value, case: &Case) -> Result<TokenPolicy, String> {
    let options = vector["options"].as_object().cloned().unwrap_or_default();
    let claimed = case.claim("iss").as_str().unwrap_or(test_support::ISSUER);
    let mut policy = TokenPolicy::new(claimed.to_owned(), Vec::new());
    policy.audience.mode = AudienceMode::Off;
    let mut parties = Parties::Any;
    let mut accepts = accepted_kinds(vector["fn"].as_str().unwrap_or_default())?;
    for (name, value) in &options {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("clockSkewInMs", skew) => {
                policy.leeway_ms = skew.as_u64().ok_or("odd clockSkewInMs")?
            }
            ("audience", audience) => {
                policy.audience.accepted = non_empty(audience);
                if !policy.audience.accepted.is_empty() {
                    policy.audience.mode = AudienceMode::Require;
                }
            }
            ("authorizedParties", listed) if !non_empty(listed).is_empty() => {
                parties = Parties::Listed(non_empty(listed));
            }
            ("authorizedParties", _) => {}
            ("issuer", issuers) => {
                let issuers = non_empty(issuers);
                let listed = issuers.iter().find(|issuer| *issuer == claimed);
                if let Some(issuer) = listed.or(issuers.first()) {
                    policy.issuer = issuer.as_str().into();
                }
            }
            ("acceptsToken", kinds) => accepts = non_empty(kinds),
            (unknown, _) => return Err(format!("unknown option {unknown}")),
        }
    }
    let accepts = |kind: &str| accepts.iter().any(|one| one == kind || one == "any");
    policy.oauth = accepts("oauth_token");
    policy.sessions = accepts("session_token").then_some(parties);
    // The server's machine is the first machine that the token names, if it names any.
    let machines = case.machines();
    let machine = machines.first().map_or("mch_here", String::as_str);
    policy.machine = accepts("m2m_token").then(|| Machine::Named(machine.to_owned()));
    Ok(policy)
}

fn accepted_kinds(function: &str) -> Result<Vec<String>, String> {
    let kinds: &[&str] = match function {
        "verifyToken" | "authenticateRequest" => &["session_token"],
        "verifyMachineAuthToken" => &["oauth_token", "m2m_token", "api_key"],
        unknown => return Err(format!("unknown fn {unknown}")),
    };
    Ok(kinds.iter().map(|&kind| kind.to_owned()).collect())
}

/// Converts a string or a list of strings to a list without empty strings.
fn non_empty(value: &Value) -> Vec<String> {
    let all = value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()]);
    let texts = all
        .iter()
        .filter_map(Value::as_str)
        .filter(|text| !text.is_empty());
    texts.map(str::to_owned).collect()
}

struct Expected<'a> {
    vector: &'a Value,
    case: &'a Case,
}

impl Expected<'_> {
    fn get(&self, name: &str) -> &Value {
        &self.vector["expected"][name]
    }

    fn reason(&self) -> Option<&str> {
        self.get("reason")
            .as_str()
            .or(self.get("code").as_str())
            .or(self.get("throws").as_str())
    }

    fn compare(
        &self,
        outcome: Result<Caller, TokenError>,
        report: &mut Report,
    ) -> Result<(), String> {
        let ok = self.get("ok").as_bool().ok_or("expected.ok is missing")?;
        match self.case.after_rules(outcome, report)? {
            None => Ok(()),
            Some(Ok(caller)) if ok => self.compare_caller(&caller, report),
            Some(Err(error)) if ok => Err(format!("refused: {error}")),
            Some(Ok(_)) => Err(format!("accepted, expected {:?}", self.reason())),
            Some(Err(error)) => self.compare_reason(error, report),
        }
    }

    /// Reasons are compared only if both sides report the same step.
    fn compare_reason(&self, error: TokenError, report: &mut Report) -> Result<(), String> {
        let reason = self.reason().ok_or("no reason expected")?;
        let ours = in_sdk(error);
        let machine = self
            .get("token_type")
            .as_str()
            .is_some_and(|kind| kind != "session_token");
        let classified = matches!(
            error,
            TokenError::Kind | TokenError::Class | TokenError::Opaque
        );
        if reason == "token-type-mismatch" {
            return same("reason", ours, reason);
        }
        if classified || reason == "unknown-token-type" {
            report.count("reasons not compared: the kind is refused first");
            return Ok(());
        }
        if machine {
            // For machines' and OAuth tokens the SDK has only two reasons.
            return same(
                "undecodable",
                ours == "token-invalid" && error != TokenError::Type,
                reason == "token-invalid",
            );
        }
        // With cookies, the SDK would renew this session. The SDK's reason only says why it cannot renew the session.
        let reason = match reason {
            "session-token-nbf" => "token-not-active-yet",
            "session-token-iat-in-the-future" => "token-iat-in-the-future",
            _ if reason.starts_with("session-token-expired") => "token-expired",
            _ => reason,
        };
        same("reason", ours, reason)
    }

    fn compare_caller(&self, caller: &Caller, report: &mut Report) -> Result<(), String> {
        let members = self.vector["expected"]
            .as_object()
            .ok_or("expected is not an object")?;
        for (name, expected) in members {
            match name.as_str() {
                "ok" | "status" | "auth_keys" | "reason" => {}
                "token_type" => same(
                    "kind",
                    kind_name(caller),
                    expected.as_str().unwrap_or_default(),
                )?,
                "user_id" => same("user", caller.user_id(), expected.as_str())?,
                "data" => compare_data(caller, expected, report)?,
                unknown => report.count(format!("not compared: expected.{unknown}")),
            }
        }
        Ok(())
    }
}

fn kind_name(caller: &Caller) -> &'static str {
    match caller.token_kind() {
        TokenKind::ApiKey => "api_key",
        TokenKind::M2m => "m2m_token",
        TokenKind::OAuth => "oauth_token",
        TokenKind::Session => "session_token",
    }
}

/// Compares with the SDK's object for an OAuth token. Times are in milliseconds.
fn compare_data(caller: &Caller, data: &Value, report: &mut Report) -> Result<(), String> {
    let claims = caller.claims();
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let ms = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_f64)
            .map(|seconds| seconds * 1e3)
    };
    for (name, expected) in data.as_object().ok_or("data is not an object")? {
        let text = expected.as_str().unwrap_or_default();
        match name.as_str() {
            "id" => same("id", claim("jti"), text)?,
            "clientId" => same("client", caller.client_id().unwrap_or_default(), text)?,
            "type" => same("kind", kind_name(caller), text)?,
            "subject" => same("subject", caller.subject(), text)?,
            // The scopes of a machine's token are names of machines.
            "scopes" if caller.machine_id().is_some() => {
                let members = Object::from(caller.claims());
                let ours = ClerkClaims.machines(&members);
                let ours = ours.into_iter().map(str::to_owned).collect();
                same("machines", ours, non_empty(expected))?;
            }
            // The SDK returns only the claims that are not standard.
            "claims" => {
                let standard = ["iss", "sub", "exp", "nbf", "iat", "jti"];
                let mut ours = claims.clone();
                ours.retain(|name, _| !standard.contains(&name.as_str()));
                let expected = expected.as_object().cloned().unwrap_or_default();
                same("claims", ours, expected)?;
            }
            // The SDK splits at single spaces, and keeps empty parts.
            "scopes" => {
                let texts = non_empty(expected).join(" ");
                let scopes: Vec<&str> =
                    texts.split(' ').filter(|scope| !scope.is_empty()).collect();
                same(
                    "scopes",
                    caller.scopes().iter().map(String::as_str).collect(),
                    scopes,
                )?;
            }
            "expiration" => {
                let expires_at = caller.expires_at().ok_or("does not expire")?;
                let since = expires_at.duration_since(std::time::UNIX_EPOCH).unwrap();
                let expected =
                    std::time::Duration::from_millis(expected.as_f64().unwrap_or(0.0) as u64);
                same("expiration", since.as_secs(), expected.as_secs())?;
            }
            "createdAt" | "updatedAt" => same(name, ms("iat"), expected.as_f64())?,
            "aud" => {
                let ours = claims.get("aud").map(non_empty).unwrap_or_default();
                same("aud", ours, non_empty(expected))?;
            }
            "act" | "actor" => compare_actor(caller.actor(), expected)?,
            // A token that was just verified always has these values.
            "revoked" | "expired" => same(name, &Value::Bool(false), expected)?,
            "revocationReason" => same(name, &Value::Null, expected)?,
            unknown => report.count(format!("not compared: data.{unknown}")),
        }
    }
    let says_actor = data
        .get("act")
        .or(data.get("actor"))
        .is_some_and(|act| !act.is_null());
    same("has an actor", caller.actor().is_some(), says_actor)
}

/// Returns the reason as the SDK names it. The SDK has one name for several rules.
fn in_sdk(error: TokenError) -> &'static str {
    use TokenError as E;
    let failed = [
        E::AlgorithmNotPinned,
        E::AudienceMalformed,
        E::AudienceMismatch,
        E::AudienceMissing,
        E::Subject,
        E::Time,
    ];
    let invalid = [E::CriticalHeader, E::Opaque, E::Type, E::Unknown];
    if failed.contains(&error) {
        "token-verification-failed"
    } else if invalid.contains(&error) {
        "token-invalid"
    } else if error == E::Class {
        "token-type-mismatch"
    } else {
        error.reason()
    }
}

/// Compares two levels of actors. The SDK and this crate read no further levels.
pub(super) fn compare_actor(ours: Option<&Actor>, expected: &Value) -> Result<(), String> {
    let Some(actor) = ours else {
        return same("actor", &Value::Null, expected);
    };
    same("actor", Some(actor.subject()), expected["sub"].as_str())?;
    same("actor's issuer", actor.issuer(), expected["iss"].as_str())?;
    same("actor's kind", actor.kind(), expected["type"].as_str())?;
    match actor.actor() {
        Some(inner) => compare_actor(Some(inner), &expected["act"]),
        None => Ok(()),
    }
}
