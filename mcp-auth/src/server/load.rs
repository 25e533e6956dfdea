//! How much of the server callers may take at once: calls, threads and bytes of bodies. The settings, their
//! defaults, and what is checked of them.

use crate::http::ANONYMOUS_BODY;
use crate::limits::Shares;

use super::builder::ServerBuilder;
use super::error::StartError;

/// The limits that the builder was given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LoadSettings {
    pub(super) calls: Option<usize>,
    pub(super) calls_per_user: Option<usize>,
    pub(super) anonymous_calls: Option<usize>,
    pub(super) anonymous_calls_per_network: Option<usize>,
    pub(super) threads: Option<usize>,
    pub(super) body_bytes: Option<usize>,
    pub(super) body_bytes_per_user: Option<usize>,
}

/// Limits that fit together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Load {
    /// Calls in flight of a principal.
    pub(crate) calls: usize,
    /// Calls in flight of a user or machine.
    pub(crate) calls_per_user: usize,
    /// Calls in flight without a token.
    pub(crate) anonymous_calls: Shares,
    /// Threads of plain functions.
    pub(crate) threads: Shares,
    /// Bytes of bodies.
    pub(crate) bytes: Shares,
}

impl Load {
    /// The limits of a server.
    ///
    /// # Errors
    /// [`StartError::BadValue`] for the first setting that does not fit.
    pub(super) fn of(builder: &ServerBuilder) -> Result<Self, StartError> {
        match Self::mistakes(builder).next() {
            Some(mistake) => Err(mistake),
            None => Ok(Self::unchecked(builder)),
        }
    }

    /// The settings that do not fit.
    pub(super) fn mistakes(builder: &ServerBuilder) -> impl Iterator<Item = StartError> {
        let LoadSettings {
            calls,
            calls_per_user,
            anonymous_calls,
            anonymous_calls_per_network,
            threads,
            body_bytes,
            body_bytes_per_user,
        } = builder.load;
        let body_limit = Some(builder.body_limit);
        let zero = [
            ("calls_in_flight", calls),
            ("calls_in_flight_per_user", calls_per_user),
            ("anonymous_calls_in_flight", anonymous_calls),
            (
                "anonymous_calls_in_flight_per_network",
                anonymous_calls_per_network,
            ),
            ("tool_threads", threads),
            ("body_limit", body_limit),
        ];
        let zero = zero.into_iter().filter_map(|(name, value)| {
            let is_zero = value == Some(0);
            is_zero.then_some((name, 0, "it must be at least 1"))
        });
        let pairs = [
            (
                ("calls_in_flight_per_user", calls_per_user),
                calls,
                "it must not be less than `calls_in_flight`, which is for one client of the user",
            ),
            (
                ("anonymous_calls_in_flight", anonymous_calls),
                anonymous_calls_per_network,
                "it must not be less than `anonymous_calls_in_flight_per_network`",
            ),
            (
                ("body_bytes_in_flight_per_user", body_bytes_per_user),
                body_limit,
                "it must not be less than `body_limit`, or the longest body could never be read",
            ),
            (
                ("body_bytes_in_flight", body_bytes),
                body_limit,
                "it must not be less than `body_limit`, or the longest body could never be read",
            ),
            (
                ("body_bytes_in_flight", body_bytes),
                body_bytes_per_user,
                "it must not be less than `body_bytes_in_flight_per_user`",
            ),
        ];
        let pairs = pairs
            .into_iter()
            .filter_map(|((name, whole), part, expected)| {
                let whole = whole?;
                (whole < part?).then_some((name, whole, expected))
            });
        zero.chain(pairs)
            .map(|(name, value, expected)| StartError::BadValue {
                name,
                value: value.to_string(),
                expected,
            })
    }

    fn unchecked(builder: &ServerBuilder) -> Self {
        let set = builder.load;
        let (calls, calls_per_user) = pair(set.calls, set.calls_per_user, (64, 256));
        let (network, anonymous) = pair(
            set.anonymous_calls_per_network,
            set.anonymous_calls,
            (16, 64),
        );
        let threads = set.threads.unwrap_or(64);
        let per_user = set.body_bytes_per_user.unwrap_or_else(|| {
            let default = builder.body_limit.max(16 * MIB);
            default.min(set.body_bytes.unwrap_or(usize::MAX))
        });
        let body_bytes = set.body_bytes;
        let body_bytes = body_bytes.unwrap_or_else(|| per_user.saturating_mul(4).max(64 * MIB));
        Self {
            calls,
            calls_per_user,
            anonymous_calls: Shares::of_strangers(anonymous, network),
            threads: Shares::of(threads, (threads / 2).max(1), 1),
            bytes: Shares::of(body_bytes, per_user, ANONYMOUS_BODY),
        }
    }
}

