//! The home page: the people, the commands that mint a token for each person, the known clients, the settings and the
//! routes.
//!
//! The page contains no secret, no token and no script, and loads no other resource. The middleware `local_only` runs
//! before the page, as before every route.

mod endpoints;

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;
use maud::{Markup, html};

use crate::directory::{Directory, Membership, User};
use crate::instance::Instance;
use crate::mint::DEFAULT_CLIENT;
use crate::oauth::{Client, Grant};
use crate::routes::home_page::endpoints::endpoints;
use crate::routes::page;
use crate::settings::Settings;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(web::resource("/").get(home_page));
}

async fn home_page(instance: web::Data<Instance>) -> HttpResponse {
    let page = page(
        instance.issuer(),
        &instance.directory(),
        &instance.settings(),
        &instance.oauth().clients(),
    );
    page::respond(StatusCode::OK, page)
}

fn page(
    issuer: &str,
    directory: &Directory,
    settings: &Settings,
    known: &[(Client, Vec<Grant>)],
) -> Markup {
    let main = html! {
        p { "The issuer " code { (issuer) } " for servers and tests of this machine." }
        (people(directory))
        (organizations(directory))
        (machines(directory))
        (tokens(issuer, directory))
        (clients(directory, known))
        (client_onboarding(settings))
        (mcp_servers(issuer, settings))
        (server(issuer))
        (endpoints())
    };
    page::document(
        "A local Clerk",
        "Anybody who reaches this emulator can sign in as any user.",
        &main,
    )
}

fn people(directory: &Directory) -> Markup {
    let rows = html! {
        @for (user, membership) in seats(directory) { (seat(user, membership.as_ref())) }
    };
    let columns = ["Person", "Token", "Organization", "Role", "Permissions"];
    let caption = html! {
        "Each link mints an OAuth access token that is valid for a day. The token names neither the role nor the permissions."
    };
    table("People", "scroll", &caption, &columns, &rows)
}

/// A heading, and a table in a region that scrolls.
fn table(title: &str, class: &str, caption: &Markup, columns: &[&str], rows: &Markup) -> Markup {
    let id = title.to_lowercase().replace(' ', "-");
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
    let caption = html! { "The organizations and their members." };
    table("Organizations", "scroll", &caption, &columns, &rows)
}

fn machines(directory: &Directory) -> Markup {
    let rows = html! {
        @for machine in directory.machines() {
            tr {
                th scope="row" {
                    (machine.name)
                    div.quiet { code { (machine.id) } }
                }
                td {
                    a href={ "/dev/token?kind=m2m&machine=" (encode(&machine.name)) } { "of " (machine.name) }
                }
                td {
                    @for id in &machine.scoped_machines { div { code { (id) } } }
                    @if machine.scoped_machines.is_empty() { "none" }
                }
            }
        }
    };
    let columns = ["Machine", "Token", "May talk to"];
    let caption = html! { "Each link mints an opaque M2M token that is valid for an hour." };
    table("Machines", "scroll", &caption, &columns, &rows)
}

fn tokens(issuer: &str, directory: &Directory) -> Markup {
    html! {
        h2 { "Tokens by command" }
        @for (user, membership) in seats(directory) {
            pre { code { "curl -s '" (issuer) "/dev/token?" (query(user, membership.as_ref())) "'" } }
        }
        p { "These commands mint OAuth access tokens. Use one of these queries for another kind of token:" }
        @for query in OTHER_KINDS { pre { code { (query) } } }
        p {
            "More fields: "
            @for field in ["scopes", "aud", "claims", "expires_in", "client_id", "actor"] { code { (field) } ", " }
            code { "azp" } ". To ban a user, send "
            code { "curl " (issuer) "/dev/ban --json '{\"user\": \"ada\"}'" }
            "; " code { "unban" } ", " code { "lock" } " and " code { "unlock" } " work in the same way."
        }
    }
}

fn clients(directory: &Directory, known: &[(Client, Vec<Grant>)]) -> Markup {
    let rows = html! {
        tr {
            th scope="row" { code { (DEFAULT_CLIENT) } }
            td { "none" }
            td.about { "the client of every token above that is requested without " code { "client_id" } }
        }
        @for (client, grants) in known {
            tr {
                th scope="row" {
                    bdi { (client.name) }
                    @if client.name != client.id { div.quiet { code { (client.id) } } }
                }
                td { @for uri in &client.redirect_uris { div { code { (uri) } } } }
                td.about {
                    @for signed_in in signed_in(directory, grants) { div { (signed_in) } }
                    @if grants.is_empty() { "nobody" }
                }
            }
        }
    };
    let columns = ["Client", "Redirect URIs", "Signed in"];
    let caption = html! {
        "Clients that registered or whose documents were fetched, and the users who allowed them."
    };
    html! {
        (table("Clients", "scroll", &caption, &columns, &rows))
        p {
            "A client needs only the URL of the server, not a token: it finds this issuer, registers itself "
            "and opens the sign-in page, where you choose a user. Open the endpoint of the server in a browser "
            "to see the commands for Claude Code, the MCP Inspector, Cursor and Visual Studio Code."
        }
    }
}

