//! Clerk away for a minute while callers call without a pause: its Backend API or the issuer, each in every
//! way to be away. Nobody gets in who should not, who needs no answer of Clerk's is served on, and when it is
//! back all are, without a restart.
//!
//! The minute is one of the test's clock: a step of it is as long as a few calls take.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use clerk_emulator::{Directory, Emulator, EmulatorOptions, Fault, Instance, TokenRequest};
use futures_util::future::{join, join_all};
use serde_json::json;

use crate::load::{Called, Latency, Load};
use crate::support::{Ask, Era, ORGANIZATION_REQUIRED, World, builder, eventually};

/// What is away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Backend,
    Issuer,
}

/// In which way.
#[derive(Clone, Copy, Debug)]
enum Away {
    Failing,
    Hanging,
    Refusing,
    Throttling,
}

/// Who calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Who {
    /// Has a token that was seen before, and calls what needs no look-up.
    Known,
    /// Has a token that was never seen before, of a key that is known.
    Unseen,
    /// Has a token of a key that is new.
    NewKey,
    /// Has a token that somebody else signed.
    Stranger,
    /// Calls what needs a look-up, as a member.
    Member,
    /// The same, as one who was a member until Clerk went away.
    Removed,
    /// Lists the tools, of which some depend on a look-up.
    Lister,
}

/// Who calls, and when by the clock of the server.
type Label = (Who, u64);

struct Outage {
    part: Part,
    world: World,
    /// Knows the memberships. Of its own, so that the issuer can be away alone.
    backend: Emulator,
    stranger: Instance,
    load: Load<Label>,
    /// What a member may call.
    tools: Vec<String>,
}

/// When it was.
struct Span {
    began: Instant,
    /// By the clock of the server.
    began_at: u64,
    ended: Instant,
    ended_at: u64,
}

