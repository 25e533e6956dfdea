//! Turns a [`TokenRequest`] into the header and claims that Clerk would issue.

mod entitlements;
mod session;

use serde_json::{Map, Value, json};

use crate::directory::{Directory, Machine, Membership, Organization, User, join, machine_id};
use crate::error::MintError;
use crate::keys::random_hex;
use crate::mint::session::{add_billing_claims, add_session_claims, add_v1_claims, add_v2_claims};
use crate::opaque::{OpaqueKind, OpaqueToken};
use crate::request::{TokenFormat, TokenKind, TokenRequest};

/// The header and the claims of a token. Both are JSON objects.
pub(crate) fn token_parts(
    directory: &Directory,
    issuer: &str,
    kid: &str,
    request: &TokenRequest,
    now: u64,
) -> Result<(Value, Value), MintError> {
    check_applicable(request)?;
    let kind = request.kind;
    if is_opaque(request) {
        return Err(MintError::Opaque { kind });
    }
    if kind == TokenKind::M2m {
        let claims = machine_claims(directory, issuer, request, now)?;
        let header = json!({"alg": "RS256", "kid": kid, "typ": "JWT", "cat": M2M_CATEGORY});
        return Ok((header, Value::Object(claims)));
    }
    let user = find_user(directory, request)?;
    let membership = find_membership(directory, user, request)?;
    let mut claims = common_claims(issuer, &user.id, request, now);
    let header = if kind == TokenKind::Oauth {
        add_oauth_claims(&mut claims, membership.as_ref(), request)?;
        json!({"alg": "RS256", "kid": kid, "typ": "at+jwt"})
    } else {
        add_session_claims(&mut claims, request)?;
        if kind == TokenKind::SessionV1 {
            add_v1_claims(&mut claims, membership.as_ref())?;
        } else {
            add_v2_claims(&mut claims, directory, user, membership.as_ref())?;
        }
        add_billing_claims(&mut claims, request)?;
        json!({"alg": "RS256", "kid": kid, "typ": "JWT", "cat": SESSION_CATEGORY})
    };
    Ok((header, Value::Object(claims)))
}

/// Returns true if the requested token is an opaque M2M token or an API key. Returns `false` for an opaque OAuth access
/// token, because such a token has the claims of a JWT.
pub(crate) fn is_opaque(request: &TokenRequest) -> bool {
    match request.kind {
        TokenKind::ApiKey => true,
        TokenKind::M2m => request.format != Some(TokenFormat::Jwt),
        TokenKind::Oauth | TokenKind::Session | TokenKind::SessionV1 => false,
    }
}

/// The stored entry of a token for which [`is_opaque`] returns `true`.
pub(crate) fn opaque_token(
    directory: &Directory,
    request: &TokenRequest,
    now: u64,
) -> Result<OpaqueToken, MintError> {
    check_applicable(request)?;
    let (issued, expires) = times(request, now);
    let (kind, subject, scopes) = if request.kind == TokenKind::M2m {
        let machine = find_machine(directory, request)?;
        let scopes = machine_scopes(machine, request)?;
        (OpaqueKind::M2m, machine.id.clone(), scopes)
    } else {
        let scopes = request.scopes.clone().unwrap_or_default();
        check_scopes(&scopes)?;
        (OpaqueKind::ApiKey, key_subject(directory, request)?, scopes)
    };
    Ok(OpaqueToken {
        id: random_id(kind.prefix())?,
        kind,
        subject,
        scopes,
        claims: own_claims(request)?.cloned(),
        issued,
        expires,
        revoked: None,
        is_used: false,
    })
}

/// Refuses a field that the kind of token does not have. If this function ignored the field, a test that requests a
/// session token with scopes would get a token without scopes, and would not notice.
fn check_applicable(request: &TokenRequest) -> Result<(), MintError> {
    let TokenRequest {
        user,
        org,
        machine,
        kind,
        format,
        scopes,
        aud,
        claims,
        expires_in: _,
        client_id,
        actor,
        azp,
        features,
        plans,
        factor_ages,
    } = request;
    let kind = *kind;
    let oauth = kind == TokenKind::Oauth;
    let m2m = kind == TokenKind::M2m;
    let key = kind == TokenKind::ApiKey;
    let session = !oauth && !m2m && !key;
    let jwt = !is_opaque(request);
    // An API key belongs to a user or to an organization.
    let of_org = if key { user.is_none() } else { !m2m };
    let fields = [
        ("user", user.is_some(), !m2m),
        ("org", org.is_some(), of_org),
        ("machine", machine.is_some(), m2m),
        ("format", *format == Some(TokenFormat::Jwt), oauth || m2m),
        ("format", *format == Some(TokenFormat::Opaque), !session),
        ("scopes", scopes.is_some(), !session),
        ("aud", aud.is_some(), jwt),
        ("claims", claims.is_some(), m2m || key),
        ("client_id", client_id.is_some(), oauth),
        ("actor", actor.is_some(), oauth || session),
        ("azp", azp.is_some(), session),
        ("features", !features.is_empty(), session),
        ("plans", !plans.is_empty(), session),
        ("factor_ages", factor_ages.is_some(), session),
    ];
    match fields.iter().find(|(_, said, applies)| *said && !applies) {
        Some(&(field, ..)) => Err(MintError::Inapplicable { field, kind }),
        None => Ok(()),
    }
}

