//! A sink that is stuck: calls are not delayed, or wait and are refused before they run.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mcp_auth::{AuditRecord, AuditSink};
use serde_json::json;
use tokio::sync::Semaphore;

use super::Kept;
use crate::support::{Era, World, eventually};

/// A sink that is stuck until it is released.
#[derive(Clone)]
struct Stuck {
    free: Arc<(Mutex<bool>, std::sync::Condvar)>,
    kept: Kept,
}

impl Stuck {
    fn new() -> Self {
        Self {
            free: Arc::default(),
            kept: Kept::default(),
        }
    }

    fn release(&self) {
        *self.free.0.lock().unwrap() = true;
        self.free.1.notify_all();
    }
}

impl AuditSink for Stuck {
    fn write(&mut self, record: &AuditRecord) -> io::Result<()> {
        let mut free = self.free.0.lock().unwrap();
        while !*free {
            free = self.free.1.wait(free).unwrap();
        }
        self.kept.write(record)
    }
}

async fn world(sink: &Stuck, wait: Option<Duration>) -> World {
    let sink = sink.clone();
    World::with(|builder| {
        let builder = builder.audit_sink(sink).audit_queue(10);
        match wait {
            Some(wait) => builder.audit_wait(wait),
            None => builder,
        }
    })
    .await
}

#[actix_web::test]
async fn by_default_a_stuck_sink_delays_no_call_and_the_lost_records_are_counted() {
    let sink = Stuck::new();
    let world = world(&sink, None).await;
    let ada = world.ada();
    let begin = Instant::now();
    for _ in 0..50 {
        let call = world.call(Era::Modern, "who_am_i", json!({})).bearer(&ada);
        call.send().await.expect_text("user_ada");
    }
    assert!(begin.elapsed() < Duration::from_secs(20));
    world.expect_runs(50);
    sink.release();
    let records = sink.kept.take(11).await;
    let lost: Vec<_> = records
        .iter()
        .filter(|record| record["event"] == "lost")
        .collect();
    assert_eq!(lost.len(), 1, "{records:#?}");
    assert_eq!(lost[0]["count"], 40);
}

#[actix_web::test]
async fn with_a_wait_a_call_without_room_is_refused_before_it_runs() {
    let sink = Stuck::new();
    let world = world(&sink, Some(Duration::from_millis(100))).await;
    let ada = world.ada();
    let call = || world.call(Era::Modern, "who_am_i", json!({})).bearer(&ada);
    for _ in 0..10 {
        call().send().await.expect_text("user_ada");
    }
    for _ in 0..3 {
        let begin = Instant::now();
        let reply = call().send().await;
        assert!(begin.elapsed() >= Duration::from_millis(100));
        assert_eq!(reply.expect_status(503).header("retry-after"), Some("5"));
        assert_eq!(reply.json()["error"]["message"], "The audit log is full");
    }
    world
        .list(Era::Modern)
        .bearer(&ada)
        .send()
        .await
        .expect_status(503);
    world.expect_runs(10);
    sink.release();
    eventually("there is room", || sink.kept.0.lock().unwrap().len() >= 11).await;
    call().send().await.expect_text("user_ada");
    world.expect_runs(11);
    // Each call that ran has a record. The refused requests are counted.
    let records = sink.kept.take(12).await;
    let lost: Vec<_> = records
        .iter()
        .filter(|record| record["event"] == "lost")
        .collect();
    assert_eq!(lost.len(), 1, "{records:#?}");
    assert_eq!(lost[0]["count"], 4);
    assert!(
        records.iter().all(|record| record["outcome"] != "failed"),
        "{records:#?}"
    );
}

#[actix_web::test]
async fn with_a_wait_a_call_continues_as_soon_as_there_is_room() {
    let sink = Stuck::new();
    let world = world(&sink, Some(Duration::from_secs(15))).await;
    let ada = world.ada();
    let call = || {
        world
            .call(Era::Modern, "who_am_i", json!({}))
            .bearer(&ada)
            .send()
    };
    for _ in 0..10 {
        call().await.expect_text("user_ada");
    }
    let begun = Arc::new(Semaphore::new(0));
    let waiting = async {
        begun.add_permits(1);
        call().await.expect_text("user_ada");
    };
    let release = async {
        let _begun = begun.acquire().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.expect_runs(10);
        sink.release();
    };
    tokio::join!(waiting, release);
    sink.kept.take(11).await;
}
