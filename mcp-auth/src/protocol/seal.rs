//! Seals the data that a client keeps for the server: the cursors of lists, the state of a request that waits for a
//! person, and the codes that confirm calls.
//!
//! Only a server with the key can read or make a sealed text. A sealed text is valid only for the purpose and the
//! request for which the server made it, and only until it expires. Servers that share a key accept each other's texts.
//!
//! Source: RFC 8452 (AES-GCM-SIV). The algorithm stays secure if two texts under one key get the same nonce by chance.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::Clock;

/// Seals texts with the first key, and opens texts that any of the keys sealed.
pub(crate) struct Sealer {
    keys: Keys,
    /// The URL of the server. A text that is sealed for one URL cannot be opened by a server with another URL, even
    /// with the same key.
    server: String,
    clock: Arc<dyn Clock>,
}

/// The bytes of a key.
#[derive(Clone)]
pub(crate) struct StateKey([u8; KEY_LEN]);

enum Keys {
    Configured(Vec<RandomizedNonceKey>),
    /// The key of this process. It is made when it is first used, because gathering randomness takes about 30 ms. `None`
    /// if the operating system returned no random bytes.
    Random(OnceLock<Option<RandomizedNonceKey>>),
}

/// The use of a sealed text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// The code that confirms a call.
    ConfirmationCode,
    /// The cursor of a page of a list.
    Cursor,
    /// The state of a request that waits for a person.
    RequestState,
}

/// The data for which a sealed text is valid. A text opens only with the same data with which it was sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) purpose: Purpose,
    pub(super) parts: &'a [&'a [u8]],
}

impl StateKey {
    pub(crate) fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// Returns a key for another purpose. The returned key does not reveal this key.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; KEY_LEN] {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &self.0),
            purpose.as_bytes(),
        );
        let mut derived = [0; KEY_LEN];
        for (byte, tag) in derived.iter_mut().zip(tag.as_ref()) {
            *byte = *tag;
        }
        derived
    }

    fn prepared(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, &self.0).ok()
    }
}

impl Keys {
    /// Returns all keys. Empty if no random key could be made.
    fn all(&self) -> &[RandomizedNonceKey] {
        match self {
            Self::Configured(keys) => keys,
            Self::Random(key) => key.get_or_init(random).as_slice(),
        }
    }
}

fn random() -> Option<RandomizedNonceKey> {
    let mut key = [0; KEY_LEN];
    rand::fill(&mut key).ok()?;
    StateKey(key).prepared()
}

/// Returns an id that nobody can guess, of 22 characters. Empty if the operating system returned no random bytes.
pub(super) fn random_id() -> String {
    let mut random = [0; 16];
    match rand::fill(&mut random) {
        Ok(()) => URL_SAFE_NO_PAD.encode(random),
        Err(_) => String::new(),
    }
}

/// Does not print the key.
impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey")
    }
}

impl Sealer {
    /// Makes a sealer for the server with this URL. The sealer seals with the first key, and opens with any of the keys.
    /// If `keys` is `None`, the sealer uses a random key.
    pub(crate) fn new(keys: Option<&[StateKey]>, server: String, clock: Arc<dyn Clock>) -> Self {
        // A key of 32 bytes is always accepted.
        let keys = keys.map(|keys| keys.iter().filter_map(StateKey::prepared).collect());
        Self {
            keys: keys.map_or_else(|| Keys::Random(OnceLock::new()), Keys::Configured),
            server,
            clock,
        }
    }

    /// Seals some bytes for the time of `lifetime`. `None` if the encryption failed.
    pub(super) fn seal(
        &self,
        binding: Binding<'_>,
        content: &[u8],
        lifetime: Duration,
    ) -> Option<String> {
        let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let end = self.clock.unix_ms().saturating_add(lifetime);
        let mut sealed = [end.to_be_bytes().as_slice(), content].concat();
        let bound = Aad::from(self.bytes(binding));
        let key = self.keys.all().first()?;
        let nonce = key.seal_in_place_append_tag(bound, &mut sealed).ok()?;
        let nonce: &[u8; NONCE_LEN] = nonce.as_ref();
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Returns the bytes that were sealed. `None` if no key of this server sealed the text for this binding, or if the
    /// text has expired.
    pub(super) fn open(&self, binding: Binding<'_>, text: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let bound = self.bytes(binding);
        let opened = self.keys.all().iter().find_map(|key| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let bound = Aad::from(bound.as_slice());
            let length = key.open_in_place(nonce, bound, &mut sealed).ok()?.len();
            sealed.truncate(length);
            Some(sealed)
        })?;
        let (end, content) = opened.split_first_chunk::<8>()?;
        (self.clock.unix_ms() < u64::from_be_bytes(*end)).then(|| content.to_vec())
    }

