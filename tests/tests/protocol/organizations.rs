//! Organizations from the URL and from the user's memberships: which organization a caller acts in,
//! how other calls are denied, and how caches are kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clerk_emulator::{Fault, TokenRequest};
use mcp_auth::OrganizationSource::{OnlyMembership, UrlQuery};
use mcp_auth::testing::TestServer;
use mcp_auth::{ApiKeyScopes, AuthorizedParties, OrganizationSource, ServerBuilder};
use reqwest::Method;
use serde_json::{Value, json};

use crate::parked::Gate;
use crate::reply::Reply;
use crate::support::{Ask, Era, ORGANIZATION_REQUIRED, PERMISSION_DENIED, World, eventually};

mod shelf {
    use mcp_auth::{Caller, Check, Context, Org, State, ToolError, mcp_tool};

    use crate::parked::Gate;
    use crate::support::Runs;

    /// Tell all that is known of the organization.
    #[mcp_tool]
    async fn standing(org: &Org, caller: &Caller, cx: &Context, runs: &State<Runs>) -> String {
        runs.count();
        let same = cx.org().map(Org::id) == Some(org.id());
        let role = org.role().unwrap_or("none");
        let slug = org.slug().unwrap_or("none");
        let named = caller.org_id().unwrap_or("none");
        format!("{} {slug} {role} {same}; token {named}", org.id())
    }

    /// Tell the organization, if there is one.
    #[mcp_tool]
    async fn perhaps(org: Option<&Org>, runs: &State<Runs>) -> String {
        runs.count();
        org.map_or("none", Org::id).to_owned()
    }

    /// Tell whether the caller may delete, which no declaration says.
    #[mcp_tool]
    async fn may_delete(cx: &Context, runs: &State<Runs>) -> Result<String, ToolError> {
        runs.count();
        let may = cx
            .has(Check::new().permission("org:documents:delete"))
            .await?;
        Ok(may.to_string())
    }

    /// Wait in an organization.
    #[mcp_tool(require_org)]
    async fn wait_there(gate: &State<Gate>) -> &'static str {
        gate.pass("wait_there").await;
        "passed"
    }

    /// Wait anywhere.
    #[mcp_tool]
    async fn wait_anywhere(gate: &State<Gate>) -> &'static str {
        gate.pass("wait_anywhere").await;
        "passed"
    }
}

const SHELF: &str = "protocol::organizations::shelf";

/// The sources of a server: none, each, and both.
const SOURCES: [&[OrganizationSource]; 4] = [
    &[],
    &[UrlQuery],
    &[OnlyMembership],
    // The order of the sources does not matter.
    &[OnlyMembership, UrlQuery],
];

