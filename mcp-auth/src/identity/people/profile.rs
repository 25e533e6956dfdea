//! The part of a user's data that tools may see.

use std::fmt;

use serde_json::{Map, Value};

/// The profile of the user who calls: e-mail, name, username, picture. It contains only the fields that the token's
/// scopes cover.
///
/// A tool that takes `&Profile` requires a user, so machines cannot call it. A field is `None` if the scopes do not
/// cover it, or if it is not known.
///
/// ```
/// use mcp_auth::{Profile, ToolError, mcp_tool};
///
/// /// Tell to which address reports are sent.
/// #[mcp_tool(scope = "email")]
/// async fn address(profile: &Profile) -> Result<String, ToolError> {
///     profile.email.clone().ok_or_else(|| ToolError::new("There is no address"))
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada").email("ada@example.com").scope("email");
/// assert_eq!(ada.call("address", json!({})).await.expect_ok().text(), "ada@example.com");
/// # });
/// ```
///
/// # Where the profile comes from
///
/// If the token is a JWT with standard profile claims, the profile comes only from these claims. (A session token can
/// be customized to contain them.) For any other token, the server looks up the profile. With a secret key, the server
/// asks Clerk's Backend API. Without a secret key, it asks the issuer's userinfo endpoint with the caller's own token.
///
/// For a session token, the profile contains all fields that were looked up. For an OAuth token and a user's API key,
/// it contains the fields that the scopes `email` and `profile` cover. Without these scopes the server looks up
/// nothing. A profile is cached for as long as the token lives, but at most for a day.
///
/// The call fails with a [`ToolError`](crate::ToolError) if the caller is a machine or an
/// organization, or if the profile cannot be looked up now.
///
/// `Debug` prints which fields are present and hides the texts, because `Debug` output may end up in logs.
///
/// Source: OpenID Connect Core 1.0 §5.1 to §5.4; <https://clerk.com/docs/reference/backend-api>.
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Profile {
    /// The primary e-mail address; needs the scope `email`.
    pub email: Option<String>,
    /// True if the e-mail address was verified; needs the scope `email`.
    pub email_verified: Option<bool>,
    /// The full name; needs the scope `profile`.
    pub name: Option<String>,
    /// The name that the user chose; needs the scope `profile`.
    pub username: Option<String>,
    /// The URL of a picture; needs the scope `profile`.
    pub picture: Option<String>,
}

/// The parts of a profile that a token covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Covered {
    pub(crate) email: bool,
    pub(crate) profile: bool,
}

impl Profile {
    /// Reads standard claims (OpenID Connect Core 1.0 §5.1) and ignores all others.
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

    /// Returns the profile with only the covered fields.
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
