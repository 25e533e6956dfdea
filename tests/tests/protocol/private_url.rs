//! A canonical URL with plain http in a private network of containers: the metadata, and the hosts
//! that are allowed.

use std::io;
use std::net::IpAddr;

use clerk_emulator::TokenRequest;
use mcp_auth::{ServerBuilder, Severity};
use reqwest::Method;
use serde_json::json;

use crate::process::without_code;
use crate::raw;
use crate::reply::Reply;
use crate::support::{World, builder, emulator, message};

const URL: &str = "http://mcp:3000/mcp";

mod plain {
    /// Need nothing.
    #[mcp_auth::mcp_tool]
    async fn nothing() {}
}

/// Resolves names of a private network of containers, and other names.
fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    let addresses: &[&str] = match host {
        "mcp" => &["172.18.0.2"],
        "both" => &["10.1.2.3", "fd00::7"],
        "local" => &["127.0.0.1", "::1"],
        "link" => &["169.254.10.1", "fe80::1"],
        "overlay" => &["100.64.0.9"],
        "mixed" => &["10.1.2.3", "203.0.113.9"],
        "public" => &["2606:4700::1111"],
        "mapped" => &["::ffff:8.8.8.8"],
        "empty" => &[],
        _ => return Err(io::Error::other("no such name")),
    };
    Ok(addresses
        .iter()
        .map(|address| address.parse().unwrap())
        .collect())
}

fn permitted(builder: ServerBuilder, url: &str) -> ServerBuilder {
    builder.url(url).dangerous_http_url().resolver(resolve)
}

async fn asked(world: &World, method: &Method, path: &str, head: &[&str], body: &str) -> Reply {
    let mut connection = world.raw().await;
    let request = raw::request(method.as_str(), path, head, body.as_bytes());
    connection.write(&request).await;
    connection.reply().await
}