/// The user, the organization that the token names, the query, and the outcome with each of
/// [`SOURCES`].
type Row = (&'static str, Option<&'static str>, &'static str, [Is; 4]);

/// A JWT, and an opaque token.
const OPAQUE: [bool; 2] = [false, true];

/// `kay` is an admin of `acme` and a member of `globex`.
async fn world_with(sources: &[OrganizationSource]) -> World {
    let sources = sources.to_vec();
    let world = World::with(|builder| builder.organization_from(sources)).await;
    join_both(&world);
    world
}

fn join_both(world: &World) {
    let all = [
        "org:documents:read",
        "org:documents:write",
        "org:documents:delete",
    ];
    world.instance.set_member("kay", "acme", "admin", &all);
    world
        .instance
        .set_member("kay", "globex", "member", &["org:documents:read"]);
}

async fn shelf(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    let world = World::of(SHELF, |builder| {
        settings(builder.state(Gate::closed()).organization_from([UrlQuery]))
    })
    .await;
    join_both(&world);
    world
}

fn token(world: &World, opaque: bool, user: &str, org: Option<&str>) -> String {
    let request = TokenRequest::oauth(user);
    let request = match org {
        Some(org) => request.org(org),
        None => request,
    };
    world.mint(&if opaque { request.opaque() } else { request })
}

fn at(ask: Ask, query: &str) -> Ask {
    if query.is_empty() {
        ask
    } else {
        ask.query(query)
    }
}

async fn call(world: &World, token: &str, tool: &str, query: &str) -> Reply {
    let arguments = match tool {
        "delete_document" => json!({ "document_id": "d1" }),
        _ => json!({}),
    };
    let ask = world.call(Era::Modern, tool, arguments).bearer(token);
    at(ask, query).send().await
}

/// The outcome of a call that requires an organization.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Is {
    /// The tool runs, in this organization.
    In(&'static str),
    /// The user is not a member of the organization that the token names.
    NotAMember,
    /// The token has no scope for organizations.
    NotGranted,
    /// The user has no organization, or several.
    NotOnly,
    /// Clerk cannot be asked.
    Unavailable,
    /// The URL names an organization that the caller cannot act in.
    Url,
}

impl Is {
    fn hint(self) -> &'static str {
        match self {
            Self::In(_) | Self::Unavailable => unreachable!("{self:?} has no hint"),
            Self::NotAMember => "You are not a member of the organization that this connection",
            Self::NotGranted => "This connection was not granted the scope `user:org:read`",
            Self::NotOnly => {
                "No organization was chosen for this connection, and you are a member of no"
            }
            Self::Url => "With this connection you cannot act in the organization that `org` in",
        }
    }

    /// Asserts the status, the text, and whether the tool ran. Returns the body of a denial.
    async fn expect(self, world: &World, token: &str, query: &str, row: &str) -> Option<Vec<u8>> {
        let before = world.runs.total();
        let reply = call(world, token, "which_org", query).await;
        let runs = usize::from(matches!(self, Self::In(_)));
        assert_eq!(world.runs.total() - before, runs, "{row}: {reply:?}");
        match self {
            Self::In(slug) => {
                reply.expect_text(&format!("org_{slug}"));
                None
            }
            Self::Unavailable => {
                reply.expect_unavailable();
                None
            }
            Self::NotAMember | Self::NotGranted | Self::NotOnly | Self::Url => {
                reply.expect_status(200);
                assert_eq!(reply.text(), ORGANIZATION_REQUIRED, "{row}");
                assert_eq!(reply.result()["isError"], true, "{row}");
                let hint = reply.hint().unwrap();
                assert!(hint.starts_with(self.hint()), "{row}: {hint}");
                Some(reply.body)
            }
        }
    }
}

mod place {
    use mcp_auth::{Caller, Context, FromContext, Org, ToolError, mcp_tool};

    /// An organization, or the caller's own rooms.
    #[derive(Debug)]
    struct Place(String);

    impl FromContext for Place {
        type Parts = (Caller, Option<Org>);

        async fn from_context(
            _: &Context,
            (_, org): (&Caller, Option<&Org>),
        ) -> Result<Self, ToolError> {
            Ok(Self(org.map_or("personal", Org::id).to_owned()))
        }
    }

    /// Name the place, made from a part.
    #[mcp_tool]
    async fn by_part(place: &Place) -> String {
        place.0.clone()
    }

    /// Name the place, made from a part, for callers with one of two rights.
    #[mcp_tool(any(permission = "org:documents:read", scope = "docs"))]
    async fn by_part_and_guard(place: &Place) -> String {
        place.0.clone()
    }

    /// Name the organization, which is a parameter.
    #[mcp_tool]
    async fn by_parameter(org: Option<&Org>) -> String {
        org.map_or("personal", Org::id).to_owned()
    }
}

#[actix_web::test]
async fn an_optional_part_is_looked_up_like_an_optional_parameter() {
    let server = TestServer::of(mcp_auth::server!(tools = [place]));
    let ada = server.user("ada").org("acme").scope("docs");
    for tool in ["by_part", "by_part_and_guard", "by_parameter"] {
        let answer = ada.call(tool, json!({})).await;
        assert_eq!(answer.expect_ok().text(), "org_acme", "{tool}");
    }
    let grace = server.user("grace").scope("docs");
    let answer = grace.call("by_part", json!({})).await;
    assert_eq!(answer.expect_ok().text(), "personal");
    // The cached membership ends before the outage.
    server.advance(Duration::from_secs(40));
    server.begin_outage();
    for tool in ["by_part", "by_part_and_guard", "by_parameter"] {
        let answer = ada.call(tool, json!({})).await;
        assert_eq!(answer.status(), 503, "{tool}");
        answer.expect_not_run();
    }
}

