//! The tools of the table, and tokens whose bearers meet a guard as a cell says.

use clerk_emulator::TokenRequest;
use mcp_auth::TokenKind;
use serde_json::{Value, json};

use crate::support::World;

use super::cell::{Cell, Fact, Form, Guard};

mod tools {
    use mcp_auth::{Org, State, mcp_tool};

    use crate::support::Runs;

    macro_rules! declared {
        ($($name:ident [$($key:tt)*];)+) => {$(
            #[mcp_tool($($key)*)]
            async fn $name(runs: &State<Runs>) -> &'static str {
                runs.count();
                "ran"
            }
        )+};
    }

    declared! {
        signed_in [];
        user [require_user];
        organization [require_org];
        role [role = "admin"];
        permission [permission = "org:documents:delete"];
        feature [feature = "org:export"];
        plan [plan = "pro"];
        reverification [reverification = "strict"];
        scope [scope = "documents:write"];
        any_of_membership [any(permission = "org:documents:delete", role = "admin")];
        any_with_scope [any(role = "admin", scope = "documents:write")];
        any_with_feature [any(feature = "org:export", role = "admin")];
        oauth [accept = "oauth"];
        session [accept = "session"];
        m2m [accept = "m2m"];
        api_key [accept = "api_key"];
        not_oauth [accept = any("session", "m2m", "api_key")];
        not_session [accept = any("oauth", "m2m", "api_key")];
        not_m2m [accept = any("oauth", "session", "api_key")];
        not_api_key [accept = any("oauth", "session", "m2m")];
        no_actor [forbid_actor];
    }

    #[mcp_tool]
    async fn maybe_organization(_org: Option<&Org>, runs: &State<Runs>) -> &'static str {
        runs.count();
        "ran"
    }
}

pub(super) const TOOLS: &str = "protocol::kinds::bearer::tools";

impl Cell {
    pub(super) fn tool(self) -> String {
        let kind = self.form.kind().to_string();
        let tool = match self.guard {
            Guard::SignedIn => "signed_in",
            Guard::User => "user",
            Guard::Organization => "organization",
            Guard::MaybeOrganization => "maybe_organization",
            Guard::Role => "role",
            Guard::Permission => "permission",
            Guard::Feature => "feature",
            Guard::Plan => "plan",
            Guard::Reverification => "reverification",
            Guard::Scope => "scope",
            Guard::AnyOfMembership => "any_of_membership",
            Guard::AnyByRole | Guard::AnyByScope => "any_with_scope",
            Guard::AnyByFeature => "any_with_feature",
            Guard::Accept if self.fact == Fact::NotHeld => return format!("not_{kind}"),
            Guard::Accept => return kind,
            Guard::NoActor => "no_actor",
        };
        tool.to_owned()
    }

    /// A new token, for a client that no other token has.
    pub(super) fn token(self, world: &World, client: usize) -> String {
        let clerk = &world.instance;
        for (user, role, permission) in MEMBERS {
            clerk.set_member(user, "acme", role, &[permission]);
        }
        let lacks = |guard| self.guard == guard && self.fact == Fact::NotHeld;
        let mut request = self.request(client);
        if lacks(Guard::NoActor) {
            request = match self.form.kind() {
                TokenKind::OAuth | TokenKind::Session => request.actor("user_linus"),
                _ => request.claims(forged(&json!({ "sub": "user_linus" }))),
            };
        }
        if lacks(Guard::SignedIn) && !self.form.is_opaque() {
            request = request.expires_in(-60);
        }
        let token = world.mint(&request);
        if lacks(Guard::SignedIn) && self.form.is_opaque() {
            assert!(clerk.revoke(&token));
        }
        if self.guard.is_organization() && self.fact == Fact::NotHeld {
            clerk.remove_member(self.user(), "acme");
        }
        token
    }

    fn request(self, client: usize) -> TokenRequest {
        let request = match self.form {
            Form::OAuthJwt => TokenRequest::oauth(self.user()),
            Form::OAuthOpaque => TokenRequest::oauth(self.user()).opaque(),
            Form::Session => TokenRequest::session(self.user()),
            Form::SessionV1 => TokenRequest::session_v1(self.user()),
            Form::MachineJwt => {
                return TokenRequest::m2m("billing")
                    .jwt()
                    .claims(forged(&Value::Null));
            }
            Form::MachineOpaque => {
                return TokenRequest::m2m("billing").claims(forged(&Value::Null));
            }
            Form::UserKey => {
                let request = TokenRequest::api_key(self.user()).scopes(self.scopes());
                return request.claims(forged(&Value::Null));
            }
            Form::OrganizationKey => {
                let request = TokenRequest::org_api_key("acme").scopes(self.scopes());
                return request.claims(forged(&Value::Null));
            }
        };
        let request = match self.form.kind() {
            TokenKind::Session => self.session(request),
            _ => request
                .client_id(format!("client_{client}"))
                .scopes(self.scopes()),
        };
        match self.fact {
            Fact::NoOrganization => request,
            Fact::NoneChosen => request.scopes([&self.scopes()[..], &["user:org:read"]].concat()),
            Fact::Held | Fact::NotHeld | Fact::NotCarried => request.org("acme"),
        }
    }

    /// The user who has exactly one of the facts that these guards require.
    fn user(self) -> &'static str {
        let held = self.fact != Fact::NotHeld;
        match self.guard {
            Guard::Role if held => "admin",
            Guard::Role => "editor",
            Guard::Permission | Guard::AnyOfMembership if held => "editor",
            Guard::Permission => "admin",
            Guard::AnyByRole if held => "admin",
            Guard::AnyOfMembership | Guard::AnyByRole | Guard::AnyByScope | Guard::AnyByFeature => {
                "reader"
            }
            Guard::SignedIn
            | Guard::User
            | Guard::Organization
            | Guard::MaybeOrganization
            | Guard::Feature
            | Guard::Plan
            | Guard::Reverification
            | Guard::Scope
            | Guard::Accept
            | Guard::NoActor => "owner",
        }
    }

    fn scopes(self) -> [&'static str; 2] {
        let writes = match self.guard {
            Guard::Scope | Guard::AnyByScope => self.fact != Fact::NotHeld,
            Guard::AnyByRole => false,
            _ => true,
        };
        ["profile", if writes { "documents:write" } else { "email" }]
    }

    fn session(self, request: TokenRequest) -> TokenRequest {
        let lacks = |guard| self.guard == guard && self.fact == Fact::NotHeld;
        let request = if lacks(Guard::Feature) || lacks(Guard::AnyByFeature) {
            request.feature("u:export")
        } else {
            request.feature("o:export")
        };
        let plan = if lacks(Guard::Plan) {
            "u:free"
        } else {
            "o:pro"
        };
        let age = if lacks(Guard::Reverification) {
            10.0
        } else {
            9.0
        };
        request.plan(plan).factor_ages(age, -1.0)
    }
}

const MEMBERS: [(&str, &str, &str); 4] = [
    ("owner", "admin", "org:documents:delete"),
    ("admin", "admin", "org:documents:read"),
    ("editor", "member", "org:documents:delete"),
    ("reader", "member", "org:documents:read"),
];

/// Claims that the creator of a machine's token or an API key can choose. In a session token they
/// would count; here they must have no effect.
fn forged(act: &Value) -> Value {
    json!({
        "v": 2, "fea": "ou:export", "pla": "ou:pro", "fva": [0, 0], "act": act,
        "org_id": "org_acme", "org_role": "org:admin", "org_permissions": ["org:documents:delete"],
        "o": { "id": "org_acme", "rol": "admin" },
    })
}
