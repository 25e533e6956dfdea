//! Describes a linked tool, for programs that select which tools they serve.

use crate::guard::Guard;

use super::declaration::Declaration;
use super::rate::Rate;

/// The description of a tool, for selecting tools with
/// [`ServerBuilder::serve_tools_if`](crate::ServerBuilder::serve_tools_if).
///
/// ```
/// let reading = mcp_auth::server!().serve_tools_if(|tool| tool.is_read_only());
/// # let _ = reading;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ToolInfo {
    declaration: &'static Declaration,
}

impl ToolInfo {
    pub(crate) fn of(declaration: &'static Declaration) -> Self {
        Self { declaration }
    }

    /// Returns the name of the tool in the protocol.
    ///
    /// ```
    /// let one = mcp_auth::server!().serve_tools_if(|tool| tool.name() == "delete_document");
    /// # let _ = one;
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.declaration.name
    }

    /// Returns the Cargo package that declares the tool.
    ///
    /// ```
    /// let foreign = mcp_auth::server!().serve_tools_if(|tool| tool.package() != "my-app");
    /// # let _ = foreign;
    /// ```
    #[must_use]
    pub fn package(&self) -> &'static str {
        self.declaration.package
    }

    /// Returns the module that declares the tool, as `module_path!()` writes it.
    ///
    /// ```
    /// let but_one = mcp_auth::server!().serve_tools_if(|tool| tool.module() != "my_app::admin");
    /// # let _ = but_one;
    /// ```
    #[must_use]
    pub fn module(&self) -> &'static str {
        self.declaration.module
    }

    /// Returns the guard of the tool.
    ///
    /// ```
    /// let public = mcp_auth::server!().serve_tools_if(|tool| tool.guard().is_public());
    /// # let _ = public;
    /// ```
    #[must_use]
    pub fn guard(&self) -> &'static Guard {
        &self.declaration.guard
    }

    /// Returns the rate limits of the tool (`rate`). Empty if the tool declares none.
    ///
    /// ```
    /// let unlimited = mcp_auth::server!().serve_tools_if(|tool| tool.rates().is_empty());
    /// # let _ = unlimited;
    /// ```
    #[must_use]
    pub fn rates(&self) -> &'static [Rate] {
        self.declaration.rates
    }

    /// Returns the number of calls that may run at once (`concurrency`). `None` if the tool
    /// declares no limit.
    ///
    /// ```
    /// let light = mcp_auth::server!().serve_tools_if(|tool| tool.concurrency().is_none());
    /// # let _ = light;
    /// ```
    #[must_use]
    pub fn concurrency(&self) -> Option<u32> {
        self.declaration.concurrency
    }

    /// Returns true if the tool declares that it changes nothing (`read_only`).
    ///
    /// ```
    /// let reading = mcp_auth::server!().serve_tools_if(|tool| tool.is_read_only());
    /// # let _ = reading;
    /// ```
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.declaration.annotations.read_only == Some(true)
    }

    /// Returns true if the tool may destroy something. This is MCP's default for every tool, except
    /// a tool that declares `read_only` or `destructive = false`.
    ///
    /// ```
    /// let harmless = mcp_auth::server!().serve_tools_if(|tool| !tool.is_destructive());
    /// # let _ = harmless;
    /// ```
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        !self.is_read_only() && self.declaration.annotations.destructive != Some(false)
    }
}
