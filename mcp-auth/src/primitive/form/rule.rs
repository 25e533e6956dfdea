//! Checks a value that a person gave against the schema of its property.
//!
//! INVARIANT: a value is accepted only if every keyword of its schema was checked. A message names the property and the
//! rule. It never contains the value, because the value can be personal.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::format::Format;

/// The rules that an answer breaks: one rule for each property.
///
/// The text names the properties and the rules, but contains no value of the answer: `` `age` must be at most 150;
/// `name` is missing ``. The text may be shown to the person and to the client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FormErrors(Vec<(String, Broken)>);

impl FormErrors {
    pub(super) fn push(&mut self, property: &str, broken: Broken) {
        self.0.push((property.to_owned(), broken));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the properties that are missing or wrong.
    ///
    /// ```
    /// use mcp_auth::Form;
    ///
    /// #[mcp_auth::form]
    /// #[derive(Debug)]
    /// struct Visit {
    ///     city: String,
    ///     days: u8,
    /// }
    ///
    /// let answer = serde_json::json!({ "days": 1000 });
    /// let errors = Visit::read(answer.as_object().unwrap()).unwrap_err();
    /// assert_eq!(errors.properties().collect::<Vec<_>>(), ["city", "days"]);
    /// assert_eq!(errors.to_string(), "`city` is missing; `days` must be at most 255");
    /// ```
    pub fn properties(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(property, _)| property.as_str())
    }
}

impl std::error::Error for FormErrors {}

impl fmt::Display for FormErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (property, broken)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}`{property}` {broken}")?;
        }
        Ok(())
    }
}

/// A rule that a value breaks.
#[derive(Clone, Debug, Error, PartialEq)]
pub(super) enum Broken {
    #[error("must be {0}")]
    Format(Format),
    #[error("is missing")]
    Missing,
    #[error("must be true or false")]
    NotBoolean,
    #[error("must be one of the choices")]
    NotChoice,
    #[error("must be a whole number")]
    NotInteger,
    #[error("must be a list of choices")]
    NotList,
    #[error("must be a number")]
    NotNumber,
    #[error("must be a text")]
    NotText,
    #[error("is a number that is too large")]
    OutOfRange,
    #[error("must have at least {0} choices")]
    TooFew(u64),
    #[error("must be at most {0}")]
    TooLarge(Number),
    #[error("must have at most {0} characters")]
    TooLong(u64),
    #[error("must have at most {0} choices")]
    TooMany(u64),
    #[error("must have at least {0} characters")]
    TooShort(u64),
    #[error("must be at least {0}")]
    TooSmall(Number),
    #[error("has a schema that is not allowed in a form")]
    Unsupported,
}

/// Returns the value of a property. `null` counts as absent.
pub(super) fn present<'a>(content: &'a Map<String, Value>, property: &str) -> Option<&'a Value> {
    content.get(property).filter(|value| !value.is_null())
}

/// Returns the value if it obeys the schema. A whole number such as `10.0` is returned as an
/// integer.
pub(super) fn checked(schema: &Map<String, Value>, value: &Value) -> Result<Value, Broken> {
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => list(schema, value)?,
        Some("boolean") if value.is_boolean() => {}
        Some("boolean") => return Err(Broken::NotBoolean),
        Some("integer") => return integer(schema, value),
        Some("number") => number(schema, value.as_number().ok_or(Broken::NotNumber)?)?,
        Some("string") => text(schema, value)?,
        _ => return Err(Broken::Unsupported),
    }
    Ok(value.clone())
}

/// The values of the choices in a schema: `enum`, `oneOf` or `anyOf`.
pub(super) fn choices(schema: &Map<String, Value>) -> Option<HashSet<&str>> {
    if let Some(plain) = schema.get("enum") {
        return plain.as_array()?.iter().map(Value::as_str).collect();
    }
    let titled = schema.get("oneOf").or_else(|| schema.get("anyOf"))?;
    titled
        .as_array()?
        .iter()
        .map(|choice| choice.get("const").and_then(Value::as_str))
        .collect()
}

