//! The documents as rows.
//!
//! INVARIANT: every method that reads or writes a document takes the organization first, and every
//! statement names it. A tool has no `Org` but the caller's, so it reaches no rows but those.

use std::path::Path;

use mcp_auth::{Caller, Org};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};

/// Documents of many organizations in one database file.
#[derive(Debug)]
pub(crate) struct Documents {
    pool: SqlitePool,
}

/// A document with its text.
#[derive(Debug, JsonSchema, Serialize, sqlx::FromRow)]
pub(crate) struct Document {
    /// What `get_document` and `delete_document` take.
    id: String,
    title: String,
    body: String,
    /// Id of the user who created it.
    created_by: String,
    /// When it was created, in UTC.
    created_at: String,
}

/// A document in a list.
#[derive(Debug, JsonSchema, Serialize, sqlx::FromRow)]
pub(crate) struct Summary {
    /// What `get_document` and `delete_document` take.
    id: String,
    title: String,
}

impl Documents {
    /// Opens the database file and brings its tables up to date; makes the file if there is none.
    pub(crate) async fn open(file: impl AsRef<Path>) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            // Readers don't wait for a writer.
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await?;
        sqlx::migrate!().run(&pool).await?;
        Ok(Self { pool })
    }

    /// Returns the newest documents of an organization, at most [`LIST_LIMIT`](Self::LIST_LIMIT).
    pub(crate) async fn list(&self, org: &Org) -> Result<Vec<Summary>, sqlx::Error> {
        sqlx::query_as(
            "SELECT id, title FROM documents WHERE organization_id = ?
             ORDER BY created_at DESC, id LIMIT ?",
        )
        .bind(org.id())
        .bind(Self::LIST_LIMIT)
        .fetch_all(&self.pool)
        .await
    }

    /// Returns a document; `None` if the organization has none with this id.
    pub(crate) async fn find(&self, org: &Org, id: &str) -> Result<Option<Document>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM documents WHERE organization_id = ? AND id = ?")
            .bind(org.id())
            .bind(id)
            .fetch_optional(&self.pool)
            .await
    }

    /// Stores a new document under an id of its own.
    pub(crate) async fn create(
        &self,
        org: &Org,
        author: &Caller,
        title: &str,
        body: &str,
    ) -> Result<Document, sqlx::Error> {
        sqlx::query_as(
            "INSERT INTO documents (organization_id, id, title, body, created_by, created_at)
             VALUES (?, 'doc_' || lower(hex(randomblob(12))), ?, ?, ?,
                     strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
             RETURNING *",
        )
        .bind(org.id())
        .bind(title)
        .bind(body)
        .bind(author.subject())
        .fetch_one(&self.pool)
        .await
    }

    /// Deletes a document; `false` if the organization has none with this id.
    pub(crate) async fn delete(&self, org: &Org, id: &str) -> Result<bool, sqlx::Error> {
        let deleted = sqlx::query("DELETE FROM documents WHERE organization_id = ? AND id = ?")
            .bind(org.id())
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Checks that the database answers.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// How many documents one list has room for.
    pub(crate) const LIST_LIMIT: u32 = 100;
}
