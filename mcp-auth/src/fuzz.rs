//! The readers of a stranger's bytes, each as a function that checks what the reader makes of them: for the
//! fuzzers of `fuzz`, and for the test that runs their corpus.
//!
//! Each function panics where a rule is broken and returns whatever the bytes are otherwise.

pub use crate::clerk::fuzz::{claims, publishable_key};
pub use crate::http::fuzz::{authorization, head};
pub use crate::identity::fuzz::token;
pub use crate::protocol::fuzz::message;
pub use crate::tool::fuzz::arguments;

/// A function that checks what is made of some bytes.
pub type Target = fn(&[u8]);

/// All of them, by the names of their fuzzers and corpora.
pub const TARGETS: [(&str, Target); 7] = [
    ("arguments", arguments),
    ("authorization", authorization),
    ("claims", claims),
    ("head", head),
    ("message", message),
    ("publishable_key", publishable_key),
    ("token", token),
];
