//! Checks of the readers of a stranger's bytes, a function for each reader: for the fuzzers of `fuzz`, and for the
//! test that runs their corpora.
//!
//! Each function panics if a rule is broken, and only then.

pub use crate::clerk::fuzz::{claims, publishable_key};
pub use crate::http::fuzz::{authorization, head};
pub use crate::identity::fuzz::token;
pub use crate::protocol::fuzz::message;
pub use crate::tool::fuzz::arguments;

/// A function that gives bytes to a reader and checks the result.
pub type Target = fn(&[u8]);

/// All targets, by the names of their fuzzers and corpora.
pub const TARGETS: [(&str, Target); 7] = [
    ("arguments", arguments),
    ("authorization", authorization),
    ("claims", claims),
    ("head", head),
    ("message", message),
    ("publishable_key", publishable_key),
    ("token", token),
];
