//! Why a call was denied.

use std::fmt;

/// Why the guard denied a call, as the answer tells a program. From
/// [`TestAnswer::denial`](super::TestAnswer::denial).
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

    /// Returns what is missing: names; for `any` each alternative in words, like
    /// `org:documents:manage permission and documents scope`; for `authorize` the call as the
    /// client reads it, like `owns(document_id)`; empty for `actor`, `user` and `organization`.
    #[must_use]
    pub fn required(&self) -> &[String] {
        &self.required
    }

    /// Returns the scopes, separated by blanks, that a new token would need, if one would help.
    #[must_use]
    pub fn cure(&self) -> Option<&str> {
        self.cure.as_deref()
    }

    /// Returns what the person at the client can do, where the text of the refusal does not say it:
    /// for `organization`. A client reads the same as the second block of the content.
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
