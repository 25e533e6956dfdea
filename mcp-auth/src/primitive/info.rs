//! Describes a linked tool, prompt or resource, for programs that choose the functions of a server.

use std::fmt;

use crate::guard::Guard;

use super::declaration::{Declaration, Kind};
use super::rate::Rate;
use super::uri_template::UriTemplate;

/// The description of a tool, a prompt or a resource. [`ServerBuilder::serve_if`](crate::ServerBuilder::serve_if)
/// uses the description to select the tools, prompts and resources that a server serves.
///
/// ```
/// let reading = mcp_auth::server!().serve_if(|tool| tool.is_read_only());
/// # let _ = reading;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PrimitiveInfo {
    declaration: &'static Declaration,
    guard: Guard,
}

impl PrimitiveInfo {
    pub(crate) fn of(declaration: &'static Declaration) -> Self {
        let guard = declaration.own_guard.in_module(declaration.module);
        Self { declaration, guard }
    }

    /// Returns the kind: tool, prompt, resource or resource template.
    ///
    /// ```
    /// use mcp_auth::PrimitiveKind;
    ///
    /// let tools_only = mcp_auth::server!().serve_if(|item| item.kind() == PrimitiveKind::Tool);
    /// # let _ = tools_only;
    /// ```
    #[must_use]
    pub fn kind(&self) -> PrimitiveKind {
        match self.declaration.kind {
            Kind::Prompt(_) => PrimitiveKind::Prompt,
            Kind::Resource(resource) if UriTemplate::new(resource.uri).is_fixed() => {
                PrimitiveKind::Resource
            }
            Kind::Resource(_) => PrimitiveKind::ResourceTemplate,
            Kind::Tool(_) => PrimitiveKind::Tool,
        }
    }

    /// Returns the URI of a resource, or the URI template of a resource template. `None` for a tool
    /// and a prompt.
    ///
    /// ```
    /// let server = mcp_auth::server!()
    ///     .serve_if(|item| item.uri().is_none_or(|uri| uri.starts_with("docs://")));
    /// # let _ = server;
    /// ```
    #[must_use]
    pub fn uri(&self) -> Option<String> {
        match self.declaration.kind {
            Kind::Resource(resource) => Some(UriTemplate::new(resource.uri).to_string()),
            Kind::Prompt(_) | Kind::Tool(_) => None,
        }
    }

    /// Returns the kind with the name or the URI, for a message: ``tool `greet` ``.
    pub(crate) fn in_words(&self) -> String {
        let named = self.uri().unwrap_or_else(|| self.name().to_owned());
        format!("{} `{named}`", self.kind())
    }

    /// Returns the name in the protocol.
    ///
    /// ```
    /// let one = mcp_auth::server!().serve_if(|tool| tool.name() == "delete_document");
    /// # let _ = one;
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.declaration.name
    }

    /// Returns the Cargo package that declares the tool, the prompt or the resource.
    ///
    /// ```
    /// let foreign = mcp_auth::server!().serve_if(|tool| tool.package() != "my-app");
    /// # let _ = foreign;
    /// ```
    #[must_use]
    pub fn package(&self) -> &'static str {
        self.declaration.package
    }

    /// Returns the module that declares the tool, the prompt or the resource, as `module_path!()`
    /// writes it.
    ///
    /// ```
    /// let but_one = mcp_auth::server!().serve_if(|tool| tool.module() != "my_app::admin");
    /// # let _ = but_one;
    /// ```
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.declaration.module
    }

    /// Returns the guard. It includes the requirements of the modules around the function
    /// ([`module_guard!`](crate::module_guard)).
    ///
    /// ```
    /// let public = mcp_auth::server!().serve_if(|tool| tool.guard().is_public());
    /// # let _ = public;
    /// ```
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Returns the declared rate limits (`rate`). Empty if there are none.
    ///
    /// ```
    /// let unlimited = mcp_auth::server!().serve_if(|tool| tool.rates().is_empty());
    /// # let _ = unlimited;
    /// ```
    #[must_use]
    pub fn rates(&self) -> &'static [Rate] {
        self.declaration.rates
    }

    /// Returns the largest number of calls that may run at once (`concurrency`). `None` if no limit
    /// is declared.
    ///
    /// ```
    /// let light = mcp_auth::server!().serve_if(|tool| tool.concurrency().is_none());
    /// # let _ = light;
    /// ```
    #[must_use]
    pub fn concurrency(&self) -> Option<u32> {
        self.declaration.concurrency
    }

    /// Returns true for a tool that declares that it changes nothing (`read_only`), and for every
    /// prompt and resource.
    ///
    /// ```
    /// let reading = mcp_auth::server!().serve_if(|tool| tool.is_read_only());
    /// # let _ = reading;
    /// ```
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match &self.declaration.kind {
            Kind::Tool(tool) => tool.annotations.read_only == Some(true),
            Kind::Prompt(_) | Kind::Resource(_) => true,
        }
    }

    /// Returns true for a tool that may destroy something. This is MCP's default for every tool,
    /// except a tool that declares `read_only` or `destructive = false`. Returns false for a prompt
    /// and a resource.
    ///
    /// ```
    /// let harmless = mcp_auth::server!().serve_if(|tool| !tool.is_destructive());
    /// # let _ = harmless;
    /// ```
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        match &self.declaration.kind {
            Kind::Tool(tool) => !self.is_read_only() && tool.annotations.destructive != Some(false),
            Kind::Prompt(_) | Kind::Resource(_) => false,
        }
    }
}

/// The kinds of primitives that a server serves.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum PrimitiveKind {
    /// A prompt, declared with `#[mcp_prompt]`.
    Prompt,
    /// A resource with a fixed URI, declared with `#[mcp_resource]`.
    Resource,
    /// A resource whose URI has variables, declared with `#[mcp_resource]`.
    ResourceTemplate,
    /// A tool, declared with `#[mcp_tool]`.
    Tool,
}

impl fmt::Display for PrimitiveKind {
    /// Writes the kind as a word: `tool`, `prompt`, `resource`, `resource template`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::ResourceTemplate => "resource template",
            Self::Tool => "tool",
        })
    }
}
