//! A server as a separate process: its output, its start-up errors, and signals.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use clerk_emulator::Emulator;

/// A running process. It is killed when the value is dropped.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    printed: String,
    log: Option<JoinHandle<String>>,
}

pub(crate) const SERVED: &str = env!("CARGO_BIN_EXE_served");

/// A program with exactly this environment. Its local Clerk has no state file unless the
/// environment names one.
fn command(program: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("MCP_AUTH_EMULATOR_STATE", "off")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a server that must not start. Returns its error.
#[track_caller]
pub(crate) fn refusal(environment: &[(&str, &str)]) -> String {
    refusal_of(SERVED, environment)
}

/// Runs another server that must not start. Returns its error.
#[track_caller]
pub(crate) fn refusal_of(program: &str, environment: &[(&str, &str)]) -> String {
    let output = command(program, environment).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "one line each: {text}");
    let error = text.trim().strip_prefix("Error: ").expect(&text);
    without_code(error).to_owned()
}

/// The text of a start-up error without the code of its finding, with which every start-up error
/// ends.
#[track_caller]
pub(crate) fn without_code(error: &str) -> &str {
    let (text, code) = error.rsplit_once(" [").expect(error);
    let code = code.strip_suffix(']').expect(error);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase());
    assert!(code.split('-').all(is_part), "{error}");
    text
}

/// Runs a check that ends with status 1. Returns its standard output and its standard error.
#[track_caller]
pub(crate) fn checked(environment: &[(&str, &str)]) -> (String, String) {
    let (status, printed, error) = run_check(environment);
    assert_eq!(status, 1, "{printed}{error}");
    (printed, error)
}

/// Runs a check. Returns its exit status, its standard output and its standard error.
#[track_caller]
pub(crate) fn run_check(environment: &[(&str, &str)]) -> (i32, String, String) {
    let mut environment = environment.to_vec();
    environment.push(("MCP_AUTH", "check"));
    let output = command(SERVED, &environment).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let status = output.status.code().expect("a signal ended the check");
    (status, text(output.stdout), text(output.stderr))
}

/// Runs a program that prints a text and exits with success. Returns the text.
#[track_caller]
pub(crate) fn printed_by(program: &str, environment: &[(&str, &str)]) -> String {
    let output = command(program, environment).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program `served`, which prints a text and exits with success. Returns the text.
#[track_caller]
pub(crate) fn printed(environment: &[(&str, &str)]) -> String {
    printed_by(SERVED, environment)
}

impl Process {
    /// Starts a server with a local Clerk on a free port. Returns when the server has printed its
    /// endpoint and the command to try it.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_program(SERVED, environment)
    }

    /// Starts this program with a local Clerk.
    pub(crate) fn start_program(program: &str, environment: &[(&str, &str)]) -> Self {
        let mut process = Self::begin(program, environment);
        process.read_until("curl");
        process
    }

    /// Starts the program `served` with this emulator, so it prints no command to try it.
    pub(crate) fn start_on(clerk: &Emulator, environment: &[(&str, &str)]) -> Self {
        // This is the last of the printed tools.
        Self::start_program_on(SERVED, clerk, environment, "who_am_i")
    }

    /// Starts a program with this emulator. Returns when the server has printed its last tool.
    pub(crate) fn start_program_on(
        program: &str,
        clerk: &Emulator,
        environment: &[(&str, &str)],
        last_tool: &str,
    ) -> Self {
        let secret_key = clerk.instance().secret_key();
        let mut environment = environment.to_vec();
        environment.push(("CLERK_FRONTEND_API_URL", clerk.url()));
        environment.push(("CLERK_API_URL", clerk.url()));
        environment.push(("CLERK_SECRET_KEY", secret_key.expose()));
        let mut process = Self::begin(program, &environment);
        process.read_until(last_tool);
        process
    }

    /// Spawns a program, on a free port if the environment names none.
    fn begin(program: &str, environment: &[(&str, &str)]) -> Self {
        let environment = [&[("PORT", "0")], environment].concat();
        let mut child = command(program, &environment).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        // A thread reads all the time, because a full pipe would block the program.
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        Self {
            child,
            stdout,
            printed: String::new(),
            log: Some(log),
        }
    }

    /// The text that was printed so far.
    pub(crate) fn printed(&self) -> &str {
        &self.printed
    }

    /// The value after a word at the start of a printed line.
    pub(crate) fn fact(&self, word: &str) -> &str {
        let line = self
            .printed
            .lines()
            .find_map(|line| line.trim().strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word} in {}", self.printed))
            .trim()
    }

    /// The resident memory of the process, on systems that report it.
    pub(crate) fn resident_kib(&self) -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    /// Sends a signal, given by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// The exit code, if the process has ended.
    pub(crate) fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// Kills the process. Returns its standard error.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log()
    }

    /// The issuer, without the remark after it.
    pub(crate) fn issuer(&self) -> &str {
        self.fact("issuer").split(' ').next().unwrap()
    }

    /// The standard error of the process, once it has ended.
    pub(crate) fn log(&mut self) -> String {
        self.log.take().unwrap().join().unwrap()
    }

    fn read_until(&mut self, word: &str) {
        loop {
            let start = self.printed.len();
            let read = self.stdout.read_line(&mut self.printed).unwrap();
            assert!(read > 0, "it ended after {}", self.printed);
            if self.printed[start..].contains(word) {
                return;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
