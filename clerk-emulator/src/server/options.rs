//! The options of an emulator.

use std::error::Error as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::directory::Directory;
use crate::error::Error;
use crate::state_file::SavedState;

/// The options of an emulator.
///
/// The default is a free port of 127.0.0.1, [`Directory::default`], and no state file.
///
/// ```
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use clerk_emulator::{Directory, Emulator, EmulatorOptions};
///
/// # let folder = tempfile::tempdir()?;
/// let options = EmulatorOptions::default()
///     .address("[::1]:4400".parse()?)
///     .directory(Directory::parse("users.kay = {}")?)
///     .state_file(".clerk-emulator.json");
/// # let options = options.address("127.0.0.1:4400".parse()?).state_file(folder.path().join("keys"));
/// // Or any free port:
/// let emulator = Emulator::start(options.port(0)).await?;
/// assert!(emulator.instance().directory().user("kay").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EmulatorOptions {
    pub(super) address: SocketAddr,
    pub(super) directory: Directory,
    pub(super) state_file: Option<StateFileOption>,
    pub(super) mcp_servers: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct StateFileOption {
    path: PathBuf,
    /// Whether the emulator also starts if the file is unusable. The emulator then replaces the file, or runs without a
    /// file.
    is_optional: bool,
}

impl StateFileOption {
    pub(super) fn open(self) -> Result<Option<SavedState>, Error> {
        if !self.is_optional {
            return SavedState::open(&self.path).map(Some);
        }
        match SavedState::open_or_replace(&self.path) {
            Ok(state) => Ok(Some(state)),
            Err(error) => {
                let cause = error.source().map(tracing::field::display);
                tracing::warn!(
                    %error, cause,
                    "the local Clerk runs without a state file: clients must sign in again after a restart"
                );
                Ok(None)
            }
        }
    }
}

impl EmulatorOptions {
    /// Listens on this address, which must be a loopback address: 127.0.0.0/8 or `[::1]`. Port 0
    /// means any free port.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Listens on this port. Port 0 means any free port. With a state file, port 0 means the port of the last start, if
    /// this port is free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Uses this directory of people and organizations.
    #[must_use]
    pub fn directory(mut self, directory: Directory) -> Self {
        self.directory = directory;
        self
    }

    /// Stores keys, port, clients, grants and opaque tokens in this file, so that they survive a restart. See
    /// [`Instance::with_state_in`](crate::Instance::with_state_in).
    #[must_use]
    pub fn state_file(self, path: impl Into<PathBuf>) -> Self {
        self.with_state_file(path.into(), false)
    }

    /// Stores the state like [`state_file`](Self::state_file), but also starts the emulator if the
    /// file is unusable. The log then contains the reason:
    ///
    /// - If the file contains no state, or other users can read the file, it is renamed to
    ///   `….unusable` and replaced by a new file.
    /// - If another emulator uses the file, or the file cannot be read or written, the emulator
    ///   runs without a state file: [`Emulator::state_file`](crate::Emulator::state_file) is
    ///   `None`.
    ///
    /// Missing folders are created.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("folder/state.json");
    /// let options = EmulatorOptions::default().optional_state_file(&path);
    /// let first = Emulator::start(options.clone()).await?;
    /// let second = Emulator::start(options).await?;
    /// assert_eq!(first.state_file(), Some(path.as_path()));
    /// assert_eq!(second.state_file(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn optional_state_file(self, path: impl Into<PathBuf>) -> Self {
        self.with_state_file(path.into(), true)
    }

    fn with_state_file(mut self, path: PathBuf, is_optional: bool) -> Self {
        self.state_file = Some(StateFileOption { path, is_optional });
        self
    }

    /// Registers an MCP server before the emulator answers requests; see
    /// [`Instance::register_mcp_server`](crate::Instance::register_mcp_server). Call this method once for each server.
    ///
    /// ```
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_emulator::{Emulator, EmulatorOptions};
    ///
    /// let options = EmulatorOptions::default().mcp_server("http://127.0.0.1:3000/mcp");
    /// let emulator = Emulator::start(options).await?;
    /// assert!(emulator.instance().settings().audience_claim);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn mcp_server(mut self, url: impl Into<String>) -> Self {
        self.mcp_servers.push(url.into());
        self
    }
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            directory: Directory::default(),
            state_file: None,
            mcp_servers: Vec::new(),
        }
    }
}
