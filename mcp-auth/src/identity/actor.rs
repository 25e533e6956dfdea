//! The actor who acts in a user's name.

/// The actor who acts in a user's name (`act`, RFC 8693 §4.1).
///
/// The user is the token's subject, and guards check the rights of the user. Use the actor for audit records only. If
/// the `act` claim of an OAuth token has no readable subject, [`Caller::actor`](crate::Caller::actor) returns `None`,
/// although another person acts in the user's name. The server refuses a session token whose `act` claim has no
/// readable subject. To refuse actors, use `forbid_actor` or
/// [`Caller::is_impersonated`](crate::Caller::is_impersonated).
///
/// ```
/// use mcp_auth::{Caller, mcp_tool};
///
/// /// Close the caller's account.
/// #[mcp_tool(forbid_actor, destructive)]
/// async fn close_account() -> &'static str {
///     "Closed"
/// }
///
/// /// All actors of the token, the latest first.
/// fn actors(caller: &Caller) -> Vec<(Option<&str>, Option<&str>, &str)> {
///     let chain = std::iter::successors(caller.actor(), |actor| actor.actor());
///     chain.map(|actor| (actor.issuer(), actor.kind(), actor.subject())).collect()
/// }
/// #
/// # /// List the actors.
/// # #[mcp_tool]
/// # async fn list_actors(caller: &Caller) -> String {
/// #     format!("{:?}", actors(caller))
/// # }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// # use serde_json::json;
/// # let server = TestServer::of(mcp_auth::server!().tools_of(module_path!()));
/// # let act = json!({"sub": "bot_1", "type": "agent", "iss": "https://a.example", "act": {"sub": "user_bob"}});
/// # let claims = json!({"iss": server.issuer(), "sub": "user_ada", "exp": 4_102_444_800_u64, "act": act});
/// # let token = server.sign(json!({"alg": "RS256", "typ": "at+jwt"}), claims);
/// # let agent = server.bearer(token);
/// let refused = agent.call("close_account", json!({})).await;
/// refused.expect_denied("Forbidden: not available to somebody who acts for the user");
/// # let actors = agent.call("list_actors", json!({})).await;
/// # assert_eq!(actors.text(), r#"[(Some("https://a.example"), Some("agent"), "bot_1"), (None, None, "user_bob")]"#);
/// # });
/// ```
///
/// Source also: <https://clerk.com/docs/guides/sessions/session-tokens>.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Actor {
    subject: String,
    issuer: Option<String>,
    kind: Option<String>,
    actor: Option<Box<Self>>,
}

impl Actor {
    pub(crate) fn new(
        subject: String,
        issuer: Option<String>,
        kind: Option<String>,
        actor: Option<Self>,
    ) -> Self {
        Self {
            subject,
            issuer,
            kind,
            actor: actor.map(Box::new),
        }
    }

    /// Returns the actor's id (`sub`).
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the issuer of the actor's id (`iss`). `None` if the token does not name the issuer.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns the type of the actor (`type`), which is `agent` for an AI agent. `None` if the token does not name the
    /// type.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns the actor before this actor. At most one earlier actor is read.
    ///
    /// RFC 8693 §4.1 defines earlier actors for information only. Do not base an authorization decision on them.
    pub fn actor(&self) -> Option<&Self> {
        self.actor.as_deref()
    }
}