#[actix_web::test]
async fn an_organization_comes_from_the_token_the_url_or_the_only_membership() {
    use Is::{In, NotAMember, NotGranted, NotOnly, Url};
    let (acme, globex) = (In("acme"), In("globex"));
    let rows: &[Row] = &[
        ("ada", Some("acme"), "", [acme; 4]),
        ("ada", None, "", [NotGranted, NotGranted, acme, acme]),
        ("ada", None, "org=org_acme", [NotGranted, acme, acme, acme]),
        ("ada", None, "org=acme", [NotGranted, acme, acme, acme]),
        (
            "ada",
            None,
            "x=1&org=%61cme",
            [NotGranted, acme, acme, acme],
        ),
        // The URL names the organization of others, or one that does not exist.
        ("ada", None, "org=globex", [NotGranted, Url, acme, Url]),
        ("ada", None, "org=org_globex", [NotGranted, Url, acme, Url]),
        ("ada", None, "org=unknown", [NotGranted, Url, acme, Url]),
        ("ada", None, "org=org_unknown", [NotGranted, Url, acme, Url]),
        ("ada", None, "org=.", [NotGranted, Url, acme, Url]),
        ("ada", None, "org=ACME", [NotGranted, Url, acme, Url]),
        // The query is malformed.
        ("ada", None, "org=", [NotGranted, Url, acme, Url]),
        ("ada", None, "org", [NotGranted, Url, acme, Url]),
        (
            "ada",
            None,
            "org=acme&org=acme",
            [NotGranted, Url, acme, Url],
        ),
        ("ada", None, "org=%zz", [NotGranted, Url, acme, Url]),
        // The user is in no organization, or in several.
        (
            "linus",
            None,
            "",
            [NotGranted, NotGranted, NotOnly, NotOnly],
        ),
        ("linus", None, "org=acme", [NotGranted, Url, NotOnly, Url]),
        ("kay", None, "", [NotGranted, NotGranted, NotOnly, NotOnly]),
        ("kay", None, "org=acme", [NotGranted, acme, NotOnly, acme]),
        (
            "kay",
            None,
            "org=org_globex",
            [NotGranted, globex, NotOnly, globex],
        ),
        // Token and URL agree or differ.
        ("kay", Some("acme"), "org=acme", [acme; 4]),
        ("kay", Some("acme"), "org=org_acme", [acme; 4]),
        ("kay", Some("acme"), "org=globex", [acme, Url, acme, Url]),
        (
            "kay",
            Some("acme"),
            "org=org_globex",
            [acme, Url, acme, Url],
        ),
        ("ada", Some("acme"), "org=globex", [acme, Url, acme, Url]),
        ("ada", Some("acme"), "org=unknown", [acme, Url, acme, Url]),
        ("ada", Some("acme"), "org=", [acme, Url, acme, Url]),
    ];
    // These rows run after the memberships have ended.
    let left: &[Row] = &[
        ("ada", Some("acme"), "", [NotAMember; 4]),
        (
            "ada",
            Some("acme"),
            "org=acme",
            [NotAMember, Url, NotAMember, Url],
        ),
        ("ada", None, "", [NotGranted, NotGranted, NotOnly, NotOnly]),
        ("ada", None, "org=acme", [NotGranted, Url, NotOnly, Url]),
        ("kay", None, "org=globex", [NotGranted, Url, acme, Url]),
        ("kay", Some("globex"), "", [NotAMember; 4]),
        ("kay", None, "", [NotGranted, NotGranted, acme, acme]),
    ];
    for (place, sources) in SOURCES.into_iter().enumerate() {
        for opaque in OPAQUE {
            let world = world_with(sources).await;
            // The tokens are minted before the memberships end. There are few of them, because new
            // opaque tokens are rate-limited.
            let mut tokens = BTreeMap::new();
            for (user, org, ..) in rows.iter().chain(left) {
                let key = (*user, *org);
                tokens
                    .entry(key)
                    .or_insert_with(|| token(&world, opaque, user, *org));
            }
            let mut refused_by_url = BTreeSet::new();
            let mut check = async |rows: &[Row]| {
                for row in rows {
                    let (token, query, expected) = (&tokens[&(row.0, row.1)], row.2, row.3[place]);
                    let shown = format!("{sources:?} opaque {opaque}: {row:?}");
                    let body = expected.expect(&world, token, query, &shown).await;
                    if expected == Url {
                        refused_by_url.extend(body);
                    }
                }
            };
            check(rows).await;
            world.instance.remove_member("ada", "acme");
            world.instance.remove_member("kay", "globex");
            world.clock.advance(Duration::from_secs(30));
            check(left).await;
            // Unknown, foreign, contradictory and malformed names get identical responses.
            assert!(refused_by_url.len() <= 1, "{refused_by_url:?}");
            assert_eq!(refused_by_url.is_empty(), !sources.contains(&UrlQuery));
        }
    }
}

