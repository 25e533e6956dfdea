//! The kinds of requests, and what the server has to do with each.

use clerk_emulator::TokenRequest;
use serde_json::{Value, json};

use crate::support::{ERAS, Era, LEGACY};

/// A request that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) kind: &'static Kind,
    pub(super) era: Era,
    /// The number of the request, which is also its trace id.
    pub(super) number: usize,
}

/// A kind of requests.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// How many requests of this kind each era sends.
    pub(super) each: usize,
    pub(super) method: &'static str,
    /// The kind and the name of the declared tool, prompt or resource.
    pub(super) target: Option<(&'static str, &'static str)>,
    pub(super) token: Token,
    pub(super) params: fn() -> Value,
    pub(super) end: End,
}

/// The end of a request that the server has to give it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The function runs, or the method is answered.
    Ok,
    /// A notification is accepted.
    Accepted,
    /// The response is a tool result with `isError`, and the call has this outcome.
    Tool(&'static str),
    /// A requirement of this kind denies the call.
    Denied(&'static str),
    /// The response is a JSON-RPC error, and the call has this outcome if it is the call of a declared name.
    Rpc(Option<&'static str>),
    /// The name does not exist.
    Unknown,
    /// The sign-in is refused for this reason, before the body is read or after it.
    SignIn(&'static str),
    /// The body is no JSON.
    Malformed,
    /// The rate allows some calls, and refuses the others.
    Limited,
    /// The client leaves after the function began.
    Left,
}

/// The token of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Token {
    None,
    Ada,
    Grace,
    Linus,
    Session,
    Actor,
    Machine,
    Expired,
    OtherAudience,
    Forged,
    Junk,
}

/// The text of each token.
pub(super) struct Tokens(Vec<(Token, String)>);

impl Tokens {
    pub(super) fn of(mint: &dyn Fn(&TokenRequest) -> String) -> Self {
        let ada = TokenRequest::oauth("ada").org("acme");
        let good = mint(&ada);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let session = || TokenRequest::session("grace").org("acme").expires_in(3600);
        Self(vec![
            (Token::Ada, good.clone()),
            (
                Token::Grace,
                mint(&TokenRequest::oauth("grace").org("acme")),
            ),
            (Token::Linus, mint(&TokenRequest::oauth("linus"))),
            (Token::Session, mint(&session().factor_ages(1440.0, -1.0))),
            (Token::Actor, mint(&ada.clone().actor("user_linus"))),
            (
                Token::Machine,
                mint(&TokenRequest::m2m("billing").jwt().expires_in(3600)),
            ),
            (Token::Expired, mint(&ada.clone().expires_in(-60))),
            (
                Token::OtherAudience,
                mint(&ada.aud("https://other.example/mcp")),
            ),
            (
                Token::Forged,
                format!("{signed}.{first}{}", &signature[1..]),
            ),
            (Token::Junk, "junk".to_owned()),
        ])
    }

    pub(super) fn text(&self, token: Token) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == token);
        found.map(|(_, text)| text.as_str())
    }
}

impl Kind {
    /// Returns true if the server reads the message.
    pub(super) fn is_read(&self) -> bool {
        !matches!(self.end, End::SignIn(_)) || self.token == Token::None
    }
}

/// Returns the requests in a shuffled order.
pub(super) fn plan(requests: usize, seed: u64) -> Vec<Planned> {
    let filler = KINDS.first().unwrap();
    let mut planned: Vec<_> = KINDS
        .iter()
        .flat_map(|kind| ERAS.map(|era| (kind, era)))
        .filter(|(kind, era)| kind.method != "server/discover" || *era == Era::Modern)
        .filter(|(kind, era)| !LEGACY_ONLY.contains(&kind.method) || *era == Era::Legacy)
        .flat_map(|(kind, era)| (0..kind.each).map(move |_| (kind, era)))
        .collect();
    let missing = requests.checked_sub(planned.len()).unwrap();
    planned.extend((0..missing).map(|index| (filler, ERAS[index % 2])));
    // xorshift64*
    let mut state = seed;
    let mut random = |below: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        usize::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % below
    };
    for index in (1..planned.len()).rev() {
        planned.swap(index, random(index + 1));
    }
    let numbered = planned.into_iter().enumerate();
    numbered
        .map(|(number, (kind, era))| Planned { kind, era, number })
        .collect()
}

/// The methods that only older clients have.
const LEGACY_ONLY: [&str; 3] = ["initialize", "notifications/initialized", "ping"];

const fn tool(
    name: &'static str,
    each: usize,
    token: Token,
    params: fn() -> Value,
    end: End,
) -> Kind {
    Kind {
        name,
        each,
        method: "tools/call",
        target: Some(("tool", name)),
        token,
        params,
        end,
    }
}

const fn method(
    method: &'static str,
    each: usize,
    token: Token,
    params: fn() -> Value,
    end: End,
) -> Kind {
    Kind {
        name: method,
        each,
        method,
        target: None,
        token,
        params,
        end,
    }
}

fn nothing() -> Value {
    json!({})
}

