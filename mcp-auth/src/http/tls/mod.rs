//! The certificate of a server that speaks TLS, and its files.
//!
//! This module owns the parameters of handshakes. The module [`connection`](super::connection) runs the handshakes within
//! the limits of connections.

mod certificate;
mod files;

pub(super) use certificate::HTTP_2;
pub(crate) use certificate::Invalidity;
pub(crate) use files::{CertificateFiles, Certificates, FileProblem, PairFile, SOON_MS};
