//! Findings about the audience of tokens, and the step at Clerk that gives tokens an audience.

use crate::identity::AudienceMode;

use super::super::date::day_of;
use super::{Finding, Found, Known};

/// Tells how tokens get the audience that the server requires, and how long a transition lasts.
///
/// Source: <https://clerk.com/docs/guides/ai/mcp/build-mcp-server>, "Configure Clerk for your MCP server".
pub(super) fn audience(known: &Known<'_>) -> Vec<Found> {
    if !known.policy.oauth {
        return Vec::new();
    }
    let mut found = Vec::new();
    match known.policy.audience.mode {
        AudienceMode::IfPresent | AudienceMode::Off => {}
        AudienceMode::Require => found.extend(registered(known)),
        AudienceMode::RequireAfter(end_ms) => {
            found.extend(registered(known));
            found.push(transition(end_ms, known.now_ms).into());
        }
    }
    found
}

/// A local Clerk that runs with the server has the server registered. No API tells which servers an
/// instance has registered.
fn registered(known: &Known<'_>) -> Option<Found> {
    let url = known.policy.audience.accepted.first()?;
    if known.local {
        return None;
    }
    // A bare origin has three slashes at most.
    if url.ends_with('/') && url.matches('/').count() > 3 {
        let finding = Finding::warning(
            format!(
                "OAuth access tokens must name {url} as their audience, with the slash at its end"
            ),
            "Clerk registers no MCP server whose URL ends with a slash, so no token gets this audience and \
             each is answered with 401",
            "take the slash off the URL of the server, and off its path, or off the audience that is set",
        );
        return Some(finding.into());
    }
    let finding = Finding::note(
        format!("OAuth access tokens must name {url} as their audience"),
        "Clerk issues that audience only for MCP servers that are registered with the instance, and no \
         API tells whether this one is; a token without it is answered with 401",
        format!(
            "in the dashboard, under Agents, MCP servers, add {url}, to the letter; users who connected \
             before that have to connect again"
        ),
    );
    Some(finding.into())
}

fn transition(end_ms: u64, now_ms: u64) -> Finding {
    let end = day_of(end_ms);
    let days = end_ms.saturating_sub(now_ms).div_ceil(DAY_MS);
    if days == 0 {
        return Finding::note(
            format!("the transition of the audience policy ended on {end}"),
            "tokens without an audience are refused, as with `AudiencePolicy::Require`",
            "take `AudiencePolicy::required_after` out of the code",
        );
    }
    let plural = if days == 1 { "" } else { "s" };
    Finding::warning(
        format!("tokens without an audience are accepted for {days} more day{plural}, until {end}"),
        "Clerk issues the same kind of token to every OAuth application of an instance; the allowed clients \
         or the required scope alone tell which are meant for this server",
        "have the users of the clients that the log names connect again before that day",
    )
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
