//! The sessions of legacy clients: finds the session of a request, and answers the methods that exist only in a
//! session.

use std::sync::Arc;

use crate::audit::AuditOutcome;
use crate::guard::{Denied, NotAuthorized, lacking_server_scopes};
use crate::identity::{Caller, TokenKind, UrlOrg};
use crate::limits::Party;
use crate::primitive::{ClientAbilities, List, LogLevel};

use super::super::challenge::Challenger;
use super::super::decisions::{Kind, UNDECIDED};
use super::super::envelope::{MOST_PARSED, Message};
use super::super::era::{Era, Header, Headers, LEGACY, MODERN, Mirrored};
use super::super::error::RpcError;
use super::super::method::Method;
use super::super::rates::Counting;
use super::super::record::Record;
use super::super::results::Results;
use super::super::sessions::{ClientResponse, Owner, Session, TooManySubscriptions};
use super::super::{RefusedMessage, Response, WiderToken};
use super::config::Transport;
use super::reader::{Cost, Reader};
use super::target::Target;
use super::{Endpoint, Request, Sender, Stopped, facts, not_found};

/// A GET or a DELETE for a session.
#[derive(Clone, Copy)]
pub(crate) struct SessionRequestHead<'a> {
    pub(crate) caller: &'a Caller,
    /// The token of the request.
    pub(crate) token: Option<&'a str>,
    pub(crate) url_org: &'a UrlOrg,
    /// The header `MCP-Protocol-Version`.
    pub(crate) version: Header<'a>,
    /// All headers, by name.
    pub(crate) headers: &'a dyn Headers,
}

/// The reason why a GET or a DELETE is refused.
#[derive(Debug)]
pub(crate) enum SessionRefusal {
    /// The token lacks a scope that every request needs. A challenge asks for the scope, unless two challenges were
    /// sent within five minutes.
    MissingScope(Option<Box<WiderToken>>),
    /// The caller's principal has no session with this id.
    NoSession,
    /// The revision has no requests of this method, or the server gives no sessions.
    NotServed,
    /// The request names no session.
    SessionMissing,
    /// A limit of open streams is reached.
    TooManyStreams,
    /// The session has no such event.
    UnknownEvent,
    /// The server does not support the revision.
    UnsupportedVersion,
}

impl Request<'_> {
    /// Returns which questions the client of the session can answer. Without a session the client can answer none.
    pub(super) fn abilities(&self) -> ClientAbilities {
        let session = self.session.map(|request| request.session());
        session.map_or_else(ClientAbilities::default, |session| session.abilities())
    }

    /// Returns true if the client resumes a stream that the server closes before its end.
    pub(super) fn polls(&self) -> bool {
        self.session
            .is_some_and(|request| request.session().polls())
    }
}

impl Endpoint {
    /// Returns true if legacy clients get sessions.
    pub(crate) fn has_sessions(&self) -> bool {
        self.sessions.is_some()
    }

    /// Ends the subscriptions, and those session streams that belong to no call, because the server is stopping.
    pub(crate) fn stop_streams(&self) {
        self.config.streams.stopping.cancel();
        if let Some(sessions) = &self.sessions {
            sessions.stop();
        }
    }

    /// Returns the session of a request. `None` if the request is modern, is `initialize` or names no session, or if
    /// the server gives no sessions.
    pub(super) fn session(
        &self,
        era: Era,
        method: &str,
        mirrored: &Mirrored<'_>,
        caller: Option<&Caller>,
        url_org: &UrlOrg,
    ) -> Result<Option<Arc<Session>>, RefusedMessage> {
        let Some(sessions) = &self.sessions else {
            return Ok(None);
        };
        if era == Era::Modern || method == "initialize" {
            return Ok(None);
        }
        let id = match mirrored.arguments.header(SESSION_ID) {
            Header::Absent => return Ok(None),
            Header::Malformed => return Err(RefusedMessage::NoSession),
            Header::Value(id) => id,
        };
        let session = self
            .owner(caller, url_org)
            .and_then(|owner| sessions.find(&owner, id));
        session.map(Some).ok_or(RefusedMessage::NoSession)
    }

