//! Every kind of requirement against every kind of caller. Enforcement, the list, the matrix and
//! the challenges must follow one policy, which is written here a second time as plain boolean
//! expressions.

use std::collections::BTreeSet;

use mcp_auth::testing::{TestServer, TestUser};
use mcp_auth::{AuthorizedParties, SampleCaller};
use serde_json::{Value, json};

mod tools {
    use mcp_auth::{Caller, Org, mcp_tool};

    macro_rules! declared {
        ($($name:ident [$($key:tt)*] ($($parameters:tt)*);)+) => {$(
            #[mcp_tool($($key)*)]
            async fn $name($($parameters)*) {}
        )+};
    }

    declared! {
        bare [] ();
        everybody [public] ();
        maybe_org [] (_org: Option<&Org>);
        takes_caller [] (_caller: &Caller);
        takes_org [] (_org: &Org);
        org [require_org] ();
        role [role = "admin"] ();
        permission [permission = "org:d:read"] ();
        permissions [permission = all("org:d:read", "org:d:delete")] ();
        role_and_permission [role = "admin", permission = "org:d:read"] ();
        scope [scope = "read"] ();
        wide_scope [scope = "write"] ();
        scopes [scope = all("read", "write", "share")] ();
        permission_and_scope [permission = "org:d:read", scope = "read"] ();
        any_of_membership [any(permission = "org:d:read", role = "admin")] ();
        any_with_scope [any(permission = "org:d:read", scope = "read")] ();
        any_of_scopes [any(scope = all("read", "share"), scope = "write")] ();
        any_and_scope [any(role = "admin", scope = "share"), scope = "read"] ();
        two_anys [
            any(permission = "org:d:read", scope = "read"),
            any(role = "admin", scope = "share")
        ] ();
        any_with_org [any(role = "admin", scope = "read")] (_org: &Org);
        any_with_maybe_org [any(role = "admin", scope = "read")] (_org: Option<&Org>);
        no_actor [forbid_actor] ();
        no_actor_and_scope [forbid_actor, scope = "read"] ();
        feature [feature = "export"] ();
        org_feature [feature = "org:export"] ();
        features [feature = all("o:export", "u:export")] ();
        plan [plan = "user:pro"] ();
        reverified [reverification = "strict"] ();
        reverified_lately [reverification("first_factor", 30.5)] ();
        user [require_user] ();
        oauth_only [accept = "oauth"] ();
        session_only [accept = "session", require_org] ();
        either_kind [accept = any("oauth", "session"), require_user] ();
        no_kind [accept = any("m2m", "api_key")] ();
        feature_and_permission [feature = "org:export", permission = "org:d:read"] ();
        reverified_and_scope [reverification = "strict", scope = "read"] ();
        plan_and_reverified [plan = "pro", reverification = "strict"] ();
        any_with_feature [any(feature = "org:export", scope = "read")] ();
        any_with_plan [any(plan = "pro", role = "admin"), require_org] ();
        any_with_reverified [any(reverification = "strict", role = "admin")] ();
        asked [scope = "read", authorize = yes()] ();
        asked_in_vain [authorize = no()] ();
    }

    fn yes() -> bool {
        true
    }

    fn no() -> bool {
        false
    }
}

/// A caller, described by token and membership.
#[derive(Clone, Debug)]
struct Who {
    organization: bool,
    admin: bool,
    permissions: &'static [&'static str],
    scopes: &'static [&'static str],
    session: bool,
    actor: bool,
    features: &'static [&'static str],
    plan: bool,
    fresh: bool,
}

/// The claims of a session token beside roles and permissions: features, a plan, a fresh factor.
const SESSIONS: [(&[&str], bool, bool); 4] = [
    (&[], false, true),
    (&["org:export"], true, false),
    (&["user:export"], false, false),
    (&["org:export", "user:export"], true, true),
];

