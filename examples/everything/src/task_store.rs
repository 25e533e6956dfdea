//! A store of tasks in SQLite, so that their results survive a restart.

use std::error::Error;
use std::pin::Pin;

use mcp_auth::{StoredTask, TaskStore};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

/// The tasks of a database.
pub(crate) struct SqliteTasks(SqlitePool);

type Stored<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

impl SqliteTasks {
    /// Opens the database in this file, or creates it.
    pub(crate) async fn open(path: &str) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(path);
        let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS tasks (
                id TEXT PRIMARY KEY,
                subject TEXT NOT NULL,
                owner TEXT NOT NULL,
                revision INTEGER NOT NULL,
                expires_at INTEGER NOT NULL,
                content TEXT NOT NULL
            )",
        )
        .execute(&pool)
        .await?;
        // A user can register many clients, so the limit is for the user.
        let by_subject = "CREATE INDEX IF NOT EXISTS tasks_of_subject ON tasks (subject)";
        sqlx::query(by_subject).execute(&pool).await?;
        Ok(Self(pool))
    }
}

impl TaskStore for SqliteTasks {
    fn create(&self, task: StoredTask) -> Stored<'_, bool> {
        Box::pin(async move {
            let expired = "DELETE FROM tasks WHERE expires_at < unixepoch() * 1000";
            sqlx::query(expired).execute(&self.0).await?;
            let created = sqlx::query(
                "INSERT INTO tasks (id, subject, owner, revision, expires_at, content)
                 SELECT ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM tasks WHERE subject = ?) < 100",
            )
            .bind(task.id)
            .bind(&task.subject)
            .bind(task.owner)
            .bind(i64::try_from(task.revision)?)
            .bind(i64::try_from(task.expires_at)?)
            .bind(task.content)
            .bind(&task.subject)
            .execute(&self.0)
            .await?;
            Ok(created.rows_affected() == 1)
        })
    }

    fn load<'a>(&'a self, id: &'a str) -> Stored<'a, Option<StoredTask>> {
        Box::pin(async move {
            let select = "SELECT id, subject, owner, revision, expires_at, content
                 FROM tasks WHERE id = ?";
            let row: Option<(String, String, String, i64, i64, String)> = sqlx::query_as(select)
                .bind(id)
                .fetch_optional(&self.0)
                .await?;
            let Some((id, subject, owner, revision, expires_at, content)) = row else {
                return Ok(None);
            };
            Ok(Some(StoredTask {
                id,
                subject,
                owner,
                revision: revision.try_into()?,
                expires_at: expires_at.try_into()?,
                content,
            }))
        })
    }

    fn replace(&self, task: StoredTask) -> Stored<'_, bool> {
        Box::pin(async move {
            let replaced = sqlx::query(
                "UPDATE tasks SET revision = ?, expires_at = ?, content = ?
                 WHERE id = ? AND revision = ?",
            )
            .bind(i64::try_from(task.revision)?)
            .bind(i64::try_from(task.expires_at)?)
            .bind(task.content)
            .bind(task.id)
            .bind(i64::try_from(task.revision)? - 1)
            .execute(&self.0)
            .await?;
            Ok(replaced.rows_affected() == 1)
        })
    }
}
