//! The people and roles of the local Clerk: from a file, from code, and the default ones.

use mcp_auth::testing::TestServer;
use mcp_auth::{Directory, ServerBuilder};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;

use crate::process::without_code;
use crate::reply::Reply;
use crate::support::{Serving, client, message};

mod tools {
    use mcp_auth::mcp_tool;

    /// List the invoices.
    #[mcp_tool(permission = "org:invoices:read", read_only)]
    async fn list_invoices() -> &'static str {
        "two"
    }

    /// Pay an invoice.
    #[mcp_tool(permission = "org:invoices:pay")]
    async fn pay_invoice() -> &'static str {
        "paid"
    }

    /// Tell who is calling.
    #[mcp_tool(read_only)]
    async fn who_am_i(caller: &mcp_auth::Caller) -> String {
        caller.subject().to_owned()
    }
}

const MAY_NOT_READ: &str = "Forbidden: org:invoices:read permission required";
const MAY_NOT_PAY: &str = "Forbidden: org:invoices:pay permission required";
const NOWHERE: &str = "Organization context required";

/// A server, and the address of its local Clerk.
struct Local {
    server: Serving,
    issuer: String,
}

impl Local {
    async fn start(builder: ServerBuilder) -> Self {
        let server = Serving::start(builder).await;
        let url = "/.well-known/oauth-protected-resource/mcp";
        let url = format!("http://{}{url}", server.address);
        let metadata = Reply::read(client().get(url).send().await.unwrap()).await;
        let issuer = metadata.json()["authorization_servers"][0].take();
        Self {
            server,
            issuer: issuer.as_str().unwrap().to_owned(),
        }
    }

    fn endpoint(&self) -> String {
        format!("http://{}/mcp", self.server.address)
    }

    /// Calls a tool with a token that `/dev/token` mints for this query.
    async fn call(&self, query: &str, tool: &str) -> Reply {
        let token = format!("{}/dev/token?{query}", self.issuer);
        let token = Reply::read(client().get(token).send().await.unwrap()).await;
        token.expect_status(200);
        let request = client()
            .post(self.endpoint())
            .bearer_auth(String::from_utf8(token.body).unwrap())
            .header(CONTENT_TYPE, "application/json")
            .body(message("tools/call", json!({ "name": tool })));
        Reply::read(request.send().await.unwrap()).await
    }

    async fn page(&self) -> String {
        let request = client().get(self.endpoint()).header(ACCEPT, "text/html");
        let page = Reply::read(request.send().await.unwrap()).await;
        page.expect_status(200);
        String::from_utf8(page.body).unwrap()
    }
}

#[actix_web::test]
async fn the_default_people_get_the_permissions_of_the_server() {
    let local = Local::start(mcp_auth::server!(emulator, tools = [tools])).await;
    for (who, tool, answer) in [
        ("user=ada&org=acme", "list_invoices", "two"),
        ("user=ada&org=acme", "pay_invoice", "paid"),
        ("user=margaret&org=globex", "list_invoices", "two"),
        ("user=margaret&org=globex", "pay_invoice", "paid"),
        ("user=grace&org=acme", "list_invoices", "two"),
        ("user=grace&org=acme", "pay_invoice", MAY_NOT_PAY),
        ("user=linus", "who_am_i", "user_linus"),
        ("user=linus", "list_invoices", NOWHERE),
    ] {
        let reply = local.call(who, tool).await;
        assert_eq!(reply.text(), answer, "{who} {tool}");
    }
    let page = local.page().await;
    for text in [
        "org:member</th>",
        "Members have the permissions whose action is",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
}

#[actix_web::test]
async fn people_of_a_file_have_exactly_the_permissions_of_the_file() {
    let builder = mcp_auth::server!(emulator = "people/invoices.toml", tools = [tools]);
    let local = Local::start(builder).await;
    for (who, tool, answer) in [
        ("user=kay&org=parc", "list_invoices", "two"),
        ("user=kay&org=parc", "pay_invoice", MAY_NOT_PAY),
        ("user=bob&org=parc", "list_invoices", MAY_NOT_READ),
        ("user=bob&org=parc", "pay_invoice", "paid"),
    ] {
        let reply = local.call(who, tool).await;
        assert_eq!(reply.text(), answer, "{who} {tool}");
    }
    let page = local.page().await.replace("&amp;", "&");
    // The page has the first person of the file who may read, and no default person.
    assert!(page.contains("/dev/token?user=kay&org=parc'"), "{page}");
    assert!(
        page.contains("<code>kay</code>, reader of parc. "),
        "{page}"
    );
    for absent in ["user=ada", "acme", "Members have the permissions"] {
        assert!(!page.contains(absent), "{absent} in {page}");
    }
}

#[actix_web::test]
async fn people_can_be_defined_in_code() {
    let mut people = Directory::empty();
    people.set_member("kay", "parc", "reader", &["org:invoices:read"]);
    let builder = mcp_auth::server!(tools = [tools]).emulator_directory(people);
    let local = Local::start(builder).await;
    let who = "user=kay&org=parc";
    local.call(who, "list_invoices").await.expect_text("two");
    let refused = local.call(who, "pay_invoice").await;
    assert_eq!(refused.text(), MAY_NOT_PAY);
}

#[actix_web::test]
async fn a_test_has_the_people_that_the_builder_names() {
    let builder = || mcp_auth::server!(emulator = "people/invoices.toml", tools = [tools]);
    let server = TestServer::of(builder());
    let kay = server.user("kay").org("parc");
    let bob = server.user("bob").org("parc");
    kay.call("list_invoices", json!({})).await.expect_ok();
    kay.call("pay_invoice", json!({}))
        .await
        .expect_denied(MAY_NOT_PAY);
    bob.call("list_invoices", json!({}))
        .await
        .expect_denied(MAY_NOT_READ);
    // A description in the test overrides the directory.
    let kay = kay.permission("org:invoices:pay");
    kay.call("pay_invoice", json!({})).await.expect_ok();
}

#[actix_web::test]
async fn an_invalid_file_of_people_is_a_start_up_error_with_its_place() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/people");
    let missing = mcp_auth::server!(emulator = "people/nobody.toml", tools = [tools]);
    let broken = mcp_auth::server!(emulator = "people/broken.toml", tools = [tools]);
    for (builder, text) in [
        (
            missing,
            format!(
                "the people and roles of the local Clerk: cannot read {folder}/nobody.toml: No such file or \
                 directory (os error 2); in `serve!(emulator = \"…\")` a path is relative to the package's \
                 Cargo.toml"
            ),
        ),
        (
            broken,
            format!(
                "the people and roles of the local Clerk: {folder}/broken.toml: line 5, column 19: \
                 organizations.parc.members.kay: there is no role `raeder` (roles: reader)"
            ),
        ),
    ] {
        let error = builder.port(0).start().await.unwrap_err();
        assert_eq!(without_code(&error.to_string()), text);
    }
}