impl Who {
    fn all() -> Vec<Self> {
        let permissions: [&[_]; 3] = [&[], &["org:d:read"], &["org:d:read", "org:d:delete"]];
        let memberships = [false, true].map(|admin| permissions.map(|all| (true, admin, all)));
        let memberships = memberships.into_iter().flatten();
        let memberships: Vec<_> = memberships
            .chain([(false, false, permissions[0])])
            .collect();
        let scopes: [&[_]; 5] = [&[], &["read"], &["write"], &["share"], &["write", "share"]];
        let mut all = Vec::new();
        for (organization, admin, permissions) in memberships {
            for actor in [false, true] {
                let tokens = scopes.map(|scopes| (false, scopes, (&[][..], false, false)));
                let sessions = SESSIONS.map(|told| (true, scopes[0], told));
                for (session, scopes, told) in tokens.into_iter().chain(sessions) {
                    let (features, plan, fresh) = told;
                    all.push(Self {
                        organization,
                        admin,
                        permissions,
                        scopes,
                        session,
                        actor,
                        features,
                        plan,
                        fresh,
                    });
                }
            }
        }
        all
    }

    fn may(&self, tool: &str) -> bool {
        // The servers here are configured so that `write` contains `read`.
        let writes = self.scopes.contains(&"write");
        let reads = writes || self.scopes.contains(&"read");
        let shares = self.scopes.contains(&"share");
        let (admin, read) = (self.admin, self.permissions.contains(&"org:d:read"));
        let delete = self.permissions.contains(&"org:d:delete");
        let org_feature = self.features.contains(&"org:export");
        match tool {
            "bare" | "everybody" | "maybe_org" | "takes_caller" => true,
            "takes_org" | "org" => self.organization,
            "role" => admin,
            "permission" => read,
            "permissions" => read && delete,
            "role_and_permission" => admin && read,
            "scope" | "asked" => reads,
            "wide_scope" => writes,
            "scopes" => writes && shares,
            "permission_and_scope" => read && reads,
            "any_of_membership" => read || admin,
            "any_with_scope" => read || reads,
            "any_of_scopes" => (reads && shares) || writes,
            "any_and_scope" => (admin || shares) && reads,
            "two_anys" => (read || reads) && (admin || shares),
            "any_with_org" => self.organization && (admin || reads),
            "any_with_maybe_org" => admin || reads,
            "no_actor" => !self.actor,
            "no_actor_and_scope" => !self.actor && reads,
            "feature" => !self.features.is_empty(),
            "org_feature" => org_feature,
            "features" => org_feature && self.features.contains(&"user:export"),
            "plan" => self.plan,
            "reverified" => self.fresh,
            // A session whose factors are not fresh was verified within the last half hour.
            "reverified_lately" => self.session,
            "user" | "either_kind" => true,
            "oauth_only" => !self.session,
            "session_only" => self.session && self.organization,
            "no_kind" => false,
            "feature_and_permission" => org_feature && read,
            "reverified_and_scope" => self.fresh && reads,
            "plan_and_reverified" => self.plan && self.fresh,
            "any_with_feature" => org_feature || reads,
            "any_with_plan" => self.organization && (self.plan || admin),
            "any_with_reverified" => self.fresh || admin,
            "asked_in_vain" => true,
            other => panic!("{other} has no rule here"),
        }
    }

    /// This caller as a user of the test's server. Each membership has a user of its own.
    fn user<'a>(&self, server: &'a TestServer, more: &[String]) -> TestUser<'a> {
        let name = format!("u{}{}", self.admin, self.permissions.len());
        let mut user = server.user(if self.organization { &name } else { "nobody" });
        if self.organization {
            user = user.org("acme");
            user = user.role(if self.admin { "admin" } else { "member" });
            user = self
                .permissions
                .iter()
                .fold(user, |user, one| user.permission(one));
        }
        if self.session {
            user = if self.fresh {
                user.factor_ages(0.0, -1.0)
            } else {
                user.factor_ages(30.0, -1.0)
            };
            user = self
                .features
                .iter()
                .fold(user, |user, one| user.feature(one));
            if self.plan {
                user = user.plan("user:pro");
            }
        } else {
            // Without a scope the emulator would grant its default scopes.
            user = user.scope("profile");
            user = self
                .scopes
                .iter()
                .fold(user, |user, scope| user.scope(scope));
            user = more.iter().fold(user, |user, scope| user.scope(scope));
        }
        if self.actor {
            user = user.claim("act", json!({ "sub": "user_support" }));
        }
        user
    }

    fn persona(&self) -> SampleCaller {
        let mut persona = SampleCaller::new(format!("{self:?}"));
        if self.organization {
            persona = persona.role(if self.admin { "admin" } else { "member" });
        }
        persona = self
            .permissions
            .iter()
            .fold(persona, |persona, one| persona.permission(*one));
        persona = self
            .scopes
            .iter()
            .fold(persona, |persona, scope| persona.scope(*scope));
        if self.session {
            persona = persona.factor_ages(if self.fresh { 0.0 } else { 30.0 }, -1.0);
        }
        if self.plan {
            persona = persona.plan("user:pro");
        }
        self.features
            .iter()
            .fold(persona, |persona, one| persona.feature(*one))
    }
}

