//! The revocation file, which a thread of [`watched_file`](crate::watched_file) reads again when the file changes.
//!
//! INVARIANT: the entries change only after a whole document was read. In every other case the last good entries stay.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use crate::clock::{Clock, SystemClock};
use crate::identity::log_throttle::LogThrottle;
use crate::watched_file::{ReadError, WatchedFile, watch};

use super::Revocations;
use super::document::Malformed;
use super::list::List;

/// The revocation file. The server reads the file again when the file changes.
pub(crate) struct RevocationFile {
    file: WatchedFile,
    /// The number of valid entries, without the allowed clients.
    entries: usize,
    /// The reason why the content that was last read cannot be used.
    problem: Option<FileError>,
    /// True if the file could not be opened at the last poll.
    is_away: bool,
    /// Limits the log lines about a file that cannot be opened, and about a file that cannot be used.
    throttles: [LogThrottle; 2],
    clock: SystemClock,
}

/// The reason why a revocation file cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl RevocationFile {
    /// Reads the file, and applies its entries.
    ///
    /// # Errors
    /// One of [`FileError`]. No entry of the file is applied then, so the server must not start.
    pub(crate) fn open(path: &Path, revocations: &Revocations) -> Result<Self, FileError> {
        let mut file = Self {
            file: WatchedFile::new(path, MOST_BYTES),
            entries: 0,
            problem: None,
            is_away: false,
            throttles: Default::default(),
            clock: SystemClock::new(),
        };
        if let Some(list) = file.read()? {
            file.entries = list.len();
            revocations.replace_file(list);
        }
        Ok(file)
    }

    /// Returns the number of entries, without the allowed clients.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// Watches the file on a thread of its own, as long as a handle of the revocations exists.
    ///
    /// # Errors
    /// The error of the operating system, if it cannot create the thread.
    pub(crate) fn watch(mut self, revocations: &Revocations) -> io::Result<()> {
        let inner = Arc::downgrade(&revocations.0);
        watch("mcp-auth-revoke", move || {
            let Some(inner) = Weak::upgrade(&inner) else {
                return false;
            };
            self.poll(&Revocations(inner));
            true
        })
    }

    /// Reads the file if it changed.
    pub(super) fn poll(&mut self, revocations: &Revocations) {
        let read = self.read();
        let was_away = std::mem::replace(&mut self.is_away, false);
        match read {
            Ok(Some(list)) => {
                let entries = list.len();
                self.entries = entries;
                let allowed_clients = list.allowed_clients.as_ref().map(|clients| clients.len());
                revocations.replace_file(list);
                self.problem = None;
                tracing::info!(target: "mcp_auth", file = %self.file.path().display(), entries, allowed_clients, "the revocation file was read");
            }
            Ok(None) => {
                if let Some(problem) = self.problem {
                    self.complain(problem);
                } else if was_away {
                    tracing::info!(target: "mcp_auth", file = %self.file.path().display(), "the revocation file is back, unchanged");
                }
            }
            Err(
                problem @ (FileError::Malformed(_) | FileError::Read(ReadError::TooLong { .. })),
            ) => {
                self.problem = Some(problem);
                self.complain(problem);
            }
            Err(
                problem @ FileError::Read(
                    ReadError::Missing | ReadError::NotAFile | ReadError::Unreadable(_),
                ),
            ) => {
                self.is_away = true;
                self.complain(problem);
            }
        }
    }

    fn complain(&self, problem: FileError) {
        let [missing, unusable] = &self.throttles;
        let (throttle, what) = match problem {
            FileError::Read(ReadError::Missing) => (missing, "the revocation file is missing"),
            FileError::Malformed(_)
            | FileError::Read(
                ReadError::NotAFile | ReadError::TooLong { .. } | ReadError::Unreadable(_),
            ) => (unusable, "the revocation file cannot be used"),
        };
        if throttle.is_due(self.clock.uptime()) {
            tracing::error!(
                target: "mcp_auth",
                file = %self.file.path().display(),
                reason = %problem,
                "{what}; its last good entries still apply"
            );
        }
    }

    /// Returns the entries; `None` if the file did not change.
    fn read(&mut self) -> Result<Option<List>, FileError> {
        match self.file.read_change()? {
            Some(bytes) => Ok(Some(List::read(&bytes)?)),
            None => Ok(None),
        }
    }
}

/// The largest size of a file. A file with a hundred thousand entries has less than a tenth of this size.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
