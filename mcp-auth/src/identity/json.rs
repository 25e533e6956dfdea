//! JSON in which no member of an object occurs twice.
//!
//! RFC 7515 §4 and RFC 7519 §4 want duplicate names refused, or the last one taken. Two readers of
//! one token must not see two different tokens, so duplicate names are refused.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// Reads one JSON object; nothing else may follow.
pub(crate) fn parse_object(text: &[u8]) -> Result<Object, serde_json::Error> {
    match serde_json::from_slice(text)? {
        Unambiguous(Value::Object(object)) => Ok(object),
        Unambiguous(_) => Err(serde_json::Error::custom("not an object")),
    }
}

/// A value without duplicate members.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Self)
    }
}

struct UnambiguousVisitor;

impl<'de> Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unambiguous(value))) = access.next_entry()? {
            match members.entry::<String>(name) {
                Entry::Vacant(place) => place.insert(value),
                Entry::Occupied(_) => return Err(A::Error::custom("a member occurs twice")),
            };
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unambiguous(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_reads_as_serde_json_reads_it() {
        let text = r#"{"a":[1,-2,2.5,1e3,true,null,"x\u0041",{"b":{}}],"c":18446744073709551615}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            Value::Object(parse_object(text.as_bytes()).unwrap()),
            expected
        );
    }

    #[test]
    fn a_member_is_found_whatever_the_order_and_however_its_name_is_written() {
        let object = parse_object(br#"{"b":1,"\u0063":"x\n","a":"y"}"#).unwrap();
        assert_eq!(object.get("a").and_then(Value::as_str), Some("y"));
        assert_eq!(object.get("b").and_then(Value::as_f64), Some(1.0));
        assert_eq!(object.get("c").and_then(Value::as_str), Some("x\n"));
        assert_eq!(object.get("d"), None);
    }

    #[test]
    fn a_member_that_occurs_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert!(parse_object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_object(br#"{"a":{"a":1}}"#).is_ok());
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        let deep = "[".repeat(10_000);
        for text in [
            "",
            "null",
            "[]",
            "7",
            "\"x\"",
            "{} {}",
            "{\"a\":}",
            "{\"a\":1e999}",
            &deep,
        ] {
            assert!(
                parse_object(text.as_bytes()).is_err(),
                "{}",
                text.get(..8).unwrap_or(text)
            );
        }
        assert_eq!(
            parse_object(b" {} ").unwrap(),
            json!({}).as_object().cloned().unwrap()
        );
    }
}
