//! The HTTP view of a server: its paths and their responses.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};
use bytes::Bytes;
use tracing::Instrument;

use crate::clerk::Metadata;
use crate::guard::Explanation;
#[cfg(feature = "testing")]
use crate::identity::AuthError;
use crate::identity::{Authenticator, Clock, LogThrottle};
use crate::limits::{Exhausted, Network, Networks, Pool, Shares};
use crate::metrics::Metrics;
#[cfg(feature = "testing")]
use crate::primitive::MirroredArgument;
use crate::protocol::{Endpoint, RunningTasks};

use super::body::Incoming;
use super::canonical::Canonical;
use super::connection;
use super::documents::{self, ResourceInfo};
use super::endpoint;
use super::explanations::Explanations;
use super::explorer::{Explorer, Task};
use super::failures::Failures;
use super::forwarded::Clients;
use super::gate::{Gate, GateLog};
use super::head::Fields;
use super::health::{Health, Probe};
use super::page::{self, Overview, Page};
use super::refusal::{Challenges, Refusal, Refused};

/// The parts and settings of a site.
#[derive(Debug)]
pub(crate) struct SiteConfig {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) authenticator: Arc<Authenticator>,
    /// The metadata documents of the authorization server. The site publishes copies for clients of
    /// MCP 2025-03-26.
    pub(crate) copies: Vec<Metadata>,
    pub(crate) canonical: Canonical,
    pub(crate) gate: Gate,
    pub(crate) resource: ResourceInfo,
    /// The data of the development page. `None` if there is no page.
    pub(crate) overview: Option<Overview>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The path of the endpoint.
    pub(crate) path: String,
    /// The largest length of a body, in bytes.
    pub(crate) body_limit: usize,
    /// The limits of the bytes of bodies in memory.
    pub(crate) body_bytes: Shares,
    pub(crate) body_deadline: Duration,
    pub(crate) failures_per_minute: u32,
    /// The proxies whose forwarding headers are trusted.
    pub(crate) proxies: Networks,
    /// True if the site answers `/healthz` and `/readyz`.
    pub(crate) answers_probes: bool,
    pub(crate) metrics: Metrics,
}

/// The state that all handlers share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) health: Health,
    explanations: Explanations,
    /// The explorer, which exists exactly if the development page exists.
    explorer: Option<Explorer>,
    /// True if the site answers `/healthz` and `/readyz`.
    answers_probes: bool,
    pub(super) metrics: Metrics,
    pub(super) gate: Gate,
    pub(super) gate_log: GateLog,
    pub(super) failures: Failures,
    clients: Clients,
    pub(crate) body_limit: usize,
    pub(crate) body_bytes: Arc<Pool>,
    /// Throttles the log line about bodies that are refused because other bodies use up the memory.
    refused_bodies: LogThrottle,
    clock: Arc<dyn Clock>,
    pub(super) body_deadline: Duration,
    /// The copies of documents of the authorization server, each with its path.
    copies: Vec<(String, Arc<Metadata>)>,
    /// The scheme of the canonical URL.
    pub(super) scheme: &'static str,
    path: String,
    /// The path with a final slash, which is served too.
    slashed_path: Option<String>,
    metadata_paths: Vec<String>,
    canonical: Name,
    /// The other URLs of the endpoint. Only an endpoint on loopback has other URLs.
    names: Vec<Name>,
}

/// The endpoint under one of its URLs.
#[derive(Debug)]
pub(super) struct Name {
    #[cfg(feature = "testing")]
    url: String,
    authority: String,
    origin: String,
    pub(super) challenges: Challenges,
    metadata: Bytes,
    page: Option<Page>,
}