impl Outage {
    async fn of(part: Part) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = async |state: &Path| {
            let options = EmulatorOptions::default().state_file(state);
            Emulator::start(options).await.unwrap()
        };
        let (state, copy) = (folder.path().join("state"), folder.path().join("copy"));
        let issuer = start(&state).await;
        // Two emulators with one key, each with a state file of its own.
        std::fs::copy(&state, &copy).unwrap();
        let backend = start(&copy).await;
        let stranger = Instance::new(issuer.url(), Directory::default()).unwrap();
        let api_url = backend.url().to_owned();
        // The load of one user is more than the default rate allows.
        let server = |clerk: &Emulator| builder(clerk).api_url(api_url).without_rates();
        let world = World::built(issuer, "protocol::tools", |server| server, server).await;
        // The keys are due to be fetched again while Clerk is away.
        world.clock.advance(Duration::from_secs(280));
        let listed = world.list(Era::Modern).bearer(&world.ada()).send().await;
        Self {
            part,
            tools: listed.tools(),
            world,
            backend,
            stranger,
            load: Load::new(),
        }
    }

    fn ask(&self, who: Who, kept: &str, index: usize) -> Ask {
        let call = |tool| self.world.call(Era::Modern, tool, json!({}));
        let unseen = || TokenRequest::oauth("ada").client_id(format!("client_{index}"));
        match who {
            Who::Known => call("who_am_i").bearer(kept),
            Who::Unseen => {
                let token = self.of_old_key(&unseen());
                call("who_am_i").bearer(&token)
            }
            Who::NewKey => call("who_am_i").bearer(&self.world.mint(&unseen())),
            Who::Stranger => {
                let now = self.world.clock.unix_seconds();
                let token = self.stranger.mint(&unseen(), now).unwrap();
                call("who_am_i").bearer(&token)
            }
            Who::Member | Who::Removed => call("which_org").bearer(kept),
            Who::Lister => self.world.list(Era::Modern).bearer(kept),
        }
    }

    /// The issuer changes its key, its twin at the Backend API does not.
    fn of_old_key(&self, request: &TokenRequest) -> String {
        let now = self.world.clock.unix_seconds();
        let (mut header, mut claims) = self.backend.instance().token_parts(request, now).unwrap();
        header["kid"] = json!(self.backend.instance().key_ids()[0]);
        claims["iss"] = json!(self.world.instance.issuer());
        self.backend.instance().mint_claims(header, claims).unwrap()
    }

    async fn caller(&self, who: Who, address: u8) {
        let user = if who == Who::Removed { "grace" } else { "ada" };
        let kept = self.of_old_key(&TokenRequest::oauth(user).org("acme"));
        let mut calls = 0;
        let next = |_: Option<&Called<Label>>| {
            calls += 1;
            let index = usize::from(address) * 1_000_000 + calls;
            let label = (who, self.world.clock.unix_seconds());
            (label, self.ask(who, &kept, index))
        };
        self.load
            .caller(Ipv4Addr::new(127, 0, 4, address), next)
            .await;
    }

    async fn callers(&self) {
        let all = [
            Who::Known,
            Who::Known,
            Who::Unseen,
            Who::Unseen,
            Who::Member,
            Who::Member,
            Who::Removed,
            Who::Lister,
            Who::NewKey,
            Who::Stranger,
        ];
        join_all(
            (1..)
                .zip(all)
                .map(|(address, who)| self.caller(who, address)),
        )
        .await;
    }

    fn emulator(&self) -> &Emulator {
        match self.part {
            Part::Backend => &self.backend,
            Part::Issuer => self.world.clerk.as_ref().unwrap(),
        }
    }

    async fn go_away(&self, away: Away) {
        let fault = match away {
            Away::Failing => Fault::status(500),
            Away::Hanging => Fault::latency(Duration::from_secs(60)),
            Away::Throttling => Fault::status(429).retry_after(20),
            Away::Refusing => {
                let emulator = self.emulator();
                emulator.refuse_connections(Duration::from_secs(3600)).await;
                return;
            }
        };
        self.emulator().instance().add_fault(fault.at("/"));
    }

    async fn come_back(&self) {
        self.emulator().instance().clear_faults();
        // Whoever is closed is opened again; nobody notices if not.
        self.emulator().refuse_connections(Duration::ZERO).await;
    }

    /// How many calls began at or after this time by the clock, and were answered with this status.
    fn count(&self, who: Who, since: u64, status: u16) -> usize {
        self.load
            .count(|call| call.label.0 == who && call.label.1 >= since && call.status() == status)
    }

    /// Who can't be answered.
    fn refused(&self) -> Who {
        match self.part {
            Part::Backend => Who::Member,
            Part::Issuer => Who::NewKey,
        }
    }

    async fn step(&self) {
        let calls = || self.load.count(|call| call.label.0 == Who::Known);
        let enough = calls() + 2;
        eventually("callers are served on", || calls() >= enough).await;
        self.world.clock.advance(Duration::from_secs(1));
    }

    async fn script(&self, away: Away) -> Span {
        let now = || self.world.clock.unix_seconds();
        for who in [
            Who::Known,
            Who::Unseen,
            Who::Member,
            Who::Removed,
            Who::Lister,
        ] {
            eventually("all are served", || self.count(who, 0, 200) > 20).await;
        }
        let began = Instant::now();
        self.go_away(away).await;
        let began_at = now();
        assert!(self.backend.instance().remove_member("grace", "acme"));
        self.world.instance.rotate_key_overlapping().unwrap();
        while now() < began_at + 60 {
            self.step().await;
        }
        let refused = self.refused();
        eventually("a question to who is away ends", || {
            self.count(refused, began_at, 503) > 0
        })
        .await;
        let ended = Instant::now();
        let ended_at = now();
        self.come_back().await;
        for who in [
            Who::Known,
            Who::Unseen,
            Who::Member,
            Who::Lister,
            Who::NewKey,
        ] {
            let served = || self.count(who, ended_at + 1, 200) > 20;
            while !served() {
                assert!(now() < ended_at + 1_000, "{who:?} is never served again");
                self.step().await;
            }
        }
        self.load.stop();
        Span {
            began,
            began_at,
            ended,
            ended_at,
        }
    }

    fn check(&self, span: &Span) {
        for call in self.load.calls().iter() {
            let (who, at) = call.label;
            let away = call.began > span.began && call.ended < span.ended;
            // What was known when Clerk went away holds for 30 seconds.
            let known = at < span.began_at + 30;
            let silent = away && self.part == Part::Backend && !known;
            // Or its answer was on its way when Clerk went away, or it is left alone for a while yet.
            let silenced = |part| self.part == part && call.ended > span.began && unavailable(call);
            let right = match who {
                Who::Known | Who::Unseen => call.says("user_ada"),
                Who::NewKey => call.says("user_ada") || silenced(Part::Issuer),
                Who::Stranger => call.status() == 401 || silenced(Part::Issuer),
                Who::Member | Who::Lister if silent => unavailable(call),
                Who::Member => call.says("org_acme") || silenced(Part::Backend),
                Who::Lister => silenced(Part::Backend) || call.reply.tools() == self.tools,
                Who::Removed if known => true,
                Who::Removed => call.says(ORGANIZATION_REQUIRED) || silenced(Part::Backend),
            };
            assert!(right, "{call:?}");
        }
    }

    fn report(&self, away: Away, span: &Span) -> String {
        let calls = self.load.calls();
        let latency = |from: Instant, to: Instant| {
            let these = |call: &&Called<Label>| {
                let needs_nothing = matches!(call.label.0, Who::Known | Who::Unseen);
                needs_nothing && call.began >= from && call.ended < to
            };
            Latency::of(calls.iter().filter(these)).to_string()
        };
        let (first, last) = (calls[0].began, Instant::now());
        let silenced = self.load.count(unavailable);
        let recovered = calls.iter().find(|call| {
            call.began > span.ended && call.label.0 == self.refused() && call.status() == 200
        });
        let recovery = recovered.map(|call| call.label.1 - span.ended_at);
        format!(
            "{:?} {away:?}: without look-up before {}; during {}; after {}; {} calls in all, \
             {silenced} of them 503; the first one served again after {recovery:?} s",
            self.part,
            latency(first, span.began),
            latency(span.began, span.ended),
            latency(span.ended, last),
            calls.len(),
        )
    }
}

