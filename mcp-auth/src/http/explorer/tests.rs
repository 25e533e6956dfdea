use actix_web::test::TestRequest;

use super::*;

const NAME: &str = "http://127.0.0.1:3000";

#[derive(Debug)]
struct Nobody;

impl TokenSource for Nobody {
    fn issue(&self, _: &TokenWish, _: TokenKind, _: u32) -> Result<String, String> {
        Err("nobody gets a token".to_owned())
    }
}

fn explored(has_cast: bool) -> Explored {
    let cast = Cast {
        people: Vec::new(),
        machines: Vec::new(),
        tokens: Arc::new(Nobody),
    };
    Explored {
        issuer: "http://127.0.0.1:4400".to_owned(),
        kinds: vec![TokenKind::OAuth],
        reads_url_org: true,
        declared: [("tools", vec![json!({ "name": "greet" })])].into(),
        cast: has_cast.then_some(cast),
        lines: None,
    }
}

fn request() -> TestRequest {
    TestRequest::post()
        .peer_addr("127.0.0.1:50000".parse().unwrap())
        .insert_header(("origin", NAME))
        .insert_header(("sec-fetch-site", "same-origin"))
        .insert_header(("content-type", "application/json"))
}

fn admitted(request: TestRequest) -> bool {
    let request = request.to_http_request();
    explored(true).admits(Task::Token, request.head(), |_| Some(NAME))
}

#[test]
fn only_a_browser_of_this_machine_is_admitted() {
    assert!(admitted(request()));
    let from = |peer: &str| request().peer_addr(peer.parse().unwrap());
    assert!(admitted(from("[::1]:50000")));
    for peer in ["192.0.2.1:50000", "10.0.0.7:50000", "[2001:db8::1]:50000"] {
        assert!(!admitted(from(peer)), "{peer}");
    }
    let without_peer = TestRequest::post()
        .insert_header(("origin", NAME))
        .insert_header(("sec-fetch-site", "same-origin"))
        .insert_header(("content-type", "application/json"));
    assert!(!admitted(without_peer));
}

#[test]
fn a_body_that_waits_for_an_answer_is_not_admitted() {
    assert!(!admitted(
        request().insert_header(("expect", "100-continue"))
    ));
}

#[test]
fn under_a_host_that_is_no_name_of_the_endpoint_nothing_is_admitted() {
    let request = request().to_http_request();
    for task in Task::ALL {
        assert!(!explored(true).admits(task, request.head(), |_| None));
    }
}

#[test]
fn without_a_local_clerk_only_tokens_are_missing() {
    let request = request().to_http_request();
    for task in Task::ALL {
        let is_admitted = explored(false).admits(task, request.head(), |_| Some(NAME));
        assert_eq!(is_admitted, task != Task::Token, "{task:?}");
    }
}

#[test]
fn the_paths_are_below_the_endpoint() {
    assert_eq!(Task::Token.path("/mcp"), "/mcp/explorer/token");
    assert_eq!(Task::Explain.path("/"), "/explorer/explain");
    let canonical = Canonical::parse("http://127.0.0.1:3000/api/mcp", "/mcp").unwrap();
    let data: Value = serde_json::from_str(&explored(false).data(&canonical)).unwrap();
    assert_eq!(
        data,
        json!({
            "endpoint": "/api/mcp",
            "explorer": "/api/mcp/explorer",
            "url": "http://127.0.0.1:3000/api/mcp",
            "issuer": "http://127.0.0.1:4400",
            "protocol": "2026-07-28",
            "people": [],
            "machines": [],
            "kinds": ["oauth"],
            "org_in_url": true,
            "declared": { "tools": [{ "name": "greet" }] },
            "local": false,
        })
    );
}
