//! Reverification: how recently the user was verified.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Value, json};

use crate::identity::FactorAges;

use super::names::{const_panic, const_panic_with};

/// A requirement that the user was recently verified, with a first or a second factor.
///
/// If a user has no second factor, the first factor is enough. Clerk has the same rule.
///
/// ```
/// use mcp_auth::Reverification;
///
/// const HOURLY: Reverification = Reverification::second_factor(60.0);
/// assert_eq!(HOURLY, Reverification::MODERATE);
/// assert_eq!(HOURLY.to_string(), "moderate");
///
/// const SOON: Reverification = Reverification::first_factor(2.5);
/// assert_eq!((SOON.level(), SOON.minutes()), ("first_factor", 2.5));
/// assert_eq!(SOON.to_string(), "first_factor (2.5 minutes)");
/// ```
///
/// Only session tokens contain the ages of factors. A caller with a token of another kind never
/// meets a reverification.
///
/// Source: <https://clerk.com/docs/guides/secure/reverification>.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reverification {
    level: Level,
    /// INVARIANT: the number is finite and above zero.
    minutes: f64,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Level {
    First,
    Second,
    Multi,
}

impl Reverification {
    /// The second factor within a day: Clerk's `lax`.
    ///
    /// ```
    /// use mcp_auth::Reverification;
    ///
    /// assert_eq!(Reverification::LAX, Reverification::second_factor(1440.0));
    /// ```
    pub const LAX: Self = Self::of(Level::Second, 1440.0);

    /// The second factor within an hour: Clerk's `moderate`.
    ///
    /// ```
    /// use mcp_auth::Reverification;
    ///
    /// assert_eq!(Reverification::MODERATE, Reverification::second_factor(60.0));
    /// ```
    pub const MODERATE: Self = Self::of(Level::Second, 60.0);

    /// The second factor within ten minutes: Clerk's `strict`.
    ///
    /// ```
    /// use mcp_auth::Reverification;
    ///
    /// assert_eq!(Reverification::STRICT, Reverification::second_factor(10.0));
    /// ```
    pub const STRICT: Self = Self::of(Level::Second, 10.0);

    /// Both factors within ten minutes: Clerk's `strict_mfa`.
    ///
    /// ```
    /// use mcp_auth::Reverification;
    ///
    /// assert_eq!(Reverification::STRICT_MFA, Reverification::multi_factor(10.0));
    /// ```
    pub const STRICT_MFA: Self = Self::of(Level::Multi, 10.0);

