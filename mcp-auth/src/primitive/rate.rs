//! Rate limits: how often one tool, prompt or resource may be used, or all tools, prompts and resources together.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::guard::{KeyText, const_panic};
use crate::limits::Limit;

/// A rate limit for calls: `COUNT/UNIT per WHOM`, for example `10/min per user`.
///
/// `COUNT` is a whole number from 1 to 4 294 967 295. `UNIT` is `s`, `min`, `hour` or `day`. `WHOM`
/// is `user`, `org` or `client`. A window begins with the first call and lasts one unit. Within a
/// window, `COUNT` calls are allowed.
///
/// | `WHOM` | these calls count together | other callers |
/// |---|---|---|
/// | `user` | calls of one user, with any client, in any organization | a machine, or an organization whose API key is presented, counts as a user |
/// | `org` | calls in one organization, by any member | as with `user` |
/// | `client` | calls of one OAuth client, for any user | as with `user` |
///
/// For every `WHOM`, calls without a token count by network (an IPv4 address or an IPv6 /64).
///
/// ```
/// use mcp_auth::{Rate, mcp_tool};
///
/// const MODEST: Rate = Rate::new("10/min per user");
/// assert_eq!(MODEST.to_string(), "10/min per user");
///
/// /// Send an invitation.
/// #[mcp_tool(rate = all(MODEST, "100/day per user"))]
/// async fn invite(address: String) {}
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Rate {
    count: NonZeroU32,
    unit: Unit,
    per: Per,
}

/// The length of a window.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// The callers whose calls are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Per {
    Client,
    Org,
    User,
}

impl Rate {
    /// Reads a rate.
    ///
    /// # Panics
    ///
    /// Panics if the text does not have the form `10/min per user`. In a `const`, the panic is a
    /// compile error.
    #[must_use]
    #[track_caller]
    pub const fn new(text: &'static str) -> Self {
        match parse(text.as_bytes()) {
            Some(rate) => rate,
            None => const_panic(
                "`rate` must look like `10/min per user`, with `s`, `min`, `hour` or `day` and \
                 `user`, `org` or `client`, found ",
                text,
            ),
        }
    }

    /// Returns whose calls are counted together.
    pub(crate) const fn per(self) -> Per {
        self.per
    }

    /// The rate as the limit of a counting window.
    pub(crate) const fn limit(self) -> Limit {
        Limit {
            most: self.count.get(),
            window: self.unit.length(),
        }
    }

    /// The rate in words, for example `10 calls a minute per user`. `whom` names whose calls are
    /// counted.
    pub(crate) fn in_words(self, whom: &str) -> String {
        let calls = if self.count.get() == 1 {
            "call"
        } else {
            "calls"
        };
        let (article, unit) = match self.unit {
            Unit::Second => ("a", "second"),
            Unit::Minute => ("a", "minute"),
            Unit::Hour => ("an", "hour"),
            Unit::Day => ("a", "day"),
        };
        format!("{} {calls} {article} {unit} per {whom}", self.count)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "min",
            Unit::Hour => "hour",
            Unit::Day => "day",
        };
        let whom = match self.per {
            Per::Client => "client",
            Per::Org => "org",
            Per::User => "user",
        };
        write!(f, "{}/{unit} per {whom}", self.count)
    }
}

impl Unit {
    const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        })
    }
}

impl KeyText<&'static str> {
    /// Reads the text as a rate.
    #[must_use]
    #[track_caller]
    pub const fn rate(self) -> Rate {
        Rate::new(self.0)
    }
}

impl KeyText<Rate> {
    /// Returns the rate unchanged.
    #[must_use]
    pub const fn rate(self) -> Rate {
        self.0
    }
}

const fn parse(text: &[u8]) -> Option<Rate> {
    let mut count: u32 = 0;
    let mut rest = text;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        count = match count.checked_mul(10) {
            Some(tens) => match tens.checked_add((*digit - b'0') as u32) {
                Some(count) => count,
                None => return None,
            },
            None => return None,
        };
        rest = after;
    }
    let Some(count) = NonZeroU32::new(count) else {
        return None;
    };
    let (unit, rest) = match rest {
        [b'/', b's', rest @ ..] => (Unit::Second, rest),
        [b'/', b'm', b'i', b'n', rest @ ..] => (Unit::Minute, rest),
        [b'/', b'h', b'o', b'u', b'r', rest @ ..] => (Unit::Hour, rest),
        [b'/', b'd', b'a', b'y', rest @ ..] => (Unit::Day, rest),
        _ => return None,
    };
    let per = match rest {
        b" per client" => Per::Client,
        b" per org" => Per::Org,
        b" per user" => Per::User,
        _ => return None,
    };
    Some(Rate { count, unit, per })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_as_it_is_read() {
        for (text, most, seconds) in [
            ("1/s per user", 1, 1),
            ("10/min per org", 10, 60),
            ("1000/hour per client", 1000, 3_600),
            ("4294967295/day per user", u32::MAX, 86_400),
        ] {
            let rate = Rate::new(text);
            assert_eq!(rate.to_string(), text);
            let window = Duration::from_secs(seconds);
            assert_eq!(rate.limit(), Limit { most, window });
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "10",
            "10/min",
            "0/min per user",
            "/min per user",
            "-1/min per user",
            "4294967296/s per user",
            "10/minute per user",
            "10/min  per user",
            "10/min per users",
            "10/min per User",
            "10 /min per user",
            "10/min per network",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_rate_is_told_in_words() {
        let words = |text| Rate::new(text).in_words("user");
        assert_eq!(words("1/s per user"), "1 call a second per user");
        assert_eq!(words("10/min per user"), "10 calls a minute per user");
        assert_eq!(words("2/hour per user"), "2 calls an hour per user");
        assert_eq!(words("1000/day per user"), "1000 calls a day per user");
    }
}
