//! The page that a browser gets at the endpoint during development. It shows the settings of the
//! server, how to connect each client, and the access matrix. The script of the page is an explorer, in which a person acts
//! for the people of the local Clerk.
//!
//! The page shows more than an MCP client may learn without a token. The page therefore exists only in a debug build or
//! with a local Clerk, and only if the canonical URL is on loopback. Only a browser on this machine that connects
//! without a proxy gets the page. All other requests get the usual response. The page contains no token and one script,
//! and loads no other resource. Without the script, the page is complete but for the explorer.

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::canonical::Canonical;
use super::explorer::Explored;
use super::forwarded::is_forwarded;

/// The data that the page shows, for every URL of the endpoint.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) issuer: String,
    /// The commands that use the local Clerk. `None` without a local Clerk.
    pub(crate) local: Option<Local>,
    /// The enforced rules, one rule on each line.
    pub(crate) enforced: Vec<String>,
    /// The access matrix: a header, and a line for each tool. The line begins with the name of the tool.
    pub(crate) matrix: Vec<Vec<String>>,
    /// Explanations of the matrix.
    pub(crate) notes: Vec<String>,
    /// The description of each tool, in the order of the matrix.
    pub(crate) descriptions: Vec<String>,
    /// The data that only the explorer shows.
    pub(crate) explored: Explored,
}

/// The data that only a server with a local Clerk has.
#[derive(Debug)]
pub(crate) struct Local {
    /// A command that prints a token.
    pub(crate) token: String,
    /// The person whose token the commands fetch.
    pub(crate) user: String,
    pub(crate) place: Option<String>,
    /// A command that calls the server.
    pub(crate) trial: String,
    /// The file that stores the state of the local Clerk, so that clients stay signed in after a restart.
    pub(crate) state_file: Option<String>,
}

/// A page, ready to send.
#[derive(Debug)]
pub(super) struct Page {
    html: Bytes,
    policy: String,
}

impl Page {
    /// Makes the page for one URL of the endpoint. `metadata` is the path of its metadata.
    pub(super) fn new(overview: &Overview, canonical: &Canonical, metadata: &str) -> Self {
        let data = overview.explored.data(canonical);
        let html = page(overview, canonical.as_str(), metadata, &data).into_string();
        let (style, script) = (hash(STYLE), hash(SCRIPT));
        Self {
            html: Bytes::from(html),
            policy: format!(
                "default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; img-src data:; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            ),
        }
    }

    /// Responds with the page. The headers forbid frames, embedding and other scripts.
    pub(super) fn answer(&self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, self.policy.as_str()))
            .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(self.html.clone())
    }
}

/// Returns true if a browser on this machine navigates to the endpoint.
///
/// A request with `Origin` may come from `fetch` in a page. A request with forwarding headers comes from a proxy on
/// this machine, which may forward requests of other machines.
pub(super) fn is_asked_for(head: &RequestHead) -> bool {
    let headers = head.headers();
    let local = head.peer_addr.is_some_and(|peer| peer.ip().is_loopback());
    head.method == Method::GET
        && local
        && !headers.contains_key(ORIGIN)
        && !is_forwarded(headers)
        && wants_html(headers)
}

/// Returns true if the client accepts HTML. MCP clients accept `text/event-stream`, or anything,
/// but do not name HTML.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepts = |wanted: &str| {
        let values = headers
            .get_all(ACCEPT)
            .filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .any(|range| range.trim().eq_ignore_ascii_case(wanted))
    };
    accepts("text/html") && !accepts("text/event-stream")
}

/// Returns the digest of an element's text, for the content security policy (CSP Level 3, section 2.3.1).
fn hash(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}

