//! From a wish to the header and claims of a token, as Clerk would fill them.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::directory::Directory;
use crate::directory::Membership;
use crate::directory::User;
use crate::error::MintError;
use crate::keys::random_hex;
use crate::permission;
use crate::permission::Permission;
use crate::request::TokenKind;
use crate::request::TokenRequest;

/// Fills header and claims. They are JSON objects.
pub(crate) fn token_parts(
    directory: &Directory,
    issuer: &str,
    kid: &str,
    request: &TokenRequest,
    now: u64,
) -> Result<(Value, Value), MintError> {
    check_applicable(request)?;
    let user = find_user(directory, request)?;
    let membership = find_membership(directory, user, request)?;
    let mut claims = common_claims(issuer, user, request, now);
    let header = match request.kind {
        TokenKind::Oauth => {
            add_oauth_claims(&mut claims, membership.as_ref(), request)?;
            json!({"alg": "RS256", "kid": kid, "typ": "at+jwt"})
        }
        TokenKind::Session => {
            add_session_claims(&mut claims, request)?;
            add_v2_claims(&mut claims, membership.as_ref())?;
            session_header(kid)
        }
        TokenKind::SessionV1 => {
            add_session_claims(&mut claims, request)?;
            add_v1_claims(&mut claims, membership.as_ref())?;
            session_header(kid)
        }
    };
    Ok((header, Value::Object(claims)))
}

/// A field that would be ignored is an error: who asks for scopes on a session token would go on to test
/// something else than meant.
fn check_applicable(request: &TokenRequest) -> Result<(), MintError> {
    let oauth = request.kind == TokenKind::Oauth;
    let field = match request {
        TokenRequest {
            scopes: Some(_), ..
        } if !oauth => "scopes",
        TokenRequest {
            client_id: Some(_), ..
        } if !oauth => "client_id",
        TokenRequest { azp: Some(_), .. } if oauth => "azp",
        TokenRequest { .. } => return Ok(()),
    };
    let kind = request.kind;
    Err(MintError::Inapplicable { field, kind })
}

