//! The levels of log messages for clients.

use std::fmt;

/// The severity of a log message that a function sends to the client with
/// [`Context::log`](crate::Context::log), from the least severe level to the most severe level.
///
/// ```
/// use mcp_auth::LogLevel;
///
/// assert!(LogLevel::Debug < LogLevel::Warning);
/// assert_eq!(LogLevel::Warning.to_string(), "warning");
/// ```
///
/// Source: RFC 5424 section 6.2.1; MCP 2026-07-28, server/utilities/logging, "Log levels".
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Details for debugging.
    Debug,
    /// General information.
    Info,
    /// Normal, but significant events.
    Notice,
    /// Conditions that may become errors.
    Warning,
    /// Errors.
    Error,
    /// Critical conditions, such as the failure of a component.
    Critical,
    /// Conditions that require action at once.
    Alert,
    /// The system is unusable.
    Emergency,
}

impl LogLevel {
    const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// Returns the name of the level in MCP: `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// Returns the level with this name. `None` for an unknown name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_sorted_and_have_the_names_of_mcp() {
        assert!(LogLevel::ALL.is_sorted());
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::of(level.as_str()), Some(level));
        }
        assert_eq!(LogLevel::of("Debug"), None);
        assert_eq!(LogLevel::of("trace"), None);
    }
}
