use super::*;

fn refusal(body: &str) -> (i32, Option<&str>) {
    let (error, id) = Message::parse(body).unwrap_err();
    (error.code(), id)
}

#[test]
fn a_request_is_read_without_copying() {
    let body = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x","arguments":{"a":1}}}"#;
    let message = Message::parse(body).unwrap();
    assert_eq!(message.id, Some("\"a\""));
    assert!(matches!(message.method, Cow::Borrowed("tools/call")));
    let params = message.params().unwrap();
    assert_eq!(params.name().unwrap(), "x");
    assert_eq!(params.arguments().unwrap(), r#"{"a":1}"#);
}

#[test]
fn what_is_not_one_request_is_refused() {
    for (body, code, id) in [
        ("", -32700, None),
        ("{", -32700, None),
        ("{} {}", -32700, None),
        ("{\"a\": \u{1}}", -32700, None),
        ("[]", -32600, None),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            -32600,
            None,
        ),
        ("1", -32600, None),
        ("null", -32600, None),
        (r#"{"id":1,"method":"ping"}"#, -32600, Some("1")),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            -32600,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            -32600,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#,
            -32600,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
            -32600,
            None,
        ),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, Some("1")),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600, None),
        (r#"{"jsonrpc":"2.0","id":1,"error":null}"#, -32600, None),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
            -32600,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"b"}"#,
            -32600,
            None,
        ),
    ] {
        assert_eq!(refusal(body), (code, id), "{body}");
    }
}

#[test]
fn params_are_an_object_with_each_member_once() {
    for params in [
        "[]",
        "1",
        r#"{"name":"a","name":"b"}"#,
        r#"{"arguments":{},"arguments":{}}"#,
        // A `null` counts as a member, so a second member is a duplicate.
        r#"{"arguments":null,"arguments":{}}"#,
        r#"{"_meta":null,"_meta":null}"#,
        r#"{"cursor":null,"cursor":"a"}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        let message = Message::parse(&body).unwrap();
        assert_eq!(message.params().unwrap_err().code(), -32602, "{params}");
    }
}

#[test]
fn an_escaped_name_is_the_name_it_spells() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"del\u0065te"}}"#;
    let message = Message::parse(body).unwrap();
    assert_eq!(message.params().unwrap().name().unwrap(), "delete");
}

#[test]
fn huge_numbers_and_deep_nesting_are_passed_over() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"m","x":{deep},"y":1e999999,"params":{{"z":{}}}}}"#,
        "9".repeat(10_000)
    );
    let message = Message::parse(&body).unwrap();
    assert!(message.params().is_ok());
}

#[test]
fn null_means_absent_for_params_arguments_cursor_and_meta() {
    for params in [
        "null",
        " null ",
        "{}",
        r#"{"arguments":null,"cursor":null,"_meta":null}"#,
        r#"{"arguments": null , "cursor": null , "_meta": null }"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        let message = Message::parse(&body).unwrap();
        let params = message.params().unwrap();
        assert_eq!(params.arguments().unwrap(), "{}", "{body}");
        assert_eq!(params.cursor().unwrap(), None);
        assert!(!params.meta().unwrap().is_modern());
    }
    for params in ["nul", "nullx", "Null", "none"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        assert_eq!(refusal(&body), (-32700, None), "{body}");
    }
}

#[test]
fn arguments_that_are_no_object_are_refused() {
    for arguments in ["[]", "1", "\"x\"", "true"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"arguments":{arguments}}}}}"#
        );
        let message = Message::parse(&body).unwrap();
        let params = message.params().unwrap();
        assert_eq!(
            params.arguments().unwrap_err().code(),
            -32602,
            "{arguments}"
        );
    }
}

/// The result of parsing a body, in one line.
fn outcome(body: &str) -> String {
    let told = |error: RpcError| error.to_string();
    let message = match Message::parse(body) {
        Ok(message) => message,
        Err((error, id)) => return format!("{} {id:?}", told(error)),
    };
    let params = message.params().map_err(told).map(|params| {
        let meta = params.meta().map_err(told).map(|meta| {
            let version = meta.version().map(Cow::into_owned);
            (meta.is_modern(), version, meta.capabilities().is_some())
        });
        let name = params.name().map(Cow::into_owned).map_err(told);
        let arguments = params.arguments().map(str::to_owned).map_err(told);
        let has_cursor = params.cursor().map_or(true, |cursor| cursor.is_some());
        (meta, name, arguments, has_cursor)
    });
    format!("{:?} {} {params:?}", message.id, message.method)
}

