//! Who a user is to other people.

use std::fmt;

use serde_json::{Map, Value};

/// What may be shown of the user who calls: what the token's scopes cover.
///
/// Got by [`Caller::profile`](crate::Caller::profile). What is not covered, or not known, is `None`.
///
/// ```
/// use mcp_auth::Profile;
///
/// /// How to address somebody.
/// fn salutation(profile: &Profile) -> String {
///     let name = profile.name.as_deref().or(profile.username.as_deref());
///     format!("Hello {}", name.unwrap_or("you"))
/// }
///
/// assert_eq!(salutation(&Profile::default()), "Hello you");
/// ```
///
/// `Debug` shows which members are there and not what they say, since it ends up in logs.
///
/// Source: OpenID Connect Core 1.0 §5.1 and §5.4.
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// The primary e-mail address; scope `email`.
    pub email: Option<String>,
    /// Whether that address was verified; scope `email`.
    pub email_verified: Option<bool>,
    /// The full name; scope `profile`.
    pub name: Option<String>,
    /// The name that the user chose; scope `profile`.
    pub username: Option<String>,
    /// The URL of a picture; scope `profile`.
    pub picture: Option<String>,
}

/// Which members of a profile may be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Covered {
    pub(crate) email: bool,
    pub(crate) profile: bool,
}

impl Profile {
    /// Reads standard claims (OpenID Connect Core 1.0 §5.1); any other is not looked at.
    pub(crate) fn of_claims(claims: &Map<String, Value>) -> Self {
        let text = |name| {
            let text = claims.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            email: text("email"),
            email_verified: claims.get("email_verified").and_then(Value::as_bool),
            name: text("name"),
            username: text("preferred_username").or_else(|| text("username")),
            picture: text("picture"),
        }
    }

    /// The same without what is not covered.
    pub(crate) fn only(self, covered: Covered) -> Self {
        let Covered { email, profile } = covered;
        Self {
            email: self.email.filter(|_| email),
            email_verified: self.email_verified.filter(|_| email),
            name: self.name.filter(|_| profile),
            username: self.username.filter(|_| profile),
            picture: self.picture.filter(|_| profile),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("email", &self.email.is_some())
            .field("email_verified", &self.email_verified)
            .field("name", &self.name.is_some())
            .field("username", &self.username.is_some())
            .field("picture", &self.picture.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn debug_shows_what_is_there_and_not_what_it_says() {
        let shown = format!("{:?}", ada());
        assert!(!shown.contains("ada") && !shown.contains("Ada"), "{shown}");
        assert!(shown.contains("email: true"), "{shown}");
    }

    #[test]
    fn each_scope_covers_its_own_members_and_no_others() {
        let only = |email, profile| ada().only(Covered { email, profile });
        let with_email = only(true, false);
        assert_eq!(with_email.email.as_deref(), Some("ada@example.com"));
        assert_eq!(with_email.email_verified, Some(true));
        assert_eq!(
            (with_email.name, with_email.username, with_email.picture),
            (None, None, None)
        );
        let with_profile = only(false, true);
        assert_eq!(
            (with_profile.email, with_profile.email_verified),
            (None, None)
        );
        assert_eq!(with_profile.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(with_profile.username.as_deref(), Some("ada"));
        assert!(only(false, false).is_empty() && only(true, true) == ada());
    }

    #[test]
    fn claims_of_another_type_are_none() {
        let claims = json!({"email": 7, "email_verified": "true", "name": "", "picture": null});
        assert!(Profile::of_claims(claims.as_object().unwrap()).is_empty());
    }

    fn ada() -> Profile {
        let claims = json!({
            "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
            "preferred_username": "ada", "username": "old", "picture": "https://img.example/ada",
            "private_metadata": {"email": "other@example.com"},
        });
        Profile::of_claims(claims.as_object().unwrap())
    }
}
