//! Servers that speak TLS: the clients that can use them, changed certificates, and handshakes that clients hold.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::time::Duration;

use actix_web::{App, web};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mcp_auth::testing::TestClock;
use mcp_auth::{ServerBuilder, Severity};
use reqwest::tls::Version;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::parked::Gate;
use crate::process::{Process, refusal, without_code};
use crate::raw::{Raw, post, request};
use crate::secured::{NAMES, Pair, Secured, pem};
use crate::support::{
    ERAS, Era, MODERN, World, builder, client, emulator, eventually, message, modern_meta,
};

mod tools {
    use mcp_auth::{Context, mcp_tool};

    /// Tell who is calling.
    #[mcp_tool]
    async fn who_am_i(caller: &mcp_auth::Caller) -> String {
        caller.subject().to_owned()
    }

    /// Delete a document.
    #[mcp_tool(permission = "org:documents:delete")]
    async fn delete() -> &'static str {
        "deleted"
    }

    /// Report some progress.
    #[mcp_tool]
    async fn report(cx: &Context) -> &'static str {
        for step in 1..=3 {
            cx.progress(step, 3, None);
            tokio::task::yield_now().await;
        }
        "reported"
    }
}

async fn secured(settings: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    World::secured("protocol::tls::tools", settings).await
}

async fn exchange(world: &World, connection: &mut Raw) {
    let get = request("GET", "/x", &[&world.host_line()], b"");
    connection.write(&get).await;
    assert_eq!(connection.reply().await.status, 404);
}

#[actix_web::test]
async fn a_client_lists_and_calls_gets_a_stream_and_is_denied() {
    let world = secured(|builder| builder).await;
    for era in ERAS {
        let list = world.list(era).bearer(&world.ada()).send().await;
        assert_eq!(list.result()["tools"].as_array().unwrap().len(), 3);
        let call = world.call(era, "who_am_i", json!({}));
        call.bearer(&world.ada())
            .send()
            .await
            .expect_text("user_ada");
        let denied = world.call(era, "delete", json!({}));
        let denied = denied.bearer(&world.grace()).send().await;
        assert_eq!(denied.result()["isError"], true);
        let mut params = json!({ "name": "report", "arguments": {} });
        params["_meta"] = json!({ "progressToken": 1 });
        let asked = match era {
            Era::Legacy => world.ask(era, "tools/call", params),
            Era::Modern => {
                let mut meta = modern_meta();
                meta["progressToken"] = json!(1);
                params["_meta"] = meta;
                let text = message("tools/call", params);
                let asked = world.post(text).header("mcp-protocol-version", MODERN);
                let asked = asked.header("mcp-method", "tools/call");
                asked.header("mcp-name", "report")
            }
        };
        let streamed = asked.bearer(&world.ada()).send().await;
        assert!(!streamed.notified("notifications/progress").is_empty());
        streamed.expect_text("reported");
    }
    let anonymous = world.list(Era::Legacy).send().await;
    let challenge = anonymous.expect_status(401).challenge().to_owned();
    assert!(
        challenge.contains("resource_metadata=\"https://127.0.0.1:"),
        "{challenge}"
    );
}

#[actix_web::test]
async fn without_a_url_the_canonical_url_is_https() {
    let world = secured(|builder| builder).await;
    let metadata = world.get("/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(metadata.json()["resource"], world.url());
    assert!(world.url().starts_with("https://127.0.0.1:"));
}

#[actix_web::test]
async fn a_client_of_tls_1_2_and_one_of_tls_1_3_are_served() {
    let world = secured(|builder| builder).await;
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let only = world.certificate().client_of(version);
        let call = world.call(Era::Legacy, "who_am_i", json!({})).over(&only);
        call.bearer(&world.ada())
            .send()
            .await
            .expect_text("user_ada");
    }
}

#[actix_web::test]
async fn a_client_that_does_not_trust_the_certificate_sends_nothing() {
    let world = secured(|builder| builder).await;
    assert!(client().get(world.url()).send().await.is_err());
}

