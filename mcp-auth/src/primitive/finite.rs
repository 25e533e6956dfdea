//! Finds numbers that JSON cannot express. serde_json would write `NaN` and the infinities as
//! `null`, which the schema does not permit.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::{self, Serializer};
use serde_json::ser::Formatter;
use thiserror::Error;

use super::error::BoxError;

/// A result contains a number that JSON cannot express.
#[derive(Debug, Error)]
#[error("the result{} is a number that JSON cannot express (NaN or infinite)", At(.path))]
struct NotFinite {
    path: String,
}

struct At<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.trim_start_matches('.') {
            "" => Ok(()),
            path => write!(f, " at `{path}`"),
        }
    }
}

/// Writes a value as JSON.
///
/// # Errors
///
/// - A number in the value is not finite. The error names its path.
/// - serde_json cannot serialise the value.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, BoxError> {
    let mut json = Vec::with_capacity(128);
    let mut wrote_null = false;
    let watch = NullWatch(&mut wrote_null);
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut json, watch,
    ))?;
    // Search the value only if its JSON has a `null`, because a number that is not finite becomes `null`.
    if wrote_null {
        let mut path = String::new();
        if let Err(Stopped::NotFinite) = value.serialize(Search(&mut path)) {
            return Err(NotFinite { path }.into());
        }
    }
    Ok(String::from_utf8(json)?)
}

/// Writes a number as text.
///
/// # Errors
///
/// - The number is not finite.
pub(super) fn to_text(number: impl Into<f64> + ToString) -> Result<String, BoxError> {
    let text = number.to_string();
    if number.into().is_finite() {
        Ok(text)
    } else {
        let path = String::new();
        Err(NotFinite { path }.into())
    }
}

/// Writes compact JSON, and notes whether the JSON has a `null`.
struct NullWatch<'a>(&'a mut bool);

impl Formatter for NullWatch<'_> {
    fn write_null<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        *self.0 = true;
        writer.write_all(b"null")
    }
}

/// A serialiser that stops at the first number that is not finite. The text in it is then the path to this
/// number.
struct Search<'a>(&'a mut String);

/// The reason why a search ended early.
#[derive(Debug)]
enum Stopped {
    NotFinite,
    /// The value cannot be serialised a second time.
    Unsearchable,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFinite => "not finite",
            Self::Unsearchable => "not serialised twice",
        })
    }
}

impl std::error::Error for Stopped {}

impl ser::Error for Stopped {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Unsearchable
    }
}

type Searched = Result<(), Stopped>;

/// The elements or members of a value.
struct Inner<'a> {
    path: &'a mut String,
    /// The length of the path to the container itself.
    length: usize,
    index: usize,
}

impl Inner<'_> {
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Searched {
        self.path.push('.');
        self.path.push_str(name);
        self.finish(value)
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Searched {
        // Writing to a string does not fail.
        let _ = write!(self.path, "[{}]", self.index);
        self.index += 1;
        self.finish(value)
    }

    fn finish<T: Serialize + ?Sized>(&mut self, value: &T) -> Searched {
        value.serialize(Search(self.path))?;
        self.path.truncate(self.length);
        Ok(())
    }
}

impl<'a> Search<'a> {
    fn inner(self) -> Inner<'a> {
        Inner {
            length: self.0.len(),
            path: self.0,
            index: 0,
        }
    }

    fn inner_of_variant(self, variant: &str) -> Inner<'a> {
        self.0.push('.');
        self.0.push_str(variant);
        self.inner()
    }
}

macro_rules! nothing {
    ($($method:ident($($ty:ty),*))+) => {$(
        fn $method(self, $(_: $ty),*) -> Searched {
            Ok(())
        }
    )+};
}

impl<'a> Serializer for Search<'a> {
    type Ok = ();
    type Error = Stopped;
    type SerializeSeq = Inner<'a>;
    type SerializeTuple = Inner<'a>;
    type SerializeTupleStruct = Inner<'a>;
    type SerializeTupleVariant = Inner<'a>;
    type SerializeMap = Inner<'a>;
    type SerializeStruct = Inner<'a>;
    type SerializeStructVariant = Inner<'a>;

