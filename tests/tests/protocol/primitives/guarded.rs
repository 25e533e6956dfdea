//! Guards of modules over HTTP, in both eras: each room of `office` is a tool, a prompt and a resource.

use clerk_emulator::Fault;
use serde_json::json;

use super::without_organization;
use crate::reply::Reply;
use crate::schema::{expect_error, expect_result};
use crate::support::{ERAS, Era, World};

const OFFICE: &str = "protocol::primitives::office";

/// The three kinds of primitives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Prompt,
    Resource,
    Tool,
}
use Kind::{Prompt, Resource, Tool};

pub(super) const KINDS: [Kind; 3] = [Tool, Prompt, Resource];

/// The outcome of a use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Ran,
    SignIn,
    /// The text of the tool's denial. A prompt and a resource are unknown.
    Denied(&'static str),
    /// The name does not exist.
    Unknown,
}
use Outcome::{Denied, Ran, SignIn, Unknown};

impl Kind {
    pub(super) async fn send(
        self,
        world: &World,
        era: Era,
        (name, uri): (&str, &str),
        token: Option<&str>,
    ) -> Reply {
        let ask = match self {
            Prompt => world.ask(era, "prompts/get", json!({ "name": name })),
            Resource => world.ask(era, "resources/read", json!({ "uri": uri })),
            Tool => world.call(era, name, json!({})),
        };
        match token {
            Some(token) => ask.bearer(token).send().await,
            None => ask.send().await,
        }
    }

    pub(super) async fn list(self, world: &World, era: Era, token: Option<&str>) -> Reply {
        let method = match self {
            Prompt => "prompts/list",
            Resource => "resources/list",
            Tool => "tools/list",
        };
        let ask = world.ask(era, method, json!({}));
        match token {
            Some(token) => ask.bearer(token).send().await,
            None => ask.send().await,
        }
    }

    /// The names in a list.
    #[track_caller]
    pub(super) fn names(self, era: Era, reply: &Reply) -> Vec<String> {
        let (list, definition) = match self {
            Prompt => ("prompts", "ListPromptsResult"),
            Resource => ("resources", "ListResourcesResult"),
            Tool => ("tools", "ListToolsResult"),
        };
        let result = expect_result(era, definition, reply);
        let entries = result[list].as_array().unwrap().iter();
        let names = entries.map(|entry| entry["name"].as_str().unwrap().to_owned());
        names.collect()
    }

    #[track_caller]
    pub(super) fn expect(
        self,
        era: Era,
        (name, uri): (&str, &str),
        outcome: Outcome,
        reply: &Reply,
    ) {
        match (outcome, self) {
            (Ran, _) => {
                let definition = match self {
                    Prompt => "GetPromptResult",
                    Resource => "ReadResourceResult",
                    Tool => "CallToolResult",
                };
                let result = expect_result(era, definition, reply);
                assert!(result.to_string().contains(name), "{self:?} {result}");
                assert_ne!(result["isError"], true, "{self:?} {name} {result}");
            }
            (SignIn, _) => {
                reply.expect_oauth_error(401, "invalid_token", "An access token is required");
            }
            (Denied(text), Tool) => {
                let result = expect_result(era, "CallToolResult", reply);
                assert_eq!(result["isError"], true, "{name} {result}");
                assert_eq!(reply.text(), text, "{name}");
            }
            (Unknown, Tool) => {
                let body = expect_error(era, 200, -32602, reply);
                assert_eq!(body["error"]["message"], format!("Unknown tool: {name}"));
            }
            (Denied(_) | Unknown, Prompt) => {
                let body = expect_error(era, 200, -32602, reply);
                assert_eq!(body["error"]["message"], format!("Unknown prompt: {name}"));
            }
            (Denied(_) | Unknown, Resource) => {
                let code = if era == Era::Modern { -32602 } else { -32002 };
                let body = expect_error(era, 200, code, reply);
                assert_eq!(body["error"]["message"], format!("Unknown resource: {uri}"));
            }
        }
    }
}

const NO_ORGANIZATION: Outcome = Denied("Organization context required");
const NO_WRITE: Outcome = Denied("Forbidden: org:documents:write permission required");

/// Each room, with the outcomes for `ada` (who may read, write and delete), `grace` (who may read), `linus` (who is in no
/// organization, and whom no new token would help) and a caller without a token. The rooms are sorted by name.
const ROOMS: [Room; 8] = [
    (
        "annex",
        "office://annex",
        [Ran, Ran, NO_ORGANIZATION, SignIn],
    ),
    (
        "archive",
        "office://archive",
        [Ran, Ran, NO_ORGANIZATION, SignIn],
    ),
    ("box", "office://box", [Ran, Ran, NO_ORGANIZATION, SignIn]),
    (
        "lobby",
        "office://lobby",
        [Ran, Ran, NO_ORGANIZATION, SignIn],
    ),
    (
        "safe",
        "office://safe",
        [Ran, NO_WRITE, NO_ORGANIZATION, SignIn],
    ),
    (
        "sealed",
        "office://sealed",
        [
            Ran,
            Denied("Forbidden: org:documents:delete permission required"),
            NO_ORGANIZATION,
            SignIn,
        ],
    ),
    (
        "shelf",
        "office://shelf",
        [Ran, Ran, NO_ORGANIZATION, SignIn],
    ),
    (
        "vault",
        "office://vault",
        [Ran, NO_WRITE, NO_ORGANIZATION, SignIn],
    ),
];

