//! The responses to denied requests.

use crate::audit::AuditOutcome;
use crate::guard::{Denied, NotAuthorized};
use crate::identity::{Caller, Org};
use crate::primitive::Suggestions;

use super::super::challenge::{Challenge, Challenger};
use super::super::decisions::{Cause, UNDECIDED};
use super::super::envelope::Message;
use super::super::error::RpcError;
use super::super::method::Method;
use super::super::record::Record;
use super::super::{RefusedMessage, Response, WiderToken};
use super::config::Transport;
use super::target::Target;
use super::{Endpoint, ReplyTo, Request, Stopped};

impl Endpoint {
    /// Responds to a caller who lacks a scope that every request needs.
    #[cold]
    pub(super) fn lacking(
        &self,
        denied: Denied,
        caller: &Caller,
        message: &Message<'_>,
        challenger: &Challenger,
    ) -> Result<Response, Stopped> {
        let reason = denied.in_log();
        let (method, cause) = (
            Method::of(&message.method),
            Cause::of_denial(&denied, &reason),
        );
        let outcome = AuditOutcome::Denied;
        self.decisions.refused(method, Some(caller), outcome, cause);
        let challenge = self.challenge(&denied, (caller, None), challenger);
        match (challenge, message.id) {
            (Some(challenge), _) => {
                let wider = Box::new(WiderToken { denied, challenge });
                Err(RefusedMessage::MoreScope(wider).into())
            }
            (None, Some(_)) => Err(RpcError::MissingScope(denied.to_string()).into()),
            // This server ignores notifications, so it does not report the missing scope.
            (None, None) => Ok(Response::Accepted),
        }
    }

    pub(super) fn refuse(
        &self,
        request: &Request<'_>,
        (caller, org): (Option<&Caller>, Option<&Org>),
        target: Target<'_>,
        refusal: NotAuthorized,
        record: &mut Record,
    ) -> Result<Response, Stopped> {
        let denied = match refusal {
            NotAuthorized::Unauthenticated => {
                record.close(AuditOutcome::Unauthenticated);
                return Err(RefusedMessage::SignIn { scopes: Vec::new() }.into());
            }
            NotAuthorized::Unavailable(unavailable) => {
                record.unavailable(UNDECIDED);
                return Err(RefusedMessage::Unavailable(unavailable).into());
            }
            NotAuthorized::Denied(denied) => denied,
        };
        record.deny(&denied);
        self.denied(request.reply_to(), (caller, org), target, denied, true)
    }

    /// Responds to a denied request whose caller may know of the target. If a new token would help, the response is a
    /// challenge. Otherwise the response has the form of the target. `has_head` is false if the head of the response is
    /// already sent, so that the status cannot become 403.
    pub(super) fn denied(
        &self,
        ReplyTo {
            id,
            era,
            challenger,
        }: ReplyTo<'_>,
        (caller, org): (Option<&Caller>, Option<&Org>),
        target: Target<'_>,
        denied: Denied,
        has_head: bool,
    ) -> Result<Response, Stopped> {
        let is_tool = match target {
            Target::Completion => {
                return Ok(self.results.completion(id, era, &Suggestions::none()));
            }
            Target::Prompt { .. } | Target::Resource { .. } => false,
            Target::Tool => true,
        };
        // The result of a tool can have a challenge in its `_meta`. A prompt and a resource have only the header.
        let header = has_head && self.is_answered_with_403(&denied, is_tool);
        // Do not count a challenge that is not sent.
        let caller = caller.filter(|_| is_tool || header);
        let challenge =
            caller.and_then(|caller| self.challenge(&denied, (caller, org), challenger));
        match (challenge, target) {
            (Some(challenge), _) if header => {
                let wider = WiderToken { denied, challenge };
                Err(RefusedMessage::MoreScope(Box::new(wider)).into())
            }
            (challenge, Target::Tool) => {
                Ok(self.results.denial(id, era, &denied, challenge.as_ref()))
            }
            (_, Target::Completion | Target::Prompt { .. } | Target::Resource { .. }) => {
                Err(Stopped::Error(RpcError::MissingScope(denied.to_string())))
            }
        }
    }

    /// Returns the challenge for a denial, if a new token would help. A client gets at most two
    /// challenges for the same scopes within five minutes. Over stdio a client cannot present another token, so it gets
    /// none.
    pub(super) fn challenge(
        &self,
        denied: &Denied,
        (caller, org): (&Caller, Option<&Org>),
        challenger: &Challenger,
    ) -> Option<Challenge> {
        if self.config.transport == Transport::Stdio {
            return None;
        }
        let scopes = denied.cure()?;
        let principal = caller.principal_in(org);
        let may = self.step_ups.may_challenge(principal, scopes);
        may.then(|| challenger.wider_token(denied, scopes))
    }

    /// Returns true if a denial with a challenge becomes an HTTP 403, and false if it becomes an
    /// `isError` result of a tool, or a JSON-RPC error.
    fn is_answered_with_403(&self, denied: &Denied, is_tool: bool) -> bool {
        if self.config.scope_denials_as_results || self.config.transport == Transport::Stdio {
            return false;
        }
        match denied {
            Denied::Scope { .. } => true,
            Denied::Organization { .. } => self.config.organization_step_up,
            Denied::Any { .. } => !is_tool,
            Denied::Actor
            | Denied::Authorize { .. }
            | Denied::Feature(_)
            | Denied::Permission(_)
            | Denied::Plan(_)
            | Denied::Policy(_)
            | Denied::Reverification { .. }
            | Denied::Role(_)
            | Denied::TokenKind(_)
            | Denied::User => false,
        }
    }
}