fn list(schema: &Map<String, Value>, value: &Value) -> Result<(), Broken> {
    let items = schema.get("items").and_then(Value::as_object);
    let choices = items.and_then(choices).ok_or(Broken::Unsupported)?;
    let chosen = value.as_array().ok_or(Broken::NotList)?;
    within(
        schema,
        ("minItems", Broken::TooFew),
        ("maxItems", Broken::TooMany),
        chosen.len(),
    )?;
    let is_choice = |item: &Value| item.as_str().is_some_and(|item| choices.contains(item));
    if chosen.iter().all(is_choice) {
        Ok(())
    } else {
        Err(Broken::NotChoice)
    }
}

fn text(schema: &Map<String, Value>, value: &Value) -> Result<(), Broken> {
    if ["enum", "oneOf", "anyOf"]
        .iter()
        .any(|key| schema.contains_key(*key))
    {
        let choices = choices(schema).ok_or(Broken::Unsupported)?;
        let is_choice = value.as_str().is_some_and(|text| choices.contains(text));
        return is_choice.then_some(()).ok_or(Broken::NotChoice);
    }
    let text = value.as_str().ok_or(Broken::NotText)?;
    within(
        schema,
        ("minLength", Broken::TooShort),
        ("maxLength", Broken::TooLong),
        text.chars().count(),
    )?;
    let Some(format) = schema.get("format") else {
        return Ok(());
    };
    let format = format.as_str().and_then(Format::named);
    let format = format.ok_or(Broken::Unsupported)?;
    if format.fits(text) {
        Ok(())
    } else {
        Err(Broken::Format(format))
    }
}

type Bound = (&'static str, fn(u64) -> Broken);

fn within(
    schema: &Map<String, Value>,
    (least, too_few): Bound,
    (most, too_many): Bound,
    count: usize,
) -> Result<(), Broken> {
    let bound = |key| match schema.get(key) {
        Some(bound) => bound.as_u64().map(Some).ok_or(Broken::Unsupported),
        None => Ok(None),
    };
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    match (bound(least)?, bound(most)?) {
        (Some(least), _) if count < least => Err(too_few(least)),
        (_, Some(most)) if count > most => Err(too_many(most)),
        _ => Ok(()),
    }
}

fn integer(schema: &Map<String, Value>, value: &Value) -> Result<Value, Broken> {
    let value = value.as_number().ok_or(Broken::NotInteger)?;
    let whole = match whole(value) {
        Some(whole) => Some(whole),
        None if value.as_f64().is_some_and(|value| value.fract() == 0.0) => None,
        None => return Err(Broken::NotInteger),
    };
    number(schema, value)?;
    let whole = whole.ok_or(Broken::OutOfRange)?;
    let value = u64::try_from(whole).map(Value::from);
    value
        .or_else(|_| i64::try_from(whole).map(Value::from))
        .map_err(|_| Broken::OutOfRange)
}

fn number(schema: &Map<String, Value>, value: &Number) -> Result<(), Broken> {
    let bound = |key| match schema.get(key) {
        Some(bound) => bound.as_number().map(Some).ok_or(Broken::Unsupported),
        None => Ok(None),
    };
    match (bound("minimum")?, bound("maximum")?) {
        (Some(least), _) if compared(value, least) == Ordering::Less => {
            Err(Broken::TooSmall(least.clone()))
        }
        (_, Some(most)) if compared(value, most) == Ordering::Greater => {
            Err(Broken::TooLarge(most.clone()))
        }
        _ => Ok(()),
    }
}

/// Compares two numbers. Whole numbers are compared exactly.
pub(super) fn compared(left: &Number, right: &Number) -> Ordering {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => {
            let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
            float(left).total_cmp(&float(right))
        }
    }
}

/// Returns the number as an integer. `None` if the number has a fraction, or does not fit into 65
/// bits.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    let number = number.as_f64()?;
    let is_whole = number.fract() == 0.0 && number.abs() <= 2_f64.powi(64);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the number is whole, and 65 bits fit"
    )]
    is_whole.then_some(number as i128)
}
