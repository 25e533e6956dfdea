//! The program `clerk-emulator`.

use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;

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
        (vec!["--port", "70000"], "`70000` is no port"),
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
fn a_bad_directory_is_one_line_that_names_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("people.toml");
    fs::write(&path, "[roles.admin]\npermissions = [\"documents\"]\n").unwrap();
    let output = program().arg("--directory").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "clerk-emulator: {}: roles.admin.permissions: `documents` is not of the form `org:<feature>:<action>`\n",
            path.display()
        )
    );
}

#[test]
fn what_it_prints_is_enough_to_use_it() {
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
