//! The reason why a call was denied.

use std::fmt;

/// The reason why the guard denied a call, in machine-readable form. [`TestAnswer::denial`](super::TestAnswer::denial)
/// returns it.
///
/// ```standalone_crate
/// use mcp_auth::testing::TestServer;
/// use serde_json::json;
///
/// /// Upload a file.
/// #[mcp_auth::mcp_tool(scope = "files:write")]
/// async fn upload() {}
///
/// # actix_web::rt::System::new().block_on(async {
/// let server = TestServer::of(mcp_auth::server!());
/// let denial = server.user("ada").call("upload", json!({})).await.denial().unwrap();
/// assert_eq!(denial.kind(), "scope");
/// assert_eq!(denial.required(), ["files:write"]);
/// assert_eq!(denial.cure(), Some("files:write"));
/// assert_eq!(denial.to_string(), "scope: files:write, cured by the scope files:write");
/// # });
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TestDenial {
    pub(super) kind: String,
    pub(super) required: Vec<String>,
    pub(super) cure: Option<String>,
    pub(super) hint: Option<String>,
}

impl TestDenial {
    /// Returns the kind of requirement that was not met: `token_kind`, `actor`, `user`,
    /// `organization`, `role`, `permission`, `feature`, `plan`, `reverification`, `any`, `scope` or
    /// `authorize`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the names of the missing requirements. For `any`, each item describes an alternative, such as
    /// `org:documents:manage permission and documents scope`. For `authorize`, the items are the names of the arguments
    /// that the function takes. The list is empty for `actor`, `user` and `organization`.
    #[must_use]
    pub fn required(&self) -> &[String] {
        &self.required
    }

    /// Returns the scopes that a new token needs, separated by spaces. `None` if a new token would not help.
    #[must_use]
    pub fn cure(&self) -> Option<&str> {
        self.cure.as_deref()
    }

    /// Returns a hint for the user of the client. Only denials of the kind `organization` have a hint, because the text
    /// of other denials already says what to do. The client also gets the hint as the second content block.
    ///
    /// ```standalone_crate
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Greet the organization.
    /// #[mcp_auth::mcp_tool]
    /// async fn greet(org: &mcp_auth::Org) {}
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!());
    /// let ada = server.user("ada");
    /// for (ada, part) in [
    ///     (ada.clone(), "was not granted the scope `user:org:read`"),
    ///     (ada.scope("user:org:read"), "No organization was chosen"),
    /// ] {
    ///     let denied = ada.call("greet", json!({})).await;
    ///     let denial = denied.expect_denied("Organization context required").denial().unwrap();
    ///     assert!(denial.hint().unwrap().contains(part));
    /// }
    /// # });
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for TestDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.required.is_empty() {
            write!(f, ": {}", self.required.join(", "))?;
        }
        match &self.cure {
            Some(cure) => write!(f, ", cured by the scope {cure}"),
            None => Ok(()),
        }
    }
}
