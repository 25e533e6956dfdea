//! The fields of a log line that name a tool, a prompt or a resource.

/// The name of a primitive, in the field for its kind. The fields for the other kinds are `None`, and do not appear in
/// the log line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogName<'a> {
    pub(crate) prompt: Option<&'a str>,
    /// The URI of a resource, or its template.
    pub(crate) resource: Option<&'a str>,
    pub(crate) tool: Option<&'a str>,
}
