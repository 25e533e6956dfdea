//! The program `clerk-emulator`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const PEOPLE: &str = r#"
[roles.fellow]
permissions = ["org:notes:read"]
[users.kay]
name = "Alan Kay"
[organizations.parc]
members = { kay = "fellow" }
"#;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_clerk-emulator"))
}

#[test]
fn bad_arguments_end_with_usage_and_status_2() {
    for (arguments, message) in [
        (vec!["--prot", "1"], "unknown argument `--prot`"),
        (vec!["--port"], "--port needs a value"),
        (vec!["--port", "70000"], "`70000` is not a port"),
    ] {
        let output = program().args(&arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            text.starts_with(&format!("clerk-emulator: {message}\n")),
            "{text}"
        );
        assert!(text.contains("usage: clerk-emulator"), "{text}");
    }
}

#[test]
fn help_is_printed_on_request() {
    let output = program().arg("--help").output().unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("usage: clerk-emulator")
    );
}

#[test]
fn an_invalid_directory_gives_one_line_with_line_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.toml");
    fs::write(&path, "[roles.admin]\npermissions = [\"documents\"]\n").unwrap();
    let output = program().arg("--directory").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "clerk-emulator: {}: line 2, column 16: roles.admin.permissions: `documents` is not of the form `org:<feature>:<action>`\n",
            path.display()
        )
    );
}

#[test]
fn the_printed_settings_and_command_work() {
    let directory = tempfile::tempdir().unwrap();
    let people = directory.path().join("people.toml");
    fs::write(&people, PEOPLE).unwrap();
    let mut command = program();
    command.args(["--port", "0", "--directory"]).arg(&people);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let printed: Vec<_> = lines.by_ref().take(9).collect();
    let text = printed.join("\n");
    let url = printed[0].rsplit(' ').next().unwrap();
    let answer = fetch(url, "/dev/token?user=kay&org=parc");
    let mut warning = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut warning)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(
        text.contains(&format!(
            "CLERK_FRONTEND_API_URL={url} CLERK_API_URL={url} CLERK_SECRET_KEY=sk_test_"
        )),
        "{text}"
    );
    assert!(
        text.contains("kay          Alan Kay (org:fellow of parc)"),
        "{text}"
    );
    assert!(
        text.contains(&format!("curl -s '{url}/dev/token?user=kay&org=parc'")),
        "{text}"
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(warning.contains("this is the Clerk emulator"), "{warning}");
}

#[test]
fn servers_on_the_command_line_are_registered_and_an_invalid_one_gives_one_line() {
    let (one, two) = ("http://127.0.0.1:3000/mcp", "https://mcp.example.com/mcp");
    let mut child = program()
        .args(["--port", "0", "--mcp-server", one, "--mcp-server", two])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let answer = fetch(first.rsplit(' ').next().unwrap(), "/dev/settings");
    child.kill().unwrap();
    child.wait().unwrap();
    let servers = format!(r#""mcp_servers":["{one}","{two}"]"#);
    assert!(answer.contains(&servers), "{answer}");
    assert!(answer.contains(r#""audience_claim":true"#), "{answer}");

    let output = program()
        .args(["--port", "0", "--mcp-server", "http://mcp.example.com/mcp"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "clerk-emulator: `http://mcp.example.com/mcp` cannot be registered as an MCP server: http is for \
         loopback addresses only\n"
    );
}

#[test]
fn an_unknown_approver_gives_one_line_with_the_known_names() {
    for (who, problem) in [
        (
            "bob",
            "there is no user `bob` (users: ada, grace, linus, margaret)",
        ),
        (
            "linus/acme",
            "`linus` is not a member of `acme` (organizations of `linus`: none)",
        ),
    ] {
        let output = program()
            .args(["--port", "0", "--approve-as", who])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        // The log is on stderr too, and its first warning may come after the error.
        let said: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("clerk-emulator: "))
            .collect();
        assert_eq!(said, [format!("clerk-emulator: {problem}")]);
    }
}

#[test]
fn the_log_contains_no_secret_of_a_client_or_a_user() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = program()
        .args(["--port", "0", "--approve-as", "ada/acme"])
        .env("RUST_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = String::from(first.rsplit(' ').next().unwrap());
    let printed: Vec<_> = lines.by_ref().take(3).map(Result::unwrap).collect();
    let secrets = actix_web::rt::System::new().block_on(sign_in_at(&url));
    child.kill().unwrap();
    child.wait().unwrap();

    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("client refused"), "{log}");
    let secret_key = printed.join(" ");
    let secret_key = secret_key.split("CLERK_SECRET_KEY=").nth(1).unwrap();
    for secret in secrets
        .iter()
        .map(String::as_str)
        .chain([secret_key.trim()])
    {
        assert!(secret.len() > 30, "{secret}");
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

/// Signs a client in and makes one request that is refused. Returns the secrets of the sign-in.
async fn sign_in_at(url: &str) -> Vec<String> {
    use crate::sign_in::{VERIFIER, text};
    use serde_json::Value;

    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let json = async |request: reqwest::RequestBuilder| -> Value {
        let text = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let post = |path: &str, media_type: &str, body: String| {
        let request = client.post(format!("{url}{path}"));
        request.header("content-type", media_type).body(body)
    };
    let form = |body: String| post("/oauth/token", "application/x-www-form-urlencoded", body);
    let metadata = r#"{"redirect_uris": ["http://127.0.0.1/cb"], "scope": "openid"}"#;
    let registered = json(post("/oauth/register", "application/json", metadata.into())).await;
    let (id, secret) = (
        text(&registered, "client_id"),
        text(&registered, "client_secret"),
    );
    let query = format!(
        "response_type=code&client_id={id}&state=a-long-state-of-the-client-itself&scope=openid\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    let authorize = client.get(format!("{url}/oauth/authorize?{query}"));
    let response = authorize.send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap();
    let code = location.split("code=").nth(1).unwrap();
    let code = code.split('&').next().unwrap();
    let body = format!(
        "grant_type=authorization_code&code={code}&client_id={id}&client_secret={secret}&code_verifier={VERIFIER}"
    );
    let answer = json(form(body.clone())).await;
    let refused = json(form(body)).await;
    assert_eq!(refused["error"], "invalid_grant");
    let userinfo = client.get(format!("{url}/oauth/userinfo"));
    let userinfo = userinfo.bearer_auth(text(&answer, "access_token"));
    assert_eq!(json(userinfo).await["sub"], "user_ada");
    ["access_token", "refresh_token", "id_token"]
        .map(|name| String::from(text(&answer, name)))
        .into_iter()
        .chain([secret, code, VERIFIER].map(String::from))
        .collect()
}

fn fetch(url: &str, path: &str) -> String {
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
