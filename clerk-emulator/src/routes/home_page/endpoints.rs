//! The list of routes on the home page.

use maud::{Markup, html};

use crate::routes::home_page::table;

pub(super) fn endpoints() -> Markup {
    let rows = html! {
        @for (method, path, answer) in ENDPOINTS {
            tr {
                th scope="row" {
                    code { (method) " " }
                    @if path.contains("/.well-known/") {
                        a href=(path) { code { (path) } }
                    } @else {
                        code { (path) }
                    }
                }
                td { (answer) }
            }
        }
    };
    let caption = html! {
        "All routes except discovery, " code { "/oauth" } " and " code { "/dev" }
        " need the secret key as bearer token."
    };
    table(
        "Endpoints",
        "scroll narrow",
        &caption,
        &["Route", "Answer"],
        &rows,
    )
}

const ENDPOINTS: [(&str, &str, &str); 32] = [
    (
        "GET",
        "/.well-known/oauth-authorization-server",
        "RFC 8414 metadata",
    ),
    ("GET", "/.well-known/openid-configuration", "OIDC discovery"),
    ("GET", "/.well-known/jwks.json", "the signing key"),
    ("GET, POST", "/oauth/authorize", "the sign-in page"),
    (
        "POST",
        "/oauth/token",
        "tokens for a code or a refresh token",
    ),
    ("POST", "/oauth/register", "registers a client"),
    (
        "GET, POST",
        "/oauth/userinfo",
        "the person behind an access token",
    ),
    (
        "POST",
        "/oauth/token_info",
        "token introspection, for a client with a secret",
    ),
    (
        "POST",
        "/oauth/token/revoke",
        "revokes an opaque access token or a refresh token",
    ),
    (
        "POST",
        "/oauth_applications/access_tokens/verify",
        "verifies an access token",
    ),
    ("GET", "/v1/jwks", "the signing key"),
    (
        "GET",
        "/v1/organizations/{id}/memberships",
        "the members of an organization",
    ),
    (
        "POST",
        "/v1/organizations/{id}/memberships",
        "adds a member",
    ),
    (
        "DELETE",
        "/v1/organizations/{id}/memberships/{user_id}",
        "removes a member",
    ),
    ("GET", "/v1/users", "people"),
    ("GET, DELETE", "/v1/users/{id}", "one person"),
    (
        "POST",
        "/v1/users/{id}/ban",
        "bans a person; also unban, lock, unlock",
    ),
    (
        "GET",
        "/v1/users/{id}/organization_memberships",
        "the organizations of a person",
    ),
    (
        "GET",
        "/v1/organization_roles",
        "roles with their permissions",
    ),
    (
        "GET",
        "/v1/machines/{id}",
        "a machine, with the machines that it may talk to",
    ),
    (
        "GET",
        "/v1/machines/{id}/secret_key",
        "the secret key of a machine",
    ),
    ("POST", "/m2m_tokens/verify", "verifies an M2M token"),
    ("POST", "/api_keys/verify", "verifies an API key"),
    (
        "POST",
        "/{m2m_tokens,api_keys}/{id}/revoke",
        "revokes the token",
    ),
    (
        "GET, PATCH",
        "/v1/instance/oauth_application_settings",
        "the settings that Clerk has too",
    ),
    ("POST", "/dev/tokens", "a token, as JSON"),
    ("GET", "/dev/token", "a token, as text"),
    ("POST", "/dev/revoke", "revokes an opaque token"),
    (
        "POST",
        "/dev/ban",
        "bans a person; also unban, lock, unlock",
    ),
    ("GET, PATCH", "/dev/settings", "all settings"),
    ("POST", "/dev/mcp-servers", "registers an MCP server"),
    ("GET, POST, DELETE", "/dev/faults", "injected faults"),
];
