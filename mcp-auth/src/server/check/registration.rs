//! Findings about the instance's settings for OAuth clients: their tokens, their registration and
//! their scopes.

use crate::clerk::{Document, OauthSettings, Untold};

use super::super::codes;
use super::super::finding::{Finding, Findings};
use super::config::Config;
use super::default_scopes::default_scopes;
use super::evaluate::unreadable;
use super::requirements::{listed, scopes_of_oauth_tools};

/// Checks the form of the access tokens that the instance issues (JWT or opaque), and its default
/// scopes.
pub(super) fn settings(
    settings: &Result<Option<OauthSettings>, Untold>,
    config: &Config<'_>,
    findings: &mut Findings,
) {
    let settings = match settings {
        Ok(Some(settings)) if config.policy().oauth => settings,
        Ok(_) => return,
        Err(Untold) => return findings.push(unreadable("OAuth settings")),
    };
    if settings.jwt_access_tokens {
        findings.pass("OAuth access tokens are JWTs, verified without a call");
    } else {
        let what = "the instance issues opaque OAuth access tokens";
        let remedy = config
            .dashboard("under OAuth applications, switch on *Generate access tokens as JWTs*");
        findings.push(Finding::new(&codes::ACCESS_TOKENS_OPAQUE, what).remedy_is(remedy));
    }
    // The advertised scopes are known only if the tools are valid.
    if config.registry().is_some() {
        default_scopes(settings, config, findings);
    }
}

/// Checks how a client can get a client id. Uses the settings of the instance, or its metadata if the settings are
/// unknown.
pub(super) fn registration(
    metadata: Option<&Document>,
    settings: Option<&OauthSettings>,
    config: &Config<'_>,
    findings: &mut Findings,
) {
    let of_settings = settings.map(|of| (of.registers, of.takes_client_documents));
    let of_metadata = || metadata.map(|of| (of.registers(), of.takes_client_documents()));
    let Some((registers, takes_documents)) = of_settings.or_else(of_metadata) else {
        return;
    };
    if !config.policy().oauth {
        return;
    }
    let are_clients_listed = config.policy().allowed_clients.is_some();
    if !registers && !takes_documents {
        let code = match are_clients_listed {
            true => &codes::REGISTRATION_OFF_FOR_OTHERS,
            false => &codes::REGISTRATION_OFF,
        };
        let what = "no MCP client can register by itself: dynamic client registration and client-id metadata \
                    documents are both off";
        let remedy = config.dashboard(
            "under OAuth applications, Settings, Client onboarding, switch on *Publish CIMD support* or \
             *Publish DCR support*; or make an application for each client",
        );
        return findings.push(Finding::new(code, what).remedy_is(remedy));
    }
    let is_open = settings.is_some_and(|settings| {
        settings.takes_client_documents && !settings.only_known_client_documents
    });
    if is_open && !are_clients_listed {
        let what = "the instance accepts client-id metadata documents from any client";
        let remedy = config.dashboard(
            "under OAuth applications, allow pre-registered clients only, or name them with \
             `allowed_clients`",
        );
        return findings.push(Finding::new(&codes::CLIENT_DOCUMENTS_OPEN, what).remedy_is(remedy));
    }
    let ways = match (registers, takes_documents) {
        (true, true) => "dynamically and by metadata documents",
        (true, false) => "dynamically",
        (false, _) => "by metadata documents",
    };
    findings.pass(format!("clients can register {ways}"));
}

/// Finds scopes of tools for which a client that registered itself cannot ask later. Such a client may ask only for the
/// scopes with which it registered. If it registered without scopes, it may ask only for the default scopes.
///
/// Source:
/// <https://clerk.com/docs/guides/configure/auth-strategies/oauth/how-clerk-implements-oauth>.
pub(super) fn scopes_out_of_reach(
    settings: &OauthSettings,
    config: &Config<'_>,
) -> Option<Finding> {
    let mut scopes = scopes_of_oauth_tools(config);
    let defaults = settings.default_scopes.as_deref().unwrap_or_default();
    scopes.retain(|scope, _| !config.advertised.contains(scope) && !defaults.contains(scope));
    if !config.policy().oauth || !settings.registers || scopes.is_empty() {
        return None;
    }
    let what = format!(
        "Clerk does not let clients that register themselves request the scopes {}",
        listed(&scopes)
    );
    let remedy = "name the scopes in `scopes_supported`, and add them to the default scopes; or admit clients with \
                  metadata documents only";
    Some(Finding::new(&codes::SCOPES_OUT_OF_REACH, what).remedy_is(remedy))
}