impl Site {
    pub(crate) fn new(config: SiteConfig) -> Self {
        let metadata_paths = documents::protected_resource_paths(&config.canonical);
        let at = metadata_paths.first().map_or("", String::as_str);
        let name = |canonical: &Canonical| Name {
            #[cfg(feature = "testing")]
            url: canonical.as_str().to_owned(),
            authority: canonical.authority(),
            origin: canonical.origin(),
            challenges: Challenges::new(canonical.at_root(at), &config.resource.scopes),
            metadata: documents::protected_resource(canonical, &config.resource),
            page: config
                .overview
                .as_ref()
                .map(|overview| Page::new(overview, canonical, at)),
        };
        let canonical = name(&config.canonical);
        let names = config.canonical.aliases().iter().map(name).collect();
        let health = Health::new(
            Arc::clone(&config.endpoint),
            Arc::clone(&config.authenticator),
            Arc::clone(&config.clock),
        );
        let explanations = Explanations {
            endpoint: Arc::clone(&config.endpoint),
            authenticator: Arc::clone(&config.authenticator),
        };
        let body_bytes = Arc::new(Pool::new(config.body_bytes));
        let explorer = config.overview.map(|overview| {
            Explorer::new(
                overview.explored,
                explanations.clone(),
                Arc::clone(&body_bytes),
                config.body_deadline,
            )
        });
        Self {
            explanations,
            explorer,
            endpoint: config.endpoint,
            authenticator: config.authenticator,
            health,
            gate: config.gate,
            gate_log: GateLog::new(Arc::clone(&config.clock)),
            answers_probes: config.answers_probes,
            metrics: config.metrics,
            failures: Failures::new(Arc::clone(&config.clock), config.failures_per_minute),
            clients: Clients::new(config.proxies, !config.canonical.is_loopback()),
            body_limit: config.body_limit,
            body_bytes,
            refused_bodies: LogThrottle::default(),
            clock: config.clock,
            body_deadline: config.body_deadline,
            copies: config
                .copies
                .into_iter()
                .map(|copy| (copy.path(), Arc::new(copy)))
                .collect(),
            slashed_path: (!config.path.ends_with('/')).then(|| format!("{}/", config.path)),
            scheme: match config.canonical.is_https() {
                true => "https",
                false => "http",
            },
            path: config.path,
            canonical,
            names,
            metadata_paths,
        }
    }

    /// Returns the tasks of the server, which end when the server stops.
    pub(crate) fn tasks(&self) -> Arc<RunningTasks> {
        self.endpoint.tasks()
    }

    /// Returns the network of a request's client. Callers without a token are counted by network.
    pub(super) fn network(&self, head: &RequestHead) -> Network {
        Network::of(self.client(head))
    }

    /// Logs, at most once a minute, that bodies are refused because a share of the memory for
    /// bodies is used up.
    pub(super) fn count_refused_body(&self, share: Exhausted) {
        if let Some(bodies) = self.refused_bodies.due(self.clock.uptime()) {
            let share = share.share();
            tracing::warn!(target: "mcp_auth", fact = "limit_hit", share, bodies, "body refused: too many bytes in flight");
        }
    }

    /// Answers a request to any path. Paths are compared byte for byte, because clients take them from the metadata.
    /// The endpoint's path with a final slash is served too, because people may add a slash.
    pub(crate) async fn answer(&self, head: &RequestHead, body: Payload) -> HttpResponse {
        let path = head.uri.path();
        if self.is_endpoint(path) {
            return self.message(head, body).await;
        }
        if let Some((explorer, task)) = self.explorer_at(path)
            && self.admits(explorer, task, head)
        {
            return explorer.serve(task, head, body).await;
        }
        let answer = match (self.document_at(path), self.probe_at(path)) {
            (Some(document), _) => self.document(head, document).await,
            (None, Some(probe)) => self.health.answer(head, probe).await,
            (None, None) => HttpResponse::NotFound().finish(),
        };
        let mut body = Incoming::new(body);
        body.pass_over().await;
        body.end_with(connection::announce_close(head, answer))
    }

    /// Answers a request to the endpoint.
    async fn message(&self, head: &RequestHead, body: Payload) -> HttpResponse {
        let explorer = self.explorer.as_ref();
        match explorer.and_then(|explorer| explorer.span(head)) {
            None => endpoint::serve(self, head, body).await,
            Some(span) => {
                let answer = endpoint::serve(self, head, body).instrument(span);
                // The box keeps the futures of all other requests small.
                let answer: Pin<Box<dyn Future<Output = HttpResponse> + '_>> = Box::pin(answer);
                answer.await
            }
        }
    }

    /// Returns the explorer and its task at a path, if there is an explorer.
    fn explorer_at(&self, path: &str) -> Option<(&Explorer, Task)> {
        let explorer = self.explorer.as_ref()?;
        let task = Task::ALL
            .into_iter()
            .find(|task| task.path(&self.path) == path)?;
        Some((explorer, task))
    }

