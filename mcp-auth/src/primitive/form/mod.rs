//! Forms.

use serde_json::{Map, Value, json};

/// A form that a person fills in.
pub trait Form: Sized + Send + 'static {
    /// The schema.
    fn schema() -> Map<String, Value>;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// - What is wrong.
    fn read(content: &Map<String, Value>) -> Result<Self, String>;
}

impl Form for () {
    fn schema() -> Map<String, Value> {
        match json!({ "type": "object", "properties": {} }) {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }

    fn read(_: &Map<String, Value>) -> Result<Self, String> {
        Ok(())
    }
}
