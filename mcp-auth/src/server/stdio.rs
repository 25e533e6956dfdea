//! Serves one client over stdin and stdout.

use std::io::{self, Write};
use std::sync::Arc;

use crate::clerk::{CONVENTIONS, ClerkClaims};
use crate::http::Site;
use crate::identity::{Authenticator, LocalUser, Organizations};
use crate::protocol::{AnonymousAccess, Transport};
use crate::stdio::{Credentials, StdioConfig, serve};

use super::assemble::{Identity, Parts, assemble};
use super::builder::stdio::{StdioOptions, TOKEN};
use super::builder::tokens::HeldKeys;
use super::builder::{LocalClerkChoice, Monitoring, ServerBuilder};
use super::check::panics;
use super::codes;
use super::environment::Environment;
use super::error::{Error, Result};
use super::finding::{Finding, Findings};
use super::log::{self, Beside};
use super::report::Report;
use super::resolve::{Purpose, Settings, policy};
use super::runtime::{clock, io_thread};
use super::satisfiable::check_guards;
use super::serve::{StopSignals, close};
use super::start::{self, Server};

impl ServerBuilder {
    /// Serves the client that started this program, over stdin and stdout, with one JSON-RPC message in each line. Serves
    /// until stdin ends, or until SIGTERM or Ctrl-C. Running calls then have less than a second to end, and the future
    /// completes within two seconds.
    ///
    /// The caller is the owner of the access token in `MCP_AUTH_TOKEN`. The server verifies the token again for every
    /// message. Without a token, the caller is the [`local_user`](Self::local_user). Without a local user too, the caller is
    /// anonymous, if the server is [`discoverable`](Self::discoverable). Settings that concern connections, browsers and
    /// proxies have no effect.
    ///
    /// The report of the start, the log and panics go to standard error. Only protocol messages go to standard output. On
    /// Unix, text that other code prints to standard output after this call goes to standard error too.
    ///
    /// With `MCP_AUTH` in the environment, the program prints the check or the access matrix to standard output
    /// instead of serving, as with [`serve`](Self::serve).
    ///
    /// ```no_run
    /// #[actix_web::main]
    /// async fn main() -> mcp_auth::Result<()> {
    ///     mcp_auth::server!().require_scope("documents").serve_stdio().await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`build`](Self::build) fails. A server with a local user needs no Clerk instance.
    /// - There is no caller: `MCP_AUTH_TOKEN` is not set, the code names no local user, and the server is not
    ///   discoverable.
    /// - The program is a release build with a local user, and the code does not call
    ///   [`dangerous_local_user_in_release`](Self::dangerous_local_user_in_release).
    /// - The server cannot register handlers for signals, or cannot start its threads.
    ///
    /// Source: MCP 2026-07-28, basic/transports/stdio.
    pub async fn serve_stdio(self) -> Result<()> {
        let env = Environment::process();
        let Some(builder) = self.unless_printed(env).await? else {
            return Ok(());
        };
        let output = own_stdout()?;
        // A server over stdio makes no spans.
        log::subscribe(&env, &Beside::default());
        let started = Started::of(builder, env).await.map_err(Error::start)?;
        let mut signals = StopSignals::listen()?;
        // A closed standard error does not stop the server.
        let _ = io::stderr().write_all(started.report.as_bytes());
        let endpoint = Arc::clone(&started.config.endpoint);
        let ended = serve(started.config, io::stdin(), output, signals.next()).await;
        close(endpoint.audit_log().map(Arc::clone)).await;
        Ok(ended?)
    }
}

/// A server that is ready to serve its client.
struct Started {
    config: StdioConfig,
    report: String,
    /// The look-ups and the local Clerk, which live as long as the server.
    _server: Option<Server>,
}

