//! The identity provider's description of an opaque token.

use std::fmt;
use std::fmt::Debug;

use serde_json::{Map, Value};

use crate::identity::caller::CallerParts;

/// The identity provider's description of an active token.
#[derive(Clone)]
pub(crate) struct Confirmation {
    pub(crate) subject: String,
    /// The id of the token, which is not the token itself.
    pub(crate) id: Option<String>,
    /// The time of issue, in milliseconds since 1970.
    pub(crate) issued_ms: Option<u64>,
    /// The expiry, in milliseconds since 1970. `None` if the token does not expire.
    pub(crate) expires_ms: Option<u64>,
    /// The audience. `None` if the token names no audience.
    pub(crate) audience: Option<Value>,
    /// The machines for which a machine's token is meant.
    pub(crate) machines: Vec<String>,
    /// The custom claims of the token.
    pub(crate) claims: Map<String, Value>,
    pub(crate) parts: CallerParts,
}

/// Prints no claims, because claims may contain personal data.
impl Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").finish_non_exhaustive()
    }
}
