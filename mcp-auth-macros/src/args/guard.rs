//! The keys that state a guard. `#[mcp_tool]`, `#[mcp_prompt]`, `#[mcp_resource]` and `module_guard!` accept these
//! keys.

use syn::{Ident, ext::IdentExt};

use crate::{
    entry::{
        Choice, Entry, List,
        Quantifier::{All, Any},
    },
    errors::{Errors, did_you_mean, listed},
    grammar,
};

/// The requirements of a guard. They do not include `public`, which a module cannot have.
#[derive(Debug, Default)]
pub(crate) struct GuardArgs {
    pub(crate) accept: Option<List>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) features: Option<List>,
    pub(crate) forbid_actor: Option<Ident>,
    pub(crate) permissions: Option<List>,
    pub(crate) plans: Option<List>,
    pub(crate) policies: Option<List>,
    pub(crate) require_org: Option<Ident>,
    pub(crate) require_user: Option<Ident>,
    pub(crate) reverification: Option<List>,
    pub(crate) roles: Option<List>,
    pub(crate) scopes: Option<List>,
}

/// Every key that states a requirement, in the order in which messages list the keys.
pub(crate) const GUARD_KEYS: [&str; 12] = [
    "require_user",
    "require_org",
    "permission",
    "role",
    "feature",
    "plan",
    "policy",
    "reverification",
    "scope",
    "any",
    "accept",
    "forbid_actor",
];

impl GuardArgs {
    /// Parses an entry whose key is one of [`GUARD_KEYS`].
    pub(super) fn take(&mut self, name: &str, entry: Entry, errors: &mut Errors) {
        match name {
            "require_org" => self.require_org = errors.keep(entry.flag()),
            "require_user" => self.require_user = errors.keep(entry.flag()),
            "accept" => {
                self.accept = Some(entry.list(Any, &grammar::accept, str::to_owned, errors));
            }
            "forbid_actor" => self.forbid_actor = errors.keep(entry.flag()),
            "permission" => self.permissions = held(entry, errors),
            "role" => self.roles = held(entry, errors),
            "feature" => self.features = held(entry, errors),
            "plan" => self.plans = held(entry, errors),
            "policy" => self.policies = held(entry, errors),
            "reverification" => self.reverification = held(entry, errors),
            "scope" => self.scopes = held(entry, errors),
            "any" => self.choices.push(entry.choice(alternative, errors)),
            other => unreachable!("`{other}` has no reader, please report"),
        }
    }

    /// Returns the keys that were written: first the flags, then the lists, then each `any`.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Ident> {
        let lists = [
            &self.accept,
            &self.permissions,
            &self.roles,
            &self.features,
            &self.plans,
            &self.policies,
            &self.reverification,
            &self.scopes,
        ];
        let lists = lists.into_iter().flatten().map(|list| &list.key);
        let flags = [&self.require_org, &self.require_user, &self.forbid_actor];
        let choices = self.choices.iter().map(|choice| &choice.key);
        flags.into_iter().flatten().chain(lists).chain(choices)
    }
}

/// Parses an entry whose key is one of [`HELD`].
fn held(entry: Entry, errors: &mut Errors) -> Option<List> {
    match entry.key.unraw().to_string().as_str() {
        "permission" => Some(entry.list(All, &grammar::permission, str::to_owned, errors)),
        "role" => {
            let normal = |text: &str| grammar::role_key(text).to_owned();
            Some(entry.list(All, &grammar::role, normal, errors))
        }
        "feature" => Some(entry.list(All, &grammar::feature, grammar::entitlement_key, errors)),
        "plan" => Some(entry.list(All, &grammar::plan, grammar::entitlement_key, errors)),
        "policy" => Some(entry.policies(errors)),
        "reverification" => errors.keep(entry.reverification()),
        "scope" => Some(entry.list(All, &grammar::scope, str::to_owned, errors)),
        _ => None,
    }
}

fn alternative(entry: Entry, errors: &mut Errors) -> Option<List> {
    let name = entry.key.unraw().to_string();
    if HELD.contains(&name.as_str()) {
        return held(entry, errors);
    }
    let message = if name == "any" {
        "`any` inside `any` is redundant: write its alternatives in the outer `any`".to_owned()
    } else {
        format!(
            "`{name}` cannot be an alternative{}\nnote: accepted are {}",
            did_you_mean(&name, &HELD),
            listed(&HELD)
        )
    };
    errors.at(&entry.key, message);
    None
}

/// The keys that take names, alone or as an alternative of `any`.
pub(super) const HELD: [&str; 7] = [
    "permission",
    "role",
    "feature",
    "plan",
    "policy",
    "reverification",
    "scope",
];
