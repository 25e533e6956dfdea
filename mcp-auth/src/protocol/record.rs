//! One log line for each decision, written also when the request is dropped half-way.

use std::sync::Arc;

use crate::guard::Denied;
use crate::identity::{Actor, Caller, Org};
use crate::tool::{Failure, Outcome, ServedTool};

/// The record of one call. `RUST_LOG=mcp_auth=debug` shows it. It goes with the call, which can go on
/// without its request.
#[derive(Debug)]
pub(super) struct Record {
    tool: Arc<ServedTool>,
    caller: Option<Caller>,
    org: Option<Org>,
    closed: bool,
}

impl Record {
    pub(super) fn open(tool: &Arc<ServedTool>, caller: Option<&Caller>) -> Self {
        Self {
            tool: Arc::clone(tool),
            caller: caller.cloned(),
            org: None,
            closed: false,
        }
    }

    /// Names the organization in which the caller acts, whatever source named it.
    pub(super) fn acts_in(&mut self, org: Option<&Org>) {
        self.org = org.cloned();
    }

    /// Writes how the tool ended.
    pub(super) fn end(&mut self, outcome: &Outcome) {
        match outcome {
            Ok(_) => self.close("allowed"),
            Err(Failure::Denied(denied)) => self.deny(denied),
            Err(Failure::Arguments(_) | Failure::Error(_) | Failure::Fault(_)) => {
                self.close("failed");
            }
        }
    }

    /// Writes how the call ended.
    pub(super) fn close(&mut self, outcome: &'static str) {
        self.write(outcome, None);
    }

    /// Writes why the guard refused.
    pub(super) fn deny(&mut self, denied: &Denied) {
        self.write("denied", Some(denied));
    }

    fn write(&mut self, outcome: &'static str, denied: Option<&Denied>) {
        self.closed = true;
        let Self {
            tool, caller, org, ..
        } = &*self;
        let Who {
            subject,
            actor,
            client,
            token,
        } = Who::of(caller.as_ref());
        // Fields are evaluated only if somebody reads the line.
        tracing::debug!(
            target: "mcp_auth",
            tool = tool.name(),
            policy = tool.policy().to_string(),
            subject,
            actor,
            client,
            token,
            org = org.as_ref().map(Org::id),
            reason = denied.map(ToString::to_string),
            "{outcome}"
        );
    }
}

/// Writes that a tool was called that there is not. The name is whatever its caller thought of, so
/// it is not written: logs and what counts them stay within the names that are declared.
pub(super) fn unknown_tool(caller: Option<&Caller>) {
    let Who {
        subject,
        actor,
        client,
        token,
    } = Who::of(caller);
    tracing::debug!(target: "mcp_auth", tool = "other", subject, actor, client, token, "unknown");
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.closed {
            self.close("cancelled");
        }
    }
}

/// Who calls with which kind of token, and who acts for them: `None` leaves a field out.
struct Who<'a> {
    subject: &'a str,
    actor: Option<&'a str>,
    client: &'a str,
    token: Option<&'static str>,
}

impl<'a> Who<'a> {
    fn of(caller: Option<&'a Caller>) -> Self {
        let actor = caller.filter(|caller| caller.is_impersonated());
        Self {
            subject: caller.map_or("anonymous", Caller::subject),
            actor: actor.map(|caller| caller.actor().map_or("unknown", Actor::subject)),
            client: caller.and_then(Caller::client_id).unwrap_or_default(),
            token: caller.map(|caller| caller.token_kind().name()),
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::sync::Arc;

    use futures_util::poll;
    use serde_json::json;
    use tokio::sync::Notify;
    use tokio::task::yield_now;

    use crate::Org;
    use crate::identity::OrganizationSource;
    use crate::identity::doubles::logged;
    use crate::server::ServerBuilder;
    use crate::testing::TestServer;
    use crate::tool::State;

    /// Wait.
    #[mcp_auth_macros::mcp_tool(crate = crate)]
    async fn wait(gate: &State<Arc<Notify>>) {
        gate.notified().await;
    }

    /// Name the organization.
    #[mcp_auth_macros::mcp_tool(crate = crate)]
    async fn organization(org: &Org) -> String {
        org.id().to_owned()
    }

    #[test]
    fn the_record_of_a_call_names_the_organization_whatever_its_source() {
        let calls = async || {
            let gate = Arc::new(Notify::new());
            let builder = ServerBuilder::of_package("mcp-auth", "0").tools_of(module_path!());
            let builder = builder.organization_from([OrganizationSource::UrlQuery]);
            let server = TestServer::of(builder.state(gate));
            server.member("ada", "acme");
            let ada = server.user("ada");
            for user in [ada.clone().url_org("acme"), server.user("bob").org("acme")] {
                user.call("organization", json!({})).await.expect_ok();
            }
            let nowhere = ada.url_org("globex").call("organization", json!({})).await;
            nowhere.expect_missing("organization", &[]);
        };
        let log = logged(|| actix_web::rt::System::new().block_on(calls()));
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains(r#"tool="organization""#))
            .collect();
        let [by_url, by_token, nowhere] = lines[..] else {
            panic!("{log}");
        };
        for (line, user) in [(by_url, "user_ada"), (by_token, "user_bob")] {
            assert!(line.contains(r#"org="org_acme""#), "{line}");
            assert!(line.contains(user) && line.contains("allowed"), "{line}");
        }
        // Nothing of what a client wrote into the URL is in the log.
        assert!(
            !log.contains("globex") && nowhere.contains("denied"),
            "{log}"
        );
    }

    async fn hang_up(legacy: bool) {
        let gate = Arc::new(Notify::new());
        let builder = ServerBuilder::of_package("mcp-auth", "0").tools_of(module_path!());
        let server = TestServer::of(builder.state(Arc::clone(&gate)));
        let user = server.user("ada");
        let user = if legacy { user.legacy() } else { user };
        let mut call = Box::pin(user.call("wait", json!({})));
        while server.ran("wait") == 0 {
            assert!(poll!(&mut call).is_pending());
            yield_now().await;
        }
        drop(call);
        yield_now().await;
        gate.notify_one();
        // What goes on in the background is on this thread.
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[test]
    fn a_call_whose_caller_has_gone_is_recorded_as_it_ends() {
        for (legacy, recorded) in [(false, "cancelled"), (true, "allowed")] {
            let run = || actix_web::rt::System::new().block_on(hang_up(legacy));
            let log = logged(run);
            let lines: Vec<_> = log
                .lines()
                .filter(|line| line.contains(r#"tool="wait""#))
                .collect();
            assert_eq!(lines.len(), 1, "{log}");
            assert!(lines[0].contains(recorded), "{log}");
        }
    }
}
