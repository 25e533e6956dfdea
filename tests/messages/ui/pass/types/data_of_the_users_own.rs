//! Structs and enums of the user's, without a word of serde or schemars in scope.

use std::collections::BTreeMap;
use std::fmt;

use mcp_auth::{Json, data, mcp_tool};

/// A unit.
#[data]
struct Nothing;

/// A newtype.
#[data]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Celsius(f64);

#[data]
#[serde(transparent)]
struct Name {
    name: String,
}

#[data]
#[derive(Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Reading")]
struct Reading<T: fmt::Debug = Celsius> {
    /// A temperature.
    #[schemars(description = "In degrees")]
    read_value: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    nested: Vec<Self>,
}

#[derive(Debug, Default)]
#[data]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Newest,
    #[serde(alias = "name")]
    Title,
    By {
        column: String,
        descending: bool,
    },
    Pair(u8, u8),
}

#[data(allow_unknown)]
#[serde(tag = "kind")]
enum Shape {
    Circle { radius: f64 },
    Point,
}

#[data(allow_unknown)]
struct Open {
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

mod framework {
    pub(super) use mcp_auth::__private;
}

#[data(crate = framework)]
struct Elsewhere {
    value: u8,
}

#[mcp_tool]
async fn measure(
    #[arg(default)] order: Order,
    shape: Shape,
    name: Name,
    nothing: Nothing,
    elsewhere: Elsewhere,
    #[arg(flatten)] open: Open,
) -> Json<Reading> {
    let size = match shape {
        Shape::Circle { radius } => radius,
        Shape::Point => 0.0,
    };
    let Nothing = nothing;
    let sum: u8 = open.rest.values().sum();
    Json(Reading {
        read_value: Celsius(size + f64::from(elsewhere.value + sum)),
        note: Some(format!("{order:?} {}", name.name)),
        nested: Vec::new(),
    })
}
