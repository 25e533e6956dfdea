//! The authorization server's metadata (RFC 8414, and OpenID Connect Discovery 1.0).
//!
//! Older clients ask the MCP server for the metadata. The server forwards the document byte for byte, because a changed
//! document could make clients use another authorization server. The start-up checks read some members of the document.
//! No member changes the configuration of the server.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::clerk::outgoing::Outgoing;
use crate::identity::{Clock, Entry, ExpiringCache, Lookup, Service, Unavailable};

/// A metadata document. It is fetched on demand, and cached for five minutes.
#[derive(Debug)]
pub(crate) struct Metadata {
    fetcher: Fetcher,
    /// Looks the document up. The result is `None` if the issuer returned no document.
    lookup: Lookup<(), Option<Document>>,
}

/// A document, with the members that the start-up checks read.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    bytes: Bytes,
    described: Arc<Described>,
}

/// The members that the start-up checks read.
#[derive(Debug)]
struct Described {
    issuer: Option<String>,
    registers: bool,
    takes_client_documents: bool,
    scopes: Option<Vec<String>>,
    ahead_ms: Option<i64>,
}

/// The kind of metadata document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DocumentKind {
    /// RFC 8414.
    AuthorizationServer,
    /// OpenID Connect Discovery 1.0.
    OpenId,
}

impl DocumentKind {
    /// Returns the name of the document below `/.well-known/`.
    fn name(self) -> &'static str {
        match self {
            Self::AuthorizationServer => "oauth-authorization-server",
            Self::OpenId => "openid-configuration",
        }
    }
}

#[derive(Clone, Debug)]
struct Fetcher {
    kind: DocumentKind,
    frontend: Arc<Outgoing>,
    clock: Arc<dyn Clock>,
}

impl Document {
    /// Returns the document, byte for byte.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the issuer that the document names.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.described.issuer.as_deref()
    }

    /// Returns true if clients can register themselves (RFC 7591).
    pub(crate) fn registers(&self) -> bool {
        self.described.registers
    }

    /// Returns true if a client's id may be the URL of its metadata (client-id metadata documents).
    pub(crate) fn takes_client_documents(&self) -> bool {
        self.described.takes_client_documents
    }

    /// Returns the scopes that the document advertises. `None` if the document does not advertise scopes.
    pub(crate) fn scopes(&self) -> Option<&[String]> {
        self.described.scopes.as_deref()
    }

    /// Returns by how many milliseconds, at least, the server's clock is ahead of the issuer's clock. The result is
    /// negative if the server's clock is behind.
    pub(crate) fn ahead_ms(&self) -> Option<i64> {
        self.described.ahead_ms
    }

    fn read(bytes: Bytes, ahead_ms: Option<i64>) -> Option<Self> {
        let document: Value = serde_json::from_slice(&bytes).ok()?;
        let members = document.as_object()?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let scopes = members.get("scopes_supported").and_then(Value::as_array);
        let described = Described {
            issuer: text("issuer"),
            registers: text("registration_endpoint").is_some(),
            takes_client_documents: members.get("client_id_metadata_document_supported")
                == Some(&Value::Bool(true)),
            scopes: scopes.map(|scopes| {
                let scopes = scopes.iter().filter_map(Value::as_str);
                scopes.map(str::to_owned).collect()
            }),
            ahead_ms,
        };
        Some(Self {
            bytes,
            described: Arc::new(described),
        })
    }
}

/// Returns the smallest difference between the two clocks that explains the `Date` header. At some moment
/// between `sent` and `received` by the server's clock, the issuer's clock showed `date` or up to a second
/// more.
fn ahead_ms(sent: u64, received: u64, date: u64) -> Option<i64> {
    let [sent, received, date] = [sent, received, date].map(i64::try_from);
    let (least, most) = (
        sent.ok()? - (date.ok()? + 1_000),
        received.ok()? - date.ok()?,
    );
    Some(if least > 0 { least } else { most.min(0) })
}

impl Metadata {
    pub(crate) fn at(
        kind: DocumentKind,
        frontend: Arc<Outgoing>,
        clock: Arc<dyn Clock>,
        io: Handle,
    ) -> Self {
        let service = Arc::new(Service::new(WHAT, Arc::clone(&clock)));
        let cache = ExpiringCache::new(AT_LEAST_CACHED, Arc::clone(&clock));
        Self {
            fetcher: Fetcher {
                kind,
                frontend,
                clock,
            },
            lookup: Lookup::new(service, cache, io),
        }
    }

    /// Returns the path of the document, which is the same on the issuer and on this server.
    pub(crate) fn path(&self) -> String {
        format!("/{WELL_KNOWN}/{}", self.fetcher.kind.name())
    }

    /// Returns the document, at most five minutes old.
    ///
    /// # Errors
    /// [`Unavailable`] if the issuer does not return the document. The next call after 30 seconds requests the document
    /// again.
    pub(crate) async fn document(&self) -> Result<Document, Unavailable> {
        if let Some(cached) = self.lookup.cached(&()) {
            return cached.value.ok_or(unavailable(cached.rest));
        }
        let fetcher = self.fetcher.clone();
        let look_up = || async move { Ok(fetcher.fetch().await) };
        let document = self.lookup.get((), look_up).await.ok().flatten();
        document.ok_or(unavailable(FAILURE_AGE))
    }
}

