//! Parses the text between the parentheses of `#[mcp_tool(…)]`, `#[mcp_prompt(…)]`, `#[mcp_resource(…)]`
//! and `module_guard!(…)`. Each key may occur at most once.

mod guard;
mod module;
mod resource;

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Path, ext::IdentExt};

use crate::{
    entry::{
        Call, Confirm, Entry, Hint, List,
        Quantifier::{All, Any},
        Spelling, TaskSupport,
    },
    errors::{Errors, did_you_mean, listed},
    grammar::{self, CheckResult},
    icon::Icon,
    meta::Meta,
    primitive::Primitive,
    rename,
};

pub(crate) use self::{
    guard::{GUARD_KEYS, GuardArgs},
    module::ModuleArgs,
    resource::{ResourceArgs, Uri},
};

use self::guard::HELD;

/// The values of the keys that the attribute has. `model` checks for keys that exclude each other.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) authorize: Option<Call>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) extend_on_progress: Option<Extension>,
    pub(crate) guard: GuardArgs,
    pub(crate) icons: Vec<Icon>,
    pub(crate) krate: Option<Path>,
    pub(crate) meta: Vec<Meta>,
    pub(crate) name: Option<Spelling>,
    pub(crate) public: Option<Ident>,
    pub(crate) rates: Option<List>,
    pub(crate) rename_all: Option<LitStr>,
    pub(crate) resource: ResourceArgs,
    pub(crate) timeout: Option<u64>,
    pub(crate) title: Option<Spelling>,
    pub(crate) tool: ToolArgs,
}

/// The values of the keys that only a tool has.
#[derive(Debug, Default)]
pub(crate) struct ToolArgs {
    pub(crate) allow_unknown: Option<Ident>,
    pub(crate) closed_world: Option<Ident>,
    pub(crate) confirm: Option<Confirm>,
    pub(crate) destructive: Option<Hint>,
    pub(crate) idempotent: Option<Hint>,
    pub(crate) lenient: Option<Ident>,
    pub(crate) read_only: Option<Hint>,
    pub(crate) task: Option<TaskSupport>,
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
        let keys = primitive.keys();
        let entries = match primitive {
            Primitive::Prompt | Primitive::Tool => tokens,
            Primitive::Resource => args.resource.take_uri(tokens, errors),
        };
        let unknown = |key: &str| unknown_key(primitive, key);
        read_entries(entries, &keys, &unknown, errors, |key, entry, errors| {
            args.take(primitive, key, entry, errors);
        });
        args
    }

    fn take(&mut self, primitive: Primitive, name: &str, entry: Entry, errors: &mut Errors) {
        match Primitive::owner_of(name) {
            Some(Primitive::Resource) => return self.resource.take(name, entry, errors),
            Some(Primitive::Tool) => return self.tool.take(name, entry, errors),
            Some(Primitive::Prompt) | None => {}
        }
        if GUARD_KEYS.contains(&name) {
            return self.guard.take(name, entry, errors);
        }
        match name {
            "name" => {
                let check = |text: &str| grammar::primitive_name(primitive, text);
                self.name = errors.keep(entry.text(&check));
            }
            "title" => self.title = errors.keep(entry.text(&title)),
            "public" => self.public = errors.keep(entry.flag()),
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
            "confirm" => self.confirm = errors.keep(entry.confirm()),
            "destructive" => self.destructive = errors.keep(entry.hint()),
            "idempotent" => self.idempotent = errors.keep(entry.hint()),
            "lenient" => self.lenient = errors.keep(entry.flag()),
            "read_only" => self.read_only = errors.keep(entry.hint()),
            "task" => self.task = errors.keep(entry.task()),
            other => unreachable!("`{other}` has no reader, please report"),
        }
    }
}

/// Passes each entry to `take`. An entry whose key is not among `keys`, or was given before, is an error.
fn read_entries(
    tokens: TokenStream,
    keys: &[&str],
    unknown: &dyn Fn(&str) -> String,
    errors: &mut Errors,
    mut take: impl FnMut(&str, Entry, &mut Errors),
) {
    let mut seen = HashSet::new();
    for entry in Entry::all(tokens, errors) {
        let key = entry.key.unraw().to_string();
        if !keys.contains(&key.as_str()) {
            errors.at(&entry.key, unknown(&key));
        } else if matches!(key.as_str(), "any" | "icon") || seen.insert(key.clone()) {
            take(&key, entry, errors);
        } else {
            errors.at(&entry.key, given_twice(&key));
        }
    }
}

fn title(text: &str) -> CheckResult {
    if text.trim().is_empty() {
        Err("`title` is empty: write a title, or leave out `title`".to_owned())
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
    let example = if key == "policy" { "…" } else { "\"…\"" };
    format!(
        "`{key}` is given twice; several values go in one list: `{key} = {}({example}, {example})`",
        quantifier.word()
    )
}

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

    #[test]
    fn every_key_of_a_module_has_a_row_and_an_example_in_the_documentation() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../mcp-auth/docs");
        let page = std::fs::read_to_string(format!("{docs}/module_guard.md")).unwrap();
        let code: String = page.split("```").skip(1).step_by(2).collect();
        for key in GUARD_KEYS.into_iter().chain(["crate"]) {
            assert!(page.contains(&format!("\n| `{key}` |")), "{key}: no row");
            assert!(code.contains(key), "{key}: no example");
        }
    }

    #[test]
    fn a_module_takes_every_key_of_a_function_that_states_a_requirement() {
        let others = [
            "name",
            "title",
            "icon",
            "public",
            "authorize",
            "rate",
            "concurrency",
            "timeout",
            "extend_on_progress",
            "rename_all",
            "meta",
            "crate",
        ];
        for primitive in [Primitive::Prompt, Primitive::Resource, Primitive::Tool] {
            for key in primitive.keys() {
                let only_here = others.contains(&key) || Primitive::owner_of(key).is_some();
                assert_ne!(GUARD_KEYS.contains(&key), only_here, "{key}");
            }
        }
    }

    fn page_of(primitive: Primitive) -> String {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../mcp-auth/docs");
        std::fs::read_to_string(format!("{docs}/{}.md", primitive.attribute())).unwrap()
    }
}
