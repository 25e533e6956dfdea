//! The floor: what these tools cost on actix when somebody writes the server for them by hand.
//!
//! It makes the checks that the framework makes of a request, answers byte for byte what `subject`
//! answers, and leaves out what only a framework needs: it runs on actix-http without a router, knows
//! its three tools at compile time, and fetches the issuer's keys once. `TOOLS=n` puts n tools more
//! into its list, as in `subject`. Listens on `127.0.0.1:$PORT`, and takes `CLERK_FRONTEND_API_URL`,
//! `CLERK_API_URL` and `CLERK_SECRET_KEY`.

#![allow(
    clippy::disallowed_methods,
    reason = "there is no clock to replace here"
)]

mod answer;
mod http;
mod list;
mod member;
mod message;
mod object;
/// As the framework writes strings.
#[path = "../../../../mcp-auth/src/protocol/string.rs"]
mod string;
mod token;

use std::env;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_http::HttpService;
use actix_server::Server;

use crate::list::Lists;
use crate::member::Directory;
use crate::token::Authenticator;

/// Everything that does not change while the server runs.
struct Site {
    names: [Name; 3],
    origins: Vec<String>,
    authenticator: Authenticator,
    directory: Option<Directory>,
    lists: Lists,
    started: Instant,
}

/// The endpoint under one of its names, with the challenges that it answers there.
struct Name {
    host: String,
    sign_in: actix_http::header::HeaderValue,
    invalid_token: actix_http::header::HeaderValue,
}

impl Site {
    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Name {
    fn new(name: &str, port: u16) -> Result<Self, Box<dyn Error>> {
        let host = format!("{name}:{port}");
        let tail = format!(
            r#"resource_metadata="http://{host}/.well-known/oauth-protected-resource/mcp", scope="{SCOPES}""#
        );
        Ok(Self {
            sign_in: format!("Bearer {tail}").parse()?,
            invalid_token: format!(
                r#"Bearer error="invalid_token", error_description="{}", {tail}"#,
                answer::INVALID_TOKEN
            )
            .parse()?,
            host,
        })
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let tools = env::var("TOOLS").map_or(Ok(0), |tools| tools.parse())?;
    let issuer = env::var("CLERK_FRONTEND_API_URL")?;
    let [ipv4, name, ipv6] = LOOPBACK.map(|name| Name::new(name, port));
    let names = [ipv4?, name?, ipv6?];
    let resources = names
        .each_ref()
        .map(|name| format!("http://{}/mcp", name.host));
    let site: &'static Site = Box::leak(Box::new(Site {
        names,
        origins: list_in("MCP_ALLOWED_ORIGINS").unwrap_or_default(),
        authenticator: Authenticator::new(&issuer, resources.into(), list_in("PARTIES")).await?,
        directory: Directory::from_environment()?,
        lists: Lists::new(tools),
        started: Instant::now(),
    }));
    let server = Server::build().bind("floor", ("127.0.0.1", port), move || {
        // As `HttpServer` has it.
        HttpService::build()
            .client_disconnect_timeout(Duration::from_secs(1))
            .h1_allow_half_closed(false)
            .h1(move |request| http::serve(site, request))
            .tcp()
    })?;
    server.run().await?;
    Ok(())
}

fn list_in(name: &str) -> Option<Vec<String>> {
    let list = env::var(name).ok()?;
    Some(list.split(',').map(str::to_owned).collect())
}

/// In milliseconds since 1970.
fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
/// What a client is told to ask for at first.
const SCOPES: &str = "profile email user:org:read";
