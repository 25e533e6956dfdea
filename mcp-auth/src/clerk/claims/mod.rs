//! The meaning of Clerk's claims.

use crate::clerk::conventions::CONVENTIONS;
use crate::clerk::permissions::{Packed, is_plain};
use crate::identity::{
    Actor, CallerParts, Conventions, Decode, Entitlements, FactorAges, Json, Object, Org, Session,
    TokenError, TokenKind, VerifiedClaims,
};

/// Decodes the claims of OAuth access tokens, of machines' tokens, and of session tokens of versions 1 and 2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClerkClaims;

impl Decode for ClerkClaims {
    fn decode(
        &self,
        claims: &VerifiedClaims,
        members: &Object<'_>,
    ) -> Result<CallerParts, TokenError> {
        Self::parts(claims.kind(), members)
    }

    /// Checks the class of a token, which Clerk writes into the protected header. Session tokens, templates and
    /// machines' tokens have different classes. OAuth tokens are identified by `typ` instead.
    fn check_class(&self, kind: TokenKind, header: &Object<'_>) -> Result<(), TokenError> {
        match (kind, header.get("cat").map(Json::as_str)) {
            (TokenKind::OAuth, _)
            | (TokenKind::Session, None | Some(Some(SESSION_CLASS | NO_CLASS)))
            | (TokenKind::M2m, None | Some(Some(MACHINE_CLASS))) => Ok(()),
            (TokenKind::M2m | TokenKind::Session, Some(_)) => Err(TokenError::Class),
            (TokenKind::ApiKey, _) => Err(TokenError::Kind),
        }
    }

    fn conventions(&self) -> &'static Conventions {
        &CONVENTIONS
    }

    /// Returns the machines that a machine's token may call. The claim `scopes` names these machines. A token without
    /// `scopes` names them in its audience.
    fn machines<'a>(&self, claims: &'a Object<'_>) -> Vec<&'a str> {
        let named = ["scopes", "aud"].map(|name| claims.get(name));
        match named.into_iter().flatten().find(|value| !value.is_null()) {
            Some(Json::Text(names)) => names.split(' ').collect(),
            Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
            Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_)) | None => {
                Vec::new()
            }
        }
    }
}

impl ClerkClaims {
    /// Decodes the claims of a token of this kind.
    pub(super) fn parts(kind: TokenKind, members: &Object<'_>) -> Result<CallerParts, TokenError> {
        match kind {
            TokenKind::OAuth => oauth(members),
            TokenKind::Session => session(members),
            // A machine has no client, no organization, and no scopes that a guard could require.
            TokenKind::M2m => Ok(CallerParts::default()),
            TokenKind::ApiKey => Err(TokenError::Kind),
        }
    }
}

/// Decodes an OAuth access token. The token has no role and no permissions. It may name an
/// organization.
fn oauth(claims: &Object<'_>) -> Result<CallerParts, TokenError> {
    let actor = match claims.get("act") {
        Some(act) => actor(act, MAX_ACTORS),
        None => None,
    };
    Ok(CallerParts {
        client_id: text(claims, "client_id"),
        scopes: scopes(claims)?,
        org: text(claims, "org_id").map(Org::only_id),
        actor,
        ..CallerParts::default()
    })
}

fn session(claims: &Object<'_>) -> Result<CallerParts, TokenError> {
    // In version 2, the claim is exactly the number 2. Every other value, even the text "2", means
    // version 1.
    let org = if claims.get("v").and_then(Json::as_f64) == Some(2.0) {
        organization_v2(claims)?
    } else {
        organization_v1(claims)
    };
    let actor = match claims.get("act") {
        None | Some(Json::Null) => None,
        // A guard may refuse actors, so an unreadable actor must still count as an actor.
        Some(act) => Some(actor(act, MAX_ACTORS).ok_or(TokenError::Claims)?),
    };
    let session =
        text(claims, "sid").map(|id| Session::new(id, text(claims, "sts"), factor_ages(claims)));
    Ok(CallerParts {
        org,
        actor,
        session,
        features: entitlements(claims, "fea"),
        plans: entitlements(claims, "pla"),
        ..CallerParts::default()
    })
}

/// Reads the organization of version 1: the claims `org_*`, with full names.
fn organization_v1(claims: &Object<'_>) -> Option<Org> {
    let permissions = claims
        .get("org_permissions")
        .and_then(Json::as_array)
        .map(|all| {
            all.iter()
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect()
        });
    let id = text(claims, "org_id")?;
    Some(Org::new(
        id,
        text(claims, "org_slug"),
        text(claims, "org_role"),
        permissions,
    ))
}

