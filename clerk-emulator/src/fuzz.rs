//! Checks of the parsers of forms, token requests and client metadata. The fuzzers of this
//! repository and the test that runs their corpora call them.
//!
//! A function panics only if the parser breaks a rule.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a `Value` by an unknown name gives `Null`"
)]

use std::sync::LazyLock;

use actix_web::web;
use serde_json::{Map, Value};
use url::Url;

use crate::digest::Digest;
use crate::directory::Directory;
use crate::instance::Instance;
use crate::oauth::{Authorization, Client, Credentials, Fields, Metadata, Redirect, document};
use crate::request::TokenRequest;
use crate::routes::consent::Decision;
use crate::settings::Settings;

/// A function that passes bytes to a parser and checks the result.
pub type Target = fn(&[u8]);

/// All targets, with the names of their fuzzers and corpora.
pub const TARGETS: [(&str, Target); 3] = [
    ("emulator_client", client),
    ("emulator_form", form),
    ("emulator_token", token),
];

/// Checks a form of the sign-in page: the client never gets a scope that the instance does not have, and the response
/// goes to a redirect URI of the client or to loopback.
pub fn form(bytes: &[u8]) {
    let fields = Fields::parse(bytes);
    for (name, value) in fields.pairs() {
        assert!(!value.is_empty());
        let is_once = fields.all(name).count() == 1;
        assert_eq!(fields.one(name).is_ok(), is_once);
    }
    let _ = Decision::parse(fields.pairs());
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(shown) = Credentials::from_basic(text)
    {
        assert!(
            text.get(..5)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
        );
        assert!(shown.secret.is_none_or(|secret| !secret.is_empty()));
    }
    let directory = Directory::default();
    for client in clients() {
        let Ok(redirect) = Redirect::find(&client, &fields, None) else {
            continue;
        };
        let (uri, location) = (redirect.uri.clone(), redirect.with_code("code_1"));
        assert!(location.starts_with(&uri), "{location}");
        let sent = Url::parse(&location);
        let code = sent.as_ref().ok().and_then(|sent| {
            let mut pairs = sent.query_pairs();
            pairs
                .find(|(name, _)| name == "code")
                .map(|(_, code)| code.into_owned())
        });
        assert!(code.is_some(), "{location}");
        let is_own = |own: &String| *own == uri || redirect.is_loopback();
        assert!(client.redirect_uris.iter().any(is_own), "{uri}");
        let checked = Authorization::check(
            &fields,
            client.clone(),
            redirect,
            &Settings::default(),
            &directory,
        );
        let Ok(authorization) = checked else { continue };
        assert!(authorization.challenge.is_some() || client.secret.is_some());
        let known = directory.supported_scopes();
        let is_known = |scope: &String| known.contains(&scope.as_str());
        assert!(authorization.scopes.iter().all(is_known));
    }
}

/// Checks a token request in JSON or in a query: the token must belong to a user or a machine of
/// the directory.
pub fn token(bytes: &[u8]) {
    let of_query = std::str::from_utf8(bytes).ok().and_then(|query| {
        let request = web::Query::<TokenRequest>::from_query(query).ok();
        request.map(web::Query::into_inner)
    });
    let of_json = serde_json::from_slice::<TokenRequest>(bytes).ok();
    let Some(instance) = &*INSTANCE else { return };
    for request in [of_query, of_json].into_iter().flatten() {
        let Ok((header, claims)) = instance.token_parts(&request, NOW) else {
            continue;
        };
        assert_eq!(header["alg"], "RS256");
        assert_eq!(claims["iss"], instance.issuer());
        let subject = claims["sub"].as_str().unwrap_or_default();
        let directory = instance.directory();
        let is_known = directory.user(subject).is_some() || subject.starts_with("mch_");
        assert!(is_known, "{claims}");
        let (issued, expires) = (claims["iat"].as_i64(), claims["exp"].as_i64());
        assert!(issued < expires, "{claims}");
    }
}

/// Checks the metadata of a client, from its registration or its document. Its redirect URIs must
/// not have a scheme that a browser handles itself, and its scopes must be scopes of the instance.
pub fn client(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        for is_loopback_allowed in [false, true] {
            if let Ok(url) = document::check_url(text, is_loopback_allowed) {
                assert_eq!(url.as_str(), text);
                assert!(url.scheme() == "https" || is_loopback_allowed);
            }
        }
        let mut settings = Settings::default();
        if let Ok(changes) = serde_json::from_str::<Map<String, Value>>(text)
            && settings.patch(changes).is_err()
        {
            assert_eq!(settings.mcp_servers, Settings::default().mcp_servers);
        }
    }
    let read = || serde_json::from_slice::<Metadata>(bytes).ok();
    let (Some(registers), Some(documents)) = (read(), read()) else {
        return;
    };
    let directory = Directory::default();
    let url = documents.client_id.clone().unwrap_or_default();
    let registered = registers
        .register(&directory, &[], NOW)
        .map(|(client, _)| client);
    let documented = documents.into_document_client(&url, &directory);
    for client in [registered, documented].into_iter().flatten() {
        assert!((1..=32).contains(&client.redirect_uris.len()));
        for uri in &client.redirect_uris {
            let scheme = Url::parse(uri).map(|url| url.scheme().to_owned());
            let scheme = scheme.unwrap_or_default();
            assert!(
                !["javascript", "data", "file", ""].contains(&&*scheme),
                "{uri}"
            );
        }
        let known = directory.supported_scopes();
        let is_known = |scope: &String| known.contains(&scope.as_str());
        assert!(client.scopes.iter().flatten().all(is_known));
    }
}

fn clients() -> [Client; 2] {
    let client = |id: &str, uris: &[&str], secret: Option<&str>| Client {
        id: id.to_owned(),
        name: id.to_owned(),
        redirect_uris: uris.iter().map(|uri| String::from(*uri)).collect(),
        scopes: None,
        secret: secret.map(Digest::of),
    };
    let uris = [
        "https://app.example.com/cb?x=1",
        "http://127.0.0.1/cb",
        "app.example:/cb",
    ];
    [
        client("https://app.example.com/c", &uris, None),
        client("client_1", &["http://localhost:7000/cb"], Some("secret")),
    ]
}

static INSTANCE: LazyLock<Option<Instance>> =
    LazyLock::new(|| Instance::new("http://127.0.0.1:4400", Directory::default()).ok());
const NOW: u64 = 1_750_000_000;
