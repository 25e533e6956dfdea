//! The report that a server prints when it starts: its endpoint, the rules that it enforces, the
//! guards of its tools, and in development a command that calls the server.

use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "metrics")]
use std::net::SocketAddr;
use std::path::Path;

use crate::http::{Canonical, Explored, Local, Overview};
use crate::identity::{AudienceMode, Machine, Parties, TokenPolicy};
use crate::limits::Networks;
use crate::primitive::{PrimitiveKind, Registry};
use crate::protocol::AnonymousAccess;

use super::assemble::LocalClerk;
#[cfg(feature = "tls")]
use super::builder::Tls;
use super::builder::{Load, LocalClerkChoice, ServerBuilder, StateKeys};
use super::date::day_of;
use super::matrix::{AccessMatrix, Item};
use super::trial::{TryIt, try_it};

/// The data of the report.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    title: String,
    endpoint: String,
    /// The caller of a server over stdio.
    caller: Option<String>,
    pub(super) issuer: String,
    enforced: Vec<String>,
    limits: Vec<String>,
    /// The parts about the audit log, metrics, spans and TLS: the heading of each part, and its lines.
    further: Vec<(&'static str, Vec<String>)>,
    pub(super) matrix: AccessMatrix,
    /// A remark that is printed after the issuer.
    remark: &'static str,
    local: Option<TryIt>,
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "the facts of a server")]
    pub(super) fn new(
        builder: &ServerBuilder,
        local_clerk: &LocalClerkChoice,
        canonical: &Canonical,
        policy: &TokenPolicy,
        looks_up: bool,
        registry: &Registry,
        load: &Load,
        local: Option<&LocalClerk>,
    ) -> Self {
        let matrix = AccessMatrix::new(registry, &builder.scopes.required, policy)
            .with_organizations(builder.organizations)
            .for_anonymous(builder.scopes.anonymous);
        Self {
            title: format!("{} {}", builder.name, builder.version),
            endpoint: canonical.as_str().to_owned(),
            caller: None,
            issuer: policy.issuer.to_string(),
            enforced: enforced(builder, local_clerk, policy, looks_up),
            limits: limits(registry, load),
            further: Vec::new(),
            local: local.map(|local| try_it(builder, policy, registry, &matrix, local)),
            matrix: match (looks_up, &policy.sessions) {
                (true, _) => matrix,
                (false, Some(_)) => matrix.without_look_ups(),
                (false, None) => matrix.without_memberships(),
            },
            remark: match (local_clerk.runs, !local_clerk.kept_off_by.is_empty()) {
                (true, _) => " (a local Clerk, for development only)",
                (false, true) => " (configured, so no local Clerk was started)",
                (false, false) => "",
            },
        }
    }

    /// Adds a line that says which addresses the limits for networks count. `is_public` means that the server's URL is
    /// not on loopback, so a proxy is likely.
    pub(super) fn with_proxies(mut self, proxies: &Networks, is_public: bool) -> Self {
        let limited = "failed authentications and new opaque tokens are limited";
        if !proxies.is_empty() {
            let line = format!("{limited} per client network, as named by the proxies {proxies}");
            self.enforced.push(line);
        } else if is_public {
            let line = format!("{limited} per peer network; forwarding headers are not read");
            self.enforced.push(line);
        }
        self
    }

    /// Adds the file of the audit log.
    pub(super) fn audits_to(&mut self, file: &Path) {
        self.further
            .push(("audit   ", vec![format!("to {}", shown(file))]));
    }

    /// Adds the address of metrics. If other machines can reach it, also says what they read there.
    #[cfg(feature = "metrics")]
    pub(super) fn exposes_metrics_at(&mut self, address: SocketAddr) {
        let mut lines = vec![format!("http://{address}/metrics")];
        if !address.ip().is_loopback() {
            let line = "everyone who can connect to it reads the names of the tools, and the numbers of calls, denials and refused tokens";
            lines.push(line.to_owned());
        }
        self.further.push(("metrics ", lines));
    }

    /// Adds the certificate of a server that speaks TLS.
    #[cfg(feature = "tls")]
    pub(super) fn has_tls(&mut self, tls: &Tls) {
        let (path, end) = (&tls.path, tls.certificates.current().expires_unix_ms());
        let line = format!(
            "the certificate in {path}, which expires on {}",
            day_of(end)
        );
        let change = "a change of the certificate takes effect within a second, without a restart";
        self.further
            .push(("tls     ", vec![line, change.to_owned()]));
    }

    /// Adds the collector to which spans are exported.
    #[cfg(feature = "otel")]
    pub(super) fn exports_spans_to(&mut self, collector: &str) {
        self.further
            .push(("spans   ", vec![format!("to {collector}")]));
    }

    /// Makes this the report of a stdio server, which has one caller and no URL.
    #[cfg(feature = "stdio")]
    pub(super) fn over_stdio(mut self, caller: String) -> Self {
        self.endpoint = "stdin and stdout".to_owned();
        self.caller = Some(caller);
        self.local = None;
        // A server without an issuer accepts no token, and looks up no membership.
        if self.issuer.is_empty() {
            self.enforced.clear();
        }
        self
    }

    /// Adds a line if no other process can continue a call that waits for a person in this process.
    pub(super) fn with_state_keys(mut self, keys: &StateKeys, registry: &Registry) -> Self {
        let asks = registry.iter().any(|served| served.uses_context());
        if asks && keys.0.is_none() {
            let line = "questions to people end with this process; with MCP_AUTH_STATE_KEYS other processes can continue them";
            self.limits.push(line.to_owned());
        }
        self
    }

    /// Returns the data of the development page for browsers. Its matrix also has a column for each role of the local
    /// Clerk, so the page shows which roles pass a guard that requires a permission.
    pub(super) fn overview(
        &self,
        builder: &ServerBuilder,
        registry: &Registry,
        local: Option<&LocalClerk>,
        explored: Explored,
    ) -> Overview {
        let seats = local.into_iter().flat_map(|local| &local.seats);
        let roles = seats.filter_map(|seat| Some((seat.role.as_ref()?, &seat.permissions)));
        let roles: BTreeMap<_, _> = roles.collect();
        let matrix = roles
            .iter()
            .fold(self.matrix.clone(), |matrix, (role, permissions)| {
                let permissions: Vec<_> = permissions.iter().map(String::as_str).collect();
                matrix.role(role, &permissions)
            });
        let mut notes = matrix.notes();
        let note = local.and_then(|local| local.note);
        notes.extend(note.map(str::to_owned));
        Overview {
            name: builder.name.clone(),
            title: builder.title.as_ref().unwrap_or(&builder.name).clone(),
            version: builder.version.clone(),
            issuer: self.issuer.clone(),
            local: self.local.as_ref().map(|local| Local {
                user: local.user.clone(),
                place: local.place.clone(),
                token: local.token_command(&self.issuer),
                trial: local.command(&self.endpoint, &self.issuer),
                state_file: local.state_file.as_deref().map(shown),
            }),
            enforced: self.enforced.clone(),
            matrix: matrix.table(),
            notes,
            descriptions: registry.iter().map(|tool| tool.summary()).collect(),
            explored,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        writeln!(f, "  endpoint  {}", self.endpoint)?;
        if let Some(caller) = &self.caller {
            writeln!(f, "  caller    {caller}")?;
        }
        if !self.issuer.is_empty() {
            writeln!(f, "  issuer    {}{}", self.issuer, self.remark)?;
        }
        let local = self.local.as_ref();
        if let Some(file) = local.and_then(|local| local.state_file.as_deref()) {
            let file = shown(file);
            writeln!(
                f,
                "  state     {file} (keeps clients signed in; delete it to start afresh)"
            )?;
        }
        let rules = [("enforced", &self.enforced), ("limits  ", &self.limits)];
        let further = self.further.iter().map(|(head, lines)| (*head, lines));
        for (head, lines) in rules.into_iter().chain(further) {
            for (index, line) in lines.iter().enumerate() {
                let head = if index == 0 { head } else { "        " };
                writeln!(f, "  {head}  {line}")?;
            }
        }
        let items = self.matrix.items();
        let width = items.iter().map(|item| item.name.len()).max().unwrap_or(0);
        for kinds in [
            &[PrimitiveKind::Tool][..],
            &[PrimitiveKind::Prompt],
            &[PrimitiveKind::Resource, PrimitiveKind::ResourceTemplate],
        ] {
            let items = items.iter().filter(|item| kinds.contains(&item.kind));
            for (index, Item { kind, name, access }) in items.enumerate() {
                let head = match kind {
                    _ if index > 0 => "        ",
                    PrimitiveKind::Prompt => "prompts ",
                    PrimitiveKind::Resource | PrimitiveKind::ResourceTemplate => "reads   ",
                    PrimitiveKind::Tool => "tools   ",
                };
                writeln!(f, "  {head}  {name:width$}  {access}")?;
            }
        }
        if self.matrix.hides_public_tools() {
            writeln!(
                f,
                "  note      a client must sign in before it sees the public tools; with `discoverable` it sees \
                 all tools before it signs in"
            )?;
        }
        if let Some(local) = &self.local {
            let command = local.command(&self.endpoint, &self.issuer);
            writeln!(f, "Try it:\n{command}")?;
        }
        Ok(())
    }
}

