//! Compares arguments with the published schema. Refuses lists and objects where the schema permits neither. Rewrites
//! values that the schema permits but that serde cannot read.
//!
//! The refusal is necessary because serde accepts a list for a struct, and an object for an enum variant without
//! fields.
//!
//! Two kinds of values are rewritten for every tool: integers with a zero fraction or an exponent
//! (JSON Schema 2020-12, validation, 6.1.1: `10.0` and `1e1` are integers), and `null` for an
//! optional argument. For a lenient tool, and for prompts and resources, strings that contain a number,
//! a boolean, a list or an object are rewritten too. An empty string for an optional argument of
//! another type is removed, and so are arguments that certain clients add.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use super::super::violations::shortened;
use super::text::{Member, Node, decoded};

/// Rewrites arguments to fit the published schema.
#[derive(Debug)]
pub(super) struct Repair<'a> {
    root: &'a Value,
    lenient: bool,
    done: Repairs,
}

/// Counts of the rewritten values.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Repairs {
    /// The number of integers that were written as floats.
    pub(super) integers: usize,
    /// The number of optional arguments that were `null` or an empty string.
    pub(super) nulls: usize,
    /// The number of values of other types that were sent as strings.
    pub(super) strings: usize,
    /// The number of arguments that were removed, because a client had added them.
    pub(super) dropped: usize,
}

type Candidates<'a> = Vec<&'a Map<String, Value>>;

/// Finds a list or an object that the schema does not permit at its place, and returns the error for the client.
pub(super) fn misplaced(text: &str, schema: &Value) -> Option<String> {
    let is_flat = !text.bytes().skip(1).any(|byte| matches!(byte, b'[' | b'{'));
    if is_flat {
        return None;
    }
    // serde reports a text that is not JSON or is nested too deeply.
    let node = Node::parse(text)?;
    let repair = Repair::new(schema, false);
    let misplaced = repair.misplaced(&node, &repair.candidates(&[schema]))?;
    Some(misplaced.to_string())
}

/// A list or an object that the schema does not permit at its place.
struct Misplaced {
    path: String,
    found: &'static str,
    /// The names of the permitted types.
    expected: String,
}

impl Misplaced {
    fn below(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            found,
            expected,
        } = self;
        let path = shortened(&path.trim_start_matches('.'));
        write!(
            f,
            "Invalid argument `{path}`: invalid type: {found}, expected {expected}"
        )
    }
}

/// Rewrites a text. `None` if there is nothing to rewrite.
pub(super) fn repaired(text: &str, schema: &Value, lenient: bool) -> Option<(String, Repairs)> {
    let mut node = Node::parse(text)?;
    let mut repair = Repair::new(schema, lenient);
    let candidates = repair.candidates(&[schema]);
    if lenient {
        repair.drop_additions(&mut node, &candidates);
    }
    repair.value(&mut node, &candidates, DEEPEST_VALUE);
    if repair.done == Repairs::default() {
        return None;
    }
    let mut text = String::with_capacity(text.len());
    node.write(&mut text);
    Some((text, repair.done))
}

impl<'a> Repair<'a> {
    fn new(root: &'a Value, lenient: bool) -> Self {
        Self {
            root,
            lenient,
            done: Repairs::default(),
        }
    }

