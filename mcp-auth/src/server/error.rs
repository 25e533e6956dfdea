//! The error of a server that does not start.

use std::error::Error as StdError;
use std::fmt;

use super::finding::Finding;

/// The result of starting a server, and of a `main` function that starts a server.
///
/// ```no_run
/// #[actix_web::main]
/// async fn main() -> mcp_auth::Result<()> {
///     let greeting = std::fs::read_to_string("greeting.txt")?;
///     mcp_auth::serve!(state = greeting).await
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a server did not start, or why it stopped.
///
/// `main` prints the `Debug` form of its error, so the `Debug` form of this type is one readable
/// line. For a start-up error, the line ends with the code of the finding, which `docs/findings.md`
/// explains. `?` converts any other error into this type. To allow that, this type does not
/// implement [`std::error::Error`].
///
/// `Display` and `Debug` never print a key or a token of the server. For a converted error they print the `Display`
/// form of the error and of its sources.
///
/// ```
/// fn port() -> mcp_auth::Result<u16> {
///     Ok("80b".parse()?)
/// }
///
/// let error = port().unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// // The shell shows this text after `Error: `.
/// assert_eq!(format!("{error:?}"), error.to_string());
/// ```
pub struct Error(Repr);

enum Repr {
    Start(Box<Finding>),
    Other(Box<dyn StdError + Send + Sync>),
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Repr::Other(error.into()))
    }
}

impl Error {
    pub(super) fn start(finding: Finding) -> Self {
        Self(Repr::Start(Box::new(finding)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Start(finding) => {
                f.write_str(finding.what())?;
                if let Some(remedy) = finding.remedy() {
                    write!(f, "; {remedy}")?;
                }
                write!(f, " [{}]", finding.code())
            }
            Repr::Other(error) => write_chain(f, &**error),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error and its sources, in one line.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_chain(&mut text, error);
    text
}

fn write_chain(f: &mut impl fmt::Write, error: &dyn StdError) -> fmt::Result {
    write!(f, "{error}")?;
    error.source().map_or(Ok(()), |source| {
        f.write_str(": ")?;
        write_chain(f, source)
    })
}
