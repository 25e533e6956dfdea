//! What outlives a process, kept on request in a file that only its owner can read: keys, and who signed in
//! where.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;
use crate::keys::SecretKey;
use crate::keys::SigningKey;
use crate::oauth::Kept;

/// What an instance signs and is called with.
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
            signing: SigningKey::from_kept(text.kid, &pkcs8)?,
            secret: SecretKey::from_kept(text.secret_key)?,
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

/// The file. Neither `Debug` nor public: it holds the private key.
pub(crate) struct StateFile {
    path: PathBuf,
    keys: KeyText,
}

impl StateFile {
    /// Reads the file at `path`, or makes keys and keeps them there.
    pub(crate) fn open(path: &Path) -> Result<(Self, Keys, Kept), Error> {
        let at = |source| Error::StateFile {
            path: path.into(),
            source,
        };
        let (keys, kept) = match fs::read_to_string(path) {
            Ok(text) => {
                check_private(path)?;
                let wrong = || Error::StateFileContent { path: path.into() };
                let content: Content<KeyText, Kept> =
                    serde_json::from_str(&text).map_err(|_| wrong())?;
                let keys = Keys::from_text(content.keys).ok_or_else(wrong)?;
                (keys, content.oauth)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (Keys::generate()?, Kept::default())
            }
            Err(source) => return Err(at(source)),
        };
        let file = Self {
            path: path.into(),
            keys: keys.to_text()?,
        };
        file.save(&kept).map_err(at)?;
        Ok((file, keys, kept))
    }

    /// Writes all of it in the place of what is there: a reader sees the one or the other.
    pub(crate) fn save(&self, oauth: &Kept) -> io::Result<()> {
        let keys = &self.keys;
        let text = serde_json::to_string(&Content { keys, oauth })?;
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        // Left by a process that was killed.
        let _ = fs::remove_file(&new);
        write_private(&new, &text)?;
        fs::rename(&new, &self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[derive(Deserialize, Serialize)]
struct Content<K, O> {
    #[serde(flatten)]
    keys: K,
    #[serde(default)]
    oauth: O,
}

#[derive(Deserialize, Serialize)]
struct KeyText {
    kid: String,
    private_key: String,
    secret_key: String,
}

/// Creates the file with its permissions, so that it is at no time readable by others.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
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
    fn kept_keys_are_the_same_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let (_, first, _) = StateFile::open(&path).unwrap();
        let (_, second, _) = StateFile::open(&path).unwrap();
        assert_eq!(first.signing.jwk(), second.signing.jwk());
        assert_eq!(first.secret.expose(), second.secret.expose());
    }

    #[cfg(unix)]
    #[test]
    fn a_state_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let (file, ..) = StateFile::open(&path).unwrap();
        // What a process left that was killed while it wrote.
        fs::write(directory.path().join("keys.json.new"), "{").unwrap();
        file.save(&Kept::default()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            StateFile::open(&path),
            Err(Error::StateFileMode { .. })
        ));
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        write_private(&path, "[1]").unwrap();
        assert!(matches!(
            StateFile::open(&path),
            Err(Error::StateFileContent { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[1]");
    }
}
