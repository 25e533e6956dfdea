//! Opens session streams.

use std::sync::Arc;

use crate::identity::Caller;
#[cfg(feature = "stdio")]
use crate::identity::UrlOrg;
use crate::limits::Party;
use crate::primitive::ChangedLists;

use super::super::challenge::Challenger;
use super::super::era::Header;
#[cfg(feature = "stdio")]
use super::super::sessions::SessionId;
use super::super::sessions::{EventId, Session, SessionStream};
use super::super::subscriptions::{Place, TooMany};
use super::Endpoint;
use super::config::Transport;
use super::list_watch::ListWatch;
use super::message_stream::MessageStream;
use super::reader::Reader;
use super::session_updates::Updates;
use super::sessions::{SessionRefusal, SessionRequestHead};
use super::token_watch::TokenWatch;

impl Endpoint {
    /// Responds to a GET: opens the stream for messages that belong to no call, or resumes the stream of an event.
    pub(crate) fn open_stream(
        self: &Arc<Self>,
        request: SessionRequestHead<'_>,
        challenger: &Challenger,
    ) -> Result<MessageStream, SessionRefusal> {
        let (_, session) = self.session_of(request, challenger)?;
        let last = match request.headers.header("last-event-id") {
            Header::Absent => None,
            Header::Malformed => return Err(SessionRefusal::UnknownEvent),
            Header::Value(id) => Some(EventId::parse(id).ok_or(SessionRefusal::UnknownEvent)?),
        };
        // A stream ends when the token of its GET expires. The client resumes the stream with a new token.
        let until = request.caller.expires_ms();
        let stream = session.connect(last, until);
        let stream = stream.ok_or(SessionRefusal::UnknownEvent)?;
        // The stream that this stream replaces has ended, so its place is free soon.
        let (caller, party) = (Some(request.caller), request.caller.party());
        let place = self.place_in_session(caller, party);
        let place = place.map_err(|_| SessionRefusal::TooManyStreams)?;
        let reader = Reader::of_session(
            Some(request.caller),
            request.url_org,
            request.caller.party(),
        );
        Ok(self.with_updates(session, reader, request.token, stream, place))
    }

    /// Reserves a place for a stream of a session. `None` over stdio, because a process has only one client.
    pub(super) fn place_in_session(
        &self,
        caller: Option<&Caller>,
        party: Party,
    ) -> Result<Option<Place>, TooMany> {
        match self.config.transport {
            Transport::Http { .. } => self.config.streams.enter(caller, None, party).map(Some),
            Transport::Stdio => Ok(None),
        }
    }

    /// Opens the stream for messages that belong to no call, for the only client of this process. `None` if the session
    /// ended.
    #[cfg(feature = "stdio")]
    pub(crate) fn open_process_stream(
        self: &Arc<Self>,
        id: &SessionId,
        (caller, token): (Option<&Caller>, Option<&str>),
        party: Party,
    ) -> Option<MessageStream> {
        let owner = self.owner(caller, &UrlOrg::Absent)?;
        let session = self.sessions.as_ref()?.find(&owner, id.expose())?;
        let stream = session.connect(None, caller.and_then(Caller::expires_ms))?;
        let reader = Reader::of_session(caller, &UrlOrg::Absent, party);
        Some(self.with_updates(session, reader, token, stream, None))
    }

    fn with_updates(
        self: &Arc<Self>,
        session: Arc<Session>,
        reader: Reader,
        token: Option<&str>,
        stream: SessionStream,
        place: Option<Place>,
    ) -> MessageStream {
        let events = MessageStream::of_session(stream);
        let caller = reader.caller.clone();
        let token = TokenWatch::new(self, token);
        let lists = ListWatch::new(self, self.all_lists(), &reader);
        let updates = Updates::new(Arc::clone(self), session, reader, token, lists, place);
        let events = MessageStream::of_events(updates.on(events));
        self.until_revoked(events, caller.as_ref(), None)
    }

    /// Returns the lists that the server has. A session learns changes of all these lists.
    pub(super) fn all_lists(&self) -> ChangedLists {
        self.served_lists(ChangedLists {
            prompts: true,
            resources: true,
            tools: true,
        })
    }
}