    /// Responds to `initialize`, and opens a session if the server gives sessions.
    ///
    /// # Errors
    ///
    /// - The capabilities of the client are too long.
    pub(super) fn initialize(
        &self,
        sender: Sender<'_>,
        request: &Request<'_>,
        version: &'static str,
    ) -> Result<Response, RpcError> {
        let capabilities = request.params.capabilities()?.unwrap_or_default();
        let owner = self.owner(sender.caller, request.url_org);
        let opened = self
            .sessions
            .as_ref()
            .zip(owner)
            .and_then(|(sessions, owner)| {
                let abilities = ClientAbilities::read(capabilities);
                let subscription = self.notifier().open(None, self.all_lists());
                sessions.open(owner, version, abilities, subscription)
            });
        let response = self
            .results
            .initialize(request.id, version, opened.is_some());
        Ok(match opened {
            None => response,
            Some(session) => Response::Opened {
                session,
                response: Box::new(response),
            },
        })
    }

    /// Handles a notification. Only `notifications/cancelled` has an effect, and only in a session, because without
    /// a session a notification cannot name a request.
    pub(super) fn notified(
        &self,
        mirrored: &Mirrored<'_>,
        caller: Option<&Caller>,
        url_org: &UrlOrg,
        message: &Message<'_>,
    ) -> Result<Response, Stopped> {
        let read = || {
            let params = message.params()?;
            let era = Era::of(mirrored, &message.method, &params.meta()?)?;
            Ok::<_, RpcError>((era, params))
        };
        // An invalid notification gets no response either.
        if self.sessions.is_some()
            && let Ok((era, params)) = read()
            && let Some(session) = self.session(era, &message.method, mirrored, caller, url_org)?
            && message.method == "notifications/cancelled"
            && let Some(id) = params.request_id()
        {
            session.cancel(id);
        }
        Ok(Response::Accepted)
    }

    /// Handles a body that is neither a request nor a notification. The body may be the client's response to a request
    /// of the server. Returns `None` if the body is not accepted as a response.
    pub(super) fn answered(
        &self,
        mirrored: &Mirrored<'_>,
        caller: Option<&Caller>,
        url_org: &UrlOrg,
        body: &str,
    ) -> Option<Response> {
        let is_legacy = match mirrored.version {
            Header::Absent => true,
            Header::Malformed => false,
            Header::Value(version) => LEGACY.contains(&version),
        };
        if self.sessions.is_none() || !is_legacy {
            return None;
        }
        if body.len() > MOST_PARSED {
            return Some(RpcError::InvalidRequest(LONG_RESPONSE).answer(None));
        }
        let response = ClientResponse::read(body)?;
        if let Some(caller) = caller
            && let Some(denied) = lacking_server_scopes(caller, &self.config.required_scopes)
        {
            return Some(RpcError::MissingScope(denied.to_string()).answer(None));
        }
        match self.session(Era::Legacy, "", mirrored, caller, url_org) {
            Ok(None) => None,
            Ok(Some(session)) if session.answer(response) => Some(Response::Accepted),
            Ok(Some(_)) => Some(RpcError::InvalidRequest(NO_OPEN_REQUEST).answer(None)),
            Err(refusal) => Some(Response::Refused { id: None, refusal }),
        }
    }

    /// Sets the level of the log messages: for the session, or for the principal if there is no session.
    pub(super) fn set_level(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
        level: LogLevel,
    ) {
        match request.session {
            Some(request) => request.session().set_level(level),
            None => self.log_levels.set(caller, level),
        }
    }

