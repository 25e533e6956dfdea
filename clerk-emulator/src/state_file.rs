//! The state file: keys, the port, clients, grants, and the digests of opaque tokens. Only the
//! owner can read the file.
//!
//! INVARIANT: at most one process writes a state file. The process holds the lock of the file `….lock` beside the state
//! file.

use std::fs;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::keys::{SecretKey, SigningKey};
use crate::oauth::Persisted;
use crate::opaque::OpaqueTokens;

/// The signing key and the secret key of an instance.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) signing: SigningKey,
    pub(crate) secret: SecretKey,
}

impl Keys {
    pub(crate) fn generate() -> Result<Self, Error> {
        Ok(Self {
            signing: SigningKey::generate()?,
            secret: SecretKey::generate()?,
        })
    }

    fn from_text(text: KeyText) -> Option<Self> {
        let pkcs8 = STANDARD.decode(text.private_key).ok()?;
        Some(Self {
            signing: SigningKey::from_stored(text.kid, &pkcs8)?,
            secret: SecretKey::from_stored(text.secret_key)?,
        })
    }

    fn to_text(&self) -> Result<KeyText, Error> {
        Ok(KeyText {
            kid: String::from(self.signing.kid()),
            private_key: STANDARD.encode(self.signing.to_pkcs8()?.as_ref()),
            secret_key: String::from(self.secret.expose()),
        })
    }
}

/// The content of a state file, and the open file for later changes.
pub(crate) struct SavedState {
    pub(crate) file: StateFile,
    pub(crate) keys: Keys,
    pub(crate) oauth: Persisted,
    pub(crate) opaque_tokens: OpaqueTokens,
    /// The port of the last start.
    pub(crate) port: Option<u16>,
}

impl SavedState {
    /// Reads the file at `path`. If the file does not exist, generates keys and creates the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let lock = lock(path)?;
        let content = read(path)?;
        Self::start_with(path, lock, content)
    }

    /// Reads the file at `path`, like [`open`](Self::open). A missing folder is created. A file that contains no state,
    /// or that other users can read, is renamed and replaced by a new file.
    pub(crate) fn open_or_replace(path: &Path) -> Result<Self, Error> {
        let at = |source| Error::StateFile {
            path: path.into(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(at)?;
        }
        let lock = lock(path)?;
        let content = match read(path) {
            Err(error @ (Error::StateFileContent { .. } | Error::StateFileMode { .. })) => {
                let aside = beside(path, "unusable");
                fs::rename(path, &aside).map_err(at)?;
                let moved_to = aside.display();
                tracing::warn!(%error, %moved_to, "the state is lost: clients must sign in again");
                None
            }
            content => content?,
        };
        Self::start_with(path, lock, content)
    }

    fn start_with(path: &Path, lock: File, content: Option<Stored>) -> Result<Self, Error> {
        let (keys, content) = match content {
            Some((keys, content)) => (keys, content),
            None => (Keys::generate()?, Content::default()),
        };
        let values = Content {
            keys: keys.to_text()?,
            port: content.port,
            oauth: to_value(&content.oauth),
            opaque_tokens: to_value(&content.opaque_tokens),
        };
        write(path, &values).map_err(|source| Error::StateFile {
            path: path.into(),
            source,
        })?;
        let open = Open {
            content: values,
            _lock: lock,
        };
        Ok(Self {
            file: StateFile {
                path: path.into(),
                open: Mutex::new(Some(open)),
            },
            keys,
            oauth: content.oauth,
            opaque_tokens: content.opaque_tokens,
            port: content.port,
        })
    }
}

/// The open state file. It is neither `Debug` nor public, because it holds the private key.
pub(crate) struct StateFile {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

/// The last written content, and the lock that permits writing.
struct Open {
    content: Content<KeyText, Value, Value>,
    _lock: File,
}

impl StateFile {
    pub(crate) fn save_oauth(&self, oauth: &Persisted) {
        self.change(|content| content.oauth = to_value(oauth));
    }

    pub(crate) fn save_opaque_tokens(&self, tokens: &OpaqueTokens) {
        self.change(|content| content.opaque_tokens = to_value(tokens));
    }

    pub(crate) fn save_port(&self, port: u16) {
        self.change(|content| content.port = Some(port));
    }

    /// Releases the lock, so that another process can use the file. Later changes are not written.
    pub(crate) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a change. If writing fails, the request still succeeds, but a restart loses the change.
    fn change(&self, change: impl FnOnce(&mut Content<KeyText, Value, Value>)) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { content, .. }) = open.as_mut() else {
            return;
        };
        change(content);
        if let Err(error) = write(&self.path, content) {
            tracing::error!(%error, path = %self.path.display(), "the state file cannot be written");
        }
    }
}

