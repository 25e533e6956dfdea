//! One function for each parser of untrusted input. The fuzzers in `fuzz` and the test that runs their corpora call
//! these functions.
//!
//! Each function panics only if the parser breaks a rule.

pub use crate::clerk::fuzz::{claims, publishable_key};
pub use crate::http::fuzz::{authorization, head};
pub use crate::identity::fuzz::token;
pub use crate::primitive::fuzz::arguments;
pub use crate::protocol::fuzz::message;

/// A function that gives bytes to a parser and checks the result.
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
