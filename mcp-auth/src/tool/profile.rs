//! The profile of a caller, as a tool asks for it.

use crate::identity::{Caller, Profile, ProfileError};

use super::error::ToolError;

impl Caller {
    /// Gets the user's e-mail address, name, username and picture, as far as the token may show
    /// them.
    ///
    /// If the token is a JWT with any field of the profile, the profile consists of the token's
    /// fields. Session tokens can be customized to have them. Otherwise the profile is looked up:
    /// at Clerk's Backend API with the server's secret key, or without a key at the issuer's
    /// userinfo endpoint with the caller's own token. A session token shows every field of a
    /// looked-up profile. An OAuth token and a user's API key show the fields that the scopes
    /// `email` and `profile` cover; without either scope there is no look-up. A profile is cached
    /// for as long as the token lives, a day at most.
    ///
    /// ```
    /// use mcp_auth::{Caller, ToolError, mcp_tool};
    ///
    /// /// Tell to which address reports are sent.
    /// #[mcp_tool(scope = "email")]
    /// async fn address(caller: &Caller) -> Result<String, ToolError> {
    ///     let profile = caller.profile().await?;
    ///     profile.email.ok_or_else(|| ToolError::new("There is no address"))
    /// }
    /// ```
    ///
    /// Source: <https://clerk.com/docs/reference/backend-api>; OpenID Connect Core 1.0 §5.3.
    ///
    /// # Errors
    ///
    /// - A public [`ToolError`] if the caller is not a user: a machine, or the API key of an
    ///   organization.
    /// - A public [`ToolError`] if the look-up fails.
    pub async fn profile(&self) -> Result<Profile, ToolError> {
        let profile = match self.people() {
            Some(people) => people.profile(self).await,
            None => Err(ProfileError::Unavailable),
        };
        profile.map_err(|error| {
            ToolError::new(match error {
                ProfileError::NoUser => "The caller is no user",
                ProfileError::Unavailable => "The caller's profile can't be had at the moment",
            })
        })
    }
}
