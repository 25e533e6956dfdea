//! Every kind of token that Clerk issues against every guard, over HTTP: the response, the requests
//! to Clerk, and the response while Clerk does not answer.

mod bearer;
mod cell;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use clerk_emulator::Fault;
use mcp_auth::{ApiKeyScopes, AuthorizedParties, ServerBuilder, TokenKind};
use serde_json::json;

use crate::reply::Reply;
use crate::support::{ERAS, Era, World, emulator};

use bearer::TOOLS;
use cell::{Asked, Availability, Cell, Fact, Form, Guard, Outcome};

/// The servers of the table. Each accepts every kind of token that it can.
struct Servers {
    full: World,
    keyless: World,
    unreachable: World,
    /// The number of minted tokens.
    minted: usize,
}

impl Servers {
    async fn start() -> Self {
        let keyless = |clerk: &_| builder_without_key(clerk).allow_unsatisfiable_guards();
        let keyless = World::built(emulator().await, TOOLS, without_keys, keyless);
        let full = World::at(emulator().await, TOOLS, all_kinds).await;
        // No program listens at this address.
        let unreachable = World::at(emulator().await, TOOLS, |builder| {
            all_kinds(builder).api_url("http://127.0.0.1:1")
        });
        Self {
            full,
            keyless: keyless.await,
            unreachable: unreachable.await,
            minted: 0,
        }
    }

    fn of(&self, availability: Availability) -> &World {
        match availability {
            Availability::NoSecretKey => &self.keyless,
            Availability::Unreachable => &self.unreachable,
            Availability::Full
            | Availability::TokensDown
            | Availability::UserinfoDown
            | Availability::MembershipsDown
            | Availability::KeysDown => &self.full,
        }
    }

    /// Runs a cell, and pushes a text for each difference from the expected outcome.
    async fn run(&mut self, cell: Cell, wrong: &mut Vec<String>) {
        self.minted += 1;
        let number = self.minted;
        let world = self.of(cell.availability);
        // This expires the cached look-ups, refills the budget for new tokens and closes the
        // circuit breakers.
        world.clock.advance(Duration::from_secs(61));
        let throttled = number.is_multiple_of(2);
        for path in faulty(cell.availability) {
            world.instance.add_fault(if throttled {
                Fault::status(429).retry_after(7).at(*path)
            } else {
                Fault::status(500).at(*path)
            });
        }
        if cell.availability == Availability::KeysDown {
            world.clock.advance(Duration::from_secs(25 * 60 * 60));
        }
        let token = cell.token(world, number);
        let (called, listed) = if throttled {
            (Era::Legacy, Era::Modern)
        } else {
            (Era::Modern, Era::Legacy)
        };

        let (asked, runs) = (questions(world), world.runs.total());
        let call = world.call(called, &cell.tool(), json!({}));
        let call = call.bearer(&token).send().await;
        let asked = since(asked, questions(world));
        let runs = world.runs.total() - runs;
        let list = world.list(listed).bearer(&token).send().await;

        let mut expect = |what: &str, expected: String, found: String| {
            if expected != found {
                wrong.push(format!(
                    "{cell:?}, {what}: {expected} expected, {found} found"
                ));
            }
        };
        let outcome = cell.outcome();
        expect("call", format!("{outcome:?}"), outcome_of(world, &call));
        let ran = usize::from(outcome == Outcome::Ran);
        expect("runs", ran.to_string(), runs.to_string());
        let shown = listed_in(world, &list, &cell.tool());
        expect("list", format!("{:?}", cell.listed()), shown);
        expect("asked", format!("{:?}", cell.asked()), format!("{asked:?}"));
        let wait = match (cell.availability, throttled) {
            (Availability::KeysDown | Availability::Unreachable, _) => None,
            (_, true) => Some("7"),
            (_, false) => Some("1"),
        };
        for reply in [&call, &list] {
            if let (503, Some(wait)) = (reply.status, wait) {
                let told = reply.header("retry-after").unwrap_or_default();
                expect("wait", wait.to_owned(), told.to_owned());
            }
        }
        world.instance.clear_faults();
    }
}

