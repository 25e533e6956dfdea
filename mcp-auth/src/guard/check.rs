//! Clerk's `has()`: a question whose words are known only at run time.

use crate::identity::{Entitlements, Org, Owner};

use super::decision::CallerFacts;
use super::reverification::Reverification;

/// A question to [`Context::has`](crate::Context::has), which Clerk's SDKs spell
/// `has({ permission: …, feature: … })`: all that is asked for has to hold, and a question that asks for
/// nothing is answered with no.
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
/// The words are read as Clerk reads them, which is more lenient than in a declaration:
/// `documents:read` asks for `org:documents:read`, and the third part of `org:export:pdf` is dropped. What
/// cannot be read, like another reverification than those there are, is asked for and not held.
///
/// Source: <https://clerk.com/docs/guides/secure/authorization-checks>.
#[derive(Clone, Debug, Default)]
#[must_use = "a question is answered by `Context::has`"]
pub struct Check {
    asked: Vec<Asked>,
}

#[derive(Clone, Debug)]
enum Asked {
    Feature(String),
    Permission(String),
    Plan(String),
    /// `None` for one that there is not.
    Reverification(Option<Reverification>),
    Role(String),
}

impl Check {
    /// Asks for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a role in the organization: `admin` or `org:admin`.
    pub fn role(self, role: impl Into<String>) -> Self {
        self.and(Asked::Role(role.into()))
    }

    /// Asks for a permission in the organization: `org:documents:delete`.
    pub fn permission(self, permission: impl Into<String>) -> Self {
        self.and(Asked::Permission(permission.into()))
    }

    /// Asks for a feature: `export`, `org:export` or `user:export`.
    pub fn feature(self, feature: impl Into<String>) -> Self {
        self.and(Asked::Feature(feature.into()))
    }

    /// Asks for a plan: `pro`, `org:pro` or `user:pro`.
    pub fn plan(self, plan: impl Into<String>) -> Self {
        self.and(Asked::Plan(plan.into()))
    }

    /// Asks for a reverification by Clerk's name for it: `strict`, `moderate`, `lax` or `strict_mfa`.
    pub fn reverification(self, preset: &str) -> Self {
        self.and(Asked::Reverification(Reverification::preset(preset)))
    }

    /// Asks for a reverification by its level, like `second_factor`, and the minutes, above zero, within
    /// which it has to have been.
    pub fn reverification_within(self, level: &str, minutes: f64) -> Self {
        self.and(Asked::Reverification(Reverification::parse(level, minutes)))
    }

    fn and(mut self, asked: Asked) -> Self {
        self.asked.push(asked);
        self
    }

    /// Whether the answer depends on the caller's organization.
    pub(crate) fn uses_organization(&self) -> bool {
        self.asked.iter().any(Asked::is_of_organization)
    }

    /// The answer. Who is no user has nothing.
    pub(crate) fn holds(&self, caller: &CallerFacts<'_>, organization: Option<&Org>) -> bool {
        let mut all = self.asked.iter();
        caller.user
            && !self.asked.is_empty()
            && all.all(|asked| asked.is_held(caller, organization))
    }

    /// Whether an organization could still make the answer yes.
    pub(crate) fn may_hold(&self, caller: &CallerFacts<'_>) -> bool {
        let mut others = self
            .asked
            .iter()
            .filter(|asked| !asked.is_of_organization());
        caller.user && others.all(|asked| asked.is_held(caller, None))
    }
}

impl Asked {
    fn is_of_organization(&self) -> bool {
        match self {
            Self::Permission(_) | Self::Role(_) => true,
            Self::Feature(_) | Self::Plan(_) | Self::Reverification(_) => false,
        }
    }

    fn is_held(&self, caller: &CallerFacts<'_>, organization: Option<&Org>) -> bool {
        let is_among = |asked: &str, held: Option<&Entitlements>| {
            Owner::split(asked)
                .zip(held)
                .is_some_and(|((owner, slug), held)| held.has(owner, slug))
        };
        match self {
            Self::Feature(feature) => is_among(feature, caller.features),
            Self::Permission(key) => organization.is_some_and(|org| org.has_permission(key)),
            Self::Plan(plan) => is_among(plan, caller.plans),
            Self::Reverification(asked) => {
                asked.is_some_and(|asked| asked.is_met(caller.factor_ages))
            }
            Self::Role(role) => organization.is_some_and(|org| org.has_role(role)),
        }
    }
}
