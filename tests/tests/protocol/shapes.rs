//! Types of every shape as arguments and results. The crate `jsonschema` checks that schema and
//! server agree.

use mcp_auth::testing::{TestServer, TestUser};
use serde_json::{Map, Value, json};

mod tools {
    use std::collections::{BTreeMap, BTreeSet, HashMap};
    use std::num::{NonZeroI16, NonZeroU64};

    use mcp_auth::{Json, data, mcp_tool};
    use serde_json::Value;

    /// How to sort.
    #[data]
    #[serde(rename_all = "snake_case")]
    pub(super) enum Order {
        /// The newest first.
        Newest,
        /// By title,
        /// then by date.
        ByTitle,
        Unsorted,
    }

    #[data]
    pub(super) struct Page {
        /// How many.
        size: u8,
        from: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[data]
    #[serde(tag = "kind")]
    pub(super) enum Shape {
        /// Round.
        Circle {
            r: f64,
        },
        Rectangle {
            a: u8,
            b: Option<u8>,
        },
        Page(Page),
        Nothing {},
    }

    #[data]
    pub(super) enum External {
        Unit,
        One(u8),
        Pair(u8, String),
        Fields { a: Option<u8>, page: Page },
    }

    #[data]
    #[serde(tag = "t", content = "c")]
    pub(super) enum Adjacent {
        Number(i32),
        Nothing,
        Page(Page),
    }

    #[data]
    #[serde(untagged)]
    pub(super) enum Untagged {
        Number(u16),
        Text(String),
        Fields { x: bool },
    }

    #[data]
    pub(super) struct Newtype(Option<u8>);

    #[data]
    pub(super) struct Tree {
        value: u8,
        children: Vec<Self>,
        parent: Option<Box<Self>>,
    }

    /// An enum whose variants have different types for a member of one name.
    #[data]
    #[serde(tag = "k")]
    pub(super) enum Mixed {
        A {
            x: u8,
        },
        B {
            x: f64,
        },
        C {
            x: Vec<u8>,
        },
        D {
            x: Page,
        },
        E {
            #[serde(default)]
            y: u8,
        },
        F {
            y: u8,
        },
    }

    #[data]
    #[serde(tag = "op", rename_all = "lowercase")]
    pub(super) enum Expression {
        Add { l: Box<Self>, r: Box<Self> },
        Sub { l: Box<Self>, r: Box<Self> },
        Number { n: i32 },
    }

    #[data]
    pub(super) struct Nested {
        page: Option<Page>,
        pages: Vec<Page>,
        by_name: BTreeMap<String, Option<Page>>,
        any: Value,
        maybe_any: Option<Value>,
        shape: Option<Shape>,
    }

    macro_rules! echoes {
        ($($name:ident: $ty:ty,)+) => {$(
            #[mcp_tool]
            async fn $name(value: $ty) -> Json<$ty> {
                Json(value)
            }
        )+};
    }

    echoes! {
        int8: i8,
        int16: i16,
        int32: i32,
        int64: i64,
        int128: i128,
        size: isize,
        uint8: u8,
        uint16: u16,
        uint32: u32,
        uint64: u64,
        uint128: u128,
        usize_: usize,
        nonzero: NonZeroU64,
        nonzero_signed: NonZeroI16,
        float32: f32,
        float64: f64,
        truth: bool,
        letter: char,
        text: String,
        anything: Value,
        object: serde_json::Map<String, Value>,
        optional: Option<u8>,
        optional_text: Option<String>,
        optional_twice: Option<Option<u8>>,
        optional_page: Option<Page>,
        optional_order: Option<Order>,
        optional_list: Option<Vec<u8>>,
        list: Vec<i16>,
        list_of_optional: Vec<Option<u8>>,
        list_of_any: Vec<Value>,
        list_of_lists: Vec<Vec<u8>>,
        array: [u8; 3],
        empty_array: [u8; 0],
        set: BTreeSet<u8>,
        pair: (u8, String),
        equal_pair: (f64, f64),
        triple: (Option<u8>, Page, Order),
        map: HashMap<String, u8>,
        map_of_optional: BTreeMap<String, Option<i8>>,
        map_of_any: BTreeMap<String, Value>,
        map_of_pages: BTreeMap<String, Page>,
        order: Order,
        page: Page,
        shape: Shape,
        external: External,
        external_list: Vec<External>,
        adjacent: Adjacent,
        untagged: Untagged,
        newtype: Newtype,
        tree: Tree,
        mixed: Mixed,
        expression: Expression,
        nested: Nested,
    }

