//! The types of fields that a person can fill in. Each type has its schema, and is read from a value
//! that obeys the schema.

use std::mem::discriminant;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A type that can be a field of a form.
///
/// The trait is needed by the code that `#[form]` generates, and gives a readable compile error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a form",
    label = "a form cannot ask for a value of this type",
    note = "a field is a `String`, a `bool`, a number, an enum with `#[mcp_auth::form]`, a `Vec` of such an enum, or an `Option` of one of these"
)]
pub trait FormField: Sized {
    /// The type of the expression in `default = …`.
    type Default: ?Sized;

    /// Returns the schema of the type, without the rules of the field.
    fn schema() -> Map<String, Value>;

    /// Returns a default as JSON.
    fn default_value(default: &Self::Default) -> Value;

    /// Reads a value that obeys the schema. Returns `None` if the type cannot hold the value. For example, an `i64`
    /// cannot hold 10 to the power of 20.
    fn from_value(value: &Value) -> Option<Self>;

    /// Returns the value of a field that the person left out. `None` if the field is required.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// A field that is required. `Option<Option<T>>` is not a field, because `Option` does not implement this trait.
pub trait Required: FormField {}

/// An enum with `#[form]`: a list of choices.
pub trait FormChoice: Sized + 'static {
    /// All choices, in the order of the declaration.
    const CHOICES: &'static [Choice<Self>];
}

/// One choice of a list.
#[derive(Debug)]
pub struct Choice<T> {
    value: &'static str,
    title: &'static str,
    variant: fn() -> T,
}

impl<T> Choice<T> {
    /// Makes a choice. If `title` is empty, the choice has no title.
    #[must_use]
    pub const fn new(value: &'static str, title: &'static str, variant: fn() -> T) -> Self {
        Self {
            value,
            title,
            variant,
        }
    }

    /// The title in one line. If the choice has no title, its value is the title.
    fn titled(&self) -> Value {
        let title = match self.title {
            "" => self.value.to_owned(),
            title => one_line(title),
        };
        json!({ "const": self.value, "title": title })
    }
}

/// A field that takes `min` and `max`.
#[diagnostic::on_unimplemented(
    message = "`min` and `max` are the limits of a number, and `{Self}` is no number",
    label = "this field is no number",
    note = "a text takes `min_length` and `max_length`, a list of choices takes `min_items` and `max_items`"
)]
pub trait NumberField: FormField {
    /// The type of a limit.
    type Number: Into<Value>;
}

/// A field that takes `min_length`, `max_length` and `format`.
#[diagnostic::on_unimplemented(
    message = "`min_length`, `max_length` and `format` are rules of a text, and `{Self}` is no text",
    label = "this field is no text",
    note = "a number takes `min` and `max`, a list of choices takes `min_items` and `max_items`"
)]
pub trait TextField: FormField {}

/// A field that takes `min_items` and `max_items`.
#[diagnostic::on_unimplemented(
    message = "`min_items` and `max_items` are the limits of a list, and `{Self}` is no list",
    label = "this field is no list of choices",
    note = "a number takes `min` and `max`, a text takes `min_length` and `max_length`"
)]
pub trait ListField: FormField {}

impl FormField for String {
    type Default = str;

    fn schema() -> Map<String, Value> {
        typed("string")
    }

    fn default_value(default: &str) -> Value {
        default.into()
    }

    fn from_value(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }
}

impl Required for String {}
impl TextField for String {}
impl TextField for Option<String> {}

impl FormField for bool {
    type Default = Self;

    fn schema() -> Map<String, Value> {
        typed("boolean")
    }

