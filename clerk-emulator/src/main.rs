//! `clerk-emulator`: runs a local Clerk on a loopback port until it is interrupted.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "standard output is the user interface of this program"
)]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clerk_emulator::{Directory, Emulator, EmulatorOptions, Instance, MintError, TokenRequest};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("clerk-emulator: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match actix_rt::System::new().block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clerk-emulator: {}", with_sources(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let mut options = EmulatorOptions::default().port(arguments.port);
    if let Some(path) = arguments.directory {
        options = options.directory(Directory::read(path)?);
    }
    if let Some(path) = arguments.state {
        options = options.state_file(path);
    }
    for url in arguments.mcp_servers {
        options = options.mcp_server(url);
    }
    let emulator = Emulator::start(options).await?;
    if let Some(who) = &arguments.approve_as {
        check_approver(emulator.instance(), who)?;
    }
    emulator.instance().change_settings(|settings| {
        settings.approve_as = arguments.approve_as;
        settings.loopback_client_documents = arguments.allow_loopback_cimd;
    });
    announce(&emulator);
    actix_rt::signal::ctrl_c().await?;
    emulator.stop().await;
    Ok(())
}

/// Checks that the person exists. If `who` names an organization, also checks the membership.
fn check_approver(instance: &Instance, who: &str) -> Result<(), MintError> {
    let request = match who.split_once('/') {
        Some((user, organization)) => TokenRequest::oauth(user).org(organization),
        None => TokenRequest::oauth(who),
    };
    instance.token_parts(&request, 0).map(|_| ())
}

fn announce(emulator: &Emulator) {
    let url = emulator.url();
    let instance = emulator.instance();
    let directory = instance.directory();
    println!("A local Clerk, for development only: {url}\n");
    println!("Start an MCP server with");
    let secret_key = instance.secret_key();
    println!(
        "  CLERK_FRONTEND_API_URL={url} CLERK_API_URL={url} CLERK_SECRET_KEY={}\n",
        secret_key.expose()
    );
    println!("{}", directory.who_is_who());
    println!("Mint a token:");
    println!("  curl -s '{url}/dev/token?{}'", example_query(&directory));
}

/// The query of a token for the first person of the directory, in the person's first organization
/// if there is one.
fn example_query(directory: &Directory) -> String {
    let Some(user) = directory.users().next() else {
        return String::from("user=NAME");
    };
    match directory.memberships_of(&user.id).next() {
        Some(membership) => format!("user={}&org={}", user.username, membership.slug),
        None => format!("user={}", user.username),
    }
}

/// The arguments of the command line.
#[derive(Debug)]
struct Arguments {
    port: u16,
    directory: Option<PathBuf>,
    state: Option<PathBuf>,
    mcp_servers: Vec<String>,
    approve_as: Option<String>,
    allow_loopback_cimd: bool,
}

impl Arguments {
    /// Reads the arguments. `None` if help is requested.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut parsed = Self {
            port: DEFAULT_PORT,
            directory: None,
            state: None,
            mcp_servers: Vec::new(),
            approve_as: None,
            allow_loopback_cimd: false,
        };
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--port" => {
                    let text = value()?;
                    let port = text.parse();
                    parsed.port = port.map_err(|_| format!("`{text}` is not a port"))?;
                }
                "--directory" => parsed.directory = Some(value()?.into()),
                "--state" => parsed.state = Some(value()?.into()),
                "--mcp-server" => parsed.mcp_servers.push(value()?),
                "--approve-as" => parsed.approve_as = Some(value()?),
                "--allow-loopback-cimd" => parsed.allow_loopback_cimd = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown argument `{name}`")),
            }
        }
        Ok(Some(parsed))
    }
}

/// An error and its causes, on one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

const DEFAULT_PORT: u16 = 4400;
const USAGE: &str = "\
usage: clerk-emulator [--port PORT] [--directory FILE] [--state FILE] [--mcp-server URL]... [--approve-as WHO]
                      [--allow-loopback-cimd]

  --port PORT            listen on 127.0.0.1:PORT (default: 4400). 0 means any free port; with --state it means
                         the port of the last start if that port is free
  --directory FILE       people, organizations, roles, machines and scopes, as TOML (default: ada, grace, ...)
  --state FILE           keep keys, clients, grants and opaque tokens in FILE, so that they survive a restart;
                         a missing file is created with mode 0600
  --mcp-server URL       register an MCP server, like Agents -> MCP servers -> Add MCP server in the dashboard.
                         Access tokens for this server then have URL as their audience. Can be repeated
  --approve-as WHO       approve every client of this machine without a page, as the user WHO: ada, or
                         ada/acme to choose an organization
  --allow-loopback-cimd  also fetch metadata documents of clients (CIMD) from this machine, over http";
