use rmcp::model::{ContentBlock, MetaObject};

use super::super::challenge::Challenger;
use super::*;
use crate::guard::{NoOrganization, Permission, Requirement, Reverification};

fn results() -> Results {
    let info = ServerInfo {
        name: "a \"server\"".to_owned(),
        version: "1".to_owned(),
        title: None,
        instructions: None,
    };
    Results::new(&Published {
        info: &info,
        is_open: false,
        public: Vec::new(),
        lists: vec![List::Tools],
        completes: false,
        logs: false,
        tasks: false,
    })
}

/// Returns the text between `"result":{` and the closing brace. In the modern era, also checks the
/// end of the result.
fn result(answer: Response, era: Era) -> String {
    let Response::Message { status, body } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(status, Status::Ok);
    let body = String::from_utf8(body).unwrap();
    let body = body
        .strip_prefix(r#"{"jsonrpc":"2.0","id":"7","result":{"#)
        .unwrap();
    let body = body.strip_suffix("}}").unwrap();
    let Era::Modern = era else {
        return body.to_owned();
    };
    let (result, meta) = body
        .split_once(r#","resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a \"server\"","version":"1"}"#)
        .unwrap();
    let meta = meta.strip_suffix('}').unwrap();
    match meta.strip_prefix(',') {
        Some(meta) => format!(r#"{result},"_meta":{{{meta}}}"#),
        None => result.to_owned(),
    }
}

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];
const ID: &str = r#""7""#;

#[test]
fn a_text_is_one_block_and_a_failure_says_so() {
    let results = results();
    for (text, written) in [
        ("", r#""""#),
        ("3", r#""3""#),
        (
            "a \"b\"\n\\\u{1}\u{7f}é😀\u{2028}",
            "\"a \\\"b\\\"\\n\\\\\\u0001\u{7f}é😀\u{2028}\"",
        ),
    ] {
        let content = format!(r#""content":[{{"type":"text","text":{written}}}]"#);
        for era in ERAS {
            let answer = results.text(ID, era, text);
            assert_eq!(result(answer, era), content);
            let answer = results.failure(ID, era, text);
            assert_eq!(result(answer, era), format!(r#"{content},"isError":true"#));
        }
    }
}

#[test]
fn a_typed_output_is_its_own_text() {
    let results = results();
    for era in ERAS {
        for (json, wraps, expected) in [
            (
                r#"{"sum":3}"#,
                false,
                r#""content":[{"type":"text","text":"{\"sum\":3}"}],"structuredContent":{"sum":3}"#,
            ),
            (
                r#""a\n\"b\"""#,
                true,
                r#""content":[{"type":"text","text":"{\"result\":\"a\\n\\\"b\\\"\"}"}],"structuredContent":{"result":"a\n\"b\""}"#,
            ),
        ] {
            let answer = results.structured(ID, era, json, wraps);
            assert_eq!(result(answer, era), expected);
        }
    }
}

#[test]
fn what_a_tool_composed_is_kept_but_for_what_is_the_servers_to_say() {
    let results = results();
    let blocks = || vec![ContentBlock::text("a\"b")];
    let content = r#""content":[{"type":"text","text":"a\"b"}]"#;
    for era in ERAS {
        let answer = results.composed(ID, era, &CallToolResult::success(blocks()));
        assert_eq!(result(answer, era), content);

        let mut composed = CallToolResult::error(blocks());
        composed.structured_content = Some(json!({ "a": [null] }));
        let meta = [("x", json!({ "y": 1 })), (SERVER_INFO, json!("me"))];
        let meta = meta.map(|(name, value)| (name.to_owned(), value));
        composed.meta = Some(MetaObject(Map::from_iter(meta)));
        let answer = results.composed(ID, era, &composed);
        let claimed = match era {
            Era::Legacy => r#""io.modelcontextprotocol/serverInfo":"me","#,
            Era::Modern => "",
        };
        assert_eq!(
            result(answer, era),
            format!(
                r#"{content},"structuredContent":{{"a":[null]}},"isError":true,"_meta":{{{claimed}"x":{{"y":1}}}}"#
            )
        );
        composed.meta = Some(MetaObject::default());
        let answer = results.composed(ID, era, &composed);
        assert!(!result(answer, era).contains("_meta"));
    }
}

#[test]
fn a_denial_is_told_in_words_and_in_meta() {
    const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
    let results = results();
    for (denied, text, details) in [
        (
            Denied::Permission(vec![Permission::new("org:a:read")]),
            "Forbidden: org:a:read permission required",
            r#"{"kind":"permission","required":["org:a:read"]}"#,
        ),
        (
            Denied::Organization {
                cure: Some(vec!["user:org:read".to_owned(), "b".to_owned()]),
                why: NoOrganization::Session,
            },
            "Organization context required",
            r#"{"cure":{"scope":"user:org:read b"},"hint":"The session has no active organization. Choose an organization in the application and try again.","kind":"organization","required":[]}"#,
        ),
        (
            Denied::Reverification {
                asked: Reverification::STRICT,
                curable: true,
            },
            "Forbidden: strict reverification required",
            r#"{"kind":"reverification","required":["strict"],"reverification":{"afterMinutes":10,"level":"second_factor"}}"#,
        ),
        (
            Denied::Any {
                alternatives: &[&[READ], &[Requirement::User]],
                cure: None,
                verifying_helps: false,
            },
            "Forbidden: org:a:read permission or user required",
            r#"{"kind":"any","required":[[{"kind":"permission","name":"org:a:read"}],[{"kind":"user"}]]}"#,
        ),
    ] {
        let hint = denied.hint().map_or_else(String::new, |hint| {
            format!(r#",{{"type":"text","text":"{hint}"}}"#)
        });
        for era in ERAS {
            let denial = format!(
                r#""content":[{{"type":"text","text":"{text}"}}{hint}],"isError":true,"_meta":{{"mcp-auth-rs/denied":{details}"#
            );
            let answer = results.denial(ID, era, &denied, None);
            assert_eq!(result(answer, era), format!("{denial}}}"));
            // The challenge is also in `_meta`, in the form of a header.
            let challenge = Challenger::new("https://a/m".to_owned())
                .wider_token(&denied, &["docs".to_owned()]);
            let answer = results.denial(ID, era, &denied, Some(&challenge));
            let header = json!(challenge.header);
            assert_eq!(
                result(answer, era),
                format!(r#"{denial},"mcp/www_authenticate":[{header}]}}"#)
            );
        }
    }
}