    #[mcp_tool]
    async fn flat(#[arg(flatten)] page: Page) -> Json<Page> {
        Json(page)
    }

    #[mcp_tool]
    async fn flat_shape(#[arg(flatten)] shape: Shape) -> Json<Shape> {
        Json(shape)
    }

    #[data]
    pub(super) struct Defaults {
        a: u8,
        b: Option<u8>,
        c: Vec<u8>,
        d: Option<u8>,
        page: Page,
    }

    #[mcp_tool]
    async fn defaults(
        #[arg(default = 10)] a: u8,
        b: Option<u8>,
        #[arg(default)] c: Vec<u8>,
        #[arg(default = Some(5))] d: Option<u8>,
        page: Page,
    ) -> Json<Defaults> {
        Json(Defaults { a, b, c, d, page })
    }

    #[mcp_tool]
    async fn maybe(value: Option<u8>) -> Option<Json<u8>> {
        value.map(Json)
    }
}

mod lenient {
    use mcp_auth::{Json, mcp_tool};
    use serde_json::{Value, json};

    /// Take anything that `lenient` reads.
    #[mcp_tool(lenient, authorize = is_small(count))]
    async fn lenient(
        count: u8,
        ratio: f64,
        done: bool,
        list: Vec<u8>,
        page: super::tools::Page,
        name: String,
    ) -> Json<Value> {
        Json(json!([count, ratio, done, list, page, name]))
    }

    fn is_small(count: &u8) -> bool {
        *count < 100
    }

    /// Take what the schema says.
    #[mcp_tool]
    async fn strict(count: u8) -> String {
        count.to_string()
    }

    /// Have an argument of the name that a client adds.
    #[mcp_tool(lenient)]
    async fn session(
        session_id: Option<String>,
        #[arg(rename = "sessionId")] other: String,
    ) -> String {
        format!("{session_id:?} {other}")
    }
}

mod refused {
    use mcp_auth::mcp_tool;

    #[mcp_auth::data]
    pub(super) struct Measures {
        #[serde(rename = "größe")]
        size: u8,
    }

    /// Take alternatives as all arguments.
    #[mcp_tool]
    async fn alternatives(#[arg(flatten)] shape: super::tools::Shape) {
        drop(shape);
    }

    /// Take a property that providers refuse.
    #[mcp_tool]
    async fn property(measures: Measures) -> u8 {
        measures.size
    }

    /// Take a type that contains itself.
    #[mcp_tool]
    async fn recursive(tree: super::tools::Tree) {
        drop(tree);
    }
}

mod numbers {
    use mcp_auth::{Json, data, mcp_tool};

    #[data]
    pub(super) struct Report {
        name: Option<String>,
        means: Vec<f64>,
    }

    /// Divide.
    #[mcp_tool]
    async fn report(by: f64) -> Json<Report> {
        Json(Report {
            name: None,
            means: vec![1.0, 1.0 / by],
        })
    }

