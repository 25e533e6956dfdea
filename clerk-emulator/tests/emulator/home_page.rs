//! The home page, over HTTP.

use clerk_emulator::{Directory, Emulator, EmulatorOptions};
use reqwest::Method;
use serde_json::json;

use crate::sign_in::{REDIRECT_URI, register, signed_in, text};
use crate::support::{get, part, request, started};

async fn page(emulator: &Emulator) -> String {
    let response = get(emulator, "/").await;
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// The targets of the page's links.
fn links(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1);
    links
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .collect()
}

#[actix_web::test]
async fn the_home_page_names_people_organizations_permissions_and_the_client() {
    let emulator = started().await;
    let page = page(&emulator).await;
    for text in [
        "Development only",
        "Ada Lovelace",
        "<code>user_ada</code>",
        "<code>org_acme</code>",
        "<code>org:admin</code>",
        "<code>org:documents:delete</code>",
        "Linus Torvalds",
        "<code>client_emulator</code>",
        "<code>mch_billing</code>",
        "/v1/users/{id}/organization_memberships",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    let command = format!(
        "curl -s '{}/dev/token?user=grace&amp;org=acme'",
        emulator.url()
    );
    assert!(page.contains(&command), "{page}");
    let others = page.split("for another kind of token:</p>").nth(1).unwrap();
    let others = others.split("<p>").next().unwrap().split("<pre><code>");
    let others: Vec<_> = others
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().replace("&amp;", "&"))
        .collect();
    assert_eq!(others.len(), 7);
    for query in others {
        let response = get(&emulator, &format!("/dev/token?{query}")).await;
        assert_eq!(response.status(), 200, "{query}");
    }
}

#[actix_web::test]
async fn the_home_page_names_the_registered_clients_and_the_users_who_allowed_them() {
    let emulator = started().await;
    let metadata = json!({
        "client_name": "<b>The</b> Inspector",
        "token_endpoint_auth_method": "none",
        "scope": "profile user:org:read",
    });
    let client = register(&emulator, metadata).await;
    let client = text(&client, "client_id");
    let row = format!(
        "<bdi>&lt;b&gt;The&lt;/b&gt; Inspector</bdi><div class=\"quiet\"><code>{client}</code></div></th>\
         <td><div><code>{REDIRECT_URI}</code></div></td><td class=\"about\">"
    );
    let before = page(&emulator).await;
    assert!(before.contains(&format!("{row}nobody</td>")), "{before}");

    let scope = [("scope", "profile user:org:read")];
    for choice in ["user_ada|org_acme", "user_linus", "user_ada|org_acme"] {
        signed_in(&emulator, client, choice, &scope).await;
    }
    let after = page(&emulator).await;
    let people = "<div>Ada Lovelace in Acme</div><div>Linus Torvalds</div></td>";
    assert!(after.contains(&format!("{row}{people}")), "{after}");
}

#[actix_web::test]
async fn the_home_page_names_the_registered_servers_and_the_settings() {
    let emulator = started().await;
    let before = page(&emulator).await;
    for text in [
        "The audience claim is <strong>off</strong>",
        "No server is registered",
        "<th scope=\"row\">Publish CIMD support</th><td>on</td>",
        "<th scope=\"row\">Publish DCR support</th><td>on</td>",
        "<th scope=\"row\">Default scopes for dynamic clients</th><td><code>profile email</code></td>",
    ] {
        assert!(before.contains(text), "no {text} in {before}");
    }
    let command = format!("curl {}/dev/mcp-servers --json", emulator.url());
    assert!(before.contains(&command), "{before}");

    let instance = emulator.instance();
    for url in ["http://127.0.0.1:3000/mcp", "https://mcp.example.com/<b>"] {
        instance.register_mcp_server(url).unwrap();
    }
    instance.change_settings(|settings| settings.dynamic_oauth_client_registration = false);
    let after = page(&emulator).await;
    for text in [
        "The audience claim is <strong>on</strong>",
        "<code>http://127.0.0.1:3000/mcp</code>",
        "<code>https://mcp.example.com/&lt;b&gt;</code>",
        "<th scope=\"row\">Publish DCR support</th><td>off</td>",
    ] {
        assert!(after.contains(text), "no {text} in {after}");
    }
    assert!(!after.contains("No server is registered"), "{after}");
}