    /// Returns true if the script of the development page sends the request.
    fn admits(&self, explorer: &Explorer, task: Task, head: &RequestHead) -> bool {
        explorer.explored().admits(task, head, |fields| {
            let host = self.gate.host(fields.host, &head.uri).ok()?;
            Some(&*self.called(host)?.origin)
        })
    }

    /// Decides about a request with `Expect: 100-continue`. Returns the request if its body should
    /// be sent, or a response.
    pub(crate) async fn judge(&self, request: Request) -> Result<Request, HttpResponse> {
        let head = request.head();
        if head.method == Method::POST && self.is_endpoint(head.uri.path()) {
            return endpoint::judge(self, request).await;
        }
        let (head, body) = request.into_parts();
        Err(self.answer(&head, body).await)
    }

    fn is_endpoint(&self, path: &str) -> bool {
        path == self.path || Some(path) == self.slashed_path.as_deref()
    }

    /// Registers the endpoint, and the explorer if there is one.
    pub(crate) fn routes(self: &Arc<Self>, services: &mut ServiceConfig) {
        for task in Task::ALL.into_iter().filter(|_| self.explorer.is_some()) {
            let site = Arc::clone(self);
            let admits = move |head: &RequestHead| {
                let explorer = site.explorer.as_ref();
                explorer.is_some_and(|explorer| site.admits(explorer, task, head))
            };
            let site = Arc::clone(self);
            // A request that the explorer does not admit gets the response of the application.
            let resource = web::resource(task.path(&self.path))
                .guard(guard::fn_guard(move |context| admits(context.head())))
                .to(move |request: HttpRequest, body: web::Payload| {
                    let site = Arc::clone(&site);
                    async move {
                        match &site.explorer {
                            Some(explorer) => {
                                let body = body.into_inner();
                                explorer.serve(task, request.head(), body).await
                            }
                            None => HttpResponse::NotFound().finish(),
                        }
                    }
                });
            services.service(resource);
        }
        for path in [Some(&self.path), self.slashed_path.as_ref()] {
            let Some(path) = path else { continue };
            let site = Arc::clone(self);
            services.route(
                path,
                web::route().to(move |request: HttpRequest, body: web::Payload| {
                    let site = Arc::clone(&site);
                    async move { site.message(request.head(), body.into_inner()).await }
                }),
            );
        }
    }

    /// Registers the discovery documents, which clients look for at the root of the origin.
    pub(crate) fn well_known(self: &Arc<Self>, services: &mut ServiceConfig) {
        let copies = self.copies.iter().map(|(path, _)| path);
        for path in self.metadata_paths.iter().chain(copies) {
            let Some(document) = self.document_at(path) else {
                continue;
            };
            let site = Arc::clone(self);
            services.route(
                path,
                web::route().to(move |request: HttpRequest| {
                    let (site, document) = (Arc::clone(&site), document.clone());
                    async move {
                        let answer = site.document(request.head(), document).await;
                        connection::announce_close(request.head(), answer)
                    }
                }),
            );
        }
    }

    /// Registers `/healthz` and `/readyz`.
    pub(crate) fn probes(self: &Arc<Self>, services: &mut ServiceConfig) {
        for probe in Probe::ALL {
            let site = Arc::clone(self);
            services.route(
                probe.path(),
                web::route().to(move |request: HttpRequest| {
                    let site = Arc::clone(&site);
                    async move { site.health.answer(request.head(), probe).await }
                }),
            );
        }
    }

    fn probe_at(&self, path: &str) -> Option<Probe> {
        Probe::at(path).filter(|_| self.answers_probes)
    }

    /// Returns the document that is published under a path.
    fn document_at(&self, path: &str) -> Option<Document> {
        if self.metadata_paths.iter().any(|known| known == path) {
            return Some(Document::ProtectedResource);
        }
        let (_, copy) = self.copies.iter().find(|(known, _)| known == path)?;
        Some(Document::Copy(Arc::clone(copy)))
    }

    /// Returns the address of the request's client, for limits.
    pub(super) fn client(&self, head: &RequestHead) -> IpAddr {
        self.clients.address(head)
    }

    /// Returns the path of the endpoint.
    #[cfg(feature = "testing")]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the canonical URL.
    #[cfg(feature = "testing")]
    pub(crate) fn url(&self) -> &str {
        &self.canonical.url
    }

