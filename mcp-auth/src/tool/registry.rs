//! The tools that a server serves. The server collects and checks them at start-up, and sorts them
//! by name.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::guard::{Guard, Requirement, SchemeSource, SecurityScheme};

use super::arguments::ArgumentReader;
use super::authorize::{AccessRule, Authorize};
use super::concurrency::Concurrency;
use super::declaration::{Annotations, ArgumentsForm, Declaration, Icon, MetaValue, Parameter};
use super::info::ToolInfo;
use super::outcome::Run;
use super::rate::{Per, Rate};
use super::registration::Registration;
use super::run::Call;
use super::schema::{self, Unsupported};
use super::state::{RequiredState, States};

/// The served tools.
#[derive(Debug)]
pub(crate) struct Registry {
    tools: BTreeMap<&'static str, Arc<ServedTool>>,
    publishes_schemes: bool,
}

/// The settings of a server that apply to every tool.
#[derive(Debug)]
pub(crate) struct ToolSettings {
    /// The data for `securitySchemes`. `None` if `tools/list` does not have them.
    pub(crate) schemes: Option<SchemeSource>,
    /// True if every tool reads its arguments leniently.
    pub(crate) lenient_arguments: bool,
    /// True if `tools/list` has `additionalProperties: false`.
    pub(crate) closed_schemas: bool,
}

