//! Restarts of a server with a local Clerk: clients stay signed in. Each server is a separate
//! process.

use std::fs;
use std::path::Path;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, SERVED};
use crate::reply::Reply;
use crate::support::{client, message};

const REDIRECT: &str = "http://127.0.0.1:7777/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A state file, and the servers that use it one after the other on one port.
struct Restarts {
    folder: TempDir,
    port: Option<String>,
}

impl Restarts {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            port: None,
        }
    }

    fn state(&self) -> String {
        let path = self.folder.path().join("state.json");
        path.to_str().unwrap().to_owned()
    }

    fn start(&mut self, program: &str) -> Process {
        let state = self.state();
        let port = self.port.as_deref().unwrap_or("0");
        let environment = [("MCP_AUTH_EMULATOR_STATE", state.as_str()), ("PORT", port)];
        let process = Process::start_program(program, &environment);
        let endpoint = process.fact("endpoint");
        let port = endpoint.rsplit(':').next().unwrap();
        self.port = Some(port.trim_end_matches("/mcp").to_owned());
        process
    }
}

/// A client that has registered and that ada has allowed for acme.
struct SignedIn {
    client_id: String,
    access: String,
    refresh: String,
}

impl SignedIn {
    async fn at(process: &Process) -> Self {
        let metadata = json!({
            "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "none",
            "scope": "profile email offline_access user:org:read",
        });
        let registered = post(process, "/oauth/register", JSON, metadata.to_string()).await;
        let client_id = registered["client_id"].as_str().unwrap().to_owned();
        let settings = client()
            .patch(format!("{}/dev/settings", process.issuer()))
            .header(CONTENT_TYPE, JSON)
            .body(r#"{"approve_as": "ada/acme"}"#);
        assert_eq!(settings.send().await.unwrap().status(), 200);
        let query = format!(
            "response_type=code&client_id={client_id}&scope=profile+user:org:read+offline_access\
             &code_challenge={CHALLENGE}&code_challenge_method=S256&resource={}",
            process.fact("endpoint")
        );
        let url = format!("{}/oauth/authorize?{query}", process.issuer());
        let answer = client().get(url).send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap();
        let code = location.split("code=").nth(1).unwrap();
        let code = code.split('&').next().unwrap();
        let body = format!(
            "grant_type=authorization_code&code={code}&client_id={client_id}&code_verifier={VERIFIER}"
        );
        let tokens = post(process, "/oauth/token", FORM, body).await;
        Self::with(client_id, &tokens)
    }

    fn with(client_id: String, tokens: &Value) -> Self {
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self {
            client_id,
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    async fn refresh(self, process: &Process) -> Self {
        let body = format!(
            "grant_type=refresh_token&refresh_token={}&client_id={}",
            self.refresh, self.client_id
        );
        let tokens = post(process, "/oauth/token", FORM, body).await;
        Self::with(self.client_id, &tokens)
    }
}

async fn post(process: &Process, path: &str, media_type: &str, body: String) -> Value {
    let url = format!("{}{path}", process.issuer());
    let request = client().post(url).header(CONTENT_TYPE, media_type);
    let reply = Reply::read(request.body(body).send().await.unwrap()).await;
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    reply.json()
}

async fn minted(process: &Process, query: &str) -> String {
    let url = format!("{}/dev/token?{query}", process.issuer());
    let answer = client().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    answer.text().await.unwrap()
}

async fn call(process: &Process, tool: &str, token: &str) -> Reply {
    let request = client()
        .post(process.fact("endpoint"))
        .bearer_auth(token)
        .header(CONTENT_TYPE, JSON)
        .body(message("tools/call", json!({ "name": tool })));
    Reply::read(request.send().await.unwrap()).await
}

async fn keys(process: &Process) -> String {
    let url = format!("{}/.well-known/jwks.json", process.issuer());
    client()
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[actix_web::test]
async fn a_client_stays_signed_in_over_a_restart() {
    let mut restarts = Restarts::new();
    let process = restarts.start(SERVED);
    let issuer = process.issuer().to_owned();
    let mut ada = SignedIn::at(&process).await;
    let opaque = minted(&process, "user=grace&org=acme&format=opaque").await;
    for _ in 0..2 {
        call(&process, "who_am_i", &ada.access)
            .await
            .expect_text("user_ada");
    }
    let log = process.kill();
    assert!(!log.contains("sign in again"), "{log}");

    for _ in 0..2 {
        let process = restarts.start(SERVED);
        assert_eq!(process.issuer(), issuer);
        call(&process, "who_am_i", &ada.access)
            .await
            .expect_text("user_ada");
        call(&process, "read_documents", &opaque)
            .await
            .expect_text("Documents of org_acme");
        ada = ada.refresh(&process).await;
        call(&process, "read_documents", &ada.access)
            .await
            .expect_text("Documents of org_acme");
        drop(process);
    }
}

#[actix_web::test]
async fn a_permission_that_is_new_after_a_restart_applies_to_signed_in_clients() {
    let mut restarts = Restarts::new();
    // This program has no tool that requires a permission.
    let process = restarts.start(env!("CARGO_BIN_EXE_sign_in"));
    let ada = SignedIn::at(&process).await;
    let directory = process.issuer().to_owned();
    let page = client().get(&directory).send().await.unwrap();
    assert!(!page.text().await.unwrap().contains("org:documents:read"));
    drop(process);
    let process = restarts.start(SERVED);
    call(&process, "read_documents", &ada.access)
        .await
        .expect_text("Documents of org_acme");
}

#[actix_web::test]
async fn a_second_server_at_the_same_time_runs_without_state_and_says_so() {
    let mut restarts = Restarts::new();
    let first = restarts.start(SERVED);
    let ada = SignedIn::at(&first).await;
    let state = restarts.state();
    let before = fs::read(&state).unwrap();
    let second = Process::start(&[("MCP_AUTH_EMULATOR_STATE", &state)]);
    assert_ne!(second.issuer(), first.issuer());
    assert_ne!(keys(&second).await, keys(&first).await);
    assert!(!second.printed().contains("  state "));
    minted(&second, "user=ada&format=opaque").await;
    let log = second.kill();
    assert!(
        log.contains("runs without a state file") && log.contains("is in use by another emulator"),
        "{log}"
    );
    assert_eq!(fs::read(&state).unwrap(), before);
    let ada = ada.refresh(&first).await;
    call(&first, "who_am_i", &ada.access)
        .await
        .expect_text("user_ada");
}

#[actix_web::test]
async fn if_the_port_is_taken_at_a_restart_another_is_used_with_a_warning() {
    let mut restarts = Restarts::new();
    let first = restarts.start(SERVED);
    let (issuer, first_keys) = (first.issuer().to_owned(), keys(&first).await);
    drop(first);
    let address = issuer.strip_prefix("http://").unwrap();
    let taken = std::net::TcpListener::bind(address).unwrap();
    let second = restarts.start(SERVED);
    assert_ne!(second.issuer(), issuer);
    assert_eq!(keys(&second).await, first_keys);
    let log = second.kill();
    assert!(
        log.contains("takes another one: clients must sign in again") && log.contains(address),
        "{log}"
    );
    drop(taken);
}

#[actix_web::test]
async fn a_damaged_state_file_is_put_aside_with_a_warning() {
    let mut restarts = Restarts::new();
    let state = restarts.state();
    fs::write(&state, "{\"kid\":").unwrap();
    let process = restarts.start(SERVED);
    let token = minted(&process, "user=ada&org=acme").await;
    call(&process, "who_am_i", &token)
        .await
        .expect_text("user_ada");
    let log = process.kill();
    assert!(
        log.contains("WARN") && log.contains("the state is lost: clients must sign in again"),
        "{log}"
    );
    let aside = fs::read_to_string(format!("{state}.unusable")).unwrap();
    assert_eq!(aside, "{\"kid\":");
}

/// The program in cargo's layout, in its own folder.
#[cfg(unix)]
#[actix_web::test]
async fn the_state_file_is_private_below_target_and_deleting_it_resets_the_state() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().canonicalize().unwrap();
    let program = target.join("debug/served");
    fs::create_dir(target.join("debug")).unwrap();
    fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
    fs::copy(SERVED, &program).unwrap();
    let start = || {
        // An empty variable counts as not set.
        let unset = [("MCP_AUTH_EMULATOR_STATE", "")];
        Process::start_program(program.to_str().unwrap(), &unset)
    };
    let first = start();
    let state = target.join("mcp-auth/served.json");
    assert_eq!(
        first.fact("state"),
        format!(
            "{} (keeps clients signed in; delete it to start afresh)",
            state.display()
        )
    );
    let token = minted(&first, "user=ada").await;
    let (issuer, first_keys) = (first.issuer().to_owned(), keys(&first).await);
    drop(first);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o600);
    let content = fs::read_to_string(&state).unwrap();
    assert!(!content.contains(&token));
    let second = start();
    assert_eq!(
        (second.issuer(), keys(&second).await),
        (issuer.as_str(), first_keys.clone())
    );
    drop(second);
    fs::remove_file(&state).unwrap();
    let afresh = start();
    assert_ne!(keys(&afresh).await, first_keys);
    drop(afresh);
    fs::remove_file(target.join("CACHEDIR.TAG")).unwrap();
    let elsewhere = start();
    assert!(!elsewhere.printed().contains("  state "));
    let log = elsewhere.kill();
    assert!(
        log.contains("the local Clerk keeps no state") && log.contains("not in a target directory"),
        "{log}"
    );
}
