//! The permissions that a version 2 session token packs into three claims.
//!
//! `fea` lists features, `o.per` lists names of permissions, and `o.fpm` has one bit mask of permissions for each
//! feature. Clerk's own SDKs disagree about the feature of a mask if a feature of users precedes a feature of
//! organizations: the JavaScript SDK counts only organization features, and the other SDKs count all features. This
//! decoder grants a permission only if both readings grant it.

use std::collections::HashSet;
use std::sync::Once;

/// The three claims. An absent claim is an empty text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a> {
    pub(super) features: &'a str,
    pub(super) names: &'a str,
    pub(super) masks: &'a str,
}

/// The claims cannot be read: an entry of `fea` has no scope, or a claim is not [plain](is_plain).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unreadable;

impl<'a> Packed<'a> {
    /// Returns the permissions, such as `org:documents:read`, ordered by feature and then by name.
    pub(super) fn unpack(self) -> Result<Vec<String>, Unreadable> {
        if ![self.features, self.names, self.masks]
            .into_iter()
            .all(is_plain)
        {
            return Err(Unreadable);
        }
        let features = self.features()?;
        if self.names.is_empty() || self.masks.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = list(self.names).collect();
        let masks: Vec<Mask> = list(self.masks).map(Mask::parse).collect();
        let by_position = granted(features.iter().copied(), &names, &masks);
        let of_organizations = features.iter().copied().filter(Option::is_some);
        let mut permissions = granted(of_organizations, &names, &masks);
        if permissions != by_position {
            log_disagreement();
            let both: HashSet<String> = by_position.into_iter().collect();
            permissions.retain(|permission| both.contains(permission));
        }
        // The permissions are cached with the token, so they must not take spare memory.
        permissions.shrink_to_fit();
        Ok(permissions)
    }

    /// Returns the entries of `fea` in order. An entry that is not a feature of organizations is `None`.
    fn features(&self) -> Result<Vec<Option<&'a str>>, Unreadable> {
        if self.features.is_empty() {
            return Ok(Vec::new());
        }
        list(self.features)
            .map(|entry| {
                let (scope, feature) = entry.split_once(':').ok_or(Unreadable)?;
                Ok(matches!(scope, "o" | "ou" | "uo").then_some(feature))
            })
            .collect()
    }
}

fn granted<'a>(
    features: impl Iterator<Item = Option<&'a str>>,
    names: &[&str],
    masks: &[Mask],
) -> Vec<String> {
    let mut permissions = Vec::new();
    for (feature, mask) in features.zip(masks) {
        let Some(feature) = feature else { continue };
        let held = names.iter().enumerate().filter(|(bit, _)| mask.has(*bit));
        permissions.extend(held.map(|(_, name)| ["org:", feature, ":", name].concat()));
    }
    permissions
}

/// Returns true if all decoders trim the entries of this list in the same way. Only Rust trims
/// U+0085, and only JavaScript trims U+FEFF.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains(['\u{85}', '\u{feff}'])
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// An unsigned integer of any size, least significant limb first. A text that is not a number has
/// no bit set.
#[derive(Debug, Default)]
struct Mask {
    limbs: Vec<u32>,
}

impl Mask {
    fn parse(text: &str) -> Self {
        let mut mask = Self::default();
        if text.len() > MAX_DIGITS || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return mask;
        }
        for digit in text.bytes() {
            mask.append(u32::from(digit - b'0'));
        }
        mask
    }

    /// Multiplies the number by ten and adds the digit.
    fn append(&mut self, digit: u32) {
        let mut carry = u64::from(digit);
        for limb in &mut self.limbs {
            carry += u64::from(*limb) * 10;
            *limb = low_half(carry);
            carry >>= 32;
        }
        if carry > 0 {
            self.limbs.push(low_half(carry));
        }
    }

    fn has(&self, bit: usize) -> bool {
        self.limbs
            .get(bit / 32)
            .is_some_and(|limb| limb >> (bit % 32) & 1 == 1)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the other half is the carry"
)]
fn low_half(number: u64) -> u32 {
    number as u32
}

fn log_disagreement() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            target: "mcp_auth",
            "a session token lists a user's feature before an organization's feature, and Clerk's SDKs \
             disagree on its permissions; the server grants only permissions that all SDKs grant",
        );
    });
}

