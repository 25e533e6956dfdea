//! Authorization codes: issued for a grant, and exchanged once.

use crate::digest::Digest;
use crate::keys::random_hex;
use crate::oauth::authorization::{Authorization, Grant};
use crate::oauth::client::Client;
use crate::oauth::error::OAuthError;
use crate::oauth::{MAX_WAITING, OAuth, TEN_MINUTES, invalid_grant, new_secret};
use crate::opaque::make_room;

/// An authorization code. A used code is stored until it expires, so that a second use is detected.
pub(super) struct IssuedCode {
    grant: Grant,
    redirect_uri: String,
    redirect_uri_was_sent: bool,
    challenge: Option<String>,
    expires_at: u64,
    status: CodeStatus,
}

enum CodeStatus {
    Unused,
    /// The code was used in a request that failed.
    Spent,
    /// The code was exchanged for the grant with this id.
    Granted(String),
}

impl OAuth {
    /// Issues a code for a grant.
    pub(crate) fn issue_code(
        &self,
        authorization: &Authorization,
        grant: Grant,
        now: u64,
    ) -> Result<String, OAuthError> {
        let code = new_secret("clk_code_")?;
        let issued = IssuedCode {
            grant,
            redirect_uri: authorization.redirect.uri.clone(),
            redirect_uri_was_sent: authorization.redirect.was_sent,
            challenge: authorization.challenge.clone(),
            expires_at: now.saturating_add(TEN_MINUTES),
            status: CodeStatus::Unused,
        };
        let mut state = self.lock();
        state.codes.retain(|_, code| code.expires_at > now);
        make_room(&mut state.codes, MAX_WAITING, |code| code.expires_at);
        state.codes.insert(Digest::of(&code), issued);
        Ok(code)
    }

    /// Exchanges a code for its grant and the id of the grant.
    ///
    /// A second use of a code revokes the tokens of the first use, because one of the two senders has stolen the code
    /// (RFC 6749 §4.1.2, §10.5).
    pub(crate) fn redeem(
        &self,
        code: &str,
        client: &Client,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        now: u64,
    ) -> Result<(String, Grant), OAuthError> {
        let id = random_hex::<16>().map_err(|_| OAuthError::server_error())?;
        let mut state = self.lock();
        let issued = state.codes.get_mut(&Digest::of(code));
        let issued = issued.filter(|code| code.expires_at > now);
        let issued = issued.filter(|code| code.grant.client_id == client.id);
        let Some(issued) = issued else {
            return Err(invalid_grant(
                "the code is unknown, expired or another client's",
            ));
        };
        match std::mem::replace(&mut issued.status, CodeStatus::Spent) {
            CodeStatus::Unused => {}
            CodeStatus::Spent => return Err(invalid_grant("the code was used before")),
            CodeStatus::Granted(grant_id) => {
                state.revoke_grant(&grant_id, "authorization code used twice", now);
                self.save(&state);
                return Err(invalid_grant(
                    "the code was used before; its tokens are revoked",
                ));
            }
        }
        issued.check_redirect_uri(redirect_uri)?;
        issued.check_verifier(verifier)?;
        issued.status = CodeStatus::Granted(id.clone());
        let grant = issued.grant.clone();
        state.make_room_for_grant(now);
        state.persisted.grants.insert(id.clone(), grant.clone());
        self.save(&state);
        Ok((id, grant))
    }
}

impl IssuedCode {
    /// Checks `redirect_uri` of a token request (RFC 6749 §4.1.3).
    fn check_redirect_uri(&self, sent: Option<&str>) -> Result<(), OAuthError> {
        match sent {
            Some(uri) if uri == self.redirect_uri => Ok(()),
            None if !self.redirect_uri_was_sent => Ok(()),
            Some(_) | None => Err(invalid_grant(
                "redirect_uri differs from the redirect_uri of the authorization request",
            )),
        }
    }

    /// Checks `code_verifier` of a token request (RFC 7636 §4.6). A verifier without a challenge is
    /// refused as a downgrade (OAuth 2.1 §7.5.2).
    fn check_verifier(&self, verifier: Option<&str>) -> Result<(), OAuthError> {
        match (&self.challenge, verifier) {
            (None, None) => Ok(()),
            (Some(challenge), Some(verifier))
                if is_verifier(verifier) && Digest::of(verifier).to_base64url() == *challenge =>
            {
                Ok(())
            }
            (Some(_) | None, Some(_)) => {
                Err(invalid_grant("code_verifier does not fit the challenge"))
            }
            (Some(_), None) => Err(invalid_grant("code_verifier is missing")),
        }
    }
}

/// Whether a text has the form of a code verifier (RFC 7636 §4.1).
fn is_verifier(text: &str) -> bool {
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}