/// A room: its name, its URI, and the outcomes for `ada`, `grace`, `linus` and a caller without a token.
pub(super) type Room = (&'static str, &'static str, [Outcome; 4]);

/// Uses and lists each room as a tool, a prompt and a resource, in these eras. The lists must have exactly the rooms that
/// the caller may use. Returns the number of runs.
pub(super) async fn expect_rooms(module: &str, eras: &[Era], rooms: &[Room]) -> usize {
    let world = World::of(module, |builder| builder).await;
    let tokens = [
        Some(world.ada()),
        Some(world.grace()),
        Some(without_organization(&world)),
        None,
    ];
    let mut runs = 0;
    for era in eras.iter().copied() {
        for kind in KINDS {
            for (caller, token) in tokens.iter().enumerate() {
                let token = token.as_deref();
                for (name, uri, outcomes) in rooms {
                    let reply = kind.send(&world, era, (name, uri), token).await;
                    kind.expect(era, (name, uri), outcomes[caller], &reply);
                    assert!(token.is_none() || reply.header("www-authenticate").is_none());
                    runs += usize::from(outcomes[caller] == Ran);
                    world.expect_runs(runs);
                }
                let reply = kind.list(&world, era, token).await;
                if token.is_none() {
                    reply.expect_status(401);
                    continue;
                }
                let allowed = rooms.iter().filter(|room| room.2[caller] == Ran);
                let allowed: Vec<_> = allowed.map(|room| room.0).collect();
                assert_eq!(kind.names(era, &reply), allowed, "{kind:?} {caller}");
            }
        }
    }
    runs
}

#[actix_web::test]
async fn the_guards_of_all_modules_around_a_function_decide_its_uses_and_its_lists() {
    let runs = expect_rooms(OFFICE, &ERAS, &ROOMS).await;
    assert_eq!(runs, 2 * 3 * (8 + 5));
}

#[actix_web::test]
async fn a_look_up_that_the_guard_of_a_module_needs_and_that_fails_is_503() {
    for kind in KINDS {
        for era in ERAS {
            let world = World::of(OFFICE, |builder| builder).await;
            let (ada, linus) = (world.ada(), world.linus());
            // The keys are cached, and the membership of `ada` is not.
            kind.list(&world, era, Some(&linus))
                .await
                .expect_status(200);
            for path in ["/v1/organizations", "/v1/users"] {
                world.instance.add_fault(Fault::status(500).at(path));
            }
            for (name, uri, _) in ROOMS {
                let reply = kind.send(&world, era, (name, uri), Some(&ada)).await;
                reply.expect_unavailable();
            }
            kind.list(&world, era, Some(&ada))
                .await
                .expect_unavailable();
            world.expect_runs(0);
        }
    }
}

/// The selection of a server cannot leave a guard out: each of these servers serves `safe`, whose guards are stated
/// in `office`, in `archive` and in `safe`.
#[actix_web::test]
async fn no_selection_of_functions_drops_the_guard_of_a_module() {
    for module in [
        "protocol::primitives::office::archive::safe",
        "protocol::primitives::office::archive",
        OFFICE,
    ] {
        let world = World::of(module, |builder| {
            builder.serve_if(|item| {
                assert!(!item.guard().is_public());
                item.name() == "safe"
            })
        })
        .await;
        for kind in KINDS {
            for era in ERAS {
                let safe = ("safe", "office://safe");
                let grace = world.grace();
                let reply = kind.send(&world, era, safe, Some(&grace)).await;
                kind.expect(era, safe, NO_WRITE, &reply);
                let reply = kind.send(&world, era, safe, None).await;
                kind.expect(era, safe, SignIn, &reply);
                let reply = kind.list(&world, era, Some(&grace)).await;
                assert_eq!(kind.names(era, &reply), Vec::<String>::new());
            }
        }
        world.expect_runs(0);
    }
}

/// `public` in a module inside a guarded module, where the compiler cannot see the guard.
mod loosened {
    mcp_auth::module_guard!(require_org);

    mod inside {
        pub(super) mod deeper {
            /// Tell the time.
            #[mcp_auth::mcp_tool(public)]
            async fn open_tool() {}
        }

        mod prompts {
            /// Say hello.
            #[mcp_auth::mcp_prompt(public)]
            async fn open_prompt() -> &'static str {
                "hello"
            }
        }

