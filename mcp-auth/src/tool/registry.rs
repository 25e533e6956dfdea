//! The tools a server serves: collected at start-up, checked, sorted by name.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::guard::{Guard, Requirement};

use super::declaration::{Annotations, ArgumentsForm, Declaration, Registration};
use super::run::{Call, Run};
use super::schema;
use super::state::{Needs, States};

/// The served tools.
#[derive(Debug)]
pub(crate) struct Registry {
    tools: BTreeMap<&'static str, Arc<ServedTool>>,
}

impl Registry {
    /// Collects the linked tools that `serves` names, and checks them.
    pub(crate) fn collect(
        serves: impl Fn(&Declaration) -> bool,
        states: &States,
    ) -> Result<Self, RegistryError> {
        let mut registrations: Vec<_> = Registration::linked()
            .filter(|tool| serves(&tool.declaration))
            .collect();
        // Which of two duplicates comes first must not depend on the linker.
        registrations.sort_by_key(|tool| (tool.declaration.name, place(tool.declaration.location)));
        let mut tools = BTreeMap::new();
        for registration in registrations {
            let tool = Arc::new(ServedTool::prepare(registration, states)?);
            if let Some(first) = tools.insert(tool.name(), Arc::clone(&tool)) {
                return Err(RegistryError::Duplicate {
                    name: tool.name(),
                    first: first.registration.declaration.location,
                    second: tool.registration.declaration.location,
                });
            }
        }
        Ok(Self { tools })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<ServedTool>> {
        self.tools.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ServedTool>> {
        self.tools.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.tools.len()
    }
}

/// A tool with everything that is known at start-up worked out.
#[derive(Debug)]
pub(crate) struct ServedTool {
    registration: &'static Registration,
    json: String,
    wraps_output: bool,
    known_arguments: Option<Vec<String>>,
    wants_organization: bool,
    requires_arguments: bool,
}

impl ServedTool {
    fn prepare(
        registration: &'static Registration,
        states: &States,
    ) -> Result<Self, RegistryError> {
        let declaration = &registration.declaration;
        for parameter in declaration.parameters {
            let mut needs = Needs::default();
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
        let input = schema::finish_input((registration.input_schema)(), !open);
        let known_arguments = match declaration.arguments {
            ArgumentsForm::Struct if !open => schema::property_names(&input),
            ArgumentsForm::Struct | ArgumentsForm::Generated => None,
        };
        let requires_arguments = input
            .get("required")
            .is_some_and(|names| *names != json!([]));
        let output = (registration.output_schema)().map(schema::finish_output);
        let wraps_output = output.as_ref().is_some_and(|(_, wrapped)| *wrapped);
        let optional_organization = declaration
            .parameters
            .iter()
            .any(|parameter| parameter.requires.contains(&Requirement::Organization));
        Ok(Self {
            registration,
            json: describe(declaration, input, output.map(|(schema, _)| schema)).to_string(),
            wraps_output,
            known_arguments,
            wants_organization: declaration.guard.needs_organization() || optional_organization,
            requires_arguments,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.registration.declaration.name
    }

    pub(crate) fn guard(&self) -> &'static Guard {
        &self.registration.declaration.guard
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.registration.declaration.location
    }

    /// The tool as `tools/list` shows it, serialised.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// Whether a typed result is written as `{"result": …}`.
    pub(crate) fn wraps_output(&self) -> bool {
        self.wraps_output
    }

    /// Whether the caller's organization has to be known before the tool can run: its guard asks
    /// for it, or it takes an `Option<&Org>`.
    pub(crate) fn wants_organization(&self) -> bool {
        self.wants_organization
    }

    /// Whether the tool says that it changes nothing.
    pub(crate) fn is_read_only(&self) -> bool {
        self.registration.declaration.annotations.read_only == Some(true)
    }

    /// Whether a call without arguments is refused.
    pub(crate) fn requires_arguments(&self) -> bool {
        self.requires_arguments
    }

    pub(super) fn known_arguments(&self) -> Option<&[String]> {
        self.known_arguments.as_deref()
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
fn describe(declaration: &Declaration, input: Value, output: Option<Value>) -> Value {
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
    Value::Object(tool)
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

/// Declarations that cannot be served together.
#[derive(Debug, Error)]
pub(crate) enum RegistryError {
    /// Two tools have one name.
    #[error("two tools are called `{name}`: {first} and {second}; give one of them another `name`")]
    Duplicate {
        name: &'static str,
        first: &'static Location<'static>,
        second: &'static Location<'static>,
    },
    /// A tool takes state that the server was not given.
    #[error(
        "{location}: tool `{tool}` takes state of type `{state}` (parameter `{parameter}`), but the server was given none; add `state = <a {state}>`"
    )]
    MissingState {
        tool: &'static str,
        parameter: &'static str,
        state: &'static str,
        location: &'static Location<'static>,
    },
}
