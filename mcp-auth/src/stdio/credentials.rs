//! The caller of a server over stdio. The server takes the caller only from its environment or its code, never from a
//! message.

use std::net::Ipv4Addr;

use crate::identity::{AuthError, Authenticator, BearerToken, Caller, Client, TokenText};
use crate::limits::{Network, Party};

/// The credentials of the only client.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// There is neither a token nor a local user.
    Anonymous,
    /// The user whom the code of the server names.
    LocalUser(Caller),
    /// An access token. The server verifies the token again for every message, and so refuses every message after the token
    /// expires.
    Token(TokenText),
}

impl Credentials {
    /// Returns the caller. `None` if the client is anonymous.
    pub(super) async fn verify(
        &self,
        authenticator: &Authenticator,
    ) -> Result<Option<Caller>, AuthError> {
        let token = match self {
            Self::Anonymous => return Ok(None),
            Self::LocalUser(caller) => return Ok(Some(caller.clone())),
            Self::Token(token) => BearerToken::new(token.expose()),
        };
        if let Some(caller) = authenticator.cached(&token) {
            return Ok(Some(caller));
        }
        let client = Client {
            address: Ipv4Addr::LOCALHOST.into(),
            fails_often: false,
        };
        // The box keeps the future of every message small.
        let caller = Box::pin(authenticator.authenticate_from(client, &token)).await;
        caller.map(Some)
    }

    /// Returns the access token.
    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Self::Anonymous | Self::LocalUser(_) => None,
            Self::Token(token) => Some(token.expose()),
        }
    }
}

/// Returns the party whose limits a message of this caller counts for.
pub(super) fn party(caller: Option<&Caller>) -> Party {
    match caller {
        Some(caller) => caller.party(),
        None => Party::Stranger(Network::of(Ipv4Addr::LOCALHOST.into())),
    }
}
