//! Parses the text between the parentheses of `#[mcp_tool(…)]`, `#[mcp_prompt(…)]` and
//! `#[mcp_resource(…)]`. Each key may occur at most once.

mod resource;

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
    primitive::Primitive,
    rename,
};

pub(crate) use self::resource::{ResourceArgs, Uri};

/// The values of the keys that the attribute has. `model` checks for keys that exclude each other.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) accept: Option<List>,
    pub(crate) authorize: Option<Call>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) extend_on_progress: Option<Extension>,
    pub(crate) features: Option<List>,
    pub(crate) forbid_actor: Option<Ident>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) krate: Option<Path>,
    pub(crate) meta: Vec<Meta>,
    pub(crate) name: Option<Spelling>,
    pub(crate) permissions: Option<List>,
    pub(crate) plans: Option<List>,
    pub(crate) public: Option<Ident>,
    pub(crate) rates: Option<List>,
    pub(crate) rename_all: Option<LitStr>,
    pub(crate) require_org: Option<Ident>,
    pub(crate) require_user: Option<Ident>,
    pub(crate) resource: ResourceArgs,
    pub(crate) reverification: Option<List>,
    pub(crate) roles: Option<List>,
    pub(crate) scopes: Option<List>,
    pub(crate) timeout: Option<u64>,
    pub(crate) title: Option<Spelling>,
    pub(crate) tool: ToolArgs,
}

/// The values of the keys that only a tool has.
#[derive(Debug, Default)]
pub(crate) struct ToolArgs {
    pub(crate) allow_unknown: Option<Ident>,
    pub(crate) closed_world: Option<Ident>,
    pub(crate) destructive: Option<Hint>,
    pub(crate) idempotent: Option<Hint>,
    pub(crate) lenient: Option<Ident>,
    pub(crate) read_only: Option<Hint>,
}

/// The value of `extend_on_progress`: the longest time of a call that reports progress.
#[derive(Debug)]
pub(crate) struct Extension {
    pub(crate) key: Ident,
    pub(crate) seconds: u64,
}

impl Args {
    pub(crate) fn parse(primitive: Primitive, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let mut seen = HashSet::new();
        let keys = primitive.keys();
        let entries = match primitive {
            Primitive::Prompt | Primitive::Tool => tokens,
            Primitive::Resource => args.resource.take_uri(tokens, errors),
        };
        for entry in Entry::all(entries, errors) {
            let key = entry.key.unraw().to_string();
            if !keys.contains(&key.as_str()) {
                errors.at(&entry.key, unknown_key(primitive, &key));
            } else if matches!(key.as_str(), "any" | "icon") || seen.insert(key.clone()) {
                args.take(primitive, &key, entry, errors);
            } else {
                errors.at(&entry.key, given_twice(&key));
            }
        }
        args
    }

    fn take(&mut self, primitive: Primitive, name: &str, entry: Entry, errors: &mut Errors) {
        match Primitive::owner_of(name) {
            Some(Primitive::Resource) => return self.resource.take(name, entry, errors),
            Some(Primitive::Tool) => return self.tool.take(name, entry, errors),
            Some(Primitive::Prompt) | None => {}
        }
        match name {
            "name" => {
                let check = |text: &str| grammar::primitive_name(primitive, text);
                self.name = errors.keep(entry.text(&check));
            }
            "title" => self.title = errors.keep(entry.text(&title)),
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
            "authorize" => self.authorize = errors.keep(entry.call(primitive)),
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
            "extend_on_progress" => {
                let key = entry.key.clone();
                let seconds = errors.keep(entry.longest_seconds());
                self.extend_on_progress = seconds.map(|seconds| Extension { key, seconds });
            }
            "rename_all" => {
                let key = entry.key.clone();
                let rule = entry.text(&rename::rule);
                let rule = rule.and_then(|rule| rule.literal(&key, "camelCase"));
                self.rename_all = errors.keep(rule);
            }
            "crate" => self.krate = errors.keep(entry.path()),
            other => unreachable!("`{other}` has no reader, please report"),
        }
    }
}

impl ToolArgs {
    fn take(&mut self, name: &str, entry: Entry, errors: &mut Errors) {
        match name {
            "allow_unknown" => self.allow_unknown = errors.keep(entry.flag()),
            "closed_world" => self.closed_world = errors.keep(entry.flag()),
            "destructive" => self.destructive = errors.keep(entry.hint()),
            "idempotent" => self.idempotent = errors.keep(entry.hint()),
            "lenient" => self.lenient = errors.keep(entry.flag()),
            "read_only" => self.read_only = errors.keep(entry.hint()),
            other => unreachable!("`{other}` has no reader, please report"),
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

fn unknown_key(primitive: Primitive, key: &str) -> String {
    if key == "description" {
        return format!("unknown key `{key}`; a {primitive} is described by its doc comment");
    }
    if let Some(owner) = Primitive::owner_of(key) {
        let attribute = owner.attribute();
        return format!("`{key}` is a key of `#[{attribute}]`: remove it from the {primitive}");
    }
    let keys = primitive.keys();
    format!(
        "unknown key `{key}`{}\nnote: accepted are {}",
        did_you_mean(key, &keys),
        listed(&keys)
    )
}

fn given_twice(key: &str) -> String {
    let quantifier = match key {
        "accept" | "audience" => Any,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row_and_an_example_in_the_documentation() {
        for primitive in [Primitive::Prompt, Primitive::Resource, Primitive::Tool] {
            for key in primitive.keys() {
                // The common keys are explained once.
                let page = Primitive::owner_of(key).unwrap_or(Primitive::Tool);
                let page = page_of(page);
                let code: String = page.split("```").skip(1).step_by(2).collect();
                let words: HashSet<&str> = code
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .collect();
                assert!(page.contains(&format!("\n| `{key}` |")), "{key}: no row");
                assert!(words.contains(key), "{key}: no example");
            }
        }
    }

    fn page_of(primitive: Primitive) -> String {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../mcp-auth/docs");
        std::fs::read_to_string(format!("{docs}/{}.md", primitive.attribute())).unwrap()
    }
}