#[actix_web::test]
async fn a_request_in_plain_http_gets_400() {
    let world = secured(|builder| builder).await;
    let mut plain = Raw::connect(world.server.address).await;
    plain
        .write(&request("GET", "/mcp", &[&world.host_line()], b""))
        .await;
    let reply = plain.reply().await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.body, b"This port speaks https, not http\n");
    assert_eq!(plain.ended().await, b"");
}

#[actix_web::test]
async fn bytes_that_begin_no_handshake_close_the_connection() {
    // With these limits the test would time out if the server waited for a limit.
    let world = secured(|builder| builder.head_deadline(LONG).idle_limit(LONG)).await;
    let record = [&b"\x16\x03\x01\x00\x20"[..], &[0xFF; 32]].concat();
    for bytes in [
        &b"\0"[..],
        b"\x80\x2e\x01\x03\x01",
        b"\xFF\xFF\xFF\xFF\xFF",
        &record,
    ] {
        let mut connection = Raw::connect(world.server.address).await;
        connection.write(bytes).await;
        if bytes.len() < 5 {
            // The client closes its side, because the server cannot know that no record follows.
            let stream = connection.stream();
            stream.shutdown().await.unwrap();
        }
        connection.ended().await;
    }
    exchange(&world, &mut world.raw().await).await;
}

#[actix_web::test]
async fn a_handshake_that_is_held_ends_at_the_deadline_of_a_head() {
    let world = secured(|builder| builder.head_deadline(SHORT).idle_limit(LONG)).await;
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for begun in [&b""[..], b"\x16", hello] {
        let mut connection = Raw::connect(world.server.address).await;
        connection.write(begun).await;
        assert_eq!(connection.ended().await, b"", "{begun:?}");
    }
    // The deadline of a head no longer applies after the handshake.
    let mut idle = world.raw().await;
    let silent = timeout(3 * SHORT, idle.stream().read_u8()).await;
    assert!(silent.is_err(), "{silent:?}");
    exchange(&world, &mut idle).await;
}

#[actix_web::test]
async fn a_connection_counts_from_its_handshake_on_and_makes_room() {
    let world = secured(|builder| {
        let builder = builder.connections(3).connections_per_network(3);
        builder.head_deadline(LONG).idle_limit(LONG)
    })
    .await;
    let held = FuturesUnordered::new();
    for _ in 0..3 {
        let mut connection = Raw::connect(world.server.address).await;
        connection.write(b"\x16").await;
        held.push(async move { connection.ended().await });
    }
    let mut held = pin!(held);
    let mut next = world.raw().await;
    exchange(&world, &mut next).await;
    assert_eq!(held.next().await.unwrap(), b"");
    let mut another = world.raw().await;
    exchange(&world, &mut another).await;
    assert_eq!(held.next().await.unwrap(), b"");
    exchange(&world, &mut next).await;
    exchange(&world, &mut another).await;
}

#[actix_web::test]
async fn if_every_connection_is_in_a_call_the_next_one_is_closed() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::secured("protocol::parked", |builder| {
        builder
            .connections(2)
            .connections_per_network(2)
            .state(state)
    })
    .await;
    let body = message("tools/call", json!({ "name": "wait_openly" }));
    let head = [&world.host_line(), "Content-Type: application/json"];
    let mut calls = Vec::new();
    for entered in 1..=2 {
        let mut connection = world.raw().await;
        connection
            .write(&post("/mcp", &head, body.as_bytes()))
            .await;
        eventually("the call waits", || gate.entered() == entered).await;
        calls.push(connection);
    }
    let refused = TcpStream::connect(world.server.address).await.unwrap();
    assert!(world.certificate().connect(refused).await.is_err());
    gate.open();
    for call in &mut calls {
        assert_eq!(call.reply().await.status, 200);
    }
    exchange(&world, &mut world.raw().await).await;
}