#[actix_web::test]
async fn while_memberships_cannot_be_looked_up_nobody_acts_in_an_organization() {
    use Is::{NotGranted, Unavailable, Url};
    let down = Unavailable;
    let rows: &[Row] = &[
        ("ada", Some("acme"), "", [down; 4]),
        ("ada", Some("acme"), "org=acme", [down; 4]),
        ("ada", Some("acme"), "org=globex", [down; 4]),
        ("ada", None, "", [NotGranted, NotGranted, down, down]),
        ("ada", None, "org=acme", [NotGranted, down, down, down]),
        ("ada", None, "org=org_acme", [NotGranted, down, down, down]),
        ("ada", None, "org=unknown", [NotGranted, down, down, down]),
        // A malformed query needs no look-up.
        ("ada", None, "org=", [NotGranted, Url, down, Url]),
    ];
    for (place, sources) in SOURCES.into_iter().enumerate() {
        for opaque in OPAQUE {
            let world = world_with(sources).await;
            world
                .instance
                .add_fault(Fault::status(500).at("/v1/organizations"));
            world.instance.add_fault(Fault::status(500).at("/v1/users"));
            for row in rows {
                let token = token(&world, opaque, row.0, row.1);
                let shown = format!("{sources:?} opaque {opaque}: {row:?}");
                row.3[place].expect(&world, &token, row.2, &shown).await;
            }
            let list = world.list(Era::Modern);
            let list = list.bearer(&token(&world, opaque, "ada", Some("acme")));
            list.query("org=acme").send().await.expect_unavailable();
            world.expect_runs(0);

            // The server recovers by itself, and no outcome of the outage is cached.
            world.instance.clear_faults();
            world.clock.advance(Duration::from_secs(8));
            let ada = token(&world, opaque, "ada", Some("acme"));
            call(&world, &ada, "which_org", "org=acme")
                .await
                .expect_text("org_acme");
        }
    }
}

#[actix_web::test]
async fn an_expired_list_is_not_used_while_memberships_cannot_be_looked_up() {
    let world = world_with(&[UrlQuery, OnlyMembership]).await;
    let ada = token(&world, false, "ada", None);
    for query in ["", "org=acme"] {
        call(&world, &ada, "which_org", query)
            .await
            .expect_text("org_acme");
    }
    world.instance.add_fault(Fault::status(500).at("/v1/users"));
    world.clock.advance(Duration::from_secs(29));
    call(&world, &ada, "which_org", "")
        .await
        .expect_text("org_acme");
    world.clock.advance(Duration::from_secs(1));
    for query in ["", "org=acme"] {
        let reply = call(&world, &ada, "which_org", query).await;
        reply.expect_unavailable();
    }
    world.expect_runs(3);
}

#[actix_web::test]
async fn a_new_membership_counts_after_five_seconds_and_one_that_ended_after_thirty() {
    for opaque in OPAQUE {
        let world = world_with(&[UrlQuery, OnlyMembership]).await;
        let linus = token(&world, opaque, "linus", None);
        for query in ["", "org=acme"] {
            let reply = call(&world, &linus, "which_org", query).await;
            assert_eq!(reply.text(), ORGANIZATION_REQUIRED);
        }
        world.instance.set_member("linus", "acme", "member", &[]);
        world.clock.advance(Duration::from_secs(4));
        let reply = call(&world, &linus, "which_org", "org=acme").await;
        assert_eq!(reply.text(), ORGANIZATION_REQUIRED);
        world.clock.advance(Duration::from_secs(1));
        for query in ["", "org=acme"] {
            let reply = call(&world, &linus, "which_org", query).await;
            reply.expect_text("org_acme");
        }
        world.instance.remove_member("linus", "acme");
        world.clock.advance(Duration::from_secs(29));
        call(&world, &linus, "which_org", "org=acme")
            .await
            .expect_text("org_acme");
        world.clock.advance(Duration::from_secs(1));
        for query in ["", "org=acme"] {
            let reply = call(&world, &linus, "which_org", query).await;
            assert_eq!(reply.text(), ORGANIZATION_REQUIRED);
        }
        world.expect_runs(3);
    }
}

