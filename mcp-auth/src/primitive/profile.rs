//! Injects the profile of the caller into a tool, a prompt or a resource.

use crate::guard::Requirement;
use crate::identity::{Caller, Profile, ProfileError};

use super::context::Context;
use super::error::ToolError;
use super::inject::FromContext;

/// The server looks up the profile before the function runs. If a function needs the profile only in some calls, take
/// `&Context` and `&Caller` instead, and call `Profile::from_context(cx, caller)` in these calls.
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
                ProfileError::NoUser => "The caller is not a user",
                ProfileError::Unavailable => "The caller's profile cannot be loaded at the moment",
            })
        })
    }
}
