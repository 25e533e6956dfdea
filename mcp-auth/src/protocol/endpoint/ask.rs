//! Requests that wait for answers: reads what the client sent with a request, and responds with the questions.

use bytestring::ByteString;

use crate::identity::{Caller, Org, Unavailable, UrlOrg};
use crate::primitive::{
    Asking, Client, ClientAbilities, ClientAnswer, Dialogue, Given, GivenCode, Served,
};

use super::super::confirmation_code;
use super::super::confirmations::Use;
use super::super::era::Era;
use super::super::error::RpcError;
use super::super::record::Record;
use super::super::request_state::{Bound, Origin, RequestState, Unsealed};
use super::super::{RefusedMessage, Response};
use super::asking_route::{AskingRoute, Unasked};
use super::target::{CallEnd, Target};
use super::{Endpoint, ReplyTo, Request, Stopped};

impl Endpoint {
    /// Reads the parts of a request that questions need: the capabilities of the client, its answers, and the state of
    /// an earlier round.
    ///
    /// # Errors
    ///
    /// - The state is not valid for this request, or has expired.
    /// - `inputResponses` is not an object, or is too long.
    /// - `requestState` is not a string.
    pub(super) fn dialogue(
        &self,
        request: &Request<'_>,
        served: &Served,
        origin: Origin<'_>,
        code: Option<&str>,
    ) -> Result<Dialogue, RpcError> {
        let is_silent = !served.uses_context() && !request.params.is_continued();
        if is_silent {
            return Ok(Dialogue::default());
        }
        if request.era == Era::Legacy {
            let given = request.continuation.map(|one| one.given.clone());
            let mut given = given.unwrap_or_else(|| Given {
                client: Client::Known(request.abilities()),
                ..Given::default()
            });
            self.read_code(&mut given, origin, code);
            return Ok(Dialogue::new(given));
        }
        let capabilities = request.params.meta()?.capabilities();
        // With a copy, the call does not hold its body, whose bytes count in the budget of bodies.
        let capabilities = capabilities.map(ByteString::from);
        let mut given = Given {
            client: Client::Declared(capabilities.unwrap_or_default()),
            ..Given::default()
        };
        let state = match request.params.request_state()? {
            None => None,
            Some(text) => Some(
                RequestState::open(&self.config.sealer, origin, &text)
                    .ok_or(RpcError::InvalidParams(UNKNOWN_STATE))?,
            ),
        };
        let asked = state.as_ref().map(|state| &state.asked);
        let sent = request.params.input_responses()?;
        let answers = sent.into_iter().filter_map(|(name, value)| {
            // If the request has a state, the client can only answer questions that the state names.
            let question = match asked {
                Some(asked) => Some(asked.get(&name)?.clone()),
                None => None,
            };
            Some((name, ClientAnswer { question, value }))
        });
        let answers: Vec<_> = answers.collect();
        if let Some(state) = state {
            given.continues = true;
            given.rounds = state.rounds;
            given.answers = state.answered;
        }
        given.answers.extend(answers);
        self.read_code(&mut given, origin, code);
        Ok(Dialogue::new(given))
    }

    /// Takes a code as the agreement to the question of `confirm`. A code counts only in the first run of the function, and
    /// only if the client cannot ask the person.
    fn read_code(&self, given: &mut Given, origin: Origin<'_>, code: Option<&str>) {
        let Some(code) = code.filter(|_| !given.continues && !given.client.abilities().form) else {
            return;
        };
        match confirmation_code::open(&self.config.sealer, origin, code) {
            Some(question) => given.confirm(question),
            None => given.code = GivenCode::Refused,
        }
    }

    /// Returns the organization that an opaque token names, if the call may ask questions and does not know the organization
    /// yet. Only the issuer knows the organization, which distinguishes two tokens of one user and one client.
    ///
    /// # Errors
    ///
    /// - The organization cannot be looked up now.
    pub(super) async fn bound_org(
        &self,
        caller: Option<&Caller>,
        org: Option<&Org>,
        served: &Served,
        request: &Request<'_>,
    ) -> Result<Option<Org>, Stopped> {
        let Some(caller) = caller.filter(|caller| caller.org_at_issuer() && org.is_none()) else {
            return Ok(None);
        };
        let declared = request.params.meta()?.capabilities().unwrap_or_default();
        let can_answer = || ClientAbilities::read(declared) != ClientAbilities::default();
        let asks = served.task().is_some() || served.uses_context() && can_answer();
        let asks = asks && request.era == Era::Modern || served.takes_code();
        if !asks && !request.params.is_continued() {
            return Ok(None);
        }
        let named = self.org_at_issuer(caller, org).await;
        Ok(named.map_err(RefusedMessage::Unavailable)?)
    }

    /// Returns the organization that an opaque token names. `None` for any other token, or if `org` is already known.
    pub(super) async fn org_at_issuer(
        &self,
        caller: &Caller,
        org: Option<&Org>,
    ) -> Result<Option<Org>, Unavailable> {
        if !caller.org_at_issuer() || org.is_some() {
            return Ok(None);
        }
        self.config.organizations.named_organization(caller).await
    }

