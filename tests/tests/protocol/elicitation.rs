//! Questions to a person: how a function asks, how the client answers, and what a state is valid for.

use std::time::Duration;

use clerk_emulator::{Emulator, TokenRequest};
use mcp_auth::{ApiKeyScopes, ServerBuilder};
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::schema::expect_valid;
use crate::support::{Ask, Era, World, builder, emulator, message, modern_meta};

mod tools {
    use mcp_auth::{
        Answer, Context, FromContext, State, ToolError, form, mcp_prompt, mcp_resource, mcp_tool,
    };

    use crate::support::Runs;

    #[form]
    struct Booking {
        /// Number of guests.
        #[form(min = 1, max = 12)]
        guests: u8,
        note: Option<String>,
    }

    #[form]
    struct Name {
        name: String,
    }

    /// Book a table.
    #[mcp_tool(permission = "org:documents:read")]
    async fn book(
        restaurant: String,
        runs: &State<Runs>,
        cx: &Context,
    ) -> Result<String, ToolError> {
        runs.count();
        let message = format!("A table at {restaurant}: for how many?");
        let booking: Booking = cx.elicit(message).await?;
        let note = booking.note.unwrap_or_default();
        Ok(format!("{} at {restaurant}{note}", booking.guests))
    }

    /// Ask twice.
    #[mcp_tool]
    async fn interview(runs: &State<Runs>, cx: &Context) -> Result<String, ToolError> {
        runs.count();
        let name: Name = cx.elicit("Your name?").named("name").await?;
        let friend: Name = cx
            .elicit(format!("A friend of {}?", name.name))
            .named("friend")
            .await?;
        Ok(format!("{} and {}", name.name, friend.name))
    }

    /// Ask for two things at once.
    #[mcp_tool]
    async fn pair(cx: &Context) -> Result<String, ToolError> {
        let (one, other) = tokio::join!(
            cx.elicit::<Name>("One?").answer(),
            cx.elicit::<Name>("Another?").answer()
        );
        Ok(format!(
            "{} and {}",
            one?.accepted()?.name,
            other?.accepted()?.name
        ))
    }

    /// Say what the person did.
    #[mcp_tool(public)]
    async fn clear(cx: &Context) -> Result<&'static str, ToolError> {
        Ok(match cx.elicit::<()>("Clear?").answer().await? {
            Answer::Accepted(()) => "cleared",
            Answer::Declined => "declined",
            Answer::Cancelled => "cancelled",
        })
    }

    /// Let the person open a page.
    #[mcp_tool]
    async fn connect(url: String, cx: &Context) -> Result<&'static str, ToolError> {
        cx.elicit_url("Connect your account.", url).await?;
        Ok("connected")
    }

    /// Ask with messages in between.
    #[mcp_tool]
    async fn chat(cx: &Context) -> Result<String, ToolError> {
        cx.progress(1, 2, None);
        let name: Name = cx.elicit("Your name?").await?;
        Ok(name.name)
    }

    /// Ask forever.
    #[mcp_tool]
    async fn insist(cx: &Context) -> Result<String, ToolError> {
        for number in 0..100 {
            cx.elicit::<()>(format!("Number {number}?")).await?;
        }
        Ok("enough".to_owned())
    }

    /// Keep a long text.
    #[mcp_tool]
    async fn keep(cx: &Context) -> Result<String, ToolError> {
        let name: Name = cx.elicit("A text?").await?;
        cx.elicit::<()>("Sure?").await?;
        Ok(name.name.len().to_string())
    }

    /// Ask the same name twice.
    #[mcp_tool]
    async fn confuse(cx: &Context) -> Result<String, ToolError> {
        let one = cx.elicit::<Name>("One?").named("name");
        let other = cx.elicit::<Name>("Another?").named("name");
        tokio::try_join!(one.answer(), other.answer()).map(|_| String::new())
    }

    /// Something that asks too early.
    struct Early;

    impl FromContext for Early {
        type Parts = ();

        async fn from_context(cx: &Context, (): ()) -> Result<Self, ToolError> {
            cx.elicit::<()>("Early?").await.map(|()| Self)
        }
    }

    /// Ask too early.
    #[mcp_tool]
    async fn hurry(early: &Early) -> String {
        let _ = early;
        "hurried".to_owned()
    }

    /// Report an answer.
    #[mcp_prompt(permission = "org:documents:read")]
    async fn summarise(cx: &Context) -> Result<String, ToolError> {
        let name: Name = cx.elicit("Whose?").await?;
        Ok(format!("Summarise {}", name.name))
    }

    /// Minutes.
    #[mcp_resource("minutes://{day}", permission = "org:documents:read", ttl = "1h")]
    async fn minutes(day: String, cx: &Context) -> Result<String, ToolError> {
        let name: Name = cx.elicit("Whose?").await?;
        Ok(format!("{day} of {}", name.name))
    }

    /// Say nothing.
    #[mcp_tool]
    async fn silent() -> &'static str {
        "silent"
    }
}

