//! The claims of session tokens.

use serde_json::{Map, Value, json};

use crate::directory::{Directory, Membership, User};
use crate::error::MintError;
use crate::mint::entitlements::{Entitlements, Owners, owners};
use crate::mint::random_id;
use crate::permission;
use crate::permission::Permission;
use crate::request::TokenRequest;

/// Adds the claims that both versions of a session token have.
pub(super) fn add_session_claims(
    claims: &mut Map<String, Value>,
    request: &TokenRequest,
) -> Result<(), MintError> {
    let azp = request.azp.as_deref().unwrap_or(DEFAULT_ORIGIN);
    claims.insert("sid".into(), json!(random_id("sess_")?));
    claims.insert("azp".into(), json!(azp));
    // By default the first factor was verified in this minute, and no second factor is enrolled.
    let ages = request.factor_ages.unwrap_or([0.0, -1.0]);
    claims.insert("fva".into(), json!(ages.map(minutes)));
    claims.insert("sts".into(), json!("active"));
    Ok(())
}

pub(super) fn add_v2_claims(
    claims: &mut Map<String, Value>,
    directory: &Directory,
    user: &User,
    membership: Option<&Membership>,
) -> Result<(), MintError> {
    let mut features = Entitlements::default();
    let plans_of_user = plans(&user.plans, Owners::USER);
    claims.insert("v".into(), json!(2));
    claims.insert("jti".into(), json!(random_id("")?));
    let Some(membership) = membership else {
        features.add_all(&user.features, Owners::USER);
        claims.insert("pla".into(), json!(plans_of_user));
        claims.insert("fea".into(), json!(features.to_claim()));
        return Ok(());
    };
    let packed = permission::pack(&session_permissions(membership)?);
    let mut organization = Map::new();
    organization.insert("id".into(), json!(membership.id));
    organization.insert("slg".into(), json!(membership.slug));
    // Version 2 contains the role without its prefix.
    let role = membership
        .role
        .strip_prefix("org:")
        .unwrap_or(&membership.role);
    organization.insert("rol".into(), json!(role));
    if !packed.actions.is_empty() {
        organization.insert("per".into(), json!(packed.actions));
        organization.insert("fpm".into(), json!(packed.masks));
    }
    features.add_claim(&packed.features);
    let known = directory.organization(&membership.id);
    let plans_of_organization = known.map_or_else(String::new, |organization| {
        features.add_all(&organization.features, Owners::ORGANIZATION);
        plans(&organization.plans, Owners::ORGANIZATION)
    });
    features.add_all(&user.features, Owners::USER);
    claims.insert(
        "pla".into(),
        json!(format!("{plans_of_organization},{plans_of_user}")),
    );
    claims.insert("fea".into(), json!(features.to_claim()));
    claims.insert("o".into(), Value::Object(organization));
    Ok(())
}

/// The plans of an organization or a user, in the form of the claim `pla`.
fn plans(held: &[String], owner: Owners) -> String {
    let mut plans = Entitlements::default();
    if held.is_empty() {
        plans.add("free", owner);
    }
    plans.add_all(held, owner);
    plans.to_claim()
}

/// Adds the features and plans that the request names.
pub(super) fn add_billing_claims(
    claims: &mut Map<String, Value>,
    request: &TokenRequest,
) -> Result<(), MintError> {
    for (claim, what, asked) in [
        ("fea", "feature", &request.features),
        ("pla", "plan", &request.plans),
    ] {
        if asked.is_empty() {
            continue;
        }
        let said = claims.get(claim).and_then(Value::as_str);
        // Requested plans replace the plans of the directory. Requested features are added to its features.
        let said = said.filter(|_| what == "feature").unwrap_or_default();
        let mut entitlements = Entitlements::default();
        entitlements.add_claim(said);
        for text in asked {
            let (owners, slug) = owners(text).ok_or_else(|| MintError::Slug {
                what,
                slug: text.clone(),
            })?;
            // Without an organization, a feature for both owners belongs to the user. Only `ou:` asks explicitly for
            // both owners.
            let owners = if owners == Owners::BOTH && !text.starts_with("ou:") {
                Owners {
                    organization: request.org.is_some(),
                    user: true,
                }
            } else {
                owners
            };
            entitlements.add(slug, owners);
        }
        claims.insert(claim.into(), json!(entitlements.to_claim()));
    }
    Ok(())
}

/// A number of minutes as JSON. A whole number is written without a fraction, as in JavaScript.
fn minutes(age: f64) -> Value {
    if age.fract() == 0.0 && age.abs() < f64::from(i32::MAX) {
        json!(age as i32)
    } else {
        json!(age)
    }
}

pub(super) fn add_v1_claims(
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

/// The permissions of a member in a session token: all permissions except Clerk's system permissions.
fn session_permissions(membership: &Membership) -> Result<Vec<Permission<'_>>, MintError> {
    let mut permissions = Vec::new();
    for key in &membership.permissions {
        let permission = Permission::parse(key).ok_or_else(|| MintError::Permission {
            permission: key.clone(),
        })?;
        // At Clerk, session tokens contain no system permissions.
        if !permission.is_system() {
            permissions.push(permission);
        }
    }
    Ok(permissions)
}

const DEFAULT_ORIGIN: &str = "http://localhost:3000";
