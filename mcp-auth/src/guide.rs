//! The guides of the project, in the order in which a new user needs them.
//!
//! - Start: [`tutorial`], [`guards`], [`arguments`], [`prompts_and_resources`], [`progress_and_logs`],
//!   [`questions`], [`notifications`], [`tasks`], [`schemas`].
//! - Connect: [`tokens`], [`clerk`], [`connect`], [`settings`], [`findings`], [`errors`].
//! - Develop: [`local_clerk`], [`testing`](crate::testing), [`compile_times`].
//! - Operate: [`speed`], [`operate`], [`security`], [`connections`], [`tls`], [`sessions`], [`stdio`], [`audit`], [`revocation`],
//!   [`check_your_instance`].
//! - Move: [`from_mcp_use`], [`from_rmcp`].
//!
//! The pages are the files of `docs/` in the repository.

// At its end, each page defines link names that point to files. `links.md` defines the same names as links to items of
// this crate. `links.md` is included first, because Markdown uses the first definition of a name. The line numbers of
// doctests therefore include the lines of `links.md`.
macro_rules! pages {
    ($($name:ident: $file:literal,)*) => {
        $(
            #[doc = include_str!("guide/links.md")]
            #[doc = include_str!(concat!("../docs/guide/", $file))]
            pub mod $name {}
        )*
    };
}

pages! {
    tutorial: "tutorial.md",
    guards: "guards.md",
    arguments: "arguments.md",
    prompts_and_resources: "prompts-and-resources.md",
    progress_and_logs: "progress-and-logs.md",
    questions: "questions.md",
    notifications: "notifications.md",
    tasks: "tasks.md",
    schemas: "schemas.md",
    tokens: "tokens.md",
    clerk: "clerk.md",
    connect: "connect.md",
    settings: "settings.md",
    findings: "findings.md",
    errors: "errors.md",
    explain: "explain.md",
    local_clerk: "local-clerk.md",
    compile_times: "compile-times.md",
    speed: "speed.md",
    operate: "operate.md",
    security: "security.md",
    connections: "connections.md",
    tls: "tls.md",
    sessions: "sessions.md",
    stdio: "stdio.md",
    audit: "audit.md",
    revocation: "revocation.md",
    check_your_instance: "check-your-instance.md",
    from_mcp_use: "from-mcp-use.md",
    from_rmcp: "from-rmcp.md",
}