/// A limit and the one above it, which its default must not contradict.
fn pair(part: Option<usize>, whole: Option<usize>, defaults: (usize, usize)) -> (usize, usize) {
    match (part, whole) {
        (Some(part), Some(whole)) => (part, whole),
        (Some(part), None) => (part, part.max(defaults.1)),
        (None, Some(whole)) => (whole.min(defaults.0), whole),
        (None, None) => defaults,
    }
}

const MIB: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> ServerBuilder {
        ServerBuilder::of_package("test", "1")
    }

    #[test]
    fn the_defaults_of_the_limits_fit_together() {
        let load = Load::of(&builder()).unwrap();
        let Load {
            calls,
            calls_per_user,
            anonymous_calls: anonymous,
            threads,
            bytes,
        } = load;
        assert_eq!((calls, calls_per_user), (64, 256));
        let per = |shares: Shares| (shares.all, shares.known, shares.strangers, shares.network);
        assert_eq!(per(anonymous), (64, 0, 64, 16));
        assert_eq!(per(threads), (64, 32, 16, 4));
        assert_eq!(per(bytes), (64 * MIB, 16 * MIB, 16 * MIB, 4 * MIB));
    }

    #[test]
    fn a_limit_that_was_set_moves_the_default_of_the_one_beside_it() {
        let load = Load::of(&builder().calls_in_flight(1_000).body_limit(32 * MIB)).unwrap();
        assert_eq!((load.calls, load.calls_per_user), (1_000, 1_000));
        assert_eq!((load.bytes.all, load.bytes.known), (128 * MIB, 32 * MIB));
        let builder = builder()
            .calls_in_flight_per_user(8)
            .body_bytes_in_flight(8 * MIB);
        let load = Load::of(&builder.anonymous_calls_in_flight_per_network(100)).unwrap();
        assert_eq!((load.calls, load.calls_per_user), (8, 8));
        assert_eq!((load.bytes.all, load.bytes.known), (8 * MIB, 8 * MIB));
        assert_eq!(
            (load.anonymous_calls.all, load.anonymous_calls.network),
            (100, 100)
        );
    }

    #[test]
    fn limits_that_contradict_each_other_do_not_start() {
        let mistake = |builder: ServerBuilder| Load::of(&builder).unwrap_err().to_string();
        for (builder, name) in [
            (builder().calls_in_flight(0), "calls_in_flight is `0`"),
            (
                builder().calls_in_flight_per_user(0),
                "calls_in_flight_per_user is `0`",
            ),
            (
                builder().anonymous_calls_in_flight(0),
                "anonymous_calls_in_flight is `0`",
            ),
            (
                builder().anonymous_calls_in_flight_per_network(0),
                "anonymous_calls_in_flight_per_network is `0`",
            ),
            (builder().tool_threads(0), "tool_threads is `0`"),
            (builder().body_limit(0), "body_limit is `0`"),
            (
                builder().calls_in_flight(9).calls_in_flight_per_user(8),
                "calls_in_flight_per_user is `8`: it must not be less than `calls_in_flight`",
            ),
            (
                builder()
                    .anonymous_calls_in_flight(3)
                    .anonymous_calls_in_flight_per_network(4),
                "anonymous_calls_in_flight is `3`",
            ),
            (
                builder().body_bytes_in_flight_per_user(MIB),
                "body_bytes_in_flight_per_user is `1048576`: it must not be less than `body_limit`",
            ),
            (
                builder().body_bytes_in_flight(MIB),
                "body_bytes_in_flight is `1048576`: it must not be less than `body_limit`",
            ),
            (
                builder()
                    .body_bytes_in_flight(8 * MIB)
                    .body_bytes_in_flight_per_user(9 * MIB),
                "body_bytes_in_flight is `8388608`: it must not be less than `body_bytes_in_flight_per_user`",
            ),
        ] {
            let text = mistake(builder);
            assert!(text.contains(name), "{text}");
        }
    }
}
