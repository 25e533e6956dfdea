//! Tests of the default limits, and of limits that contradict each other.

use super::*;

fn builder() -> ServerBuilder {
    ServerBuilder::of_package("test", "1")
}

fn resolved(builder: &ServerBuilder) -> Result<Load, Finding> {
    let mut findings = Findings::default();
    let load = builder.limits.resolve(Some(100), &mut findings);
    findings.check().map(|()| load)
}

#[test]
fn by_default_a_caller_may_call_six_thousand_times_a_minute() {
    assert_eq!(builder().limits.rates, [Rate::new("6000/min per user")]);
    assert!(builder().dangerous_without_rates().limits.rates.is_empty());
}

#[test]
fn the_defaults_of_the_limits_fit_together() {
    let load = resolved(&builder()).unwrap();
    let Load {
        calls,
        calls_per_user,
        anonymous_calls: anonymous,
        threads,
        bytes,
        subscriptions,
    } = load;
    assert_eq!(subscriptions, 50);
    assert_eq!((calls, calls_per_user), (64, 256));
    let per = |shares: Shares| (shares.all, shares.known, shares.strangers, shares.network);
    assert_eq!(per(anonymous), (64, 0, 64, 16));
    assert_eq!(per(threads), (64, 32, 16, 4));
    assert_eq!(per(bytes), (64 * MIB, 16 * MIB, 16 * MIB, 4 * MIB));
}

#[test]
fn a_limit_that_was_set_moves_the_default_of_the_one_beside_it() {
    let load = resolved(&builder().calls_in_flight(1_000).body_limit(32 * MIB)).unwrap();
    assert_eq!((load.calls, load.calls_per_user), (1_000, 1_000));
    assert_eq!((load.bytes.all, load.bytes.known), (128 * MIB, 32 * MIB));
    let builder = builder()
        .calls_in_flight_per_user(8)
        .body_bytes_in_flight(8 * MIB);
    let load = resolved(&builder.anonymous_calls_in_flight_per_network(100)).unwrap();
    assert_eq!((load.calls, load.calls_per_user), (8, 8));
    assert_eq!((load.bytes.all, load.bytes.known), (8 * MIB, 8 * MIB));
    assert_eq!(
        (load.anonymous_calls.all, load.anonymous_calls.network),
        (100, 100)
    );
}

#[test]
fn limits_that_contradict_each_other_do_not_start() {
    let mistake = |builder: ServerBuilder| resolved(&builder).unwrap_err().what().to_owned();
    for (builder, name) in [
        (builder().calls_in_flight(0), "`calls_in_flight` is `0`"),
        (builder().subscriptions(0), "`subscriptions` is `0`"),
        (
            builder().calls_in_flight_per_user(0),
            "`calls_in_flight_per_user` is `0`",
        ),
        (
            builder().anonymous_calls_in_flight(0),
            "`anonymous_calls_in_flight` is `0`",
        ),
        (
            builder().anonymous_calls_in_flight_per_network(0),
            "`anonymous_calls_in_flight_per_network` is `0`",
        ),
        (builder().tool_threads(0), "`tool_threads` is `0`"),
        (builder().body_limit(0), "`body_limit` is `0`"),
        (
            builder().calls_in_flight(9).calls_in_flight_per_user(8),
            "`calls_in_flight_per_user` is `8`: it must not be less than `calls_in_flight`",
        ),
        (
            builder()
                .anonymous_calls_in_flight(3)
                .anonymous_calls_in_flight_per_network(4),
            "`anonymous_calls_in_flight` is `3`",
        ),
        (
            builder().body_bytes_in_flight_per_user(MIB),
            "`body_bytes_in_flight_per_user` is `1048576`: it must not be less than `body_limit`",
        ),
        (
            builder().body_bytes_in_flight(MIB),
            "`body_bytes_in_flight` is `1048576`: it must not be less than `body_limit`",
        ),
        (
            builder()
                .body_bytes_in_flight(8 * MIB)
                .body_bytes_in_flight_per_user(9 * MIB),
            "`body_bytes_in_flight` is `8388608`: it must not be less than `body_bytes_in_flight_per_user`",
        ),
    ] {
        let text = mistake(builder);
        assert!(text.contains(name), "{text}");
    }
}
