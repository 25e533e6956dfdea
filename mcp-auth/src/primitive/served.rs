//! A served primitive: its declaration, and the data that the server computes from it at start-up.

use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use crate::guard::{Guard, Requirement, SchemeSource, SecurityScheme};
use crate::metrics::{CallMeter, Metrics};

use super::arguments::{ArgumentReader, Arguments};
use super::authorize::{AccessRule, Authorize};
use super::channel::{Channel, Wanted};
use super::concurrency::Concurrency;
use super::declaration::{
    ArgumentsForm, Kind, MirroredArgument, Parameter, ResourceTraits, TaskSupport,
};
use super::describe::{describe, icons};
use super::dialogue::Dialogue;
use super::info::PrimitiveInfo;
use super::log_name::LogName;
use super::outcome::Run;
use super::rate::{Per, Rate};
use super::registration::Registration;
use super::registry_error::RegistryError;
use super::run::Call;
use super::schema::{self, Unsupported};
use super::state::{RequiredState, States};
use super::uri_template::UriTemplate;

/// The settings of a server that apply to every primitive.
#[derive(Debug)]
pub(crate) struct RegistrySettings {
    /// The data for `securitySchemes`. `None` if `tools/list` does not have `securitySchemes`.
    pub(crate) schemes: Option<SchemeSource>,
    /// True if every tool reads its arguments leniently.
    pub(crate) lenient_arguments: bool,
    /// True if `tools/list` has `additionalProperties: false`.
    pub(crate) closed_schemas: bool,
    pub(crate) metrics: Metrics,
    /// True if a client that cannot ask a person confirms a call with a code.
    pub(crate) confirmation_codes: bool,
}

/// A tool, a prompt or a resource that the server serves, with the data that is computed at start-up.
#[derive(Debug)]
pub(crate) struct Served {
    registration: &'static Registration,
    info: PrimitiveInfo,
    key: String,
    /// The object that describes the primitive in its list, serialized.
    json: String,
    /// The object for protocol revisions without icons. `None` if the primitive has no icons.
    iconless_json: Option<String>,
    wraps_output: bool,
    arguments: ArgumentReader,
    /// The counter of running calls, if the declaration has a `concurrency`.
    concurrency: Option<Arc<Concurrency>>,
    /// True if every caller gets the same result.
    is_shared: bool,
    takes_organization: bool,
    /// True if a parameter gives access to the context of the call.
    uses_context: bool,
    requires_arguments: bool,
    /// True if a client that cannot ask a person confirms a call with a code.
    takes_code: bool,
    schemes: Vec<SecurityScheme>,
    /// The parts of the arguments' schema that some clients reject.
    unsupported: Vec<Unsupported>,
    meter: CallMeter,
    /// The text of the access rule, which is written when the first log line or audit record needs it.
    access_text: OnceLock<String>,
}

