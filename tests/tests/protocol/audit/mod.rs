//! The audit log: one record for each decision, in memory and in files.

mod files;
mod load;
mod outcomes;
mod pressure;
mod sign_ins;
mod tasks;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use mcp_auth::{AuditRecord, AuditSink, ServerBuilder};
use serde_json::Value;

use crate::support::{Ask, World, eventually};

/// A sink whose records the test reads.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Value>>>);

impl AuditSink for Kept {
    fn write(&mut self, record: &AuditRecord) -> io::Result<()> {
        let record = serde_json::from_str(&record.to_json()).unwrap();
        expect_valid(&record);
        self.0.lock().unwrap().push(record);
        Ok(())
    }
}

impl Kept {
    async fn world(
        module: &str,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> (World, Self) {
        let kept = Self::default();
        let sink = kept.clone();
        let world = World::of(module, |builder| settings(builder.audit_sink(sink))).await;
        (world, kept)
    }

    /// Waits for this number of records, and takes all records.
    async fn take(&self, records: usize) -> Vec<Value> {
        eventually("the records are written", || {
            self.0.lock().unwrap().len() >= records
        })
        .await;
        let taken = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(taken.len(), records, "{taken:#?}");
        taken
    }

    /// Waits for the only record, and takes it.
    async fn one(&self) -> Value {
        self.take(1).await.remove(0)
    }
}

/// Expects that a record matches the schema of records.
#[track_caller]
fn expect_valid(record: &Value) {
    static SCHEMA: LazyLock<jsonschema::Validator> =
        LazyLock::new(|| jsonschema::validator_for(AuditRecord::json_schema().as_value()).unwrap());
    let errors: Vec<_> = SCHEMA
        .iter_errors(record)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {record}");
}

#[test]
fn the_guide_describes_every_field_and_its_record_matches_the_schema() {
    let guide = include_str!("../../../../docs/audit.md");
    let (_, fields) = guide.split_once("## Fields").unwrap();
    let (table, _) = fields.split_once("\n\n`facts").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let described: BTreeSet<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    let schema = AuditRecord::json_schema();
    let properties = schema.get("properties").unwrap().as_object().unwrap();
    let fields: BTreeSet<_> = properties.keys().map(String::as_str).collect();
    assert_eq!(described, fields);
    let (_, example) = guide.split_once("```json\n").unwrap();
    let (example, _) = example.split_once("\n```").unwrap();
    expect_valid(&serde_json::from_str(example).unwrap());
}

/// The trace id of the call with this number.
fn trace_of(number: usize) -> String {
    format!("4bf92f3577b34da6a3ce9{number:011x}")
}

/// Gives a request the trace id of this number.
fn traced(ask: Ask, number: usize) -> Ask {
    let trace = trace_of(number);
    ask.header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
}
