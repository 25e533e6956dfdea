//! The JSON of the Backend API's objects.

use serde_json::Value;
use serde_json::json;

use crate::directory::Directory;
use crate::directory::Membership;
use crate::directory::User;

/// A membership. Times are milliseconds; everything is as old as the instance.
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

/// A person, as the Backend API shows them to the holder of the secret key.
pub(crate) fn user(user: &User, created_at: u64) -> Value {
    let time = created_at.saturating_mul(1000);
    let (first, last) = split_name(&user.name);
    let email_id = format!("idn_{}", user.username);
    let addresses: Vec<Value> = user
        .email
        .iter()
        .map(|email| email_address(&email_id, email))
        .collect();
    json!({
        "object": "user",
        "id": user.id,
        "username": user.username,
        "first_name": first,
        "last_name": last,
        "primary_email_address_id": user.email.as_ref().map(|_| email_id),
        "email_addresses": addresses,
        // Clerk's SDKs want these lists, however empty.
        "phone_numbers": [],
        "web3_wallets": [],
        "external_accounts": [],
        "enterprise_accounts": [],
        "has_image": false,
        "banned": false,
        "locked": false,
        "two_factor_enabled": false,
        "public_metadata": {},
        "private_metadata": {},
        "unsafe_metadata": {},
        "created_at": time,
        "updated_at": time,
    })
}

fn email_address(id: &str, email: &str) -> Value {
    json!({
        "object": "email_address",
        "id": id,
        "email_address": email,
        "verification": {"status": "verified", "strategy": "email_code"},
        "linked_to": [],
    })
}

fn public_user_data(user: &User) -> Value {
    let (first, last) = split_name(&user.name);
    json!({
        "user_id": user.id,
        "first_name": first,
        "last_name": last,
        "has_image": false,
        "identifier": user.email.as_ref().unwrap_or(&user.username),
    })
}

fn split_name(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(' ') {
        Some((first, last)) => (first, Some(last)),
        None => (name, None),
    }
}
