//! The audience of tokens, and the step at Clerk that gives tokens an audience.

use crate::identity::AudienceMode;

use super::super::codes;
use super::super::date::day_of;
use super::super::finding::{Finding, counted};
use super::config::Config;

/// Says how tokens get the audience that the server requires, and how long a transition lasts.
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

/// The registration of the server with the instance, which no API shows. A local Clerk of the
/// server has the server registered.
fn registered(config: &Config<'_>) -> Option<Finding> {
    let url = config.policy().audience.accepted.first()?;
    if config.is_local() {
        return None;
    }
    // A bare origin has at most three slashes.
    if url.ends_with('/') && url.matches('/').count() > 3 {
        let what = format!(
            "OAuth access tokens must name {url} as their audience, with the slash at its end"
        );
        let remedy = "take the slash off the URL of the server, and off its path, or off the audience that is set";
        return Some(Finding::new(&codes::AUDIENCE_SLASH, what).remedy_is(remedy));
    }
    let what = format!("OAuth access tokens must name {url} as their audience");
    let remedy = format!(
        "in the dashboard, under Agents, MCP servers, add {url}, to the letter; users who connected \
         before that have to connect again"
    );
    Some(Finding::new(&codes::AUDIENCE_REGISTRATION, what).remedy_is(remedy))
}

fn transition(end_ms: u64, now_ms: u64) -> Finding {
    let end = day_of(end_ms);
    let days = end_ms.saturating_sub(now_ms).div_ceil(DAY_MS);
    if days == 0 {
        let what = format!("the transition of the audience policy ended on {end}");
        let remedy = "take `AudiencePolicy::required_after` out of the code";
        return Finding::new(&codes::AUDIENCE_TRANSITION_ENDED, what).remedy_is(remedy);
    }
    let days = counted(usize::try_from(days).unwrap_or(usize::MAX), "more day");
    let what = format!("tokens without an audience are accepted for {days}, until {end}");
    let remedy = "have the users of the clients that the log names connect again before that day";
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
                "the transition of the audience policy ended on 1972-09-27",
            ),
        ] {
            assert_eq!(transition(end_ms, now_ms).what(), what);
        }
    }
}
