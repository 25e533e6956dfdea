//! Clerk's `has()`: a check whose names are known only at run time.

use std::fmt;

use crate::identity::{Entitlements, Org, Owner, is_key, is_permission};

use super::facts::TokenFacts;
use super::reverification::Reverification;

/// A check for [`Context::has`](crate::Context::has): the argument of `has({ permission: …, feature: … })` in
/// Clerk's SDKs.
///
/// The result is true only if the caller has everything that the check asks for. The result of an empty check
/// is false.
///
/// ```
/// use mcp_auth::{Context, Check, ToolError, mcp_tool};
///
/// /// Export a document in a format that may cost extra.
/// #[mcp_tool(require_org)]
/// async fn export(format: String, cx: &Context) -> Result<String, ToolError> {
///     let question = Check::new()
///         .role("org:editor")
///         .permission(format!("org:exports:{format}"))
///         .feature("org:exports")
///         .plan("pro")
///         .reverification("lax")
///         .reverification_within("first_factor", 60.0);
///     if !cx.has(question).await? {
///         return Err(ToolError::new("Not in this format"));
///     }
///     Ok(format!("exported as {format}"))
/// }
/// ```
///
/// Names have the same forms as in `#[mcp_tool]`. For a name in another form, such as `documents:read` without `org:`,
/// [`Context::has`](crate::Context::has) returns an error. Clerk's SDKs would silently repair such a name. If a part of
/// a name comes from the tool's arguments, validate this part first. Otherwise a client can cause internal errors.
///
/// Source: <https://clerk.com/docs/guides/secure/authorization-checks>.
#[derive(Clone, Debug, Default)]
#[must_use = "a check does nothing until `Context::has` gets it"]
pub struct Check {
    asked: Vec<CheckItem>,
    /// The first name whose form is not accepted.
    mistake: Option<Mistake>,
}

/// A name in a check whose form is not accepted.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    form: &'static str,
    /// The beginning of the name, which may come from the arguments of a call.
    found: String,
}

#[derive(Clone, Debug)]
enum CheckItem {
    Feature(Owner, String),
    Permission(String),
    Plan(Owner, String),
    Reverification(Reverification),
    Role(String),
}

impl Check {
    /// Makes a check without requirements.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires a role in the organization: `admin` or `org:admin`.
    pub fn role(self, role: impl Into<String>) -> Self {
        let role = role.into();
        let form = "`role` must look like `admin` or `org:admin`";
        let key = role.strip_prefix("org:").unwrap_or(&role);
        let asked = is_key(key.as_bytes()).then(|| CheckItem::Role(role.clone()));
        self.and(asked, form, &role)
    }

    /// Requires a permission in the organization: `org:documents:delete`.
    pub fn permission(self, permission: impl Into<String>) -> Self {
        let permission = permission.into();
        let form = "`permission` must look like `org:<feature>:<action>`";
        let asked = is_permission(permission.as_bytes());
        let asked = asked.then(|| CheckItem::Permission(permission.clone()));
        self.and(asked, form, &permission)
    }

    /// Requires a feature: `export`, `org:export` or `user:export`.
    pub fn feature(self, feature: impl Into<String>) -> Self {
        let feature = feature.into();
        let form = "`feature` must look like `export`, `org:export` or `user:export`";
        let asked = Owner::split(&feature);
        let asked = asked.map(|(owner, slug)| CheckItem::Feature(owner, slug.to_owned()));
        self.and(asked, form, &feature)
    }

    /// Requires a plan: `pro`, `org:pro` or `user:pro`.
    pub fn plan(self, plan: impl Into<String>) -> Self {
        let plan = plan.into();
        let form = "`plan` must look like `pro`, `org:pro` or `user:pro`";
        let asked = Owner::split(&plan);
        let asked = asked.map(|(owner, slug)| CheckItem::Plan(owner, slug.to_owned()));
        self.and(asked, form, &plan)
    }

