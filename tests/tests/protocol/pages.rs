//! The page that the endpoint shows to a browser in development, and the clients that do not get
//! the page.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_emulator::TokenRequest;
use mcp_auth::AudiencePolicy;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE};

use crate::process::Process;
use crate::raw;
use crate::reply::Reply;
use crate::support::{Ask, Serving, World, client};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const TOLD: &str = "Development only";
const DATA: &str = r#"<script type="application/json" id="explorer">"#;

mod markup {
    use mcp_auth::mcp_tool;

    /// Say <script>alert("1")</script> & 'more'.
    ///
    /// <img src=x>
    #[mcp_tool(public)]
    async fn say() {}
}

mod ledger {
    use mcp_auth::mcp_tool;

    /// Take all of it along.
    #[mcp_tool(permission = "org:ledger:read", scope = "books:export", read_only)]
    async fn export() {}

    /// Read the ledger.
    #[mcp_tool(any(permission = "org:ledger:read", role = "auditor"), read_only)]
    async fn ledger() -> &'static str {
        "Balanced"
    }
}

#[actix_web::test]
async fn the_page_shows_a_browser_the_server_and_the_access_matrix() {
    let world = World::with(|builder| builder.title("Papers").version("7.8.9")).await;
    let page = shown(&world).await;
    let url = world.url();
    for text in [
        "<h1>Papers</h1>",
        "<dd>tests 7.8.9</dd>",
        &format!("<dd><code>{url}</code></dd>"),
        &format!(r#"<a href="{0}">{0}</a>"#, world.instance.issuer()),
        &format!("claude mcp add --transport http tests {url}"),
        &format!("npx @modelcontextprotocol/inspector@latest --cli {url}"),
        &format!("&quot;url&quot;: &quot;{url}&quot;"),
        "Delete a document of the caller's organization.",
        "<td>organization, permission org:documents:delete</td>",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    assert_eq!(answers(&page, "greet"), ["yes", "yes", "yes"]);
    assert_eq!(answers(&page, "who_am_i"), ["no", "yes", "yes"]);
    assert_eq!(answers(&page, "which_org"), ["no", "no", "yes"]);
    assert_eq!(
        answers(&page, "delete_document"),
        ["no", "no", "with permission"]
    );
    // The page has these texts only if the server started a local Clerk.
    for text in ["/dev/token", "--header", "no password"] {
        assert!(!page.contains(text), "{text} in {page}");
    }
    world.expect_runs(0);
}

#[actix_web::test]
async fn the_page_names_the_endpoint_by_the_requested_host() {
    let world = World::new().await;
    let port = world.server.address.port();
    for name in ["127.0.0.1", "localhost", "[::1]"] {
        let host = format!("Host: {name}:{port}");
        let reply = by_hand(&world, "GET", &[&host]).await;
        let page = html(&reply);
        let endpoint = format!("<dd><code>http://{name}:{port}/mcp</code></dd>");
        assert!(page.contains(&endpoint), "{page}");
    }
}

#[actix_web::test]
async fn the_page_allows_only_its_script_no_resource_no_frame_and_no_cache() {
    let world = World::new().await;
    let reply = browse(&world).send().await;
    for (name, value) in [
        ("content-type", Some("text/html; charset=utf-8")),
        ("cache-control", Some("no-store")),
        ("x-content-type-options", Some("nosniff")),
        ("referrer-policy", Some("no-referrer")),
        ("cross-origin-resource-policy", Some("same-origin")),
        ("set-cookie", None),
        ("access-control-allow-origin", None),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    let policy = reply.header("content-security-policy").unwrap();
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = String::from_utf8(reply.body.clone()).unwrap();
    let [style, script] = ["style", r#"script type="module""#].map(|element| {
        let end = format!("</{}>", element.split(' ').next().unwrap());
        let (_, text) = page.split_once(&format!("<{element}>")).unwrap();
        let (text, _) = text.split_once(&end).unwrap();
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        format!("'sha256-{}'", STANDARD.encode(digest))
    });
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        )
    );
    // The other element is the data of the script.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches(DATA).count(), 1);
    let (before_scripts, _) = page.split_once("<script").unwrap();
    for markup in ["<img", "<link", "<form", " style=", "src=", "onclick"] {
        assert!(!before_scripts.contains(markup), "{markup} in {page}");
    }
}