fn server(required: Option<&str>) -> TestServer {
    let builder = mcp_auth::server!()
        .tools_of("protocol::agreement::tools")
        .session_tokens(AuthorizedParties::any())
        .scope_implies("write", ["read"]);
    TestServer::of(match required {
        Some(scope) => builder.require_scope(scope),
        None => builder,
    })
}

fn names(server: &TestServer) -> Vec<String> {
    let matrix: Value = serde_json::from_str(&server.matrix().to_json()).unwrap();
    let tools = matrix["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["tool"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn calls_lists_and_the_matrix_follow_one_policy() {
    for required in [None, Some("base")] {
        let server = server(required);
        let tools = names(&server);
        assert_eq!(tools.len(), 42);
        let granted: Vec<_> = required.map(str::to_owned).into_iter().collect();
        for who in Who::all() {
            let user = who.user(&server, &granted);
            let listed: BTreeSet<_> = user.tools().await.into_iter().collect();
            let matrix = server.matrix().caller(who.persona()).to_json();
            let matrix: Value = serde_json::from_str(&matrix).unwrap();
            for (tool, line) in tools.iter().zip(matrix["tools"].as_array().unwrap()) {
                let about = format!("{tool}: {who:?}, server scope {required:?}");
                // A session token has no scopes, so it lacks the server's scope.
                let lacks_base = who.session && required.is_some() && tool != "everybody";
                let may = who.may(tool) && !lacks_base;
                let answer = user.call(tool, json!({})).await;
                let refused = answer.denial();
                let decided = refused
                    .as_ref()
                    .is_some_and(|denial| denial.kind() == "authorize");
                assert_eq!(refused.is_none() || decided, may, "{about}: {answer:?}");
                assert_eq!(decided, may && tool == "asked_in_vain", "{about}");
                if may && !decided {
                    answer.expect_ran();
                } else {
                    answer.expect_not_run();
                }
                let cure = refused
                    .as_ref()
                    .and_then(|denial| denial.cure().map(str::to_owned));
                // A caller who only has to verify a factor again still sees the tool.
                let verified = Who {
                    fresh: who.session,
                    ..who.clone()
                };
                let could = verified.may(tool) && !lacks_base;
                let shown = may || cure.is_some() || could;
                assert_eq!(listed.contains(tool), shown, "{about}");
                if !who.actor {
                    let allowed = line["allowed"].as_array().unwrap();
                    let tabled = allowed.contains(&json!(format!("{who:?}")));
                    assert_eq!(tabled, may, "{about}");
                }
                let Some(cure) = cure else { continue };
                let asked: Vec<_> = cure.split(' ').map(str::to_owned).collect();
                let has = |scope: &str| asked.iter().any(|one| one == scope);
                assert!(!(has("read") && has("write")), "{about}: {cure}");
                // A token with exactly the scopes of the challenge passes. The exception is a
                // caller without an organization: a new token may name one or not.
                if !has("user:org:read") || who.organization {
                    let cured = who.user(&server, &asked).call(tool, json!({})).await;
                    assert_eq!(cured.denial(), None, "{about}: {cure} was no cure");
                }
            }
        }
    }
}
