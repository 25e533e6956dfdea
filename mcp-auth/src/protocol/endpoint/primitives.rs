//! The methods that use a tool, a prompt or a resource. Each method finds the primitive and reads its
//! input. `call` does the rest.

use std::sync::Arc;

use bytestring::ByteString;
use serde_json::{Map, Value};

use crate::identity::Caller;
use crate::primitive::{Input, List};

use super::super::completion::Reference;
use super::super::decisions::Kind;
use super::super::error::RpcError;
use super::super::method::Method;
use super::super::{Response, completion};
use super::call::Use;
use super::target::{Target, shortened};
use super::{Endpoint, Request, Stopped, not_found};

impl Endpoint {
    /// Responds to `tools/call`.
    pub(super) async fn call_tool(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        let name = request.params.name()?;
        request.era.check_name(request.mirrored, &name)?;
        let Some(served) = self.config.registry.find(&name) else {
            if !self.serves(List::Tools) {
                return Err(not_found(request.era));
            }
            let audited = self.audited(request);
            self.decisions
                .unknown(Method::CallTool, Kind::Tool, caller, audited);
            return Err(RpcError::UnknownTool(shortened(&name)).into());
        };
        let arguments = raw(request.body, request.params.arguments()?);
        let used = Use {
            served,
            input: Input::Arguments(arguments),
            target: Target::Tool,
        };
        self.perform(caller, request, used).await
    }

    /// Responds to `prompts/get`. A caller who may not use the prompt gets the error for an unknown
    /// name.
    pub(super) async fn get_prompt(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        if !self.serves(List::Prompts) {
            return Err(not_found(request.era));
        }
        let name = request.params.name()?;
        request.era.check_name(request.mirrored, &name)?;
        let arguments = raw(request.body, request.params.arguments()?);
        let target = Target::Prompt { name: &name };
        let Some(served) = self.config.registry.find_prompt(&name) else {
            let audited = self.audited(request);
            self.decisions
                .unknown(Method::GetPrompt, Kind::Prompt, caller, audited);
            return self.unknown(caller, request, target, None).await;
        };
        let used = Use {
            served,
            input: Input::Arguments(arguments),
            target,
        };
        self.perform(caller, request, used).await
    }

    /// Responds to `resources/read`. A caller who may not read the resource gets the error for an
    /// unknown URI.
    pub(super) async fn read_resource(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        if !self.serves(List::Resources) {
            return Err(not_found(request.era));
        }
        let uri = request.params.uri()?;
        request.era.check_name(request.mirrored, &uri)?;
        let target = Target::Resource { uri: &uri };
        let Some((served, values)) = self.config.registry.find_resource(&uri) else {
            let audited = self.audited(request);
            self.decisions
                .unknown(Method::ReadResource, Kind::Resource, caller, audited);
            return self.unknown(caller, request, target, None).await;
        };
        let values = values.into_iter();
        let values: Map<_, _> = values
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect();
        let used = Use {
            served,
            input: Input::Arguments(Value::Object(values).to_string().into()),
            target,
        };
        self.perform(caller, request, used).await
    }

    /// Responds to `completion/complete`. The client gets no suggestions for an unknown name, for a
    /// name that the caller may not use, and for an argument without a completion function. The
    /// client cannot distinguish these cases.
    pub(super) async fn complete(
        self: &Arc<Self>,
        caller: Option<&Caller>,
        request: &Request<'_>,
    ) -> Result<Response, Stopped> {
        if !self.config.registry.completes() {
            return Err(not_found(request.era));
        }
        let (reference, asked) = completion::read(request.params)?;
        let served = self.referred_to(&reference);
        let Some(served) = served.filter(|served| served.completes(asked.argument())) else {
            let kind = match reference {
                Reference::Prompt { .. } => Kind::Prompt,
                Reference::Resource { .. } => Kind::Resource,
            };
            let audited = self.audited(request);
            self.decisions
                .unknown(Method::Complete, kind, caller, audited);
            return self
                .unknown(caller, request, Target::Completion, None)
                .await;
        };
        let used = Use {
            served,
            input: Input::Completion(Box::new(asked)),
            target: Target::Completion,
        };
        self.perform(caller, request, used).await
    }
}

/// Returns the arguments as a slice of the body that contains them.
fn raw(body: &ByteString, arguments: &str) -> ByteString {
    if arguments == "{}" {
        return ByteString::from_static("{}");
    }
    body.slice_ref(arguments)
}