#[actix_web::test]
async fn guessing_names_in_the_url_costs_one_look_up() {
    let world = world_with(&[UrlQuery, OnlyMembership]).await;
    let ada = token(&world, false, "ada", None);
    for number in 0..20 {
        for name in [format!("org_{number}"), format!("guess-{number}")] {
            let reply = call(&world, &ada, "which_org", &format!("org={name}")).await;
            assert_eq!(reply.text(), ORGANIZATION_REQUIRED);
        }
    }
    assert_eq!(world.instance.requests_to("/v1/users/user_ada"), 1);
    assert_eq!(world.instance.requests_to("/v1/organizations"), 0);
    world.expect_runs(0);
}

#[actix_web::test]
async fn one_token_at_two_urls_gets_the_list_and_the_answers_of_each_organization() {
    for opaque in OPAQUE {
        let world = world_with(&[UrlQuery]).await;
        let kay = token(&world, opaque, "kay", None);
        let list = async |query: &str| {
            let list = world.list(Era::Modern).bearer(&kay);
            at(list, query).send().await.tools()
        };
        let as_admin = list("org=acme").await;
        let as_member = list("org=globex").await;
        let nowhere = list("org=unknown").await;
        let no_url = list("").await;
        let has = |tools: &[String], name: &str| tools.iter().any(|tool| tool == name);
        for (tools, [rename, which]) in [
            (&as_admin, [true, true]),
            (&as_member, [false, true]),
            // A new token cannot help if the URL names an organization without the user.
            (&nowhere, [false, false]),
            // A new token can have an organization.
            (&no_url, [true, true]),
        ] {
            assert_eq!(has(tools, "rename_org"), rename, "{tools:?}");
            assert_eq!(has(tools, "which_org"), which, "{tools:?}");
        }
        for _ in 0..3 {
            assert_eq!(list("org=acme").await, as_admin);
            assert_eq!(list("org=org_globex").await, as_member);
            assert_eq!(list("org=unknown").await, nowhere);
            assert_eq!(list("").await, no_url);
            call(&world, &kay, "rename_org", "org=acme")
                .await
                .expect_text("renamed");
            let denied = call(&world, &kay, "delete_document", "org=globex").await;
            assert_eq!(denied.text(), PERMISSION_DENIED);
            call(&world, &kay, "delete_document", "org=org_acme")
                .await
                .expect_text("Document d1 of org_acme deleted");
        }
        world.expect_runs(6);
    }
}

#[actix_web::test]
async fn an_organization_from_the_url_reaches_a_tool_like_one_from_the_token() {
    for opaque in OPAQUE {
        let world = shelf(|builder| builder).await;
        let (bare, named) = (
            token(&world, opaque, "kay", None),
            token(&world, opaque, "kay", Some("acme")),
        );
        let expected = "org_acme acme org:admin true; token none";
        call(&world, &bare, "standing", "org=acme")
            .await
            .expect_text(expected);
        for (token, query, perhaps, may_delete) in [
            (&bare, "org=acme", "org_acme", "true"),
            (&bare, "org=globex", "org_globex", "false"),
            (&bare, "org=unknown", "none", "false"),
            (&bare, "", "none", "false"),
            (&named, "org=acme", "org_acme", "true"),
            (&named, "org=globex", "none", "false"),
            (&named, "", "org_acme", "true"),
        ] {
            for (tool, text) in [("perhaps", perhaps), ("may_delete", may_delete)] {
                let reply = call(&world, token, tool, query).await;
                reply.expect_text(text);
            }
        }
        world.expect_runs(15);
    }
}

