//! The revocation file, and the thread that watches it.
//!
//! A thread opens the file four times a second, and compares the identity, the size and the time of the file with the last
//! values. Polling works for an atomic rename, for a swapped symbolic link (as in a Kubernetes ConfigMap) and for a file on
//! NFS. A notification of the kernel would follow the old file after a rename, and does not report a change that another
//! machine made on NFS. The thread opens the file before it reads the values, because an NFS client asks the NFS server for
//! the current state when a file is opened. The thread does nothing else, so neither a slow disk nor a long list delays
//! requests.
//!
//! INVARIANT: the entries change only after a whole document was read. In every other case the last good entries stay.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};

use crate::clock::{Clock, SystemClock};
use crate::identity::log_throttle::LogThrottle;

use super::Revocations;
use super::document::Malformed;
use super::list::List;

/// The revocation file. The server reads the file again when the file changes.
pub(crate) struct RevocationFile {
    path: PathBuf,
    /// The number of valid entries, without the allowed clients.
    entries: usize,
    /// The state of the file when it was last read.
    seen: Option<Seen>,
    /// The digest of the bytes that were last read.
    digest: Option<[u8; 32]>,
    /// True if the next poll must read the file even if its state is unchanged: after the last read, the file may have
    /// changed again within the same tick of the file system's clock.
    once_more: bool,
    /// The reason why the content that was last read cannot be used.
    problem: Option<FileError>,
    /// True if the file could not be opened at the last poll.
    is_away: bool,
    /// Limits the log lines about a file that cannot be opened, and about a file that cannot be used.
    throttles: [LogThrottle; 2],
    clock: SystemClock,
}

/// The state of a file. A change of the content changes the state, except within one tick of the file system's clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    length: u64,
    modified: Option<SystemTime>,
    /// The device and the number of the file. If a file is replaced, the new file has another number.
    place: (u64, u64),
}

/// The reason why a revocation file cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FileError {
    #[error("there is no such file")]
    Missing,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is longer than 64 MiB")]
    TooLong,
    #[error("it cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::Unreadable(error.kind())
        }
    }
}

impl RevocationFile {
    /// Reads the file, and applies its entries.
    ///
    /// # Errors
    /// One of [`FileError`]. No entry of the file is applied then, so the server must not start.
    pub(crate) fn open(path: &Path, revocations: &Revocations) -> Result<Self, FileError> {
        let mut file = Self {
            path: path.to_owned(),
            entries: 0,
            seen: None,
            digest: None,
            once_more: false,
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
        let watch = move || {
            loop {
                thread::sleep(INTERVAL);
                let Some(inner) = Weak::upgrade(&inner) else {
                    return;
                };
                self.poll(&Revocations(inner));
            }
        };
        let thread = thread::Builder::new().name("mcp-auth-revoke".to_owned());
        thread.spawn(watch).map(drop)
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
                tracing::info!(target: "mcp_auth", file = %self.path.display(), entries, allowed_clients, "the revocation file was read");
            }
            Ok(None) => {
                if let Some(problem) = self.problem {
                    self.complain(problem);
                } else if was_away {
                    tracing::info!(target: "mcp_auth", file = %self.path.display(), "the revocation file is back, unchanged");
                }
            }
            Err(problem @ (FileError::Malformed(_) | FileError::TooLong)) => {
                self.problem = Some(problem);
                self.complain(problem);
            }
            Err(
                problem @ (FileError::Missing | FileError::NotAFile | FileError::Unreadable(_)),
            ) => {
                self.is_away = true;
                self.complain(problem);
            }
        }
    }

    fn complain(&self, problem: FileError) {
        let [missing, unusable] = &self.throttles;
        let (throttle, what) = match problem {
            FileError::Missing => (missing, "the revocation file is missing"),
            FileError::Malformed(_)
            | FileError::NotAFile
            | FileError::TooLong
            | FileError::Unreadable(_) => (unusable, "the revocation file cannot be used"),
        };
        if throttle.is_due(self.clock.uptime()) {
            tracing::error!(
                target: "mcp_auth",
                file = %self.path.display(),
                reason = %problem,
                "{what}; its last good entries still apply"
            );
        }
    }

    /// Returns the entries; `None` if the file did not change.
    fn read(&mut self) -> Result<Option<List>, FileError> {
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(&self.path)?.is_file() {
            return Err(FileError::NotAFile);
        }
        let file = File::open(&self.path)?;
        let seen = Seen::of(&file.metadata()?);
        let is_same = self.seen == Some(seen);
        if is_same && !self.once_more {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        self.once_more = !is_same;
        self.seen = Some(seen);
        if bytes.len() as u64 > MOST_BYTES {
            return Err(FileError::TooLong);
        }
        let read: Option<[u8; 32]> = digest(&SHA256, &bytes).as_ref().try_into().ok();
        if self.digest.is_some() && self.digest == read {
            return Ok(None);
        }
        self.digest = read;
        Ok(Some(List::read(&bytes)?))
    }
}

impl Seen {
    fn of(file: &Metadata) -> Self {
        #[cfg(unix)]
        let place = {
            use std::os::unix::fs::MetadataExt;
            (file.dev(), file.ino())
        };
        #[cfg(not(unix))]
        let place = (0, 0);
        Self {
            length: file.len(),
            modified: file.modified().ok(),
            place,
        }
    }
}

/// The time between two polls of the file.
const INTERVAL: Duration = Duration::from_millis(250);
/// The largest size of a file. A file with a hundred thousand entries has less than a tenth of this size.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