    fn value(&mut self, node: &mut Node<'_>, candidates: &Candidates<'a>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if let (true, Node::Text(written)) = (self.lenient, &*node)
            && let Some(meant) = meant(written, candidates)
        {
            self.done.strings += 1;
            *node = meant;
        }
        match node {
            Node::Number(text) => {
                if accepts(candidates, "integer")
                    && !accepts(candidates, "number")
                    && let Some(integer) = integer(text)
                {
                    *text = integer.into();
                    self.done.integers += 1;
                }
            }
            Node::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let of_item = self.of_item(candidates, index);
                    self.value(item, &of_item, depth);
                }
            }
            Node::Object(_) => self.members(node, candidates, depth),
            Node::Null | Node::Text(_) | Node::Truth(_) => {}
        }
    }

    fn members(&mut self, node: &mut Node<'_>, candidates: &Candidates<'a>, depth: usize) {
        let Node::Object(members) = node else { return };
        let candidates = &fitting(candidates, members);
        let mut absent = Vec::new();
        for (index, member) in members.iter_mut().enumerate() {
            let name = &*member.name;
            let of_member = self.of_member(candidates, name);
            let is_absent = match &member.value {
                Node::Null => !accepts(&of_member, "null"),
                // Clients have a text field for each argument of a prompt, which may be left empty.
                Node::Text(written) => {
                    self.lenient && *written == r#""""# && !accepts(&of_member, "string")
                }
                Node::List(_) | Node::Number(_) | Node::Object(_) | Node::Truth(_) => false,
            };
            if is_absent
                && candidates.iter().any(|schema| names(schema, name))
                && !candidates.iter().any(|schema| requires(schema, name))
            {
                absent.push(index);
            } else {
                self.value(&mut member.value, &of_member, depth);
            }
        }
        // Keep a member whose name occurs twice, so that serde reports the duplicate.
        if !absent.is_empty() {
            let mut times = HashMap::new();
            for member in &*members {
                *times.entry(&*member.name).or_insert(0_usize) += 1;
            }
            absent.retain(|index| {
                let name = members.get(*index).map(|member| &*member.name);
                name.is_some_and(|name| times.get(name) == Some(&1))
            });
        }
        self.done.nulls += absent.len();
        for index in absent.into_iter().rev() {
            members.remove(index);
        }
    }

    fn drop_additions(&mut self, node: &mut Node<'_>, candidates: &Candidates<'a>) {
        let Node::Object(members) = node else { return };
        let before = members.len();
        members.retain(|member| {
            let is_named = candidates.iter().any(|schema| names(schema, &member.name));
            is_named || !ADDITIONS.contains(&&*member.name)
        });
        self.done.dropped += before - members.len();
    }

    /// Looks for a list or an object that the schema does not permit at its place.
    fn misplaced(&self, node: &Node<'_>, candidates: &Candidates<'a>) -> Option<Misplaced> {
        let (found, ty) = match node {
            Node::List(_) => ("a list", "array"),
            Node::Object(_) => ("an object", "object"),
            Node::Null | Node::Number(_) | Node::Text(_) | Node::Truth(_) => return None,
        };
        if !candidates.is_empty() && !accepts(candidates, ty) {
            return Some(Misplaced {
                path: String::new(),
                found,
                expected: types(candidates).join(" or "),
            });
        }
        match node {
            Node::List(items) => items.iter().enumerate().find_map(|(index, item)| {
                let of_item = self.of_item(candidates, index);
                let misplaced = self.misplaced(item, &of_item);
                misplaced.map(|misplaced| misplaced.below(&format!("[{index}]")))
            }),
            Node::Object(members) => {
                let candidates = &fitting(candidates, members);
                members.iter().find_map(|Member { name, value, .. }| {
                    let of_member = self.of_member(candidates, name);
                    let misplaced = self.misplaced(value, &of_member);
                    misplaced.map(|misplaced| misplaced.below(&format!(".{name}")))
                })
            }
            Node::Null | Node::Number(_) | Node::Text(_) | Node::Truth(_) => None,
        }
    }

    fn of_item(&self, candidates: &Candidates<'a>, index: usize) -> Candidates<'a> {
        let schemas = candidates.iter().filter_map(|schema| {
            let places = schema.get("prefixItems");
            let place = places.and_then(|places| places.get(index));
            place.or_else(|| schema.get("items"))
        });
        self.candidates(&schemas.collect::<Vec<_>>())
    }

    fn of_member(&self, candidates: &Candidates<'a>, name: &str) -> Candidates<'a> {
        let schemas = candidates.iter().flat_map(|schema| of_member(schema, name));
        self.candidates(&schemas.collect::<Vec<_>>())
    }

    /// Returns all schemas that may apply to a value: `schemas`, the targets of their references,
    /// and their alternatives.
    fn candidates(&self, schemas: &[&'a Value]) -> Candidates<'a> {
        let mut found = Vec::new();
        for schema in schemas {
            self.collect(schema, DEEPEST, &mut found);
        }
        found
    }

    fn collect(&self, schema: &'a Value, depth: usize, found: &mut Candidates<'a>) {
        let (Value::Object(members), Some(depth)) = (schema, depth.checked_sub(1)) else {
            return;
        };
        let mut is_composed = false;
        if let Some(Value::String(reference)) = members.get("$ref") {
            is_composed = true;
            let target = reference
                .strip_prefix('#')
                .and_then(|at| self.root.pointer(at));
            if let Some(target) = target {
                self.collect(target, depth, found);
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            if let Some(Value::Array(alternatives)) = members.get(keyword) {
                is_composed = true;
                for alternative in alternatives {
                    self.collect(alternative, depth, found);
                }
            }
        }
        let is_found = found.iter().any(|known| std::ptr::eq(*known, members));
        let is_leaf =
            !is_composed || members.contains_key("type") || members.contains_key("properties");
        if is_leaf && !is_found {
            found.push(members);
        }
    }
}

/// Returns the value that is written in a string, if the schema permits values of that type but no
/// strings.
fn meant(written: &str, candidates: &Candidates<'_>) -> Option<Node<'static>> {
    if candidates.is_empty() || accepts(candidates, "string") {
        return None;
    }
    let text = decoded(written)?;
    let node = Node::parse(&text)?;
    let types: &[&str] = match &node {
        Node::List(_) => &["array"],
        Node::Number(_) => &["integer", "number"],
        Node::Object(_) => &["object"],
        Node::Truth(_) => &["boolean"],
        Node::Null | Node::Text(_) => return None,
    };
    let is_taken = types.iter().any(|ty| accepts(candidates, ty));
    is_taken.then(|| node.into_owned())
}

/// Returns the alternatives that an object fits. An object fits an alternative if it has the required members and the
/// constants (such as a tag) of the alternative. If the object fits no alternative, returns all alternatives.
fn fitting<'a>(candidates: &Candidates<'a>, members: &[Member<'_>]) -> Candidates<'a> {
    if candidates.len() < 2 {
        return candidates.clone();
    }
    let fits = |schema: &&Map<String, Value>| {
        let required = schema.get("required").and_then(Value::as_array);
        let mut required = required.into_iter().flatten().filter_map(Value::as_str);
        let has_all = required.all(|name| members.iter().any(|member| member.name == name));
        let is_constant = |member: &Member<'_>| {
            let property = schema
                .get("properties")
                .and_then(|all| all.get(&*member.name));
            match (
                property.and_then(|property| property.get("enum")),
                &member.value,
            ) {
                (Some(Value::Array(values)), Node::Text(written)) => {
                    decoded(written).is_some_and(|text| values.iter().any(|value| *value == *text))
                }
                _ => true,
            }
        };
        has_all && members.iter().all(is_constant)
    };
    let fitting: Vec<_> = candidates.iter().copied().filter(fits).collect();
    if fitting.is_empty() {
        candidates.clone()
    } else {
        fitting
    }
}

/// Returns true if one of the schemas accepts values of a type. A schema without a `type` accepts
/// every type.
fn accepts(candidates: &Candidates<'_>, ty: &str) -> bool {
    candidates.iter().any(|schema| match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == ty),
        Some(one) => one == ty,
        None => true,
    })
}

/// The names of the types that the schemas accept, without duplicates.
fn types<'a>(candidates: &Candidates<'a>) -> Vec<&'a str> {
    let mut types: Vec<&str> = Vec::new();
    for schema in candidates {
        let ty = schema.get("type").and_then(Value::as_str);
        types.extend(ty.filter(|ty| !types.contains(ty)));
    }
    types
}

/// Returns the schemas of the member with this name in an object schema.
fn of_member<'a>(schema: &'a Map<String, Value>, name: &str) -> Vec<&'a Value> {
    if let Some(property) = schema.get("properties").and_then(|all| all.get(name)) {
        return vec![property];
    }
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    let patterns = patterns.into_iter().flat_map(Map::values);
    patterns.chain(schema.get("additionalProperties")).collect()
}