pub(crate) const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const OTHER_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

async fn world() -> World {
    with(|builder| builder).await
}

async fn with(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    World::of("protocol::elicitation::tools", settings).await
}

/// A modern request of a client with these capabilities.
pub(crate) fn ask_as(world: &World, capabilities: &Value, method: &str, mut params: Value) -> Ask {
    let mut ask = world.ask(Era::Modern, method, params.clone());
    let mut meta = modern_meta();
    meta["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    params["_meta"] = meta;
    ask.body = message(method, params).into_bytes();
    ask
}

/// A modern request of a client that can ask a person.
pub(crate) fn ask(world: &World, method: &str, params: Value) -> Ask {
    ask_as(world, &json!({ "elicitation": {} }), method, params)
}

pub(crate) fn tool(name: &str, arguments: &Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

async fn call(world: &World, token: &str, params: Value) -> Reply {
    ask(world, "tools/call", params).bearer(token).send().await
}

/// The questions of a reply, and its state.
#[track_caller]
pub(crate) fn questions(reply: &Reply) -> (Value, String) {
    let result = reply.result();
    assert_eq!(result["resultType"], "input_required", "{result}");
    expect_valid(Era::Modern, "InputRequiredResult", &result);
    let state = result["requestState"].as_str().unwrap().to_owned();
    (result["inputRequests"].clone(), state)
}

fn accept(content: &Value) -> Value {
    json!({ "action": "accept", "content": content })
}

/// The parameters of the second request.
pub(crate) fn again(mut params: Value, state: &str, answers: Value) -> Value {
    params["requestState"] = state.into();
    params["inputResponses"] = answers;
    params
}

/// Asserts that a state is refused, and that the function does not run.
#[track_caller]
pub(crate) fn expect_refused(reply: &Reply) {
    let error = reply.json()["error"].take();
    assert_eq!(error["code"], -32602, "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(
        text.contains("`requestState` is not valid for this request"),
        "{text}"
    );
}

/// Servers with one URL and one Clerk.
pub(crate) struct Replicas {
    clerk: Emulator,
    module: &'static str,
}

pub(crate) async fn replicas(module: &'static str) -> Replicas {
    Replicas {
        clerk: emulator().await,
        module,
    }
}

impl Replicas {
    pub(crate) async fn start(
        &self,
        settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> World {
        let settings = |builder: ServerBuilder| settings(builder.url(URL));
        let own = emulator().await;
        World::built(own, self.module, settings, |_| builder(&self.clerk)).await
    }

    /// A call of a tool by ada.
    pub(crate) async fn send(&self, world: &World, params: Value) -> Reply {
        let can_ask = json!({ "elicitation": {} });
        self.send_as(world, &can_ask, params).await
    }

    /// A call of a tool by ada, with a client with these capabilities.
    pub(crate) async fn send_as(
        &self,
        world: &World,
        capabilities: &Value,
        params: Value,
    ) -> Reply {
        let request = TokenRequest::oauth("ada").org("acme");
        let now = world.clock.unix_seconds();
        let token = self.clerk.instance().mint(&request, now).unwrap();
        let ask = ask_as(world, capabilities, "tools/call", params);
        let ask = ask.header("host", "localhost:3999");
        ask.bearer(&token).send().await
    }
}

const URL: &str = "http://localhost:3999/mcp";

#[actix_web::test]
async fn a_function_asks_and_runs_again_with_the_answer() {
    let world = world().await;
    let ada = world.ada();
    let first = tool("book", &json!({ "restaurant": "Noma" }));
    let (asked, state) = questions(&call(&world, &ada, first.clone()).await);
    assert_eq!(
        asked["question-1"],
        json!({
            "method": "elicitation/create",
            "params": {
                "mode": "form",
                "message": "A table at Noma: for how many?",
                "requestedSchema": {
                    "type": "object",
                    "properties": {
                        "guests": {
                            "type": "integer", "description": "Number of guests.", "minimum": 1, "maximum": 12,
                        },
                        "note": { "type": "string" },
                    },
                    "required": ["guests"],
                },
            },
        })
    );
    world.expect_runs(1);
    let answers = json!({ "question-1": accept(&json!({ "guests": 4, "note": ", outside" })) });
    let second = call(&world, &ada, again(first, &state, answers)).await;
    second.expect_text("4 at Noma, outside");
    assert_eq!(second.result()["resultType"], "complete");
    // The beginning of the function ran twice.
    world.expect_runs(2);
}

#[actix_web::test]
async fn the_answers_of_earlier_rounds_are_in_the_state() {
    let world = world().await;
    let ada = world.ada();
    let first = tool("interview", &json!({}));
    let (asked, one) = questions(&call(&world, &ada, first.clone()).await);
    assert_eq!(
        asked.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["name"]
    );
    let answers = json!({ "name": accept(&json!({ "name": "Ada" })) });
    let (asked, two) = questions(&call(&world, &ada, again(first.clone(), &one, answers)).await);
    assert_eq!(asked["friend"]["params"]["message"], "A friend of Ada?");
    assert_ne!(one, two);
    assert!(!two.contains("Ada"));
    // The answers to other questions are ignored.
    let answers = json!({
        "friend": accept(&json!({ "name": "Bob" })),
        "name": accept(&json!({ "name": "Eve" })),
        "unknown": 7,
    });
    let last = call(&world, &ada, again(first.clone(), &two, answers)).await;
    last.expect_text("Ada and Bob");
    // The answer for the first round does not answer the second question.
    let answers = json!({ "friend": accept(&json!({ "name": "Bob" })) });
    let (asked, _) = questions(&call(&world, &ada, again(first, &one, answers)).await);
    assert!(asked.get("name").is_some(), "{asked}");
    world.expect_runs(4);
}

#[actix_web::test]
async fn questions_that_are_awaited_together_are_asked_together() {
    let world = world().await;
    let ada = world.ada();
    let first = tool("pair", &json!({}));
    let (asked, state) = questions(&call(&world, &ada, first.clone()).await);
    assert_eq!(asked.as_object().unwrap().len(), 2);
    let one = json!({ "question-2": accept(&json!({ "name": "B" })) });
    let (asked, state) = questions(&call(&world, &ada, again(first.clone(), &state, one)).await);
    assert_eq!(
        asked.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["question-1"]
    );
    let other = json!({ "question-1": accept(&json!({ "name": "A" })) });
    call(&world, &ada, again(first, &state, other))
        .await
        .expect_text("A and B");
}

#[actix_web::test]
async fn a_person_accepts_declines_or_cancels() {
    let world = world().await;
    for (action, text) in [
        ("accept", "cleared"),
        ("decline", "declined"),
        ("cancel", "cancelled"),
    ] {
        // A public tool asks a caller without a token too.
        for token in [Some(world.ada()), None] {
            let send = |params| {
                let ask = ask(&world, "tools/call", params);
                match &token {
                    Some(token) => ask.bearer(token),
                    None => ask,
                }
            };
            let first = tool("clear", &json!({}));
            let (_, state) = questions(&send(first.clone()).send().await);
            let answers = json!({ "question-1": { "action": action } });
            let second = send(again(first, &state, answers)).send().await;
            second.expect_text(text);
        }
    }
    let ada = world.ada();
    let first = tool("book", &json!({ "restaurant": "Noma" }));
    for (action, text) in [
        ("decline", "The user declined."),
        ("cancel", "The user closed the question without an answer."),
    ] {
        let (_, state) = questions(&call(&world, &ada, first.clone()).await);
        let answers = json!({ "question-1": { "action": action } });
        let second = call(&world, &ada, again(first.clone(), &state, answers)).await;
        second.expect_tool_error(text);
    }
}

#[actix_web::test]
async fn a_wrong_or_missing_answer_is_asked_for_again() {
    let world = world().await;
    let ada = world.ada();
    let first = tool("book", &json!({ "restaurant": "Noma" }));
    for (answer, reason) in [
        (accept(&json!({ "guests": 13 })), Some("guests")),
        (accept(&json!({ "guests": "many" })), Some("guests")),
        (accept(&json!({})), Some("guests")),
        (
            json!({ "action": "accept", "content": [4] }),
            Some("not a form"),
        ),
        (json!({ "action": "agree" }), Some("no action")),
        (json!(12345), Some("no action")),
        (Value::Null, Some("no action")),
    ] {
        let (_, state) = questions(&call(&world, &ada, first.clone()).await);
        let answers = json!({ "question-1": answer });
        let reply = call(&world, &ada, again(first.clone(), &state, answers)).await;
        let (asked, state) = questions(&reply);
        let message = asked["question-1"]["params"]["message"].as_str().unwrap();
        assert!(message.starts_with("A table at Noma"), "{message}");
        let reason = reason.unwrap();
        assert!(message.contains(reason), "{message}");
        let answers = json!({ "question-1": accept(&json!({ "guests": 2 })) });
        let last = call(&world, &ada, again(first.clone(), &state, answers)).await;
        last.expect_text("2 at Noma");
    }
    let (_, state) = questions(&call(&world, &ada, first.clone()).await);
    for missing in [json!({}), Value::Null, json!({ "question-9": 1 })] {
        questions(&call(&world, &ada, again(first.clone(), &state, missing)).await);
    }
    for wrong in [json!([]), json!("yes"), json!(7)] {
        let reply = call(&world, &ada, again(first.clone(), &state, wrong)).await;
        assert_eq!(reply.json()["error"]["code"], -32602);
    }
    for wrong in [json!(7), json!({}), json!([])] {
        let mut params = first.clone();
        params["requestState"] = wrong;
        let reply = call(&world, &ada, params).await;
        assert_eq!(reply.json()["error"]["code"], -32602);
    }
}

#[actix_web::test]
async fn an_answer_may_come_before_the_question() {
    let world = world().await;
    let mut params = tool("interview", &json!({}));
    params["inputResponses"] = json!({
        "name": accept(&json!({ "name": "Ada" })),
        "friend": accept(&json!({ "name": "Bob" })),
        "more": accept(&json!({})),
    });
    call(&world, &world.ada(), params)
        .await
        .expect_text("Ada and Bob");
}

#[actix_web::test]
async fn a_client_that_cannot_ask_gets_the_missing_capability() {
    let world = world().await;
    let ada = world.ada();
    let book = || tool("book", &json!({ "restaurant": "Noma" }));
    let connect = || {
        tool(
            "connect",
            &json!({ "url": "https://app.example.com/connect" }),
        )
    };
    for (params, capabilities, missing) in [
        (book(), json!({}), json!({ "form": {} })),
        (book(), json!({ "sampling": {} }), json!({ "form": {} })),
        (
            book(),
            json!({ "elicitation": { "url": {} } }),
            json!({ "form": {} }),
        ),
        (
            connect(),
            json!({ "elicitation": {} }),
            json!({ "url": {} }),
        ),
        (
            connect(),
            json!({ "elicitation": { "form": {} } }),
            json!({ "url": {} }),
        ),
    ] {
        let ask = ask_as(&world, &capabilities, "tools/call", params);
        let reply = ask.bearer(&ada).send().await;
        assert_eq!(reply.status, 400);
        let error = reply.json()["error"].take();
        assert_eq!(error["code"], -32021);
        assert_eq!(
            error["data"]["requiredCapabilities"]["elicitation"],
            missing
        );
        expect_valid(
            Era::Modern,
            "MissingRequiredClientCapabilityError",
            &reply.json(),
        );
    }
    // A client of an older revision.
    let legacy = world.call(Era::Legacy, "book", json!({ "restaurant": "Noma" }));
    let legacy = legacy.bearer(&ada).send().await;
    legacy.expect_tool_error(
        "This call needs an answer of the user, but the server cannot ask through this connection.",
    );
    let prompt = world.ask(Era::Legacy, "prompts/get", json!({ "name": "summarise" }));
    assert_eq!(
        prompt.bearer(&ada).send().await.json()["error"]["code"],
        -32603
    );
}

#[actix_web::test]
async fn a_person_opens_a_url() {
    let world = world().await;
    let ada = world.ada();
    let both = json!({ "elicitation": { "form": {}, "url": {} } });
    let send = async |params| {
        let ask = ask_as(&world, &both, "tools/call", params);
        ask.bearer(&ada).send().await
    };
    for url in [
        "https://app.example.com/connect",
        "http://localhost:3000/connect",
    ] {
        let first = tool("connect", &json!({ "url": url }));
        let (asked, state) = questions(&send(first.clone()).await);
        assert_eq!(
            asked["question-1"]["params"],
            json!({ "mode": "url", "message": "Connect your account.", "url": url })
        );
        let answers = json!({ "question-1": { "action": "accept" } });
        send(again(first, &state, answers))
            .await
            .expect_text("connected");
    }
    for url in [
        "http://app.example.com/connect",
        "javascript:alert(1)",
        "/connect",
        "https://ada:pw@app.example.com",
    ] {
        let reply = send(tool("connect", &json!({ "url": url }))).await;
        let result = reply.result();
        assert_eq!(result["isError"], true, "{url}");
        assert!(!result.to_string().contains("app.example.com"), "{result}");
    }
}

#[actix_web::test]
async fn a_prompt_and_a_resource_ask_too() {
    let world = world().await;
    let ada = world.ada();
    let answers = json!({ "question-1": accept(&json!({ "name": "Ada" })) });
    let first = json!({ "name": "summarise" });
    let reply = ask(&world, "prompts/get", first.clone());
    let (_, state) = questions(&reply.bearer(&ada).send().await);
    let second = ask(&world, "prompts/get", again(first, &state, answers.clone()));
    let result = second.bearer(&ada).send().await.result();
    assert_eq!(result["messages"][0]["content"]["text"], "Summarise Ada");

    let first = json!({ "uri": "minutes://monday" });
    let reply = ask(&world, "resources/read", first.clone());
    let reply = reply.bearer(&ada).send().await;
    let (_, state) = questions(&reply);
    assert!(reply.result().get("ttlMs").is_none());
    let second = ask(&world, "resources/read", again(first, &state, answers));
    let result = second.bearer(&ada).send().await.result();
    assert_eq!(result["contents"][0]["text"], "monday of Ada");
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(0), &json!("private"))
    );
}

#[actix_web::test]
async fn messages_come_before_the_questions() {
    let world = world().await;
    let ada = world.ada();
    let mut first = tool("chat", &json!({}));
    let send = async |params: Value| {
        let mut ask = ask(&world, "tools/call", params.clone());
        let mut with_token = params;
        let mut meta = modern_meta();
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
        meta["progressToken"] = json!("t");
        with_token["_meta"] = meta;
        ask.body = message("tools/call", with_token).into_bytes();
        ask.bearer(&ada).send().await
    };
    let reply = send(first.clone()).await;
    assert_eq!(reply.notified("notifications/progress").len(), 1);
    let (_, state) = questions(&reply);
    let answers = json!({ "question-1": accept(&json!({ "name": "Ada" })) });
    first = again(first, &state, answers);
    send(first).await.expect_text("Ada");
}

#[actix_web::test]
async fn a_state_is_valid_only_for_its_caller_its_function_and_its_arguments() {
    let world = world().await;
    let ada = world.ada();
    let first = tool("book", &json!({ "restaurant": "Noma" }));
    let (_, state) = questions(&call(&world, &ada, first.clone()).await);
    let answers = json!({ "question-1": accept(&json!({ "guests": 4 })) });
    let runs = world.runs.total();
    let second = |params: &Value| again(params.clone(), &state, answers.clone());

    let mut another_client = TokenRequest::oauth("ada").org("acme");
    another_client.client_id = Some("client_dev".to_owned());
    for other in [world.grace(), world.mint(&another_client)] {
        expect_refused(&call(&world, &other, second(&first)).await);
    }
    let elsewhere = tool("book", &json!({ "restaurant": "Alinea" }));
    expect_refused(&call(&world, &ada, second(&elsewhere)).await);
    expect_refused(&call(&world, &ada, second(&tool("interview", &json!({})))).await);
    // A function that asks nothing checks the state too.
    expect_refused(&call(&world, &ada, second(&tool("silent", &json!({})))).await);
    let prompt = ask(
        &world,
        "prompts/get",
        second(&json!({ "name": "summarise" })),
    );
    expect_refused(&prompt.bearer(&ada).send().await);
    for tampered in [
        format!("{state}-TAMPERED"),
        format!("{state}A"),
        state[1..].to_owned(),
        state.chars().rev().collect(),
        String::new(),
        "A".repeat(20_000),
    ] {
        expect_refused(
            &call(
                &world,
                &ada,
                again(first.clone(), &tampered, answers.clone()),
            )
            .await,
        );
    }
    assert_eq!(world.runs.total(), runs);
    // A client may write the same arguments in another form, and send another token of the same caller.
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"requestState":"{state}","inputResponses":{answers},"name":"book","arguments":{{ "restaurant" : "Nom\u0061" }},"_meta":{}}}}}"#,
        {
            let mut meta = modern_meta();
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
            meta
        }
    );
    let mut same = ask(&world, "tools/call", first.clone());
    same.body = body.into_bytes();
    same.bearer(&world.ada())
        .send()
        .await
        .expect_text("4 at Noma");
}