    fn default_value(default: &Self) -> Value {
        (*default).into()
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Required for bool {}

/// Implements the traits for number types. `$number` is the type of limits and defaults.
macro_rules! numbers {
    ($($ty:ty as $number:ty: $schema:expr, if $fits:expr;)+) => {$(
        impl FormField for $ty {
            type Default = $number;

            fn schema() -> Map<String, Value> {
                $schema
            }

            fn default_value(default: &$number) -> Value {
                (*default).into()
            }

            fn from_value(value: &Value) -> Option<Self> {
                Self::deserialize(value).ok().filter($fits)
            }
        }

        impl Required for $ty {}

        impl NumberField for $ty {
            type Number = $number;
        }

        impl NumberField for Option<$ty> {
            type Number = $number;
        }
    )+};
}

numbers! {
    f32 as f64: typed("number"), if |number| number.is_finite();
    f64 as f64: typed("number"), if |number| number.is_finite();
    i8 as i8: integer(i8::MIN.into(), i8::MAX.into()), if |_| true;
    i16 as i16: integer(i16::MIN.into(), i16::MAX.into()), if |_| true;
    i32 as i32: integer(i32::MIN.into(), i32::MAX.into()), if |_| true;
    i64 as i64: typed("integer"), if |_| true;
    isize as isize: typed("integer"), if |_| true;
    u8 as u8: integer(0, u8::MAX.into()), if |_| true;
    u16 as u16: integer(0, u16::MAX.into()), if |_| true;
    u32 as u32: integer(0, u32::MAX.into()), if |_| true;
    u64 as u64: natural(), if |_| true;
    usize as usize: natural(), if |_| true;
}

#[diagnostic::do_not_recommend]
impl<T: FormChoice> FormField for T {
    type Default = Self;

    fn schema() -> Map<String, Value> {
        let mut schema = typed("string");
        schema.extend([listed::<T>("oneOf")]);
        schema
    }

    fn default_value(default: &Self) -> Value {
        let is_default =
            |choice: &&Choice<T>| discriminant(&(choice.variant)()) == discriminant(default);
        let choice = T::CHOICES.iter().find(is_default);
        choice.map_or(Value::Null, |choice| choice.value.into())
    }

    fn from_value(value: &Value) -> Option<Self> {
        let value = value.as_str()?;
        let choice = T::CHOICES.iter().find(|choice| choice.value == value)?;
        Some((choice.variant)())
    }
}

#[diagnostic::do_not_recommend]
impl<T: FormChoice> Required for T {}

#[diagnostic::do_not_recommend]
impl<T: FormChoice> FormField for Vec<T> {
    type Default = [T];

    fn schema() -> Map<String, Value> {
        let (key, choices) = listed::<T>("anyOf");
        // MCP does not permit a `type` next to `anyOf`.
        let mut items = match key.as_str() {
            "enum" => typed("string"),
            _ => Map::new(),
        };
        items.insert(key, choices);
        let mut schema = typed("array");
        schema.insert("items".to_owned(), items.into());
        schema
    }

    fn default_value(default: &[T]) -> Value {
        default.iter().map(T::default_value).collect()
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::from_value).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<T: FormChoice> Required for Vec<T> {}

#[diagnostic::do_not_recommend]
impl<T: FormChoice> ListField for Vec<T> {}

#[diagnostic::do_not_recommend]
impl<T: FormChoice> ListField for Option<Vec<T>> {}

#[diagnostic::do_not_recommend]
impl<T: Required> FormField for Option<T> {
    type Default = T::Default;

    fn schema() -> Map<String, Value> {
        T::schema()
    }

    fn default_value(default: &T::Default) -> Value {
        T::default_value(default)
    }

    fn from_value(value: &Value) -> Option<Self> {
        T::from_value(value).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Joins the lines of a doc comment.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn typed(name: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), name.into())])
}

fn integer(least: i64, most: i64) -> Map<String, Value> {
    let mut schema = typed("integer");
    schema.insert("minimum".to_owned(), least.into());
    schema.insert("maximum".to_owned(), most.into());
    schema
}

fn natural() -> Map<String, Value> {
    let mut schema = typed("integer");
    schema.insert("minimum".to_owned(), 0.into());
    schema
}

/// The choices as a member of a schema: the values, or values with titles under the key `titled`
/// if at least one choice has a title.
fn listed<T: FormChoice>(titled: &str) -> (String, Value) {
    if T::CHOICES.iter().all(|choice| choice.title.is_empty()) {
        let values = T::CHOICES.iter().map(|choice| Value::from(choice.value));
        ("enum".to_owned(), values.collect())
    } else {
        let choices = T::CHOICES.iter().map(Choice::titled);
        (titled.to_owned(), choices.collect())
    }
}
