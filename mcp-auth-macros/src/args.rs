//! The text between the parentheses of `#[mcp_tool(…)]`: which keys there are, each at most once.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Path, ext::IdentExt};

use crate::{
    entry::{Entry, Hint, List, Spelling},
    errors::{Errors, did_you_mean, listed},
    grammar::{self, Verdict},
    rename,
};

/// What was said, key by key; what does not fit together is found in `model`.
#[derive(Debug, Default)]
pub(crate) struct ToolArgs {
    pub(crate) allow_unknown: Option<Ident>,
    pub(crate) closed_world: Option<Ident>,
    pub(crate) destructive: Option<Hint>,
    pub(crate) idempotent: Option<Hint>,
    pub(crate) krate: Option<Path>,
    pub(crate) name: Option<Spelling>,
    pub(crate) permissions: Option<List>,
    pub(crate) public: Option<Ident>,
    pub(crate) read_only: Option<Hint>,
    pub(crate) rename_all: Option<LitStr>,
    pub(crate) require_org: Option<Ident>,
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
            } else if seen.insert(key.clone()) {
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
            "permission" => {
                self.permissions = Some(entry.list(&grammar::permission, str::to_owned, errors))
            }
            "role" => {
                self.roles = Some(entry.list(
                    &grammar::role,
                    |text| grammar::role_key(text).to_owned(),
                    errors,
                ))
            }
            "scope" => self.scopes = Some(entry.list(&grammar::scope, str::to_owned, errors)),
            "timeout" => self.timeout = errors.keep(entry.seconds()),
            "allow_unknown" => self.allow_unknown = errors.keep(entry.flag()),
            "rename_all" => self.rename_all = errors.keep(entry.literal(&rename::rule)),
            "crate" => self.krate = errors.keep(entry.path()),
            other => unreachable!("`{other}` is in KEYS and has no reader, please report"),
        }
    }
}

fn title(text: &str) -> Verdict {
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
    if matches!(key, "permission" | "role" | "scope") {
        return format!(
            "`{key}` is given twice; several values go in one list: `{key}(\"…\", \"…\")`"
        );
    }
    format!("`{key}` is given twice")
}

const KEYS: [&str; 15] = [
    "name",
    "title",
    "read_only",
    "destructive",
    "idempotent",
    "closed_world",
    "public",
    "require_org",
    "permission",
    "role",
    "scope",
    "timeout",
    "allow_unknown",
    "rename_all",
    "crate",
];