    /// Requires a reverification. `preset` is Clerk's name for its level and its greatest age: `strict`, `moderate`,
    /// `lax` or `strict_mfa`.
    pub fn reverification(self, preset: &str) -> Self {
        let form = "`reverification` must be `strict`, `moderate`, `lax` or `strict_mfa`";
        let asked = Reverification::preset(preset).map(CheckItem::Reverification);
        self.and(asked, form, preset)
    }

    /// Requires a reverification of a level (`first_factor`, `second_factor` or `multi_factor`) within the
    /// last `minutes`, a number above zero.
    pub fn reverification_within(self, level: &str, minutes: f64) -> Self {
        let form = "a reverification takes `first_factor`, `second_factor` or `multi_factor`, and minutes above zero";
        let asked = Reverification::parse(level, minutes).map(CheckItem::Reverification);
        self.and(asked, form, &format!("{level}, {minutes}"))
    }

    fn and(mut self, asked: Option<CheckItem>, form: &'static str, found: &str) -> Self {
        match asked {
            Some(asked) => self.asked.push(asked),
            None => {
                self.mistake.get_or_insert_with(|| Mistake {
                    form,
                    found: found.chars().take(MOST_LOGGED).collect(),
                });
            }
        }
        self
    }

    /// Returns the first name whose form is not accepted.
    pub(crate) fn mistake(&self) -> Option<&Mistake> {
        self.mistake.as_ref()
    }

    /// Returns true if the result depends on the caller's organization.
    pub(crate) fn uses_organization(&self) -> bool {
        self.asked.iter().any(CheckItem::is_of_organization)
    }

    /// Returns true if the caller has everything that the check asks for. For a machine the result is always
    /// false.
    pub(crate) fn holds(&self, caller: &TokenFacts<'_>, organization: Option<&Org>) -> bool {
        let mut all = self.asked.iter();
        caller.user
            && self.mistake.is_none()
            && !self.asked.is_empty()
            && all.all(|asked| asked.is_held(caller, organization))
    }

    /// Returns true if the caller passes all parts of the check, apart from the parts that depend on an organization.
    pub(crate) fn may_hold(&self, caller: &TokenFacts<'_>) -> bool {
        let mut others = self
            .asked
            .iter()
            .filter(|asked| !asked.is_of_organization());
        caller.user && others.all(|asked| asked.is_held(caller, None))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, found `{}`", self.form, self.found)
    }
}

impl std::error::Error for Mistake {}

impl CheckItem {
    fn is_of_organization(&self) -> bool {
        match self {
            Self::Permission(_) | Self::Role(_) => true,
            Self::Feature(..) | Self::Plan(..) | Self::Reverification(_) => false,
        }
    }

    fn is_held(&self, caller: &TokenFacts<'_>, organization: Option<&Org>) -> bool {
        let is_among = |owner: Owner, slug: &str, held: Option<&Entitlements>| {
            held.is_some_and(|held| held.has(owner, slug))
        };
        match self {
            Self::Feature(owner, slug) => is_among(*owner, slug, caller.features),
            Self::Permission(key) => organization.is_some_and(|org| org.has_permission(key)),
            Self::Plan(owner, slug) => is_among(*owner, slug, caller.plans),
            Self::Reverification(asked) => asked.is_met(caller.factor_ages),
            Self::Role(role) => organization.is_some_and(|org| org.has_role(role)),
        }
    }
}

/// The largest number of characters that the log shows of a wrong name.
const MOST_LOGGED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_in_another_form_the_error_has_the_beginning() {
        let check = Check::new().permission("x".repeat(1_000_000));
        let mistake = check.mistake().unwrap().to_string();
        let expected = "`permission` must look like `org:<feature>:<action>`, found `xxx";
        assert!(mistake.starts_with(expected), "{mistake}");
        assert!(mistake.len() < 200, "{}", mistake.len());
    }
}