fn find_user<'a>(directory: &'a Directory, request: &TokenRequest) -> Result<&'a User, MintError> {
    let kind = request.kind;
    let field = "`user`";
    let asked = request.user.as_ref();
    let asked = asked.ok_or(MintError::Incomplete { field, kind })?;
    directory.user(asked).ok_or_else(|| MintError::UnknownUser {
        user: asked.clone(),
        known: join(directory.users().map(|user| user.username.as_str())),
    })
}

fn find_organization<'a>(
    directory: &'a Directory,
    asked: &str,
) -> Result<&'a Organization, MintError> {
    directory
        .organization(asked)
        .ok_or_else(|| MintError::UnknownOrganization {
            organization: String::from(asked),
            known: join(
                directory
                    .organizations()
                    .map(|organization| organization.slug.as_str()),
            ),
        })
}

fn find_membership(
    directory: &Directory,
    user: &User,
    request: &TokenRequest,
) -> Result<Option<Membership>, MintError> {
    let Some(asked) = &request.org else {
        return Ok(None);
    };
    let organization = find_organization(directory, asked)?;
    let membership = directory.membership(&organization.id, &user.id);
    membership.map(Some).ok_or_else(|| MintError::NotAMember {
        user: user.username.clone(),
        organization: organization.slug.clone(),
        known: join(
            directory
                .memberships_of(&user.id)
                .map(|membership| membership.slug),
        ),
    })
}

fn find_machine<'a>(
    directory: &'a Directory,
    request: &TokenRequest,
) -> Result<&'a Machine, MintError> {
    let kind = request.kind;
    let field = "`machine`";
    let asked = request.machine.as_ref();
    let asked = asked.ok_or(MintError::Incomplete { field, kind })?;
    directory
        .machine(asked)
        .ok_or_else(|| MintError::UnknownMachine {
            machine: asked.clone(),
            known: join(directory.machines().map(|machine| machine.name.as_str())),
        })
}

/// The ids of the machines that may accept a token of `machine`.
fn machine_scopes(machine: &Machine, request: &TokenRequest) -> Result<Vec<String>, MintError> {
    let Some(asked) = &request.scopes else {
        return Ok(machine.scoped_machines.clone());
    };
    let scopes = asked.iter().map(|other| {
        let id = machine_id(other);
        if machine.scoped_machines.contains(&id) {
            return Ok(id);
        }
        Err(MintError::NotScoped {
            machine: machine.name.clone(),
            other: other.clone(),
            known: join(machine.scoped_machines.iter().map(String::as_str)),
        })
    });
    scopes.collect()
}

/// The id of the user or organization for which an API key acts.
fn key_subject(directory: &Directory, request: &TokenRequest) -> Result<String, MintError> {
    match (&request.user, &request.org) {
        (None, None) => Err(MintError::Incomplete {
            field: "`user` or `org`",
            kind: request.kind,
        }),
        (None, Some(asked)) => Ok(find_organization(directory, asked)?.id.clone()),
        (Some(_), _) => Ok(find_user(directory, request)?.id.clone()),
    }
}

fn own_claims(request: &TokenRequest) -> Result<Option<&Map<String, Value>>, MintError> {
    let part = "claims";
    match &request.claims {
        None => Ok(None),
        Some(Value::Object(claims)) => Ok(Some(claims)),
        Some(_) => Err(MintError::NotAnObject { part }),
    }
}

