//! Keys that outlive a process, kept on request in a file that only its owner can read.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;
use crate::keys::SecretKey;
use crate::keys::SigningKey;

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

    /// Reads the keys in `path`, or makes keys and keeps them there.
    pub(crate) fn kept_in(path: &Path) -> Result<Self, Error> {
        match fs::read_to_string(path) {
            Ok(text) => {
                check_private(path)?;
                Self::from_text(&text).ok_or_else(|| Error::KeyFileContent { path: path.into() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self::generate()?;
                write_private(path, &keys.to_text()?)
                    .map_err(|source| key_file_error(path, source))?;
                Ok(keys)
            }
            Err(source) => Err(key_file_error(path, source)),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let file: KeyFile = serde_json::from_str(text).ok()?;
        let pkcs8 = STANDARD.decode(file.private_key).ok()?;
        Some(Self {
            signing: SigningKey::from_kept(file.kid, &pkcs8)?,
            secret: SecretKey::from_kept(file.secret_key)?,
        })
    }

    fn to_text(&self) -> Result<String, Error> {
        let file = KeyFile {
            kid: String::from(self.signing.kid()),
            private_key: STANDARD.encode(self.signing.to_pkcs8()?.as_ref()),
            secret_key: String::from(self.secret.expose()),
        };
        serde_json::to_string(&file).map_err(|_| Error::KeyGeneration)
    }
}

/// The file's content. Neither `Debug` nor public: it holds the private key.
#[derive(Deserialize, Serialize)]
struct KeyFile {
    kid: String,
    private_key: String,
    secret_key: String,
}

fn key_file_error(path: &Path, source: io::Error) -> Error {
    Error::KeyFile {
        path: path.into(),
        source,
    }
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

    let metadata = fs::metadata(path).map_err(|source| key_file_error(path, source))?;
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::KeyFileMode { path: path.into() })
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
        let first = Keys::kept_in(&path).unwrap();
        let second = Keys::kept_in(&path).unwrap();
        assert_eq!(first.signing.jwk(), second.signing.jwk());
        assert_eq!(first.secret.expose(), second.secret.expose());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        Keys::kept_in(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Keys::kept_in(&path),
            Err(Error::KeyFileMode { .. })
        ));
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        write_private(&path, "[1]").unwrap();
        assert!(matches!(
            Keys::kept_in(&path),
            Err(Error::KeyFileContent { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "[1]");
    }
}
