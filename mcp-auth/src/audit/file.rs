//! The sink that writes JSON lines to a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::record::AuditRecord;
use super::sink::{AuditSink, LineSink};

/// A file with a record in each line, as JSON.
///
/// The file is opened for appending, so several processes can write one file, and a program that rotates logs can copy and
/// truncate the file. If a program renames, replaces or removes the file, the sink opens the path anew before it writes the
/// next record.
///
/// With `MCP_AUDIT` or [`ServerBuilder::audit_file`](crate::ServerBuilder::audit_file), the server opens the file itself. Use
/// this type for a second file.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("audit.jsonl");
/// use mcp_auth::{AuditFile, AuditSync};
///
/// let file = AuditFile::open(path, AuditSync::EachSecond)?;
/// let builder = mcp_auth::server!().audit_sink(file);
/// # let _ = builder;
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    file: File,
    sync: AuditSync,
    /// The records that are not written yet.
    lines: Vec<u8>,
    /// The number of bytes of `lines` that are written.
    written: usize,
    /// True if something was written since the last sync.
    is_dirty: bool,
    synced: Instant,
}

/// The time at which the operating system has to write the records of a file to the disk.
///
/// The setting matters only if the machine or its power fails. A killed process loses no record that it has written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum AuditSync {
    /// Syncs after each write. The next write waits for the sync. One write contains all queued records, at most 256.
    EachRecord,
    /// Once a second.
    EachSecond,
    /// When the operating system decides.
    #[default]
    Never,
}

impl AuditFile {
    /// Opens a file, and creates it if it does not exist. On Unix only its owner may read and write a new file.
    ///
    /// # Errors
    ///
    /// The error of the operating system, if the file cannot be opened for appending.
    pub fn open(path: impl Into<PathBuf>, sync: AuditSync) -> io::Result<Self> {
        let path = path.into();
        Ok(Self {
            file: open(&path)?,
            path,
            sync,
            lines: Vec::new(),
            written: 0,
            is_dirty: false,
            synced: Instant::now(),
        })
    }

    /// Opens the path anew if the path now names another file. If the old file has only a part of a line, the complete line
    /// is written to the new file.
    fn follow(&mut self) -> io::Result<()> {
        if is_at(&self.file, &self.path) {
            return Ok(());
        }
        let file = open(&self.path)?;
        self.sync_now()?;
        self.file = file;
        let complete = self.lines.get(..self.written).unwrap_or_default();
        self.written = complete
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        Ok(())
    }

    fn write_lines(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .lines
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.written += written;
                    self.is_dirty = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.lines.clear();
        self.written = 0;
        Ok(())
    }

    fn sync_now(&mut self) -> io::Result<()> {
        // A pipe or a terminal has no disk.
        if self.is_dirty && self.sync != AuditSync::Never && self.file.metadata()?.is_file() {
            self.file.sync_data()?;
        }
        self.is_dirty = false;
        self.synced = Instant::now();
        Ok(())
    }
}

impl AuditSink for AuditFile {
    fn write(&mut self, record: &AuditRecord) -> io::Result<()> {
        self.lines.extend_from_slice(record.to_json().as_bytes());
        self.lines.push(b'\n');
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.follow()?;
        self.write_lines()?;
        match self.sync {
            AuditSync::EachRecord => self.sync_now(),
            AuditSync::EachSecond if self.synced.elapsed() >= SECOND => self.sync_now(),
            AuditSync::EachSecond | AuditSync::Never => Ok(()),
        }
    }
}

impl LineSink for AuditFile {
    fn add_lines(&mut self, lines: &str) {
        self.lines.extend_from_slice(lines.as_bytes());
    }

    fn keep_lines(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        // `drop` cannot return the error.
        let _ = self.sync_now();
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

        options.mode(0o600);
        // To open a named pipe only for writing would block until another process opens the pipe for reading.
        let named = path.symlink_metadata();
        options.read(named.is_ok_and(|named| named.file_type().is_fifo()));
    }
    options.open(path)
}

/// Returns true if the path names this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let (Ok(own), Ok(named)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (own.dev(), own.ino()) == (named.dev(), named.ino())
}

/// Returns true if the path names a file. Windows does not let anyone rename an open file.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
