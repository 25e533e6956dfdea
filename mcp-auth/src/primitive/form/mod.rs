//! Forms: types that a person fills in (MCP elicitation, form mode).
//!
//! A form is a list of fields with rules. The schema and the reader of an answer are made from the same list, so the
//! server accepts exactly the answers that the schema permits. This module does not ask the questions, and does not
//! know the connection.
//!
//! INVARIANT: no form asks for a secret (`secret`).

mod field;
mod fields;
mod format;
#[cfg(test)]
mod properties;
mod rule;
mod schema;
mod secret;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use self::field::{Choice, FormChoice};
pub use self::fields::FormFields;
pub use self::rule::FormErrors;
pub use self::schema::{FormSchema, FormSchemaError};

/// A type whose fields a person fills in: a struct with [`#[form]`](macro@crate::form).
///
/// The attribute `#[form]` implements this trait. The documentation of the attribute describes fields and rules.
///
/// ```
/// use mcp_auth::Form;
/// use serde_json::json;
///
/// #[mcp_auth::form]
/// struct Booking {
///     /// The date of arrival.
///     #[form(format = "date")]
///     arrival: String,
///     #[form(min = 1, max = 6, default = 2)]
///     guests: u8,
///     note: Option<String>,
/// }
///
/// assert_eq!(json!(Booking::schema()), json!({
///     "type": "object",
///     "properties": {
///         "arrival": { "type": "string", "description": "The date of arrival.", "format": "date" },
///         "guests": { "type": "integer", "minimum": 1, "maximum": 6, "default": 2 },
///         "note": { "type": "string" },
///     },
///     "required": ["arrival", "guests"],
/// }));
///
/// let answer = json!({ "arrival": "2026-07-28", "guests": 3 });
/// let booking = Booking::read(answer.as_object().unwrap())?;
/// assert_eq!((booking.guests, booking.note), (3, None));
/// # Ok::<(), mcp_auth::FormErrors>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a form",
    label = "a person cannot fill in this type",
    note = "a form is a struct with `#[mcp_auth::form]`"
)]
pub trait Form: Sized + Send + 'static {
    /// Returns the schema of the form: the `requestedSchema` of `elicitation/create`.
    #[must_use]
    fn schema() -> FormSchema {
        let mut fields = FormFields::of(None);
        let _ = Self::fill_in(&mut fields);
        fields.into_schema()
    }

    /// Reads the `content` of an accepted answer. Properties that the form does not have are
    /// ignored, and `null` counts as absent.
    ///
    /// # Errors
    ///
    /// Returns the rules that the answer breaks: a required property is missing, or a value does not
    /// obey the schema. A number must fit into the type of its field.
    fn read(content: &Map<String, Value>) -> Result<Self, FormErrors> {
        let mut fields = FormFields::of(Some(content));
        Self::fill_in(&mut fields).ok_or_else(|| fields.into_errors())
    }

    /// Declares the fields, and returns the form if every field has a value.
    #[doc(hidden)]
    fn fill_in(fields: &mut FormFields<'_>) -> Option<Self>;
}

/// A form without fields, with which a person only agrees.
impl Form for () {
    fn fill_in(_: &mut FormFields<'_>) -> Option<Self> {
        Some(())
    }
}
