//! A client that starts the program `stdio`, writes lines to its standard input, and reads each line of its standard
//! output as a message.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clerk_emulator::{Emulator, TokenRequest};
use serde_json::{Map, Value, json};

use crate::schema::expect_valid;
use crate::support::{Era, LEGACY, MODERN};

/// The id of the last message that is read.
const LAST: &str = r#""id":"last""#;
const PROGRAM: &str = env!("CARGO_BIN_EXE_stdio");

/// A running program and its client.
pub(super) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    reading: Option<JoinHandle<BufReader<ChildStdout>>>,
    log: Option<JoinHandle<String>>,
    era: Era,
    capabilities: Value,
    next_id: u64,
    /// Messages that were read while the test waited for another message.
    others: Vec<Value>,
}

/// The variables of a program whose caller presents this token of the local Clerk.
pub(super) fn with_token(clerk: &Emulator, token: &str) -> Vec<(&'static str, String)> {
    vec![
        ("MCP_AUTH_TOKEN", token.to_owned()),
        ("CLERK_FRONTEND_API_URL", clerk.url().to_owned()),
        ("CLERK_API_URL", clerk.url().to_owned()),
        (
            "CLERK_SECRET_KEY",
            clerk.instance().secret_key().expose().to_owned(),
        ),
    ]
}

/// The variables of a program whose caller is the local user `ada`.
pub(super) fn with_local_user() -> Vec<(&'static str, String)> {
    vec![("LOCAL_USER", "ada".to_owned())]
}

/// A token for the server.
pub(super) fn mint(clerk: &Emulator, request: &TokenRequest) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    clerk.instance().mint(request, now).unwrap()
}

/// An OAuth token of `ada`, admin of `acme`.
pub(super) fn ada(clerk: &Emulator) -> String {
    mint(clerk, &TokenRequest::oauth("ada").org("acme"))
}

impl Program {
    /// Starts the program with these variables only. A legacy client has not sent `initialize` yet.
    pub(super) fn spawn(era: Era, variables: &[(&str, String)]) -> Self {
        let mut child = command(variables).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        let reading = thread::spawn(move || {
            let mut stdout = stdout;
            let mut line = String::new();
            while stdout.read_line(&mut line).unwrap_or_default() > 0 {
                let message = line.trim_end_matches('\n').to_owned();
                let is_last = message.contains(LAST);
                line.clear();
                if sender.send(message).is_err() || is_last {
                    break;
                }
            }
            stdout
        });
        // A thread reads all the time, because a full pipe would block the program.
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        Self {
            child,
            stdin,
            lines,
            reading: Some(reading),
            log: Some(log),
            era,
            capabilities: json!({ "elicitation": { "form": {} } }),
            next_id: 1,
            others: Vec::new(),
        }
    }

    /// Starts the program. A legacy client opens its session.
    pub(super) fn start(era: Era, variables: &[(&str, String)]) -> Self {
        let mut program = Self::spawn(era, variables);
        program.connect();
        program
    }

    pub(super) fn connect(&mut self) {
        match self.era {
            Era::Legacy => {
                let capabilities = self.capabilities.clone();
                let result = self.result(
                    "initialize",
                    json!({
                        "protocolVersion": LEGACY,
                        "capabilities": capabilities,
                        "clientInfo": { "name": "tests", "version": "1" },
                    }),
                );
                expect_valid(self.era, "InitializeResult", &result);
                self.notify("notifications/initialized", json!({}));
            }
            Era::Modern => {
                let result = self.result("server/discover", json!({}));
                expect_valid(self.era, "DiscoverResult", &result);
            }
        }
    }

    /// Declares other capabilities than those for forms.
    pub(super) fn set_capabilities(&mut self, capabilities: Value) {
        self.capabilities = capabilities;
    }

