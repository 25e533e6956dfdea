//! Measures the memory of a server with many open subscriptions.
//!
//! The program starts itself a second time as the server, so that the figures do not include the clients and the local
//! Clerk. The arguments are the number of subscriptions and the number of minutes that they stay open.

#![allow(clippy::print_stdout, reason = "the program prints its figures")]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use clerk_emulator::{Emulator, EmulatorOptions, TokenRequest};
use mcp_auth::{mcp_resource, mcp_tool};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A page of the organization.
#[mcp_resource("wiki://pages/{name}", permission = "org:documents:read")]
async fn page(name: String) -> String {
    name
}

/// Delete a page.
#[mcp_tool(permission = "org:documents:delete")]
async fn delete_page(name: String) -> String {
    name
}

#[actix_web::main]
async fn main() -> Result<()> {
    if env::var_os("SUBSCRIPTIONS").is_some() {
        return serve().await;
    }
    let mut arguments = env::args().skip(1).map(|argument| argument.parse());
    let count: usize = arguments.next().transpose()?.unwrap_or(10_000);
    let minutes: usize = arguments.next().transpose()?.unwrap_or(5);
    let clerk = Emulator::start(EmulatorOptions::default()).await?;
    let mut server = Server::start(&clerk, count)?;
    println!("idle          {}", server.figures(0)?);
    let begun = Instant::now();
    let mut streams = Vec::new();
    for user in 0..count.div_ceil(OF_USER) {
        let name = format!("user{user}");
        clerk
            .instance()
            .set_member(&name, "acme", "member", &["org:documents:read"]);
        let token = TokenRequest::oauth(&name).org("acme");
        let token = clerk.instance().mint(&token, now()?)?;
        for stream in 0..OF_USER.min(count - streams.len()) {
            streams.push(open(&server.address, &token, stream).await?);
        }
    }
    let opened = begun.elapsed().as_secs_f64();
    println!("after {opened:5.1} s  {}", server.figures(count)?);
    for minute in 1..=minutes {
        sleep(Duration::from_secs(60)).await;
        println!("{minute} min         {}", server.figures(count)?);
    }
    let begun = Instant::now();
    server.tell("publish")?;
    for stream in &mut streams {
        until(stream, "notifications/tools/list_changed").await?;
    }
    let told = begun.elapsed().as_secs_f64();
    println!("told {told:5.1} s   {}", server.figures(count)?);
    drop(streams);
    while server.subscriptions()? > 0 {
        sleep(Duration::from_millis(50)).await;
    }
    println!("closed        {}", server.figures(0)?);
    Ok(())
}

/// Runs the server. It prints its port, and then answers each line of its input with the number of subscriptions. The
/// line `publish` publishes a change first.
async fn serve() -> Result<()> {
    let most = env::var("SUBSCRIPTIONS")?.parse()?;
    let server = mcp_auth::server!()
        .connections(most + 1_000)
        .connections_per_network(most + 1_000)
        .subscriptions(most)
        .membership_look_ups_per_10s(10_000);
    let notifier = server.notifier();
    let running = server.port(0).start().await;
    let running = running.map_err(|error| error.to_string())?;
    println!("{}", running.address());
    let ended = actix_web::rt::task::spawn_blocking(move || {
        for line in io::stdin().lines() {
            if line? == "publish" {
                notifier.tools_changed();
            }
            println!("{}", notifier.subscriptions());
        }
        io::Result::Ok(())
    });
    ended.await??;
    running.stop().await;
    Ok(())
}

/// The server, as a process of its own.
struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: String,
    /// The resident memory before the first subscription, in KiB.
    idle: usize,
}

impl Server {
    fn start(clerk: &Emulator, subscriptions: usize) -> Result<Self> {
        let secret = clerk.instance().secret_key();
        let mut child = Command::new(env::current_exe()?)
            .env("SUBSCRIPTIONS", subscriptions.to_string())
            .env("CLERK_FRONTEND_API_URL", clerk.url())
            .env("CLERK_API_URL", clerk.url())
            .env("CLERK_SECRET_KEY", secret.expose())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut address = String::new();
        output.read_line(&mut address)?;
        let mut server = Self {
            child,
            input,
            output,
            address: address.trim().to_owned(),
            idle: 0,
        };
        server.idle = server.resident()?;
        Ok(server)
    }

    fn tell(&mut self, line: &str) -> Result<usize> {
        writeln!(self.input, "{line}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        Ok(answer.trim().parse()?)
    }

    fn subscriptions(&mut self) -> Result<usize> {
        self.tell("count")
    }

    /// The resident memory in KiB.
    fn resident(&self) -> Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }

    /// The processor time in seconds.
    fn cpu(&self) -> Result<f64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        let mut nanoseconds = 0.0;
        for thread in threads {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().ok_or("no schedstat")?;
            nanoseconds += first.parse::<f64>()?;
        }
        Ok(nanoseconds / 1e9)
    }

    fn figures(&mut self, expected: usize) -> Result<String> {
        let count = self.subscriptions()?;
        if count != expected {
            return Err(format!("{count} subscriptions instead of {expected}").into());
        }
        let resident = self.resident()?;
        let each = match count {
            0 => 0.0,
            count => resident.saturating_sub(self.idle) as f64 / count as f64,
        };
        let cpu = self.cpu()?;
        let total = resident / 1024;
        Ok(format!(
            "{count:6} subscriptions  {total:5} MiB  {each:6.1} KiB each  {cpu:6.2} s of CPU"
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a subscription, and returns when the server has acknowledged it.
async fn open(address: &str, token: &str, stream: usize) -> Result<TcpStream> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {
            "notifications": {
                "toolsListChanged": true,
                "resourceSubscriptions": [format!("wiki://pages/{stream}"), "wiki://pages/front"],
            },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let body = body.to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all((head + &body).as_bytes()).await?;
    until(&mut connection, "notifications/subscriptions/acknowledged").await?;
    Ok(connection)
}

/// Reads until a text arrives.
async fn until(connection: &mut TcpStream, text: &str) -> Result<()> {
    let mut arrived = Vec::new();
    loop {
        if connection.read_buf(&mut arrived).await? == 0 {
            return Err(String::from_utf8_lossy(&arrived).into());
        }
        if String::from_utf8_lossy(&arrived).contains(text) {
            return Ok(());
        }
    }
}

fn now() -> Result<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tokens of a measurement are valid by the clock of the machine"
    )]
    let now = std::time::SystemTime::now();
    Ok(now.duration_since(std::time::UNIX_EPOCH)?.as_secs())
}

/// The subscriptions of one user: the most of one principal.
const OF_USER: usize = 16;
