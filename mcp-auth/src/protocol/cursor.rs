//! The cursors of paginated lists.
//!
//! The server encrypts and authenticates each cursor with its own key, so a client can neither read nor
//! make a cursor. A cursor is valid only for the same caller, the same list, and the same set of visible
//! entries, and only for an hour. MCP 2026-07-28, server/utilities/pagination.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use crate::guard::Visible;
use crate::identity::{Caller, Clock};
use crate::primitive::List;

/// Encrypts and decrypts cursors. The key is random, and is lost when the process ends.
#[derive(Debug)]
pub(super) struct Cursors {
    key: RandomizedNonceKey,
    clock: Arc<dyn Clock>,
}

/// The server could not generate its random key.
#[derive(Clone, Copy, Debug, Error)]
#[error("the operating system returned no random bytes for the key of the list cursors")]
pub(crate) struct NoKey;

/// The list that a cursor belongs to, as the caller sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paged<'a> {
    pub(super) list: List,
    /// `None` if the request has no token.
    pub(super) caller: Option<&'a Caller>,
    /// The entries that the caller sees.
    pub(super) visible: &'a Visible,
}

impl Cursors {
    /// Generates a random key.
    ///
    /// # Errors
    ///
    /// - If the operating system returns no random bytes.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Result<Self, NoKey> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|Unspecified| NoKey)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|Unspecified| NoKey)?;
        Ok(Self { key, clock })
    }

    /// Returns the cursor of the page that begins at the index `place` among the visible entries.
    /// `None` if the encryption failed.
    pub(super) fn seal(&self, paged: Paged<'_>, place: u32) -> Option<String> {
        let end = self.clock.unix_ms().saturating_add(LIFETIME_MS);
        let mut sealed = [place.to_be_bytes().as_slice(), &end.to_be_bytes()].concat();
        let bound = Aad::from(paged.bound_to());
        let nonce = self.key.seal_in_place_append_tag(bound, &mut sealed).ok()?;
        let nonce: &[u8; NONCE_LEN] = nonce.as_ref();
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Returns the index of the first entry of the cursor's page. `None` if this server did not make
    /// the cursor, made it for another caller, list or set of entries, or made it an hour ago or
    /// earlier.
    pub(super) fn open(&self, paged: Paged<'_>, cursor: &str) -> Option<u32> {
        // A longer text cannot be a cursor, so it is not decoded.
        if cursor.len() > MOST_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let bound = Aad::from(paged.bound_to());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, bound, &mut sealed).ok()?;
        let (place, end) = opened.split_first_chunk::<4>()?;
        let end = u64::from_be_bytes(end.try_into().ok()?);
        (self.clock.unix_ms() < end).then(|| u32::from_be_bytes(*place))
    }
}

impl Paged<'_> {
    /// Returns the data for which a cursor is valid, as bytes. The length before each part ensures
    /// that different data have different bytes.
    fn bound_to(&self) -> Vec<u8> {
        let list: &[u8] = match self.list {
            List::Prompts => b"prompts",
            List::Resources => b"resources",
            List::Templates => b"templates",
            List::Tools => b"tools",
        };
        let principal = self
            .caller
            .map(|caller| caller.principal_in(None).to_bytes());
        let visible = self.visible.to_bytes();
        let mut bound = Vec::new();
        for part in [list, principal.as_deref().unwrap_or_default(), &visible] {
            bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }
}

const LIFETIME_MS: u64 = Duration::from_secs(3600).as_millis() as u64;
/// Twice the length of a cursor.
const MOST_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::test_support::{oauth_caller, oauth_claims};

    fn visible(bits: [bool; 3]) -> Visible {
        bits.into_iter().collect()
    }

    #[test]
    fn a_cursor_opens_only_for_its_caller_list_and_entries_within_an_hour() {
        let clock = Arc::new(ManualClock::at(1_000));
        let cursors = Cursors::new(Arc::clone(&clock) as _).unwrap();
        let mut claims = oauth_claims();
        let ada = oauth_caller(&claims);
        claims["sub"] = json!("user_bob");
        let bob = oauth_caller(&claims);
        let (all, fewer) = (visible([true; 3]), visible([true, true, false]));
        let paged = Paged {
            list: List::Tools,
            caller: Some(&ada),
            visible: &all,
        };
        let cursor = cursors.seal(paged, 100).unwrap();
        assert_eq!(cursors.open(paged, &cursor), Some(100));
        for other in [
            Paged {
                caller: Some(&bob),
                ..paged
            },
            Paged {
                caller: None,
                ..paged
            },
            Paged {
                list: List::Prompts,
                ..paged
            },
            Paged {
                visible: &fewer,
                ..paged
            },
        ] {
            assert_eq!(cursors.open(other, &cursor), None, "{other:?}");
        }
        let others = Cursors::new(Arc::clone(&clock) as _).unwrap();
        assert_eq!(others.open(paged, &cursor), None);
        clock.advance(Duration::from_secs(3599));
        assert_eq!(cursors.open(paged, &cursor), Some(100));
        clock.advance(Duration::from_secs(1));
        assert_eq!(cursors.open(paged, &cursor), None);
    }

    #[test]
    fn a_changed_cursor_does_not_open() {
        let clock = Arc::new(ManualClock::at(1_000));
        let cursors = Cursors::new(clock).unwrap();
        let all = visible([true; 3]);
        let paged = Paged {
            list: List::Resources,
            caller: None,
            visible: &all,
        };
        let cursor = cursors.seal(paged, 7).unwrap();
        assert_eq!(cursors.open(paged, &cursor), Some(7));
        for index in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character has bits that Base64 does not use; the decoder refuses such a text.
            assert_eq!(cursors.open(paged, &changed), None, "{index}");
        }
        for forged in [
            "",
            "0",
            "100",
            &cursor.chars().skip(1).collect::<String>(),
            &format!("{cursor}A"),
            &"A".repeat(200),
        ] {
            assert_eq!(cursors.open(paged, forged), None, "{forged}");
        }
    }
}