#[actix_web::test]
async fn every_kind_of_token_meets_every_guard_as_documented() {
    let mut servers = Servers::start().await;
    let mut wrong = Vec::new();
    let mut ran = BTreeMap::<&str, usize>::new();
    let mut impossible = BTreeMap::<&str, usize>::new();
    for cell in Cell::all() {
        if let Some(why) = cell.impossible() {
            *impossible.entry(why).or_default() += 1;
            continue;
        }
        *ran.entry(column(cell)).or_default() += 1;
        servers.run(cell, &mut wrong).await;
        let full = Cell {
            availability: Availability::Full,
            ..cell
        };
        // A call that could not be decided is decided when Clerk is available again, with the usual
        // outcome.
        if cell.outcome() == Outcome::Unavailable && cell.availability != Availability::Unreachable
        {
            servers.run(full, &mut wrong).await;
        }
    }
    let (total, none): (usize, usize) = (ran.values().sum(), impossible.values().sum());
    println!("kinds: {total} cells ran, {none} impossible");
    for (name, count) in ran.iter().chain(&impossible) {
        println!("{count:6} {name}");
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!((total, none), (1_946, 2_534));
}

#[test]
fn the_manual_has_this_table_of_tokens_and_guards() {
    const COLUMNS: [&[Form]; 5] = [
        &[Form::OAuthJwt, Form::OAuthOpaque],
        &[Form::Session, Form::SessionV1],
        &[Form::MachineJwt, Form::MachineOpaque],
        &[Form::UserKey],
        &[Form::OrganizationKey],
    ];
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../mcp-auth/docs/mcp_tool.md");
    let manual = fs::read_to_string(manual).unwrap();
    let (_, table) = manual.split_once("# Which token meets which key").unwrap();
    for (guard, key) in [
        (Guard::SignedIn, "none"),
        (Guard::User, "`require_user`"),
        (Guard::Organization, "`require_org`"),
        (Guard::Role, "`role`"),
        (Guard::Permission, "`permission`"),
        (Guard::Feature, "`feature`"),
        (Guard::Plan, "`plan`"),
        (Guard::Reverification, "`reverification`"),
        (Guard::Scope, "`scope`"),
        (Guard::Accept, "`accept`"),
        (Guard::NoActor, "`forbid_actor`"),
    ] {
        let mut rows = table
            .lines()
            .map(|row| row.split(" | ").collect::<Vec<_>>());
        let row = rows
            .find(|row| row.len() == 6 && row[0].contains(key))
            .unwrap();
        for (forms, said) in COLUMNS.iter().zip(&row[1..]) {
            for form in *forms {
                let looked_up = form.kind() == TokenKind::OAuth && guard.is_about_organization();
                let expected = match (form.carries(guard), looked_up) {
                    (false, _) => "no",
                    (true, false) => "yes",
                    (true, true) => "looked up",
                };
                assert_eq!(said.trim_end_matches(" |"), expected, "{key}, {form:?}");
            }
        }
    }
}

#[actix_web::test]
async fn a_kind_that_the_server_does_not_accept_is_401_in_every_form_and_clerk_is_not_asked() {
    for accepted in KINDS {
        let world = World::at(emulator().await, TOOLS, |builder| only(accepted, builder)).await;
        let asked = world.instance.requests_to("/");
        let cells = Form::ALL.map(|form| Cell {
            form,
            guard: Guard::SignedIn,
            fact: Fact::Held,
            availability: Availability::Full,
        });
        let (good, bad): (Vec<_>, Vec<_>) = cells
            .into_iter()
            .partition(|cell| cell.form.kind() == accepted);
        for (number, cell) in bad.into_iter().enumerate() {
            let token = cell.token(&world, number);
            for era in ERAS {
                for tool in ["signed_in", "user", "no_such_tool"] {
                    let reply = world.call(era, tool, json!({})).bearer(&token).send().await;
                    assert_eq!(outcome_of(&world, &reply), "Unauthorized", "{cell:?}");
                }
                let reply = world.list(era).bearer(&token).send().await;
                assert_eq!(outcome_of(&world, &reply), "Unauthorized", "{cell:?}");
            }
        }
        world.expect_runs(0);
        assert_eq!(world.instance.requests_to("/"), asked, "{accepted} only");
        for (number, cell) in good.iter().enumerate() {
            let token = cell.token(&world, number);
            let call = world.call(Era::Modern, "signed_in", json!({}));
            call.bearer(&token).send().await.expect_text("ran");
        }
        world.expect_runs(good.len());
    }
}

#[actix_web::test]
async fn a_kind_that_the_tool_does_not_accept_is_denied_with_the_accepted_kinds() {
    let world = World::at(emulator().await, TOOLS, all_kinds).await;
    let kinds = KINDS.map(|kind| kind.to_string());
    for (number, form) in Form::ALL.into_iter().enumerate() {
        let cell = Cell {
            form,
            guard: Guard::Accept,
            fact: Fact::Held,
            availability: Availability::Full,
        };
        let token = cell.token(&world, number);
        for tool in &kinds {
            let call = world.call(ERAS[number % 2], tool, json!({}));
            let reply = call.bearer(&token).send().await;
            if *tool == form.kind().to_string() {
                reply.expect_text("ran");
            } else {
                let details = json!({ "kind": "token_kind", "required": [tool] });
                reply.expect_denied(&format!("Forbidden: {tool} token required"), &details);
            }
        }
        world.expect_runs(number + 1);
        let listed = world.list(Era::Modern).bearer(&token).send().await.tools();
        let listed: Vec<_> = listed.iter().filter(|tool| kinds.contains(tool)).collect();
        assert_eq!(listed, [&form.kind().to_string()]);
    }
}

const KINDS: [TokenKind; 4] = [
    TokenKind::OAuth,
    TokenKind::Session,
    TokenKind::M2m,
    TokenKind::ApiKey,
];

/// Accepts one kind of token, as a JWT and opaque.
fn only(kind: TokenKind, builder: ServerBuilder) -> ServerBuilder {
    let builder = builder.allow_unsatisfiable_guards();
    match kind {
        TokenKind::OAuth => builder,
        TokenKind::Session => builder
            .without_oauth_tokens()
            .session_tokens(AuthorizedParties::any()),
        TokenKind::M2m => {
            let builder = builder.without_oauth_tokens().m2m_tokens();
            builder.machine_id("mch_mcp")
        }
        TokenKind::ApiKey => builder
            .without_oauth_tokens()
            .api_keys(ApiKeyScopes::any_key()),
        other => panic!("{other} is new"),
    }
}

fn without_keys(builder: ServerBuilder) -> ServerBuilder {
    let builder = builder.session_tokens(AuthorizedParties::any());
    builder.m2m_tokens().machine_id("mch_mcp")
}

fn all_kinds(builder: ServerBuilder) -> ServerBuilder {
    without_keys(builder).api_keys(ApiKeyScopes::any_key())
}

fn builder_without_key(clerk: &clerk_emulator::Emulator) -> ServerBuilder {
    mcp_auth::server!().frontend_api_url(clerk.url())
}

/// The paths that fail.
fn faulty(availability: Availability) -> &'static [&'static str] {
    match availability {
        Availability::Full | Availability::NoSecretKey | Availability::Unreachable => &[],
        Availability::TokensDown => &["/oauth_applications", "/m2m_tokens", "/api_keys"],
        Availability::UserinfoDown => &["/oauth/userinfo"],
        Availability::MembershipsDown => &["/v1/organizations"],
        Availability::KeysDown => &["/.well-known/jwks.json"],
    }
}