/// `data` is the data of the script.
fn page(overview: &Overview, url: &str, metadata: &str, data: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (overview.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.notice {
                        strong { "Development only. " }
                        "Any browser of this machine sees this page with the access matrix."
                    }
                    h1 { (overview.title) }
                    p {
                        "This is an MCP server. MCP clients call its tools; to call a tool that is not public, a "
                        "user signs in at the issuer."
                    }
                }
                main {
                    // The script fills this element.
                    div #app hidden {}
                    (facts(overview, url, metadata))
                    (matrix(overview))
                    (clients(overview, url))
                    @if let Some(local) = &overview.local {
                        h2 { "Try it" }
                        (command(&local.trial))
                    }
                }
                script type="application/json" id="explorer" { (PreEscaped(data)) }
                script type="module" { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn facts(overview: &Overview, url: &str, metadata: &str) -> Markup {
    html! {
        dl {
            dt { "Server" }
            dd { (overview.name) " " (overview.version) }
            dt { "Endpoint" }
            dd { code { (url) } }
            dt { "Issuer" }
            dd {
                a href=(overview.issuer) { (overview.issuer) }
                @if overview.local.is_some() { " (a local Clerk)" }
            }
            @if let Some(file) = overview.local.as_ref().and_then(|local| local.state_file.as_ref()) {
                dt { "State" }
                dd { code { (file) } " keeps clients signed in over a restart; delete it to start afresh" }
            }
            dt { "Metadata" }
            dd { a href=(metadata) { (metadata) } }
            dt { "Enforced" }
            @for line in &overview.enforced { dd { (line) } }
        }
    }
}

fn matrix(overview: &Overview) -> Markup {
    let mut lines = overview.matrix.iter();
    let header = lines.next();
    html! {
        h2 #matrix { "Who may call what" }
        div.scroll role="region" aria-labelledby="matrix" tabindex="0" {
            table {
                caption { "The decision of each tool's guard for each kind of caller." }
                thead {
                    tr { @for cell in header.into_iter().flatten() { th scope="col" { (cell) } } }
                }
                tbody {
                    @for (line, description) in lines.zip(&overview.descriptions) {
                        tr { (tool(line, description)) }
                    }
                }
            }
        }
        @for note in &overview.notes { p { (note) } }
    }
}

fn tool(line: &[String], description: &str) -> Markup {
    let Some((name, cells)) = line.split_first() else {
        return html! {};
    };
    html! {
        th scope="row" {
            code { (name) }
            div.quiet.about { (description) }
        }
        @for cell in cells {
            @match cell.as_str() {
                "yes" => td.yes { (cell) },
                "no" | "if" => td { (cell) },
                _ => td { (breakable(cell)) },
            }
        }
    }
}

/// Writes names of permissions and scopes with possible line breaks between their parts, so that
/// the table need not scroll.
fn breakable(names: &str) -> Markup {
    html! {
        @for part in names.split_inclusive([':', '_', '(']) { (part) wbr; }
    }
}

fn clients(overview: &Overview, url: &str) -> Markup {
    let id = identifier(&overview.name);
    let shell_url = quoted(url);
    let claude = format!("claude mcp add --transport http {id} {shell_url}");
    let inspector = format!(
        "npx @modelcontextprotocol/inspector@latest --cli {shell_url} --transport http --method tools/list"
    );
    html! {
        h2 { "Connect a client" }
        p {
            "A client opens the issuer's sign-in page by itself"
            @if overview.local.is_some() { ", where you choose a person; it asks for no password" }
            "."
        }
        h3 { "Claude Code" }
        (command(&claude))
        p { "Then " code { "/mcp" } ", to sign in." }
        h3 { "MCP Inspector" }
        (command(&inspector))
        h3 { "Cursor" }
        p { code { ".cursor/mcp.json" } }
        (command(&pretty(&json!({ "mcpServers": { &id: { "url": url } } }))))
        h3 { "Visual Studio Code" }
        p { code { ".vscode/mcp.json" } }
        (command(&pretty(&json!({ "servers": { &id: { "type": "http", "url": url } } }))))
        @if let Some(local) = &overview.local { (by_token(overview, local, &[&claude, &inspector])) }
        h3 { "Claude and ChatGPT" }
        p {
            "Both clients call from their own servers (Claude Desktop too), which cannot reach this machine. "
            "Deploy the server under a public URL, and set " code { "MCP_URL" } " to it. Then open:"
        }
        ul {
            li { "Claude: Settings, Connectors, Add custom connector" }
            li { "ChatGPT: Settings, Apps, Advanced settings, Developer mode; then Create app" }
        }
    }
}

/// Returns the commands for a client or a test that sends a token instead of signing in.
fn by_token(overview: &Overview, local: &Local, commands: &[&str]) -> Markup {
    html! {
        h3 { "With a token" }
        p {
            "The local Clerk also gives anyone a token that is valid for a day. This command fetches a token of "
            code { (local.user) }
            @if let Some(place) = &local.place { ", " (place) }
            ". "
            a href=(overview.issuer) { "The page of the local Clerk" } " has commands for the other people."
        }
        (command(&local.token))
        p { "Send the token in a header:" }
        @for text in commands {
            (command(&format!("{text} --header \"Authorization: Bearer $({})\"", local.token)))
        }
    }
}

fn command(text: &str) -> Markup {
    html! { pre { code { (text) } } }
}

fn pretty(document: &Value) -> String {
    format!("{document:#}")
}

/// Returns the server's name with only the characters that clients accept: letters, digits, `-` and
/// `_`.
fn identifier(name: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
        _ => '-',
    };
    name.chars().map(plain).collect()
}

/// Quotes a URL for a shell. A path may contain characters that the shell would interpret.
fn quoted(url: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
    if url.bytes().all(plain) {
        url.to_owned()
    } else {
        format!("'{}'", url.replace('\'', r"'\''"))
    }
}

/// The style of the page and of the explorer. The emulator has a copy of `page.css`, so that its pages look the same.
const STYLE: &str = concat!(
    include_str!("page.css"),
    include_str!("explorer/explorer.css")
);
/// The script of the explorer. Each file uses only the files before it.
const SCRIPT: &str = concat!(
    include_str!("explorer/elements.js"),
    include_str!("explorer/schema.js"),
    include_str!("explorer/form.js"),
    include_str!("explorer/client.js"),
    include_str!("explorer/outcome.js"),
    include_str!("explorer/questions.js"),
    include_str!("explorer/acting.js"),
    include_str!("explorer/explorer.js"),
);

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn asked_for(peer: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = TestRequest::get().peer_addr(peer.parse().unwrap());
        for header in headers {
            request = request.append_header(*header);
        }
        is_asked_for(request.to_http_request().head())
    }

    #[test]
    fn only_a_browser_that_goes_here_itself_on_this_machine_is_shown_a_page() {
        let local = "127.0.0.1:50000";
        assert!(asked_for(local, &[("accept", BROWSER)]));
        assert!(asked_for("[::1]:50000", &[("accept", "Text/HTML;q=0.9")]));
        for headers in [
            &[][..],
            &[("accept", "*/*")],
            &[("accept", "text/*")],
            &[("accept", "application/json, text/event-stream")],
            &[("accept", "text/html, text/event-stream")],
            &[("accept", "text/html"), ("accept", "text/event-stream")],
            &[("accept", BROWSER), ("origin", "http://localhost:3000")],
            &[("accept", BROWSER), ("forwarded", "for=192.0.2.1")],
            &[("accept", BROWSER), ("x-forwarded-for", "192.0.2.1")],
            &[("accept", BROWSER), ("x-real-ip", "192.0.2.1")],
            &[("accept", BROWSER), ("via", "1.1 proxy")],
        ] {
            assert!(!asked_for(local, headers), "{headers:?}");
        }
        assert!(!asked_for("192.0.2.1:50000", &[("accept", BROWSER)]));
        let browser = || TestRequest::default().append_header(("accept", BROWSER));
        assert!(
            !is_asked_for(browser().to_http_request().head()),
            "without a peer"
        );
        let head = browser()
            .method(Method::HEAD)
            .peer_addr(local.parse().unwrap());
        assert!(!is_asked_for(head.to_http_request().head()));
    }

    #[test]
    fn the_script_and_the_style_end_with_their_elements() {
        for (text, end) in [(SCRIPT, "</script"), (STYLE, "</style")] {
            assert!(!text.to_ascii_lowercase().contains(end));
        }
        assert!(!SCRIPT.contains("<!--"));
    }

    #[test]
    fn a_name_or_a_url_means_nothing_to_a_shell() {
        assert_eq!(identifier("My $(server) 1.0_x"), "My---server--1-0_x");
        for plain in ["http://127.0.0.1:3000/mcp", "http://[::1]:3000/a%20b"] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(quoted("http://localhost/$(x)"), "'http://localhost/$(x)'");
        assert_eq!(quoted("http://localhost/a'b"), r"'http://localhost/a'\''b'");
    }
}