#[actix_web::test]
async fn a_client_that_ends_tls_cancels_its_call() {
    let gate = Gate::closed();
    let state = gate.clone();
    let world = World::secured("protocol::parked", |builder| builder.state(state)).await;
    let params = json!({ "name": "wait_openly", "_meta": modern_meta() });
    let head = [
        &*world.host_line(),
        "Content-Type: application/json",
        &format!("MCP-Protocol-Version: {MODERN}"),
        "Mcp-Method: tools/call",
        "Mcp-Name: wait_openly",
    ];
    let call = post("/mcp", &head, message("tools/call", params).as_bytes());
    let mut connection = world.raw().await;
    connection.write(&call).await;
    eventually("the call waits", || gate.entered() == 1).await;
    // The client sends the alert `close_notify`, and then FIN.
    connection.close().await;
    eventually("the call is dropped", || {
        gate.abandoned() == ["wait_openly"]
    })
    .await;
    // The client sends FIN without an alert.
    let address = world.server.address;
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = world.certificate().connect(stream).await.unwrap();
    stream.write_all(&call).await.unwrap();
    stream.flush().await.unwrap();
    eventually("the call waits", || gate.entered() == 2).await;
    let (socket, _) = stream.get_mut();
    socket.shutdown().await.unwrap();
    eventually("the call is dropped", || gate.abandoned().len() == 2).await;
}

#[actix_web::test]
async fn a_connection_ends_with_an_alert_that_says_so() {
    let world = secured(|builder| builder.idle_limit(SHORT)).await;
    let stream = TcpStream::connect(world.server.address).await.unwrap();
    let mut stream = world.certificate().connect(stream).await.unwrap();
    let mut read = Vec::new();
    // Without `close_notify`, this would be an error.
    let ended = timeout(LONG, stream.read_to_end(&mut read)).await.unwrap();
    assert_eq!(ended.unwrap(), 0);
}

#[actix_web::test]
async fn a_changed_certificate_is_used_for_new_connections_and_open_ones_continue() {
    let world = secured(|builder| builder).await;
    let secured = world.certificate();
    let mut open = world.raw().await;
    exchange(&world, &mut open).await;
    let before = served(&world).await;
    secured.install(&secured.issue("second", NAMES, 2098));
    until_served(&world, &before).await;
    exchange(&world, &mut open).await;
    exchange(&world, &mut world.raw().await).await;
}