/// The greatest number of digits of a mask. 1024 digits are enough for more than 3000 permissions.
const MAX_DIGITS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples. Each has the claims `fea`, `per` and `fpm`, and the expected permissions without their prefix `org:`.
    const EXAMPLES: [(&str, &str, &str, &str); 17] = [
        (
            "o:dashboard,o:teams",
            "manage,read",
            "3,2",
            "dashboard:manage dashboard:read teams:read",
        ),
        (
            "o:documents",
            "read,create,update,delete",
            "9",
            "documents:read documents:delete",
        ),
        ("o:a,o:b", "r,c,u,d,v", "7,21", "a:r a:c a:u b:r b:u b:v"),
        (
            "o:r,o:i,o:b",
            "manage,read,update",
            "6,0,3",
            "r:read r:update b:manage b:read",
        ),
        (
            "ou:m,uo:p,u:gold",
            "read,manage",
            "3,2,0",
            "m:read m:manage p:manage",
        ),
        ("o:a,o:b,o:c", "read", "1", "a:read"),
        ("o:a", "read", "1,1,1", "a:read"),
        ("o:a", "read,write", "7", "a:read a:write"),
        ("o:a , o:b", " read , write ", " 1 , 2 ", "a:read b:write"),
        ("o:a,o:b,o:c", "read", "1,,1", "a:read c:read"),
        ("o:a,o:b", "read,write", "0x3,1", "b:read"),
        ("o:a,o:b", "read", "-1,1.5", ""),
        ("o:a", "read,,write", "7", "a:read a: a:write"),
        ("o:a:b", "read", "1", "a:b:read"),
        ("o:a", "read,write", "0003", "a:read a:write"),
        ("", "read", "1", ""),
        ("o:a", "", "1", ""),
    ];

    #[test]
    fn the_worked_examples_unpack_as_documented() {
        for (features, names, masks, expected) in EXAMPLES {
            let expected: Vec<String> = expected
                .split_whitespace()
                .map(|one| format!("org:{one}"))
                .collect();
            let unpacked = Packed {
                features,
                names,
                masks,
            }
            .unpack();
            assert_eq!(unpacked, Ok(expected), "{features} {names} {masks}");
        }
    }

    #[test]
    fn a_mask_beyond_64_bits_keeps_every_bit() {
        let names = (0..70)
            .map(|n| format!("p{n}"))
            .collect::<Vec<_>>()
            .join(",");
        let masks = "590295810358705651713";
        let unpacked = Packed {
            features: "o:f",
            names: &names,
            masks,
        }
        .unpack();
        assert_eq!(
            unpacked,
            Ok(vec!["org:f:p0".to_owned(), "org:f:p69".to_owned()])
        );
    }

    #[test]
    fn a_mask_of_more_than_1024_digits_grants_nothing() {
        let granted = |digits: usize| {
            let masks = format!("{}1", "0".repeat(digits - 1));
            Packed {
                features: "o:a",
                names: "read",
                masks: &masks,
            }
            .unpack()
            .unwrap()
            .len()
        };
        assert_eq!((granted(1_024), granted(1_025)), (1, 0));
    }

    #[test]
    fn if_the_readings_differ_only_permissions_of_both_are_granted() {
        let packed = |features, masks| Packed {
            features,
            names: "read,delete",
            masks,
        };
        // The JavaScript SDK also reads billing:delete. By position, the permissions are
        // documents:read, documents:delete and billing:read.
        let kept = packed("u:gold,o:documents,o:billing", "0,3,1").unpack();
        assert_eq!(kept, Ok(vec!["org:billing:read".to_owned()]));
        let kept = packed("o:documents,u:gold,o:billing", "1,0,3").unpack();
        assert_eq!(kept, Ok(vec!["org:documents:read".to_owned()]));
    }

    #[test]
    fn white_space_that_not_every_reader_trims_makes_the_claims_unreadable() {
        for odd in ["\u{85}", "\u{feff}"] {
            for place in 0..3 {
                let mut claims = ["o:documents", "delete", "1"].map(str::to_owned);
                for (before, after) in [(odd, ""), ("", odd)] {
                    claims[place] = [before, ["o:documents", "delete", "1"][place], after].concat();
                    let [features, names, masks] = &claims;
                    let unpacked = Packed {
                        features,
                        names,
                        masks,
                    }
                    .unpack();
                    assert_eq!(unpacked, Err(Unreadable), "{claims:?}");
                }
            }
        }
        let spaced = Packed {
            features: "\u{a0}o:documents\u{2003}",
            names: "\u{3000}delete\t",
            masks: " 1\u{2028}",
        };
        assert_eq!(spaced.unpack(), Ok(vec!["org:documents:delete".to_owned()]));
    }

    #[test]
    fn a_feature_without_a_scope_makes_the_whole_unreadable() {
        for features in ["a", "o:a,", ",o:a", "o:a,b"] {
            for (names, masks) in [("read", "1"), ("", "")] {
                let unpacked = Packed {
                    features,
                    names,
                    masks,
                }
                .unpack();
                assert_eq!(unpacked, Err(Unreadable), "{features}");
            }
        }
    }
}
