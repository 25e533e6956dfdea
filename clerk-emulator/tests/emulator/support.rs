//! Helpers to start emulators, send requests to them and decode tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clerk_emulator::{Emulator, EmulatorOptions};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

/// An emulator on a free port, with the default people.
pub(crate) async fn started() -> Emulator {
    Emulator::start(EmulatorOptions::default()).await.unwrap()
}

pub(crate) fn request(emulator: &Emulator, method: Method, path: &str) -> RequestBuilder {
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    client.request(method, format!("{}{path}", emulator.url()))
}

pub(crate) async fn get(emulator: &Emulator, path: &str) -> Response {
    request(emulator, Method::GET, path).send().await.unwrap()
}

/// A request to the Backend API with the secret key.
pub(crate) fn api(emulator: &Emulator, method: Method, path: &str) -> RequestBuilder {
    let secret_key = emulator.instance().secret_key();
    request(emulator, method, path).bearer_auth(secret_key.expose())
}

pub(crate) async fn api_get(emulator: &Emulator, path: &str) -> Response {
    api(emulator, Method::GET, path).send().await.unwrap()
}

pub(crate) async fn json(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

/// Asserts an error in Clerk's form.
pub(crate) async fn expect_problem(response: Response, status: u16, code: &str) -> String {
    assert_eq!(response.status(), status);
    let body = json(response).await;
    let error = &body["errors"][0];
    assert_eq!(error["code"], code);
    assert!(error["long_message"].is_string());
    String::from(error["message"].as_str().unwrap())
}

/// The header (index 0) or the claims (index 1) of a JWT, without verification.
pub(crate) fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}
