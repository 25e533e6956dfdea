//! The declaration of a form's fields. `#[form]` generates one function, which makes the schema and also reads the
//! answer.

use std::fmt;
use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::field::{FormField, ListField, NumberField, TextField};
use super::rule::{Broken, FormErrors, checked, present};
use super::schema::FormSchema;

/// Collects the fields of a form, and reads them if there is an answer.
#[derive(Debug, Default)]
pub struct FormFields<'a> {
    content: Option<&'a Map<String, Value>>,
    schema: FormSchema,
    errors: FormErrors,
}

impl<'a> FormFields<'a> {
    pub(super) fn of(content: Option<&'a Map<String, Value>>) -> Self {
        Self {
            content,
            ..Self::default()
        }
    }

    /// Adds a field. If the description is empty, the field has no description. Returns the value of the field, or
    /// `None` if there is no answer or the value is wrong.
    pub fn field<T: FormField>(
        &mut self,
        name: &'static str,
        description: &str,
        rules: fn(Property<T>) -> Property<T>,
    ) -> Option<T> {
        let Property { schema, .. } = rules(Property::new(description));
        let absent = T::absent();
        let required = absent.is_none();
        let read = self.content.map(|content| {
            let Some(value) = present(content, name) else {
                return absent.ok_or(Broken::Missing);
            };
            let value = checked(&schema, value)?;
            T::from_value(&value).ok_or(Broken::OutOfRange)
        });
        self.schema.push(name, schema, required);
        match read? {
            Ok(value) => Some(value),
            Err(broken) => {
                self.errors.push(name, broken);
                None
            }
        }
    }

    pub(super) fn into_schema(self) -> FormSchema {
        self.schema
    }

    pub(super) fn into_errors(self) -> FormErrors {
        self.errors
    }
}

/// The schema of one field. The methods add the rules of the field.
#[must_use]
pub struct Property<T> {
    schema: Map<String, Value>,
    of: PhantomData<fn() -> T>,
}

impl<T: FormField> Property<T> {
    fn new(description: &str) -> Self {
        let property = Self {
            schema: T::schema(),
            of: PhantomData,
        };
        match description.trim() {
            "" => property,
            text => property.with("description", text.into()),
        }
    }

    /// Sets the default value of the field, which the client fills in. Call this method after the methods that set
    /// rules, because a default that breaks a rule of the field is left out.
    pub fn default(self, default: &T::Default) -> Self {
        let default = T::default_value(default);
        match checked(&self.schema, &default) {
            Ok(default) => self.with("default", default),
            Err(_) => self,
        }
    }

    /// Sets the name that the person reads.
    pub fn title(self, title: &str) -> Self {
        self.with("title", title.into())
    }

    /// Sets the smallest number.
    pub fn min(self, least: T::Number) -> Self
    where
        T: NumberField,
    {
        self.with("minimum", least.into())
    }

    /// Sets the largest number.
    pub fn max(self, most: T::Number) -> Self
    where
        T: NumberField,
    {
        self.with("maximum", most.into())
    }

    /// Sets the smallest number of characters.
    pub fn min_length(self, least: u32) -> Self
    where
        T: TextField,
    {
        self.with("minLength", least.into())
    }

    /// Sets the largest number of characters.
    pub fn max_length(self, most: u32) -> Self
    where
        T: TextField,
    {
        self.with("maxLength", most.into())
    }

    /// Sets the format of a text.
    pub fn format(self, format: &str) -> Self
    where
        T: TextField,
    {
        self.with("format", format.into())
    }

    /// Sets the smallest number of choices.
    pub fn min_items(self, least: u32) -> Self
    where
        T: ListField,
    {
        self.with("minItems", least.into())
    }

    /// Sets the largest number of choices.
    pub fn max_items(self, most: u32) -> Self
    where
        T: ListField,
    {
        self.with("maxItems", most.into())
    }

    fn with(mut self, keyword: &str, value: Value) -> Self {
        self.schema.insert(keyword.to_owned(), value);
        self
    }
}

impl<T> fmt::Debug for Property<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Property").field(&self.schema).finish()
    }
}
