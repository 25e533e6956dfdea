//! The front page: who there is, how to get a token as each of them, and what is served.
//!
//! It is for a browser of this machine, behind the same guard as every route. It holds no secret, no token
//! and no script, and loads nothing.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::DOCTYPE;
use maud::Markup;
use maud::PreEscaped;
use maud::html;

use crate::directory::Directory;
use crate::directory::Membership;
use crate::directory::User;
use crate::instance::Instance;
use crate::mint::DEFAULT_CLIENT;
use crate::routes::dev::private;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(web::resource("/").get(front_page));
}

async fn front_page(instance: web::Data<Instance>) -> HttpResponse {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    private()
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'"
            ),
        ))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
        .content_type("text/html; charset=utf-8")
        .body(page(instance.issuer(), &instance.directory()).into_string())
}

fn page(issuer: &str, directory: &Directory) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "A local Clerk" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.notice {
                        strong { "Development only. " }
                        "Whoever reaches this emulator can be anyone."
                    }
                    h1 { "A local Clerk" }
                    p { "The issuer " code { (issuer) } " for servers and tests of this machine." }
                }
                main {
                    (people(directory))
                    (organizations(directory))
                    (tokens(issuer, directory))
                    (clients())
                    (server(issuer))
                    (endpoints())
                }
            }
        }
    }
}

fn people(directory: &Directory) -> Markup {
    let rows = html! {
        @for (user, membership) in seats(directory) { (seat(user, membership.as_ref())) }
    };
    let columns = ["Person", "Token", "Organization", "Role", "Permissions"];
    let caption = html! {
        "A link fetches an OAuth token, good for a day. The token itself names no role and no permission."
    };
    table("People", "scroll", &caption, &columns, &rows)
}

/// A heading and a table that scrolls by itself.
fn table(title: &str, class: &str, caption: &Markup, columns: &[&str], rows: &Markup) -> Markup {
    let id = title.to_lowercase();
    html! {
        h2 id=(id) { (title) }
        div class=(class) role="region" aria-labelledby=(id) tabindex="0" {
            table {
                caption { (caption) }
                thead {
                    tr { @for column in columns { th scope="col" { (column) } } }
                }
                tbody { (rows) }
            }
        }
    }
}

fn seat(user: &User, membership: Option<&Membership>) -> Markup {
    html! {
        tr {
            th scope="row" {
                (user.name)
                div.quiet { code { (user.id) } }
                @if let Some(email) = &user.email { div.quiet { (email) } }
            }
            td {
                a href={ "/dev/token?" (query(user, membership)) } {
                    (user.username)
                    @if let Some(membership) = membership { " in " (membership.slug) }
                }
            }
            @if let Some(membership) = membership {
                td { (membership.name) div.quiet { code { (membership.id) } } }
                td { code { (membership.role) } }
                td {
                    @for permission in &membership.permissions { div { code { (permission) } } }
                    @if membership.permissions.is_empty() { "none" }
                }
            } @else {
                td { "none" }
                td { "none" }
                td { "none" }
            }
        }
    }
}

fn organizations(directory: &Directory) -> Markup {
    let rows = html! {
        @for organization in directory.organizations() {
            tr {
                th scope="row" {
                    (organization.name)
                    div.quiet { code { (organization.id) } }
                }
                td {
                    @for member in directory.members_of(&organization.id) {
                        div { code { (member.user_id) } ", " (member.role_name) }
                    }
                }
            }
        }
    };
    let columns = ["Organization", "Members"];
    let caption = html! { "With their members." };
    table("Organizations", "scroll", &caption, &columns, &rows)
}

fn tokens(issuer: &str, directory: &Directory) -> Markup {
    html! {
        h2 { "Tokens by command" }
        @for (user, membership) in seats(directory) {
            pre { code { "curl -s '" (issuer) "/dev/token?" (query(user, membership.as_ref())) "'" } }
        }
        p {
            "Further fields: "
            code { "kind" } " (" code { "oauth" } ", " code { "session" } ", " code { "session_v1" } "), "
            @for field in ["scopes", "aud", "expires_in", "client_id"] { code { (field) } ", " }
            code { "azp" } "."
        }
    }
}

fn clients() -> Markup {
    html! {
        h2 { "OAuth clients" }
        dl {
            dt { code { (DEFAULT_CLIENT) } }
            dd {
                "The client of every token that is asked for without a " code { "client_id" }
                ". Any other can be named."
            }
        }
    }
}

fn server(issuer: &str) -> Markup {
    html! {
        h2 { "Use it with a server" }
        pre {
            code {
                "CLERK_FRONTEND_API_URL=" (issuer) " CLERK_API_URL=" (issuer) " CLERK_SECRET_KEY=sk_test_…"
            }
        }
        p { "The secret key is not on this page; " code { "clerk-emulator" } " prints it when it starts." }
    }
}

fn endpoints() -> Markup {
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
    let caption = html! { "All below " code { "/v1" } " needs the secret key as a bearer." };
    table(
        "Endpoints",
        "scroll narrow",
        &caption,
        &["Route", "Answer"],
        &rows,
    )
}

/// Everybody, once for each membership, and those who have none once.
fn seats(directory: &Directory) -> Vec<(&User, Option<Membership>)> {
    let mut seats = Vec::new();
    for user in directory.users() {
        let before = seats.len();
        seats.extend(
            directory
                .memberships_of(&user.id)
                .map(|it| (user, Some(it))),
        );
        if seats.len() == before {
            seats.push((user, None));
        }
    }
    seats
}

/// The query that asks for a token; nothing in it means anything to HTML or to a shell.
fn query(user: &User, membership: Option<&Membership>) -> String {
    let user = encode(&user.username);
    match membership {
        Some(membership) => format!("user={user}&org={}", encode(&membership.slug)),
        None => format!("user={user}"),
    }
}

/// RFC 3986 section 2.3: all but the unreserved characters.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

const STYLE: &str = include_str!("page.css");
const ENDPOINTS: [(&str, &str, &str); 12] = [
    (
        "GET",
        "/.well-known/oauth-authorization-server",
        "RFC 8414 metadata",
    ),
    ("GET", "/.well-known/openid-configuration", "OIDC discovery"),
    ("GET", "/.well-known/jwks.json", "the signing key"),
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
    ("GET", "/v1/users/{id}", "one person"),
    (
        "GET",
        "/v1/users/{id}/organization_memberships",
        "the organizations of a person",
    ),
    ("POST", "/dev/tokens", "a token, as JSON"),
    ("GET", "/dev/token", "a token, as text"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_any_name_is_safe_in_a_quoted_command() {
        assert_eq!(encode("ada-1.x_y~"), "ada-1.x_y~");
        assert_eq!(encode("a'b\"<&é"), "a%27b%22%3C%26%C3%A9");
    }

    #[test]
    fn whoever_is_in_two_organizations_has_two_seats_and_whoever_is_in_none_has_one() {
        let mut directory = Directory::default();
        directory.set_member("ada", "globex", "member", &[]);
        let names: Vec<_> = seats(&directory)
            .into_iter()
            .map(|(user, it)| (user.username.as_str(), it.map(|it| it.slug)))
            .collect();
        let (acme, globex) = (Some(String::from("acme")), Some(String::from("globex")));
        assert_eq!(
            names,
            [
                ("ada", acme.clone()),
                ("ada", globex.clone()),
                ("grace", acme),
                ("linus", None),
                ("margaret", globex),
            ]
        );
    }
}