#[actix_web::test]
async fn one_token_in_two_organizations_is_two_principals() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::of(SHELF, |builder| {
        builder
            .state(state)
            .calls_in_flight(1)
            .organization_from([UrlQuery])
    })
    .await;
    join_both(&world);
    let kay = token(&world, false, "kay", None);
    let wait = |tool: &str, query: &str| {
        let ask = world.call(Era::Modern, tool, json!({})).bearer(&kay);
        at(ask, query).send()
    };
    let acme = tokio::spawn(wait("wait_there", "org=acme"));
    let globex = tokio::spawn(wait("wait_there", "org=globex"));
    eventually("both wait", || gate.entered() == 2).await;
    for query in ["org=acme", "org=org_acme", "org=globex"] {
        wait("wait_there", query).await.expect_unavailable();
    }
    // Names in the URL that match no organization do not create principals.
    let anywhere = tokio::spawn(wait("wait_anywhere", "org=acme"));
    eventually("a third waits", || gate.entered() == 3).await;
    for query in ["", "org=globex", "org=unknown", "org=1", "org="] {
        wait("wait_anywhere", query).await.expect_unavailable();
    }
    gate.open();
    for call in [acme, globex, anywhere] {
        call.await.unwrap().expect_text("passed");
    }
    assert_eq!(gate.entered(), 3);
}

