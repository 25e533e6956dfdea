//! Policies over HTTP, in both eras: each room of `club` is a tool, a prompt and a resource.

use clerk_emulator::{Fault, TokenRequest};

use super::guarded::{KINDS, Kind, Outcome, Room, expect_rooms};
use super::without_organization;
use crate::schema::{expect_error, expect_result};
use crate::support::{ERAS, World};

use Outcome::{Denied, Ran, SignIn, Unknown};

const ROOMS_OF: &str = "protocol::primitives::club::rooms";
const SCOPED: &str = "protocol::primitives::club::scoped";

const BY_FUNCTION: Outcome = Denied("Forbidden: not allowed by a policy");
const NO_DELETER: Outcome = Denied("Forbidden: somebody who may delete documents required");

/// Each room, with the outcomes for `ada` (who may delete), `grace` (who may read), `linus` (who is in no organization)
/// and a caller without a token. The rooms are sorted by name, and the last room does not exist.
const ROOMS: [Room; 8] = [
    ("acme", "club://acme", [Ran, Ran, BY_FUNCTION, SignIn]),
    (
        "alone",
        "club://alone",
        [BY_FUNCTION, BY_FUNCTION, Ran, SignIn],
    ),
    ("both", "club://both", [Ran, NO_DELETER, NO_DELETER, SignIn]),
    ("broken", "club://broken", [Ran, BY_FUNCTION, Ran, SignIn]),
    (
        "deleters",
        "club://deleters",
        [Ran, NO_DELETER, NO_DELETER, SignIn],
    ),
    (
        "inner",
        "club://inner",
        [Ran, NO_DELETER, NO_DELETER, SignIn],
    ),
    (
        "nobody",
        "club://nobody",
        [BY_FUNCTION, NO_DELETER, NO_DELETER, SignIn],
    ),
    (
        "nowhere",
        "club://nowhere",
        [Unknown, Unknown, Unknown, SignIn],
    ),
];

#[actix_web::test]
async fn policies_decide_the_uses_and_the_lists_of_all_primitives() {
    // The second time, the lists are cached.
    let runs = expect_rooms(ROOMS_OF, &[ERAS, ERAS].concat(), &ROOMS).await;
    assert_eq!(runs, 2 * 2 * 3 * (5 + 1 + 2));
}

#[actix_web::test]
async fn a_policy_whose_facts_cannot_be_looked_up_is_503_for_calls_and_lists() {
    for kind in KINDS {
        for era in ERAS {
            for (module, rooms) in [
                (ROOMS_OF, &["acme", "alone", "both", "broken", "inner"][..]),
                (SCOPED, &["either", "members"]),
            ] {
                let world = World::of(module, |builder| builder).await;
                let (ada, linus) = (world.ada(), world.linus());
                let scoped = TokenRequest::oauth("ada").org("acme");
                let scoped = world.mint(&scoped.scopes(["club:read", "user:org:read"]));
                // The keys are cached, and the membership of `ada` is not.
                kind.list(&world, era, Some(&linus))
                    .await
                    .expect_status(200);
                for path in ["/v1/organizations", "/v1/users"] {
                    world.instance.add_fault(Fault::status(500).at(path));
                }
                for name in rooms {
                    let uri = format!("club://{name}");
                    let room = (*name, &*uri);
                    let reply = kind.send(&world, era, room, Some(&ada)).await;
                    reply.expect_unavailable();
                    // Only a caller whose scope is enough does not depend on the policy.
                    let reply = kind.send(&world, era, room, Some(&scoped)).await;
                    match *name {
                        "either" => kind.expect(era, room, Ran, &reply),
                        _ => {
                            reply.expect_unavailable();
                        }
                    }
                }
                for token in [&ada, &scoped] {
                    kind.list(&world, era, Some(token))
                        .await
                        .expect_unavailable();
                }
                world.expect_runs(usize::from(module == SCOPED));
            }
        }
    }
}

/// `grace` lacks the scope only, so a new token helps her. A policy denies `linus`, so no token helps him.
#[actix_web::test]
async fn a_scope_is_asked_for_only_if_the_policies_allow() {
    for kind in KINDS {
        for era in ERAS {
            let world = World::of(SCOPED, |builder| builder).await;
            let (grace, linus) = (world.grace(), without_organization(&world));
            let members = ("members", "club://members");
            let reply = kind.send(&world, era, members, Some(&grace)).await;
            reply.expect_status(403);
            assert!(
                reply.challenge().contains("club:read"),
                "{}",
                reply.challenge()
            );
            let reply = kind.send(&world, era, members, Some(&linus)).await;
            kind.expect(era, members, BY_FUNCTION, &reply);
            assert!(reply.header("www-authenticate").is_none());
            // A scope is an alternative to the policy that denies both.
            let either = ("either", "club://either");
            for token in [&grace, &linus] {
                let reply = kind.send(&world, era, either, Some(token)).await;
                let text =
                    "Forbidden: somebody who may delete documents or club:read scope required";
                match kind {
                    Kind::Tool => {
                        expect_result(era, "CallToolResult", &reply);
                        assert_eq!(reply.text(), text);
                        assert!(reply.challenges_in_meta().is_some());
                    }
                    Kind::Prompt | Kind::Resource => {
                        let body = expect_error(era, 403, 403, &reply);
                        assert_eq!(body["error"]["message"], text);
                    }
                }
            }
            let reply = kind.list(&world, era, Some(&grace)).await;
            assert_eq!(kind.names(era, &reply), ["either", "members"]);
            let reply = kind.list(&world, era, Some(&linus)).await;
            assert_eq!(kind.names(era, &reply), ["either"]);
            world.expect_runs(0);
        }
    }
}

#[actix_web::test]
async fn a_policy_that_panics_denies_and_the_server_goes_on() {
    let world = World::of(ROOMS_OF, |builder| builder).await;
    let (ada, grace) = (world.ada(), world.grace());
    let broken = ("broken", "club://broken");
    for _ in 0..10 {
        for kind in KINDS {
            for era in ERAS {
                let reply = kind.send(&world, era, broken, Some(&grace)).await;
                kind.expect(era, broken, BY_FUNCTION, &reply);
                let reply = kind.list(&world, era, Some(&grace)).await;
                assert_eq!(kind.names(era, &reply), ["acme"]);
            }
        }
    }
    world.expect_runs(0);
    for kind in KINDS {
        for era in ERAS {
            let reply = kind.send(&world, era, broken, Some(&ada)).await;
            kind.expect(era, broken, Ran, &reply);
        }
    }
    world.expect_runs(6);
}

#[actix_web::test]
async fn a_program_that_selects_functions_and_the_matrix_see_the_policies() {
    let clerk = crate::support::emulator().await;
    let builder = crate::support::builder(&clerk).tools_of(ROOMS_OF);
    let builder = builder.state(crate::support::Runs::default());
    let builder = builder.serve_if(|item| item.guard().to_string().contains("policy deleters"));
    let matrix = builder.build().await.unwrap().matrix();
    let text = matrix.to_markdown();
    for row in [
        "| both | no | if policy | if policy | policy deleters, policy of_acme |",
        "| deleters | no | if policy | if policy | policy deleters |",
        "| inner | no | if policy | if policy | policy deleters (module protocol::primitives::club::rooms::inner) |",
        "| club://nobody | no | if policy | if policy | policy alone, policy deleters (module protocol::primitives::club::rooms::inner) |",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
    assert!(!text.contains("| acme |"), "{text}");
    assert!(
        text.contains("if policy: the policy in `requires` decides"),
        "{text}"
    );
}