#[actix_web::test]
async fn each_link_of_the_home_page_mints_the_token_that_it_names() {
    let emulator = started().await;
    let links = links(&page(&emulator).await);
    let (mut subjects, mut machines) = (Vec::new(), Vec::new());
    for link in &links {
        let response = get(&emulator, link).await;
        assert_eq!(response.status(), 200, "{link}");
        if link.starts_with("/dev/token?kind=m2m") {
            machines.push(response.text().await.unwrap());
        } else if link.starts_with("/dev/token?") {
            let claims = part(response.text().await.unwrap().trim(), 1);
            subjects.push((claims["sub"].clone(), claims["org_id"].clone()));
        }
    }
    let expected = [
        ("user_ada", Some("org_acme")),
        ("user_grace", Some("org_acme")),
        ("user_linus", None),
        ("user_margaret", Some("org_globex")),
    ];
    assert_eq!(
        subjects,
        expected.map(|(user, organization)| (user.into(), organization.into()))
    );
    let [billing, mcp] = machines.as_slice() else {
        panic!("{links:?}");
    };
    let clerk = emulator.instance();
    for (token, subject) in [(billing, "mch_billing"), (mcp, "mch_mcp")] {
        let answer = clerk.verify_m2m_token(token.trim(), 1_750_000_000).unwrap();
        assert_eq!(answer["subject"], subject);
    }
    assert_eq!(links.len(), expected.len() + machines.len() + 3);
}

#[actix_web::test]
async fn the_home_page_contains_no_secret_and_no_token() {
    let emulator = started().await;
    let page = page(&emulator).await;
    assert!(!page.contains(emulator.instance().secret_key().expose()));
    assert!(!page.contains("eyJ"));
}

#[actix_web::test]
async fn the_home_page_allows_no_script_no_resource_no_frame_and_no_cache() {
    let emulator = started().await;
    let response = get(&emulator, "/").await;
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(policy.ends_with("; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"));
    for name in ["set-cookie", "access-control-allow-origin"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    let page = response.text().await.unwrap();
    for markup in ["<script", "<img", "<link", "<form", " style=", "src="] {
        assert!(!page.contains(markup), "{markup} in {page}");
    }
}

#[actix_web::test]
async fn markup_in_names_is_escaped_on_the_home_page() {
    let directory = Directory::parse(
        r#"
        [roles.admin]
        permissions = []
        [users.eve]
        name = "<script>alert(1)</script>"
        email = "\"><img src=x>@example.com"
        [organizations.evil]
        name = "</td><script>alert(2)</script>"
        members = { eve = "admin" }
        "#,
    );
    let options = EmulatorOptions::default().directory(directory.unwrap());
    let emulator = Emulator::start(options).await.unwrap();
    emulator
        .instance()
        .set_member("mal'<b>", "<i>", "<u>", &["<s>"]);
    let page = page(&emulator).await;
    for text in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&lt;/td&gt;&lt;script&gt;alert(2)&lt;/script&gt;",
        "&lt;img src=x&gt;",
        "/dev/token?user=mal%27%3Cb%3E&amp;org=%3Ci%3E'",
        "org:&lt;u&gt;",
        "&lt;s&gt;",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    for markup in ["<script", "<img", "<b>", "<i>", "<u>", "<s>"] {
        assert!(!page.contains(markup), "{markup} in {page}");
    }
    for link in links(&page) {
        assert_eq!(get(&emulator, &link).await.status(), 200, "{link}");
    }
}

#[actix_web::test]
async fn the_home_page_accepts_only_get() {
    let emulator = started().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let response = request(&emulator, method.clone(), "/")
            .send()
            .await
            .unwrap();
        assert!(!response.status().is_success(), "{method}");
    }
}