/// All kinds. The first is the kind of all further requests.
pub(super) static KINDS: [Kind; 48] = [
    tool(
        "echo",
        500,
        Token::Ada,
        || json!({ "text": "é\n" }),
        End::Ok,
    ),
    tool(
        "greet",
        150,
        Token::None,
        || json!({ "name": "Ada" }),
        End::Ok,
    ),
    tool("work", 150, Token::Ada, nothing, End::Ok),
    tool(
        "echo",
        150,
        Token::Ada,
        || json!({ "text": 7 }),
        End::Tool("invalid"),
    ),
    tool("fail", 150, Token::Ada, nothing, End::Tool("failed")),
    tool("fail_late", 100, Token::Ada, nothing, End::Tool("failed")),
    tool("explode", 75, Token::Ada, nothing, End::Tool("panicked")),
    tool("linger", 40, Token::Ada, nothing, End::Tool("timed_out")),
    tool("hold", 20, Token::Linus, nothing, End::Left),
    tool("rarely", 60, Token::Ada, nothing, End::Limited),
    tool("delete", 50, Token::Ada, nothing, End::Ok),
    tool(
        "delete",
        75,
        Token::Grace,
        nothing,
        End::Denied("permission"),
    ),
    tool("rename", 75, Token::Grace, nothing, End::Denied("role")),
    tool(
        "read",
        75,
        Token::Linus,
        nothing,
        End::Denied("organization"),
    ),
    tool("upload", 75, Token::Ada, nothing, End::Denied("scope")),
    tool("publish", 75, Token::Linus, nothing, End::Denied("any")),
    tool(
        "export",
        75,
        Token::Session,
        nothing,
        End::Denied("feature"),
    ),
    tool("profit", 75, Token::Session, nothing, End::Denied("plan")),
    tool(
        "pay",
        75,
        Token::Session,
        nothing,
        End::Denied("reverification"),
    ),
    tool("sign", 75, Token::Actor, nothing, End::Denied("actor")),
    tool("vote", 75, Token::Machine, nothing, End::Denied("user")),
    tool(
        "connect",
        75,
        Token::Session,
        nothing,
        End::Denied("token_kind"),
    ),
    tool("enter", 75, Token::Ada, nothing, End::Denied("policy")),
    tool(
        "count",
        75,
        Token::Ada,
        || json!({ "number": 3 }),
        End::Denied("authorize"),
    ),
    tool("count", 50, Token::Ada, || json!({ "number": 4 }), End::Ok),
    tool(
        "echo",
        150,
        Token::None,
        || json!({ "text": "a" }),
        End::SignIn("token-missing"),
    ),
    tool(
        "echo",
        75,
        Token::Expired,
        || json!({ "text": "a" }),
        End::SignIn("token-expired"),
    ),
    tool(
        "echo",
        75,
        Token::OtherAudience,
        || json!({ "text": "a" }),
        End::SignIn("token-audience-mismatch"),
    ),
    tool(
        "echo",
        75,
        Token::Forged,
        || json!({ "text": "a" }),
        End::SignIn("token-invalid-signature"),
    ),
    tool(
        "echo",
        75,
        Token::Junk,
        || json!({ "text": "a" }),
        End::SignIn("token-invalid"),
    ),
    Kind {
        target: Some(("tool", "other")),
        ..tool("no_such_tool", 100, Token::Ada, nothing, End::Unknown)
    },
    method("tools/list", 150, Token::Ada, nothing, End::Ok),
    method("prompts/list", 50, Token::Grace, nothing, End::Ok),
    method("resources/list", 50, Token::Linus, nothing, End::Ok),
    method("resources/templates/list", 50, Token::Ada, nothing, End::Ok),
    method(
        "tools/list",
        50,
        Token::None,
        nothing,
        End::SignIn("token-missing"),
    ),
    method("initialize", 50, Token::Ada, initialize, End::Ok),
    method(
        "notifications/initialized",
        50,
        Token::Ada,
        nothing,
        End::Accepted,
    ),
    method("ping", 50, Token::Ada, nothing, End::Ok),
    method("server/discover", 50, Token::Ada, nothing, End::Ok),
    method("no/such/method", 50, Token::Ada, nothing, End::Rpc(None)),
    method("tools/call", 50, Token::Ada, nothing, End::Malformed),
    Kind {
        target: Some(("prompt", "greeting")),
        ..method(
            "prompts/get",
            75,
            Token::Ada,
            || json!({ "name": "greeting", "arguments": { "name": "a" } }),
            End::Ok,
        )
    },
    Kind {
        target: Some(("prompt", "plan")),
        ..method(
            "prompts/get",
            75,
            Token::Grace,
            || json!({ "name": "plan", "arguments": { "name": "a" } }),
            End::Rpc(Some("denied")),
        )
    },
    Kind {
        target: Some(("prompt", "other")),
        ..method(
            "prompts/get",
            75,
            Token::Ada,
            || json!({ "name": "no_such_prompt" }),
            End::Unknown,
        )
    },
    Kind {
        target: Some(("resource", "wiki://pages/{name}")),
        ..method(
            "resources/read",
            75,
            Token::Ada,
            || json!({ "uri": "wiki://pages/a" }),
            End::Ok,
        )
    },
    Kind {
        target: Some(("resource", "wiki://pages/{name}")),
        ..method(
            "resources/read",
            75,
            Token::Ada,
            || json!({ "uri": "wiki://pages/broken" }),
            End::Rpc(Some("failed")),
        )
    },
    Kind {
        target: Some(("prompt", "greeting")),
        ..method(
            "completion/complete",
            75,
            Token::Ada,
            || json!({ "ref": { "type": "ref/prompt", "name": "greeting" }, "argument": { "name": "name", "value": "a" } }),
            End::Ok,
        )
    },
];

fn initialize() -> Value {
    json!({
        "protocolVersion": LEGACY, "capabilities": {},
        "clientInfo": { "name": "counted", "version": "1" },
    })
}