#[actix_web::test]
async fn a_certificate_behind_a_swapped_link_is_used() {
    let secured = Secured::new();
    let folders = [secured.path("a"), secured.path("b")];
    for (folder, name) in folders.iter().zip(["first", "second"]) {
        let pair = secured.issue(name, NAMES, 2099);
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("tls.crt"), pair.chain).unwrap();
        fs::write(folder.join("tls.key"), pair.key).unwrap();
    }
    let link = secured.path("current");
    std::os::unix::fs::symlink(&folders[0], &link).unwrap();
    let world = World::secured("protocol::tls::tools", |builder| {
        builder.tls(link.join("tls.crt"), link.join("tls.key"))
    })
    .await;
    let chain = |at: usize| fs::read_to_string(folders[at].join("tls.crt")).unwrap();
    let first = secured.served(world.server.address).await;
    assert_eq!(pem("CERTIFICATE", &first), chain(0));
    let next = secured.path("next");
    std::os::unix::fs::symlink(&folders[1], &next).unwrap();
    fs::rename(next, &link).unwrap();
    for _ in 0..PATIENCE_IN_POLLS {
        if secured.served(world.server.address).await != first {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = secured.served(world.server.address).await;
    assert_eq!(pem("CERTIFICATE", &second), chain(1));
}

#[actix_web::test]
async fn a_changed_pair_that_cannot_be_used_changes_nothing_and_is_counted() {
    let world = secured(|builder| builder.metrics("127.0.0.1:0")).await;
    let secured = world.certificate();
    let (good, other) = (
        secured.issue("good", NAMES, 2099),
        secured.issue("other", NAMES, 2099),
    );
    let mut served_before = served(&world).await;
    let (mut failed, mut loaded) = (0, 0);
    for (name, content) in [
        ("chain.pem", "no certificate"),
        ("chain.pem", ""),
        (
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----\n",
        ),
        // The certificate is good, but has another key.
        ("chain.pem", &other.chain),
        // The key belongs to the certificate, but the chain is too long.
        ("chain.pem", &other.chain.repeat(17)),
    ] {
        secured.write(name, content);
        failed += 1;
        until_counted(&world, "failed", failed).await;
        assert_eq!(served(&world).await, served_before, "{name}: {content}");
        // The server recovers by itself.
        secured.install(if loaded % 2 == 0 { &good } else { &other });
        loaded += 1;
        until_served(&world, &served_before).await;
        served_before = served(&world).await;
    }
    fs::remove_file(secured.path("key.pem")).unwrap();
    until_counted(&world, "failed", failed + 1).await;
    assert_eq!(served(&world).await, served_before);
    exchange(&world, &mut world.raw().await).await;
}

#[actix_web::test]
async fn an_expired_certificate_does_not_replace_a_valid_one() {
    let secured = Secured::new();
    let process = start(&secured);
    let metrics = process.fact("metrics").to_owned();
    let address = address(&process);
    let before = secured.served(address).await;
    secured.install(&secured.issue("old", NAMES, 2021));
    until_counted_at(&metrics, "failed", 1).await;
    assert_eq!(secured.served(address).await, before);
    secured.install(&secured.issue("good", NAMES, 2098));
    until_counted_at(&metrics, "ok", 1).await;
    assert_ne!(secured.served(address).await, before);
    // The certificate is used, although clients of the canonical URL refuse it.
    secured.install(&secured.issue("other", &["other.example.com"], 2099));
    until_counted_at(&metrics, "ok", 2).await;
    let log = stopped(process);
    let line = |text: &str| {
        let mut lines = log.lines().filter(|line| line.contains(text));
        let line = lines.next().unwrap_or_else(|| panic!("{text}: {log}"));
        assert_eq!(lines.next(), None, "{log}");
        line.to_owned()
    };
    let kept = line("certificate_unusable");
    for text in [
        "WARN",
        "clients would refuse the changed certificate; the last good certificate stays in use",
        "it has expired",
        "renew the certificate",
    ] {
        assert!(kept.contains(text), "{kept}");
    }
    let other = line("the certificate is not valid for the host of the canonical URL");
    assert!(
        other.contains("WARN") && other.contains("127.0.0.1"),
        "{other}"
    );
}

#[actix_web::test]
async fn a_certificate_that_is_not_valid_yet_is_used_when_its_time_has_come() {
    let world = secured(|builder| builder).await;
    let secured = world.certificate();
    let before = served(&world).await;
    let beginning = since_1970() + Duration::from_secs(4);
    secured.install(&secured.issue_from("early", beginning));
    loop {
        // Before its beginning, this client would refuse the new certificate.
        let served = served(&world).await;
        if since_1970() >= beginning {
            break;
        }
        assert_eq!(served, before);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until_served(&world, &before).await;
}

#[actix_web::test]
async fn an_expired_certificate_is_replaced_by_any_other() {
    let secured = Secured::new();
    secured.install(&secured.issue("old", NAMES, 2021));
    let process = start(&secured);
    let metrics = process.fact("metrics").to_owned();
    secured.install(&secured.issue("older", NAMES, 2020));
    until_counted_at(&metrics, "ok", 1).await;
    secured.install(&secured.issue("good", NAMES, 2099));
    until_counted_at(&metrics, "ok", 2).await;
    secured.served(address(&process)).await;
}

#[actix_web::test]
async fn a_certificate_that_expires_soon_is_used_and_named_in_the_log() {
    let secured = Secured::new();
    let process = start(&secured);
    let metrics = process.fact("metrics").to_owned();
    let end = since_1970() + Duration::from_secs(3 * 24 * 60 * 60);
    secured.install(&secured.issue_until("soon", end));
    until_counted_at(&metrics, "ok", 1).await;
    let log = stopped(process);
    assert!(log.contains("certificate_expiring"), "{log}");
}

#[actix_web::test]
async fn the_metrics_have_the_end_of_the_certificate() {
    let world = secured(|builder| builder.metrics("127.0.0.1:0")).await;
    let text = scrape(&world).await;
    // 2099-12-31T00:00:00Z
    let line = "mcp_auth_certificate_expires_seconds 4102358400";
    assert!(text.lines().any(|one| one == line), "{text}");
}

#[actix_web::test]
async fn an_application_of_ones_own_speaks_tls_with_the_same_limits() {
    let secured = Secured::new();
    let clerk = emulator().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = secured.apply(builder(&clerk));
    let server = server
        .tools_of("protocol::tls::tools")
        .url(format!("https://{address}"))
        .head_deadline(SHORT)
        .build()
        .await
        .unwrap();
    let mounted = server.clone();
    let application = move || {
        App::new()
            .route("/health", web::get().to(|| async { "ok" }))
            .configure(mounted.routes())
    };
    let http = server.listen(listener, application).unwrap();
    let (handle, running) = (http.handle(), actix_web::rt::spawn(http));
    let health = secured.client().get(format!("https://{address}/health"));
    assert_eq!(health.send().await.unwrap().text().await.unwrap(), "ok");
    let stream = TcpStream::connect(address).await.unwrap();
    let mut late = Raw::of(secured.connect(stream).await.unwrap());
    late.write(b"G").await;
    let answer = String::from_utf8(late.ended().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}

#[actix_web::test]
async fn files_that_cannot_be_used_stop_the_server_at_its_start() {
    let secured = Secured::new();
    let (chain, key) = (secured.path("chain.pem"), secured.path("key.pem"));
    let other = secured.issue("other", NAMES, 2099);
    secured.write("other-key.pem", &other.key);
    secured.write("not.pem", "-----BEGIN CERTIFICATE-----\nsecret");
    secured.write("empty.pem", "");
    let pair = secured.issue("long", NAMES, 2099);
    secured.write("long.pem", &pair.chain.repeat(17));
    secured.write("longest.pem", &pair.chain.repeat(16));
    secured.write("long-key.pem", &pair.key);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nbm8=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    secured.write("encrypted.pem", encrypted);
    let of = |name: &str| secured.path(name);
    for (chain, key, code, what) in [
        (
            of("none"),
            key.clone(),
            "tls-certificate-unusable",
            "there is no such file",
        ),
        (
            of("."),
            key.clone(),
            "tls-certificate-unusable",
            "it is not a regular file",
        ),
        (
            of("not.pem"),
            key.clone(),
            "tls-certificate-unusable",
            "it is not well-formed PEM",
        ),
        (
            of("empty.pem"),
            key.clone(),
            "tls-certificate-unusable",
            "it has no certificate in PEM form",
        ),
        (
            key.clone(),
            key.clone(),
            "tls-certificate-unusable",
            "it has no certificate in PEM form",
        ),
        (
            of("long.pem"),
            of("long-key.pem"),
            "tls-certificate-unusable",
            "it has more than 16 certificates",
        ),
        (
            chain.clone(),
            of("none"),
            "tls-key-unusable",
            "there is no such file",
        ),
        (
            chain.clone(),
            chain.clone(),
            "tls-key-unusable",
            "it has no private key in PEM form; an encrypted key cannot be used",
        ),
        (
            chain.clone(),
            of("encrypted.pem"),
            "tls-key-unusable",
            "it has no private key in PEM form; an encrypted key cannot be used",
        ),
        (
            chain.clone(),
            of("other-key.pem"),
            "tls-key-mismatch",
            "its private key does not belong to the first certificate of the chain",
        ),
    ] {
        let clerk = emulator().await;
        let server = builder(&clerk).tools_of("protocol::tls::tools");
        let error = server.tls(&chain, &key).build().await.unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with(&format!(" [{code}]")), "{text}");
        assert!(without_code(&text).contains(what), "{text}");
        assert!(
            !text.contains("secret") || what.contains("regular"),
            "{text}"
        );
    }
    let clerk = emulator().await;
    let server = builder(&clerk).tools_of("protocol::tls::tools");
    let server = server.tls(of("longest.pem"), of("long-key.pem"));
    server.build().await.unwrap();
}

#[actix_web::test]
async fn a_certificate_that_clients_will_refuse_is_a_warning() {
    let secured = Secured::new();
    let clerk = emulator().await;
    let checked = async |pair: &Pair, url: &str| {
        secured.install(pair);
        let server = secured.apply(builder(&clerk));
        let server = server.tools_of("protocol::tls::tools").url(url);
        let report = server.host("127.0.0.1").check().await;
        let found = report.findings().iter();
        let found = found.filter(|one| one.code().starts_with("certificate-"));
        let found: Vec<_> = found
            .map(|one| {
                assert_eq!(one.severity(), Severity::Warning);
                (
                    one.code(),
                    one.what().replace(&*secured.path("").to_string_lossy(), ""),
                )
            })
            .collect();
        (found, report.to_string())
    };
    let local = "https://127.0.0.1:3000";
    let (found, report) = checked(&secured.issue("good", NAMES, 2099), local).await;
    assert!(found.is_empty(), "{found:?}");
    let line = "ok       the certificate is valid for 127.0.0.1 until 2099-12-31\n";
    assert!(report.contains(line), "{report}");
    let (found, _) = checked(&secured.issue("old", NAMES, 2021), local).await;
    let what = "`tls`: the certificate in `chain.pem` expired on 2021-12-31";
    assert_eq!(found, [("certificate-expired", what.to_owned())]);
    let other = secured.issue("other", &["other.example.com", "*.example.org"], 2099);
    let (found, _) = checked(&other, local).await;
    let what = "`tls`: the certificate in `chain.pem` is not valid for `127.0.0.1`, the host of the canonical URL";
    assert_eq!(found, [("certificate-of-other-host", what.to_owned())]);
    let (found, _) = checked(&other, "https://mcp.example.org").await;
    assert!(found.is_empty(), "{found:?}");
    let (found, _) = checked(&other, "https://mcp.example.com").await;
    assert_eq!(found.len(), 1, "{found:?}");
}

#[actix_web::test]
async fn settings_that_contradict_tls_stop_the_server_at_its_start() {
    let secured = Secured::new();
    let (chain, key) = (secured.path("chain.pem"), secured.path("key.pem"));
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    let off = [("PORT", "0")];
    let with = |more: &[(&str, &str)]| refusal(&[&off, more].concat());
    assert_eq!(
        with(&[("MCP_TLS_CERT", chain)]),
        "MCP_TLS_CERT is set, but MCP_TLS_KEY is not set; set MCP_TLS_KEY too, or unset MCP_TLS_CERT"
    );
    assert_eq!(
        with(&[("MCP_TLS_KEY", key)]),
        "MCP_TLS_KEY is set, but MCP_TLS_CERT is not set; set MCP_TLS_CERT too, or unset MCP_TLS_KEY"
    );
    let both = [("MCP_TLS_CERT", chain), ("MCP_TLS_KEY", key)];
    assert_eq!(
        with(&[&both[..], &[("MCP_URL", "http://127.0.0.1:3000/mcp")]].concat()),
        "MCP_URL is `http://127.0.0.1:3000/mcp`, but the server speaks https only; set it to the https URL, or unset MCP_TLS_CERT and MCP_TLS_KEY"
    );
}

#[actix_web::test]
async fn the_report_of_the_start_names_the_certificate() {
    let secured = Secured::new();
    let (chain, key) = (secured.path("chain.pem"), secured.path("key.pem"));
    let process = Process::start(&[
        ("PORT", "0"),
        ("MCP_TLS_CERT", chain.to_str().unwrap()),
        ("MCP_TLS_KEY", key.to_str().unwrap()),
    ]);
    let printed = process.printed();
    assert!(
        printed.contains("  endpoint  https://127.0.0.1:"),
        "{printed}"
    );
    let line = format!(
        "  tls       the certificate in {}, which expires on 2099-12-31\n",
        chain.display()
    );
    assert!(printed.contains(&line), "{printed}");
}

#[actix_web::test]
async fn one_client_of_tls_that_never_reads_takes_a_bounded_memory() {
    let secured = Secured::new();
    let (chain, key) = (secured.path("chain.pem"), secured.path("key.pem"));
    let process = Process::start(&[
        ("PORT", "0"),
        ("MCP_TLS_CERT", chain.to_str().unwrap()),
        ("MCP_TLS_KEY", key.to_str().unwrap()),
    ]);
    let endpoint = process.fact("endpoint");
    let address = endpoint
        .trim_start_matches("https://")
        .trim_end_matches("/mcp");
    let address: SocketAddr = address.parse().unwrap();
    let host = format!("Host: {address}");
    let connect = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(address).await.unwrap();
        secured.connect(stream).await.unwrap()
    };
    // The first connections fill the buffers that the process keeps.
    for _ in 0..4 {
        let mut warm = Raw::of(connect().await);
        warm.write(&request("GET", "/x", &[&host], b"")).await;
        assert_eq!(warm.reply().await.status, 404);
    }
    let before = process.resident_kib();
    let mut held = Vec::new();
    for get in [
        request("GET", "/x", &[&host], b""),
        request("GET", "/mcp", &[&host], b""),
        request(
            "GET",
            "/.well-known/oauth-protected-resource/mcp",
            &[&host],
            b"",
        ),
    ] {
        let bytes = get.repeat(1_000);
        for _ in 0..4 {
            let mut stream = connect().await;
            let mut taken = 0;
            loop {
                let rest = &bytes[taken % get.len()..];
                let Ok(Ok(written)) = timeout(STALL, stream.write(rest)).await else {
                    break;
                };
                taken += written;
                assert!(taken < MOST_TAKEN, "the server took {taken} bytes");
            }
            held.push(stream);
        }
    }
    if let (Some(before), Some(after)) = (before, process.resident_kib()) {
        let each = after.saturating_sub(before) / held.len();
        assert!(each < 512, "{each} KiB for each connection");
    }
}

/// The certificate of a new connection, as DER.
async fn served(world: &World) -> Vec<u8> {
    world.certificate().served(world.server.address).await
}

/// Waits until new connections get another certificate than this one.
async fn until_served(world: &World, before: &[u8]) {
    for _ in 0..PATIENCE_IN_POLLS {
        if served(world).await != before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the certificate does not change");
}

/// Starts the program with TLS and metrics.
fn start(secured: &Secured) -> Process {
    let (chain, key) = (secured.path("chain.pem"), secured.path("key.pem"));
    Process::start(&[
        ("PORT", "0"),
        ("MCP_METRICS", "127.0.0.1:0"),
        ("MCP_TLS_CERT", chain.to_str().unwrap()),
        ("MCP_TLS_KEY", key.to_str().unwrap()),
    ])
}

fn address(process: &Process) -> SocketAddr {
    let endpoint = process.fact("endpoint");
    let address = endpoint.trim_start_matches("https://");
    address.trim_end_matches("/mcp").parse().unwrap()
}

/// Stops the program, and returns its log.
fn stopped(mut process: Process) -> String {
    process.signal("TERM");
    while process.ended().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    process.log()
}

fn since_1970() -> Duration {
    Duration::from_secs(TestClock::new().unix_seconds())
}

async fn until_counted(world: &World, result: &str, count: usize) {
    let url = format!("http://{}/metrics", world.server.metrics.unwrap());
    until_counted_at(&url, result, count).await;
}

/// Waits until this metric counts this number of changed certificates.
async fn until_counted_at(metrics: &str, result: &str, count: usize) {
    let line = format!("mcp_auth_certificate_reloads_total{{result=\"{result}\"}} {count}");
    for _ in 0..PATIENCE_IN_POLLS {
        if scrape_at(metrics).await.lines().any(|one| one == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {line}");
}

async fn scrape(world: &World) -> String {
    scrape_at(&format!("http://{}/metrics", world.server.metrics.unwrap())).await
}

async fn scrape_at(url: &str) -> String {
    client()
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

const SHORT: Duration = Duration::from_millis(300);
/// A server that takes no byte for this time reads no further.
const STALL: Duration = Duration::from_millis(500);
/// More bytes than the buffers of both sockets take. Linux lets them grow to 36 MiB.
const MOST_TAKEN: usize = 64 << 20;
const LONG: Duration = Duration::from_secs(30);
const PATIENCE_IN_POLLS: usize = 200;