fn find_user<'a>(directory: &'a Directory, request: &TokenRequest) -> Result<&'a User, MintError> {
    directory
        .user(&request.user)
        .ok_or_else(|| MintError::UnknownUser {
            user: request.user.clone(),
            known: join(directory.users().map(|user| user.username.clone())),
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
    let organization =
        directory
            .organization(asked)
            .ok_or_else(|| MintError::UnknownOrganization {
                organization: asked.clone(),
                known: join(
                    directory
                        .organizations()
                        .map(|organization| organization.slug.clone()),
                ),
            })?;
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

fn common_claims(
    issuer: &str,
    user: &User,
    request: &TokenRequest,
    now: u64,
) -> Map<String, Value> {
    let lifetime = match request.kind {
        TokenKind::Oauth => OAUTH_LIFETIME,
        TokenKind::Session | TokenKind::SessionV1 => SESSION_LIFETIME,
    };
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let expires = now.saturating_add(request.expires_in.unwrap_or(lifetime));
    // Of an expired token only the expiry is wrong: it was issued before.
    let issued = if expires > now {
        now
    } else {
        expires.saturating_sub(lifetime)
    };
    let mut claims = Map::new();
    claims.insert("iss".into(), json!(issuer));
    claims.insert("sub".into(), json!(user.id));
    claims.insert("iat".into(), json!(issued));
    claims.insert("nbf".into(), json!(issued.saturating_sub(CLOCK_SKEW)));
    claims.insert("exp".into(), json!(expires));
    if let Some(aud) = &request.aud {
        claims.insert("aud".into(), json!(aud));
    }
    claims
}

fn add_oauth_claims(
    claims: &mut Map<String, Value>,
    membership: Option<&Membership>,
    request: &TokenRequest,
) -> Result<(), MintError> {
    let default = || DEFAULT_SCOPES.map(String::from).to_vec();
    let mut scopes = request.scopes.clone().unwrap_or_else(default);
    // RFC 6749 section 3.3: scopes are separated by spaces, so none has one.
    let no_scope = |scope: &&String| scope.is_empty() || scope.contains(char::is_whitespace);
    if let Some(scope) = scopes.iter().find(no_scope) {
        let scope = scope.clone();
        return Err(MintError::Scope { scope });
    }
    if let Some(membership) = membership {
        // Clerk: `org_id` is there only if this scope was granted.
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

/// What both versions of a session token have.
fn add_session_claims(
    claims: &mut Map<String, Value>,
    request: &TokenRequest,
) -> Result<(), MintError> {
    let azp = request.azp.as_deref().unwrap_or(DEFAULT_ORIGIN);
    claims.insert("sid".into(), json!(random_id("sess_")?));
    claims.insert("azp".into(), json!(azp));
    // First factor verified this minute, no second one enrolled.
    claims.insert("fva".into(), json!([0, -1]));
    claims.insert("sts".into(), json!("active"));
    Ok(())
}

fn add_v2_claims(
    claims: &mut Map<String, Value>,
    membership: Option<&Membership>,
) -> Result<(), MintError> {
    claims.insert("v".into(), json!(2));
    claims.insert("jti".into(), json!(random_id("")?));
    let Some(membership) = membership else {
        claims.insert("pla".into(), json!("u:free"));
        claims.insert("fea".into(), json!(""));
        return Ok(());
    };
    let packed = permission::pack(&session_permissions(membership)?);
    let mut organization = Map::new();
    organization.insert("id".into(), json!(membership.id));
    organization.insert("slg".into(), json!(membership.slug));
    // Version 2 has the role without its prefix.
    let role = membership
        .role
        .strip_prefix("org:")
        .unwrap_or(&membership.role);
    organization.insert("rol".into(), json!(role));
    if !packed.actions.is_empty() {
        organization.insert("per".into(), json!(packed.actions));
        organization.insert("fpm".into(), json!(packed.masks));
    }
    claims.insert("pla".into(), json!("o:free,u:free"));
    claims.insert("fea".into(), json!(packed.features));
    claims.insert("o".into(), Value::Object(organization));
    Ok(())
}

fn add_v1_claims(
    claims: &mut Map<String, Value>,
    membership: Option<&Membership>,
) -> Result<(), MintError> {
    let Some(membership) = membership else {
        return Ok(());
    };
    let permissions = session_permissions(membership)?;
    let key =
        |permission: &Permission<'_>| format!("org:{}:{}", permission.feature, permission.action);
    let keys: Vec<_> = permissions.iter().map(key).collect();
    claims.insert("org_id".into(), json!(membership.id));
    claims.insert("org_slug".into(), json!(membership.slug));
    claims.insert("org_role".into(), json!(membership.role));
    claims.insert("org_permissions".into(), json!(keys));
    Ok(())
}

/// The permissions of a member that a session token carries: all but Clerk's own.
fn session_permissions(membership: &Membership) -> Result<Vec<Permission<'_>>, MintError> {
    let mut permissions = Vec::new();
    for key in &membership.permissions {
        let permission = Permission::parse(key).ok_or_else(|| MintError::Permission {
            permission: key.clone(),
        })?;
        // Clerk: system permissions are not in session tokens.
        if !permission.is_system() {
            permissions.push(permission);
        }
    }
    Ok(permissions)
}

fn session_header(kid: &str) -> Value {
    json!({"alg": "RS256", "kid": kid, "typ": "JWT", "cat": SESSION_CATEGORY})
}

fn random_id(prefix: &str) -> Result<String, MintError> {
    let random = random_hex::<16>().map_err(|_| MintError::Random)?;
    Ok(format!("{prefix}{random}"))
}

fn join(names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        String::from("none")
    } else {
        names.join(", ")
    }
}

const CLOCK_SKEW: i64 = 10;
pub(crate) const DEFAULT_CLIENT: &str = "client_emulator";
const DEFAULT_ORIGIN: &str = "http://localhost:3000";
const DEFAULT_SCOPES: [&str; 2] = ["profile", "email"];
const OAUTH_LIFETIME: i64 = 86_400;
const ORGANIZATION_SCOPE: &str = "user:org:read";
/// Clerk's tag of session tokens, in the header parameter `cat`.
const SESSION_CATEGORY: &str = "cl_B7d4PD111AAA";
const SESSION_LIFETIME: i64 = 60;
