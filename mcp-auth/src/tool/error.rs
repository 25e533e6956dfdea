//! The error of a tool, and the line between what a client reads and what only the log holds.
//!
//! [`ToolError::new`] makes a *told* error: its text is the answer. `?` on any other error makes a
//! *hidden* one: the client gets a fixed sentence with a reference, the log gets the details under
//! the same reference. No `Display` of a foreign error reaches a client by accident.

use std::error::Error;
use std::fmt;

/// What a tool answers when it cannot do what it was asked.
///
/// ```
/// use mcp_auth::{OrTell, ToolError};
///
/// async fn read(path: &str) -> Result<String, ToolError> {
///     if path.contains("..") {
///         return Err(ToolError::new("The path must stay inside the workspace"));
///     }
///     let size = "12".parse::<u32>()?; // hidden: "Internal error, reference …"
///     let text = std::fs::read_to_string(path).or_tell("There is no such file")?;
///     Ok(format!("{size} {text}"))
/// }
/// ```
///
/// It does not implement [`std::error::Error`]: that is what lets `?` take any error.
pub struct ToolError(Repr);

enum Repr {
    Told {
        text: String,
        source: Option<BoxError>,
    },
    Hidden(BoxError),
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl ToolError {
    /// Makes an error whose text the client, and so the model, reads.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Repr::Told {
            text: text.into(),
            source: None,
        })
    }

    /// Returns what the client reads, and logs what it does not.
    pub(crate) fn into_told(self, tool: &'static str) -> String {
        match self.0 {
            Repr::Told { text, source: None } => text,
            Repr::Told {
                text,
                source: Some(source),
            } => {
                tracing::warn!(target: "mcp_auth", tool, error = %Chain(&*source), "tool failed: {text}");
                text
            }
            Repr::Hidden(source) => {
                let reference = Reference::new();
                tracing::error!(target: "mcp_auth", tool, %reference, error = %Chain(&*source), "tool failed");
                reference.told()
            }
        }
    }
}

impl<E: Into<BoxError>> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self(Repr::Hidden(error.into()))
    }
}

impl fmt::Display for ToolError {
    /// What a client would read; a hidden error has no reference yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Told { text, .. } => f.write_str(text),
            Repr::Hidden(_) => f.write_str("Internal error"),
        }
    }
}

impl fmt::Debug for ToolError {
    /// For the log and for tests: with the details.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Told { text, source } => f
                .debug_struct("Told")
                .field("text", text)
                .field("source", source)
                .finish(),
            Repr::Hidden(source) => f.debug_tuple("Hidden").field(source).finish(),
        }
    }
}

/// Gives an error a text for the client, keeping its details in the log.
pub trait OrTell<T> {
    /// Turns an error, or a `None`, into one that tells `text`.
    ///
    /// # Errors
    ///
    /// A [`ToolError`] with that text if there is no value.
    fn or_tell(self, text: impl Into<String>) -> Result<T, ToolError>;
}

impl<T, E: Into<BoxError>> OrTell<T> for Result<T, E> {
    fn or_tell(self, text: impl Into<String>) -> Result<T, ToolError> {
        self.map_err(|error| {
            ToolError(Repr::Told {
                text: text.into(),
                source: Some(error.into()),
            })
        })
    }
}

impl<T> OrTell<T> for Option<T> {
    fn or_tell(self, text: impl Into<String>) -> Result<T, ToolError> {
        self.ok_or_else(|| ToolError::new(text))
    }
}

/// Names one failure in the log and in the client's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference(u64);

impl Reference {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 8];
        // Without entropy all references are alike: worse to search by, no reason to fail.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        Self(u64::from_be_bytes(bytes))
    }

    /// The sentence that a client reads instead of the details.
    pub(crate) fn told(self) -> String {
        format!("Internal error, reference {self}")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An error and its sources on one line.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_error_is_hidden_behind_a_reference() {
        let error: ToolError = "x".parse::<u32>().map_err(ToolError::from).unwrap_err();
        let told = error.into_told("t");
        assert!(told.starts_with("Internal error, reference "), "{told}");
        assert_eq!(told.len(), "Internal error, reference ".len() + 16);
        assert!(!told.contains("digit"));
    }

    #[test]
    fn a_told_error_is_told_as_it_is() {
        assert_eq!(
            ToolError::new("No such document").into_told("t"),
            "No such document"
        );
        let io: Result<(), _> = Err(std::io::Error::other("disk on fire"));
        assert_eq!(
            io.or_tell("Try again later").unwrap_err().into_told("t"),
            "Try again later"
        );
        assert_eq!(
            None::<()>.or_tell("Nothing").unwrap_err().to_string(),
            "Nothing"
        );
    }

    #[test]
    fn display_never_shows_a_hidden_error() {
        let error = ToolError::from(std::io::Error::other("password=hunter2"));
        assert_eq!(error.to_string(), "Internal error");
    }
}