const NO_MESSAGE: &str = "Invalid request: not a JSON-RPC 2.0 message None";
const NO_JSON: &str = "Parse error: the body is not valid JSON None";
const NO_PARAMS: &str = "Invalid params: `params` must be an object, each member given once";
const NO_META: &str = "Invalid params: `_meta` must be an object, each member given once";
const NO_NAME: &str = "Invalid params: `name` must be a string";

#[test]
fn a_body_that_is_no_json_is_told_so_whatever_else_is_wrong_with_it() {
    for value in [
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "1.e1",
        "--1",
        "0x1",
        "nul",
        "tru",
        "fals",
        "True",
        "nullx",
        "",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "[1,]",
        "[,]",
        "[1 2]",
        "[,1]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1 "b":2}"#,
        "{1:2}",
        "{a:1}",
        r#"{"a":1]"#,
        r#"[{"a":[1}]"#,
        r#"""#,
        r#""\"#,
        r#""\""#,
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\U0041""#,
        "\"\u{1f}\"",
        "\"\n\"",
        "{\"\t\":1}",
        "\u{b}1",
        "\u{a0}1",
        "'a'",
        "1//",
        "NaN",
        "Infinity",
    ] {
        for body in [
            value.to_owned(),
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","x":{value}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{value}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"x":{value}}}}}"#),
            format!(r#"{{"id":1,"id":1,"method":7,"params":{{"_meta":{{"x":{value}}}}}}}"#),
            format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"m","params":{value}}}]"#),
        ] {
            assert_eq!(outcome(&body), NO_JSON, "{body}");
        }
    }
    for body in ["1 1", "{}{}", "[] []", "{}x", "[]]", "null,", "\"a\"\"b\""] {
        assert_eq!(outcome(body), NO_JSON, "{body}");
    }
}