#[actix_web::test]
async fn step_ups_are_remembered_for_each_organization() {
    let world = world_with(&[UrlQuery]).await;
    world.instance.set_member(
        "kay",
        "globex",
        "member",
        &["org:documents:read", "org:documents:delete"],
    );
    let kay = token(&world, false, "kay", None);
    for query in ["org=acme", "org=globex"] {
        for status in [403, 403, 200] {
            let reply = call(&world, &kay, "purge", query).await;
            reply.expect_status(status);
        }
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn tokens_of_other_kinds_gain_no_organization_from_the_url_and_lose_theirs_if_it_differs() {
    let server = mcp_auth::server!()
        .tools_of("protocol::tools")
        .state(crate::support::Runs::default())
        .session_tokens(AuthorizedParties::any())
        .m2m_tokens()
        .api_keys(ApiKeyScopes::all_of(["documents:read"]))
        .organization_from([UrlQuery, OnlyMembership]);
    let server = TestServer::of(server);
    server.member("ada", "acme");
    server.member("ada", "globex");
    server.member("bob", "acme");
    let session = server.user("ada").org("acme").session();
    let org_key = server.org_api_key("acme").scope("documents:read");
    let which =
        async |user: &mcp_auth::testing::TestUser<'_>| user.call("which_org", json!({})).await;
    for (user, url, runs) in [
        (&session, "acme", true),
        (&session, "org_acme", true),
        (&session, "globex", false),
        (&session, "", false),
        // The slug of the key's organization is unknown.
        (&org_key, "org_acme", true),
        (&org_key, "acme", false),
        (&org_key, "globex", false),
    ] {
        let answer = which(&user.clone().url_org(url)).await;
        if runs {
            assert_eq!(answer.expect_ok().text(), "org_acme", "{url}");
        } else {
            answer.expect_denied(ORGANIZATION_REQUIRED);
            let hint = answer.denial().unwrap();
            assert!(hint.hint().unwrap().starts_with(Is::Url.hint()), "{url}");
        }
    }
    for (user, hint) in [
        (
            server.user("bob").session(),
            "The session has no active organization",
        ),
        (server.machine("billing"), "A machine acts in no"),
        (
            server.user("bob").api_key().scope("documents:read"),
            "This API key belongs to a user",
        ),
    ] {
        for user in [user.clone(), user.url_org("acme")] {
            let answer = which(&user).await;
            answer.expect_denied(ORGANIZATION_REQUIRED);
            let denial = answer.denial().unwrap();
            assert!(denial.hint().unwrap().starts_with(hint), "{denial:?}");
        }
    }
    assert_eq!(server.ran("which_org"), 3);
    // This person gets an OAuth token now.
    let bob = which(&server.user("bob")).await;
    assert_eq!(bob.expect_ok().text(), "org_acme");
}

#[actix_web::test]
async fn a_denial_says_whether_scope_choice_or_membership_is_missing() {
    for opaque in OPAQUE {
        let world = World::new().await;
        let request = |scopes: &[&str]| {
            let request = TokenRequest::oauth("linus").scopes(scopes.iter().copied());
            world.mint(&if opaque { request.opaque() } else { request })
        };
        let ada = token(&world, opaque, "ada", Some("acme"));
        world.instance.remove_member("ada", "acme");
        let granted = request(&["profile", "user:org:read"]);
        for (token, hint, cure) in [
            (
                request(&["profile"]),
                "This connection was not granted the scope `user:org:read`",
                json!({ "scope": "user:org:read" }),
            ),
            (
                granted.clone(),
                "No organization was chosen for this connection. Disconnect",
                json!(null),
            ),
            (ada, Is::NotAMember.hint(), json!(null)),
        ] {
            for era in [Era::Legacy, Era::Modern] {
                let ask = world.call(era, "which_org", json!({})).bearer(&token);
                let reply = ask.send().await;
                let result = reply.result();
                let blocks: Vec<&str> = result["content"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|block| block["text"].as_str().unwrap())
                    .collect();
                let [text, second] = blocks[..] else {
                    panic!("{result}");
                };
                assert_eq!(text, ORGANIZATION_REQUIRED);
                let denied: &Value = &result["_meta"]["mcp-auth-rs/denied"];
                assert_eq!(denied["hint"], second);
                assert_eq!(denied["cure"], cure, "{denied}");
                assert!(second.starts_with(hint), "{second}");
                // A hint about the URL would be wrong if the server does not read it.
                assert!(!second.contains("?org="), "{second}");
            }
        }
        // Other denials have only one block.
        let denied = call(&world, &world.grace(), "delete_document", "").await;
        assert_eq!(denied.text(), PERMISSION_DENIED);
        assert_eq!(denied.hint(), None);
        world.expect_runs(0);
    }
}

#[actix_web::test]
async fn a_url_that_names_an_organization_is_served_and_challenged_like_the_endpoint() {
    let world = world_with(&[UrlQuery]).await;
    let ask = world.call(Era::Modern, "which_org", json!({}));
    let reply = ask.query("org=acme").send().await;
    assert_eq!(
        reply.expect_status(401).challenge(),
        world.sign_in_challenge()
    );
    let reply = world.get("/mcp?org=acme").await;
    assert_eq!(
        reply.expect_status(401).challenge(),
        world.sign_in_challenge()
    );
    // The audience of the token is the endpoint's URL without the query.
    let request = TokenRequest::oauth("ada").aud(world.url());
    let ada = world.mint(&request);
    call(&world, &ada, "which_org", "org=acme")
        .await
        .expect_text("org_acme");
    let page = world
        .request(Method::GET, "/mcp")
        .header("accept", "text/html")
        .send()
        .await;
    let page = String::from_utf8(page.body).unwrap();
    for text in [
        "organizations: current memberships, looked up at most 30 s ago, named by the token or by `?org=` in the URL",
        "organization is named by the token or by `?org=` in the URL",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
}

#[actix_web::test]
async fn a_trusted_organization_of_a_token_counts_only_as_a_membership_beside_another_source() {
    for sources in SOURCES {
        let sources = sources.to_vec();
        let trusts = sources.is_empty();
        let world = World::with(|builder| {
            builder
                .dangerous_trust_token_org()
                .organization_from(sources)
        });
        let world = world.await;
        let ada = token(&world, false, "ada", Some("acme"));
        world.instance.remove_member("ada", "acme");
        let reply = call(&world, &ada, "which_org", "").await;
        if trusts {
            reply.expect_text("org_acme");
        } else {
            assert_eq!(reply.text(), ORGANIZATION_REQUIRED);
        }
        world.expect_runs(usize::from(trusts));
    }
}

#[actix_web::test]
async fn the_matrix_names_the_sources_of_organizations_in_one_line() {
    for sources in SOURCES {
        let builder = mcp_auth::server!()
            .tools_of("protocol::tools")
            .state(crate::support::Runs::default())
            .organization_from(sources.to_vec());
        let matrix = TestServer::of(builder).matrix();
        for text in [matrix.to_string(), matrix.to_markdown(), matrix.to_json()] {
            let lines = text.lines().filter(|line| {
                line.contains("An OAuth caller's organization is named by the token")
            });
            assert_eq!(lines.count(), usize::from(!sources.is_empty()), "{text}");
        }
    }
}
