//! The files of the certificate and of its key, and the thread that reads the files again when they change.
//!
//! INVARIANT: the certificate changes only after a whole pair was read whose key belongs to its certificate. A certificate
//! that is valid now never changes to one that is expired or not valid yet. In every other case the last good pair stays.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::clock::{Clock, SystemClock};
use crate::identity::LogThrottle;
use crate::watched_file::{ReadError, WatchedFile, watch};

use super::certificate::{Certificate, CertificateError, Invalidity};

/// The certificate of new handshakes. Open connections keep the certificate with which they began.
#[derive(Debug)]
pub(crate) struct Certificates {
    current: ArcSwap<Certificate>,
    /// The number of changed pairs that were put into use.
    loaded: AtomicU64,
    /// The number of changed pairs that could not be used.
    failed: AtomicU64,
}

impl Certificates {
    pub(crate) fn current(&self) -> Arc<Certificate> {
        self.current.load_full()
    }

    pub(crate) fn loaded(&self) -> u64 {
        self.loaded.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// The files of the certificate and of its key.
pub(crate) struct CertificateFiles {
    chain: WatchedFile,
    key: WatchedFile,
    /// The host of the canonical URL.
    host: Option<String>,
    /// The pair as last read, if the pair is not valid now and the certificate in use is valid.
    set_aside: Option<Certificate>,
    /// The reason why the files as last read cannot be used.
    problem: Option<Problem>,
    /// Limits the log lines about files that cannot be used.
    throttle: LogThrottle,
    /// The last day with a warning that the certificate expires soon, in days since 1970.
    warned_on: u64,
    clock: SystemClock,
}

/// The reason why changed files cannot be used.
#[derive(Clone, Copy, Debug)]
struct Problem {
    error: PairError,
    /// True if the problem is counted. The two files change one after the other, so a problem counts only if it is still
    /// there at the next poll.
    is_counted: bool,
}

/// One of the two files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PairFile {
    Chain,
    Key,
}

/// The reason why a pair of files cannot be used, and the file with the problem.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PairError {
    pub(crate) file: PairFile,
    pub(crate) problem: FileProblem,
}

