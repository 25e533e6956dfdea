//! Writes the objects that describe a tool, a prompt, a resource or a resource template in its list.

use serde_json::{Map, Value, json};

use crate::guard::SecurityScheme;

use super::declaration::{
    Annotations, Declaration, Icon, Kind, MetaValue, PromptTraits, ResourceTraits,
};
use super::uri_template::UriTemplate;

/// Returns the object that describes a primitive in its list, without icons. `input` is the schema of
/// the arguments, and `output` is the schema of the result.
pub(super) fn describe(
    declaration: &Declaration,
    (input, output): (Value, Option<Value>),
    schemes: &[SecurityScheme],
) -> Map<String, Value> {
    let mut item = Map::new();
    item.insert("name".to_owned(), declaration.name.into());
    if let Some(title) = declaration.title {
        item.insert("title".to_owned(), title.into());
    }
    let description = declaration.description.trim();
    if !description.is_empty() {
        item.insert("description".to_owned(), description.into());
    }
    match &declaration.kind {
        Kind::Prompt(prompt) => {
            item.insert("arguments".to_owned(), prompt_arguments(prompt, &input));
        }
        Kind::Resource(resource) => describe_resource(&mut item, resource),
        Kind::Tool(tool) => {
            item.insert("inputSchema".to_owned(), input);
            if let Some(output) = output {
                item.insert("outputSchema".to_owned(), output);
            }
            if let Some(annotations) = annotations(tool.annotations) {
                item.insert("annotations".to_owned(), annotations);
            }
        }
    }
    if !declaration.meta.is_empty() {
        let meta = declaration.meta.iter();
        let meta = meta.map(|(key, value)| ((*key).to_owned(), meta_value(*value)));
        item.insert("_meta".to_owned(), Value::Object(meta.collect()));
    }
    if let Kind::Tool(_) = declaration.kind {
        publish(&mut item, schemes);
    }
    item
}

/// Returns the arguments of a prompt in the order of the parameters. The fields of a flattened struct follow in the
/// order of its schema. MCP 2026-07-28, server/prompts.
fn prompt_arguments(prompt: &PromptTraits, schema: &Value) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let names = properties.into_iter().flat_map(Map::keys);
    let mut names: Vec<&String> = names.collect();
    let place = |name: &&String| {
        let mut names = prompt.argument_names.iter();
        names
            .position(|declared| declared == name)
            .unwrap_or(usize::MAX)
    };
    names.sort_by_key(place);
    let argument = |name: &String| {
        let property = properties.and_then(|properties| properties.get(name));
        let text = |member: &str| Some(property?.get(member)?.as_str()?.into());
        let is_required = required.is_some_and(|required| required.iter().any(|one| one == name));
        object([
            ("name", Some(name.as_str().into())),
            ("title", text("title")),
            ("description", text("description")),
            ("required", Some(is_required.into())),
        ])
    };
    names.into_iter().map(argument).collect()
}

/// Adds the members that only resources and templates have. MCP 2026-07-28, server/resources.
fn describe_resource(item: &mut Map<String, Value>, resource: &ResourceTraits) {
    let uri = UriTemplate::new(resource.uri);
    let key = if uri.is_fixed() { "uri" } else { "uriTemplate" };
    item.insert(key.to_owned(), uri.to_string().into());
    let audience = (!resource.audience.is_empty()).then(|| json!(resource.audience));
    let annotations = object([
        ("audience", audience),
        ("priority", resource.priority.map(Value::from)),
        ("lastModified", resource.last_modified.map(Value::from)),
    ]);
    let members = [
        ("mimeType", resource.mime_type.map(Value::from)),
        ("size", resource.size.map(Value::from)),
        (
            "annotations",
            Some(annotations).filter(|members| *members != json!({})),
        ),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    }
}

/// Returns an object with the members that have a value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter();
    let present = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

/// Adds the security schemes to the top level of the tool. Also adds them to `_meta`, for SDKs that drop unknown
/// members. In `_meta` they replace a member of the same name from the declaration.
fn publish(tool: &mut Map<String, Value>, schemes: &[SecurityScheme]) {
    if schemes.is_empty() {
        return;
    }
    let schemes: Value = schemes.iter().map(SecurityScheme::to_json).collect();
    tool.insert(SECURITY_SCHEMES.to_owned(), schemes.clone());
    let meta = tool.entry("_meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.insert(SECURITY_SCHEMES.to_owned(), schemes);
    }
}

fn meta_value(value: MetaValue) -> Value {
    match value {
        MetaValue::Flag(flag) => flag.into(),
        MetaValue::Float(number) => number.into(),
        MetaValue::Integer(number) => number.into(),
        MetaValue::Text(text) => text.into(),
    }
}

pub(super) fn icons(icons: &[Icon]) -> Option<Value> {
    let icons: Vec<_> = icons
        .iter()
        .map(|icon| {
            let Icon {
                src,
                mime_type,
                sizes,
                theme,
            } = *icon;
            let sizes = (!sizes.is_empty()).then(|| json!(sizes));
            object([
                ("src", Some(src.into())),
                ("mimeType", mime_type.map(Value::from)),
                ("sizes", sizes),
                ("theme", theme.map(Value::from)),
            ])
        })
        .collect();
    (!icons.is_empty()).then_some(Value::Array(icons))
}

fn annotations(annotations: Annotations) -> Option<Value> {
    let Annotations {
        read_only,
        destructive,
        idempotent,
        open_world,
    } = annotations;
    let hints: Map<String, Value> = [
        ("readOnlyHint", read_only),
        ("destructiveHint", destructive),
        ("idempotentHint", idempotent),
        ("openWorldHint", open_world),
    ]
    .into_iter()
    .filter_map(|(name, hint)| Some((name.to_owned(), hint?.into())))
    .collect();
    (!hints.is_empty()).then_some(Value::Object(hints))
}

const SECURITY_SCHEMES: &str = "securitySchemes";
