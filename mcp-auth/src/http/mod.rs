//! The HTTP layer. Only this module, `server` and `testing` use actix. `server` and `testing` use actix to start
//! servers.
//!
//! This module determines the order of the checks: head, credentials, body. URLs come from the configuration, never
//! from a request. Only limits use the address of the client, which the module `forwarded` finds.

mod bearer;
mod body;
mod body_with;
mod canonical;
mod connection;
mod documents;
mod endpoint;
mod events;
mod explanations;
mod explorer;
mod failures;
mod forwarded;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzz;
mod gate;
mod head;
mod health;
mod listed;
#[cfg(feature = "metrics")]
mod monitor;
mod org_query;
mod page;
mod refusal;
mod session;
mod site;
#[cfg(feature = "tls")]
mod tls;

pub(crate) use self::canonical::Canonical;
pub(crate) use self::connection::{
    ConnectionLimits, Flow, ProcessSignals, SHUTDOWN_SECONDS, listen,
};
pub(crate) use self::documents::ResourceInfo;
pub(crate) use self::endpoint::ANONYMOUS_BODY;
pub(crate) use self::explorer::{Cast, Explored, SPANS};
#[cfg(feature = "emulator")]
pub(crate) use self::explorer::{Person, Place, TokenSource, TokenWish};
pub(crate) use self::gate::{Gate, Origins};
pub(crate) use self::listed::{AllowedHost, BadEntry, origin};
#[cfg(feature = "metrics")]
pub(crate) use self::monitor::answer as answer_monitor;
pub(crate) use self::page::{Local, Overview};
pub(crate) use self::site::{Site, SiteConfig};
#[cfg(feature = "tls")]
pub(crate) use self::tls::{
    CertificateFiles, Certificates, FileProblem, Invalidity, PairFile, SOON_MS,
};