    /// Returns the authority of the canonical URL.
    #[cfg(feature = "testing")]
    pub(crate) fn authority(&self) -> &str {
        &self.canonical.authority
    }

    /// Explains why the caller of a token may or may not use a tool, a prompt or a resource. `query` is the query of the
    /// endpoint's URL. `None` if the server has nothing with this name.
    pub(crate) async fn explain(
        &self,
        token: Option<&str>,
        query: Option<&str>,
        name: &str,
    ) -> Option<Explanation> {
        self.explanations.of(token, query, name).await
    }

    /// Returns the reason why a token is refused, in the words of the log.
    #[cfg(feature = "testing")]
    pub(crate) async fn reason_of_refusal(&self, token: &str) -> Option<&'static str> {
        match self.authenticator.authenticate(token).await {
            Err(AuthError::Invalid(error)) => Some(error.reason()),
            Err(
                AuthError::FailsOften
                | AuthError::Misconfigured
                | AuthError::OverBudget(_)
                | AuthError::Unavailable(_),
            )
            | Ok(_) => None,
        }
    }

    /// Returns those arguments of the tool that clients repeat in headers. Empty for an unknown tool.
    #[cfg(feature = "testing")]
    pub(crate) fn mirrored_arguments(&self, tool: &str) -> &'static [MirroredArgument] {
        self.endpoint.mirrored_arguments(tool)
    }

    /// Empties the cache of memberships.
    #[cfg(feature = "testing")]
    pub(crate) fn forget_organizations(&self) {
        self.endpoint.forget_organizations();
    }

    /// Returns the [`Name`] of the endpoint for the host of a request. The gate has checked the host. A host that only
    /// a setting allows, and that is not the host of a URL of the endpoint, gets the canonical name.
    pub(super) fn name(&self, host: &str) -> &Name {
        self.called(host).unwrap_or(&self.canonical)
    }

    /// Returns the development page, if a browser navigates to the endpoint. A host that only a setting allows gets no
    /// page, because the host may be the public name of a tunnel.
    pub(super) fn page(&self, head: &RequestHead, fields: &Fields<'_>) -> Option<HttpResponse> {
        if !page::is_asked_for(head) {
            return None;
        }
        let host = self.gate.host(fields.host, &head.uri).ok()?;
        let page = self.called(host)?.page.as_ref()?;
        Some(page.answer())
    }

    fn called(&self, host: &str) -> Option<&Name> {
        let called =
            |name: &&Name| name.authority == host || name.authority.eq_ignore_ascii_case(host);
        std::iter::once(&self.canonical)
            .chain(&self.names)
            .find(called)
    }

    /// Returns the endpoint under its canonical URL.
    pub(super) fn canonical(&self) -> &Name {
        &self.canonical
    }

    /// Responds with a public document, after checking `Host` and the method. Pages of every origin may read the
    /// response, even if it is a refusal.
    async fn document(&self, head: &RequestHead, document: Document) -> HttpResponse {
        let host = self.gate.host(Fields::of(head).host, &head.uri);
        let bytes = match (host, &head.method) {
            (Err(refusal), _) => Err(refusal),
            (Ok(_), &Method::OPTIONS) => return documents::public_preflight(head),
            (Ok(host), &Method::GET | &Method::HEAD) => self.read(document, host).await,
            (Ok(_), _) => Err(Refusal::Method("GET, HEAD, OPTIONS")),
        };
        let answer = bytes.map_or_else(
            |refusal| Refused::from(refusal).answer(&self.canonical.challenges),
            documents::ok,
        );
        documents::for_any_origin(answer)
    }

    async fn read(&self, document: Document, host: &str) -> Result<Bytes, Refusal> {
        match document {
            Document::Copy(metadata) => match metadata.document().await {
                Ok(document) => Ok(document.bytes().clone()),
                Err(unavailable) => Err(Refusal::Unavailable(unavailable.retry_after)),
            },
            Document::ProtectedResource => Ok(self.name(host).metadata.clone()),
        }
    }
}

/// A discovery document.
#[derive(Clone, Debug)]
enum Document {
    /// A copy of a document of the authorization server.
    Copy(Arc<Metadata>),
    /// The protected-resource metadata (RFC 9728).
    ProtectedResource,
}