impl Fetcher {
    async fn fetch(&self) -> Entry<Option<Document>> {
        let sent = self.clock.unix_ms();
        let outcome = match self
            .frontend
            .document(&[WELL_KNOWN, self.kind.name()])
            .await
        {
            Ok(answer) => {
                let received = self.clock.unix_ms();
                let date = answer.date_ms;
                let ahead = date.and_then(|date| ahead_ms(sent, received, date));
                Document::read(answer.body, ahead)
            }
            Err(error) => {
                let error: &(dyn Error + 'static) = &error;
                tracing::warn!(target: "mcp_auth", error, "the issuer's metadata could not be fetched");
                None
            }
        };
        let age = if outcome.is_some() {
            DOCUMENT_AGE
        } else {
            FAILURE_AGE
        };
        Entry::believed_for(age, outcome, self.clock.uptime())
    }
}

fn unavailable(retry_after: Duration) -> Unavailable {
    Unavailable {
        what: WHAT,
        retry_after,
    }
}

const WHAT: &str = "the authorization server's metadata";
const WELL_KNOWN: &str = ".well-known";
const DOCUMENT_AGE: Duration = Duration::from_secs(5 * 60);
const FAILURE_AGE: Duration = Duration::from_secs(30);
/// The capacity of the cache. The cache contains only one document, but a cache with room for only one entry may refuse
/// this entry.
const AT_LEAST_CACHED: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::clerk::mock_http::{Reply, Stub};
    use crate::identity::test_support::block_on;
    use crate::identity::{IoRuntime, ManualClock, test_support};

    #[test]
    fn the_document_is_passed_on_byte_for_byte_and_kept_for_five_minutes() {
        let document = "{ \"issuer\" : \"https://clerk.example.com\",\n\"x\":1.0 }";
        let (stub, metadata, clock, _io) = at(|| Reply::http(200, "", document));
        let fetched = block_on(metadata.document()).unwrap();
        assert_eq!(fetched.bytes(), document);
        assert_eq!(fetched.issuer(), Some("https://clerk.example.com"));
        clock.advance(Duration::from_secs(299));
        block_on(metadata.document()).unwrap();
        assert_eq!(stub.heads().len(), 1);
        assert!(
            stub.heads()[0].starts_with("GET /.well-known/oauth-authorization-server HTTP/1.1")
        );
        clock.advance(Duration::from_secs(1));
        block_on(metadata.document()).unwrap();
        assert_eq!(stub.heads().len(), 2);
    }

    #[test]
    fn an_answer_that_is_no_document_is_not_passed_on_and_the_next_try_is_after_30_seconds() {
        for (status, body) in [
            (404, "{}"),
            (500, "{}"),
            (302, "{}"),
            (200, "<p>"),
            (200, "[]"),
        ] {
            let (stub, metadata, clock, _io) = at(move || Reply::http(status, "", body));
            block_on(metadata.document()).unwrap_err();
            clock.advance(Duration::from_secs(20));
            let refused = block_on(metadata.document()).unwrap_err();
            assert_eq!(refused.retry_after, Duration::from_secs(10), "{status}");
            assert_eq!(stub.heads().len(), 1);
            clock.advance(Duration::from_secs(10));
            block_on(metadata.document()).unwrap_err();
            assert_eq!(stub.heads().len(), 2);
        }
    }

    #[test]
    fn a_clock_is_as_wrong_as_it_must_be_to_explain_the_date() {
        for (sent, received, date, ahead) in [
            (10_000, 10_050, 10_000, 0),
            (10_900, 10_950, 10_000, 0),
            (13_000, 13_050, 10_000, 2_000),
            (10_000, 15_000, 10_000, 0),
            (10_000, 10_050, 14_000, -3_950),
        ] {
            assert_eq!(ahead_ms(sent, received, date), Some(ahead));
        }
    }

    #[test]
    fn the_members_about_clients_and_scopes_are_read_leniently() {
        let (_stub, metadata, _clock, _io) = at(|| {
            let body = r#"{"registration_endpoint":"https://a/b","scopes_supported":["email",7],
                "client_id_metadata_document_supported":true}"#;
            Reply::http(200, "", body)
        });
        let document = block_on(metadata.document()).unwrap();
        assert!(document.registers() && document.takes_client_documents());
        assert_eq!(document.scopes().unwrap(), ["email"]);
        let (_stub, metadata, _clock, _io) = at(|| {
            let body = r#"{"registration_endpoint":null,"scopes_supported":"email",
                "client_id_metadata_document_supported":"true"}"#;
            Reply::http(200, "", body)
        });
        let document = block_on(metadata.document()).unwrap();
        assert!(!document.registers() && !document.takes_client_documents());
        assert_eq!(document.scopes(), None);
    }

    #[test]
    fn a_recovered_issuer_is_seen() {
        let up = Arc::new(AtomicBool::new(false));
        let is_up = Arc::clone(&up);
        let status = move || {
            if is_up.load(Ordering::SeqCst) {
                200
            } else {
                503
            }
        };
        let (_stub, metadata, clock, _io) = at(move || Reply::http(status(), "", "{}"));
        block_on(metadata.document()).unwrap_err();
        up.store(true, Ordering::SeqCst);
        clock.advance(Duration::from_secs(30));
        assert_eq!(block_on(metadata.document()).unwrap().issuer(), None);
    }

    fn at(
        reply: impl Fn() -> Reply + Send + Sync + 'static,
    ) -> (Stub, Metadata, Arc<ManualClock>, IoRuntime) {
        let stub = Stub::answering(move |_| reply());
        let io = IoRuntime::start().unwrap();
        let clock = test_support::clock();
        let frontend = Arc::new(Outgoing::to(stub.url()).unwrap());
        let kept: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let kind = DocumentKind::AuthorizationServer;
        let metadata = Metadata::at(kind, frontend, kept, io.handle().clone());
        (stub, metadata, clock, io)
    }
}
