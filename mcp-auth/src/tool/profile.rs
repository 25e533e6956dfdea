//! The profile of a caller, as a tool takes it.

use crate::guard::Requirement;
use crate::identity::{Caller, Profile, ProfileError};

use super::context::Context;
use super::error::ToolError;
use super::inject::FromContext;

/// Looks the profile up before the tool runs. A tool that needs the profile in some calls only takes `&Context` and
/// `&Caller`, and calls `Profile::from_context(cx, caller)`.
impl FromContext for Profile {
    type Parts = Caller;

    const REQUIRES: &'static [Requirement] = &[Requirement::User];

    async fn from_context(cx: &Context, caller: &Caller) -> Result<Self, ToolError> {
        let profile = match cx.people() {
            Some(people) => people.profile(caller).await,
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
