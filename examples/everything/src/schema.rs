//! A tool whose schema has keywords that do not follow from its types. The attribute `extend` of
//! schemars adds any keyword of JSON Schema 2020-12 to a schema, and clients receive the keyword
//! unchanged.

use mcp_auth::mcp_tool;

/// A postal address.
#[mcp_auth::data]
struct Address {
    street: Option<String>,
    city: Option<String>,
}

/// A way to contact a person.
#[mcp_auth::data]
#[serde(rename_all = "camelCase")]
#[schemars(extend(
    "$schema" = "https://json-schema.org/draft/2020-12/schema",
    "$defs" = { "address": {
        "$anchor": "addressDefinition",
        "type": "object",
        "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
    } },
    "allOf" = [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
    "if" = { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
    "then" = { "required": ["phone"] },
    "else" = { "required": ["email"] }
))]
struct Contact {
    name: Option<String>,
    address: Option<Address>,
    contact_method: Option<String>,
    phone: Option<String>,
    email: Option<String>,
}

/// Describe how to reach somebody.
#[mcp_tool(read_only, closed_world)]
async fn json_schema_2020_12_tool(#[arg(flatten)] contact: Contact) -> String {
    let name = contact.name.unwrap_or_else(|| "Somebody".to_owned());
    let city = contact
        .address
        .and_then(|address| address.street.and(address.city));
    let by = match contact.contact_method.as_deref() {
        Some("phone") => contact.phone,
        Some(_) | None => contact.email.or(contact.phone),
    };
    format!(
        "{name} of {}: {}",
        city.as_deref().unwrap_or("an unknown place"),
        by.as_deref().unwrap_or("cannot be reached")
    )
}
