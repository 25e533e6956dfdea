//! Injected faults, set over HTTP or in process and observed over HTTP.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use clerk_emulator::{Emulator, Fault, TokenRequest};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{api, api_get, expect_problem, get, json, part, request, started};

const JWKS: &str = "/.well-known/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";

async fn post(emulator: &Emulator, fault: &Value) -> Response {
    let request = request(emulator, Method::POST, "/dev/faults")
        .header("content-type", "application/json")
        .body(fault.to_string());
    request.send().await.unwrap()
}

/// Adds a fault and returns all faults.
async fn set(emulator: &Emulator, fault: &Value) -> Value {
    let answer = post(emulator, fault).await;
    assert_eq!(answer.status(), 200, "{fault}");
    json(answer).await
}

async fn clear(emulator: &Emulator) -> Value {
    let request = request(emulator, Method::DELETE, "/dev/faults");
    json(request.send().await.unwrap()).await
}

async fn status(emulator: &Emulator, path: &str) -> u16 {
    api_get(emulator, path).await.status().as_u16()
}

fn kids(jwks: &str) -> Vec<String> {
    let jwks: Value = serde_json::from_str(jwks).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| String::from(key["kid"].as_str().unwrap()))
        .collect()
}

/// The second of the day in the header `Date`.
fn second_of_day(response: &Response) -> i64 {
    let date = response.headers()["date"].to_str().unwrap();
    let time = date.split(' ').nth(4).unwrap();
    time.split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap())
}

#[actix_web::test]
async fn a_status_applies_to_keys_and_the_backend_api_or_to_a_path() {
    let emulator = started().await;
    set(
        &emulator,
        &json!({"kind": "status", "status": 500, "path": "/v1/organizations"}),
    )
    .await;
    let memberships = "/v1/organizations/org_acme/memberships";
    assert_eq!(status(&emulator, memberships).await, 500);
    for path in [JWKS, METADATA, "/v1/users/user_ada"] {
        assert_eq!(status(&emulator, path).await, 200, "{path}");
    }
    let shown = set(
        &emulator,
        &json!({"kind": "status", "status": 429, "retry_after": 7}),
    )
    .await;
    let expected = json!([
        {"kind": "status", "status": 500, "retry_after": null, "path": "/v1/organizations"},
        {"kind": "status", "status": 429, "retry_after": 7, "path": null},
    ]);
    assert_eq!(shown["faults"], expected);
    for path in [JWKS, memberships, "/m2m_tokens/verify", "/api_keys/verify"] {
        let answer = api_get(&emulator, path).await;
        assert_eq!(answer.headers()["retry-after"], "7");
        expect_problem(answer, 429, "too_many_requests").await;
    }
    for path in [METADATA, "/", "/dev/token?user=ada"] {
        assert_eq!(status(&emulator, path).await, 200, "{path}");
    }
    set(
        &emulator,
        &json!({"kind": "status", "status": 503, "path": METADATA}),
    )
    .await;
    assert_eq!(status(&emulator, METADATA).await, 503);
    assert_eq!(clear(&emulator).await["faults"], json!([]));
    for path in [JWKS, METADATA, memberships] {
        assert_eq!(status(&emulator, path).await, 200, "{path}");
    }
}

#[actix_web::test]
async fn a_fault_at_every_path_spares_the_routes_that_remove_it() {
    let emulator = started().await;
    emulator.instance().add_fault(Fault::status(500).at("/"));
    for path in [JWKS, METADATA, "/v1/jwks", "/nothing"] {
        assert_eq!(status(&emulator, path).await, 500, "{path}");
    }
    for path in ["/", "/dev/faults", "/dev/settings"] {
        assert_eq!(status(&emulator, path).await, 200, "{path}");
    }
    assert_eq!(emulator.instance().requests_to("/dev"), 0);
    assert_eq!(emulator.instance().requests_to("/"), 4);
    emulator.instance().clear_faults();
    assert_eq!(status(&emulator, METADATA).await, 200);
}

