//! The published schemas of the protocol, and assertions that values match them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::support::Era;

/// Expects that a value matches `definition` of the era's schema.
#[track_caller]
pub(crate) fn expect_valid(era: Era, definition: &'static str, value: &Value) {
    let validator = validator(era, definition);
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "no {definition}: {errors:?} in {value}");
}

/// Expects that a value matches `definition` of the schema of the extension for tasks.
#[track_caller]
pub(crate) fn expect_task(definition: &str, value: &Value) {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let text = include_str!("../../conformance/schema-tasks.json");
        serde_json::from_str(text).unwrap()
    });
    let mut schema = SCHEMA.clone();
    assert!(schema["$defs"].get(definition).is_some(), "{definition}");
    schema["$ref"] = json!(format!("#/$defs/{definition}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(value), "no {definition}: {value}");
}

/// Expects a response whose result matches `definition`.
#[track_caller]
pub(crate) fn expect_result(era: Era, definition: &'static str, reply: &Reply) -> Value {
    let result = reply.result();
    assert!(!reply.body.contains(&b'\n'), "one message, one line");
    expect_valid(era, "JSONRPCResultResponse", &reply.json());
    expect_valid(era, definition, &result);
    match era {
        Era::Legacy => {
            for modern in ["resultType", "ttlMs", "cacheScope"] {
                assert!(result.get(modern).is_none(), "{modern} in {result}");
            }
        }
        Era::Modern => {
            assert_eq!(result["resultType"], "complete");
            let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
            expect_valid(era, "Implementation", server);
        }
    }
    result
}

/// Expects an error response of the era's schema.
#[track_caller]
pub(crate) fn expect_error(era: Era, status: u16, code: i64, reply: &Reply) -> Value {
    reply.expect_rpc_error(status, code);
    let body = reply.json();
    expect_valid(era, "JSONRPCErrorResponse", &body);
    match (era, code) {
        (Era::Modern, -32020) => expect_valid(era, "HeaderMismatchError", &body),
        (Era::Modern, -32022) => expect_valid(era, "UnsupportedProtocolVersionError", &body),
        (Era::Modern, -32600) => expect_valid(era, "InvalidRequestError", &body["error"]),
        (Era::Modern, -32601) => expect_valid(era, "MethodNotFoundError", &body["error"]),
        (Era::Modern, -32602) => expect_valid(era, "InvalidParamsError", &body["error"]),
        (Era::Modern, -32700) => expect_valid(era, "ParseError", &body["error"]),
        _ => {}
    }
    body
}

/// Expects that a value matches a tool's own schema.
#[track_caller]
pub(crate) fn expect_fits(schema: &Value, value: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    assert!(validator.is_valid(value), "{value} against {schema}");
}

/// Validators by era and definition. They are cached, because compiling one takes longer than most
/// tests.
#[derive(Default)]
struct Compiled(Mutex<HashMap<(bool, &'static str), Arc<Validator>>>);

fn validator(era: Era, definition: &'static str) -> Arc<Validator> {
    static COMPILED: LazyLock<Compiled> = LazyLock::new(Compiled::default);
    let mut compiled = COMPILED.0.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (era == Era::Modern, definition);
    let compile = || {
        let text = match era {
            Era::Legacy => include_str!("../../conformance/schema-2025-11-25.json"),
            Era::Modern => include_str!("../../conformance/schema-2026-07-28.json"),
        };
        let mut schema: Value = serde_json::from_str(text).unwrap();
        assert!(schema["$defs"].get(definition).is_some(), "{definition}");
        schema["$ref"] = json!(format!("#/$defs/{definition}"));
        Arc::new(jsonschema::validator_for(&schema).unwrap())
    };
    Arc::clone(compiled.entry(key).or_insert_with(compile))
}
