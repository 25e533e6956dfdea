//! The profile of a caller, as a tool asks for it.

use crate::identity::{Caller, Profile, ProfileError};

use super::error::ToolError;

impl Caller {
    /// Gets what may be shown of the user who calls: e-mail, name, username, picture.
    ///
    /// From the token itself if it is a JWT that says any of it, as a session token can be customized
    /// to; that is all then. Otherwise it is asked for: with the server's secret key at Clerk's Backend
    /// API, without one at the issuer's userinfo with the caller's own token. Of what is found there, a
    /// session token shows everything; an OAuth token and a user's API key show what their scopes
    /// cover, `email` and `profile`, and nothing is asked if they cover nothing. It is kept for as long
    /// as the token lives, a day at most.
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
    /// - A [`ToolError`] that tells so, if the caller is no user: a machine, or the API key of an
    ///   organization.
    /// - A [`ToolError`] that tells so, if the profile can't be had now.
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
