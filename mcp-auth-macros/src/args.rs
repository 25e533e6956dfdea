//! Parses the text between the parentheses of `#[mcp_tool(…)]`. Each key may occur at most once.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Path, ext::IdentExt};

use crate::{
    entry::{
        Call, Choice, Entry, Hint, List,
        Quantifier::{All, Any},
        Spelling,
    },
    errors::{Errors, did_you_mean, listed},
    grammar::{self, CheckResult},
    icon::Icon,
    meta::Meta,
    rename,
};

/// The values of the keys that the attribute has. `model` checks for keys that exclude each other.
#[derive(Debug, Default)]
pub(crate) struct ToolArgs {
    pub(crate) accept: Option<List>,
    pub(crate) allow_unknown: Option<Ident>,
    pub(crate) authorize: Option<Call>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) closed_world: Option<Ident>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) destructive: Option<Hint>,
    pub(crate) features: Option<List>,
    pub(crate) forbid_actor: Option<Ident>,
    pub(crate) idempotent: Option<Hint>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) krate: Option<Path>,
    pub(crate) lenient: Option<Ident>,
    pub(crate) meta: Vec<Meta>,
    pub(crate) name: Option<Spelling>,
    pub(crate) permissions: Option<List>,
    pub(crate) plans: Option<List>,
    pub(crate) public: Option<Ident>,
    pub(crate) rates: Option<List>,
    pub(crate) read_only: Option<Hint>,
    pub(crate) rename_all: Option<LitStr>,
    pub(crate) require_org: Option<Ident>,
    pub(crate) require_user: Option<Ident>,
    pub(crate) reverification: Option<List>,
    pub(crate) roles: Option<List>,
    pub(crate) scopes: Option<List>,
    pub(crate) timeout: Option<u64>,
    pub(crate) title: Option<Spelling>,
}

impl ToolArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let mut seen = HashSet::new();
        for entry in Entry::all(tokens, errors) {
            let key = entry.key.unraw().to_string();
            if !KEYS.contains(&key.as_str()) {
                errors.at(&entry.key, unknown_key(&key));
            } else if matches!(key.as_str(), "any" | "icon") || seen.insert(key.clone()) {
                args.take(&key, entry, errors);
            } else {
                errors.at(&entry.key, given_twice(&key));
            }
        }
        args
    }

    fn take(&mut self, name: &str, entry: Entry, errors: &mut Errors) {
        match name {
            "name" => self.name = errors.keep(entry.text(&grammar::tool_name)),
            "title" => self.title = errors.keep(entry.text(&title)),
            "read_only" => self.read_only = errors.keep(entry.hint()),
            "destructive" => self.destructive = errors.keep(entry.hint()),
            "idempotent" => self.idempotent = errors.keep(entry.hint()),
            "closed_world" => self.closed_world = errors.keep(entry.flag()),
            "public" => self.public = errors.keep(entry.flag()),
            "require_org" => self.require_org = errors.keep(entry.flag()),
            "require_user" => self.require_user = errors.keep(entry.flag()),
            "accept" => {
                self.accept = Some(entry.list(Any, &grammar::accept, str::to_owned, errors))
            }
            "forbid_actor" => self.forbid_actor = errors.keep(entry.flag()),
            "permission" => self.permissions = held(entry, errors),
            "role" => self.roles = held(entry, errors),
            "feature" => self.features = held(entry, errors),
            "plan" => self.plans = held(entry, errors),
            "reverification" => self.reverification = held(entry, errors),
            "scope" => self.scopes = held(entry, errors),
            "any" => self.choices.push(entry.choice(alternative, errors)),
            "authorize" => self.authorize = errors.keep(entry.call()),
            "icon" => {
                let key = entry.key.clone();
                self.icons.extend(Icon::read(&key, entry.values(), errors));
            }
            "meta" => {
                let key = entry.key.clone();
                self.meta = Meta::read(&key, entry.values(), errors);
            }
            "rate" => self.rates = Some(entry.list(All, &grammar::rate, str::to_owned, errors)),
            "concurrency" => self.concurrency = errors.keep(entry.calls()),
            "timeout" => self.timeout = errors.keep(entry.seconds()),
            "allow_unknown" => self.allow_unknown = errors.keep(entry.flag()),
            "lenient" => self.lenient = errors.keep(entry.flag()),
            "rename_all" => self.rename_all = errors.keep(entry.literal(&rename::rule)),
            "crate" => self.krate = errors.keep(entry.path()),
            other => unreachable!("`{other}` is in KEYS and has no reader, please report"),
        }
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

fn title(text: &str) -> CheckResult {
    if text.trim().is_empty() {
        Err("`title` is empty; write one, or leave it out".to_owned())
    } else {
        Ok(())
    }
}

fn unknown_key(key: &str) -> String {
    if key == "description" {
        return "unknown key `description`; a tool is described by its doc comment".to_owned();
    }
    format!(
        "unknown key `{key}`{}\nnote: accepted are {}",
        did_you_mean(key, &KEYS),
        listed(&KEYS)
    )
}

fn given_twice(key: &str) -> String {
    let quantifier = match key {
        "accept" => Any,
        "rate" => All,
        _ if key != "reverification" && HELD.contains(&key) => All,
        _ => return format!("`{key}` is given twice"),
    };
    format!(
        "`{key}` is given twice; several values go in one list: `{key} = {}(\"…\", \"…\")`",
        quantifier.word()
    )
}

const HELD: [&str; 6] = [
    "permission",
    "role",
    "feature",
    "plan",
    "reverification",
    "scope",
];

const KEYS: [&str; 28] = [
    "name",
    "title",
    "icon",
    "read_only",
    "destructive",
    "idempotent",
    "closed_world",
    "public",
    "require_user",
    "require_org",
    "permission",
    "role",
    "feature",
    "plan",
    "reverification",
    "scope",
    "any",
    "accept",
    "forbid_actor",
    "authorize",
    "rate",
    "concurrency",
    "timeout",
    "allow_unknown",
    "lenient",
    "rename_all",
    "meta",
    "crate",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row_and_an_example_in_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../mcp-auth/docs/mcp_tool.md");
        let page = std::fs::read_to_string(page).unwrap();
        let code: String = page.split("```").skip(1).step_by(2).collect();
        let words: HashSet<&str> = code
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .collect();
        for key in KEYS {
            assert!(page.contains(&format!("\n| `{key}` |")), "{key}: no row");
            assert!(words.contains(key), "{key}: no example");
        }
    }
}