#[actix_web::test]
async fn a_latency_applies_only_to_its_path() {
    let emulator = started().await;
    let for_ever = json!({"kind": "latency", "ms": 3_600_000, "path": "/v1/users"});
    let a_moment = json!({"kind": "latency", "ms": 300, "path": "/v1/jwks"});
    set(&emulator, &for_ever).await;
    let shown = set(&emulator, &a_moment).await;
    assert_eq!(shown["faults"], json!([for_ever, a_moment]));
    let begun = Instant::now();
    assert_eq!(status(&emulator, "/v1/jwks").await, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(status(&emulator, JWKS).await, 200);
    let waiting = api(&emulator, Method::GET, "/v1/users/user_ada");
    let waiting = waiting.timeout(Duration::from_millis(500)).send().await;
    assert!(waiting.unwrap_err().is_timeout());
}

#[actix_web::test]
async fn keys_are_rotated_with_and_without_overlap_and_withdrawn() {
    let emulator = started().await;
    let clerk = emulator.instance();
    let published = async || kids(&get(&emulator, JWKS).await.text().await.unwrap());
    let signs = || {
        let token = clerk
            .mint(&TokenRequest::oauth("ada"), 1_750_000_000)
            .unwrap();
        String::from(part(&token, 0)["kid"].as_str().unwrap())
    };
    let first = signs();
    assert_eq!(published().await, [first.as_str()]);

    let rotate = |rotation: &str| json!({"kind": "rotate_key", "rotation": rotation});
    let shown = set(&emulator, &rotate("overlapping")).await;
    let second = signs();
    assert_eq!(published().await, [second.clone(), first.clone()]);
    assert_eq!(shown["keys"], json!([second, first]));

    set(&emulator, &json!({"kind": "withdraw_key", "kid": first})).await;
    assert_eq!(published().await, [second.as_str()]);
    let again = post(&emulator, &json!({"kind": "withdraw_key", "kid": first})).await;
    expect_problem(again, 404, "resource_not_found").await;

    let before = get(&emulator, JWKS).await.text().await.unwrap();
    set(&emulator, &rotate("same_kid")).await;
    let after = get(&emulator, JWKS).await.text().await.unwrap();
    assert_eq!(
        (kids(&after), signs()),
        (vec![second.clone()], second.clone())
    );
    assert_ne!(before, after);

    set(&emulator, &json!({"kind": "rotate_key"})).await;
    let third = signs();
    assert_ne!(third, second);
    assert_eq!(published().await, [third.as_str()]);
    set(&emulator, &json!({"kind": "withdraw_key", "kid": third})).await;
    assert!(published().await.is_empty());
    assert_eq!(signs(), third);
    // Removing the faults does not restore a key.
    assert_eq!(clear(&emulator).await["keys"], json!([]));
}

#[actix_web::test]
async fn a_wrong_clock_affects_tokens_expiry_and_dates() {
    let emulator = started().await;
    let secret_key = emulator.instance().secret_key();
    let issued = async || {
        let answer = get(&emulator, "/dev/token?user=ada").await;
        part(answer.text().await.unwrap().trim(), 1)["iat"]
            .as_i64()
            .unwrap()
    };
    let right = issued().await;
    let key = get(&emulator, "/dev/token?kind=api_key&user=ada&expires_in=60").await;
    let key = key.text().await.unwrap();
    let right_second = second_of_day(&get(&emulator, JWKS).await);

    let shown = set(&emulator, &json!({"kind": "clock", "offset": 1000})).await;
    assert_eq!(shown["clock_offset"], 1000);
    assert!((1000..1060).contains(&(issued().await - right)));
    for path in [JWKS, METADATA, "/dev/settings", "/nothing"] {
        let second = second_of_day(&get(&emulator, path).await);
        let ahead = (second - right_second).rem_euclid(86_400);
        assert!((1000..1060).contains(&ahead), "{path}: {ahead}");
    }
    let verify = request(&emulator, Method::POST, "/api_keys/verify")
        .bearer_auth(secret_key.expose())
        .body(json!({"secret": key.trim()}).to_string());
    assert_eq!(json(verify.send().await.unwrap()).await["expired"], true);

    set(&emulator, &json!({"kind": "clock", "offset": -1000})).await;
    assert!((-1000..-940).contains(&(issued().await - right)));
    for offset in [i64::MAX, i64::MIN] {
        emulator.instance().set_clock_offset(offset);
        assert_eq!(status(&emulator, JWKS).await, 200);
    }
    assert_eq!(clear(&emulator).await["clock_offset"], 0);
    assert!((0..60).contains(&(issued().await - right)));
}

#[actix_web::test]
async fn connections_are_refused_for_a_while_and_then_accepted_on_the_same_port() {
    let emulator = started().await;
    let before = get(&emulator, JWKS).await.text().await.unwrap();
    set(&emulator, &json!({"kind": "refuse", "ms": 1500})).await;
    let begun = Instant::now();
    let mut refused = 0;
    let after = loop {
        match request(&emulator, Method::GET, JWKS).send().await {
            Ok(answer) if refused > 0 => break answer.text().await.unwrap(),
            // The response to the command is sent shortly before the listener closes.
            Ok(_) => {}
            Err(error) if error.is_connect() => refused += 1,
            // The listener closed while this connection was open.
            Err(_) => {}
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{refused} refused"
        );
    };
    assert!(begun.elapsed() >= Duration::from_millis(1000));
    assert_eq!(after, before);
}

#[actix_web::test]
async fn an_open_connection_is_cut_off_when_connections_are_refused() {
    let emulator = started().await;
    let own = emulator.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(own).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(stream, "GET {JWKS} HTTP/1.1\r\nHost: {own}\r\n\r\n").unwrap();
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 200 OK"));
    emulator.refuse_connections(Duration::from_secs(3600)).await;
    let ended = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() == ErrorKind::ConnectionReset,
        }
    };
    assert!(ended);
}

#[actix_web::test]
async fn another_command_shortens_the_time_of_refusing() {
    let emulator = started().await;
    emulator.refuse_connections(Duration::from_secs(3600)).await;
    let refused = request(&emulator, Method::GET, JWKS).send().await;
    assert!(refused.unwrap_err().is_connect());
    emulator.refuse_connections(Duration::ZERO).await;
    let begun = Instant::now();
    while request(&emulator, Method::GET, JWKS).send().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    emulator.refuse_connections(Duration::from_secs(3600)).await;
    emulator.stop().await;
}

#[actix_web::test]
async fn an_invalid_fault_is_refused() {
    let emulator = started().await;
    for fault in [
        json!({}),
        json!([]),
        json!({"kind": "fire"}),
        json!({"kind": "status"}),
        json!({"kind": "status", "status": 500, "ms": 1}),
        json!({"kind": "status", "status": 70_000}),
        json!({"kind": "latency", "ms": -1}),
        json!({"kind": "rotate_key", "rotation": "twice"}),
    ] {
        let answer = post(&emulator, &fault).await;
        expect_problem(answer, 400, "request_body_invalid").await;
    }
    assert_eq!(
        json(get(&emulator, "/dev/faults").await).await["faults"],
        json!([])
    );
}