impl Started {
    async fn of(builder: ServerBuilder, env: Environment<'_>) -> Result<Self, Finding> {
        let load = builder.limits.resolve(None, &mut Findings::default());
        let messages = load.calls.saturating_add(BESIDE_CALLS);
        let (credentials, in_words) = match StdioOptions::token(&env)? {
            Some(token) => (Credentials::Token(token), format!("the token in {TOKEN}")),
            None => match builder.stdio.user(cfg!(debug_assertions))?.cloned() {
                Some(user) => return Self::of_local_user(builder, &env, &user, messages),
                None if builder.scopes.anonymous != AnonymousAccess::None => {
                    (Credentials::Anonymous, "anonymous".to_owned())
                }
                None => {
                    let what = format!("{TOKEN} is not set, and the code names no local user");
                    let remedy = format!(
                        "set {TOKEN} to an access token for this server, or name a user with `local_user`"
                    );
                    return Err(Finding::new(&codes::CALLER_MISSING, what).remedy_is(remedy));
                }
            },
        };
        let server = start::build(builder, env, Purpose::Stdio).await?;
        let report = Report::clone(&server.report).over_stdio(in_words);
        Ok(Self {
            config: config(&server.site(), credentials, messages),
            report: report.to_string(),
            _server: Some(server),
        })
    }

    /// A server with a local user accepts no tokens, so it needs no Clerk instance.
    fn of_local_user(
        mut builder: ServerBuilder,
        env: &Environment<'_>,
        user: &LocalUser,
        messages: usize,
    ) -> Result<Self, Finding> {
        let mut findings = Findings::default();
        let settings = Settings::read(&builder, env, &mut findings);
        // The organization, the role and the permissions of the user are known.
        let keys = HeldKeys {
            secret: true,
            machine: false,
            local_clerk: false,
        };
        let policy = policy(&builder, env, None, "", keys, &mut findings);
        if let Ok(registry) = &settings.registry {
            findings.extend(check_guards(registry, &builder, true, &policy).err());
        }
        findings.extend(panics());
        findings.extend(env.unread());
        findings.check()?;
        findings.log(&[]);
        let clock = clock(&mut builder);
        let io = io_thread()?;
        let organizations = Organizations::new(
            None,
            None,
            &CONVENTIONS,
            Arc::clone(&clock),
            io.handle().clone(),
        );
        let (authenticator, caller) = Authenticator::of_local_user(
            policy.clone(),
            Arc::new(ClerkClaims),
            Arc::clone(&clock),
            user,
        );
        let canonical = settings.canonical?;
        let (site, report) = assemble(Parts {
            gate: settings.allowed.gate(&canonical),
            canonical,
            builder,
            local_clerk: LocalClerkChoice::default(),
            load: settings.load,
            monitoring: Monitoring::default(),
            proxies: settings.proxies,
            registry: settings.registry?,
            state_keys: settings.state_keys?,
            transport: Transport::Stdio,
            audit: settings.audit,
            revocation_file: settings.revocation_file?,
            policy,
            identity: Identity {
                authenticator,
                organizations,
                documents: Vec::new(),
                local: None,
            },
            clock,
        })?;
        let in_words = format!("{} (a local user, without a token)", user.in_words());
        Ok(Self {
            config: config(&Arc::new(site), Credentials::LocalUser(caller), messages),
            report: report.over_stdio(in_words).to_string(),
            _server: None,
        })
    }
}

fn config(site: &Arc<Site>, credentials: Credentials, messages: usize) -> StdioConfig {
    StdioConfig {
        endpoint: Arc::clone(&site.endpoint),
        authenticator: Arc::clone(&site.authenticator),
        credentials,
        line_limit: site.body_limit,
        line_bytes: Arc::clone(&site.body_bytes),
        messages,
    }
}

/// Returns the standard output of the process, for protocol messages. Text that other code prints to standard output
/// afterwards goes to standard error.
#[cfg(unix)]
fn own_stdout() -> io::Result<std::fs::File> {
    let own = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), FIRST_FREE)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(own.into())
}

#[cfg(not(unix))]
fn own_stdout() -> io::Result<io::Stdout> {
    Ok(io::stdout())
}

/// The number of messages that may be handled at once besides the calls of the caller. At most 16 subscriptions are open,
/// and at most 16 calls wait for an answer. So the server can always read the lines with cancellations and answers.
const BESIDE_CALLS: usize = 64;
/// The first descriptor after standard input, output and error.
#[cfg(unix)]
const FIRST_FREE: i32 = 3;