/// Reads the organization of version 2: the claim `o`, with short names and packed permissions.
fn organization_v2(claims: &Object<'_>) -> Result<Option<Org>, TokenError> {
    let nothing = Object::default();
    let org = match claims.get("o") {
        None | Some(Json::Null | Json::Bool(false)) => return Ok(None),
        Some(Json::Object(org)) => org,
        // This value is not an organization. The decoder still reads the packed claims, as Clerk's JavaScript SDK does.
        Some(_) => &nothing,
    };
    let packed = Packed {
        features: packed_text(claims, "fea")?,
        names: packed_text(org, "per")?,
        masks: packed_text(org, "fpm")?,
    };
    let permissions = packed.unpack().map_err(|_| TokenError::Claims)?;
    let role = text(org, "rol").map(|role| format!("org:{role}"));
    let slug = text(org, "slg");
    Ok(text(org, "id").map(|id| Org::new(id, slug, role, Some(permissions))))
}

/// Reads the scopes from the list `scp`, or else from the text `scope` (RFC 9068 §2.2.3, RFC 8693
/// §4.2).
fn scopes(claims: &Object<'_>) -> Result<Vec<String>, TokenError> {
    let present = |name| claims.get(name).filter(|value| !value.is_null());
    let mut scopes: Vec<String> = match (present("scp"), present("scope")) {
        (Some(list), _) => {
            let list = list.as_array().ok_or(TokenError::Claims)?.iter();
            list.map(|scope| scope.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or(TokenError::Claims)?
        }
        (None, Some(text)) => {
            let scopes = text.as_str().ok_or(TokenError::Claims)?;
            // RFC 6749 §3.3: only spaces separate scopes. Other white space is a part of a scope.
            scopes.split(' ').map(str::to_owned).collect()
        }
        (None, None) => Vec::new(),
    };
    scopes.retain(|scope| !scope.is_empty());
    Ok(scopes)
}

/// Reads the actor (RFC 8693 §4.1). Returns `None` if there is no subject. An empty subject still means that another
/// person acts.
pub(super) fn actor(act: &Json<'_>, levels: usize) -> Option<Actor> {
    let act = act.as_object()?;
    let inner = act
        .get("act")
        .filter(|_| levels > 1)
        .and_then(|act| actor(act, levels - 1));
    let subject = act.get("sub")?.as_str()?.to_owned();
    Some(Actor::new(
        subject,
        text(act, "iss"),
        text(act, "type"),
        inner,
    ))
}

/// Reads the claim `fea` or `pla`, in tokens of both versions: a list of `scope:name`, separated by commas. The whole
/// claim is unreadable if an entry has no scope, or if the list is not [plain](is_plain).
fn entitlements(claims: &Object<'_>, name: &str) -> Option<Entitlements> {
    let mut entitlements = Entitlements::default();
    let list = text(claims, name).filter(|list| is_plain(list))?;
    for entry in list.split(',') {
        let (scope, entry) = entry.trim().split_once(':')?;
        if matches!(scope, "o" | "ou" | "uo") {
            entitlements.organization.push(entry.to_owned());
        }
        if matches!(scope, "u" | "ou" | "uo") {
            entitlements.user.push(entry.to_owned());
        }
    }
    // The entitlements are cached with the token, so they must not take spare memory.
    entitlements.organization.shrink_to_fit();
    entitlements.user.shrink_to_fit();
    Some(entitlements)
}

fn factor_ages(claims: &Object<'_>) -> Option<FactorAges> {
    match claims.get("fva")?.as_array()? {
        [first, second] => FactorAges::from_minutes(first.as_f64()?, second.as_f64()?),
        _ => None,
    }
}

/// Returns a claim that is a non-empty string.
fn text(claims: &Object<'_>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns a claim that is a string. For a value that JavaScript treats as false, returns an empty
/// string. Any other value is an error.
fn packed_text<'a>(claims: &'a Object<'_>, name: &str) -> Result<&'a str, TokenError> {
    match claims.get(name) {
        None | Some(Json::Null | Json::Bool(false)) => Ok(""),
        Some(Json::Text(text)) => Ok(text),
        Some(Json::Number(number)) if number.as_f64() == Some(0.0) => Ok(""),
        Some(Json::Bool(true) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            Err(TokenError::Claims)
        }
    }
}

/// The class (`cat`) of session tokens.
const SESSION_CLASS: &str = "cl_B7d4PD111AAA";
/// The class (`cat`) of machines' tokens.
const MACHINE_CLASS: &str = "cl_B7d4PD333AAA";
/// The class (`cat`) that some instances write into every token.
const NO_CLASS: &str = "cl_I7d4PD111III";
/// The number of levels of actors that are read: the actor and one earlier actor.
pub(super) const MAX_ACTORS: usize = 2;

#[cfg(test)]
mod properties;
#[cfg(any(test, feature = "_fuzz"))]
pub(super) mod second;
#[cfg(test)]
mod tests;
