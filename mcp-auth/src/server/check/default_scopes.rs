//! Compares the advertised scopes with the scopes that the instance grants to clients that register
//! without scopes.

use crate::clerk::OauthSettings;

use super::super::builder::OFFLINE_ACCESS;
use super::super::codes;
use super::super::finding::{Finding, Findings};
use super::config::Config;

/// Finds advertised scopes that the instance's default scopes lack. A client that registers without
/// scopes may ask only for the default scopes; Clerk refuses every other scope. Claude and ChatGPT
/// register without scopes, and then ask for the advertised scopes. Claude also asks for
/// `offline_access`.
///
/// Source:
/// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>,
/// "Configure default scopes".
pub(super) fn default_scopes(
    settings: &OauthSettings,
    config: &Config<'_>,
    findings: &mut Findings,
) {
    let of_clerk = || CLERKS_DEFAULT_SCOPES.map(String::from).to_vec();
    let defaults = settings.default_scopes.clone().unwrap_or_else(of_clerk);
    let advertised = config.advertised.iter().map(String::as_str);
    let missing: Vec<_> = advertised
        .filter(|scope| *scope != OFFLINE_ACCESS)
        .chain([OFFLINE_ACCESS])
        .filter(|scope| !defaults.iter().any(|known| known == scope))
        .map(|scope| format!("`{scope}`"))
        .collect();
    if missing.is_empty() {
        findings.pass("the default scopes include all advertised scopes and `offline_access`");
        return;
    }
    let what = format!("the instance's default scopes lack {}", missing.join(", "));
    let remedy = config.dashboard(
        "under OAuth applications, Settings, Client onboarding, add them to the default scopes for \
         dynamic clients; or advertise fewer with `scopes_supported`",
    );
    findings.push(Finding::new(&codes::DEFAULT_SCOPES_INCOMPLETE, what).remedy_is(remedy));
}

/// Finds `offline_access` among the advertised scopes. A resource server should not ask for it,
/// because refresh tokens concern only the client and the authorization server (SEP-2207).
pub(super) fn asks_for_refresh_tokens(config: &Config<'_>) -> Option<Finding> {
    let mut advertised = config.advertised.iter();
    advertised.any(|scope| scope == OFFLINE_ACCESS).then(|| {
        let what = format!("`scopes_supported` names `{OFFLINE_ACCESS}`");
        let remedy = "remove it, unless one of your clients gets refresh tokens only with it";
        Finding::new(&codes::OFFLINE_ACCESS_ADVERTISED, what).remedy_is(remedy)
    })
}

/// The default scopes of an instance that sets none.
const CLERKS_DEFAULT_SCOPES: [&str; 2] = ["profile", "email"];
