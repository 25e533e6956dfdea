//! The session that a session token describes.

/// The session of a caller who presented a session token.
///
/// ```
/// use mcp_auth::{Caller, ToolError, mcp_tool};
///
/// /// Show the recovery codes.
/// #[mcp_tool]
/// async fn recovery_codes(caller: &Caller) -> Result<String, ToolError> {
///     let session = caller.session().ok_or_else(|| ToolError::new("Use the app for that"))?;
///     let first = session.factor_ages().and_then(|ages| ages.first_minutes());
///     if first.is_none_or(|minutes| minutes > 10.0) {
///         return Err(ToolError::new("Sign in again first"));
///     }
///     Ok(format!("codes for {}, {:?}", session.id(), session.status()))
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::{AuthorizedParties, testing::TestServer};
/// # use serde_json::json;
/// # let server = mcp_auth::server!().tools_of(module_path!()).session_tokens(AuthorizedParties::any());
/// # let server = TestServer::of(server);
/// let ada = server.user("ada");
/// ada.call("recovery_codes", json!({})).await.expect_error("Use the app for that");
/// let in_app = ada.session().call("recovery_codes", json!({})).await;
/// assert!(in_app.expect_ok().text().starts_with("codes for sess_"));
/// # assert!(in_app.text().ends_with(r#", Some("active")"#));
/// # });
/// ```
///
/// Source: <https://clerk.com/docs/guides/sessions/session-tokens>.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    id: String,
    status: Option<String>,
    factor_ages: Option<FactorAges>,
}

impl Session {
    pub(crate) fn new(id: String, status: Option<String>, factor_ages: Option<FactorAges>) -> Self {
        Self {
            id,
            status,
            factor_ages,
        }
    }

    /// Returns the session's id (`sid`, `sess_…`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the session's status (`sts`). The status is always `active`, because the server refuses tokens of other
    /// sessions. Returns `None` if the token names no status.
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// Returns the time between the user's last verification of each factor and the issue of the token (`fva`). `None`
    /// if the claim is missing or cannot be read.
    pub fn factor_ages(&self) -> Option<&FactorAges> {
        self.factor_ages.as_ref()
    }
}

/// The minutes since the last verification of each factor, counted up to the issue of the token.
///
/// To get the current ages, add the age of the token, which is usually below a minute.
///
/// ```
/// use mcp_auth::{FactorAges, Session};
///
/// /// Whether both factors were verified within the last ten minutes.
/// fn is_fresh(session: &Session) -> bool {
///     let recent = |minutes: Option<f64>| minutes.is_some_and(|minutes| minutes <= 10.0);
///     session
///         .factor_ages()
///         .is_some_and(|ages| recent(ages.first_minutes()) && recent(ages.second_minutes()))
/// }
/// ```
///
/// Source: `fva` in <https://clerk.com/docs/guides/sessions/session-tokens>.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FactorAges {
    first: Option<f64>,
    second: Option<f64>,
}

impl FactorAges {
    /// Reads two ages in minutes, where -1 means "never". Returns `None` if an age is another negative number
    /// or not finite.
    pub(crate) fn from_minutes(first: f64, second: f64) -> Option<Self> {
        let is_age = |age: f64| age.is_finite() && (age >= 0.0 || age == -1.0);
        let age = |age: f64| Some(age).filter(|&age| age >= 0.0);
        (is_age(first) && is_age(second)).then(|| Self {
            first: age(first),
            second: age(second),
        })
    }

    /// Returns the minutes since the first factor was verified, with fractions. `None` if the factor was never
    /// verified.
    pub fn first_minutes(&self) -> Option<f64> {
        self.first
    }

    /// Returns the minutes since the second factor was verified, with fractions. `None` if the factor was never
    /// verified or the user has no second factor.
    pub fn second_minutes(&self) -> Option<f64> {
        self.second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_of_minutes_or_minus_one() {
        let ages = FactorAges::from_minutes(9.5, -1.0).unwrap();
        assert_eq!(
            (ages.first_minutes(), ages.second_minutes()),
            (Some(9.5), None)
        );
        assert_eq!(FactorAges::from_minutes(-2.0, 0.0), None);
        assert_eq!(FactorAges::from_minutes(0.0, f64::NAN), None);
    }
}