impl Served {
    pub(super) fn prepare(
        registration: &'static Registration,
        states: &States,
        settings: &RegistrySettings,
    ) -> Result<Self, RegistryError> {
        let declaration = &registration.declaration;
        let info = PrimitiveInfo::of(declaration);
        let guard = info.guard();
        if let Some(module) = declaration.own_guard.loosens(declaration.module) {
            return Err(RegistryError::PublicInGuardedModule {
                item: info.in_words(),
                location: declaration.location,
                module: module.module(),
                place: module.place(),
            });
        }
        for parameter in declaration.parameters {
            let mut needs = RequiredState::default();
            (parameter.needs)(&mut needs);
            if let Some(state) = needs.missing_from(states) {
                return Err(RegistryError::MissingState {
                    item: info.in_words(),
                    parameter: parameter.name,
                    state,
                    location: parameter.location,
                });
            }
        }
        // MCP sends the arguments of a prompt and the variables of a template as texts, so values of other
        // types are read from the texts.
        let (open, lenient) = match &declaration.kind {
            Kind::Prompt(_) | Kind::Resource(_) => (false, true),
            Kind::Tool(tool) => (
                tool.allow_unknown,
                tool.lenient || settings.lenient_arguments,
            ),
        };
        let generated = (registration.input_schema)(&declaration.arguments);
        let mut input = schema::finish_input(generated.clone(), !open);
        for MirroredArgument { argument, header } in declaration.kind.mirrored() {
            if !schema::add_header(&mut input, argument, header) {
                return Err(RegistryError::HeaderOfAnotherType {
                    item: PrimitiveInfo::of(declaration).in_words(),
                    argument,
                    header,
                    location: declaration.location,
                });
            }
        }
        let takes_code = settings.confirmation_codes && declaration.kind.confirms();
        if takes_code && schema::has_property(&input, CONFIRMATION_CODE) {
            return Err(RegistryError::ReservedArgument {
                item: info.in_words(),
                argument: CONFIRMATION_CODE,
                location: declaration.location,
            });
        }
        let known = match declaration.arguments {
            ArgumentsForm::Struct if !open => schema::property_names(&input),
            ArgumentsForm::Struct | ArgumentsForm::Generated | ArgumentsForm::Values { .. } => None,
        };
        let requires_arguments = input
            .get("required")
            .is_some_and(|names| *names != json!([]));
        let output = (registration.output_schema)().map(schema::finish_output);
        let wraps_output = output.as_ref().is_some_and(|(_, wrapped)| *wrapped);
        let injected: Vec<Requirement> = declaration
            .parameters
            .iter()
            .flat_map(Parameter::requirements)
            .collect();
        let takes_organization = injected
            .iter()
            .any(|requirement| requirement.uses_organization());
        let wants_organization = guard.uses_organization() || takes_organization;
        let per_org = |rate: &&Rate| rate.per() == Per::Org;
        if let Some(rate) = declaration.rates.iter().find(per_org)
            && !wants_organization
        {
            return Err(RegistryError::RateWithoutOrganization {
                item: info.in_words(),
                rate: *rate,
                location: declaration.location,
            });
        }
        let schemes = settings.schemes.as_ref();
        let schemes = schemes.map(|source| source.of(guard, &injected));
        let schemes = schemes.unwrap_or_default();
        let mut shown = [Some(input.clone()), output.map(|(schema, _)| schema)];
        if let ([Some(input), _], true) = (&mut shown, takes_code) {
            let code = json!({ "type": "string", "description": CODE_DESCRIPTION });
            schema::add_property(input, CONFIRMATION_CODE, &code);
        }
        if !settings.closed_schemas {
            shown.iter_mut().flatten().for_each(schema::leave_open);
        }
        let [shown_input, shown_output] = shown;
        let schemas = (shown_input.unwrap_or_default(), shown_output);
        let described = describe(declaration, schemas, &schemes);
        let with_icons = icons(declaration.icons).map(|icons| {
            let mut item = described.clone();
            item.insert("icons".to_owned(), icons);
            Value::Object(item).to_string()
        });
        let described = Value::Object(described).to_string();
        let (json, iconless_json) = match with_icons {
            Some(with_icons) => (with_icons, Some(described)),
            None => (described, None),
        };
        // A tool name has neither a colon nor a space. A URI has a colon and no space. So no two keys are equal.
        let key = match &declaration.kind {
            Kind::Prompt(_) => format!("prompt {}", declaration.name),
            Kind::Resource(resource) => UriTemplate::new(resource.uri).to_string(),
            Kind::Tool(_) => declaration.name.to_owned(),
        };
        let (kind, named) = match &declaration.kind {
            Kind::Prompt(_) => ("prompt", declaration.name),
            Kind::Resource(_) => ("resource", &*key),
            Kind::Tool(_) => ("tool", declaration.name),
        };
        Ok(Self {
            registration,
            info,
            meter: settings.metrics.meter(kind, named),
            key,
            json,
            iconless_json,
            wraps_output,
            unsupported: Unsupported::all(&input),
            arguments: ArgumentReader::new(
                declaration.arguments,
                generated.as_value(),
                input,
                known,
                lenient,
            ),
            concurrency: declaration.concurrency.map(Concurrency::new).map(Arc::new),
            is_shared: guard.is_public() && declaration.parameters.iter().all(|one| one.shared),
            takes_organization,
            uses_context: declaration.kind.confirms()
                || declaration.parameters.iter().any(|one| one.uses_context),
            requires_arguments,
            takes_code,
            schemes,
            access_text: OnceLock::new(),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.registration.declaration.name
    }

    /// Returns the information that messages and the access matrix show.
    pub(crate) fn info(&self) -> PrimitiveInfo {
        self.info
    }

    /// Returns a text that identifies this primitive among all primitives of the server. It is the key of the counts of
    /// calls.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the counters of calls.
    pub(crate) fn meter(&self) -> &CallMeter {
        &self.meter
    }

    /// Returns the name for log lines.
    pub(crate) fn log_name(&self) -> LogName<'_> {
        let mut name = LogName::default();
        match self.kind() {
            Kind::Prompt(_) => name.prompt = Some(self.name()),
            Kind::Resource(_) => name.resource = Some(self.key()),
            Kind::Tool(_) => name.tool = Some(self.name()),
        }
        name
    }

    pub(crate) fn kind(&self) -> &'static Kind {
        &self.registration.declaration.kind
    }

