//! The limits of the state of a running emulator.

use clerk_emulator::{Directory, Instance, TokenRequest};
use reqwest::Method;

use crate::support::{expect_problem, get, request, started};

const NOW: u64 = 1_750_000_000;
const LIMIT: usize = 10_000;

#[test]
fn a_flood_of_api_keys_drops_no_key_that_is_in_use() {
    let clerk = Instance::new("http://127.0.0.1:4400", Directory::default()).unwrap();
    let key = |at: u64| clerk.mint(&TokenRequest::api_key("ada"), at).unwrap();
    let (used, unused) = (key(NOW), key(NOW));
    assert!(clerk.verify_api_key(&used, NOW).is_some());
    let flood: Vec<String> = (0..LIMIT).map(|_| key(NOW + 1)).collect();
    assert!(clerk.verify_api_key(&used, NOW).is_some());
    assert!(clerk.verify_api_key(&unused, NOW).is_none());
    let known = flood
        .iter()
        .filter(|key| clerk.verify_api_key(key, NOW).is_some());
    assert_eq!(known.count(), LIMIT - 1);
}

#[test]
fn a_flood_of_opaque_access_tokens_drops_no_token_that_is_in_use() {
    let clerk = Instance::new("http://127.0.0.1:4400", Directory::default()).unwrap();
    let token = |at: u64| {
        clerk
            .mint(&TokenRequest::oauth("ada").opaque(), at)
            .unwrap()
    };
    let (used, unused) = (token(NOW), token(NOW));
    assert!(clerk.verify_oauth_token(&used, NOW).is_some());
    for _ in 0..LIMIT {
        token(NOW + 1);
    }
    assert!(clerk.verify_oauth_token(&used, NOW).is_some());
    assert!(clerk.verify_oauth_token(&unused, NOW).is_none());
}

#[actix_web::test]
async fn a_token_or_authorization_request_that_is_too_long_is_refused() {
    let emulator = started().await;
    let claims = "x".repeat(8 * 1024);
    let body = format!(r#"{{"user": "ada", "kind": "api_key", "claims": {{"a": "{claims}"}}}}"#);
    let sent = request(&emulator, Method::POST, "/dev/tokens")
        .header("content-type", "application/json")
        .body(body);
    expect_problem(sent.send().await.unwrap(), 413, "request_too_long").await;
    let path = format!("/dev/token?user=ada&aud={claims}");
    expect_problem(get(&emulator, &path).await, 413, "request_too_long").await;
    let path = format!("/oauth/authorize?client_id=c&nonce={claims}{claims}");
    let page = get(&emulator, &path).await;
    assert_eq!(page.status(), 400);
    assert!(page.text().await.unwrap().contains("longer than 16 KiB"));
}
