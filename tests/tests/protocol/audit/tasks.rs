//! The record of a request about a task that another process changes at the same time.

use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use mcp_auth::testing::{TestServer, TestTask};
use mcp_auth::{AuditOutcome, StoredTask, TaskStore};
use serde_json::json;
use tokio::task::yield_now;

mod tools {
    use mcp_auth::{Context, ToolError, mcp_tool};
    use tokio::task::yield_now;

    /// Clear the archive, if a person agrees.
    #[mcp_tool(task)]
    async fn clear(cx: &Context) -> Result<&'static str, ToolError> {
        yield_now().await;
        cx.elicit::<()>("Clear the archive?").await?;
        Ok("cleared")
    }
}

/// A store that the test lets fail, or in which another process changes a task before the server does.
#[derive(Clone, Default)]
struct Contended(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    tasks: HashMap<String, StoredTask>,
    next: Option<Next>,
}

/// The outcome of the next replacement.
#[derive(Clone, Copy)]
enum Next {
    Fails,
    Loses,
}

impl Contended {
    fn next(&self, next: Next) {
        self.0.lock().unwrap().next = Some(next);
    }
}

type Stored<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

impl TaskStore for Contended {
    fn create(&self, task: StoredTask) -> Stored<'_, bool> {
        let mut inner = self.0.lock().unwrap();
        inner.tasks.insert(task.id.clone(), task);
        Box::pin(std::future::ready(Ok(true)))
    }

    fn load<'a>(&'a self, id: &'a str) -> Stored<'a, Option<StoredTask>> {
        let task = self.0.lock().unwrap().tasks.get(id).cloned();
        Box::pin(std::future::ready(Ok(task)))
    }

    fn replace(&self, task: StoredTask) -> Stored<'_, bool> {
        let mut inner = self.0.lock().unwrap();
        let next = inner.next.take();
        let stored = inner.tasks.get_mut(&task.id).unwrap();
        let outcome = match next {
            Some(Next::Fails) => Err("down".into()),
            Some(Next::Loses) => {
                stored.revision += 1;
                Ok(false)
            }
            None => {
                let is_next = stored.revision + 1 == task.revision;
                if is_next {
                    *stored = task;
                }
                Ok(is_next)
            }
        };
        Box::pin(std::future::ready(outcome))
    }
}

async fn until(task: &TestTask<'_>, status: &str) {
    while task.get().await.task_status() != Some(status) {
        yield_now().await;
    }
}

#[actix_web::test]
async fn an_answer_that_another_request_overtakes_has_one_record() {
    let store = Contended::default();
    let server = TestServer::of(mcp_auth::server!(tools = [tools]).task_store(store.clone()));
    let ada = server.user("ada").confirming();
    let task = ada.begin("clear", json!({})).await;
    until(&task, "input_required").await;
    drop(server.audit());
    let updates = || {
        let records = server.audit().into_iter();
        let updates = records.filter(|record| record.method == Some("tasks/update"));
        let seen = updates.map(|record| (record.outcome.unwrap(), record.reason));
        seen.collect::<Vec<_>>()
    };
    let answers = json!({ "question-1.1": { "action": "accept" } });

    store.next(Next::Fails);
    let refused = task.update(answers.clone()).await;
    assert_eq!(refused.status(), 503);
    let reason = Some("the store of tasks failed".to_owned());
    assert_eq!(updates(), [(AuditOutcome::Failed, reason)]);

    store.next(Next::Loses);
    task.update(answers).await.expect_ok();
    until(&task, "completed").await;
    assert_eq!(updates(), [(AuditOutcome::Allowed, None)]);
}