fn names(schema: &Map<String, Value>, property: &str) -> bool {
    schema
        .get("properties")
        .and_then(|all| all.get(property))
        .is_some()
}

fn requires(schema: &Map<String, Value>, property: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().any(|name| name == property)
}

/// Writes an integer without fraction and exponent, and keeps every digit. Returns `None` if the number already has
/// neither fraction nor exponent, is not an integer, or has more digits than any integer type.
pub(super) fn integer(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let written = format!("{whole}{fraction}");
    let digits = written.trim_start_matches('0');
    if digits.is_empty() {
        return (text != "0").then(|| "0".to_owned());
    }
    let significant = digits.trim_end_matches('0');
    let exponent: i64 = exponent.parse().ok()?;
    let exponent = exponent
        .checked_sub(i64::try_from(fraction.len()).ok()?)?
        .checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
    let zeros = usize::try_from(exponent).ok()?;
    if significant.len().checked_add(zeros)? > LONGEST {
        return None;
    }
    let integer = format!("{sign}{significant}{}", "0".repeat(zeros));
    (integer != text).then_some(integer)
}

/// Arguments that clients add to the arguments of a tool. n8n adds `toolCallId` and the fields of
/// its chat trigger; Cline adds `task_progress`.
const ADDITIONS: [&str; 5] = [
    "action",
    "chatInput",
    "sessionId",
    "task_progress",
    "toolCallId",
];

/// The number of digits of the greatest `u128`.
const LONGEST: usize = 39;

/// The maximum depth to which references and alternatives are followed. The limit is needed for a schema that refers to
/// itself without an object in between.
const DEEPEST: usize = 16;

/// The limit of serde_json. The depth of a value that is written in a string is added to the depth of the string.
const DEEPEST_VALUE: usize = 128;

#[cfg(test)]
mod tests;