type Stored = (Keys, Content<(), Persisted, OpaqueTokens>);

#[derive(Default, Deserialize, Serialize)]
struct Content<K, O, T> {
    #[serde(flatten)]
    keys: K,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default)]
    oauth: O,
    #[serde(default)]
    opaque_tokens: T,
}

#[derive(Deserialize, Serialize)]
struct KeyText {
    kid: String,
    private_key: String,
    secret_key: String,
}

/// Takes the lock of a state file. The lock is held as long as the returned file is open.
fn lock(path: &Path) -> Result<File, Error> {
    let at = |source| Error::StateFile {
        path: path.into(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = private(&mut options)
        .open(beside(path, "lock"))
        .map_err(at)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::StateFileInUse { path: path.into() }),
        Err(TryLockError::Error(source)) => Err(at(source)),
    }
}

/// Reads a state file. `None` if the file does not exist.
fn read(path: &Path) -> Result<Option<Stored>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.into();
            return Err(Error::StateFile { path, source });
        }
    };
    check_private(path)?;
    let wrong = || Error::StateFileContent { path: path.into() };
    let content: Content<KeyText, Persisted, OpaqueTokens> =
        serde_json::from_slice(&text).map_err(|_| wrong())?;
    let keys = Keys::from_text(content.keys).ok_or_else(wrong)?;
    let rest = Content {
        keys: (),
        port: content.port,
        oauth: content.oauth,
        opaque_tokens: content.opaque_tokens,
    };
    Ok(Some((keys, rest)))
}

/// Replaces the file atomically: a reader sees the old content or the new content.
fn write(path: &Path, content: &Content<KeyText, Value, Value>) -> io::Result<()> {
    let text = serde_json::to_string(content)?;
    let new = beside(path, "new");
    // A process that was killed may have left this temporary file.
    let _ = fs::remove_file(&new);
    // The file is created with this mode, so that other users can never read the file.
    private(OpenOptions::new().write(true).create_new(true))
        .open(&new)?
        .write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

/// The JSON of a value. Maps and lists of texts and numbers can always be serialised.
fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The path with `.ending` appended.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    PathBuf::from(path)
}

/// Lets only the owner read a created file.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = fs::metadata(path).map_err(|source| Error::StateFile {
        path: path.into(),
        source,
    })?;
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::StateFileMode { path: path.into() })
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_and_the_port_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let first = SavedState::open(&path).unwrap();
        assert_eq!(first.port, None);
        first.file.save_port(4400);
        first.file.close();
        let second = SavedState::open(&path).unwrap();
        assert_eq!(first.keys.signing.jwk(), second.keys.signing.jwk());
        assert_eq!(first.keys.secret.expose(), second.keys.secret.expose());
        assert_eq!(second.port, Some(4400));
    }

    #[cfg(unix)]
    #[test]
    fn a_state_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let SavedState { file, .. } = SavedState::open(&path).unwrap();
        // A process that was killed while it wrote leaves such a file.
        fs::write(beside(&path, "new"), "{").unwrap();
        file.save_oauth(&Persisted::default());
        file.close();
        for path in [&path, &beside(&path, "lock")] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            SavedState::open(&path),
            Err(Error::StateFileMode { .. })
        ));
        let replaced = SavedState::open_or_replace(&path).unwrap();
        let mode = fs::metadata(replaced.file.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_without_state_is_refused_or_renamed_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("folder/state.json");
        fs::create_dir(directory.path().join("folder")).unwrap();
        for content in [&b"[1]"[..], b"", b"{\"kid\": 1}", b"\xff"] {
            // A file that other users can read would give another error.
            let _ = fs::remove_file(&path);
            private(OpenOptions::new().write(true).create_new(true))
                .open(&path)
                .unwrap()
                .write_all(content)
                .unwrap();
            assert!(matches!(
                SavedState::open(&path),
                Err(Error::StateFileContent { .. })
            ));
            assert_eq!(fs::read(&path).unwrap(), content);
            let replaced = SavedState::open_or_replace(&path).unwrap();
            assert_eq!(fs::read(beside(&path, "unusable")).unwrap(), content);
            replaced.file.close();
            let again = SavedState::open(&path).unwrap();
            assert_eq!(again.keys.signing.jwk(), replaced.keys.signing.jwk());
        }
    }

    #[test]
    fn a_state_file_has_one_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let first = SavedState::open(&path).unwrap();
        for second in [SavedState::open(&path), SavedState::open_or_replace(&path)] {
            assert!(matches!(second, Err(Error::StateFileInUse { .. })));
        }
        first.file.close();
        let second = SavedState::open(&path).unwrap();
        second.file.save_port(1);
        first.file.save_port(2);
        second.file.close();
        assert_eq!(SavedState::open(&path).unwrap().port, Some(1));
    }
}