fn machine_claims(
    directory: &Directory,
    issuer: &str,
    request: &TokenRequest,
    now: u64,
) -> Result<Map<String, Value>, MintError> {
    let machine = find_machine(directory, request)?;
    let scopes = machine_scopes(machine, request)?;
    let mut claims = own_claims(request)?.cloned().unwrap_or_default();
    claims.append(&mut common_claims(issuer, &machine.id, request, now));
    claims.insert("jti".into(), json!(random_id("mt_")?));
    if !scopes.is_empty() {
        claims.insert("scopes".into(), json!(scopes.join(" ")));
    }
    Ok(claims)
}

/// The times of issue and of expiry, in Unix seconds. The time of expiry is `None` if the token
/// never expires.
fn times(request: &TokenRequest, now: u64) -> (i64, Option<i64>) {
    let (lifetime, expires_at_all) = match request.kind {
        TokenKind::Oauth => (OAUTH_LIFETIME, true),
        TokenKind::Session | TokenKind::SessionV1 => (SESSION_LIFETIME, true),
        TokenKind::M2m => (M2M_LIFETIME, true),
        TokenKind::ApiKey => (OAUTH_LIFETIME, false),
    };
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let expires_in = match request.expires_in {
        None if !expires_at_all => return (now, None),
        expires_in => expires_in.unwrap_or(lifetime),
    };
    let expires = now.saturating_add(expires_in);
    // An expired token must be refused only because of its expiry. Its time of issue is therefore one lifetime before
    // its expiry.
    let issued = if expires > now {
        now
    } else {
        expires.saturating_sub(lifetime)
    };
    (issued, Some(expires))
}

fn common_claims(
    issuer: &str,
    subject: &str,
    request: &TokenRequest,
    now: u64,
) -> Map<String, Value> {
    let (issued, expires) = times(request, now);
    let mut claims = Map::new();
    claims.insert("iss".into(), json!(issuer));
    claims.insert("sub".into(), json!(subject));
    claims.insert("iat".into(), json!(issued));
    claims.insert("nbf".into(), json!(issued.saturating_sub(CLOCK_SKEW)));
    claims.insert("exp".into(), json!(expires));
    if let Some(aud) = &request.aud {
        claims.insert("aud".into(), json!(aud));
    }
    // RFC 8693 section 4.1.
    if let Some(actor) = &request.actor {
        claims.insert("act".into(), json!({"sub": actor}));
    }
    claims
}

/// RFC 6749 section 3.3: scopes are separated by spaces, so a scope cannot contain a space.
fn check_scopes(scopes: &[String]) -> Result<(), MintError> {
    let no_scope = |scope: &&String| scope.is_empty() || scope.contains(char::is_whitespace);
    match scopes.iter().find(no_scope) {
        Some(scope) => Err(MintError::Scope {
            scope: scope.clone(),
        }),
        None => Ok(()),
    }
}

fn add_oauth_claims(
    claims: &mut Map<String, Value>,
    membership: Option<&Membership>,
    request: &TokenRequest,
) -> Result<(), MintError> {
    let default = || DEFAULT_SCOPES.map(String::from).to_vec();
    let mut scopes = request.scopes.clone().unwrap_or_else(default);
    check_scopes(&scopes)?;
    if let Some(membership) = membership {
        // Clerk: a token has `org_id` only if this scope was granted.
        if !scopes.iter().any(|scope| scope == ORGANIZATION_SCOPE) {
            scopes.push(String::from(ORGANIZATION_SCOPE));
        }
        claims.insert("org_id".into(), json!(membership.id));
    }
    let client_id = request.client_id.as_deref().unwrap_or(DEFAULT_CLIENT);
    claims.insert("client_id".into(), json!(client_id));
    claims.insert("scope".into(), json!(scopes.join(" ")));
    claims.insert("jti".into(), json!(random_id("oat_")?));
    Ok(())
}

fn random_id(prefix: &str) -> Result<String, MintError> {
    let random = random_hex::<16>().map_err(|_| MintError::Random)?;
    Ok(format!("{prefix}{random}"))
}

const CLOCK_SKEW: i64 = 10;
/// Clerk's tag of M2M tokens, in the header parameter `cat`.
const M2M_CATEGORY: &str = "cl_B7d4PD333AAA";
const M2M_LIFETIME: i64 = 3600;
pub(crate) const DEFAULT_CLIENT: &str = "client_emulator";
pub(crate) const DEFAULT_SCOPES: [&str; 2] = ["profile", "email"];
const OAUTH_LIFETIME: i64 = 86_400;
const ORGANIZATION_SCOPE: &str = "user:org:read";
/// Clerk's tag of session tokens, in the header parameter `cat`.
const SESSION_CATEGORY: &str = "cl_B7d4PD111AAA";
const SESSION_LIFETIME: i64 = 60;
