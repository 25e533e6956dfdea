#![cfg_attr(any(doc, doctest), doc = include_str!("guide/links.md"))]
#![doc = include_str!("../README.md")]
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `emulator` | `serve!(emulator)`, which runs a local Clerk inside the process |
//! | `metrics` | `MCP_METRICS` and [`ServerBuilder::metrics`], an address at which Prometheus reads counters, as [Operate][operate] shows; adds the crate `prometheus-client` |
//! | `otel` | the export of spans over OTLP, with the variables `OTEL_…` of OpenTelemetry, as [Operate][operate] shows; the module [`otel`]; adds the crates of OpenTelemetry |
//! | `stdio` | `serve_stdio!()`, which speaks over stdin and stdout |
//! | `testing` | the module [`testing`], which runs a server inside the process of a test |
//! | `tls` | `MCP_TLS_CERT`, `MCP_TLS_KEY` and [`ServerBuilder::tls`]: https and HTTP/2 in the process, as [TLS][tls] shows; adds the crates `h2`, and `tokio-rustls`, which the HTTP client for Clerk already uses |
//!
//! All features are off by default. A feature adds items and changes no authorization check. `emulator` and `testing`
//! each add the crate `clerk-emulator`, which issues tokens, and the dependencies of `clerk-emulator`. Turn `emulator` on
//! for development only, as [the local Clerk][local-clerk] shows, and `testing` for tests only. `stdio` adds no
//! dependency; [MCP over stdio][stdio] describes it.

#[doc = include_str!("../docs/data.md")]
pub use mcp_auth_macros::data;
#[doc = include_str!("../docs/form.md")]
pub use mcp_auth_macros::form;
#[doc = include_str!("../docs/mcp_prompt.md")]
pub use mcp_auth_macros::mcp_prompt;
#[doc = include_str!("../docs/mcp_resource.md")]
pub use mcp_auth_macros::mcp_resource;
#[doc = include_str!("../docs/mcp_tool.md")]
pub use mcp_auth_macros::mcp_tool;
#[doc = include_str!("../docs/module_guard.md")]
pub use mcp_auth_macros::module_guard;
/// The data types of MCP, from version 3 of the official Rust SDK: content blocks, results,
/// annotations.
pub use rmcp::model;
/// The crates whose types are in the signatures of this crate.
pub use {schemars, serde_json};

pub use crate::audit::{
    AuditEvent, AuditFact, AuditFacts, AuditFile, AuditOutcome, AuditPrimitive, AuditRecord,
    AuditRequirement, AuditSink, AuditSync, FactSource,
};
pub use crate::guard::{
    CallerFacts, Check, ExplainedDecision, ExplainedRequirement, Explanation, Feature, Guard,
    Permission, Plan, Policy, Requirement, Reverification, Role, Scope,
};
#[cfg(feature = "stdio")]
pub use crate::identity::LocalUser;
pub use crate::identity::{
    Actor, ApiKeyScopes, AuthorizedParties, Caller, FactorAges, Org, OrganizationSource, Profile,
    Revocation, Revocations, Session, TokenKind,
};
pub use crate::primitive::{
    Amount, Answer, Cancelled, ClientAbilities, CompletionRequest, Content, Contents, Context,
    Elicit, ElicitForm, ElicitUrl, Form, FormErrors, FormSchema, FormSchemaError, FromContext,
    IntoPromptResult, IntoResourceResult, IntoToolError, IntoToolResult, Json, LogLevel, Message,
    Notifier, PrimitiveInfo, PrimitiveKind, ProgressText, PromptOutput, PublicErrorExt, Rate,
    ResourceOutput, State, ToolError, ToolOutput, Total,
};
pub use crate::protocol::{ConfirmationStore, StoredTask, TaskStore};
pub use crate::server::{
    AccessMatrix, AudiencePolicy, CheckReport, Error, Finding, Result, RunningServer, SampleCaller,
    Server, ServerBuilder, Severity,
};

/// The people, roles and organizations of the local Clerk, for
/// [`emulator_directory`](ServerBuilder::emulator_directory).
#[cfg(feature = "emulator")]
pub use clerk_emulator::Directory;

#[cfg(mcp_auth_bench)]
#[doc(hidden)]
#[path = "bench.rs"]
pub mod __bench;
#[cfg(feature = "_fuzz")]
#[doc(hidden)]
#[path = "fuzz.rs"]
pub mod __fuzz;
mod audit;
mod clerk;
mod clock;
mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
mod http;
mod identity;
mod json_string;
mod limits;
mod loopback;
mod metrics;
#[cfg(feature = "otel")]
pub mod otel;
mod primitive;
#[cfg(test)]
mod properties;
mod protocol;
mod server;
#[cfg(feature = "stdio")]
mod stdio;
#[cfg(feature = "testing")]
pub mod testing;
mod tools;
mod traceparent;
mod watched_file;

/// Items that the expansions of the macros use. They change without notice.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use mcp_auth_macros::permissions;
    pub use schemars;
    pub use serde;

    pub use crate::guard::{
        ANY_PERMISSION, CallerFacts, Declared, GuardedModule, Implied, KeyText, ModuleGuard,
        NO_MODULE_GUARD, OwnGuard, Requirement, function_policy,
    };
    pub use crate::primitive::{
        Annotations, ArgumentOf, ArgumentsForm, AsPrompt, AsResource, AsTool, Authorize,
        AuthorizeGate, Choice, CompletionRequest, Context, Declaration, ErrorOf, Field, FieldType,
        Form, FormChoice, FormFields, FromContext, Handler, HasRules, Icon, IsArgument, IsField,
        Kind, MetaValue, MirroredArgument, NeverNull, NoRules, NoText, NotRead, Parameter,
        PromptTraits, Ran, Registration, ResourceTraits, Rules, Stop, Suggestions,
        SuppressedKeyword, TaskSupport, ToolError, ToolTraits, UriPart, Values, Violations, When,
    };
    pub use crate::primitive::{
        check_error, check_undived, in_question, inject, inject_optional, started, stored,
        suggested, taken,
    };
}