fn questions(world: &World) -> Asked {
    let asked = |path| world.instance.requests_to(path);
    Asked {
        tokens: asked("/oauth_applications") + asked("/m2m_tokens") + asked("/api_keys"),
        userinfo: asked("/oauth/userinfo"),
        memberships: asked("/v1/organizations"),
    }
}

fn since(before: Asked, after: Asked) -> Asked {
    Asked {
        tokens: after.tokens - before.tokens,
        userinfo: after.userinfo - before.userinfo,
        memberships: after.memberships - before.memberships,
    }
}

/// A response, in the form of [`Outcome`], or in its own form if it is none of these.
fn outcome_of(world: &World, reply: &Reply) -> String {
    let challenge = |expected: &str| reply.header("www-authenticate") == Some(expected);
    match reply.status {
        200 => {
            let result = reply.result();
            let denied = !result["_meta"]["mcp-auth-rs/denied"].is_null();
            match (reply.text(), result["isError"] == true, denied) {
                (text, false, false) if text == "ran" => "Ran".to_owned(),
                (text, true, true) => format!("Denied({text:?})"),
                other => format!("{other:?}"),
            }
        }
        401 if challenge(&world.invalid_token_challenge()) => "Unauthorized".to_owned(),
        // Without that scope a new token would lose its organization.
        403 if ["documents:write", "documents:write user:org:read"]
            .iter()
            .any(|scopes| challenge(&world.insufficient_scope_challenge(scopes, SCOPE_DENIED))) =>
        {
            "Challenged".to_owned()
        }
        503 => {
            reply.expect_unavailable();
            "Unavailable".to_owned()
        }
        _ => format!("{reply:?}"),
    }
}

/// A list, in the form of [`cell::Listed`].
fn listed_in(world: &World, reply: &Reply, tool: &str) -> String {
    match reply.status {
        200 if reply.tools().iter().any(|listed| listed == tool) => "Shown".to_owned(),
        200 => "Hidden".to_owned(),
        _ => outcome_of(world, reply),
    }
}

/// The column of the table for a cell.
fn column(cell: Cell) -> &'static str {
    match (cell.availability, cell.fact) {
        (Availability::Full, Fact::Held) => "held",
        (Availability::Full, Fact::NotHeld) => "not held",
        (Availability::Full, Fact::NoOrganization | Fact::NoneChosen | Fact::NotCarried)
        | (Availability::NoSecretKey, _) => "unknown",
        (
            Availability::TokensDown
            | Availability::UserinfoDown
            | Availability::MembershipsDown
            | Availability::KeysDown
            | Availability::Unreachable,
            _,
        ) => "look-up down",
    }
}

const SCOPE_DENIED: &str = "Forbidden: documents:write scope required";
