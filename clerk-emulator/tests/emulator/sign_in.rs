//! A client of the authorization server, one function for each step. Tests change single parameters
//! of its requests.

use std::collections::BTreeMap;
use std::time::Duration;

use clerk_emulator::Emulator;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::support::json as json_of;

pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";
pub(crate) const RESOURCE: &str = "http://127.0.0.1:3000/mcp";
pub(crate) const STATE: &str = "a-state-of-the-client";
// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const SCOPES: &str =
    "openid profile email offline_access public_metadata private_metadata user:org:read";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The parameters of a request. [`changed`] replaces or adds parameters; an empty value removes
/// one.
pub(crate) type Fields = BTreeMap<&'static str, String>;

pub(crate) fn request(emulator: &Emulator, method: Method, path: &str) -> RequestBuilder {
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    client.request(method, format!("{}{path}", emulator.url()))
}

pub(crate) async fn post_json(emulator: &Emulator, path: &str, body: &Value) -> Response {
    let request = request(emulator, Method::POST, path).header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap()
}

pub(crate) fn form<'a>(
    emulator: &Emulator,
    path: &str,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> RequestBuilder {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    request(emulator, Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.finish())
}

pub(crate) async fn post_form(emulator: &Emulator, path: &str, fields: &Fields) -> Response {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    form(emulator, path, fields).send().await.unwrap()
}

pub(crate) fn changed(mut fields: Fields, changes: &[(&'static str, &str)]) -> Fields {
    for (name, value) in changes {
        if value.is_empty() {
            fields.remove(name);
        } else {
            fields.insert(name, String::from(*value));
        }
    }
    fields
}

/// Registers a client with `metadata`, a name and a redirect URI. Returns the response.
pub(crate) async fn register(emulator: &Emulator, metadata: Value) -> Value {
    let mut all = json!({"client_name": "A client", "redirect_uris": [REDIRECT_URI]});
    for (name, value) in metadata.as_object().unwrap() {
        all[name] = value.clone();
    }
    let response = post_json(emulator, "/oauth/register", &all).await;
    assert_eq!(response.status(), 201);
    json_of(response).await
}

/// Registers a public client with all of Clerk's own scopes. Returns its id.
pub(crate) async fn public_client(emulator: &Emulator) -> String {
    public_client_with(emulator, Some(SCOPES)).await
}

/// Registers a public client with `scope`, or without scopes. Returns its id.
pub(crate) async fn public_client_with(emulator: &Emulator, scope: Option<&str>) -> String {
    let mut metadata = json!({"token_endpoint_auth_method": "none"});
    if let Some(scope) = scope {
        metadata["scope"] = json!(scope);
    }
    let client = register(emulator, metadata).await;
    String::from(client["client_id"].as_str().unwrap())
}

/// Registers a client with all of Clerk's own scopes and `more`. Returns its id and its secret.
pub(crate) async fn confidential_client(emulator: &Emulator, more: &str) -> (String, String) {
    let client = register(emulator, json!({"scope": format!("{SCOPES} {more}")})).await;
    let text = |name: &str| String::from(client[name].as_str().unwrap());
    (text("client_id"), text("client_secret"))
}

/// A valid authorization request.
pub(crate) fn authorization(client_id: &str) -> Fields {
    let fields = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "profile email"),
        ("state", STATE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", RESOURCE),
    ];
    fields
        .map(|(name, value)| (name, String::from(value)))
        .into()
}

pub(crate) async fn authorize(emulator: &Emulator, fields: &Fields) -> Response {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let path = format!("/oauth/authorize?{query}");
    request(emulator, Method::GET, &path).send().await.unwrap()
}

/// Sends an authorization request. Returns the ticket of the consent page.
pub(crate) async fn ticket(emulator: &Emulator, fields: &Fields) -> String {
    let response = authorize(emulator, fields).await;
    assert_eq!(response.status(), 200, "{:?}", response.headers());
    let page = response.text().await.unwrap();
    let value = page.split("name=\"ticket\" value=\"").nth(1).unwrap();
    String::from(value.split('"').next().unwrap())
}

pub(crate) async fn decide(
    emulator: &Emulator,
    ticket: &str,
    choice: &str,
    decision: &str,
) -> Response {
    let fields = [
        ("ticket", ticket),
        ("choice", choice),
        ("decision", decision),
    ];
    let path = "/oauth/authorize/decision";
    form(emulator, path, fields).send().await.unwrap()
}

/// The parameters of a redirect to the client.
pub(crate) fn arrived(response: &Response) -> BTreeMap<String, String> {
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(REDIRECT_URI), "{location}");
    let location = Url::parse(location).unwrap();
    location.query_pairs().into_owned().collect()
}

/// Allows a request with `choice`: `user_ada`, or `user_ada|org_acme`. Returns the code.
pub(crate) async fn code(emulator: &Emulator, fields: &Fields, choice: &str) -> String {
    let ticket = ticket(emulator, fields).await;
    let answer = arrived(&decide(emulator, &ticket, choice, "allow").await);
    answer["code"].clone()
}

/// A valid token request of a public client.
pub(crate) fn exchange(client_id: &str, code: &str) -> Fields {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    fields
        .map(|(name, value)| (name, String::from(value)))
        .into()
}

pub(crate) fn refresh(client_id: &str, token: &str) -> Fields {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", client_id),
        ("refresh_token", token),
    ];
    fields
        .map(|(name, value)| (name, String::from(value)))
        .into()
}

pub(crate) async fn token(emulator: &Emulator, fields: &Fields) -> Response {
    post_form(emulator, "/oauth/token", fields).await
}

pub(crate) async fn tokens(emulator: &Emulator, fields: &Fields) -> Value {
    let response = token(emulator, fields).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    assert_eq!(response.headers()["cache-control"], "no-store");
    json_of(response).await
}

/// Signs in: an authorization request with `changes`, the decision, and the exchange of the code.
/// Returns the token response.
pub(crate) async fn signed_in(
    emulator: &Emulator,
    client_id: &str,
    choice: &str,
    changes: &[(&'static str, &str)],
) -> Value {
    let request = changed(authorization(client_id), changes);
    let code = code(emulator, &request, choice).await;
    tokens(emulator, &exchange(client_id, &code)).await
}

pub(crate) fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

/// Asserts an error in OAuth's form, and returns its description.
pub(crate) async fn expect_error(response: Response, status: u16, code: &str) -> String {
    let headers = response.headers().clone();
    let got = response.status();
    let body = json_of(response).await;
    assert_eq!(
        (got.as_u16(), &body["error"]),
        (status, &json!(code)),
        "{body}"
    );
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers.contains_key("www-authenticate"), status == 401);
    String::from(text(&body, "error_description"))
}

/// Asserts that the response is an error page with the text `why`, and not a redirect to the
/// client.
pub(crate) async fn expect_page(response: Response, why: &str) {
    assert_eq!(response.status(), 400);
    assert!(!response.headers().contains_key("location"));
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let page = response.text().await.unwrap();
    assert!(page.contains(why), "no {why} in {page}");
}