    /// Divide in words.
    #[mcp_tool]
    async fn text(by: f64) -> f64 {
        1.0 / by
    }
}

fn server() -> TestServer {
    TestServer::of(mcp_auth::server!().tools_of("protocol::shapes::tools"))
}

/// Sends a legacy request with parameters as text, because `Value` does not keep the text of a
/// number.
async fn ask(server: &TestServer, method: &str, params: &str) -> Value {
    let token = server.user("ada").token().unwrap();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let request = server.request("POST", "/mcp").bearer(&token).body(body);
    let request = request
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25");
    request.send().await.body()["result"].clone()
}

/// All tools with their schemas.
async fn listed(server: &TestServer) -> Vec<Value> {
    let list = ask(server, "tools/list", "{}").await;
    list["tools"].as_array().unwrap().clone()
}

/// Runs a tool. Returns its structured result, or the text of the refusal.
async fn run(ada: &TestUser<'_>, tool: &str, arguments: &Value) -> Result<Value, String> {
    let answer = ada.call(tool, arguments.clone()).await;
    let result = answer
        .result()
        .unwrap_or_else(|| panic!("{tool} {arguments}: {answer:?}"));
    if result["isError"] == true {
        Err(answer.text().to_owned())
    } else {
        Ok(result["structuredContent"].clone())
    }
}

#[actix_web::test]
async fn schema_and_server_accept_the_same_and_results_fit_their_schema() {
    let server = server();
    let ada = server.user("ada");
    let mut random = Random(0x5EED);
    let (mut accepted, mut refused) = (0, 0);
    for tool in listed(&server).await {
        let name = tool["name"].as_str().unwrap();
        let input = &tool["inputSchema"];
        let reads = jsonschema::validator_for(input).unwrap();
        let writes = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
        for round in 0..60 {
            let mut arguments = random.value(input, input, 4);
            for _ in 0..round % 3 {
                random.change(&mut arguments);
            }
            if !arguments.is_object() {
                continue;
            }
            let says = reads.is_valid(&arguments);
            let does = run(&ada, name, &arguments).await;
            match &does {
                Ok(result) => {
                    accepted += 1;
                    assert!(
                        writes.is_valid(result),
                        "{name} {arguments} wrote {result}: {tool}"
                    );
                    // The server accepts `null` for an optional argument. It accepts nothing else
                    // beyond the schema.
                    let without = without_null(&arguments, input, input);
                    assert!(
                        says || reads.is_valid(&without),
                        "{name} took {arguments} against {input}"
                    );
                }
                Err(text) => {
                    refused += 1;
                    // The schema does not contain 64-bit bounds.
                    assert!(
                        !says || is_large(&arguments),
                        "{name} refused {arguments}: {text}, against {input}"
                    );
                    assert!(
                        text.starts_with("Invalid argument"),
                        "{name} {arguments}: {text}"
                    );
                }
            }
        }
    }
    assert!(
        accepted > 900 && refused > 900,
        "{accepted} accepted, {refused} refused"
    );
}

#[actix_web::test]
async fn null_for_an_argument_that_can_be_left_out_means_that_it_is_left_out() {
    let server = server();
    let ada = server.user("ada");
    let page = json!({ "size": 1, "from": null, "order": null, "tags": null });
    let nulls = json!({ "a": null, "b": null, "c": null, "d": null, "page": page });
    for arguments in [nulls, json!({ "page": { "size": 1 } })] {
        assert_eq!(
            run(&ada, "defaults", &arguments).await,
            Ok(json!({
                "a": 10, "b": null, "c": [], "d": 5,
                "page": { "size": 1, "from": null, "tags": [] },
            }))
        );
    }
    for (tool, arguments, expected) in [
        (
            "optional_page",
            json!({ "value": null }),
            json!({ "result": null }),
        ),
        (
            "list_of_optional",
            json!({ "value": [null, 1] }),
            json!({ "result": [null, 1] }),
        ),
        ("maybe", json!({ "value": null }), json!({ "result": null })),
        (
            "map_of_optional",
            json!({ "value": { "a": null } }),
            json!({ "a": null }),
        ),
    ] {
        assert_eq!(run(&ada, tool, &arguments).await, Ok(expected), "{tool}");
    }
    for (tool, arguments, expected) in [
        (
            "uint8",
            json!({ "value": null }),
            "Invalid argument `value`: invalid type: null, expected u8",
        ),
        (
            "list",
            json!({ "value": [null] }),
            "Invalid argument `value[0]`: invalid type: null, expected i16",
        ),
        (
            "flat",
            json!({ "size": null }),
            "Invalid argument `size`: invalid type: null, expected u8",
        ),
    ] {
        assert_eq!(
            run(&ada, tool, &arguments).await,
            Err(expected.to_owned()),
            "{tool}"
        );
    }
}

#[actix_web::test]
async fn an_integer_may_be_written_with_a_fraction_of_zero_or_an_exponent() {
    let server = server();
    for (tool, text, expected) in [
        ("uint8", "10.0", Ok("10")),
        ("uint8", "1e1", Ok("10")),
        ("int8", "-1.0", Ok("-1")),
        ("int64", "9007199254740993.0", Ok("9007199254740993")),
        (
            "uint64",
            "1.8446744073709551615e19",
            Ok("18446744073709551615"),
        ),
        ("nonzero", "5.00", Ok("5")),
        ("float64", "10.0", Ok("10.0")),
        ("uint8", "-0.0", Ok("0")),
        (
            "uint8",
            "10.5",
            Err("`value`: invalid type: floating point `10.5`, expected u8"),
        ),
        (
            "uint8",
            "1e40",
            Err("`value`: invalid type: floating point `1e+40`, expected u8"),
        ),
        (
            "uint8",
            "256.0",
            Err("`value`: invalid value: integer `256`, expected u8"),
        ),
        (
            "uint8",
            "-1.0",
            Err("`value`: invalid value: integer `-1`, expected u8"),
        ),
    ] {
        let answer = send(&server, tool, &format!(r#"{{"value":{text}}}"#)).await;
        let expected = match expected {
            Ok(number) => format!(r#""structuredContent":{{"result":{number}}}"#),
            Err(text) => format!("Invalid argument {text}"),
        };
        assert!(answer.contains(&expected), "{tool} {text}: {answer}");
    }
    for (tool, text, expected) in [
        ("list", r#"{"value":[1,2.0,3e2]}"#, "[1,2,300]"),
        (
            "nested",
            r#"{"pages":[{"size":4.0}],"by_name":{"a":{"size":5.0}},"any":6.0}"#,
            r#""any":6.0"#,
        ),
        (
            "shape",
            r#"{"value":{"kind":"Rectangle","a":1.0,"b":2.0}}"#,
            r#""a":1,"b":2"#,
        ),
        ("untagged", r#"{"value":3.0}"#, r#"{"result":3}"#),
        (
            "list",
            r#"{"value":[1,2.5]}"#,
            "Invalid argument `value[1]`",
        ),
    ] {
        let text = match tool {
            "nested" => format!(r#"{{"value":{text}}}"#),
            _ => text.to_owned(),
        };
        let answer = send(&server, tool, &text).await;
        assert!(answer.contains(expected), "{tool} {text}: {answer}");
    }
}

async fn send(server: &TestServer, tool: &str, arguments: &str) -> String {
    let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
    ask(server, "tools/call", &params).await.to_string()
}

#[actix_web::test]
async fn lenient_tools_take_values_that_are_sent_as_strings_and_drop_what_clients_add() {
    let tools = || mcp_auth::server!().tools_of("protocol::shapes::lenient");
    let server = TestServer::of(tools());
    let ada = server.user("ada");
    let sent = json!({
        "count": "10.0", "ratio": "2.5", "done": "true", "list": "[1, \"2\"]", "page": "{\"size\": \"3\"}",
        "name": "7", "toolCallId": "call_1", "task_progress": "- [x] listed",
    });
    let page = json!({ "size": 3, "from": null, "tags": [] });
    let expected = json!({ "result": [10, 2.5, true, [1, 2], page, "7"] });
    assert_eq!(run(&ada, "lenient", &sent).await, Ok(expected));
    // `authorize` receives the converted value.
    let mut large = sent.clone();
    large["count"] = json!("100");
    ada.call("lenient", large)
        .await
        .expect_denied("Forbidden: not allowed for this count");
    for (name, value, expected) in [
        ("count", json!("many"), "Invalid argument `count`"),
        (
            "count",
            json!("256"),
            "Invalid argument `count`: invalid value: integer `256`, expected u8",
        ),
        ("done", json!("yes"), "Invalid argument `done`"),
        (
            "other",
            json!(1),
            "Invalid argument `other`: unknown field `other`",
        ),
    ] {
        let mut sent = sent.clone();
        sent[name] = value;
        let refusal = run(&ada, "lenient", &sent).await.unwrap_err();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    let session = json!({ "sessionId": "s1" });
    assert_eq!(
        ada.call("session", session).await.expect_ok().text(),
        "None s1"
    );

    let quoted = json!({ "count": "10" });
    let added = json!({ "count": 10, "toolCallId": "call_1" });
    for arguments in [&quoted, &added] {
        let refusal = run(&ada, "strict", arguments).await.unwrap_err();
        assert!(refusal.starts_with("Invalid argument"), "{refusal}");
    }
    let server = TestServer::of(tools().lenient_arguments());
    for arguments in [quoted, added] {
        server
            .user("ada")
            .call("strict", arguments)
            .await
            .expect_ok();
    }
}

#[actix_web::test]
async fn a_result_with_a_number_that_json_cannot_express_is_an_error() {
    let server = TestServer::of(mcp_auth::server!().tools_of("protocol::shapes::numbers"));
    let ada = server.user("ada");
    let report = json!({ "name": null, "means": [1.0, 0.5] });
    assert_eq!(run(&ada, "report", &json!({ "by": 2 })).await, Ok(report));
    for tool in ["report", "text"] {
        let answer = ada.call(tool, json!({ "by": 0 })).await;
        answer.expect_error_with("Internal error, reference ");
        assert!(answer.result().unwrap().get("structuredContent").is_none());
    }
}

#[actix_web::test]
async fn additional_properties_can_be_omitted_from_the_list_and_are_still_refused() {
    let tools = mcp_auth::server!().tools_of("protocol::shapes::tools");
    let server = TestServer::of(tools.without_additional_properties());
    for tool in listed(&server).await {
        assert!(
            !tool.to_string().contains(r#""additionalProperties":false"#),
            "{tool}"
        );
    }
    let refusal = run(
        &server.user("ada"),
        "uint8",
        &json!({ "value": 1, "zzz": 2 }),
    )
    .await;
    let refusal = refusal.unwrap_err();
    assert!(refusal.contains("unknown field `zzz`"), "{refusal}");
}

#[actix_web::test]
async fn a_check_names_each_schema_that_clients_refuse_in_every_form() {
    let server = mcp_auth::server!().tools_of("protocol::shapes::refused");
    let report = server.check().await;
    let findings = report.findings().iter();
    let found: Vec<_> = findings
        .filter(|finding| finding.what().starts_with("tool `"))
        .map(|finding| {
            let (tool, rest) = finding.what().split_once(" (").unwrap();
            let (_, what) = rest.split_once("): ").unwrap();
            assert!(finding.why().contains("refuse"), "{}", finding.why());
            assert!(finding.remedy().is_some());
            (tool, what)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("tool `alternatives`", "the arguments are alternatives"),
            ("tool `property`", "a property has the name `größe`"),
            ("tool `recursive`", "the type `Tree` contains itself"),
        ]
    );
}

/// The value without optional members that are `null` and that the schema does not allow to be
/// `null`.
fn without_null(value: &Value, schema: &Value, root: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, member)| {
                let property = parts(schema, root)
                    .into_iter()
                    .find_map(|part| part.get("properties")?.get(name));
                let additional = parts(schema, root)
                    .into_iter()
                    .find_map(|part| part.get("additionalProperties"));
                let is_required = parts(schema, root).iter().any(|part| {
                    let required = part["required"].as_array();
                    required.is_some_and(|names| names.iter().any(|required| required == name))
                });
                match property {
                    Some(property) => {
                        let takes_null = parts(property, root)
                            .iter()
                            .any(|part| part["type"] == "null" || part.get("type").is_none());
                        let is_left_out = member.is_null() && !is_required && !takes_null;
                        (!is_left_out).then(|| (name.clone(), without_null(member, property, root)))
                    }
                    None => {
                        let member = match additional {
                            Some(schema) => without_null(member, schema, root),
                            None => member.clone(),
                        };
                        Some((name.clone(), member))
                    }
                }
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => {
            let of_item = |index: usize| {
                parts(schema, root).into_iter().find_map(|part| {
                    let place = part.get("prefixItems").and_then(|places| places.get(index));
                    place.or_else(|| part.get("items"))
                })
            };
            let items = items
                .iter()
                .enumerate()
                .map(|(index, item)| match of_item(index) {
                    Some(schema) => without_null(item, schema, root),
                    None => item.clone(),
                });
            items.collect()
        }
        other => other.clone(),
    }
}

/// Whether a value contains a number that does not fit into 64 bits with a sign.
fn is_large(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_large),
        Value::Number(number) => !number
            .as_f64()
            .is_some_and(|number| number.abs() < 2f64.powi(63)),
        Value::Object(members) => members.values().any(is_large),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The alternatives of a schema.
fn parts<'a>(schema: &'a Value, root: &'a Value) -> Vec<&'a Value> {
    let mut found = vec![];
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        found.extend(parts(target, root));
    }
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(either) => {
            found.extend(either.iter().flat_map(|one| parts(one, root)));
            if schema.get("type").is_some() {
                found.push(schema);
            }
        }
        None if schema.get("$ref").is_none() => found.push(schema),
        None => {}
    }
    found
}

/// A generator of numbers that are equal in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A random value that the schema accepts.
    fn value(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = root.pointer(reference.trim_start_matches('#')).unwrap();
            return self.value(target, root, depth);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.pick(values).clone();
        }
        if let Some(either) = schema.get("anyOf").and_then(Value::as_array) {
            // The last alternative of a recursive type is not recursive.
            let one = match (depth, either.last()) {
                (0, Some(last)) => last.clone(),
                _ => self.pick(either).clone(),
            };
            return self.value(&one, root, depth);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("null") => Value::Null,
            Some("boolean") => (self.below(2) == 0).into(),
            Some("string") => {
                let length = schema.get("maxLength").and_then(Value::as_u64);
                match length {
                    Some(1) => "ä".into(),
                    _ => (*self.pick(&["", "x", "10", "null", "[\"{"])).into(),
                }
            }
            Some("integer") => {
                let bounds = [schema.get("minimum"), schema.get("maximum")];
                let mut choices: Vec<Value> = bounds.into_iter().flatten().cloned().collect();
                choices.retain(|bound| !bound.is_f64());
                choices.extend([json!(1), json!(2.0), json!(7)]);
                self.pick(&choices).clone()
            }
            Some("number") => self.pick(&[json!(0), json!(-1.5), json!(1e9)]).clone(),
            Some("array") => self.array(schema, root, depth),
            Some("object") => self.object(schema, root, depth),
            _ => self.anything(),
        }
    }

    fn array(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        if let Some(places) = schema.get("prefixItems").and_then(Value::as_array) {
            let places = places.iter();
            return places.map(|place| self.value(place, root, depth)).collect();
        }
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64);
        let most = most.unwrap_or(if depth == 0 { 0 } else { 3 });
        let length = least.max(self.next() % (most + 1));
        let items = &schema["items"];
        (0..length)
            .map(|_| self.value(items, root, depth.saturating_sub(1)))
            .collect()
    }

    fn object(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &String| {
            required.is_some_and(|names| names.iter().any(|required| required == name))
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if is_required(name) || (depth > 0 && self.below(2) == 0) {
                let value = self.value(property, root, depth.saturating_sub(1));
                members.insert(name.clone(), value);
            }
        }
        // An object can have alternatives in addition to its properties.
        if let Some(either) = schema.get("anyOf").and_then(Value::as_array) {
            let one = self.pick(either).clone();
            if let Value::Object(further) = self.object(&one, root, depth) {
                members.extend(further);
            }
        }
        if let Some(additional @ Value::Object(_)) = schema.get("additionalProperties") {
            for name in ["a", "b c", "ü"].iter().take(self.below(4)) {
                let value = self.value(additional, root, depth.saturating_sub(1));
                members.insert((*name).to_owned(), value);
            }
        }
        members.into()
    }

    fn anything(&mut self) -> Value {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(10.0),
            json!(10.5),
            json!(256),
            json!(70_000),
            json!(u64::MAX),
            json!(1e30),
            json!(""),
            json!("x"),
            json!("newest"),
            json!([]),
            json!([1]),
            json!([1, "x"]),
            json!({}),
            json!({ "a": null }),
            json!({ "size": 3 }),
            json!({ "newest": null }),
            json!([3, null, null, []]),
        ];
        self.pick(&values).clone()
    }

    /// Changes a value at one random place.
    fn change(&mut self, value: &mut Value) {
        let goes_on = self.below(4) > 0;
        match value {
            Value::Object(members) if goes_on && !members.is_empty() => {
                let names: Vec<_> = members.keys().cloned().collect();
                let name = self.pick(&names).clone();
                match self.below(6) {
                    0 => {
                        members.remove(&name);
                    }
                    1 => {
                        members.insert("zzz".to_owned(), self.anything());
                    }
                    _ => self.change(&mut members[&name]),
                }
            }
            Value::Array(items) if goes_on && !items.is_empty() => {
                let index = self.below(items.len());
                match self.below(5) {
                    0 => {
                        items.remove(index);
                    }
                    1 => items.push(items[index].clone()),
                    _ => self.change(&mut items[index]),
                }
            }
            other => *other = self.anything(),
        }
    }
}