#[actix_web::test]
async fn metadata_challenge_host_and_audience_follow_a_private_http_url() {
    let world = World::with(|builder| permitted(builder, "http://mcp:3000")).await;
    let host = "Host: mcp:3000";
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    let document = asked(&world, &Method::GET, metadata, &[host], "").await;
    assert_eq!(document.json()["resource"], URL);
    let challenge = asked(&world, &Method::GET, "/mcp", &[host], "").await;
    let challenge = challenge.expect_status(401).challenge().to_owned();
    assert!(
        challenge.contains(&format!(r#"resource_metadata="http://mcp:3000{metadata}""#)),
        "{challenge}"
    );
    for other in ["Host: mcp", "Host: mcp:3001", &world.host_line()] {
        let reply = asked(&world, &Method::GET, "/mcp", &[other], "").await;
        reply.expect_status(403);
    }
    // The strict rules off loopback apply: an audience is required, and there is no page.
    let call = message("tools/call", json!({ "name": "who_am_i" }));
    for (token, status) in [
        (TokenRequest::oauth("ada").aud(URL), 200),
        (TokenRequest::oauth("ada").aud("https://mcp:3000/mcp"), 401),
        (TokenRequest::oauth("ada"), 401),
    ] {
        // Keys of a local Clerk are refused off loopback, so this test uses opaque tokens.
        let bearer = format!("Authorization: Bearer {}", world.mint(&token.opaque()));
        let head = [host, &bearer, "Content-Type: application/json"];
        let reply = asked(&world, &Method::POST, "/mcp", &head, &call).await;
        reply.expect_status(status);
    }
    let page = [host, "Origin: http://localhost:5173"];
    let reply = asked(&world, &Method::OPTIONS, "/mcp", &page, "").await;
    reply.expect_status(403);
    world.expect_runs(1);
}

#[actix_web::test]
async fn an_http_url_starts_only_if_all_addresses_of_its_host_are_private() {
    let clerk = emulator().await;
    let server = |url: &str| {
        let builder = builder(&clerk).tools_of("protocol::private_url::plain");
        permitted(builder, url)
    };
    for url in [
        "http://mcp:3000",
        "http://both",
        "http://local:8080/mcp",
        "http://link",
        "http://overlay",
    ] {
        server(url).build().await.unwrap();
    }
    // Neither an https URL nor a loopback URL is resolved.
    for url in ["https://nowhere.example", "http://localhost:3000"] {
        server(url).build().await.unwrap();
    }
    for (url, text) in [
        (
            "http://mixed:3000",
            "`url` is plain http, and its host mixed has the address 203.0.113.9, which is not private; use an https URL, or a host that has only private addresses",
        ),
        (
            "http://public",
            "`url` is plain http, and its host public has the address 2606:4700::1111, which is not private; use an https URL, or a host that has only private addresses",
        ),
        (
            "http://mapped",
            "`url` is plain http, and its host mapped has the address ::ffff:8.8.8.8, which is not private; use an https URL, or a host that has only private addresses",
        ),
        (
            "http://nowhere:3000/mcp",
            "`url` is plain http, and its host nowhere does not resolve: no such name; start the server in a network that resolves this host, or use an https URL",
        ),
        (
            "http://empty",
            "`url` is plain http, and its host empty does not resolve: it has no address; start the server in a network that resolves this host, or use an https URL",
        ),
        (
            "ftp://mcp",
            "`url`: it is not an http(s) URL; set it like https://mcp.example.com/mcp",
        ),
        (
            "http://ada@mcp",
            "`url`: it must have no query, fragment or credentials; set it like https://mcp.example.com/mcp",
        ),
    ] {
        let error = server(url).build().await.unwrap_err();
        assert_eq!(without_code(&error.to_string()), text);
    }
    // IP addresses do not need the resolver, and the system reads them without a network.
    let literal = |url: &str| {
        let builder = builder(&clerk).tools_of("protocol::private_url::plain");
        builder.url(url).dangerous_http_url()
    };
    literal("http://10.0.0.7:3000").build().await.unwrap();
    literal("http://[fd00::7]:3000").build().await.unwrap();
    for url in ["http://8.8.8.8:3000", "http://[2606:4700::1111]"] {
        let error = literal(url).build().await.unwrap_err().to_string();
        assert!(error.contains("which is not private"), "{error}");
    }
}

#[actix_web::test]
async fn without_the_setting_no_name_and_no_address_allows_http() {
    let clerk = emulator().await;
    for url in [
        "http://mcp:3000",
        "http://10.0.0.7:3000",
        "http://[fd00::7]",
    ] {
        let server = builder(&clerk)
            .tools_of("protocol::private_url::plain")
            .resolver(resolve)
            .url(url);
        let error = server.build().await.unwrap_err();
        assert_eq!(
            without_code(&error.to_string()),
            "`url`: it must be https, except on loopback; set it like https://mcp.example.com/mcp"
        );
    }
}

#[actix_web::test]
async fn a_check_warns_of_a_private_http_url_and_names_one_that_does_not_start() {
    let clerk = emulator().await;
    let check = async |url: &str| {
        let builder = builder(&clerk).tools_of("protocol::private_url::plain");
        let report = permitted(builder, url).host("0.0.0.0").check().await;
        let named = report.findings().iter();
        named
            .filter(|finding| {
                finding.what().contains("TLS") || finding.what().contains("plain http")
            })
            .map(|finding| (finding.severity(), finding.what().to_owned()))
            .collect::<Vec<_>>()
    };
    let warning = |url: &str| {
        let text = format!("the server has the URL {url}, without TLS");
        (Severity::Warning, text)
    };
    assert_eq!(check("http://mcp:3000").await, [warning(URL)]);
    let error = "`url` is plain http, and its host public has the address 2606:4700::1111, which is not private";
    assert_eq!(
        check("http://public").await,
        [
            (Severity::Error, error.to_owned()),
            warning("http://public/mcp"),
        ]
    );
}
