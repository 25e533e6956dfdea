//! Files that the operator changes while the server runs, and the threads that watch such files.
//!
//! A thread opens the file four times a second, and compares the identity, the size and the time of the file with the last
//! values. Polling works for an atomic rename, for a swapped symbolic link (as in a Kubernetes ConfigMap) and for a file on
//! NFS. A notification of the kernel would follow the old file after a rename, and does not report a change that another
//! machine made on NFS. The thread opens the file before it reads the values, because an NFS client asks the NFS server for
//! the current state when a file is opened. The thread does nothing else, so neither a slow disk nor a long file delays
//! requests.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};

/// A file that is read again when it changes.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    path: PathBuf,
    /// The largest size of the file, in bytes.
    most_bytes: u64,
    /// The state of the file when it was last read.
    seen: Option<Seen>,
    /// The digest of the bytes that were last read.
    digest: Option<[u8; 32]>,
    /// True if the file must be read again even if its state is unchanged. A second change within one tick of the file
    /// system's clock leaves the state as it was.
    once_more: bool,
}

/// The state of a file. A change of the content changes the state, except within one tick of the file system's clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    length: u64,
    modified: Option<SystemTime>,
    /// The device and the number of the file. If a file is replaced, the new file has another number.
    place: (u64, u64),
}

/// The reason why a file could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("there is no such file")]
    Missing,
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is longer than {} MiB", .most_bytes >> 20)]
    TooLong { most_bytes: u64 },
    #[error("it cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::Unreadable(error.kind())
        }
    }
}

impl WatchedFile {
    /// Creates a watched file that has not been read yet.
    pub(crate) fn new(path: &Path, most_bytes: u64) -> Self {
        Self {
            path: path.to_owned(),
            most_bytes,
            seen: None,
            digest: None,
            once_more: false,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file if it changed since the last call. `None` if the content is the same.
    ///
    /// # Errors
    ///
    /// One of [`ReadError`]. After [`TooLong`](ReadError::TooLong), the next call returns `None` until the file changes.
    pub(crate) fn read_change(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(&self.path)?.is_file() {
            return Err(ReadError::NotAFile);
        }
        let file = File::open(&self.path)?;
        let seen = Seen::of(&file.metadata()?);
        let is_same = self.seen == Some(seen);
        if is_same && !self.once_more {
            return Ok(None);
        }
        let most_bytes = self.most_bytes;
        let mut bytes = Vec::new();
        file.take(most_bytes + 1).read_to_end(&mut bytes)?;
        self.once_more = !is_same;
        self.seen = Some(seen);
        if bytes.len() as u64 > most_bytes {
            return Err(ReadError::TooLong { most_bytes });
        }
        let read: Option<[u8; 32]> = digest(&SHA256, &bytes).as_ref().try_into().ok();
        if self.digest.is_some() && self.digest == read {
            return Ok(None);
        }
        self.digest = read;
        Ok(Some(bytes))
    }

    /// Reads the file, also if it did not change since the last call.
    ///
    /// # Errors
    ///
    /// One of [`ReadError`].
    #[cfg(feature = "tls")]
    pub(crate) fn read(&mut self) -> Result<Vec<u8>, ReadError> {
        self.seen = None;
        self.digest = None;
        Ok(self.read_change()?.unwrap_or_default())
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

/// Calls `poll` four times a second on a thread of its own, until `poll` returns false.
///
/// # Errors
///
/// The error of the operating system, if it cannot create the thread.
pub(crate) fn watch(
    thread: &str,
    mut poll: impl FnMut() -> bool + Send + 'static,
) -> io::Result<()> {
    let watch = move || {
        loop {
            thread::sleep(INTERVAL);
            if !poll() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name(thread.to_owned());
    thread.spawn(watch).map(drop)
}

/// The time between two polls of a file.
const INTERVAL: Duration = Duration::from_millis(250);