    /// Returns the data that only a resource has. `None` for a tool or a prompt.
    pub(crate) fn resource(&self) -> Option<&'static ResourceTraits> {
        match self.kind() {
            Kind::Resource(resource) => Some(resource),
            Kind::Prompt(_) | Kind::Tool(_) => None,
        }
    }

    /// Returns the arguments that clients repeat in headers.
    pub(crate) fn mirrored(&self) -> &'static [MirroredArgument] {
        self.kind().mirrored()
    }

    /// Returns true if the argument with this name has a completion function.
    pub(crate) fn completes(&self, argument: &str) -> bool {
        self.registration.declaration.completed.contains(&argument)
    }

    /// Returns true if at least one argument has a completion function.
    pub(crate) fn has_completion(&self) -> bool {
        !self.registration.declaration.completed.is_empty()
    }

    /// Returns true if every caller gets the same result.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Returns the description for the result of `prompts/get`. Empty if the function has no doc
    /// comment.
    pub(crate) fn description(&self) -> &'static str {
        self.registration.declaration.description.trim()
    }

    /// Returns the first paragraph of the doc comment, in one line.
    pub(crate) fn summary(&self) -> String {
        let description = self.registration.declaration.description.trim();
        let lines = description.lines().map(str::trim);
        let paragraph: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        paragraph.join(" ")
    }

    /// Returns the guard, with the requirements of the modules.
    pub(crate) fn guard(&self) -> &Guard {
        self.info.guard()
    }

    /// Returns the guard, and the `authorize` function that runs after the guard.
    pub(crate) fn access_rule(&self) -> AccessRule {
        AccessRule {
            guard: *self.guard(),
            rule: self.authorize().map(|authorize| authorize.rule),
            confirms: self.confirms(),
            takes_code: self.takes_code,
        }
    }

    /// Returns the text of the access rule.
    pub(crate) fn access_text(&self) -> &str {
        let write = || self.access_rule().to_string();
        self.access_text.get_or_init(write)
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.registration.declaration.location
    }

    /// Returns the object that describes the primitive in its list, serialized.
    pub(crate) fn json(&self, with_icons: bool) -> &str {
        match &self.iconless_json {
            Some(iconless) if !with_icons => iconless,
            Some(_) | None => &self.json,
        }
    }

    /// Returns true if a typed result is written as `{"result": …}`.
    pub(crate) fn wraps_output(&self) -> bool {
        self.wraps_output
    }

    /// Returns true if the server must look up the caller's organization before the function runs, because the guard
    /// requires the organization, or a parameter depends on it.
    pub(crate) fn wants_organization(&self) -> bool {
        self.guard().uses_organization() || self.takes_organization
    }

    /// Returns true if a parameter depends on the organization. The server must then look up the
    /// organization even if the guard passes without it.
    pub(crate) fn takes_organization(&self) -> bool {
        self.takes_organization
    }

    /// Returns the declared rate limits.
    pub(crate) fn rates(&self) -> &'static [Rate] {
        self.registration.declaration.rates
    }

    /// Returns the counter of running calls, if the declaration has a `concurrency`.
    pub(crate) fn concurrency(&self) -> Option<&Arc<Concurrency>> {
        self.concurrency.as_ref()
    }

    /// Returns true for a tool that declares that it changes nothing, and for every prompt and
    /// resource.
    pub(crate) fn is_read_only(&self) -> bool {
        self.info.is_read_only()
    }

    /// Returns true if the primitive has a required argument.
    pub(crate) fn requires_arguments(&self) -> bool {
        self.requires_arguments
    }

    /// Returns the published security schemes of the primitive. Empty if the server does not publish
    /// security schemes.
    pub(crate) fn schemes(&self) -> &[SecurityScheme] {
        &self.schemes
    }

    /// Reads the arguments of a call, or returns the error for the client.
    pub(super) fn read_arguments<T: Arguments>(&self, raw: &str) -> Result<T, String> {
        self.arguments.read(self.name(), raw)
    }

    pub(super) fn arguments_schema(&self) -> &Value {
        &self.arguments.schema
    }

    /// Returns the parts of the arguments' schema that some clients reject.
    pub(crate) fn unsupported(&self) -> &[Unsupported] {
        &self.unsupported
    }

    /// Returns true for a plain `fn`, which needs a thread.
    pub(crate) fn is_blocking(&self) -> bool {
        self.registration.declaration.blocking
    }

    pub(super) fn authorize(&self) -> Option<Authorize> {
        self.registration.declaration.authorize
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.registration
            .declaration
            .timeout
            .map(Duration::from_secs)
    }

    /// Returns the longest time to which progress extends the time-out. `None` if progress does not
    /// extend it.
    pub(crate) fn longest_timeout(&self) -> Option<Duration> {
        let seconds = self.registration.declaration.extend_on_progress;
        seconds.map(Duration::from_secs)
    }

    /// Returns true if a person must confirm each call.
    pub(crate) fn confirms(&self) -> bool {
        self.registration.declaration.kind.confirms()
    }

    /// Returns true if a client that cannot ask a person confirms a call with the argument [`CONFIRMATION_CODE`].
    pub(crate) fn takes_code(&self) -> bool {
        self.takes_code
    }

    /// Returns whether some or all calls run as tasks. `None` if no call runs as a task.
    pub(crate) fn task(&self) -> Option<TaskSupport> {
        self.registration.declaration.kind.task()
    }

    /// Returns true if the function can send messages to the client.
    pub(crate) fn uses_context(&self) -> bool {
        self.uses_context
    }

    /// Makes the channel for a call of the function. `None` if the function cannot send messages.
    /// `interval` is the shortest time between two progress messages.
    pub(crate) fn channel(
        &self,
        wanted: Wanted,
        interval: Duration,
        dialogue: Dialogue,
    ) -> Option<Arc<Channel>> {
        (self.uses_context || self.task().is_some())
            .then(|| Channel::new(self.name(), wanted, self.is_blocking(), interval, dialogue))
    }

    /// Starts the function of the primitive. For a completion request, starts the completion function of the argument
    /// instead.
    pub(super) fn start(&self, call: Call) -> Run {
        match (call.completes(), self.registration.complete) {
            (true, Some(complete)) => complete(call),
            (true, None) | (false, _) => (self.registration.run)(call),
        }
    }
}

/// The argument with the code that confirms a call. The server adds the argument to the schema of a tool with `confirm`,
/// and takes it out of the arguments before the function reads them.
pub(crate) const CONFIRMATION_CODE: &str = "confirmation_code";
const CODE_DESCRIPTION: &str = "Leave this out of the first call. The answer to that call has a question for the user, and \
     a code. After the user agreed, call the tool again with the same arguments and the code.";