    nothing! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128)
        serialize_none() serialize_unit() serialize_unit_struct(&'static str)
        serialize_unit_variant(&'static str, u32, &'static str)
    }

    fn serialize_f32(self, number: f32) -> Searched {
        self.serialize_f64(number.into())
    }

    fn serialize_f64(self, number: f64) -> Searched {
        number.is_finite().then_some(()).ok_or(Stopped::NotFinite)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Searched {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Searched {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Searched {
        self.inner().member(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inner<'a>, Stopped> {
        Ok(self.inner())
    }

    fn serialize_tuple(self, _: usize) -> Result<Inner<'a>, Stopped> {
        Ok(self.inner())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inner<'a>, Stopped> {
        Ok(self.inner())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inner<'a>, Stopped> {
        Ok(self.inner_of_variant(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inner<'a>, Stopped> {
        Ok(self.inner())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inner<'a>, Stopped> {
        Ok(self.inner())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Inner<'a>, Stopped> {
        Ok(self.inner_of_variant(variant))
    }
}

macro_rules! inner {
    ($($kind:ident: $method:ident($($name:ident: $ty:ty)?) is $search:ident;)+) => {$(
        impl ser::$kind for Inner<'_> {
            type Ok = ();
            type Error = Stopped;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $ty,)? value: &T) -> Searched {
                self.$search($($name,)? value)
            }

            fn end(self) -> Searched {
                Ok(())
            }
        }
    )+};
}

inner! {
    SerializeSeq: serialize_element() is element;
    SerializeTuple: serialize_element() is element;
    SerializeTupleStruct: serialize_field() is element;
    SerializeTupleVariant: serialize_field() is element;
    SerializeStruct: serialize_field(name: &'static str) is member;
    SerializeStructVariant: serialize_field(name: &'static str) is member;
}

impl ser::SerializeMap for Inner<'_> {
    type Ok = ();
    type Error = Stopped;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Searched {
        self.path.truncate(self.length);
        self.path.push('.');
        match serde_json::to_value(key) {
            Ok(serde_json::Value::String(name)) => self.path.push_str(&name),
            Ok(other) => self.path.push_str(&other.to_string()),
            Err(_) => {}
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Searched {
        self.finish(value)
    }

    fn end(self) -> Searched {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        Circle(f64),
        Line(f64, f32),
        Square { side: f64 },
    }

    #[derive(Serialize)]
    struct Report {
        name: Option<&'static str>,
        mean: Option<f64>,
        shapes: Vec<Shape>,
        by_day: BTreeMap<u8, (u8, f32)>,
    }

    fn report() -> Report {
        Report {
            name: None,
            mean: Some(1.0),
            shapes: vec![
                Shape::Circle(1.0),
                Shape::Line(1.0, 2.0),
                Shape::Square { side: 3.0 },
            ],
            by_day: BTreeMap::from([(1, (1, 1.0)), (7, (2, 2.0))]),
        }
    }

    #[test]
    fn finite_numbers_are_written_as_serde_json_writes_them() {
        let report = report();
        assert_eq!(
            to_json(&report).unwrap(),
            serde_json::to_string(&report).unwrap()
        );
        assert_eq!(to_json(&None::<f64>).unwrap(), "null");
        assert_eq!(to_text(2.5_f32).unwrap(), "2.5");
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error_that_names_its_place() {
        type Change = fn(&mut Report);
        let rows: [(Change, &str); 5] = [
            (|report| report.mean = Some(f64::NAN), "mean"),
            (
                |report| report.shapes[0] = Shape::Circle(f64::INFINITY),
                "shapes[0].Circle",
            ),
            (
                |report| report.shapes[1] = Shape::Line(1.0, f32::NEG_INFINITY),
                "shapes[1].Line[1]",
            ),
            (
                |report| report.shapes[2] = Shape::Square { side: f64::NAN },
                "shapes[2].Square.side",
            ),
            (
                |report| report.by_day.get_mut(&7).unwrap().1 = f32::NAN,
                "by_day.7[1]",
            ),
        ];
        for (change, place) in rows {
            let mut report = report();
            change(&mut report);
            assert_eq!(
                to_json(&report).unwrap_err().to_string(),
                format!(
                    "the result at `{place}` is a number that JSON cannot express (NaN or infinite)"
                )
            );
        }
        for result in [to_json(&f64::NAN), to_text(f32::INFINITY)] {
            let message = result.unwrap_err().to_string();
            assert!(
                message.starts_with("the result is a number that JSON"),
                "{message}"
            );
        }
    }
}
