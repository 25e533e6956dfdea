//! The people and machines of the local Clerk for whom the explorer acts, and the tokens that it gets for them.

use std::sync::Arc;

use clerk_emulator::{Instance, TokenRequest};

use crate::http::{Cast, Person, Place, TokenSource, TokenWish};
use crate::identity::{Clock, TokenKind, TokenPolicy};

/// Mints tokens that the server accepts.
#[derive(Debug)]
struct Mint {
    instance: Instance,
    clock: Arc<dyn Clock>,
    /// The audience of OAuth tokens.
    audience: Option<String>,
    /// The scopes of an API key. All other tokens have the scopes that a new client gets.
    key_scopes: Vec<String>,
}

/// Returns the people and machines of an instance.
pub(super) fn cast(instance: &Instance, policy: &TokenPolicy, clock: &Arc<dyn Clock>) -> Cast {
    let directory = instance.directory();
    let people = directory.users().map(|user| Person {
        user: user.username.clone(),
        name: user.name.clone(),
        organizations: directory
            .memberships_of(&user.id)
            .map(|membership| Place {
                name: membership.slug,
                role: membership.role,
            })
            .collect(),
    });
    Cast {
        people: people.collect(),
        machines: directory
            .machines()
            .map(|machine| machine.name.clone())
            .collect(),
        tokens: Arc::new(Mint {
            instance: instance.clone(),
            clock: Arc::clone(clock),
            audience: policy.audience.accepted.first().cloned(),
            key_scopes: policy.api_keys.clone().unwrap_or_default(),
        }),
    }
}

impl TokenSource for Mint {
    fn issue(&self, wish: &TokenWish, kind: TokenKind, seconds: u32) -> Result<String, String> {
        let mut request = match kind {
            TokenKind::ApiKey => TokenRequest::api_key(""),
            TokenKind::M2m => TokenRequest::m2m(""),
            TokenKind::OAuth => TokenRequest::oauth(""),
            TokenKind::Session => TokenRequest::session(""),
        };
        request.user.clone_from(&wish.user);
        request.machine.clone_from(&wish.machine);
        request.org.clone_from(&wish.org);
        request.expires_in = Some(seconds.into());
        request.scopes = match &wish.scopes {
            Some(scopes) => Some(scopes.split_ascii_whitespace().map(str::to_owned).collect()),
            None => self.usual_scopes(kind),
        };
        if let (TokenKind::OAuth, Some(audience)) = (kind, &self.audience) {
            request = request.aud(audience.as_str());
        }
        let now = self.clock.unix_ms() / 1_000;
        let token = self.instance.mint(&request, now);
        token.map_err(|error| error.to_string())
    }
}

impl Mint {
    fn usual_scopes(&self, kind: TokenKind) -> Option<Vec<String>> {
        match kind {
            TokenKind::ApiKey => Some(self.key_scopes.clone()),
            TokenKind::OAuth => self.instance.settings().default_scopes,
            TokenKind::M2m | TokenKind::Session => None,
        }
    }
}
