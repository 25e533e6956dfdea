//! Attributes of serde and schemars on a parameter apply to the field.

use mcp_auth::mcp_tool;
use serde::{Deserialize, Deserializer};

/// No serde, no schemars: the attributes on the parameter say how.
struct Celsius(f64);

fn celsius<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Celsius, D::Error> {
    f64::deserialize(deserializer).map(Celsius)
}

fn forty_two() -> u8 {
    42
}

#[mcp_tool]
async fn measure(
    #[serde(alias = "temp", deserialize_with = "celsius")]
    #[schemars(with = "f64", title = "Temperature", extend("unit" = "°C"))]
    temperature: Celsius,
    #[serde(default = "forty_two")] count: u8,
    #[serde(rename = "where")] place: String,
    #[serde(skip)] internal: Option<String>,
) -> String {
    format!("{} {count} {place} {internal:?}", temperature.0)
}