/// 503, with a time after which to ask again.
fn unavailable(call: &Called<Label>) -> bool {
    call.status() == 503 && call.reply.expect_unavailable() <= 60
}

async fn minute(part: Part, away: Away) -> String {
    let outage = Outage::of(part).await;
    let ((), span) = join(outage.callers(), outage.script(away)).await;
    outage.check(&span);
    outage.report(away, &span)
}

#[actix_web::test]
async fn while_the_backend_api_fails_nobody_gets_in_on_old_facts_and_others_are_served() {
    println!("{}", minute(Part::Backend, Away::Failing).await);
}

#[actix_web::test]
async fn while_the_backend_api_hangs_nobody_gets_in_on_old_facts_and_others_are_served() {
    println!("{}", minute(Part::Backend, Away::Hanging).await);
}

#[actix_web::test]
async fn while_the_backend_api_refuses_nobody_gets_in_on_old_facts_and_others_are_served() {
    println!("{}", minute(Part::Backend, Away::Refusing).await);
}

#[actix_web::test]
async fn while_the_backend_api_throttles_nobody_gets_in_on_old_facts_and_others_are_served() {
    println!("{}", minute(Part::Backend, Away::Throttling).await);
}

#[actix_web::test]
async fn while_the_issuer_fails_known_keys_serve_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Failing).await);
}

#[actix_web::test]
async fn while_the_issuer_hangs_known_keys_serve_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Hanging).await);
}

#[actix_web::test]
async fn while_the_issuer_refuses_known_keys_serve_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Refusing).await);
}

#[actix_web::test]
async fn while_the_issuer_throttles_known_keys_serve_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Throttling).await);
}
