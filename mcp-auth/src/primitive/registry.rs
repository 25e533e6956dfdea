//! The tools, prompts and resources that a server serves. The server collects, checks and sorts them
//! at start-up.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Arc;

use super::declaration::Kind;
use super::info::PrimitiveInfo;
use super::registration::Registration;
use super::registry_error::RegistryError;
use super::served::{RegistrySettings, Served};
use super::state::States;
use super::uri_template::{UriTemplate, Values};

/// The served tools, prompts and resources.
#[derive(Debug)]
pub(crate) struct Registry {
    tools: BTreeMap<String, Arc<Served>>,
    prompts: BTreeMap<String, Arc<Served>>,
    /// The resources with a fixed URI.
    resources: BTreeMap<String, Arc<Served>>,
    /// The resource templates, sorted by their text.
    templates: Vec<(UriTemplate, Arc<Served>)>,
    publishes_schemes: bool,
}

/// The lists that clients can request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum List {
    Prompts,
    Resources,
    Templates,
    Tools,
}

impl List {
    /// Every list.
    pub(crate) const ALL: [Self; 4] =
        [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// Returns the name of the member that has the entries in the result of the list.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tools => "tools",
        }
    }
}

impl Registry {
    /// Collects and checks the linked primitives that `serves` selects.
    pub(crate) fn collect(
        serves: impl Fn(&PrimitiveInfo) -> bool,
        states: &States,
        settings: &RegistrySettings,
    ) -> Result<Self, RegistryError> {
        let mut registrations: Vec<_> = Registration::linked()
            .filter(|one| serves(&PrimitiveInfo::of(&one.declaration)))
            .collect();
        // Sort, so that the error about a duplicate name does not depend on the linker's order.
        registrations.sort_by_key(|one| (one.declaration.name, place(one.declaration.location)));
        let mut registry = Self {
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
            resources: BTreeMap::new(),
            templates: Vec::new(),
            publishes_schemes: settings.schemes.is_some(),
        };
        for registration in registrations {
            registry.add(Arc::new(Served::prepare(registration, states, settings)?))?;
        }
        registry
            .templates
            .sort_by_cached_key(|(template, _)| template.to_string());
        registry.check_templates()?;
        Ok(registry)
    }

    fn add(&mut self, served: Arc<Served>) -> Result<(), RegistryError> {
        let (kind, named) = match served.kind() {
            Kind::Prompt(_) => ("prompt", &mut self.prompts),
            Kind::Tool(_) => ("tool", &mut self.tools),
            Kind::Resource(resource) => {
                let template = UriTemplate::new(resource.uri);
                if !template.is_fixed() {
                    self.templates.push((template, served));
                    return Ok(());
                }
                let uri = template.to_string();
                if let Some(first) = self.resources.insert(uri.clone(), Arc::clone(&served)) {
                    return Err(shared_uri((&uri, &first), (&uri, &served)));
                }
                return Ok(());
            }
        };
        if let Some(first) = named.insert(served.name().to_owned(), Arc::clone(&served)) {
            return Err(RegistryError::Duplicate {
                kind,
                name: served.name(),
                first: first.location(),
                second: served.location(),
            });
        }
        Ok(())
    }

    /// Checks that no URI matches two resources. Otherwise it would be unclear which of the two guards decides about
    /// the URI.
    fn check_templates(&self) -> Result<(), RegistryError> {
        for (index, (template, served)) in self.templates.iter().enumerate() {
            for (other, second) in self.templates.iter().skip(index + 1) {
                if template.overlaps(other) {
                    let first = (&*template.to_string(), &**served);
                    return Err(shared_uri(first, (&other.to_string(), second)));
                }
            }
            for (uri, fixed) in &self.resources {
                if template.matches(uri).is_some() {
                    return Err(shared_uri((uri, fixed), (&template.to_string(), served)));
                }
            }
        }
        Ok(())
    }

    /// Returns the tool with this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Served>> {
        self.tools.get(name)
    }

    /// Returns the prompt with this name.
    pub(crate) fn find_prompt(&self, name: &str) -> Option<&Arc<Served>> {
        self.prompts.get(name)
    }

    /// Returns the resource or the resource template that matches this URI, with the values of the
    /// template's variables.
    pub(crate) fn find_resource(&self, uri: &str) -> Option<(&Arc<Served>, Values)> {
        if let Some(resource) = self.resources.get(uri) {
            return Some((resource, Values::default()));
        }
        self.templates
            .iter()
            .find_map(|(template, served)| Some((served, template.matches(uri)?)))
    }

    /// Returns the resource template that is written like `text`, or else the resource with the URI
    /// `text`.
    pub(crate) fn find_template(&self, text: &str) -> Option<&Arc<Served>> {
        let mut templates = self.templates.iter();
        let template = templates.find(|(template, _)| template.to_string() == text);
        template
            .map(|(_, served)| served)
            .or_else(|| self.resources.get(text))
    }

    /// Returns the tools, sorted by name.
    pub(crate) fn tools(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.tools.values()
    }

    /// Returns all primitives of a list, in the order of the list.
    pub(crate) fn list(&self, list: List) -> impl Iterator<Item = &Arc<Served>> {
        let (named, templates) = match list {
            List::Prompts => (Some(&self.prompts), None),
            List::Resources => (Some(&self.resources), None),
            List::Templates => (None, Some(&self.templates)),
            List::Tools => (Some(&self.tools), None),
        };
        let named = named.into_iter().flat_map(BTreeMap::values);
        named.chain(templates.into_iter().flatten().map(|(_, served)| served))
    }

    /// Returns every primitive: first the tools, then the prompts, the resources and the templates.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Served>> {
        List::ALL.into_iter().flat_map(|list| self.list(list))
    }

    /// Returns true if `tools/list` has the security schemes of each tool.
    pub(crate) fn publishes_schemes(&self) -> bool {
        self.publishes_schemes
    }

    /// Returns true if the list has at least one entry.
    pub(crate) fn has(&self, list: List) -> bool {
        self.list(list).next().is_some()
    }

    /// Returns true if at least one argument has a completion function.
    pub(crate) fn completes(&self) -> bool {
        self.iter().any(|served| served.has_completion())
    }

    /// Returns true if at least one function can send log messages.
    pub(crate) fn logs(&self) -> bool {
        self.iter().any(|served| served.uses_context())
    }

    /// Returns true if calls of at least one tool run as tasks.
    pub(crate) fn has_tasks(&self) -> bool {
        self.iter().any(|served| served.task().is_some())
    }

    /// Returns true if the server serves no primitives.
    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

fn shared_uri(first: (&str, &Served), second: (&str, &Served)) -> RegistryError {
    RegistryError::SharedUri {
        first_uri: first.0.to_owned(),
        first: first.1.location(),
        second_uri: second.0.to_owned(),
        second: second.1.location(),
    }
}

fn place(location: &Location<'static>) -> (&'static str, u32, u32) {
    (location.file(), location.line(), location.column())
}
