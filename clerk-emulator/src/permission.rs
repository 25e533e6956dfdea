//! The grammar of a permission key, and the packed form of permissions in session tokens.

use std::fmt::Write as _;

/// A parsed permission key, `org:<feature>:<action>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permission<'a> {
    pub(crate) feature: &'a str,
    pub(crate) action: &'a str,
}

impl<'a> Permission<'a> {
    /// Parses a key. `None` if a session token could not contain the permission.
    pub(crate) fn parse(key: &'a str) -> Option<Self> {
        let (feature, action) = key.strip_prefix("org:")?.split_once(':')?;
        (is_word(feature) && is_word(action)).then_some(Self { feature, action })
    }

    /// Returns true for Clerk's system permissions (`org:sys_…`), which session tokens never contain.
    pub(crate) fn is_system(self) -> bool {
        self.feature.starts_with("sys_")
    }
}

/// Returns true if `text` consists of letters, digits, `_` and `-`. Such a name cannot contain a separator of a list or
/// a claim.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The three claims that carry permissions in a session token of version 2.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The claim `fea`.
    pub(crate) features: String,
    /// The claim `o.per`. Empty if there are no permissions.
    pub(crate) actions: String,
    /// The claim `o.fpm`. Empty if there are no permissions.
    pub(crate) masks: String,
}

/// Packs `permissions` for a session token of version 2.
///
/// Clerk's SDKs differ. Some assign the k-th mask to the k-th feature of the organization, others to the k-th feature
/// of the whole list. This function lists only features of the organization, so all SDKs read the same permissions.
pub(crate) fn pack(permissions: &[Permission<'_>]) -> Packed {
    let mut features: Vec<&str> = Vec::new();
    let mut actions: Vec<&str> = Vec::new();
    for permission in permissions {
        if !features.contains(&permission.feature) {
            features.push(permission.feature);
        }
        if !actions.contains(&permission.action) {
            actions.push(permission.action);
        }
    }
    let mut packed = Packed {
        actions: actions.join(","),
        ..Packed::default()
    };
    for (index, feature) in features.iter().enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let held = |action: &&str| permissions.contains(&Permission { feature, action });
        let bits: Vec<bool> = actions.iter().map(held).collect();
        // Writing to a `String` cannot fail.
        let _ = write!(packed.features, "{separator}o:{feature}");
        let _ = write!(packed.masks, "{separator}{}", decimal(&bits));
    }
    packed
}

/// The number with these bits, least significant first, in decimal. A mask has one bit for each
/// action, so it can exceed every machine integer.
fn decimal(bits: &[bool]) -> String {
    let mut digits = vec![0_u8]; // least significant first
    for &bit in bits.iter().rev() {
        let mut carry = u8::from(bit);
        for digit in &mut digits {
            let doubled = *digit * 2 + carry;
            *digit = doubled % 10;
            carry = doubled / 10;
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_org_a_feature_and_an_action_are_a_permission() {
        let parsed = Permission::parse("org:documents:read").unwrap();
        assert_eq!((parsed.feature, parsed.action), ("documents", "read"));
        for key in [
            "",
            "documents:read",
            "org:documents",
            "org:documents:",
            "org::read",
            "org:a:b:c",
            "org:a,b:read",
            "org: a:read",
            "Org:documents:read",
            "org:org:documents:read:x",
        ] {
            assert_eq!(Permission::parse(key), None, "{key}");
        }
    }

    #[test]
    fn permissions_are_packed_like_the_documented_example() {
        let keys = [
            "org:dashboard:manage",
            "org:dashboard:read",
            "org:teams:read",
        ];
        let permissions: Vec<_> = keys
            .iter()
            .map(|key| Permission::parse(key).unwrap())
            .collect();
        let packed = pack(&permissions);
        assert_eq!(packed.features, "o:dashboard,o:teams");
        assert_eq!(packed.actions, "manage,read");
        assert_eq!(packed.masks, "3,2");
        assert_eq!(pack(&[]), Packed::default());
    }

    #[test]
    fn a_mask_can_exceed_every_machine_integer() {
        let mut bits = vec![false; 70];
        bits[0] = true;
        bits[69] = true;
        assert_eq!(decimal(&bits), "590295810358705651713");
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[true, true, true]), "7");
    }
}