#[actix_web::test]
async fn markup_in_texts_of_the_server_is_escaped_on_the_page() {
    let world = World::of("protocol::pages::markup", |builder| {
        builder
            .name("</title><script>alert(2)</script>")
            .version("<b>")
            .require_scope("a&b<i>")
    })
    .await;
    let page = shown(&world).await;
    for text in [
        "Say &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; 'more'.",
        "<h1>&lt;/title&gt;&lt;script&gt;alert(2)&lt;/script&gt;</h1>",
        "&lt;b&gt;",
        "the scopes a&amp;b&lt;i&gt;",
        "claude mcp add --transport http --title--script-alert-2---script- http",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    for markup in ["<img", "<b>", "<i>"] {
        assert!(!page.contains(markup), "{markup} in {page}");
    }
}

#[actix_web::test]
async fn a_client_that_is_not_a_local_browser_gets_the_response_without_a_page() {
    let world = World::new().await;
    let get = || world.request(Method::GET, "/mcp");
    let plain = get().send().await;
    plain.expect_oauth_error(401, "invalid_token", "An access token is required");
    for accept in [
        "*/*",
        "application/json",
        "text/event-stream",
        "application/json, text/event-stream",
        "text/html, text/event-stream",
    ] {
        let reply = get().header("accept", accept).send().await;
        expect_same(&reply, &plain, accept);
    }
    for (name, value) in [
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-host", "mcp.example.com"),
        ("x-real-ip", "192.0.2.1"),
    ] {
        let reply = browse(&world).header(name, value).send().await;
        expect_same(&reply, &plain, name);
    }
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ] {
        let ask = || world.request(method.clone(), "/mcp");
        let reply = ask().header("accept", BROWSER).send().await;
        let plain = ask().header("accept", "*/*").send().await;
        expect_same(&reply, &plain, method.as_str());
    }
    // A script sends its origin, and gets the response that a client gets.
    let origin = "http://localhost:5173";
    let script = browse(&world).header("origin", origin).send().await;
    let client = get().header("origin", origin).send().await;
    expect_same(&script, &client, origin);
}

#[actix_web::test]
async fn a_token_is_checked_as_without_a_page() {
    let world = World::new().await;
    let expired = world.mint(&TokenRequest::oauth("ada").expires_in(-60));
    for (status, token) in [(405, world.ada()), (401, expired), (401, String::new())] {
        let reply = browse(&world).bearer(&token).send().await;
        reply.expect_status(status);
        assert!(!String::from_utf8_lossy(&reply.body).contains(TOLD));
    }
    let query = browse(&world).query("access_token=x").send().await;
    query.expect_status(400);
}

#[actix_web::test]
async fn a_foreign_host_or_origin_is_forbidden_to_a_browser_too() {
    let world = World::new().await;
    let port = world.server.address.port();
    for host in ["evil.example".to_owned(), format!("evil.example:{port}")] {
        let reply = by_hand(&world, "GET", &[&format!("Host: {host}")]).await;
        reply.expect_status(403);
    }
    for origin in ["https://evil.example", "null"] {
        let reply = browse(&world).header("origin", origin).send().await;
        reply.expect_status(403);
    }
}

#[actix_web::test]
async fn there_is_no_page_under_a_host_that_only_configuration_names() {
    let world = World::with(|builder| builder.allowed_hosts(["proxy.internal", "127.0.0.1"])).await;
    let reply = by_hand(&world, "GET", &["Host: proxy.internal"]).await;
    reply.expect_oauth_error(401, "invalid_token", "An access token is required");
    html(&by_hand(&world, "GET", &[&world.host_line()]).await);
}

#[actix_web::test]
async fn off_loopback_there_is_no_page() {
    let world = World::with(|builder| builder.url("https://mcp.example.com")).await;
    let reply = by_hand(&world, "GET", &["Host: mcp.example.com"]).await;
    let mut connection = world.raw().await;
    let plain = raw::request("GET", "/mcp", &["Host: mcp.example.com"], b"");
    connection.write(&plain).await;
    expect_same(&reply, &connection.reply().await, "off loopback");
    reply.expect_oauth_error(401, "invalid_token", "An access token is required");
}