    /// Returns the binding as bytes. The length before each part ensures that different data have different
    /// bytes.
    fn bytes(&self, Binding { purpose, parts }: Binding<'_>) -> Vec<u8> {
        let purpose: &[u8] = match purpose {
            Purpose::ConfirmationCode => b"confirmation-code",
            Purpose::Cursor => b"cursor",
            Purpose::RequestState => b"request-state",
        };
        let all = [purpose, self.server.as_bytes()];
        let mut bytes = Vec::new();
        for part in all.iter().chain(parts) {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Does not print the keys.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// The length of a key in bytes.
pub(crate) const KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const HOUR: Duration = Duration::from_secs(3600);

    fn sealer(keys: &[u8], server: &str, clock: &Arc<ManualClock>) -> Sealer {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| StateKey::new([*key; KEY_LEN]))
            .collect();
        Sealer::new(Some(&keys), server.to_owned(), Arc::clone(clock) as _)
    }

    fn binding<'a>(parts: &'a [&'a [u8]]) -> Binding<'a> {
        Binding {
            purpose: Purpose::RequestState,
            parts,
        }
    }

    #[test]
    fn a_text_opens_only_for_its_purpose_its_parts_and_its_server_until_it_expires() {
        let clock = Arc::new(ManualClock::at(1_000));
        let one = sealer(&[1], "https://a.example/mcp", &clock);
        let bound = binding(&[b"ada", b"tools/call"]);
        let text = one.seal(bound, b"content", HOUR).unwrap();
        assert_eq!(one.open(bound, &text).unwrap(), b"content");

        let cursor = Binding {
            purpose: Purpose::Cursor,
            ..bound
        };
        for other in [
            cursor,
            binding(&[b"bob", b"tools/call"]),
            binding(&[b"ada", b"prompts/get"]),
            binding(&[b"ada", b"tools/call", b""]),
            binding(&[b"adat", b"ools/call"]),
            binding(&[]),
        ] {
            assert_eq!(one.open(other, &text), None, "{other:?}");
        }
        let elsewhere = sealer(&[1], "https://b.example/mcp", &clock);
        assert_eq!(elsewhere.open(bound, &text), None);
        clock.advance(HOUR - Duration::from_millis(1));
        assert_eq!(one.open(bound, &text).unwrap(), b"content");
        clock.advance(Duration::from_millis(1));
        assert_eq!(one.open(bound, &text), None);
    }

    #[test]
    fn a_server_with_the_key_opens_the_text_of_another_server_until_the_key_is_removed() {
        let clock = Arc::new(ManualClock::at(1_000));
        let url = "https://a.example/mcp";
        let bound = binding(&[b"ada"]);
        let old = sealer(&[1], url, &clock);
        let text = old.seal(bound, b"content", HOUR).unwrap();
        let rotated = sealer(&[2, 1], url, &clock);
        assert_eq!(rotated.open(bound, &text).unwrap(), b"content");
        // The first key seals, so a server that knows only the old key does not open the new text.
        let newer = rotated.seal(bound, b"content", HOUR).unwrap();
        assert_eq!(old.open(bound, &newer), None);
        assert_eq!(sealer(&[2], url, &clock).open(bound, &text), None);
        assert_eq!(sealer(&[], url, &clock).seal(bound, b"content", HOUR), None);
    }

    #[test]
    fn a_changed_text_does_not_open() {
        let clock = Arc::new(ManualClock::at(1_000));
        let one = sealer(&[1], "https://a.example/mcp", &clock);
        let bound = binding(&[b"ada"]);
        let text = one.seal(bound, b"content", HOUR).unwrap();
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(one.open(bound, &changed), None, "{index}");
        }
        let shorter: String = text.chars().skip(1).collect();
        for forged in ["", "0", &shorter, &format!("{text}A"), &"A".repeat(200)] {
            assert_eq!(one.open(bound, forged), None, "{forged}");
        }
    }

    #[test]
    fn each_server_without_keys_has_a_key_of_its_own() {
        let clock = Arc::new(ManualClock::at(1_000));
        let server = || Sealer::new(None, String::new(), Arc::clone(&clock) as _);
        let (one, other) = (server(), server());
        let bound = binding(&[b"ada"]);
        let text = one.seal(bound, b"content", HOUR).unwrap();
        assert_eq!(one.open(bound, &text).unwrap(), b"content");
        assert_eq!(other.open(bound, &text), None);
    }

    #[test]
    fn debug_shows_no_key() {
        let clock = Arc::new(ManualClock::at(1_000));
        let shown = format!("{:?}", sealer(&[77], "https://a.example/mcp", &clock));
        assert!(!shown.contains("77"), "{shown}");
        assert_eq!(format!("{:?}", StateKey::new([77; KEY_LEN])), "StateKey");
    }
}