    /// Writes bytes to the standard input.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    pub(super) fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write it with `json!`"
    )]
    pub(super) fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request. Returns its id.
    pub(super) fn request(&mut self, method: &str, mut params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.era == Era::Modern {
            let meta = params.as_object_mut().unwrap().entry("_meta");
            let meta = meta.or_insert_with(|| Map::new().into());
            meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        }
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write it with `json!`"
    )]
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
    }

    /// Returns the next message, which must match the published schema.
    #[track_caller]
    pub(super) fn next(&mut self) -> Value {
        match self.next_within(Duration::from_secs(20)) {
            Some(message) => message,
            None => panic!("no message; {:?}", self.child.try_wait()),
        }
    }

    /// Returns the next message. `None` if there is none in time, or if the output ended.
    #[track_caller]
    pub(super) fn next_within(&mut self, time: Duration) -> Option<Value> {
        let line = self.lines.recv_timeout(time).ok()?;
        Some(checked(self.era, &line))
    }

    /// Returns the response to a request. Other messages are kept.
    #[track_caller]
    pub(super) fn response(&mut self, id: u64) -> Value {
        let is_it = |message: &Value| message["id"] == id && message.get("method").is_none();
        if let Some(at) = self.others.iter().position(is_it) {
            return self.others.remove(at);
        }
        loop {
            let message = self.next();
            if is_it(&message) {
                return message;
            }
            self.others.push(message);
        }
    }

    /// Returns the messages that were read while the test waited for another message.
    pub(super) fn take_others(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.others)
    }

    /// Sends a request. Returns its result.
    #[track_caller]
    pub(super) fn result(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let response = self.response(id);
        assert!(response.get("result").is_some(), "{response}");
        response["result"].clone()
    }

    /// Sends a request. Returns its error.
    #[track_caller]
    pub(super) fn error(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let response = self.response(id);
        assert!(response.get("error").is_some(), "{response}");
        response["error"].clone()
    }

    /// Calls a tool. Returns its result.
    #[track_caller]
    pub(super) fn called(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.call(tool, arguments);
        self.call_result(id)
    }

    /// Returns the result of a call.
    #[track_caller]
    pub(super) fn call_result(&mut self, id: u64) -> Value {
        let response = self.response(id);
        assert!(response.get("result").is_some(), "{response}");
        let result = response["result"].clone();
        if result["resultType"] != "input_required" && result["resultType"] != "task" {
            expect_valid(self.era, "CallToolResult", &result);
        }
        result
    }

    /// Calls a tool. Returns the text of its result, which is no error.
    #[track_caller]
    pub(super) fn text(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.called(tool, arguments);
        assert_ne!(result["isError"], true, "{result}");
        text_of(&result)
    }

    /// The resident memory of the program, on systems that report it.
    pub(super) fn resident_kib(&self) -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    /// Sends a signal, given by name.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Reads no more of the standard output. Returns the pipe, which the test closes or keeps.
    pub(super) fn stop_reading(&mut self) -> BufReader<ChildStdout> {
        // The thread that reads ends with the response to this request.
        self.write(b"{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}\n");
        while self.next()["id"] != "last" {}
        self.reading.take().unwrap().join().unwrap()
    }

    /// Writes bytes to the standard input in the background, which may block.
    pub(super) fn write_in_background(&mut self, bytes: Vec<u8>) {
        let mut stdin = self.stdin.take().unwrap();
        thread::spawn(move || stdin.write_all(&bytes));
    }

    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits until the program ends.
    #[track_caller]
    pub(super) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Closes standard input, and waits until the program ends with exit code 0. Returns the remaining messages and the
    /// text of standard error.
    #[track_caller]
    pub(super) fn finish(mut self) -> (Vec<Value>, String) {
        self.close_stdin();
        let status = self.wait();
        let mut messages = self.take_others();
        messages.extend(std::iter::from_fn(|| {
            self.next_within(Duration::from_secs(5))
        }));
        let log = self.log.take().unwrap().join().unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        (messages, log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program that does not start. Returns its standard error.
#[track_caller]
pub(super) fn refusal(variables: &[(&str, String)]) -> String {
    let output = command(variables).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The text of a result.
pub(super) fn text_of(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

fn command(variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("MCP_AUTH_EMULATOR_STATE", "off")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Reads a line as a message of the published schema.
#[track_caller]
fn checked(era: Era, line: &str) -> Value {
    let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    let has = |name: &str| message.get(name).is_some();
    let definition = match (has("method"), has("id"), has("result")) {
        (true, true, _) => "JSONRPCRequest",
        (true, false, _) => "JSONRPCNotification",
        (false, _, true) => "JSONRPCResultResponse",
        (false, _, false) => "JSONRPCErrorResponse",
    };
    expect_valid(era, definition, &message);
    match (era, definition) {
        (_, "JSONRPCNotification") => expect_valid(era, "ServerNotification", &message),
        (Era::Legacy, "JSONRPCRequest") => expect_valid(era, "ServerRequest", &message),
        // Over stdio a modern server must not send requests.
        (Era::Modern, "JSONRPCRequest") => panic!("a request to a modern client: {line}"),
        _ => {}
    }
    message
}