    /// Records the use of the state and of the code that the request may have, so that a confirmed call runs once. A code
    /// that was used before does not confirm the call.
    ///
    /// # Errors
    ///
    /// - The state was used before, or the store of used confirmations cannot be reached.
    /// - The caller confirms too often.
    pub(super) async fn use_confirmation(
        &self,
        request: &Request<'_>,
        dialogue: &mut Dialogue,
        code: Option<&str>,
        record: &mut Record,
    ) -> Result<(), Stopped> {
        if let Some(code) = code.filter(|_| dialogue.code() == GivenCode::Accepted)
            && !self.record_use(code, request, record).await?
        {
            dialogue.refuse_code();
        }
        let state = match request.era {
            Era::Legacy => None,
            Era::Modern => request.params.request_state()?,
        };
        let Some(state) = state else {
            return Ok(());
        };
        match self.record_use(&state, request, record).await? {
            true => Ok(()),
            false => {
                record.fail("the confirmation was used before");
                Err(RpcError::InvalidParams(USED_STATE).into())
            }
        }
    }

    /// Records the use of a sealed text. Returns false if the text was used before.
    async fn record_use(
        &self,
        sealed: &str,
        request: &Request<'_>,
        record: &mut Record,
    ) -> Result<bool, Stopped> {
        let used = self.config.confirmations.use_once(sealed, request.party);
        match used.await {
            Ok(Use::First) => Ok(true),
            Ok(Use::UsedBefore) => Ok(false),
            Ok(Use::TooMany) => {
                record.fail("the caller confirms too often");
                let text = TOO_OFTEN.to_owned();
                let retry_after = 60;
                Err(RpcError::Limited { text, retry_after }.into())
            }
            Err(unavailable) => {
                record.fail("the store of confirmations failed");
                Err(RefusedMessage::Unavailable(unavailable).into())
            }
        }
    }

    /// Returns the way in which the questions of a call reach the client.
    pub(super) fn asking_route(&self, request: &Request<'_>, served: &Served) -> AskingRoute {
        AskingRoute {
            era: request.era,
            in_session: request.session.is_some() && request.streams,
            gives_sessions: self.sessions.is_some(),
            takes_code: served.takes_code(),
        }
    }

    /// Responds with the questions that a function asks.
    pub(super) fn ask(
        &self,
        ReplyTo { id, era, .. }: ReplyTo<'_>,
        end: CallEnd<'_>,
        asking: Box<Asking>,
    ) -> Result<Response, Stopped> {
        let failed = |text: &str| match end.target {
            Target::Tool => Ok(self.results.failure(id, era, text)),
            Target::Completion | Target::Prompt { .. } | Target::Resource { .. } => {
                Err(RpcError::Failed(text.to_owned()).into())
            }
        };
        if let Some(question) = asking.confirmation()
            && end.served.takes_code()
            && !asking.client.form
        {
            let sealer = &self.config.sealer;
            let code = confirmation_code::seal(sealer, end.origin(), &question.id);
            let Some(code) = code else {
                return failed(NOT_SENT);
            };
            let (tool, question) = (end.served.name(), question.message());
            return Ok(self.results.confirmation(id, era, tool, question, &code));
        }
        match end.route.refusal(&asking) {
            Some(Unasked::Lacks(missing)) if era == Era::Modern => {
                return Err(RpcError::MissingCapability(missing).into());
            }
            Some(unasked) => return failed(unasked.text()),
            None => {}
        }
        if era == Era::Legacy {
            return Err(Stopped::Asking(asking));
        }
        let origin = end.origin();
        match RequestState::of(&asking).seal(&self.config.sealer, origin) {
            Ok(state) => Ok(self.results.input_required(id, &asking.questions, &state)),
            Err(Unsealed::TooLong) => failed(TOO_LONG),
            Err(Unsealed::Failed) => failed(NOT_SENT),
        }
    }
}

impl CallEnd<'_> {
    fn origin(&self) -> Origin<'_> {
        origin(
            self.served,
            self.target,
            self.caller,
            self.bound_org,
            self.url_org,
            self.arguments,
        )
    }
}

/// Returns the request for which a state is valid.
pub(super) fn origin<'a>(
    served: &'a Served,
    target: Target<'a>,
    caller: Option<&'a Caller>,
    org: Option<&'a Org>,
    url_org: &'a UrlOrg,
    arguments: Bound<'a>,
) -> Origin<'a> {
    let (method, name) = match target {
        Target::Completion => ("completion/complete", ""),
        Target::Prompt { name } => ("prompts/get", name),
        Target::Resource { uri } => ("resources/read", uri),
        Target::Tool => ("tools/call", served.name()),
    };
    Origin {
        caller,
        org,
        url_org,
        method,
        name,
        arguments,
    }
}

const UNKNOWN_STATE: &str = "`requestState` is not valid for this request, or has expired; send the request again without \
     `requestState` and `inputResponses`";
const USED_STATE: &str = "`requestState` was used before; send the request again without `requestState` and \
     `inputResponses`";
const TOO_OFTEN: &str = "Too many confirmations in a short time; try again in a minute";
const NOT_SENT: &str = "The questions could not be sent.";
const TOO_LONG: &str = "The answers are too long.";