    /// Requires the first factor, verified within the last `minutes`.
    ///
    /// # Panics
    ///
    /// If `minutes` is not a finite number above zero. In a `const` that is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn first_factor(minutes: f64) -> Self {
        Self::of(Level::First, minutes)
    }

    /// Requires the second factor. If the user has no second factor, the first factor is required.
    ///
    /// # Panics
    ///
    /// If `minutes` is not a finite number above zero. In a `const` that is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn second_factor(minutes: f64) -> Self {
        Self::of(Level::Second, minutes)
    }

    /// Requires both factors. If the user has no second factor, the first factor is enough.
    ///
    /// # Panics
    ///
    /// If `minutes` is not a finite number above zero. In a `const` that is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn multi_factor(minutes: f64) -> Self {
        Self::of(Level::Multi, minutes)
    }

    /// Returns Clerk's name of the level: `first_factor`, `second_factor` or `multi_factor`.
    #[must_use]
    pub const fn level(self) -> &'static str {
        match self.level {
            Level::First => "first_factor",
            Level::Second => "second_factor",
            Level::Multi => "multi_factor",
        }
    }

    /// Returns the minutes within which the factor must have been verified (`afterMinutes`).
    #[must_use]
    pub const fn minutes(self) -> f64 {
        self.minutes
    }

    /// Returns the preset with this name.
    pub(super) const fn preset(name: &str) -> Option<Self> {
        match name.as_bytes() {
            b"lax" => Some(Self::LAX),
            b"moderate" => Some(Self::MODERATE),
            b"strict" => Some(Self::STRICT),
            b"strict_mfa" => Some(Self::STRICT_MFA),
            _ => None,
        }
    }

    /// Returns the JSON with which Clerk's own denials describe a reverification:
    /// <https://clerk.com/docs/guides/secure/reverification>.
    pub(crate) fn to_json(self) -> Value {
        let minutes = self.minutes();
        // JavaScript writes a whole number without a fraction.
        let minutes = if minutes.fract() == 0.0 && minutes < f64::from(u32::MAX) {
            json!(minutes as u32)
        } else {
            json!(minutes)
        };
        json!({ "level": self.level(), "afterMinutes": minutes })
    }

    /// Reads a level and minutes. Returns `None` if the level is unknown, or if `minutes` is not a
    /// finite number above zero.
    pub(super) const fn parse(level: &str, minutes: f64) -> Option<Self> {
        let level = match level.as_bytes() {
            b"first_factor" => Level::First,
            b"second_factor" => Level::Second,
            b"multi_factor" => Level::Multi,
            _ => return None,
        };
        if is_time(minutes) {
            Some(Self { level, minutes })
        } else {
            None
        }
    }

    /// Returns the preset whose name is the text of an attribute or a constant.
    #[track_caller]
    pub(super) const fn of_preset(name: &'static str) -> Self {
        match Self::preset(name) {
            Some(preset) => preset,
            None => const_panic(
                "`reverification` must be `strict`, `moderate`, `lax` or `strict_mfa`, found ",
                name,
            ),
        }
    }

    #[track_caller]
    const fn of(level: Level, minutes: f64) -> Self {
        if !is_time(minutes) {
            const_panic_with(&["the minutes of `reverification` must be a number above zero"]);
        }
        Self { level, minutes }
    }

    /// Returns true if the ages of the factors meet the requirement, by Clerk's rule. The ages were measured when the
    /// token was issued, which is at most a minute ago for a session token.
    pub(super) fn is_met(self, ages: Option<&FactorAges>) -> bool {
        let Some(ages) = ages else { return false };
        let is_fresh = |age: Option<f64>| age.is_some_and(|age| age < self.minutes);
        let (first, second) = (ages.first_minutes(), ages.second_minutes());
        match (self.level, second) {
            (Level::First, _) | (Level::Second | Level::Multi, None) => is_fresh(first),
            (Level::Second, Some(_)) => is_fresh(second),
            (Level::Multi, Some(_)) => is_fresh(first) && is_fresh(second),
        }
    }

    fn name(self) -> Option<&'static str> {
        [
            (Self::LAX, "lax"),
            (Self::MODERATE, "moderate"),
            (Self::STRICT, "strict"),
            (Self::STRICT_MFA, "strict_mfa"),
        ]
        .into_iter()
        .find_map(|(preset, name)| (preset == self).then_some(name))
    }
}

const fn is_time(minutes: f64) -> bool {
    minutes > 0.0 && minutes.is_finite()
}

impl Eq for Reverification {}

impl Ord for Reverification {
    fn cmp(&self, other: &Self) -> Ordering {
        let minutes = || self.minutes.total_cmp(&other.minutes);
        self.level.cmp(&other.level).then_with(minutes)
    }
}

impl PartialOrd for Reverification {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Reverification {
    /// Writes Clerk's name of the preset, or the level and the minutes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{} ({} minutes)", self.level(), self.minutes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_table_of_levels_and_ages_holds() {
        let ages = [-1.0, 0.0, 9.5, 10.0, 11.0];
        for first in ages {
            for second in ages {
                let known = FactorAges::from_minutes(first, second);
                let fresh = |age: f64| (0.0..10.0).contains(&age);
                let expected = [
                    fresh(first),
                    if second < 0.0 {
                        fresh(first)
                    } else {
                        fresh(second)
                    },
                    if second < 0.0 {
                        fresh(first)
                    } else {
                        fresh(first) && fresh(second)
                    },
                ];
                let asked = [
                    Reverification::first_factor(10.0),
                    Reverification::STRICT,
                    Reverification::STRICT_MFA,
                ];
                for (asked, expected) in asked.into_iter().zip(expected) {
                    let met = asked.is_met(known.as_ref());
                    assert_eq!(met, expected, "{asked}: {first}, {second}");
                }
            }
        }
        assert!(!Reverification::LAX.is_met(None));
    }

    #[test]
    fn only_a_known_level_and_a_time_are_a_reverification() {
        assert_eq!(
            Reverification::parse("second_factor", 10.0),
            Some(Reverification::STRICT)
        );
        for minutes in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Reverification::parse("first_factor", minutes), None);
        }
        assert_eq!(Reverification::parse("third_factor", 1.0), None);
        assert_eq!(Reverification::preset("Strict"), None);
    }

    #[test]
    #[should_panic(
        expected = "`reverification` must be `strict`, `moderate`, `lax` or `strict_mfa`, found `relaxed`"
    )]
    fn an_unknown_preset_is_quoted_with_those_there_are() {
        let _ = Reverification::of_preset("relaxed");
    }

    #[test]
    #[should_panic(expected = "the minutes of `reverification` must be a number above zero")]
    fn no_time_at_all_is_refused() {
        let _ = Reverification::first_factor(0.0);
    }
}