#[test]
fn any_json_is_passed_over_where_nobody_reads_it() {
    let deep = format!(
        r#"{}{{"a":1,"b":{{}}}}{}"#,
        r#"[{"a":["#.repeat(10_000),
        "]}]".repeat(10_000)
    );
    for value in [
        "0",
        "-0",
        "-0.0e-0",
        "1E+9",
        "1e999999",
        "null",
        "true",
        "false",
        "[]",
        "{}",
        " [ ] ",
        "\t{\r}\n",
        r#"[ 1 , "a" , { "b" : null } ]"#,
        r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#,
        r#""\ud800""#,
        "\"\u{7f}é😀\u{2028}\"",
        r#"{"a":1,"a":2}"#,
        r#"{"":[[],{},[{}]]}"#,
        &deep,
    ] {
        for body in [
            format!(r#"{{"x":{value},"jsonrpc":"2.0","id":1,"method":"m","x":{value}}}"#),
            format!(
                r#" {{ "jsonrpc" : "2.0" , "id" : 1 , "method":"m","params":{{"x":{value}}}}} "#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{{"x":{value}}}}}}}"#
            ),
        ] {
            let shown: String = body.chars().take(200).collect();
            let expected = format!(
                r#"Some("1") m Ok((Ok((false, None, false)), Err("{NO_NAME}"), Ok("{{}}"), false))"#
            );
            assert_eq!(outcome(&body), expected, "{shown}");
        }
    }
}

#[test]
fn members_of_the_envelope_are_judged_in_a_fixed_order() {
    for (members, expected) in [
        (
            r#""id":1,"method":"m","jsonrpc":null"#,
            r#"Invalid request: `jsonrpc` must be "2.0" Some("1")"#,
        ),
        (
            r#""id":1,"method":"m","jsonrpc":"2\u002e0""#,
            r#"Some("1") m Ok"#,
        ),
        (
            r#""id":1,"method":"m","jsonrpc":"2.0","jsonrpc":"2.0""#,
            NO_MESSAGE,
        ),
        (
            r#""id":1,"method":"m","jsonrpc":"2.0","json\u0072pc":null"#,
            NO_MESSAGE,
        ),
        (r#""id":1,"method":"m","jsonrpc":"\ud800""#, NO_MESSAGE),
        (r#""id":1,"method":"\udfff","jsonrpc":"2.0""#, NO_MESSAGE),
        (
            r#""id":1,"method":"m","jsonrpc":"2.0","\ud800":1"#,
            NO_MESSAGE,
        ),
        (r#""id":1,"method":{},"jsonrpc":"2.0""#, NO_MESSAGE),
        (
            r#""id":1,"method":null,"jsonrpc":"2.0""#,
            "Invalid request: `method` is missing Some(\"1\")",
        ),
        (
            r#""id":1,"meth\u006fd":"p\u0069ng","jsonrpc":"2.0""#,
            r#"Some("1") ping Ok"#,
        ),
        (
            r#""id":"\ud800","method":"m","jsonrpc":"2.0""#,
            r#"Some("\"\\ud800\"") m Ok"#,
        ),
        (
            r#""id":-0,"method":"m","jsonrpc":"2.0""#,
            r#"Some("-0") m Ok"#,
        ),
        (r#""id":-,"method":"m","jsonrpc":"2.0""#, NO_JSON),
        (r#""id":[],"method":7,"jsonrpc":"2.0""#, NO_MESSAGE),
        (
            r#""id":[],"method":"m""#,
            "Invalid request: `id` must be a string or an integer None",
        ),
        (
            r#""id":1,"method":"m","jsonrpc":"2.0","result":1,"result":1"#,
            NO_MESSAGE,
        ),
        (
            r#""id":1,"jsonrpc":"2.0","error":null"#,
            "Invalid request: responses are not accepted, because this server sends no requests None",
        ),
        (
            r#""jsonrpc":"2.0","method":"m","params":7"#,
            r#"None m Err("#,
        ),
        (
            r#""jsonrpc":"2.0","method":"m","params":{},"params":{}"#,
            NO_MESSAGE,
        ),
        (
            r#""jsonrpc":"2.0","id":1,"method":"m","p\u0061rams":{"name":"n"}"#,
            r#"Some("1") m Ok((Ok((false, None, false)), Ok("n"),"#,
        ),
    ] {
        let outcome = outcome(&format!("{{{members}}}"));
        assert!(outcome.starts_with(expected), "{members}: {outcome}");
    }
}

#[test]
fn params_and_meta_are_judged_when_they_are_asked_for() {
    let none = "(false, None, false)";
    let named = |meta: &str| format!(r#"Ok(({meta}, Ok("n"), Ok("{{}}"), false))"#);
    let no_meta = format!("Err(\"{NO_META}\")");
    for (params, expected) in [
        ("7", format!("Err(\"{NO_PARAMS}\")")),
        ("1e999999", format!("Err(\"{NO_PARAMS}\")")),
        (r#""\ud800""#, format!("Err(\"{NO_PARAMS}\")")),
        (r#"["n",{}]"#, format!("Err(\"{NO_PARAMS}\")")),
        (
            "null",
            format!(r#"Ok((Ok({none}), Err("{NO_NAME}"), Ok("{{}}"), false))"#),
        ),
        (
            r#"{"name":"n","\ud800":1}"#,
            format!("Err(\"{NO_PARAMS}\")"),
        ),
        (
            r#"{"name":"n","cursor":1,"curs\u006fr":2}"#,
            format!("Err(\"{NO_PARAMS}\")"),
        ),
        (
            r#"{"name":"n","_meta":{},"_meta":7}"#,
            format!("Err(\"{NO_PARAMS}\")"),
        ),
        (
            r#"{"name":"n","protocolVersion":1,"protocolVersion":1}"#,
            format!("Err(\"{NO_PARAMS}\")"),
        ),
        (r#"{"name":"n","x":1,"x":2}"#, named(&format!("Ok({none})"))),
        (r#"{"n\u0061me":"\u006e"}"#, named(&format!("Ok({none})"))),
        (
            r#"{"name":"n","_meta":{"x":1,"x":2}}"#,
            named(&format!("Ok({none})")),
        ),
        (
            r#"{"name":"n","_meta":null}"#,
            named(&format!("Ok({none})")),
        ),
        (r#"{"name":"n","_meta":[]}"#, named(&no_meta)),
        (r#"{"name":"n","_meta":{"\udc00":1}}"#, named(&no_meta)),
        (
            r#"{"name":"n","_meta":{"io.modelcontextprotocol/protocolVersion":1,"io.modelcontextprotocol\/protocolVersion":1}}"#,
            named(&no_meta),
        ),
        (
            r#"{"name":"n","_meta":{"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientCapabilities":{}}}"#,
            named(&no_meta),
        ),
        (
            r#"{"name":"n","_meta":{"io.modelcontextprotocol/protocolVersion":null,"io.modelcontextprotocol/clientCapabilities": [] }}"#,
            named("Ok((true, None, false))"),
        ),
        (
            r#"{"name":"n","_meta":{"io.modelcontextprotocol/protocolVersion": "\u0076" ,"io.modelcontextprotocol/clientCapabilities": {"a":{}} }}"#,
            named(r#"Ok((true, Some("v"), true))"#),
        ),
        (
            r#"{"name":"\ud800"}"#,
            format!(r#"Ok((Ok({none}), Err("{NO_NAME}"), Ok("{{}}"), false))"#),
        ),
        (
            r#"{"name":"n","arguments": {"a" : 1} ,"cursor":null}"#,
            format!(r#"Ok((Ok({none}), Ok("n"), Ok("{{\"a\" : 1}}"), false))"#),
        ),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        assert_eq!(
            outcome(&body),
            format!(r#"Some("1") m {expected}"#),
            "{params}"
        );
    }
}

/// Makes texts that serde_json would parse with a new limit of nesting at each level.
fn nested_texts(levels: usize) -> String {
    let mut text = "[]".to_owned();
    for _ in 0..levels {
        let inside = text.replace('\\', r"\u005c").replace('"', r"\u0022");
        let name = "$serde_json::private::RawValue";
        text = format!(
            r#"{}{{"{name}":"{inside}"}}{}"#,
            "[".repeat(100),
            "]".repeat(100)
        );
    }
    text
}

#[test]
fn a_name_with_a_meaning_for_serde_json_is_refused_wherever_it_is() {
    let nested = nested_texts(60);
    let params = [
        format!(r#"{{"arguments":{{"value":{nested}}}}}"#),
        format!(r#"{{"inputResponses":{{"a":{nested}}}}}"#),
        format!(r#"{{"capabilities":{{"elicitation":{nested}}}}}"#),
        format!(r#"{{"_meta":{{"io.modelcontextprotocol/clientCapabilities":{nested}}}}}"#),
        format!(r#"{{"context":{{"arguments":{nested}}}}}"#),
        format!(r#"{{"unknown":{nested}}}"#),
        r#"{"\u0024serde_json::private::Number":"1"}"#.to_owned(),
    ];
    for params in params {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        let (error, id) = Message::parse(&body).unwrap_err();
        assert!(
            matches!(error, RpcError::InvalidRequest(RESERVED_NAME)),
            "{params:.60}"
        );
        assert_eq!(id, Some("1"));
    }
    for response in ["result", "error"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":"a","{response}":{nested}}}"#);
        let (error, _) = Message::parse(&body).unwrap_err();
        assert!(
            matches!(error, RpcError::InvalidRequest(RESERVED_NAME)),
            "{response}"
        );
    }
}

#[test]
fn what_becomes_values_is_short_and_has_each_member_once() {
    let parsed = |params: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        let message = Message::parse(&body).unwrap();
        let params = message.params().unwrap();
        let answers = params.input_responses().map(|answers| answers.len());
        let [capabilities, meta] = [params.capabilities().map(|_| ()), params.meta().map(|_| ())];
        let shown = |error: RpcError| match error {
            RpcError::InvalidParams(text) => text,
            other => unreachable!("{other}"),
        };
        (
            answers.map_err(shown),
            capabilities.map_err(shown),
            meta.map_err(shown),
        )
    };
    let of_length = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
    let (longest, long) = (of_length(MOST_PARSED), of_length(MOST_PARSED + 1));
    let meta = "io.modelcontextprotocol/clientCapabilities";
    let params = |text: &str| {
        format!(r#"{{"inputResponses":{text},"capabilities":{text},"_meta":{{"{meta}":{text}}}}}"#)
    };
    assert_eq!(parsed(&params(&longest)), (Ok(1), Ok(()), Ok(())));
    assert_eq!(
        parsed(&params(&long)),
        (
            Err(LONG_ANSWERS),
            Err(LONG_CAPABILITIES),
            Err(LONG_CAPABILITIES)
        )
    );
    for wrong in [
        r#"{"a":{"action":"decline","action":"accept"}}"#,
        r#"{"a":{},"a":{}}"#,
        r#"{"a":[{"b":{"c":1,"\u0063":2}}]}"#,
        "[]",
        "1",
    ] {
        let (answers, ..) = parsed(&format!(r#"{{"inputResponses":{wrong}}}"#));
        assert_eq!(answers, Err(WRONG_ANSWERS), "{wrong}");
    }
    assert_eq!(parsed(r#"{"inputResponses":null}"#).0, Ok(0));
}
