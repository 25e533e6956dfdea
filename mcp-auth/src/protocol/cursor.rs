//! The cursors of paginated lists.
//!
//! A cursor is encrypted and authenticated, so a client can neither read nor make a cursor. A cursor is valid for an
//! hour, and only for the same caller, the same list, and the same set of visible entries. MCP 2026-07-28,
//! server/utilities/pagination.

use std::time::Duration;

use crate::guard::Visible;
use crate::identity::Caller;
use crate::primitive::List;

use super::seal::{Binding, Purpose, Sealer};

/// The list that a cursor belongs to, as the caller sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paged<'a> {
    pub(super) list: List,
    /// `None` if the request has no token.
    pub(super) caller: Option<&'a Caller>,
    /// The entries that the caller sees.
    pub(super) visible: &'a Visible,
}

impl Paged<'_> {
    /// Returns the cursor of the page that begins at the index `place` among the visible entries.
    /// `None` if the encryption failed.
    pub(super) fn seal(self, sealer: &Sealer, place: u32) -> Option<String> {
        self.bound(|binding| sealer.seal(binding, &place.to_be_bytes(), LIFETIME))
    }

    /// Returns the index of the first entry of the cursor's page. `None` if the cursor is older than an hour, or if
    /// this server did not make the cursor for this caller, this list and this set of entries.
    pub(super) fn open(self, sealer: &Sealer, cursor: &str) -> Option<u32> {
        // A longer text cannot be a cursor, so it is not decoded.
        if cursor.len() > MOST_LENGTH {
            return None;
        }
        let place = self.bound(|binding| sealer.open(binding, cursor))?;
        Some(u32::from_be_bytes(place.try_into().ok()?))
    }

    /// Calls `then` with the data for which a cursor is valid.
    fn bound<T>(self, then: impl FnOnce(Binding<'_>) -> T) -> T {
        let list: &[u8] = match self.list {
            List::Prompts => b"prompts",
            List::Resources => b"resources",
            List::Templates => b"templates",
            List::Tools => b"tools",
        };
        let principal = self
            .caller
            .map(|caller| caller.principal_in(None).to_bytes());
        then(Binding {
            purpose: Purpose::Cursor,
            parts: &[
                list,
                principal.as_deref().unwrap_or_default(),
                &self.visible.to_bytes(),
            ],
        })
    }
}

const LIFETIME: Duration = Duration::from_secs(3600);
/// The largest length of a text that is decoded: twice the length of a cursor.
const MOST_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::seal::StateKey;
    use super::*;
    use crate::clock::ManualClock;
    use crate::identity::test_support::{oauth_caller, oauth_claims};

    fn visible(bits: [bool; 3]) -> Visible {
        bits.into_iter().collect()
    }

    #[test]
    fn a_cursor_opens_only_for_its_caller_list_and_entries_within_an_hour() {
        let clock = Arc::new(ManualClock::at(1_000));
        let sealer = |key| {
            let url = "https://a.example/mcp".to_owned();
            Sealer::new(
                Some(&[StateKey::new([key; 32])]),
                url,
                Arc::clone(&clock) as _,
            )
        };
        let (own, others) = (sealer(1), sealer(2));
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
        let cursor = paged.seal(&own, 100).unwrap();
        assert!(cursor.len() * 2 <= MOST_LENGTH, "{}", cursor.len());
        assert_eq!(paged.open(&own, &cursor), Some(100));
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
            assert_eq!(other.open(&own, &cursor), None, "{other:?}");
        }
        assert_eq!(paged.open(&others, &cursor), None);
        for forged in ["", "0", "100", &"A".repeat(200)] {
            assert_eq!(paged.open(&own, forged), None, "{forged}");
        }
        clock.advance(Duration::from_secs(3599));
        assert_eq!(paged.open(&own, &cursor), Some(100));
        clock.advance(Duration::from_secs(1));
        assert_eq!(paged.open(&own, &cursor), None);
    }
}
