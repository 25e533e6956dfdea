//! The schema of a form: the names of the fields in order, with their schemas.
//!
//! INVARIANT: no field asks for a secret. `#[form]` checks declared forms, and `FormSchema::new` checks forms that are
//! made while the server runs.

use rmcp::model::{ElicitationSchema, PrimitiveSchemaDefinition};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use thiserror::Error;

use super::rule::{Broken, FormErrors, checked, choices, compared, present};
use super::secret::secret_in;

/// The schema of a form: the `requestedSchema` of `elicitation/create`.
///
/// For a form whose fields are known at compile time, use a type with [`#[form]`](macro@crate::form).
/// [`Form::schema`](super::Form::schema) returns its schema. For a form whose choices are known only while the server
/// runs, make the schema from the data types of MCP:
///
/// ```
/// use mcp_auth::FormSchema;
/// use mcp_auth::model::{ElicitationSchema, EnumSchema};
/// use serde_json::json;
///
/// let rooms = vec!["Ada".to_owned(), "Grace".to_owned()];
/// let room = EnumSchema::builder(rooms).build();
/// let schema = ElicitationSchema::builder()
///     .required_enum_schema("room", room)
///     .required_integer("people", 1, 12)
///     .build()
///     .unwrap();
/// let form = FormSchema::new(&schema)?;
///
/// let answer = json!({ "room": "Ada", "people": 4.0, "note": "by the window" });
/// let answer = form.read(answer.as_object().unwrap()).unwrap();
/// assert_eq!(json!(answer), json!({ "room": "Ada", "people": 4 }));
///
/// let answer = json!({ "room": "Alan" });
/// let errors = form.read(answer.as_object().unwrap()).unwrap_err();
/// assert_eq!(errors.to_string(), "`people` is missing; `room` must be one of the choices");
/// # Ok::<(), mcp_auth::FormSchemaError>(())
/// ```
///
/// `Serialize` writes the fields in the order of their declaration. A [`Map`] has them in
/// alphabetical order, unless the feature `preserve_order` of serde_json is on.
///
/// Source: MCP 2026-07-28, client: elicitation ("Requested Schema").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FormSchema {
    /// The members of the schema other than `type`, `properties` and `required`.
    head: Map<String, Value>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: String,
    schema: Map<String, Value>,
    required: bool,
}

impl FormSchema {
    /// Makes the schema of a form from the data types of MCP.
    ///
    /// # Errors
    ///
    /// - [`FormSchemaError::Secret`]: the name of a property asks for a secret. The documentation of
    ///   [`#[form]`](macro@crate::form#secrets) lists these names.
    /// - [`FormSchemaError::Choices`]: a property has no choices, or the same choice twice.
    /// - [`FormSchemaError::Limits`]: a lower limit is above the upper limit, or a limit is no
    ///   number that JSON can express.
    /// - [`FormSchemaError::Default`]: the default breaks a rule of its own property.
    /// - [`FormSchemaError::Required`]: a required property does not exist.
    /// - [`FormSchemaError::Unsupported`]: a property has a keyword that this version of the
    ///   framework does not check.
    pub fn new(schema: &ElicitationSchema) -> Result<Self, FormSchemaError> {
        let mut form = Self::default();
        for (key, text) in [
            ("$schema", &schema.schema),
            ("title", &schema.title),
            ("description", &schema.description),
        ] {
            if let Some(text) = text {
                form.head.insert(key.to_owned(), text.as_ref().into());
            }
        }
        let required = schema.required.as_deref().unwrap_or_default();
        for (name, definition) in ordered(schema) {
            if let Some(secret) = secret_in(name) {
                let property = name.clone();
                return Err(FormSchemaError::Secret { property, secret });
            }
            let members =
                members(definition).ok_or_else(|| FormSchemaError::Unsupported(name.clone()))?;
            check(name, &members)?;
            form.push(name, members, required.contains(name));
        }
        let is_known = |name: &&String| schema.properties.contains_key(*name);
        match required.iter().find(|name| !is_known(name)) {
            Some(unknown) => Err(FormSchemaError::Required(unknown.clone())),
            None => Ok(form),
        }
    }

    /// Reads the `content` of an accepted answer. Returns the properties of this form. Properties that the form does
    /// not have, and properties that are `null`, are left out. If the property is an integer, a whole number such as
    /// `10.0` is returned as the integer `10`.
    ///
    /// # Errors
    ///
    /// Returns the rules that the answer breaks: a required property is missing, or a value does not
    /// obey the schema. An integer must fit into 64 bits.
    pub fn read(&self, content: &Map<String, Value>) -> Result<Map<String, Value>, FormErrors> {
        let mut read = Map::new();
        let mut errors = FormErrors::default();
        for field in &self.fields {
            match present(content, &field.name).map(|value| checked(&field.schema, value)) {
                None if field.required => errors.push(&field.name, Broken::Missing),
                None => {}
                Some(Ok(value)) => {
                    read.insert(field.name.clone(), value);
                }
                Some(Err(broken)) => errors.push(&field.name, broken),
            }
        }
        if errors.is_empty() {
            Ok(read)
        } else {
            Err(errors)
        }
    }

