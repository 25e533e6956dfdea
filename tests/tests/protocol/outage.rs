//! An outage of Clerk for a minute while callers call without a pause. The Backend API or the
//! issuer is unavailable, in each of several ways. No caller without permission is admitted,
//! callers that need no look-up are served, and afterwards all calls succeed without a restart.
//!
//! The minute is measured by the test's clock: each step takes as long as a few calls.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use clerk_emulator::{Directory, Emulator, EmulatorOptions, Fault, Instance, TokenRequest};
use futures_util::future::{join, join_all};
use serde_json::json;

use crate::load::{Called, Latency, Load};
use crate::support::{Ask, Era, ORGANIZATION_REQUIRED, World, builder, eventually};

/// The part of Clerk that is unavailable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Backend,
    Issuer,
}

/// The way in which it is unavailable.
#[derive(Clone, Copy, Debug)]
enum Away {
    Failing,
    Hanging,
    Refusing,
    Throttling,
}

/// The kinds of callers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Who {
    /// Has a cached token, and calls a tool without look-ups.
    Known,
    /// Has a new token that is signed by a known key.
    Unseen,
    /// Has a token that is signed by a new key.
    NewKey,
    /// Has a token that another issuer signed.
    Stranger,
    /// Is a member, and calls a tool that needs a look-up.
    Member,
    /// Calls a tool that needs a look-up, and was removed from the organization at the start of the
    /// outage.
    Removed,
    /// Lists the tools, some of which depend on a look-up.
    Lister,
}

/// The kind of caller, and the time of the call by the server's clock.
type Label = (Who, u64);

struct Outage {
    part: Part,
    world: World,
    /// The Backend API with the memberships. It is a separate emulator, so that the issuer alone
    /// can be unavailable.
    backend: Emulator,
    stranger: Instance,
    load: Load<Label>,
    /// The tools that a member may call.
    tools: Vec<String>,
}

/// The time of the outage.
struct Span {
    began: Instant,
    /// The beginning by the server's clock.
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
        // The two emulators share a key, and each has its own state file.
        std::fs::copy(&state, &copy).unwrap();
        let backend = start(&copy).await;
        let stranger = Instance::new(issuer.url(), Directory::default()).unwrap();
        let api_url = backend.url().to_owned();
        // One user causes more calls than the default rate allows.
        let server = |clerk: &Emulator| builder(clerk).api_url(api_url).dangerous_without_rates();
        let world = World::built(issuer, "protocol::tools", |server| server, server).await;
        // The keys must be refreshed during the outage.
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

    /// Mints a token by the old key: the issuer changes its key, and the emulator of the Backend
    /// API does not.
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
        // This ends the refusing of connections; it has no effect if connections are not refused.
        self.emulator().refuse_connections(Duration::ZERO).await;
    }

    /// The number of calls of this kind since this time by the server's clock that got this status.
    fn count(&self, who: Who, since: u64, status: u16) -> usize {
        self.load
            .count(|call| call.label.0 == who && call.label.1 >= since && call.status() == status)
    }

    /// The kind of caller that cannot be answered.
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
            // Facts that were cached when the outage began are used for 30 seconds.
            let known = at < span.began_at + 30;
            let silent = away && self.part == Part::Backend && !known;
            // A response may have been under way when the outage began, or the circuit breaker is
            // still open after it.
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

/// Whether a call got 503 with `Retry-After`.
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
async fn while_the_backend_api_fails_expired_memberships_are_503_and_other_calls_succeed() {
    println!("{}", minute(Part::Backend, Away::Failing).await);
}

#[actix_web::test]
async fn while_the_backend_api_hangs_expired_memberships_are_503_and_other_calls_succeed() {
    println!("{}", minute(Part::Backend, Away::Hanging).await);
}

#[actix_web::test]
async fn while_the_backend_api_refuses_expired_memberships_are_503_and_other_calls_succeed() {
    println!("{}", minute(Part::Backend, Away::Refusing).await);
}

#[actix_web::test]
async fn while_the_backend_api_throttles_expired_memberships_are_503_and_other_calls_succeed() {
    println!("{}", minute(Part::Backend, Away::Throttling).await);
}

#[actix_web::test]
async fn while_the_issuer_fails_known_keys_work_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Failing).await);
}

#[actix_web::test]
async fn while_the_issuer_hangs_known_keys_work_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Hanging).await);
}

#[actix_web::test]
async fn while_the_issuer_refuses_known_keys_work_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Refusing).await);
}

#[actix_web::test]
async fn while_the_issuer_throttles_known_keys_work_and_unknown_ones_are_503() {
    println!("{}", minute(Part::Issuer, Away::Throttling).await);
}
