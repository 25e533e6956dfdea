//! The scopes that the server advertises, against those that the instance gives to clients without scopes.

use crate::clerk::OauthSettings;

use super::super::advertised::OFFLINE_ACCESS;
use super::{Finding, Found, Known};

/// A client that registers without scopes gets the default scopes, and is refused every other one. Claude
/// and ChatGPT are such clients, and ask for what the server advertises; Claude also asks for
/// `offline_access`.
///
/// Source: <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>,
/// "Configure default scopes".
pub(super) fn default_scopes(settings: &OauthSettings, known: &Known<'_>) -> Found {
    let of_clerk = || CLERKS_DEFAULT_SCOPES.map(String::from).to_vec();
    let defaults = settings.default_scopes.clone().unwrap_or_else(of_clerk);
    let advertised = known.advertised.iter().map(String::as_str);
    let missing: Vec<_> = advertised
        .filter(|scope| *scope != OFFLINE_ACCESS)
        .chain([OFFLINE_ACCESS])
        .filter(|scope| !defaults.iter().any(|known| known == scope))
        .collect();
    if missing.is_empty() {
        return Found::Passed(
            "the default scopes hold all that the server advertises, and `offline_access`"
                .to_owned(),
        );
    }
    let finding = Finding::warning(
        format!(
            "the instance's default scopes lack {}",
            missing
                .iter()
                .map(|scope| format!("`{scope}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        "a client that registers without scopes (Claude, ChatGPT) asks for what this server advertises and \
         for `offline_access`, and is refused every scope that is not a default one (`invalid_scope`)",
        known.dashboard(
            "under OAuth applications, Settings, Client onboarding, add them to the default scopes for \
             dynamic clients; or advertise fewer with `scopes_supported`",
        ),
    );
    finding.into()
}

/// SEP-2207: refresh tokens are between client and authorization server.
pub(super) fn asks_for_refresh_tokens(known: &Known<'_>) -> Option<Found> {
    let asks = known.advertised.iter().any(|scope| scope == OFFLINE_ACCESS);
    let finding = Finding::warning(
        format!("`scopes_supported` names `{OFFLINE_ACCESS}`"),
        "a resource server does not ask for refresh tokens (SEP-2207); it is advertised as configured, which \
         some clients need",
        "take it out, unless a client of yours gets no refresh token without it",
    );
    asks.then(|| finding.into())
}

/// The scopes that Clerk grants where no default scopes are set.
const CLERKS_DEFAULT_SCOPES: [&str; 2] = ["profile", "email"];
