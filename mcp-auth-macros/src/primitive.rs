//! The three primitives of MCP that an attribute can declare: tools, prompts and resources. This module contains their
//! names for messages, and the keys of their attributes.

use std::fmt;

/// A prompt, a resource or a tool. They differ in their keys, their declaration and their result type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Primitive {
    Prompt,
    Resource,
    Tool,
}

impl Primitive {
    /// The primitive that `#[name(…)]` declares.
    pub(crate) fn declared_by(name: &str) -> Option<Self> {
        [Self::Prompt, Self::Resource, Self::Tool]
            .into_iter()
            .find(|primitive| primitive.attribute() == name)
    }

    /// Returns the only primitive that has this key. `None` for a key that all primitives have, and for an unknown key.
    pub(crate) fn owner_of(key: &str) -> Option<Self> {
        let (_, owner) = KEYS.iter().find(|(name, _)| *name == key)?;
        *owner
    }

    /// Returns true if the attribute of this primitive has the key.
    pub(crate) fn has_key(key: &str) -> bool {
        KEYS.iter().any(|(name, _)| *name == key)
    }

    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Prompt => "mcp_prompt",
            Self::Resource => "mcp_resource",
            Self::Tool => "mcp_tool",
        }
    }

    /// Returns the verb in the primitive's MCP method: `prompts/get`, `resources/read`, `tools/call`.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Prompt => "get",
            Self::Resource => "read",
            Self::Tool => "call",
        }
    }

    /// The keys of the attribute, in the order in which messages list them.
    pub(crate) fn keys(self) -> Vec<&'static str> {
        KEYS.iter()
            .filter(|(_, owner)| owner.is_none_or(|owner| owner == self))
            .map(|(name, _)| *name)
            .collect()
    }

    /// The keys of `#[arg(…)]` on a parameter.
    pub(crate) fn arg_keys(self) -> &'static [&'static str] {
        match self {
            Self::Prompt => &["complete", "default", "flatten", "rename"],
            Self::Resource => &["complete", "default", "rename"],
            Self::Tool => &["default", "flatten", "header", "rename"],
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Tool => "tool",
        })
    }
}

/// Every key, with the only primitive that has it. `None` if all three primitives have the key.
const KEYS: [(&str, Option<Primitive>); 38] = [
    ("name", None),
    ("title", None),
    ("icon", None),
    ("read_only", Some(Primitive::Tool)),
    ("destructive", Some(Primitive::Tool)),
    ("idempotent", Some(Primitive::Tool)),
    ("closed_world", Some(Primitive::Tool)),
    ("mime_type", Some(Primitive::Resource)),
    ("ttl", Some(Primitive::Resource)),
    ("size", Some(Primitive::Resource)),
    ("audience", Some(Primitive::Resource)),
    ("priority", Some(Primitive::Resource)),
    ("last_modified", Some(Primitive::Resource)),
    ("public", None),
    ("require_user", None),
    ("require_org", None),
    ("permission", None),
    ("role", None),
    ("feature", None),
    ("plan", None),
    ("policy", None),
    ("reverification", None),
    ("scope", None),
    ("any", None),
    ("accept", None),
    ("forbid_actor", None),
    ("authorize", None),
    ("confirm", Some(Primitive::Tool)),
    ("task", Some(Primitive::Tool)),
    ("rate", None),
    ("concurrency", None),
    ("timeout", None),
    ("extend_on_progress", None),
    ("allow_unknown", Some(Primitive::Tool)),
    ("lenient", Some(Primitive::Tool)),
    ("rename_all", None),
    ("meta", None),
    ("crate", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_primitive_has_the_common_keys_and_its_own() {
        let has = |key: &str| {
            [Primitive::Prompt, Primitive::Resource, Primitive::Tool]
                .map(|primitive| primitive.keys().contains(&key))
        };
        assert_eq!(has("permission"), [true, true, true]);
        assert_eq!(has("mime_type"), [false, true, false]);
        assert_eq!(has("read_only"), [false, false, true]);
        assert_eq!(has("readonly"), [false, false, false]);
        assert_eq!(Primitive::owner_of("ttl"), Some(Primitive::Resource));
        assert_eq!(Primitive::owner_of("scope"), None);
    }
}