    /// Returns the schema as a JSON object.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            // The keys are texts and the values are JSON, so serialization does not fail.
            Ok(_) | Err(_) => Map::new(),
        }
    }

    pub(super) fn push(&mut self, name: &str, schema: Map<String, Value>, required: bool) {
        let name = name.to_owned();
        self.fields.push(Field {
            name,
            schema,
            required,
        });
    }
}

impl Serialize for FormSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for (key, value) in &self.head {
            members.serialize_entry(key, value)?;
        }
        members.serialize_entry("type", "object")?;
        members.serialize_entry("properties", &Properties(&self.fields))?;
        let required = self.fields.iter().filter(|field| field.required);
        let required: Vec<_> = required.map(|field| &field.name).collect();
        if !required.is_empty() {
            members.serialize_entry("required", &required)?;
        }
        members.end()
    }
}

struct Properties<'a>(&'a [Field]);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|field| (&field.name, &field.schema)))
    }
}

/// The reason why a schema cannot be the schema of a form. Each variant has the name of the property.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormSchemaError {
    /// The property has no choices, or the same choice twice.
    #[error("`{0}` has no choices, or has the same choice twice")]
    Choices(String),
    /// The default breaks a rule of the property.
    #[error("the default of `{0}` breaks a rule of `{0}`")]
    Default(String),
    /// A lower limit is above the upper limit, or a limit is no number that JSON can express.
    #[error("the limits of `{0}` permit no value")]
    Limits(String),
    /// The property is required, but does not exist.
    #[error("`{0}` is required, but the form has no such property")]
    Required(String),
    /// The name of the property asks for a secret.
    #[error(
        "`{property}` asks for a secret (`{secret}`), and a form must not ask for secrets; use URL mode"
    )]
    Secret {
        /// The name of the property.
        property: String,
        /// The words that name the secret.
        secret: &'static str,
    },
    /// The property has a keyword or a type that this version of the framework does not check.
    #[error("`{0}` has a schema that is not allowed in a form")]
    Unsupported(String),
}

/// The properties in the order in which the person sees them.
fn ordered(
    schema: &ElicitationSchema,
) -> impl Iterator<Item = (&String, &PrimitiveSchemaDefinition)> {
    let order = schema.property_order.as_deref().unwrap_or_default();
    let first = order
        .iter()
        .filter_map(|name| schema.properties.get_key_value(name));
    let rest = schema
        .properties
        .iter()
        .filter(move |(name, _)| !order.contains(name));
    first.chain(rest)
}

fn members(definition: &PrimitiveSchemaDefinition) -> Option<Map<String, Value>> {
    match serde_json::to_value(definition) {
        Ok(Value::Object(members)) => Some(members),
        Ok(_) | Err(_) => None,
    }
}

/// Checks that values can obey the schema of a property, and that `rule` checks every keyword.
pub(super) fn check(name: &str, schema: &Map<String, Value>) -> Result<(), FormSchemaError> {
    if schema.keys().any(|key| !KEYWORDS.contains(&key.as_str())) {
        return Err(FormSchemaError::Unsupported(name.to_owned()));
    }
    let items = schema.get("items").and_then(Value::as_object);
    let listed = items.unwrap_or(schema);
    let list = ["anyOf", "enum", "oneOf"]
        .iter()
        .find_map(|key| listed.get(*key));
    if let Some(list) = list {
        let distinct = choices(listed).map_or(0, |choices| choices.len());
        if distinct == 0 || list.as_array().is_none_or(|list| list.len() != distinct) {
            return Err(FormSchemaError::Choices(name.to_owned()));
        }
    }
    for [least, most] in [
        ["minimum", "maximum"],
        ["minLength", "maxLength"],
        ["minItems", "maxItems"],
    ] {
        let limit = |key| schema.get(key).map(|limit| limit.as_number().ok_or(limit));
        let is_possible = match (limit(least), limit(most)) {
            (Some(Err(_)), _) | (_, Some(Err(_))) => false,
            (Some(Ok(least)), Some(Ok(most))) => compared(least, most).is_le(),
            (Some(Ok(_)), None) | (None, Some(Ok(_)) | None) => true,
        };
        if !is_possible {
            return Err(FormSchemaError::Limits(name.to_owned()));
        }
    }
    match schema
        .get("default")
        .map(|default| checked(schema, default))
    {
        Some(Err(_)) => Err(FormSchemaError::Default(name.to_owned())),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// The keywords that a property of a form can have.
const KEYWORDS: [&str; 16] = [
    "anyOf",
    "default",
    "description",
    "enum",
    "enumNames",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "title",
    "type",
];