#[actix_web::test]
async fn two_organizations_of_an_opaque_token_and_two_api_keys_are_told_apart() {
    let world = with(|builder| builder.api_keys(ApiKeyScopes::any_key())).await;
    world.instance.set_member("ada", "globex", "member", &[]);
    let opaque = |org: &str| world.mint(&TokenRequest::oauth("ada").org(org).opaque());
    let key = || world.mint(&TokenRequest::api_key("ada"));
    let first = tool("interview", &json!({}));
    let answers = json!({ "name": accept(&json!({ "name": "Ada" })) });
    for (own, other) in [(opaque("acme"), opaque("globex")), (key(), key())] {
        let (_, state) = questions(&call(&world, &own, first.clone()).await);
        let second = again(first.clone(), &state, answers.clone());
        expect_refused(&call(&world, &other, second.clone()).await);
        let (asked, _) = questions(&call(&world, &own, second).await);
        assert!(asked.get("friend").is_some(), "{asked}");
    }
    // Another token of the same client for the same organization is the same caller.
    let (_, state) = questions(&call(&world, &opaque("acme"), first.clone()).await);
    let second = again(first, &state, answers);
    questions(&call(&world, &opaque("acme"), second).await);
}

#[actix_web::test]
async fn a_state_expires_and_the_right_to_the_tool_is_checked_again() {
    let world = world().await;
    let ada = world.ada();
    let first = tool("book", &json!({ "restaurant": "Noma" }));
    let answers = json!({ "question-1": accept(&json!({ "guests": 4 })) });
    let (_, state) = questions(&call(&world, &ada, first.clone()).await);
    world.clock.advance(Duration::from_secs(601));
    let ada = world.ada();
    expect_refused(&call(&world, &ada, again(first.clone(), &state, answers.clone())).await);

    let (_, state) = questions(&call(&world, &ada, first.clone()).await);
    world.instance.remove_member("ada", "acme");
    world.clock.advance(Duration::from_secs(31));
    let runs = world.runs.total();
    let reply = call(&world, &ada, again(first, &state, answers)).await;
    assert_eq!(reply.result()["isError"], true);
    assert_eq!(world.runs.total(), runs);
}

