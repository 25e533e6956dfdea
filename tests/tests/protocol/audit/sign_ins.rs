//! The records of refused sign-ins.

use std::time::Duration;

use serde_json::{Value, json};

use super::Kept;
use crate::support::Era;

fn counts(records: &[Value]) -> Vec<(&str, u64)> {
    let count = |record: &Value| record["count"].as_u64().unwrap();
    let records = records.iter();
    let all = records.map(|record| {
        assert_eq!(
            (&record["event"], &record["outcome"]),
            (&json!("sign_in_refused"), &json!("unauthenticated"))
        );
        (record["reason"].as_str().unwrap(), count(record))
    });
    all.collect()
}

#[actix_web::test]
async fn refused_sign_ins_are_counted_and_a_stranger_causes_few_records() {
    let (mut world, kept) = Kept::world("protocol::tools", |builder| builder).await;
    let who = || world.call(Era::Modern, "who_am_i", json!({}));
    for _ in 0..100 {
        who().send().await.expect_status(401);
        who().bearer("not-a-token").send().await.expect_status(401);
        world.get("/mcp").await.expect_status(401);
    }
    let first = kept.take(2).await;
    let first = counts(&first);
    assert_eq!(first[0], ("token-missing", 1));
    assert_eq!(first[1].1, 1);
    let bad = first[1].0.to_owned();

    world.clock.advance(Duration::from_secs(60));
    who().send().await.expect_status(401);
    // The counts of all reasons are due, each with the refusals since its last record.
    let mut later = kept.take(2).await;
    later.sort_by_key(|record| record["count"].as_u64());
    assert_eq!(counts(&later), [(&*bad, 99), ("token-missing", 200)]);

    // The server writes the last counts when it stops.
    who().send().await.expect_status(401);
    world.server.stop().await.unwrap();
    assert_eq!(counts(&kept.take(1).await), [("token-missing", 1)]);
}

#[actix_web::test]
async fn the_counts_are_written_without_another_request() {
    let (world, kept) = Kept::world("protocol::tools", |builder| builder).await;
    let who = || world.call(Era::Modern, "who_am_i", json!({}));
    for _ in 0..5 {
        who().send().await.expect_status(401);
    }
    kept.one().await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(counts(&[kept.one().await]), [("token-missing", 4)]);
}

#[actix_web::test]
async fn a_token_that_was_refused_is_in_no_record() {
    let (world, kept) = Kept::world("protocol::tools", |builder| builder).await;
    let expired = world.ada();
    world.clock.advance(Duration::from_secs(25 * 3600));
    let call = world
        .call(Era::Modern, "who_am_i", json!({}))
        .bearer(&expired);
    call.send().await.expect_status(401);
    let record = kept.one().await;
    assert_eq!(
        counts(std::slice::from_ref(&record)),
        [("token-expired", 1)]
    );
    assert!(!record.to_string().contains("ada"), "{record}");
}
