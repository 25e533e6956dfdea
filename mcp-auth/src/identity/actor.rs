//! Who acts in a user's name.

/// Who acts in a user's name (`act`, RFC 8693 §4.1).
///
/// The user is the token's subject, whose rights a guard asks about; the actor is who is there. It is
/// for a record: an OAuth token whose `act` has no subject has no readable actor, though somebody
/// acts, and such a session token is refused. What must not be done in another's name is guarded by
/// `forbid_actor`, or by [`Caller::is_impersonated`](crate::Caller::is_impersonated).
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
/// /// Everybody in whose hands the token has been, as far as it is known.
/// fn hands(caller: &Caller) -> Vec<(Option<&str>, Option<&str>, &str)> {
///     let chain = std::iter::successors(caller.actor(), |actor| actor.actor());
///     chain.map(|actor| (actor.issuer(), actor.kind(), actor.subject())).collect()
/// }
/// #
/// # /// Count the hands.
/// # #[mcp_tool]
/// # async fn count_hands(caller: &Caller) -> String {
/// #     format!("{:?}", hands(caller))
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
/// # let hands = agent.call("count_hands", json!({})).await;
/// # assert_eq!(hands.text(), r#"[(Some("https://a.example"), Some("agent"), "bot_1"), (None, None, "user_bob")]"#);
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

    /// Returns the id of who acts (`sub`).
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns who issued that id (`iss`); `None` if it is not said.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns what acts (`type`); `None` if it is not said, `agent` for an AI agent.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns who acted before this actor; at most one such level is kept.
    ///
    /// RFC 8693 §4.1 has it for information only: no decision may rest on a prior actor.
    pub fn actor(&self) -> Option<&Self> {
        self.actor.as_deref()
    }
}
