//! Requests without a token.

use crate::guard::SecurityScheme;
use crate::primitive::List;

use super::super::envelope::Message;
use super::{AnonymousAccess, Endpoint};

impl Endpoint {
    /// Returns true if the request needs no token: the use of a `public` tool, prompt or resource, or
    /// a request that the settings permit without a token. Every other request without a token gets
    /// a 401, so that a caller without a token does not learn which names exist.
    pub(super) fn open_to_anonymous(&self, message: &Message<'_>) -> bool {
        match &*message.method {
            "initialize"
            | "logging/setLevel"
            | "notifications/initialized"
            | "ping"
            | "server/discover"
            | "subscriptions/listen"
            | "tools/list" => self.connects_anonymous(),
            "prompts/list" => self.connects_anonymous() && self.serves(List::Prompts),
            "resources/list" | "resources/templates/list" => {
                self.connects_anonymous() && self.serves(List::Resources)
            }
            _ => self
                .used_by(message)
                .is_some_and(|served| served.guard().is_public()),
        }
    }

    /// Returns the additional scopes for the challenge to sign in, after a request without a token. If callers without
    /// a token may list everything, the additional scopes are the scopes of the requested tool, prompt or resource.
    /// Otherwise there are no additional scopes, because they would reveal which names exist.
    pub(super) fn scopes_to_sign_in_for(&self, message: &Message<'_>) -> Vec<String> {
        if self.config.anonymous != AnonymousAccess::ListAll {
            return Vec::new();
        }
        let schemes = self.used_by(message).map(|served| served.schemes());
        match schemes.unwrap_or_default().first() {
            Some(SecurityScheme::OAuth2(scopes)) => scopes.clone(),
            Some(SecurityScheme::NoAuth) | None => Vec::new(),
        }
    }
}