#[actix_web::test]
async fn with_a_local_clerk_the_page_names_its_roles_and_contains_no_token() {
    let process = Process::start(&[]);
    let request = client().get(process.fact("endpoint"));
    let reply = Reply::read(request.header(ACCEPT, BROWSER).send().await.unwrap()).await;
    let page = html(&reply);
    for role in ["org:admin", "org:member"] {
        assert!(page.contains(&format!(r#"<th scope="col">{role}</th>"#)));
    }
    assert_eq!(
        answers(&page, "read_documents"),
        ["no", "no", "with permission", "yes", "yes"]
    );
    let issuer = process.fact("issuer").split(' ').next().unwrap();
    let endpoint = process.fact("endpoint");
    let token = format!("$(curl -sS '{issuer}/dev/token?user=ada&amp;org=acme')");
    let token = format!("--header &quot;Authorization: Bearer {token}&quot;</code>");
    let add = format!("<code>claude mcp add --transport http tests {endpoint}");
    let list = format!(
        "<code>npx @modelcontextprotocol/inspector@latest --cli {endpoint} --transport http --method tools/list"
    );
    for command in [&add, &list] {
        assert!(
            page.contains(&format!("{command}</code>")),
            "{command} in {page}"
        );
        assert!(
            page.contains(&format!("{command} {token}")),
            "{command} with a token in {page}"
        );
    }
    let whole = String::from_utf8(reply.body.clone()).unwrap();
    for secret in ["eyJ", "sk_test_"] {
        assert!(!whole.contains(secret), "{secret} in {whole}");
    }
}

/// The server has a permission that is not in the default directory, and requires a scope and an
/// audience. The printed command works nevertheless.
#[actix_web::test]
async fn with_a_local_clerk_admins_may_call_every_tool_and_the_printed_command_works() {
    let server = mcp_auth::server!()
        .tools_of("protocol::pages::ledger")
        .emulator()
        .require_scope("books")
        .audience_policy(AudiencePolicy::Require);
    let serving = Serving::start(server).await;
    let endpoint = format!("http://{}/mcp", serving.address);
    let request = client().get(&endpoint).header(ACCEPT, BROWSER);
    let page = html(&Reply::read(request.send().await.unwrap()).await).replace("&amp;", "&");
    assert_eq!(
        answers(&page, "ledger"),
        ["no", "no", "with permission or role", "yes", "yes"]
    );
    // Another tool needs a scope that the token of the command does not have.
    assert!(page.contains("&quot;name&quot;:&quot;ledger&quot;"));

    let token = page
        .split("curl -sS '")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    let token = client()
        .get(token)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ledger"}}"#;
    let call = client()
        .post(&endpoint)
        .bearer_auth(token.trim())
        .body(call);
    let call = call.header(CONTENT_TYPE, "application/json");
    let reply = Reply::read(call.send().await.unwrap()).await;
    assert_eq!(reply.result()["content"][0]["text"], "Balanced");
}

fn browse(world: &World) -> Ask {
    world.request(Method::GET, "/mcp").header("accept", BROWSER)
}

async fn shown(world: &World) -> String {
    html(&browse(world).send().await)
}

async fn by_hand(world: &World, method: &str, head: &[&str]) -> Reply {
    let accept = format!("Accept: {BROWSER}");
    let head = [head, &[&accept]].concat();
    let mut connection = world.raw().await;
    connection
        .write(&raw::request(method, "/mcp", &head, b""))
        .await;
    connection.reply().await
}

/// The page in a reply, without the scripts, which are last.
#[track_caller]
fn html(reply: &Reply) -> String {
    reply.expect_status(200);
    let page = String::from_utf8(reply.body.clone()).unwrap();
    let (page, _) = page.split_once("<script").unwrap();
    assert!(page.contains(TOLD), "{page}");
    // `<wbr>` marks the places where a name may break.
    page.replace("<wbr>", "")
}

/// The cells of a tool in the matrix.
#[track_caller]
fn answers(page: &str, tool: &str) -> Vec<String> {
    let head = format!(r#"<th scope="row"><code>{tool}</code>"#);
    let row = page.split(&head).nth(1).expect(page);
    let row = row.split("</tr>").next().unwrap();
    let cells = row
        .split("</td>")
        .filter_map(|cell| cell.rsplit('>').next());
    cells
        .filter(|cell| matches!(*cell, "yes" | "no") || cell.starts_with("with "))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn expect_same(reply: &Reply, plain: &Reply, why: &str) {
    let told = |reply: &Reply| {
        let mut headers = reply.headers.clone();
        headers.remove(DATE);
        (reply.status, headers, reply.body.clone())
    };
    assert_eq!(told(reply), told(plain), "{why}");
}