#[actix_web::test]
async fn a_server_with_the_same_key_continues_and_a_server_without_it_does_not() {
    let first = tool("book", &json!({ "restaurant": "Noma" }));
    let answers = json!({ "question-1": accept(&json!({ "guests": 4 })) });
    let replicas = replicas("protocol::elicitation::tools").await;
    let replica = async |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        let settings = |builder: ServerBuilder| {
            if keys.is_empty() {
                builder
            } else {
                builder.state_keys(keys)
            }
        };
        replicas.start(settings).await
    };
    let one = replica(&[KEY]).await;
    let (_, state) = questions(&replicas.send(&one, first.clone()).await);
    let second = again(first.clone(), &state, answers);
    for (keys, continues) in [
        (&[KEY][..], true),
        (&[OTHER_KEY, KEY], true),
        (&[OTHER_KEY], false),
        (&[], false),
    ] {
        let reply = replicas.send(&replica(keys).await, second.clone()).await;
        if continues {
            reply.expect_text("4 at Noma");
        } else {
            expect_refused(&reply);
        }
    }
}

#[actix_web::test]
async fn the_number_of_rounds_and_the_length_of_answers_are_bounded() {
    let world = world().await;
    let ada = world.ada();
    let first = tool("insist", &json!({}));
    let mut params = first.clone();
    let mut rounds = 0;
    let last = loop {
        let reply = call(&world, &ada, params).await;
        if reply.result()["resultType"] != "input_required" {
            break reply;
        }
        let (asked, state) = questions(&reply);
        rounds += 1;
        let name = asked.as_object().unwrap().keys().next().unwrap().clone();
        let mut answers = json!({});
        answers[name] = accept(&json!({}));
        params = again(first.clone(), &state, answers);
    };
    assert_eq!(rounds, 32);
    last.expect_tool_error("The server asked too many questions.");

    let first = tool("keep", &json!({}));
    let (_, state) = questions(&call(&world, &ada, first.clone()).await);
    let answers = json!({ "question-1": accept(&json!({ "name": "x".repeat(20_000) })) });
    let reply = call(&world, &ada, again(first, &state, answers)).await;
    reply.expect_tool_error("The answers are too long.");
}

#[actix_web::test]
async fn mistakes_of_the_function_are_internal_errors() {
    let world = world().await;
    let ada = world.ada();
    for name in ["confuse", "hurry"] {
        let reply = call(&world, &ada, tool(name, &json!({}))).await;
        let result = reply.result();
        assert_eq!(result["isError"], true, "{name}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("Internal error"), "{text}");
    }
}
