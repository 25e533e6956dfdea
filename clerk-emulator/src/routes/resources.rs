//! The JSON objects of the Backend API.

use serde_json::{Value, json};

use crate::directory::{Directory, Membership, User, role_name};

/// A membership. Times are in milliseconds. The creation time is the creation time of the instance.
pub(crate) fn membership(directory: &Directory, membership: &Membership, created_at: u64) -> Value {
    let time = created_at.saturating_mul(1000);
    let user = directory.user(&membership.user_id);
    let (organization, slug) = (&membership.id, &membership.slug);
    let username = user.map_or("", |user| user.username.as_str());
    json!({
        "object": "organization_membership",
        "id": format!("orgmem_{slug}_{username}"),
        "role": membership.role,
        "role_name": membership.role_name,
        "permissions": membership.permissions,
        "public_metadata": {},
        "private_metadata": {},
        "organization": {
            "object": "organization",
            "id": organization,
            "slug": slug,
            "name": membership.name,
            "members_count": directory.members_of(organization).count(),
            "max_allowed_memberships": 0,
            "admin_delete_enabled": true,
            "has_image": false,
            "public_metadata": {},
            "private_metadata": {},
            "created_at": time,
            "updated_at": time,
        },
        "public_user_data": user.map(public_user_data),
        "created_at": time,
        "updated_at": time,
    })
}

/// A user.
pub(crate) fn user(user: &User, created_at: u64) -> Value {
    let time = created_at.saturating_mul(1000);
    let (first, last) = split_name(&user.name);
    let email_id = format!("idn_{}", user.username);
    let addresses: Vec<Value> = user
        .email
        .iter()
        .map(|email| email_address(&email_id, email, user.email_verified, time))
        .collect();
    let image_url = user.image_url.as_deref().unwrap_or(NO_PICTURE);
    json!({
        "object": "user",
        "id": user.id,
        "external_id": null,
        "username": user.username,
        "first_name": first,
        "last_name": last,
        "primary_email_address_id": user.email.as_ref().map(|_| email_id),
        "primary_phone_number_id": null,
        "primary_web3_wallet_id": null,
        "email_addresses": addresses,
        // Clerk's SDKs require these lists, even if they are empty.
        "phone_numbers": [],
        "web3_wallets": [],
        "passkeys": [],
        "external_accounts": [],
        "saml_accounts": [],
        "enterprise_accounts": [],
        "image_url": image_url,
        "has_image": user.image_url.is_some(),
        "banned": user.banned,
        "locked": user.locked,
        "lockout_expires_in_seconds": null,
        "verification_attempts_remaining": null,
        "password_enabled": false,
        "two_factor_enabled": false,
        "totp_enabled": false,
        "backup_code_enabled": false,
        "mfa_enabled_at": null,
        "mfa_disabled_at": null,
        "delete_self_enabled": true,
        "create_organization_enabled": true,
        "legal_accepted_at": null,
        "public_metadata": user.public_metadata,
        "private_metadata": user.private_metadata,
        "unsafe_metadata": user.unsafe_metadata,
        "last_sign_in_at": null,
        "last_active_at": null,
        "created_at": time,
        "updated_at": time,
    })
}

/// A role of every organization, with its permissions.
pub(crate) fn role(key: &str, permissions: &[String], created_at: u64) -> Value {
    let time = created_at.saturating_mul(1000);
    let permission = |key: &String| {
        let name = key.strip_prefix("org:").unwrap_or(key);
        json!({
            "object": "permission",
            "id": format!("perm_{}", name.replace(':', "_")),
            "name": name,
            "key": key,
            "description": "",
            "type": if name.starts_with("sys_") { "system" } else { "user" },
            "created_at": time,
            "updated_at": time,
        })
    };
    let permissions: Vec<Value> = permissions.iter().map(permission).collect();
    json!({
        "object": "role",
        "id": format!("role_{}", key.strip_prefix("org:").unwrap_or(key)),
        "name": role_name(key),
        "key": key,
        "description": "",
        "is_creator_eligible": key == "org:admin",
        "permissions": permissions,
        "created_at": time,
        "updated_at": time,
    })
}

fn email_address(id: &str, email: &str, verified: bool, time: u64) -> Value {
    let status = if verified { "verified" } else { "unverified" };
    json!({
        "object": "email_address",
        "id": id,
        "email_address": email,
        "reserved": false,
        "verification": {
            "object": "verification_otp",
            "status": status,
            "strategy": "email_code",
            "attempts": null,
            "expire_at": null,
        },
        "linked_to": [],
        "created_at": time,
        "updated_at": time,
    })
}

fn public_user_data(user: &User) -> Value {
    let (first, last) = split_name(&user.name);
    json!({
        "user_id": user.id,
        "first_name": first,
        "last_name": last,
        "image_url": user.image_url.as_deref().unwrap_or(NO_PICTURE),
        "has_image": user.image_url.is_some(),
        "identifier": user.email.as_ref().unwrap_or(&user.username),
    })
}

fn split_name(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(' ') {
        Some((first, last)) => (first, Some(last)),
        None => (name, None),
    }
}

/// The picture of a user without a picture. Clerk always names a URL. This URL does not exist.
const NO_PICTURE: &str = "https://img.example.com/default.png";
