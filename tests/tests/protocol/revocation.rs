//! Access that the operator revokes while the server runs: by the handle, and by the file. Each change takes effect within a
//! second, also under load.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use clerk_emulator::TokenRequest;
use futures_util::future::{join, join_all};
use mcp_auth::{AuthorizedParties, OrganizationSource, Revocation, Revocations, ServerBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::load::{Called, Latency, Load};
use crate::process::{Process, refusal};
use crate::reply::Reply;
use crate::subscriptions::Wiki;
use crate::support::{
    ERAS, Era, LOAD, ORGANIZATION_REQUIRED, World, client, emulator, eventually, message,
};

/// The time within which the server reads a change even on a busy machine. The documentation promises a second.
const SOON: Duration = Duration::from_secs(20);
/// The time in which a file is read several times.
const SEVERAL_READS: Duration = Duration::from_secs(1);
const REVOKED: &str = "The operator of this server has revoked this access; sign in again";
const INVALID: &str = "The access token is invalid or expired";

async fn world(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (World, Revocations) {
    let mut revocations = Revocations::default();
    let world = World::with(|builder| {
        revocations = builder.revocations();
        settings(builder)
    })
    .await;
    (world, revocations)
}

/// A file in a directory of its own.
struct File {
    path: PathBuf,
    _directory: TempDir,
}

impl File {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let file = Self {
            path: directory.path().join("revocations.json"),
            _directory: directory,
        };
        file.write(json!({}));
        file
    }

    /// Replaces the file in one step, as a deployment does.
    fn write(&self, mut document: Value) {
        document["version"] = json!(1);
        let new = self.path.with_extension("new");
        fs::write(&new, document.to_string()).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

async fn call(world: &World, token: &str) -> Reply {
    let ask = world.call(Era::Modern, "who_am_i", json!({}));
    ask.bearer(token).send().await
}

/// Calls until the response has this status.
async fn soon(world: &World, token: &str, status: u16) {
    let changed = Instant::now();
    while call(world, token).await.status != status {
        assert!(changed.elapsed() < SOON, "no {status} in time");
    }
}

/// The claim of a JWT.
fn claim(token: &str, name: &str) -> String {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
    let claims: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    claims[name].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_revoked_caller_gets_401_with_a_plain_text_and_a_revoked_client_no_reason() {
    let (world, revocations) = world(|builder| builder).await;
    let ada = world.ada();
    let grace = world.grace();
    for (entry, text) in [
        (Revocation::subject("user_ada"), REVOKED),
        (Revocation::token(claim(&ada, "jti")), REVOKED),
        (Revocation::organization("org_acme"), REVOKED),
        (Revocation::client("client_emulator"), INVALID),
    ] {
        call(&world, &ada).await.expect_text("user_ada");
        revocations.revoke(entry.clone());
        for era in ERAS {
            for ask in [
                world.call(era, "who_am_i", json!({})),
                world.call(era, "greet", json!({ "name": "Ada" })),
                world.call(era, "no_such_tool", json!({})),
                world.list(era),
                world.post("no JSON"),
            ] {
                let reply = ask.bearer(&ada).send().await;
                reply.expect_oauth_error(401, "invalid_token", text);
                let challenge = world.invalid_token_challenge().replace(INVALID, text);
                assert_eq!(reply.challenge(), challenge);
            }
        }
        assert!(revocations.lift(&entry), "{entry:?}");
    }
    call(&world, &ada).await.expect_text("user_ada");
    revocations.revoke(Revocation::subject("user_ada"));
    call(&world, &grace).await.expect_text("user_grace");
    // A forged token shows nothing about the user that it names.
    let (header, claims) = (world
        .instance
        .token_parts(&TokenRequest::oauth("ada"), world.clock.unix_seconds()))
    .unwrap();
    let token = world.instance.mint_claims(header, claims).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let forged = call(&world, &format!("{signed}.{}", "A".repeat(342))).await;
    forged.expect_oauth_error(401, "invalid_token", INVALID);
    call(&world, &token)
        .await
        .expect_oauth_error(401, "invalid_token", REVOKED);
    // A token that is both expired and revoked gets the error of an expired token.
    world.clock.advance(Duration::from_secs(25 * 3600));
    call(&world, &ada)
        .await
        .expect_oauth_error(401, "invalid_token", INVALID);
}

#[actix_web::test]
async fn every_kind_of_token_is_revoked_by_its_own_ids() {
    let (world, revocations) = world(|builder| {
        builder
            .session_tokens(AuthorizedParties::any())
            .api_keys(mcp_auth::ApiKeyScopes::any_key())
            .m2m_tokens()
            .machine_id("mch_mcp")
    })
    .await;
    let now = world.clock.unix_seconds();
    let session = world.mint(&TokenRequest::session("ada").org("acme"));
    let opaque = world.mint(&TokenRequest::oauth("ada").org("acme").opaque());
    let key = world.mint(&TokenRequest::api_key("ada"));
    let of_org = world.mint(&TokenRequest::org_api_key("acme"));
    let machines = [
        TokenRequest::m2m("billing"),
        TokenRequest::m2m("billing").jwt(),
    ];
    let [machine, machine_jwt] = machines.map(|request| world.mint(&request));
    let acting = world.mint(&TokenRequest::session("ada").actor("user_grace"));
    let described = async |path: &str, member: &str, token: &str| {
        let clerk = world.clerk.as_ref().unwrap();
        let ask = client().post(format!("{}/{path}/verify", clerk.url()));
        let ask = ask.bearer_auth(world.instance.secret_key().expose());
        let ask = ask.header("content-type", "application/json");
        let ask = ask.body(json!({ member: token }).to_string());
        let response = ask.send().await.unwrap().bytes().await.unwrap();
        let response: Value = serde_json::from_slice(&response).unwrap();
        response["id"].as_str().unwrap().to_owned()
    };
    let of_opaque = described("oauth_applications/access_tokens", "access_token", &opaque).await;
    let of_key = described("api_keys", "secret", &key).await;
    assert_ne!((&of_opaque, &of_key), (&opaque, &key));
    let later = UNIX_EPOCH + Duration::from_secs(now + 1);
    let since = UNIX_EPOCH + Duration::from_secs(now);
    for (token, refusing, other) in [
        (
            &session,
            Revocation::session(claim(&session, "sid")),
            Revocation::session("sess_other"),
        ),
        (
            &session,
            Revocation::organization("org_acme"),
            Revocation::organization("org_globex"),
        ),
        (
            &opaque,
            Revocation::token(&of_opaque),
            Revocation::token(&of_key),
        ),
        (
            &opaque,
            Revocation::subject("user_ada"),
            Revocation::subject("user_grace"),
        ),
        (
            &opaque,
            Revocation::tokens_before(later),
            Revocation::tokens_before(since),
        ),
        (
            &key,
            Revocation::token(&of_key),
            Revocation::token(&of_opaque),
        ),
        (
            &key,
            Revocation::tokens_of_subject_before("user_ada", later),
            Revocation::tokens_of_subject_before("user_ada", since),
        ),
        (
            &of_org,
            Revocation::subject("org_acme"),
            Revocation::subject("org_globex"),
        ),
        (
            &of_org,
            Revocation::organization("org_acme"),
            Revocation::organization("org_globex"),
        ),
        (
            &machine,
            Revocation::subject("mch_billing"),
            Revocation::subject("mch_mcp"),
        ),
        (
            &machine_jwt,
            Revocation::subject("mch_billing"),
            Revocation::subject("mch_mcp"),
        ),
        (
            &acting,
            Revocation::subject("user_grace"),
            Revocation::subject("user_linus"),
        ),
    ] {
        revocations.revoke(other);
        assert_eq!(call(&world, token).await.status, 200, "{refusing:?}");
        revocations.revoke(refusing.clone());
        call(&world, token)
            .await
            .expect_oauth_error(401, "invalid_token", REVOKED);
        revocations.lift_all();
        assert_eq!(call(&world, token).await.status, 200, "{refusing:?}");
    }
}

#[actix_web::test]
async fn nobody_acts_in_a_revoked_organization_whoever_names_it() {
    let (world, revocations) = world(|builder| {
        builder.organization_from([
            OrganizationSource::OnlyMembership,
            OrganizationSource::UrlQuery,
        ])
    })
    .await;
    let plain = world.mint(&TokenRequest::oauth("grace"));
    let opaque = world.mint(&TokenRequest::oauth("ada").org("acme").opaque());
    let ask = |token: &str| {
        world
            .call(Era::Modern, "which_org", json!({}))
            .bearer(token)
    };
    for token in [&plain, &opaque] {
        ask(token).send().await.expect_text("org_acme");
    }
    revocations.revoke(Revocation::organization("org_acme"));
    for ask in [ask(&plain), ask(&opaque), ask(&plain).query("org=acme")] {
        let reply = ask.send().await;
        assert_eq!(reply.status, 200);
        assert!(
            reply.text().starts_with(ORGANIZATION_REQUIRED),
            "{}",
            reply.text()
        );
    }
    call(&world, &plain).await.expect_text("user_grace");
    assert!(revocations.lift(&Revocation::organization("org_acme")));
    ask(&plain).send().await.expect_text("org_acme");
}

/// The users of a load, with eight connections each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum User {
    Ada,
    Grace,
}

/// Eight callers of each user call and list without a pause, while `change` revokes and restores access.
async fn under_load(
    world: &World,
    tokens: [&str; 2],
    change: impl Future<Output = ()>,
    load: &Load<User>,
) {
    let callers = (1..=8_u8).flat_map(|index| {
        [(User::Ada, tokens[0], 1), (User::Grace, tokens[1], 2)].map(|(user, token, network)| {
            let mut calls = 0_usize;
            let next = move |_: Option<&Called<User>>| {
                calls += 1;
                let ask = match calls % 4 {
                    0 => world.list(Era::Legacy),
                    1 => world.list(Era::Modern),
                    2 => world.call(Era::Legacy, "who_am_i", json!({})),
                    _ => world.call(Era::Modern, "who_am_i", json!({})),
                };
                (user, ask.bearer(token))
            };
            load.caller(Ipv4Addr::new(127, 0, 20 + network, index), next)
        })
    });
    let change = async {
        change.await;
        load.stop();
    };
    join(join_all(callers), change).await;
}

#[actix_web::test]
async fn under_load_the_handle_revokes_and_restores_at_once_and_disturbs_nobody_else() {
    let _alone = LOAD.lock().await;
    let (world, revocations) = world(ServerBuilder::dangerous_without_rates).await;
    let ada = world.mint(
        &TokenRequest::oauth("ada")
            .org("acme")
            .client_id("client_ada"),
    );
    let grace = world.grace();
    let later = UNIX_EPOCH + Duration::from_secs(world.clock.unix_seconds() + 1);
    let entries = [
        Revocation::subject("user_ada"),
        Revocation::client("client_ada"),
        Revocation::token(claim(&ada, "jti")),
        Revocation::tokens_of_subject_before("user_ada", later),
    ];
    let load = Load::new();
    // For each entry: the times before and after the entry was made and lifted.
    let mut times = Vec::new();
    let change = async {
        for entry in entries {
            let enough = load.count(|call| call.status() == 200 && call.label == User::Ada) + 40;
            eventually("ada calls", || {
                load.count(|call| call.status() == 200 && call.label == User::Ada) >= enough
            })
            .await;
            let begun = Instant::now();
            revocations.revoke(entry.clone());
            let revoked = Instant::now();
            let enough = load.count(|call| call.status() == 401) + 40;
            eventually("ada is refused", || {
                load.count(|call| call.status() == 401) >= enough
            })
            .await;
            let lifting = Instant::now();
            assert!(revocations.lift(&entry));
            times.push((begun, revoked, lifting, Instant::now()));
        }
        let enough = load.count(|call| call.status() == 200) + 40;
        eventually("all call", || {
            load.count(|call| call.status() == 200) >= enough
        })
        .await;
    };
    under_load(&world, [&ada, &grace], change, &load).await;
    for call in load.calls().iter() {
        let within = |from: Instant, to: Instant| call.began >= from && call.ended <= to;
        let is_revoked = times
            .iter()
            .any(|(_, revoked, lifting, _)| within(*revoked, *lifting));
        let may_be = times
            .iter()
            .any(|(begun, _, _, lifted)| call.ended >= *begun && call.began <= *lifted);
        match call.label {
            User::Grace => assert_eq!(call.status(), 200),
            User::Ada if is_revoked => assert_eq!(call.status(), 401),
            User::Ada if !may_be => assert_eq!(call.status(), 200),
            User::Ada => assert!([200, 401].contains(&call.status())),
        }
    }
    println!("{}", Latency::of(load.calls().iter()));
}

#[actix_web::test]
async fn under_load_a_file_revokes_within_a_second_and_a_long_list_disturbs_nobody() {
    let _alone = LOAD.lock().await;
    let file = File::new();
    let path = file.path().to_owned();
    let (world, _) = world(|builder| builder.dangerous_without_rates().revocation_file(path)).await;
    let (ada, grace) = (world.ada(), world.grace());
    let many: Vec<_> = (0..100_000)
        .map(|number| format!("user_other_{number}"))
        .collect();
    let mut long = many.clone();
    long.push("user_ada".to_owned());
    let load = Load::new();
    let mut times = Vec::new();
    let change = async {
        for document in [
            json!({ "subjects": ["user_ada"] }),
            json!({ "not_before": { "subjects": { "user_ada": "2999-01-01T00:00:00Z" } } }),
            json!({ "tokens": [claim(&ada, "jti")] }),
            json!({ "subjects": long }),
        ] {
            for (document, status) in [(document, 401), (json!({ "subjects": many }), 200)] {
                file.write(document);
                let written = Instant::now();
                let is_changed = |call: &Called<User>| {
                    call.began > written && call.label == User::Ada && call.status() == status
                };
                eventually("the file takes effect", || load.count(is_changed) > 0).await;
                let changed = Instant::now();
                println!("{status} after {:?}", changed - written);
                let is_later =
                    |call: &Called<User>| call.began > changed && call.label == User::Ada;
                eventually("ada calls", || load.count(is_later) >= 20).await;
                times.push((changed, Instant::now(), status));
            }
        }
    };
    under_load(&world, [&ada, &grace], change, &load).await;
    let mut checked = 0;
    for call in load.calls().iter() {
        if call.label == User::Grace {
            assert_eq!(call.status(), 200);
            continue;
        }
        let during = times
            .iter()
            .find(|(from, to, _)| call.began >= *from && call.ended <= *to);
        if let Some((_, _, status)) = during {
            assert_eq!(call.status(), *status);
            checked += 1;
        }
    }
    assert!(checked >= 8 * 20, "{checked}");
    println!("{}", Latency::of(load.calls().iter()));
}

#[actix_web::test]
async fn an_open_subscription_of_a_revoked_caller_ends_within_a_second_and_delivers_nothing() {
    let file = File::new();
    let path = file.path().to_owned();
    let mut revocations = Revocations::default();
    let wiki = Wiki::with(|builder| {
        revocations = builder.revocations();
        builder.revocation_file(path)
    })
    .await;
    let client = TokenRequest::oauth("linus").client_id("client_linus");
    let tokens = [wiki.world.ada(), wiki.world.mint(&client)];
    let mut staying = wiki.listen_to(&wiki.world.grace(), &["wiki://mine"]).await;
    for by_file in [false, true] {
        let mut ending = Vec::new();
        for token in &tokens {
            for _ in 0..4 {
                ending.push(wiki.listen_to(token, &["wiki://mine"]).await);
            }
        }
        let entries = [
            Revocation::subject("user_ada"),
            Revocation::client("client_linus"),
        ];
        let begun = Instant::now();
        if by_file {
            file.write(json!({ "subjects": ["user_ada"], "clients": ["client_linus"] }));
            sleep(Duration::from_millis(500)).await;
        } else {
            revocations.revoke_all(entries.clone());
        }
        wiki.notifier.resource_updated("wiki://mine");
        join_all(
            ending
                .into_iter()
                .map(super::subscriptions::Listener::expect_end),
        )
        .await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_eq!(staying.next().await, "wiki://mine");
        for token in &tokens {
            let ask = wiki.ask(json!({ "toolsListChanged": true }));
            ask.bearer(token).send().await.expect_status(401);
        }
        file.write(json!({}));
        revocations.lift_all();
        for token in &tokens {
            let again = || wiki.ask(json!({ "toolsListChanged": true })).bearer(token);
            let begun = Instant::now();
            while again().start().await.status() != 200 {
                assert!(begun.elapsed() < SOON, "not restored");
            }
        }
    }
}

/// `grep` for a line of the log of a program.
fn lines<'a>(log: &'a str, text: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(text)).collect()
}

#[actix_web::test]
async fn a_file_that_becomes_malformed_or_vanishes_changes_nothing_and_is_logged() {
    let file = File::new();
    file.write(json!({ "subjects": ["user_ada"] }));
    let clerk = emulator().await;
    let path = file.path().to_str().unwrap();
    let mut process = Process::start_on(&clerk, &[("MCP_REVOCATIONS", path)]);
    let url = process.fact("endpoint").to_owned();
    let now = mcp_auth::testing::TestClock::new().unix_seconds();
    let mint = |user: &str| {
        clerk
            .instance()
            .mint(&TokenRequest::oauth(user), now)
            .unwrap()
    };
    let (ada, grace) = (mint("ada"), mint("grace"));
    let http = client();
    let status = async |token: &str| {
        let params = json!({ "name": "who_am_i", "arguments": {} });
        let ask = http
            .post(&url)
            .bearer_auth(token)
            .body(message("tools/call", params));
        let ask = ask.header("content-type", "application/json");
        let ask = ask.header("accept", "application/json, text/event-stream");
        ask.send().await.unwrap().status().as_u16()
    };
    let expect = async |ada_gets: u16, grace_gets: u16| {
        let begun = Instant::now();
        while (status(&ada).await, status(&grace).await) != (ada_gets, grace_gets) {
            assert!(
                begun.elapsed() < SOON,
                "not {ada_gets} and {grace_gets} in time"
            );
        }
    };
    expect(401, 200).await;
    fs::write(
        file.path(),
        "{\"version\": 1,\n\"subjects\": [\"user_hunter2\" \"user_grace\"]}",
    )
    .unwrap();
    sleep(SEVERAL_READS).await;
    expect(401, 200).await;
    file.write(json!({ "subjects": ["user_grace"] }));
    expect(200, 401).await;
    fs::remove_file(file.path()).unwrap();
    sleep(SEVERAL_READS).await;
    expect(200, 401).await;
    file.write(json!({ "clients": ["client_emulator"] }));
    expect(401, 401).await;
    file.write(json!({}));
    expect(200, 200).await;
    process.signal("TERM");
    let log = process.log();
    let malformed = lines(
        &log,
        "the revocation file cannot be used; its last good entries still apply",
    );
    assert_eq!(malformed.len(), 1, "{log}");
    assert!(
        malformed[0].contains("ERROR")
            && malformed[0].contains("it is not valid JSON: error in line 2, column 29"),
        "{log}"
    );
    let missing = lines(
        &log,
        "the revocation file is missing; its last good entries still apply",
    );
    assert_eq!(missing.len(), 1, "{log}");
    assert!(missing[0].contains("ERROR"), "{log}");
    assert_eq!(
        lines(&log, "the revocation file was read").len(),
        3,
        "{log}"
    );
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_server_whose_revocation_file_cannot_be_read_does_not_start() {
    let file = File::new();
    let path = file.path().to_str().unwrap();
    let refused = || refusal(&[("MCP_REVOCATIONS", path)]);
    let remedy = "correct the file, or create it with the content `{\"version\": 1}`";
    fs::write(path, "{\"version\": 1, \"user_hunter2\": []}").unwrap();
    let error = refused();
    let beginning = format!(
        "MCP_REVOCATIONS: `{path}` cannot be used: line 1, column 29 does not fit the format"
    );
    assert!(
        error.starts_with(&beginning) && error.ends_with(remedy),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
    fs::remove_file(path).unwrap();
    let expected =
        format!("MCP_REVOCATIONS: `{path}` cannot be used: there is no such file; {remedy}");
    assert_eq!(refused(), expected);
}

#[actix_web::test]
async fn the_list_of_allowed_clients_changes_without_a_restart() {
    let file = File::new();
    let path = file.path().to_owned();
    let (world, revocations) =
        world(|builder| builder.allowed_clients(["client_a"]).revocation_file(path)).await;
    let of = |client: &str| world.mint(&TokenRequest::oauth("ada").client_id(client));
    let [a, b, c] = ["client_a", "client_b", "client_c"].map(of);
    let expect = async |statuses: [u16; 3]| {
        for (token, status) in [&a, &b, &c].into_iter().zip(statuses) {
            soon(&world, token, status).await;
        }
        let reply = call(&world, if statuses[0] == 401 { &a } else { &c }).await;
        reply.expect_oauth_error(401, "invalid_token", INVALID);
    };
    expect([200, 401, 401]).await;
    file.write(json!({ "allowed_clients": ["client_b"] }));
    expect([401, 200, 401]).await;
    revocations.allow_clients(["client_c"]);
    expect([401, 401, 200]).await;
    revocations.allow_configured_clients();
    expect([401, 200, 401]).await;
    file.write(json!({ "allowed_clients": ["client_a", "client_b"], "clients": ["client_a"] }));
    expect([401, 200, 401]).await;
    file.write(json!({}));
    expect([200, 401, 401]).await;
}