/// The reason why one of the files cannot be used.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum FileProblem {
    #[error(transparent)]
    Content(#[from] CertificateError),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A problem of changed files only. At the start, such a certificate is used.
    #[error(transparent)]
    Invalid(#[from] Invalidity),
}

impl CertificateFiles {
    /// Reads the files of a chain and of its key. `host` is the host of the canonical URL.
    ///
    /// # Errors
    ///
    /// A [`PairError`] if a file cannot be read, has no certificate or no key, or if the key does not belong to the
    /// certificate.
    pub(crate) fn open(
        chain: &Path,
        key: &Path,
        host: Option<&str>,
    ) -> Result<(Self, Arc<Certificates>), PairError> {
        let mut files = Self {
            chain: WatchedFile::new(chain, MOST_BYTES),
            key: WatchedFile::new(key, MOST_BYTES),
            host: host.map(ToOwned::to_owned),
            set_aside: None,
            problem: None,
            throttle: LogThrottle::default(),
            warned_on: 0,
            clock: SystemClock::new(),
        };
        let certificates = Arc::new(Certificates {
            current: ArcSwap::from_pointee(files.load()?),
            loaded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        Ok((files, certificates))
    }

    /// Watches the files on a thread of its own, as long as `certificates` exists elsewhere.
    ///
    /// # Errors
    ///
    /// The error of the operating system, if it cannot create the thread.
    pub(crate) fn watch(mut self, certificates: &Arc<Certificates>) -> io::Result<()> {
        let certificates = Arc::downgrade(certificates);
        watch("mcp-auth-certs", move || {
            let Some(certificates) = Weak::upgrade(&certificates) else {
                return false;
            };
            self.poll(&certificates);
            true
        })
    }

    /// Puts the pair into use if a file changed, or if a pair that was set aside is valid now.
    pub(super) fn poll(&mut self, certificates: &Certificates) {
        match self.next(&certificates.current()) {
            Ok(Some(certificate)) => {
                let expires = certificate.expires_unix_ms() / 1_000;
                self.problem = None;
                self.warned_on = 0;
                let file = self.chain.path().display();
                tracing::info!(target: "mcp_auth", %file, expires, "the certificate was read again");
                self.warn_of_host(&certificate);
                certificates.current.store(Arc::new(certificate));
                certificates.loaded.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => self.report(certificates),
            Err(error) if self.problem.is_some_and(|before| before.error == error) => {
                self.report(certificates);
            }
            Err(error) => {
                let is_counted = false;
                self.problem = Some(Problem { error, is_counted });
            }
        }
        self.warn_of_end(&certificates.current());
    }

    /// Counts and logs the problem of the files, if they have one.
    fn report(&mut self, certificates: &Certificates) {
        let Some(Problem { error, is_counted }) = &mut self.problem else {
            return;
        };
        if !std::mem::replace(is_counted, true) {
            certificates.failed.fetch_add(1, Ordering::Relaxed);
        }
        if !self.throttle.is_due(self.clock.uptime()) {
            return;
        }
        let file = match error.file {
            PairFile::Chain => &self.chain,
            PairFile::Key => &self.key,
        };
        let file = file.path().display();
        if let FileProblem::Invalid(reason) = error.problem {
            tracing::warn!(
                target: "mcp_auth",
                fact = "certificate_unusable",
                %file,
                %reason,
                remedy = reason.remedy(),
                "clients would refuse the changed certificate; the last good certificate stays in use"
            );
        } else {
            tracing::error!(
                target: "mcp_auth",
                fact = "certificate_unusable",
                %file,
                reason = %error.problem,
                "the changed certificate cannot be used; the last good certificate stays in use"
            );
        }
    }

    /// Logs that a certificate is not valid for the host of the canonical URL.
    fn warn_of_host(&self, certificate: &Certificate) {
        let Some(host) = &self.host else {
            return;
        };
        if !certificate.covers(host) {
            tracing::warn!(
                target: "mcp_auth",
                file = %self.chain.path().display(),
                %host,
                remedy = "use a certificate for this host, or correct MCP_URL",
                "the certificate is not valid for the host of the canonical URL"
            );
        }
    }

    /// Logs once a day that the certificate expires soon.
    fn warn_of_end(&mut self, certificate: &Certificate) {
        let now = self.clock.unix_ms();
        let left = certificate.expires_unix_ms().saturating_sub(now);
        let today = now / DAY_MS;
        if left > SOON_MS || self.warned_on == today {
            return;
        }
        self.warned_on = today;
        let days = left / DAY_MS;
        tracing::warn!(
            target: "mcp_auth",
            fact = "certificate_expiring",
            file = %self.chain.path().display(),
            days,
            "the certificate expires soon, or has expired"
        );
    }

    /// Returns the certificate that replaces the certificate in use. `None` if no file changed.
    fn next(&mut self, used: &Certificate) -> Result<Option<Certificate>, PairError> {
        let set_aside = self.set_aside.take();
        let Some(certificate) = self.load_change()?.or(set_aside) else {
            return Ok(None);
        };
        let now = self.clock.unix_ms();
        if let Some(invalidity) = certificate.invalidity(now)
            && used.invalidity(now).is_none()
        {
            self.set_aside = Some(certificate);
            return Err(PairError {
                file: PairFile::Chain,
                problem: invalidity.into(),
            });
        }
        Ok(Some(certificate))
    }

    fn load_change(&mut self) -> Result<Option<Certificate>, PairError> {
        let chain = self.chain.read_change();
        let key = self.key.read_change();
        if matches!((&chain, &key), (Ok(None), Ok(None))) {
            return Ok(None);
        }
        self.load().map(Some)
    }

    /// Reads both files, and makes a certificate of them.
    fn load(&mut self) -> Result<Certificate, PairError> {
        let of_chain = |problem| PairError {
            file: PairFile::Chain,
            problem,
        };
        let of_key = |problem| PairError {
            file: PairFile::Key,
            problem,
        };
        let chain = self.chain.read().map_err(|error| of_chain(error.into()))?;
        let key = self.key.read().map_err(|error| of_key(error.into()))?;
        let chain = Certificate::chain(&chain).map_err(|error| of_chain(error.into()))?;
        Certificate::new(chain, &key).map_err(|error| of_key(error.into()))
    }
}

/// The largest size of a file.
const MOST_BYTES: u64 = 1 << 20;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The time before the end of a certificate in which the server warns.
pub(crate) const SOON_MS: u64 = 14 * DAY_MS;