        mod resources {
            /// A page.
            #[mcp_auth::mcp_resource("loosened://page", public)]
            async fn open_resource() -> &'static str {
                "page"
            }
        }
    }
}

/// A guard that is stated in the body of a function guards the whole module.
mod in_a_function {
    /// Tell the time.
    #[mcp_auth::mcp_tool(public)]
    async fn time() {}

    fn state() {
        mcp_auth::module_guard!(require_user);
    }

    const _: fn() = state;
}

#[actix_web::test]
async fn public_in_a_module_inside_a_guarded_module_stops_the_server_at_its_start() {
    let guarded = "protocol::primitives::guarded";
    for (module, item, guard) in [
        ("loosened::inside::deeper", "tool `open_tool`", "loosened"),
        (
            "loosened::inside::prompts",
            "prompt `open_prompt`",
            "loosened",
        ),
        (
            "loosened::inside::resources",
            "resource `loosened://page`",
            "loosened",
        ),
        ("in_a_function", "tool `time`", "in_a_function"),
    ] {
        let clerk = crate::support::emulator().await;
        let builder = crate::support::builder(&clerk).tools_of(format!("{guarded}::{module}"));
        let error = builder.build().await.unwrap_err().to_string();
        let file = "tests/tests/protocol/primitives/guarded.rs:";
        let expected = format!(
            "{item} is `public`, which would loosen the guard of module `{guarded}::{guard}` at {file}"
        );
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("[public-in-guarded-module]"), "{error}");
        // A program that selects functions sees that nothing in a guarded module is public.
        let builder = crate::support::builder(&clerk).tools_of(format!("{guarded}::{module}"));
        let error = builder
            .serve_if(|item| item.guard().is_public())
            .build()
            .await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("[tools-filtered]"), "{error}");
    }
}

/// A guard that no token can meet, because a module and a function contradict each other.
mod contradictory {
    pub(super) mod roles {
        mcp_auth::module_guard!(role = "admin");

        /// Only for members.
        #[mcp_auth::mcp_tool(role = "member")]
        async fn members_only() {}
    }

    pub(super) mod features {
        mcp_auth::module_guard!(feature = "export");

        /// Only for exporters.
        #[mcp_auth::mcp_tool]
        async fn exporters_only() {}
    }
}

#[actix_web::test]
async fn a_guard_that_no_token_meets_names_the_place_of_the_module_guard() {
    let file = "tests/tests/protocol/primitives/guarded.rs:";
    for (module, parts) in [
        (
            "roles",
            [
                "oauth tokens cannot have `role org:admin` and `role org:member` at once",
                "requires `role org:admin`; a caller has one role in an organization",
            ],
        ),
        (
            "features",
            [
                "oauth tokens cannot have `feature export`",
                "requires `feature export`; accept session tokens",
            ],
        ),
    ] {
        let clerk = crate::support::emulator().await;
        let module = format!("protocol::primitives::guarded::contradictory::{module}");
        let builder = crate::support::builder(&clerk).tools_of(&module);
        let error = builder.build().await.unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
        assert!(
            error.contains(&format!("`module_guard!` at {file}")),
            "{error}"
        );
        assert!(error.contains("[guard-unsatisfiable]"), "{error}");
    }
}

#[actix_web::test]
async fn the_matrix_shows_the_whole_guard_and_the_module_of_each_part() {
    let clerk = crate::support::emulator().await;
    let builder = crate::support::builder(&clerk).tools_of(OFFICE);
    let builder = builder.state(crate::support::Runs::default());
    let matrix = builder.build().await.unwrap().matrix();
    let matrix = matrix
        .role("org:admin", &["org:documents:read", "org:documents:write"])
        .role("org:member", &["org:documents:read"]);
    let text = matrix.to_markdown();
    let of = |module: &str| format!("(module {OFFICE}{module})");
    let organization = format!("organization {}", of(""));
    let read = format!("permission org:documents:read {}", of("::archive"));
    let write = format!("permission org:documents:write {}", of("::archive::safe"));
    for (row, allowed, requires) in [
        ("lobby", "yes | yes", organization.clone()),
        ("annex", "yes | yes", organization.clone()),
        ("box", "yes | yes", format!("{organization}, {read}")),
        (
            "sealed",
            "no | no",
            format!("{organization}, permission org:documents:delete, {read}"),
        ),
        (
            "vault",
            "yes | no",
            format!("{organization}, {read}, {write}"),
        ),
        (
            "prompt vault",
            "yes | no",
            format!("{organization}, {read}, {write}"),
        ),
        (
            "office://vault",
            "yes | no",
            format!("{organization}, {read}, {write}"),
        ),
    ] {
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with(&format!("| {row} |")));
        let line = line.unwrap_or_else(|| panic!("no {row} in {text}"));
        assert!(
            line.contains(&format!("| {allowed} | {requires} |")),
            "{line}"
        );
    }
}