impl Registry {
    /// Collects and checks the linked tools that `serves` selects.
    pub(crate) fn collect(
        serves: impl Fn(&ToolInfo) -> bool,
        states: &States,
        settings: &ToolSettings,
    ) -> Result<Self, RegistryError> {
        let mut registrations: Vec<_> = Registration::linked()
            .filter(|tool| serves(&ToolInfo::of(&tool.declaration)))
            .collect();
        // The error about a duplicate name must not depend on the order of the linker.
        registrations.sort_by_key(|tool| (tool.declaration.name, place(tool.declaration.location)));
        let mut tools = BTreeMap::new();
        for registration in registrations {
            let tool = Arc::new(ServedTool::prepare(registration, states, settings)?);
            if let Some(first) = tools.insert(tool.name(), Arc::clone(&tool)) {
                return Err(RegistryError::Duplicate {
                    name: tool.name(),
                    first: first.registration.declaration.location,
                    second: tool.registration.declaration.location,
                });
            }
        }
        Ok(Self {
            tools,
            publishes_schemes: settings.schemes.is_some(),
        })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<ServedTool>> {
        self.tools.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ServedTool>> {
        self.tools.values()
    }

    /// Returns true if `tools/list` has the security schemes of each tool.
    pub(crate) fn publishes_schemes(&self) -> bool {
        self.publishes_schemes
    }

    pub(crate) fn len(&self) -> usize {
        self.tools.len()
    }
}

/// A tool, with everything that can be computed at start-up.
#[derive(Debug)]
pub(crate) struct ServedTool {
    registration: &'static Registration,
    json: String,
    /// The JSON of the tool for protocol revisions without icons. `None` if the tool has no icons.
    iconless_json: Option<String>,
    wraps_output: bool,
    arguments: ArgumentReader,
    /// The counter of running calls, if the tool declares `concurrency`.
    concurrency: Option<Arc<Concurrency>>,
    takes_organization: bool,
    requires_arguments: bool,
    schemes: Vec<SecurityScheme>,
    /// The parts of the arguments' schema that some clients reject.
    unsupported: Vec<Unsupported>,
}

impl ServedTool {
    fn prepare(
        registration: &'static Registration,
        states: &States,
        settings: &ToolSettings,
    ) -> Result<Self, RegistryError> {
        let declaration = &registration.declaration;
        for parameter in declaration.parameters {
            let mut needs = RequiredState::default();
            (parameter.needs)(&mut needs);
            if let Some(state) = needs.missing_from(states) {
                return Err(RegistryError::MissingState {
                    tool: declaration.name,
                    parameter: parameter.name,
                    state,
                    location: parameter.location,
                });
            }
        }
        let open = declaration.allow_unknown;
        let generated = (registration.input_schema)();
        let input = schema::finish_input(generated.clone(), !open);
        let known = match declaration.arguments {
            ArgumentsForm::Struct if !open => schema::property_names(&input),
            ArgumentsForm::Struct | ArgumentsForm::Generated => None,
        };
        let lenient = declaration.lenient || settings.lenient_arguments;
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
        let wants_organization = declaration.guard.uses_organization() || takes_organization;
        let per_org = |rate: &&Rate| rate.per() == Per::Org;
        if let Some(rate) = declaration.rates.iter().find(per_org)
            && !wants_organization
        {
            return Err(RegistryError::RateWithoutOrganization {
                tool: declaration.name,
                rate: *rate,
                location: declaration.location,
            });
        }
        let schemes = settings.schemes.as_ref();
        let schemes = schemes.map(|source| source.of(&declaration.guard, &injected));
        let schemes = schemes.unwrap_or_default();
        let mut shown = [Some(input.clone()), output.map(|(schema, _)| schema)];
        if !settings.closed_schemas {
            shown.iter_mut().flatten().for_each(schema::leave_open);
        }
        let [shown_input, shown_output] = shown;
        let mut described = describe(declaration, shown_input.unwrap_or_default(), shown_output);
        publish(&mut described, &schemes);
        let with_icons = icons(declaration.icons).map(|icons| {
            let mut tool = described.clone();
            tool.insert("icons".to_owned(), icons);
            Value::Object(tool).to_string()
        });
        let described = Value::Object(described).to_string();
        let (json, iconless_json) = match with_icons {
            Some(with_icons) => (with_icons, Some(described)),
            None => (described, None),
        };
        Ok(Self {
            registration,
            json,
            iconless_json,
            wraps_output,
            unsupported: Unsupported::all(&input),
            arguments: ArgumentReader::new(generated.as_value(), input, known, lenient),
            concurrency: declaration.concurrency.map(Concurrency::new).map(Arc::new),
            takes_organization,
            requires_arguments,
            schemes,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.registration.declaration.name
    }

    /// Returns the first paragraph of the tool's doc comment, in one line.
    pub(crate) fn summary(&self) -> String {
        let description = self.registration.declaration.description.trim();
        let lines = description.lines().map(str::trim);
        let paragraph: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        paragraph.join(" ")
    }

    pub(crate) fn guard(&self) -> &'static Guard {
        &self.registration.declaration.guard
    }

    /// Returns the guard, and the `authorize` function that runs after the guard.
    pub(crate) fn policy(&self) -> AccessRule {
        AccessRule {
            guard: *self.guard(),
            rule: self.authorize().map(|authorize| authorize.rule),
        }
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.registration.declaration.location
    }

    /// Returns the tool object of `tools/list`, serialized.
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

    /// Returns true if the server must look up the caller's organization before the tool can run:
    /// the guard requires the organization, or a parameter depends on it.
    pub(crate) fn wants_organization(&self) -> bool {
        self.guard().uses_organization() || self.takes_organization
    }

    /// Returns true if a parameter depends on the organization. The server must then look up the
    /// organization even if the guard passes without it.
    pub(crate) fn takes_organization(&self) -> bool {
        self.takes_organization
    }

    /// Returns the rate limits of the tool.
    pub(crate) fn rates(&self) -> &'static [Rate] {
        self.registration.declaration.rates
    }

    /// Returns the counter of running calls, if the tool declares `concurrency`.
    pub(crate) fn concurrency(&self) -> Option<&Arc<Concurrency>> {
        self.concurrency.as_ref()
    }

    /// Returns true if the tool declares that it changes nothing.
    pub(crate) fn is_read_only(&self) -> bool {
        ToolInfo::of(&self.registration.declaration).is_read_only()
    }

    /// Returns true if the tool has a required argument.
    pub(crate) fn requires_arguments(&self) -> bool {
        self.requires_arguments
    }

    /// Returns the published security schemes of the tool. Empty if `tools/list` does not have
    /// them.
    pub(crate) fn schemes(&self) -> &[SecurityScheme] {
        &self.schemes
    }

    /// Reads the arguments of a call, or returns the error for the client.
    pub(super) fn read_arguments<T: DeserializeOwned>(&self, raw: &str) -> Result<T, String> {
        self.arguments.read(self.name(), raw)
    }

    pub(super) fn arguments_schema(&self) -> &Value {
        &self.arguments.schema
    }

    /// Returns the parts of the arguments' schema that some clients reject.
    pub(crate) fn unsupported(&self) -> &[Unsupported] {
        &self.unsupported
    }

    /// Returns true if the tool is a plain function.
    pub(crate) fn is_blocking(&self) -> bool {
        self.registration.declaration.blocking
    }

    pub(super) fn authorize(&self) -> Option<Authorize> {
        self.registration.declaration.authorize
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.registration
            .declaration
            .timeout
            .map(Duration::from_secs)
    }

    pub(super) fn start(&self, call: Call) -> Run {
        (self.registration.run)(call)
    }
}

/// MCP 2026-07-28, server/tools: the tool object.
fn describe(declaration: &Declaration, input: Value, output: Option<Value>) -> Map<String, Value> {
    let mut tool = Map::new();
    tool.insert("name".to_owned(), declaration.name.into());
    if let Some(title) = declaration.title {
        tool.insert("title".to_owned(), title.into());
    }
    let description = declaration.description.trim();
    if !description.is_empty() {
        tool.insert("description".to_owned(), description.into());
    }
    tool.insert("inputSchema".to_owned(), input);
    if let Some(output) = output {
        tool.insert("outputSchema".to_owned(), output);
    }
    if let Some(annotations) = annotations(declaration.annotations) {
        tool.insert("annotations".to_owned(), annotations);
    }
    if !declaration.meta.is_empty() {
        let meta = declaration.meta.iter();
        let meta = meta.map(|(key, value)| ((*key).to_owned(), meta_value(*value)));
        tool.insert("_meta".to_owned(), Value::Object(meta.collect()));
    }
    tool
}

/// Adds the security schemes to the top level of the tool, and to its `_meta` for SDKs that drop
/// unknown members. In `_meta` they replace a member of the same name from the declaration.
fn publish(tool: &mut Map<String, Value>, schemes: &[SecurityScheme]) {
    if schemes.is_empty() {
        return;
    }
    let schemes: Value = schemes.iter().map(SecurityScheme::to_json).collect();
    tool.insert(SECURITY_SCHEMES.to_owned(), schemes.clone());
    let meta = tool.entry("_meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.insert(SECURITY_SCHEMES.to_owned(), schemes);
    }
}

fn meta_value(value: MetaValue) -> Value {
    match value {
        MetaValue::Flag(flag) => flag.into(),
        MetaValue::Float(number) => number.into(),
        MetaValue::Integer(number) => number.into(),
        MetaValue::Text(text) => text.into(),
    }
}

fn icons(icons: &[Icon]) -> Option<Value> {
    let icons: Vec<_> = icons
        .iter()
        .map(|icon| {
            let Icon {
                src,
                mime_type,
                sizes,
                theme,
            } = *icon;
            let sizes = (!sizes.is_empty()).then(|| json!(sizes));
            let members = [
                ("src", Some(src.into())),
                ("mimeType", mime_type.map(Value::from)),
                ("sizes", sizes),
                ("theme", theme.map(Value::from)),
            ];
            let members = members.into_iter();
            Value::Object(
                members
                    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                    .collect(),
            )
        })
        .collect();
    (!icons.is_empty()).then_some(Value::Array(icons))
}

fn annotations(annotations: Annotations) -> Option<Value> {
    let Annotations {
        read_only,
        destructive,
        idempotent,
        open_world,
    } = annotations;
    let hints: Map<String, Value> = [
        ("readOnlyHint", read_only),
        ("destructiveHint", destructive),
        ("idempotentHint", idempotent),
        ("openWorldHint", open_world),
    ]
    .into_iter()
    .filter_map(|(name, hint)| Some((name.to_owned(), hint?.into())))
    .collect();
    (!hints.is_empty()).then_some(Value::Object(hints))
}

fn place(location: &Location<'static>) -> (&'static str, u32, u32) {
    (location.file(), location.line(), location.column())
}

const SECURITY_SCHEMES: &str = "securitySchemes";

/// The errors of tools that a server cannot serve.
#[derive(Debug, Error)]
pub(crate) enum RegistryError {
    /// Two tools have the same name.
    #[error("two tools are called `{name}`: {first} and {second}; give one of them another `name`")]
    Duplicate {
        name: &'static str,
        first: &'static Location<'static>,
        second: &'static Location<'static>,
    },
    /// A tool takes state that the server does not have.
    #[error(
        "{location}: tool `{tool}` takes state of type `{state}` (parameter `{parameter}`), but the server was given none; add `state = <a {state}>`"
    )]
    MissingState {
        tool: &'static str,
        parameter: &'static str,
        state: &'static str,
        location: &'static Location<'static>,
    },
    /// A tool counts its calls per organization, but its calls have no organization.
    #[error(
        "{location}: tool `{tool}` has the rate `{rate}`, but acts in no organization; add `require_org`, or count `per user`"
    )]
    RateWithoutOrganization {
        tool: &'static str,
        rate: Rate,
        location: &'static Location<'static>,
    },
}