    /// Returns the level that [`set_level`](Self::set_level) set.
    pub(super) fn legacy_level(
        &self,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Option<LogLevel> {
        match request.session {
            Some(request) => request.session().level(),
            None => caller.and_then(|caller| self.log_levels.of(caller)),
        }
    }

    /// Responds to `resources/subscribe`. The guard and `authorize` decide as for `resources/read`: a caller who may not
    /// read the resource gets the error for an unknown URI.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let Some(session) = request.session.filter(|_| self.serves(List::Resources)) else {
            return Err(not_found(request.era));
        };
        let uri = request.params.uri()?;
        let target = Target::Resource { uri: &uri };
        let Some((served, _)) = self.config.registry.find_resource(&uri) else {
            let kind = Kind::Resource;
            let audited = self.audited(request);
            self.decisions
                .unknown(Method::Subscribe, kind, caller, audited);
            return self.unknown(caller, request, target, None).await;
        };
        let mut record = Record::open(&self.decisions, Method::Subscribe, served, caller);
        self.audit(request, None, &mut record).await?;
        let facts = served
            .wants_organization()
            .then(|| facts(served.guard(), self.config.trust_token_org));
        let acting = self.acting(caller, request.url_org, facts).await;
        let acting = acting.as_ref();
        if let Ok(acting) = acting {
            record.acts_in(acting);
        }
        let decision = self.decide_use(served, caller, acting);
        match decision {
            Ok(_) => {}
            Err(NotAuthorized::Unauthenticated) => {
                record.close(AuditOutcome::Unauthenticated);
                return Err(RefusedMessage::SignIn { scopes: Vec::new() }.into());
            }
            Err(NotAuthorized::Denied(denied)) => {
                record.deny(&denied);
                return self.unknown(caller, request, target, facts).await;
            }
            Err(NotAuthorized::Unavailable(unavailable)) => {
                record.unavailable(UNDECIDED);
                return Err(RefusedMessage::Unavailable(unavailable).into());
            }
        }
        let counting = Counting {
            tool: None,
            allowed: true,
            caller,
            org: acting.map_or(None, |acting| acting.org.as_ref()),
            party: request.party,
        };
        if let Err(limited) = self.rates.take(counting).await {
            record.limit(limited);
            return Err(Stopped::Error(RpcError::Limited {
                text: limited.to_string(),
                retry_after: limited.retry_after(),
            }));
        }
        // This resource may need no organization, and the next resource of the session may need an organization.
        let org = self.organization(caller, request.url_org).await;
        let org = org.map_err(|unavailable| {
            record.unavailable(UNDECIDED);
            RefusedMessage::Unavailable(unavailable)
        })?;
        let org = org.org;
        let reader = Reader {
            org: org.as_ref().map(|org| org.id().to_owned()),
            ..Reader::of_session(caller, request.url_org, request.party)
        };
        // The request itself has counted for the rates of the server.
        if !Box::pin(self.may_read(&reader, &uri, Cost::Free)).await? {
            record.repeat();
            return Err(target.unknown(request.era).into());
        }
        let memory = || self.config.streams.memory(request.party).ok();
        match session.session().subscribe(org.as_ref(), &uri, memory) {
            Ok(()) => {
                record.close(AuditOutcome::Allowed);
                Ok(Results::empty(request.id))
            }
            Err(TooManySubscriptions::NoMemory) => {
                record.fail("subscriptions take too much memory");
                Err(RefusedMessage::Subscriptions.into())
            }
            Err(TooManySubscriptions::OfSession) => {
                record.fail("the session has too many subscriptions");
                Err(RpcError::InvalidParams(TOO_MANY_SUBSCRIPTIONS).into())
            }
        }
    }

    /// Responds to `resources/unsubscribe`. The response does not depend on whether there was a subscription.
    pub(super) fn unsubscribe(&self, request: &Request<'_>) -> Result<Response, Stopped> {
        let Some(session) = request.session.filter(|_| self.serves(List::Resources)) else {
            return Err(not_found(request.era));
        };
        session.session().unsubscribe(&request.params.uri()?);
        Ok(Results::empty(request.id))
    }

    /// Responds to a DELETE: ends the session.
    pub(crate) fn end_session(
        &self,
        request: SessionRequestHead<'_>,
        challenger: &Challenger,
    ) -> Result<(), SessionRefusal> {
        let (owner, _) = self.session_of(request, challenger)?;
        let id = named(request.headers.header(SESSION_ID));
        let ended = self.sessions.as_ref().zip(id);
        let ended = ended.is_some_and(|(sessions, id)| sessions.end(&owner, id));
        if ended {
            Ok(())
        } else {
            Err(SessionRefusal::NoSession)
        }
    }

    pub(super) fn session_of(
        &self,
        request: SessionRequestHead<'_>,
        challenger: &Challenger,
    ) -> Result<(Owner, Arc<Session>), SessionRefusal> {
        let Some(sessions) = &self.sessions else {
            return Err(SessionRefusal::NotServed);
        };
        match request.version {
            Header::Absent => {}
            Header::Value(version) if LEGACY.contains(&version) => {}
            Header::Value(MODERN) => return Err(SessionRefusal::NotServed),
            Header::Malformed | Header::Value(_) => return Err(SessionRefusal::UnsupportedVersion),
        }
        let caller = request.caller;
        if let Some(denied) = lacking_server_scopes(caller, &self.config.required_scopes) {
            return Err(self.missing_scope(caller, denied, challenger));
        }
        let session = request.headers.header(SESSION_ID);
        if session == Header::Absent {
            return Err(SessionRefusal::SessionMissing);
        }
        let owner = self.owner(Some(caller), request.url_org);
        let owner = owner.ok_or(SessionRefusal::NoSession)?;
        let session = named(session).and_then(|id| sessions.find(&owner, id));
        Ok((owner, session.ok_or(SessionRefusal::NoSession)?))
    }

    /// Returns the owner of a caller's sessions. Over HTTP, the owner is the principal with the organization that the URL
    /// names. Three callers get no session, and the result is `None`: a caller without a token, because the server could
    /// not distinguish the caller's requests from the requests of other callers; a caller with an opaque OAuth token,
    /// because only the issuer knows its organization; and a caller with an API key, because the key can be revoked while
    /// a stream is open. Over stdio the process has one client, which owns every session.
    pub(super) fn owner(&self, caller: Option<&Caller>, url_org: &UrlOrg) -> Option<Owner> {
        if self.config.transport == Transport::Stdio {
            return Some(Owner {
                user: 0,
                principal: Box::default(),
            });
        }
        let caller = caller?;
        if caller.org_at_issuer() || caller.token_kind() == TokenKind::ApiKey {
            return None;
        }
        let Party::Known(user) = caller.party() else {
            return None;
        };
        let mut principal = caller.principal_in(None).to_bytes();
        principal.extend(url_org.to_bytes());
        Some(Owner {
            user,
            principal: principal.into(),
        })
    }

    fn missing_scope(
        &self,
        caller: &Caller,
        denied: Denied,
        challenger: &Challenger,
    ) -> SessionRefusal {
        let challenge = self.challenge(&denied, (caller, None), challenger);
        SessionRefusal::MissingScope(
            challenge.map(|challenge| Box::new(WiderToken { denied, challenge })),
        )
    }
}

/// Returns the value of the header `Mcp-Session-Id`.
fn named(session: Header<'_>) -> Option<&str> {
    match session {
        Header::Absent | Header::Malformed => None,
        Header::Value(id) => Some(id),
    }
}

const SESSION_ID: &str = "mcp-session-id";
const LONG_RESPONSE: &str = "a response must have at most 16 KiB";
const NO_OPEN_REQUEST: &str = "no request with this id waits for a response in this session";
const TOO_MANY_SUBSCRIPTIONS: &str = "a session can subscribe to 256 resources, with URIs of at most 2048 bytes; unsubscribe from one first";