/// The users of some grants, each with the organization of the grant, without duplicates.
fn signed_in(directory: &Directory, grants: &[Grant]) -> BTreeSet<String> {
    let name = |grant: &Grant| {
        let user = directory.user(&grant.user_id);
        let user = user.map_or(grant.user_id.as_str(), |user| user.name.as_str());
        let Some(id) = &grant.organization_id else {
            return String::from(user);
        };
        let organization = directory.organization(id);
        let organization = organization.map_or(id.as_str(), |it| it.name.as_str());
        format!("{user} in {organization}")
    };
    grants.iter().map(name).collect()
}

fn client_onboarding(settings: &Settings) -> Markup {
    let switch = |on: bool| html! { (if on { "on" } else { "off" }) };
    let scopes = |scopes: &[String]| html! { code { (scopes.join(" ")) } };
    let defaults = settings.scopes_by_default();
    let for_documents = settings.client_document_scopes.as_deref();
    let of_registered = if settings.registered_scopes_only {
        "the scopes that it registered with, else the default scopes"
    } else {
        "every scope of the instance"
    };
    let rows = [
        (
            "Publish CIMD support",
            switch(settings.client_id_metadata_documents_advertised),
        ),
        (
            "Publish DCR support",
            switch(settings.dynamic_oauth_client_registration),
        ),
        ("Default scopes for dynamic clients", scopes(&defaults)),
        (
            "Scopes that a registered client may request",
            html! { (of_registered) },
        ),
        (
            "Scopes that a CIMD client may request",
            for_documents.map_or_else(|| html! { "every scope of the instance" }, scopes),
        ),
    ];
    let rows = html! {
        @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } }
    };
    let caption = html! {
        "These settings are in Clerk's dashboard under OAuth applications, Settings, Client onboarding. Here "
        code { "PATCH /dev/settings" } " changes them."
    };
    table(
        "Client onboarding",
        "scroll narrow",
        &caption,
        &["Setting", "Value"],
        &rows,
    )
}

fn mcp_servers(issuer: &str, settings: &Settings) -> Markup {
    let rows = html! {
        @for url in &settings.mcp_servers { tr { th scope="row" { code { (url) } } } }
        @if settings.mcp_servers.is_empty() { tr { td { "No server is registered" } } }
    };
    let caption = html! {
        "The audience claim is " strong { (if settings.audience_claim { "on" } else { "off" }) }
        ". While it is on, an access token for one of these servers has the server's URL as "
        code { "aud" } ". The list is in Clerk's dashboard under Agents, MCP servers."
    };
    html! {
        (table("MCP servers", "scroll narrow", &caption, &["URL"], &rows))
        p {
            "To register a server, send "
            code { "curl " (issuer) "/dev/mcp-servers --json '{\"url\": \"http://127.0.0.1:3000/mcp\"}'" }
            ". The first registered server turns on the audience claim. A client that was allowed before must be "
            "connected again."
        }
    }
}

fn server(issuer: &str) -> Markup {
    html! {
        h2 { "Start an MCP server with" }
        pre {
            code {
                "CLERK_FRONTEND_API_URL=" (issuer) " CLERK_API_URL=" (issuer) " CLERK_SECRET_KEY=sk_test_…"
            }
        }
        p { "The secret key is not on this page; " code { "clerk-emulator" } " prints it when it starts." }
    }
}

/// All users. A user occurs once for each membership. A user without a membership occurs once.
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

/// The query of a request for a token. The query contains no character that is special in HTML or in a shell.
fn query(user: &User, membership: Option<&Membership>) -> String {
    let user = encode(&user.username);
    match membership {
        Some(membership) => format!("user={user}&org={}", encode(&membership.slug)),
        None => format!("user={user}"),
    }
}

/// Percent-encodes all characters except the unreserved characters (RFC 3986 §2.3).
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

/// Queries of `/dev/token` for tokens of other kinds.
const OTHER_KINDS: [&str; 7] = [
    "user=ada&org=acme&format=opaque",
    "kind=session&user=ada&org=acme",
    "kind=session&user=ada&org=acme&features=org:export,user:theme&plans=org:pro&factor_ages=30,-1",
    "kind=m2m&machine=billing",
    "kind=m2m&machine=billing&format=jwt",
    "kind=api_key&user=ada&scopes=invoices:read",
    "kind=api_key&org=acme",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_of_a_name_are_encoded_in_a_query() {
        assert_eq!(encode("ada-1.x_y~"), "ada-1.x_y~");
        assert_eq!(encode("a'b\"<&é"), "a%27b%22%3C%26%C3%A9");
    }

    #[test]
    fn a_user_has_one_row_for_each_membership_and_one_row_without_any() {
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
