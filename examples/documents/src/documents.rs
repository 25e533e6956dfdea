//! Stores the documents as rows of a database.
//!
//! INVARIANT: every method that reads or writes documents takes the organization as its first
//! parameter, and every SQL statement filters by that organization. A tool can only get the
//! caller's own `Org`, so it reaches only rows of the caller's organization, and can read rows that
//! other organizations shared with the caller's organization.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use mcp_auth::{Caller, Org};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};

/// Documents of many organizations in one database file.
#[derive(Debug)]
pub(crate) struct Documents {
    pool: SqlitePool,
}

/// A document with its text.
#[mcp_auth::data]
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Document {
    /// Id of the document. The other tools take it as `document_id`.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) body: String,
    /// Id of the user who created the document.
    pub(crate) created_by: String,
    /// When the document was created, in UTC.
    pub(crate) created_at: String,
    /// Id of the organization that owns the document. It is the caller's organization, or an
    /// organization that shared the document.
    pub(crate) organization_id: String,
}

/// A document in a list.
#[mcp_auth::data]
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Summary {
    /// Id of the document. The other tools take it as `document_id`.
    pub(crate) id: String,
    pub(crate) title: String,
    /// When the document was created, in UTC.
    created_at: String,
}

/// The position where a list continues: after this document. The document may have been deleted
/// meanwhile.
#[derive(Debug)]
pub(crate) struct Cursor {
    created_at: String,
    id: String,
}

impl Documents {
    /// Opens the database file and migrates its tables. Creates the file if it is missing.
    pub(crate) async fn open(file: impl AsRef<Path>) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            // In this mode readers do not wait for a writer.
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await?;
        sqlx::migrate!().run(&pool).await?;
        Ok(Self { pool })
    }

    /// Returns a page of the documents that an organization can read, newest first. Also returns
    /// the position where the next page begins; `None` if this is the last page.
    pub(crate) async fn list(
        &self,
        org: &Org,
        after: Option<&Cursor>,
        page_size: u32,
    ) -> Result<(Vec<Summary>, Option<Cursor>), sqlx::Error> {
        let mut page: Vec<Summary> = sqlx::query_as(
            "SELECT id, title, created_at FROM documents
             WHERE (organization_id = ?1 OR EXISTS (
                 SELECT 1 FROM shares WHERE shared_with = ?1 AND document_id = documents.id
                     AND organization_id = documents.organization_id))
             AND (?2 IS NULL OR (created_at, id) < (?2, ?3))
             ORDER BY created_at DESC, id DESC LIMIT ?4",
        )
        .bind(org.id())
        .bind(after.map(|cursor| &cursor.created_at))
        .bind(after.map(|cursor| &cursor.id))
        // One more row than requested shows whether there is a next page.
        .bind(i64::from(page_size) + 1)
        .fetch_all(&self.pool)
        .await?;
        let more = page.len() > page_size as usize;
        page.truncate(page_size as usize);
        let last = page.last().filter(|_| more);
        let next = last.map(|last| Cursor {
            created_at: last.created_at.clone(),
            id: last.id.clone(),
        });
        Ok((page, next))
    }

    /// Returns a document. `None` if the organization can read no document with this id.
    pub(crate) async fn find(&self, org: &Org, id: &str) -> Result<Option<Document>, sqlx::Error> {
        sqlx::query_as(
            "SELECT * FROM documents WHERE id = ?2 AND (organization_id = ?1 OR EXISTS (
                 SELECT 1 FROM shares WHERE shared_with = ?1 AND document_id = documents.id
                     AND organization_id = documents.organization_id))",
        )
        .bind(org.id())
        .bind(id)
        .fetch_optional(&self.pool)
        .await
    }

    /// Returns all documents that an organization owns, oldest first.
    pub(crate) async fn all(&self, org: &Org) -> Result<Vec<Document>, sqlx::Error> {
        sqlx::query_as("SELECT * FROM documents WHERE organization_id = ? ORDER BY created_at, id")
            .bind(org.id())
            .fetch_all(&self.pool)
            .await
    }

    /// Returns the id of the user who created a document. `None` if the organization owns no
    /// document with this id.
    pub(crate) async fn author(&self, org: &Org, id: &str) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar("SELECT created_by FROM documents WHERE organization_id = ? AND id = ?")
            .bind(org.id())
            .bind(id)
            .fetch_optional(&self.pool)
            .await
    }

    /// Returns the ids of the organizations with which an organization shared its document.
    pub(crate) async fn shares(&self, org: &Org, id: &str) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT shared_with FROM shares WHERE organization_id = ? AND document_id = ?
             ORDER BY shared_with",
        )
        .bind(org.id())
        .bind(id)
        .fetch_all(&self.pool)
        .await
    }

    /// Returns the ids of documents that an organization can read, newest first. The id or the
    /// title of each begins with `typed`, ignoring the case of ASCII letters. With `author`, only
    /// documents that this caller created in the organization.
    pub(crate) async fn suggest(
        &self,
        org: &Org,
        author: Option<&Caller>,
        typed: &str,
    ) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT id FROM documents
             WHERE (organization_id = ?1 OR (?2 IS NULL AND EXISTS (
                 SELECT 1 FROM shares WHERE shared_with = ?1 AND document_id = documents.id
                     AND organization_id = documents.organization_id)))
             AND (?2 IS NULL OR created_by = ?2)
             AND (lower(substr(id, 1, length(?3))) = lower(?3)
                 OR lower(substr(title, 1, length(?3))) = lower(?3))
             ORDER BY created_at DESC, id DESC LIMIT ?4",
        )
        .bind(org.id())
        .bind(author.map(Caller::subject))
        .bind(typed)
        .bind(MOST_SUGGESTIONS)
        .fetch_all(&self.pool)
        .await
    }

    /// Stores a new document with a new id.
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

    /// Changes the given fields of a document. `None` if the organization owns no document with
    /// this id.
    pub(crate) async fn update(
        &self,
        org: &Org,
        id: &str,
        title: Option<&str>,
        body: Option<&str>,
    ) -> Result<Option<Document>, sqlx::Error> {
        sqlx::query_as(
            "UPDATE documents SET title = coalesce(?3, title), body = coalesce(?4, body)
             WHERE organization_id = ?1 AND id = ?2 RETURNING *",
        )
        .bind(org.id())
        .bind(id)
        .bind(title)
        .bind(body)
        .fetch_optional(&self.pool)
        .await
    }

    /// Lets another organization read a document. Sharing it again changes nothing.
    pub(crate) async fn share(&self, org: &Org, id: &str, with: &str) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO shares VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(org.id())
            .bind(id)
            .bind(with)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Deletes a document and its shares. `false` if the organization owns no document with this
    /// id.
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
}

impl Document {
    /// Returns the title as a heading, and the text.
    pub(crate) fn to_markdown(&self) -> String {
        format!("# {}\n\n{}\n", self.title, self.body)
    }
}

/// Writes a cursor as `2026-11-23T08:00:00.000Z_doc_1f…`. With a forged cursor, a caller gets only
/// another page of the same list.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.created_at, self.id)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (created_at, id) = text
            .split_once('_')
            .ok_or("not a cursor that this list gave")?;
        Ok(Self {
            created_at: created_at.to_owned(),
            id: id.to_owned(),
        })
    }
}

/// A client gets at most a hundred suggestions. One more row shows that there are more.
const MOST_SUGGESTIONS: i64 = 101;
