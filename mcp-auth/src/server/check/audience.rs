//! Findings about the audience of tokens: how to register the server with Clerk, so that tokens get
//! an audience.

use crate::identity::AudienceMode;

use super::super::codes;
use super::super::date::day_of;
use super::super::finding::{Finding, counted};
use super::config::Config;

/// Returns the findings that say how tokens get the required audience, and how long a transition still lasts.
///
/// Source: <https://clerk.com/docs/guides/ai/mcp/build-mcp-server>, "Configure Clerk for your MCP
/// server".
pub(super) fn audience(config: &Config<'_>) -> Vec<Finding> {
    if !config.policy().oauth {
        return Vec::new();
    }
    match config.policy().audience.mode {
        AudienceMode::IfPresent | AudienceMode::Off => Vec::new(),
        AudienceMode::Require => registered(config).into_iter().collect(),
        AudienceMode::RequireAfter(end_ms) => registered(config)
            .into_iter()
            .chain([transition(end_ms, config.now_ms)])
            .collect(),
    }
}

/// Returns the finding that the server must be registered with the instance. No API of Clerk shows whether the server
/// is registered. A local Clerk always knows its server.
fn registered(config: &Config<'_>) -> Option<Finding> {
    let url = config.policy().audience.accepted.first()?;
    if config.is_local() {
        return None;
    }
    // A URL with at most three slashes is a bare origin, whose final slash does not matter.
    if url.ends_with('/') && url.matches('/').count() > 3 {
        let what = format!(
            "OAuth access tokens must name {url} as their audience, with the slash at its end"
        );
        let remedy = "remove the final slash from `url` and `path`, or from `audience`";
        return Some(Finding::new(&codes::AUDIENCE_SLASH, what).remedy_is(remedy));
    }
    let what = format!("OAuth access tokens must name {url} as their audience");
    let remedy = format!(
        "in the dashboard, under Agents, MCP servers, add exactly {url}; users who connected before must connect \
         again"
    );
    Some(Finding::new(&codes::AUDIENCE_REGISTRATION, what).remedy_is(remedy))
}

fn transition(end_ms: u64, now_ms: u64) -> Finding {
    let end = day_of(end_ms);
    let days = end_ms.saturating_sub(now_ms).div_ceil(DAY_MS);
    if days == 0 {
        let what =
            format!("the time in which tokens without an audience were accepted ended on {end}");
        let remedy = "remove `AudiencePolicy::required_after` from the code";
        return Finding::new(&codes::AUDIENCE_TRANSITION_ENDED, what).remedy_is(remedy);
    }
    let days = counted(usize::try_from(days).unwrap_or(usize::MAX), "more day");
    let what = format!("tokens without an audience are accepted for {days}, until {end}");
    let remedy = "the log names the clients: ask their users to connect again before that day";
    Finding::new(&codes::AUDIENCE_TRANSITION, what).remedy_is(remedy)
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_says_how_long_it_lasts_and_when_it_ended() {
        let end_ms = 1_000 * DAY_MS;
        for (now_ms, what) in [
            (
                end_ms - 30 * DAY_MS,
                "tokens without an audience are accepted for 30 more days, until 1972-09-27",
            ),
            (
                end_ms - 1,
                "tokens without an audience are accepted for 1 more day, until 1972-09-27",
            ),
            (
                end_ms,
                "the time in which tokens without an audience were accepted ended on 1972-09-27",
            ),
        ] {
            assert_eq!(transition(end_ms, now_ms).what(), what);
        }
    }
}