/// Writes a path for printing. A path below the working directory is written relative to this directory.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok());
    below.unwrap_or(path).display().to_string()
}

/// Returns true if the server requires an audience in tokens, now or after a transition.
fn audience_is_needed(mode: AudienceMode) -> bool {
    match mode {
        AudienceMode::Require | AudienceMode::RequireAfter(_) => true,
        AudienceMode::IfPresent | AudienceMode::Off => false,
    }
}

/// Returns the lines about limits of simultaneous calls that affect these tools.
fn limits(registry: &Registry, load: &Load) -> Vec<String> {
    let Load {
        calls,
        calls_per_user,
        anonymous_calls: anonymous,
        threads,
        ..
    } = load;
    let mut lines = vec![format!(
        "calls in flight: {calls} per user and client, {calls_per_user} per user"
    )];
    if registry.iter().any(|tool| tool.guard().is_public()) {
        lines.push(format!(
            "calls in flight without a token: {} per network, {} in total",
            anonymous.network, anonymous.all
        ));
    }
    if registry.iter().any(|tool| tool.is_blocking()) {
        lines.push(format!(
            "threads for tools that are plain functions: {} per user, {} without a token, {} in total",
            threads.known, threads.strangers, threads.all
        ));
    }
    lines
}

fn enforced(
    builder: &ServerBuilder,
    local_clerk: &LocalClerkChoice,
    policy: &TokenPolicy,
    looks_up: bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    // On loopback, the other names of the URL follow in the list.
    let audience = policy.audience.accepted.first().map_or("", String::as_str);
    if policy.oauth {
        lines.push(match policy.audience.mode {
            AudienceMode::Require => format!("OAuth access tokens for {audience}"),
            AudienceMode::IfPresent => {
                format!("OAuth access tokens for {audience}, or without an audience")
            }
            AudienceMode::Off => "OAuth access tokens for ANY audience of this issuer".to_owned(),
            AudienceMode::RequireAfter(end_ms) => format!(
                "OAuth access tokens for {audience}; before {} also without an audience",
                day_of(end_ms)
            ),
        });
        if !local_clerk.runs && audience_is_needed(policy.audience.mode) {
            lines.push(
                "the URL must be registered with Clerk: in the dashboard, Agents, MCP servers"
                    .to_owned(),
            );
        }
        if let Some(clients) = &policy.allowed_clients {
            lines.push(format!(
                "only OAuth access tokens of the clients {}",
                clients.join(", ")
            ));
        }
    }
    match &policy.sessions {
        Some(Parties::Any) => lines.push("session tokens of any origin".to_owned()),
        Some(Parties::Listed(parties)) => {
            lines.push(format!("session tokens of {}", parties.join(", ")));
        }
        None => {}
    }
    match &policy.machine {
        Some(Machine::Named(id)) => lines.push(format!("M2M tokens for {id}")),
        Some(Machine::Unnamed) => {
            lines.push("opaque M2M tokens for the machine of CLERK_MACHINE_SECRET_KEY".to_owned());
        }
        None => {}
    }
    match policy.api_keys.as_deref() {
        Some([]) => lines.push("ANY API key of the instance".to_owned()),
        Some(scopes) => lines.push(format!("API keys with the scopes {}", scopes.join(" "))),
        None => {}
    }
    if policy.check_users {
        lines.push("users: banned, locked and deleted users are refused within 60 s".to_owned());
    }
    if !builder.scopes.required.is_empty() {
        lines.push(format!(
            "the scopes {} for every request",
            builder.scopes.required.join(" ")
        ));
    }
    match builder.scopes.anonymous {
        AnonymousAccess::None => {}
        AnonymousAccess::ListPublic => {
            lines.push("without a token: the list of public tools".to_owned());
        }
        AnonymousAccess::ListAll => lines.push("without a token: the list of all tools".to_owned()),
    }
    if let (true, Some(source)) = (looks_up, builder.organizations.in_words()) {
        lines.push(format!(
            "organizations: current memberships, looked up at most 30 s ago, {source}"
        ));
        return lines;
    }
    lines.push(match (looks_up, builder.scopes.trust_token_org) {
        (true, false) => "organizations: current memberships, looked up at most 30 s ago".to_owned(),
        (true, true) => {
            "organizations: from the token, which may be a day old; roles and permissions: current \
             memberships"
                .to_owned()
        }
        (false, _) => "organizations: from the token, which may be a day old (without CLERK_SECRET_KEY there are no \
                       roles and no permissions)"
            .to_owned(),
    });
    lines
}
