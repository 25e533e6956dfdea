//! The findings of a check: a test for each finding, and a server without findings.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header::HttpDate;
use clerk_emulator::{Directory, Instance};
use mcp_auth::testing::TestClock;
use mcp_auth::{
    ApiKeyScopes, AudiencePolicy, AuthorizedParties, CheckReport, Finding, OrganizationSource,
    ServerBuilder, Severity,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::process::{Process, checked, printed, run_check};
use crate::stub::{Answer, Stub, no_keys};
use crate::support::{builder, emulator};

mod tools {
    use mcp_auth::mcp_tool;

    /// Delete a document.
    #[mcp_tool(permission = "org:documents:delete", destructive)]
    async fn delete() {}

    /// Rule.
    #[mcp_tool(any(role = "admin", permission = "org:documents:manage"))]
    async fn rule() {}

    /// Save a document.
    #[mcp_tool(scope = "documents:write")]
    async fn save() {}
}

/// A guarded module with two tools.
mod office {
    mcp_auth::module_guard!(permission = "org:office:enter");

    use mcp_auth::mcp_tool;

    #[mcp_tool]
    async fn enter() {}

    #[mcp_tool(permission = "org:office:clean")]
    async fn clean() {}
}

mod plain {
    use mcp_auth::mcp_tool;

    /// Need nothing.
    #[mcp_tool]
    async fn nothing() {}
}

mod questions {
    use mcp_auth::mcp_tool;

    /// Cancel a shipment.
    #[mcp_tool(confirm = "Cancel {id}?")]
    async fn cancel(id: String) {
        let _ = id;
    }
}

mod kinds {
    use mcp_auth::mcp_tool;

    /// Export.
    #[mcp_tool(accept = "session", feature = "export")]
    async fn export() {}

    /// Import.
    #[mcp_tool(accept = "m2m")]
    async fn import() {}

    /// Read with a key.
    #[mcp_tool(accept = "api_key", scope = "invoices:read")]
    async fn read() {}
}

mod guarded {
    use mcp_auth::mcp_tool;

    /// Need a role.
    #[mcp_tool(role = "admin")]
    async fn rule() {}
}

static KEYS: LazyLock<Instance> =
    LazyLock::new(|| Instance::new("http://127.0.0.1:1", Directory::default()).unwrap());

const METADATA: &str = "/.well-known/oauth-authorization-server";
const JWKS: &str = "/.well-known/jwks.json";
const BACKEND_JWKS: &str = "/v1/jwks";
const SETTINGS: &str = "/v1/instance/oauth_application_settings";
const ROLES: &str = "/v1/organization_roles?limit=500";

/// A Clerk that causes no finding for a server of `tools`.
fn good(path: &str, url: &str) -> Answer {
    match path {
        METADATA => metadata(url, &json!({}), 0),
        JWKS | BACKEND_JWKS => Answer::json(KEYS.jwks()),
        SETTINGS => settings(&json!({})),
        ROLES => roles(&["org:documents:delete", "org:documents:manage"]),
        _ => Answer::status(404),
    }
}

/// Metadata with other members, of an issuer whose clock is behind ours by some seconds.
fn metadata(url: &str, other: &Value, behind: u64) -> Answer {
    let mut document = json!({
        "issuer": url,
        "registration_endpoint": format!("{url}/oauth/register"),
        "client_id_metadata_document_supported": true,
        "scopes_supported": ["profile", "email", "user:org:read", "documents:write"],
    });
    merge(&mut document, other);
    let time = Duration::from_secs(TestClock::new().unix_seconds() - behind);
    let date = HttpDate::from(UNIX_EPOCH + time);
    Answer::Now(
        200,
        vec![format!("Date: {date}")],
        document.to_string().into_bytes(),
    )
}

fn settings(other: &Value) -> Answer {
    let mut settings = json!({
        "object": "oauth_application_settings",
        "dynamic_oauth_client_registration": true,
        "default_scopes": ["profile", "email", "user:org:read", "offline_access", "documents:write"],
        "oauth_jwt_access_tokens": true,
        "client_id_metadata_documents_advertised": true,
        "client_id_metadata_documents_only_allow_pre_registered_clients": true,
        "client_id_metadata_documents_block_implicitly_allowed_clients": false,
    });
    merge(&mut settings, other);
    Answer::json(settings.to_string())
}

fn roles(permissions: &[&str]) -> Answer {
    let permission = |key: &&str| json!({ "object": "permission", "key": key });
    let permissions: Vec<_> = permissions.iter().map(permission).collect();
    let role = json!({ "object": "role", "key": "org:admin", "permissions": permissions });
    Answer::json(json!({ "data": [role], "total_count": 1 }).to_string())
}

fn merge(document: &mut Value, other: &Value) {
    for (name, value) in other.as_object().unwrap() {
        document[name] = value.clone();
    }
}

/// A good Clerk but for what `differs` answers.
fn clerk(differs: impl Fn(&str, &str) -> Option<Answer> + Send + Sync + 'static) -> Stub {
    Stub::start(move |path, url| differs(path, url).unwrap_or_else(|| good(path, url)))
}

/// A server of the tools, with a secret key.
fn server(clerk: &Stub) -> ServerBuilder {
    without_key(clerk).secret_key("sk_test_hunter2")
}

fn without_key(clerk: &Stub) -> ServerBuilder {
    mcp_auth::server!()
        .tools_of("protocol::check::tools")
        .session_tokens(AuthorizedParties::any())
        .frontend_api_url(clerk.url())
        .api_url(clerk.url())
        .port(4321)
}

async fn check(builder: ServerBuilder) -> CheckReport {
    let report = builder.check().await;
    let text = report.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    report
}

/// The only finding of a report, which has a reason and a remedy.
#[track_caller]
fn only(report: &CheckReport) -> &Finding {
    let [finding] = report.findings() else {
        panic!("one finding is expected in {report}");
    };
    assert!(!finding.why().is_empty() && finding.remedy().is_some());
    let lines = finding.to_string();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(report.to_string().contains(&lines));
    finding
}

/// Checks a server that has one finding.
async fn expect(builder: ServerBuilder, severity: Severity, what: &str) {
    let report = check(builder).await;
    let finding = only(&report);
    assert_eq!((finding.severity(), finding.what()), (severity, what));
    assert_eq!(report.has_errors(), severity == Severity::Error);
}

#[actix_web::test]
async fn a_valid_configuration_has_no_finding_and_lists_the_checks_that_passed() {
    let clerk = clerk(|_, _| None);
    let report = check(server(&clerk)).await;
    let url = clerk.url();
    assert_eq!(
        report.to_string(),
        format!(
            "\
tests 0.1.0, checked against {url}
ok       the issuer answers, and its metadata names {url}
ok       tokens can be verified: 1 key published for RS256
ok       `secret_key` belongs to the instance that issues the tokens
ok       OAuth access tokens are JWTs, verified without a call
ok       the default scopes include all advertised scopes and `offline_access`
ok       the instance has all roles and permissions that tools require
ok       the clock agrees with the issuer's
ok       clients can register dynamically and by metadata documents
0 errors, 0 warnings, 0 notes
"
        )
    );
    assert!(!report.has_errors());
}

#[actix_web::test]
async fn an_issuer_that_cannot_be_reached_is_an_error_of_a_check() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let server = mcp_auth::server!()
        .tools_of("protocol::check::tools")
        .frontend_api_url(&url)
        .api_url(&url)
        .secret_key("sk_test_hunter2")
        .port(4321);
    let report = check(server).await;
    let all: Vec<_> = report.findings().iter().map(Finding::what).collect();
    assert_eq!(
        all,
        [
            format!("the issuer {url} cannot be reached").as_str(),
            &format!("`secret_key` could not be checked at {url}"),
        ]
    );
    assert!(report.has_errors());
}

#[actix_web::test]
async fn an_issuer_that_calls_itself_something_else_is_an_error() {
    let clerk = clerk(|path, url| {
        let other = json!({ "issuer": "https://clerk.example.com" });
        (path == METADATA).then(|| metadata(url, &other, 0))
    });
    let what = format!(
        "the issuer at {} calls itself https://clerk.example.com",
        clerk.url()
    );
    expect(server(&clerk), Severity::Error, &what).await;
}

#[actix_web::test]
async fn keys_that_cannot_verify_or_cannot_be_had_are_errors() {
    let none = clerk(|path, _| (path == JWKS).then(no_keys));
    let report = check(without_key(&none)).await;
    let finding = &report.findings()[0];
    assert_eq!(finding.severity(), Severity::Error);
    assert_eq!(
        finding.what(),
        "the issuer publishes no RSA key of 2048 bits or more for RS256"
    );
    let down = clerk(|path, _| (path == JWKS).then(|| Answer::status(500)));
    let report = check(without_key(&down)).await;
    let finding = &report.findings()[0];
    assert_eq!(finding.severity(), Severity::Error);
    assert_eq!(
        finding.what(),
        "the issuer answers, but its keys cannot be fetched"
    );
}

#[actix_web::test]
async fn a_public_key_is_compared_with_those_that_are_published() {
    let published = clerk(|_, _| None);
    let report = check(server(&published).jwt_key(KEYS.public_key_pem())).await;
    assert!(report.findings().is_empty(), "{report}");
    let text = report.to_string();
    let passed = "ok       `jwt_key` is a key that the issuer publishes\n";
    assert!(text.contains(passed), "{text}");

    let other = Instance::new("http://127.0.0.1:1", Directory::default()).unwrap();
    let what = "`jwt_key` is not a key that the issuer publishes";
    let report = check(without_key(&published).jwt_key(other.public_key_pem())).await;
    let finding = &report.findings()[0];
    assert_eq!(
        (finding.severity(), finding.what()),
        (Severity::Error, what)
    );

    let away = clerk(|path, _| (path == METADATA).then(|| Answer::status(500)));
    let what = format!("the issuer {} cannot be reached", away.url());
    let away = server(&away).jwt_key(KEYS.public_key_pem());
    expect(away, Severity::Warning, &what).await;
}

#[actix_web::test]
async fn a_secret_key_that_is_not_of_the_instance_is_an_error() {
    let refused = clerk(|path, _| path.starts_with("/v1/").then(|| Answer::status(401)));
    expect(
        server(&refused),
        Severity::Error,
        "Clerk refuses `secret_key`",
    )
    .await;

    let strangers = Instance::new("http://127.0.0.1:1", Directory::default()).unwrap();
    let strange =
        clerk(move |path, _| (path == BACKEND_JWKS).then(|| Answer::json(strangers.jwks())));
    let what = "`secret_key` belongs to another instance than the tokens";
    expect(server(&strange), Severity::Error, what).await;
    // The settings of the other instance cause no finding, and the error names the configured key.
    let what = "`secret_key` belongs to another instance than `jwt_key`";
    let with_key = server(&strange).jwt_key(KEYS.public_key_pem());
    expect(with_key, Severity::Error, what).await;

    let down = clerk(|path, _| path.starts_with("/v1/").then(|| Answer::status(500)));
    let what = format!("`secret_key` could not be checked at {}", down.url());
    expect(server(&down), Severity::Error, &what).await;
}

#[actix_web::test]
async fn without_a_secret_key_a_note_says_what_was_not_checked() {
    let clerk = clerk(|_, _| None);
    let what = "CLERK_SECRET_KEY is not set";
    expect(without_key(&clerk), Severity::Note, what).await;
    assert_eq!(clerk.requests_to("/v1/"), 0);
}

#[actix_web::test]
async fn a_tool_that_asks_a_person_is_noted_unless_older_clients_can_answer() {
    let clerk = clerk(|_, _| None);
    let builder = || server(&clerk).tools_of("protocol::check::questions");
    let what = "`cancel` asks a person; clients of MCP 2025-11-25 and older can answer only in a session, and the \
                server opens none";
    expect(builder(), Severity::Note, what).await;
    for answerable in [
        builder().legacy_sessions(),
        builder().allow_confirmation_codes(),
    ] {
        let report = check(answerable).await;
        assert_eq!(report.findings().len(), 0, "{report}");
    }
}

#[actix_web::test]
async fn other_sources_of_organizations_are_noted_with_the_use_of_each() {
    let clerk = clerk(|_, _| None);
    let builder = server(&clerk).organization_from([OrganizationSource::UrlQuery]);
    let what = "`organization_from` is set: an OAuth caller's organization is named by the token or by \
                `?org=` in the URL";
    expect(builder, Severity::Note, what).await;

    let needs = "`organization_from` needs Clerk's Backend API, but no secret key is set";
    let builder = without_key(&clerk).organization_from([OrganizationSource::OnlyMembership]);
    let report = check(builder).await;
    let first = &report.findings()[0];
    assert_eq!((first.severity(), first.what()), (Severity::Error, needs));
    assert_eq!(first.remedy(), Some("set CLERK_SECRET_KEY"));
}

#[actix_web::test]
async fn opaque_tokens_are_a_warning() {
    let clerk = clerk(|path, _| {
        let other = json!({ "oauth_jwt_access_tokens": false });
        (path == SETTINGS).then(|| settings(&other))
    });
    let what = "the instance issues opaque OAuth access tokens";
    expect(server(&clerk), Severity::Warning, what).await;
}

#[actix_web::test]
async fn default_scopes_that_lack_what_the_server_advertises_are_a_warning() {
    for (default, missing) in [
        (
            json!(["profile", "offline_access"]),
            "`email`, `user:org:read`",
        ),
        (
            json!(["email", "profile", "user:org:read"]),
            "`offline_access`",
        ),
        (
            json!([]),
            "`profile`, `email`, `user:org:read`, `offline_access`",
        ),
        // Clerk's own are `profile email`.
        (json!(null), "`user:org:read`, `offline_access`"),
    ] {
        let clerk = clerk(move |path, _| {
            let other = json!({ "default_scopes": default });
            (path == SETTINGS).then(|| settings(&other))
        });
        let what = format!("the instance's default scopes lack {missing}");
        let report = check(server(&clerk)).await;
        let mut findings = report.findings().iter();
        let finding = findings.find(|finding| finding.what() == what);
        assert_eq!(finding.unwrap().severity(), Severity::Warning, "{report}");
    }
    // The default scopes need not hold a scope that is not advertised.
    let clerk = clerk(|path, _| {
        let other = json!({ "default_scopes": ["profile", "offline_access", "documents:write"] });
        (path == SETTINGS).then(|| settings(&other))
    });
    let narrow = server(&clerk).scopes_supported(["profile"]);
    assert!(check(narrow).await.findings().is_empty());
}

#[actix_web::test]
async fn scopes_of_tools_that_clients_that_register_themselves_cannot_get_are_noted() {
    let what = "Clerk does not let clients that register themselves request the scopes `documents:write` (save)";
    let default = json!(["profile", "email", "user:org:read", "offline_access"]);
    for (registers, noted) in [(true, true), (false, false)] {
        let default = default.clone();
        let clerk = clerk(move |path, _| {
            let other = json!({
                "default_scopes": default,
                "dynamic_oauth_client_registration": registers,
            });
            (path == SETTINGS).then(|| settings(&other))
        });
        if noted {
            expect(server(&clerk), Severity::Note, what).await;
        } else {
            assert!(check(server(&clerk)).await.findings().is_empty());
        }
    }
}

#[actix_web::test]
async fn offline_access_among_the_advertised_scopes_is_a_warning() {
    let clerk = clerk(|_, _| None);
    let server = server(&clerk).scopes_supported(["profile", "user:org:read", "offline_access"]);
    expect(
        server,
        Severity::Warning,
        "`scopes_supported` names `offline_access`",
    )
    .await;
}

#[actix_web::test]
async fn a_server_that_requires_an_audience_is_told_to_register_its_url_with_clerk() {
    let clerk = clerk(|_, _| None);
    let server = || server(&clerk).audience_policy(AudiencePolicy::Require);
    let report = check(server()).await.to_string();
    // A local Clerk has no dashboard.
    assert!(!report.contains("MCP servers"), "{report}");
    let report = mcp_auth::server!()
        .tools_of("protocol::check::plain")
        .frontend_api_url("clerk.example.com")
        .url("https://mcp.example.com")
        .jwt_key(KEYS.public_key_pem())
        .check()
        .await;
    let what = "OAuth access tokens must name https://mcp.example.com/mcp as their audience";
    let mut findings = report.findings().iter();
    let finding = findings.find(|finding| finding.what() == what).unwrap();
    let remedy = finding.remedy().unwrap();
    assert_eq!(finding.severity(), Severity::Note);
    assert!(remedy.contains("Agents, MCP servers") && remedy.contains("connect again"));
}

#[actix_web::test]
async fn an_audience_that_ends_with_a_slash_is_a_warning_because_clerk_registers_no_such_url() {
    for (url, slash) in [
        ("https://mcp.example.com/mcp/", true),
        ("https://mcp.example.com/mcp", false),
        // The slash of a bare origin is the URL parser's, and the path is appended to it.
        ("https://mcp.example.com/", false),
    ] {
        let report = mcp_auth::server!()
            .tools_of("protocol::check::plain")
            .frontend_api_url("clerk.example.com")
            .url(url)
            .jwt_key(KEYS.public_key_pem())
            .check()
            .await;
        let mut findings = report.findings().iter();
        let warned = findings.any(|finding| {
            finding.severity() == Severity::Warning
                && finding.what().contains("with the slash at its end")
        });
        assert_eq!(warned, slash, "{report}");
        assert_eq!(
            report.to_string().contains("Agents, MCP servers"),
            !slash,
            "{report}"
        );
    }
}

#[actix_web::test]
async fn default_scopes_are_not_compared_with_those_of_tools_that_are_not_known() {
    let clerk = clerk(|_, _| None);
    for (tools, compared) in [("plain", true), ("nowhere", false)] {
        let report = check(
            mcp_auth::server!()
                .tools_of(format!("protocol::check::{tools}"))
                .frontend_api_url(clerk.url())
                .api_url(clerk.url())
                .secret_key("sk_test_hunter2"),
        )
        .await
        .to_string();
        assert!(report.contains("access tokens are JWTs"), "{report}");
        assert_eq!(report.contains("default scopes"), compared, "{report}");
    }
}

#[actix_web::test]
async fn a_transition_of_the_audience_policy_says_how_long_it_lasts() {
    let clerk = clerk(|_, _| None);
    for (date, severity, what) in [
        (
            "2100-01-01",
            Severity::Warning,
            "more days, until 2100-01-01",
        ),
        (
            "2020-01-01",
            Severity::Note,
            "the time in which tokens without an audience were accepted ended on 2020-01-01",
        ),
    ] {
        let policy = AudiencePolicy::required_after(date);
        let report = check(
            server(&clerk)
                .audience_policy(policy)
                .allowed_clients(["client_1"]),
        )
        .await;
        let mut findings = report.findings().iter();
        let finding = findings.find(|finding| finding.what().contains(what));
        assert_eq!(finding.unwrap().severity(), severity, "{report}");
    }
}

#[actix_web::test]
async fn clients_that_cannot_register_are_a_warning_and_a_note_if_they_are_listed() {
    let what = "no MCP client can register by itself: dynamic client registration and client-id \
                metadata documents are both off";
    // The settings know better than the metadata.
    let set = clerk(|path, _| {
        let other = json!({
            "dynamic_oauth_client_registration": false,
            "client_id_metadata_documents_advertised": false,
        });
        (path == SETTINGS).then(|| settings(&other))
    });
    expect(server(&set), Severity::Warning, what).await;
    let listed = server(&set).allowed_clients(["client_desktop"]);
    expect(listed, Severity::Note, what).await;

    let described = clerk(|path, url| {
        let other = json!({
            "registration_endpoint": null, "client_id_metadata_document_supported": false,
        });
        (path == METADATA).then(|| metadata(url, &other, 0))
    });
    let report = check(without_key(&described)).await;
    assert_eq!(report.findings()[0].what(), what, "{report}");
    assert_eq!(report.findings()[0].severity(), Severity::Warning);
}

#[actix_web::test]
async fn documents_of_any_client_are_noted_unless_clients_are_listed() {
    let clerk = clerk(|path, _| {
        let members = "client_id_metadata_documents_only_allow_pre_registered_clients";
        (path == SETTINGS).then(|| settings(&json!({ members: false })))
    });
    let what = "the instance accepts client-id metadata documents from any client";
    expect(server(&clerk), Severity::Note, what).await;
    let listed = server(&clerk).allowed_clients(["https://app.example.com/client.json"]);
    assert!(check(listed).await.findings().is_empty());
}

#[actix_web::test]
async fn a_clock_that_is_wrong_is_a_warning_and_beyond_the_leeway_an_error() {
    for (behind, severity) in [(5, Severity::Warning), (60, Severity::Error)] {
        let clerk =
            clerk(move |path, url| (path == METADATA).then(|| metadata(url, &json!({}), behind)));
        let report = check(server(&clerk)).await;
        let finding = only(&report);
        assert_eq!(finding.severity(), severity, "{report}");
        let what = finding.what();
        assert!(what.starts_with("the clock is ") && what.ends_with(" s ahead of the issuer's"));
    }
    let slow = TestClock::at(TestClock::new().unix_seconds() - 3600);
    let report = check(server(&clerk(|_, _| None)).clock(&slow)).await;
    let what = only(&report).what();
    assert!(what.ends_with(" s behind the issuer's"), "{what}");
}

#[actix_web::test]
async fn a_url_that_does_not_fit_the_address_is_told() {
    let clerk = clerk(|_, _| None);
    let server = || server(&clerk);
    let public = "https://mcp.example.com";
    for (server, severity, what) in [
        (
            server().url("http://localhost:3000"),
            Severity::Warning,
            "the server listens on port 4321, but its URL is http://localhost:3000/mcp",
        ),
        (
            server().url("http://localhost:4321/v1/mcp"),
            Severity::Note,
            "the endpoint is served at /mcp, but its URL is http://localhost:4321/v1/mcp",
        ),
        (
            server().url("http://localhost:4321/tools"),
            Severity::Warning,
            "the endpoint is served at /mcp, but its URL is http://localhost:4321/tools",
        ),
    ] {
        expect(server, severity, what).await;
    }
    // A port that the system is to choose is not known yet.
    let chosen = server().port(0).url("http://localhost:3000");
    assert!(check(chosen).await.findings().is_empty());
    let report = check(server().url(public)).await;
    let finding = report.findings().last().unwrap();
    assert_eq!(finding.severity(), Severity::Note);
    assert_eq!(
        finding.what(),
        "the server listens on 127.0.0.1 only, and its URL is https://mcp.example.com/mcp"
    );
}

#[actix_web::test]
async fn a_local_clerk_is_believed_only_by_a_server_that_this_machine_alone_reaches() {
    let clerk = clerk(|_, _| None);
    let exposed = || server(&clerk).host("0.0.0.0").url("http://127.0.0.1:4321");
    let what = format!(
        "the server listens on 0.0.0.0, and its Clerk is the local {}",
        clerk.url()
    );
    let report = check(exposed()).await;
    let findings: Vec<_> = report
        .findings()
        .iter()
        .map(|finding| (finding.severity(), finding.what()))
        .collect();
    let called = "the server listens on 0.0.0.0, but its URL is http://127.0.0.1:4321/mcp";
    assert_eq!(
        findings,
        [(Severity::Error, &*what), (Severity::Warning, called)]
    );
    let error = exposed().build().await.unwrap_err().to_string();
    assert!(error.starts_with(&what), "{error}");
    assert!(error.contains("set HOST to 127.0.0.1"), "{error}");
}

#[actix_web::test]
async fn a_development_instance_in_public_is_a_warning() {
    let clerk = clerk(|_, _| None);
    let server = |key| {
        without_key(&clerk)
            .secret_key(key)
            .host("0.0.0.0")
            .url("https://mcp.example.com")
    };
    let what = "a development instance serves https://mcp.example.com/mcp";
    expect(server("sk_test_hunter2"), Severity::Warning, what).await;
    let report = check(server("sk_live_hunter2")).await;
    assert!(report.findings().is_empty(), "{report}");
}

#[actix_web::test]
async fn permissions_and_roles_that_the_instance_lacks_name_their_tools() {
    let few = clerk(|path, _| (path == ROLES).then(|| roles(&["org:documents:manage"])));
    let what = "no role of the instance has the permissions `org:documents:delete` (delete)";
    expect(server(&few), Severity::Warning, what).await;

    let slip = clerk(|path, _| {
        let held = ["org:documents:manage", "org:documents:delte"];
        (path == ROLES).then(|| roles(&held))
    });
    let report = check(server(&slip)).await;
    let remedy = only(&report).remedy().unwrap();
    let near = "; did you mean `org:documents:delte` with `org:documents:delete`?";
    assert!(remedy.ends_with(near), "{remedy}");

    let none = clerk(|path, _| {
        let page = json!({ "data": [], "total_count": 0 });
        (path == ROLES).then(|| Answer::json(page.to_string()))
    });
    let report = check(server(&none)).await;
    let all: Vec<_> = report.findings().iter().map(Finding::what).collect();
    assert_eq!(
        all,
        [
            "no role of the instance has the permissions `org:documents:delete` (delete), \
             `org:documents:manage` (rule)",
            "the instance has no roles `org:admin` (rule)",
        ]
    );
}

#[actix_web::test]
async fn a_permission_that_a_module_requires_is_named_with_the_module() {
    let clerk = clerk(|_, _| None);
    let server = server(&clerk).tools_of("protocol::check::office");
    let what = "no role of the instance has the permissions `org:office:clean` (clean), \
                `org:office:enter` (module protocol::check::office)";
    expect(server, Severity::Warning, what).await;
}

#[actix_web::test]
async fn an_unknown_endpoint_of_the_backend_api_is_ignored_and_a_failing_one_is_noted() {
    let old = clerk(|path, _| matches!(path, ROLES | SETTINGS).then(|| Answer::status(404)));
    let report = check(server(&old)).await;
    assert!(report.findings().is_empty(), "{report}");
    let ill = clerk(|path, _| matches!(path, ROLES | SETTINGS).then(|| Answer::status(500)));
    let report = check(server(&ill)).await;
    let all = report.findings().iter();
    let all: Vec<_> = all.map(|one| (one.severity(), one.what())).collect();
    assert_eq!(
        all,
        [
            (
                Severity::Note,
                "the instance's OAuth settings could not be read"
            ),
            (Severity::Note, "the instance's roles could not be read"),
        ]
    );
}

#[actix_web::test]
async fn scopes_that_the_issuer_does_not_advertise_name_their_tools() {
    let clerk = clerk(|path, url| {
        let other = json!({ "scopes_supported": ["profile", "email"] });
        (path == METADATA).then(|| metadata(url, &other, 0))
    });
    // An API key's scopes are none of the issuer's.
    let keys = mcp_auth::server!()
        .tools_of("protocol::check::kinds")
        .session_tokens(AuthorizedParties::any())
        .m2m_tokens()
        .machine_secret_key("ak_hunter2")
        .api_keys(ApiKeyScopes::any_key())
        .secret_key("sk_test_hunter2")
        .frontend_api_url(clerk.url())
        .api_url(clerk.url())
        .port(4321);
    assert!(check(keys).await.findings().is_empty());
    let report = check(
        server(&clerk)
            .require_scope("billing")
            .scopes_supported(["profile"]),
    )
    .await;
    let all: Vec<_> = report.findings().iter().map(Finding::what).collect();
    assert_eq!(
        all,
        [
            "`require_scope` requires billing for every request, and session tokens have no scopes",
            "the issuer does not advertise the scopes `billing` (every tool), `documents:write` \
             (save)",
            "tools ask for an organization, and the issuer has no `user:org:read`",
        ]
    );
    let mut severities = report.findings().iter().map(Finding::severity);
    assert!(severities.all(|severity| severity == Severity::Warning));
}

#[actix_web::test]
async fn all_mistakes_are_listed_not_just_the_first() {
    let report = check(
        mcp_auth::server!()
            .tools_of("protocol::check::nowhere")
            .host("0.0.0.0")
            .publishable_key("pk_hunter2")
            .frontend_api_url("http://clerk.example.com")
            .secret_key("hunter2")
            .api_url("api.example.com")
            .require_scope("a b"),
    )
    .await;
    let all = report.findings().iter();
    let all: Vec<_> = all.map(|one| (one.severity(), one.what())).collect();
    for (index, start) in [
        "MCP_URL is not set, and 0.0.0.0 is not loopback",
        "no tools are declared in `protocol::check::nowhere`",
        "`frontend_api_url`: the Frontend API URL must be https",
        "`publishable_key`: a Clerk publishable key begins",
        "`secret_key`: a Clerk secret key begins",
        "`api_url` is not a URL",
        "`a b` is not a scope",
    ]
    .into_iter()
    .enumerate()
    {
        let (severity, what) = all[index];
        assert_eq!(severity, Severity::Error);
        assert!(what.starts_with(start), "{what}");
    }
    assert_eq!(all.len(), 7);
    let text = report.to_string();
    assert!(text.starts_with("tests 0.1.0, checked without an instance\n"));
    assert!(
        text.ends_with("\n7 errors, 0 warnings, 0 notes\n"),
        "{text}"
    );
}

#[actix_web::test]
async fn keys_and_urls_that_disagree_are_told_beside_what_cannot_be_read() {
    const PK_TEST: &str = "pk_test_dmVyYi1ub3VuLTQyLmNsZXJrLmFjY291bnRzLmRldiQ";
    let server = || {
        mcp_auth::server!()
            .tools_of("protocol::check::plain")
            .publishable_key(PK_TEST)
            .frontend_api_url("clerk.example.com")
    };
    let disagree = "`publishable_key` and `frontend_api_url` name different Clerk instances";
    let kinds = "`publishable_key` belongs to a development instance, and `secret_key` to a production instance";
    for (server, second) in [
        (server().secret_key("sk_live_hunter2"), kinds),
        (
            server().secret_key("hunter2"),
            "`secret_key`: a Clerk secret key begins with `sk_test_` or `sk_live_` and has no spaces",
        ),
    ] {
        let report = check(server).await;
        let all: Vec<_> = report.findings().iter().map(Finding::what).collect();
        assert_eq!(all, [disagree, second]);
    }
    let nameless = mcp_auth::server!()
        .tools_of("protocol::check::plain")
        .secret_key("hunter2");
    let report = check(nameless).await;
    assert_eq!(
        report.findings()[0].what(),
        "no Clerk instance is configured"
    );
    assert_eq!(report.findings().len(), 2);
}

#[actix_web::test]
async fn the_instance_is_asked_even_if_tools_and_policy_are_wrong() {
    let clerk = clerk(|path, _| path.starts_with("/v1/").then(|| Answer::status(401)));
    let report = check(
        mcp_auth::server!()
            .tools_of("protocol::check::nowhere")
            .frontend_api_url(clerk.url())
            .api_url(clerk.url())
            .secret_key("sk_live_hunter2")
            .host("0.0.0.0")
            .url("https://mcp.example.com")
            .audience_policy(AudiencePolicy::IfPresent),
    )
    .await;
    let all: Vec<_> = report.findings().iter().map(Finding::what).collect();
    assert!(all[0].starts_with("no tools are declared in"), "{report}");
    assert!(all[1].starts_with("tokens without an audience would be accepted"));
    assert_eq!(all[2], "Clerk refuses `secret_key`");
    assert_eq!(all.len(), 3);
}

#[actix_web::test]
async fn an_unsatisfiable_guard_is_an_error_of_a_check() {
    let clerk = clerk(|_, _| None);
    let server = || {
        mcp_auth::server!()
            .tools_of("protocol::check::guarded")
            .frontend_api_url(clerk.url())
            .port(4321)
    };
    let report = check(server()).await;
    let finding = &report.findings()[0];
    assert_eq!(finding.severity(), Severity::Error);
    assert!(finding.what().starts_with("no caller can ever pass"));
    let report = check(server().allow_unsatisfiable_guards()).await;
    assert!(!report.has_errors(), "{report}");
}

const MACHINE: &str = "/v1/machines/mch_mcp";
const MACHINE_KEY: &str = "/v1/machines/mch_mcp/secret_key";
const VERIFY: &str = "/m2m_tokens/verify";

/// A good Clerk with one machine, whose key is `ak_hunter2`.
fn with_machine(differs: impl Fn(&str, &str) -> Option<Answer> + Send + Sync + 'static) -> Stub {
    clerk(move |path, url| {
        differs(path, url).or_else(|| match path {
            MACHINE => Some(Answer::json(json!({ "object": "machine" }).to_string())),
            MACHINE_KEY => {
                let key = json!({ "object": "machine_secret_key", "secret": "ak_hunter2" });
                Some(Answer::json(key.to_string()))
            }
            _ => None,
        })
    })
}

fn of_machine(clerk: &Stub) -> ServerBuilder {
    server(clerk).m2m_tokens().machine_id("mch_mcp")
}

#[actix_web::test]
async fn a_known_machine_passes_the_check_with_its_key_and_without() {
    let clerk = with_machine(|_, _| None);
    let passed = "\nok       mch_mcp is a machine of the instance, and its settings agree\n";
    let report = check(of_machine(&clerk)).await;
    assert!(report.findings().is_empty(), "{report}");
    assert!(report.to_string().contains(passed), "{report}");
    // The key of the machine is fetched only to compare it with a configured key.
    assert_eq!(clerk.requests_to(MACHINE_KEY), 0);
    let report = check(of_machine(&clerk).machine_secret_key("ak_hunter2")).await;
    assert!(report.findings().is_empty(), "{report}");
    assert!(report.to_string().contains(passed), "{report}");

    let unnamed = server(&clerk).m2m_tokens().machine_secret_key("ak_hunter2");
    let report = check(unnamed).await;
    assert!(report.findings().is_empty(), "{report}");
    let text = report.to_string();
    assert!(
        text.contains("\nok       Clerk accepts `machine_secret_key`\n"),
        "{text}"
    );
    // The server does not ask about a machine if it accepts no M2M tokens.
    let asked = clerk.requests().len();
    let report = check(server(&clerk).machine_id("mch_nope")).await;
    assert!(report.findings().is_empty(), "{report}");
    let requests = clerk.requests();
    let later = requests[asked..].iter();
    assert!(
        later.clone().all(|head| !head.contains("machine")),
        "{requests:?}"
    );
}

#[actix_web::test]
async fn a_machine_that_the_instance_does_not_have_is_an_error_of_a_check() {
    let clerk = clerk(|_, _| None);
    let what = "`machine_id`: the instance has no machine mch_mcp";
    expect(of_machine(&clerk), Severity::Error, what).await;
    let keyed = of_machine(&clerk).machine_secret_key("ak_hunter2");
    expect(keyed, Severity::Error, what).await;
    // A machine that is unknown to the API does not keep the server from starting.
    of_machine(&clerk).build().await.unwrap();
    // The machines of another instance do not matter.
    let strangers = Instance::new("http://127.0.0.1:1", Directory::default()).unwrap();
    let strange =
        self::clerk(move |path, _| (path == BACKEND_JWKS).then(|| Answer::json(strangers.jwks())));
    let what = "`secret_key` belongs to another instance than the tokens";
    expect(of_machine(&strange), Severity::Error, what).await;
}

#[actix_web::test]
async fn a_machine_key_that_clerk_refuses_or_that_belongs_to_another_machine_is_an_error() {
    let refusing = with_machine(|path, _| (path == VERIFY).then(|| Answer::status(401)));
    let what = "Clerk refuses `machine_secret_key`";
    let keyed = || of_machine(&refusing).machine_secret_key("ak_hunter2");
    expect(keyed(), Severity::Error, what).await;
    let error = keyed().build().await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{what}; copy it from the machine's page in the dashboard [machine-key-refused]")
    );
    let alone = without_key(&refusing)
        .m2m_tokens()
        .machine_secret_key("ak_hunter2");
    let report = check(alone).await;
    assert_eq!(report.findings()[0].what(), what);

    let good = with_machine(|_, _| None);
    let others = || of_machine(&good).machine_secret_key("ak_hunter22");
    let what = "the key in `machine_secret_key` does not belong to the machine mch_mcp";
    expect(others(), Severity::Error, what).await;
    // While a key is changed, two are good.
    others().build().await.unwrap();

    let ill = with_machine(|path, _| (path == MACHINE).then(|| Answer::status(500)));
    let what = "the instance's machines could not be read";
    expect(of_machine(&ill), Severity::Note, what).await;
}

#[actix_web::test]
async fn the_machines_of_a_local_clerk_are_checked_like_the_machines_of_clerk() {
    let clerk = emulator().await;
    let key = |machine| clerk.instance().machine_secret_key(machine).unwrap();
    let (own, others) = (key("mcp"), key("billing"));
    let server = || {
        builder(&clerk)
            .tools_of("protocol::check::plain")
            .secret_key(clerk.instance().secret_key().expose())
            .m2m_tokens()
            .port(4321)
    };
    for (server, error) in [
        (server().machine_id("mch_mcp"), None),
        (
            server()
                .machine_id("mch_mcp")
                .machine_secret_key(own.expose()),
            None,
        ),
        (
            server().machine_id("mch_nope"),
            Some("`machine_id`: the instance has no machine mch_nope"),
        ),
        (
            server().machine_secret_key("ak_bogus"),
            Some("Clerk refuses `machine_secret_key`"),
        ),
        (
            server()
                .machine_id("mch_mcp")
                .machine_secret_key(others.expose()),
            Some("the key in `machine_secret_key` does not belong to the machine mch_mcp"),
        ),
    ] {
        let report = check(server).await;
        let errors = report.findings().iter();
        let mut errors = errors.filter(|one| one.severity() == Severity::Error);
        assert_eq!(errors.next().map(Finding::what), error, "{report}");
        for one in report.findings() {
            let remedy = one.remedy().unwrap();
            assert!(
                !remedy.starts_with("in the dashboard"),
                "a local Clerk has none: {remedy}"
            );
        }
    }
}

/// A kind of token with a finding still counts as accepted when guards are checked.
#[actix_web::test]
async fn a_finding_about_a_kind_of_token_makes_no_guard_unsatisfiable() {
    let clerk = clerk(|_, _| None);
    let server = || {
        mcp_auth::server!()
            .tools_of("protocol::check::kinds")
            .session_tokens(AuthorizedParties::any())
            .m2m_tokens()
            .frontend_api_url(clerk.url())
            .api_url(clerk.url())
            .port(4321)
    };
    let keyed = || server().secret_key("sk_test_hunter2");
    for (server, expected) in [
        (
            keyed()
                .machine_id("hunter2")
                .api_keys(ApiKeyScopes::any_key()),
            &["`machine_id` is not a machine's id, which begins `mch_`"][..],
        ),
        (
            keyed().api_keys(ApiKeyScopes::any_key()),
            &["`m2m_tokens` is set, but no setting names this server's machine"],
        ),
        (
            server()
                .machine_id("mch_1")
                .api_keys(ApiKeyScopes::any_key())
                .check_users(),
            &[
                "`api_keys` needs Clerk's Backend API, but no secret key is set",
                "`check_users` needs Clerk's Backend API, but no secret key is set",
            ],
        ),
        (
            keyed()
                .api_keys(ApiKeyScopes::any_key())
                .session_tokens(AuthorizedParties::only(["https://a.example/app"]))
                .host("0.0.0.0"),
            &[
                "MCP_URL is not set, and 0.0.0.0 is not loopback",
                "`https://a.example/app` in `session_tokens(AuthorizedParties::only([…]))` is more than an origin",
                "`m2m_tokens` is set, but no setting names this server's machine",
            ],
        ),
    ] {
        let report = check(server).await;
        let errors = report.findings().iter();
        let errors = errors.filter(|one| one.severity() == Severity::Error);
        assert_eq!(errors.map(Finding::what).collect::<Vec<_>>(), expected);
    }
    // A server that accepts no kind of token has no other finding about guards.
    let nothing = check(
        mcp_auth::server!()
            .tools_of("protocol::check::plain")
            .without_oauth_tokens()
            .frontend_api_url(clerk.url())
            .port(4321),
    )
    .await;
    assert_eq!(nothing.findings()[0].what(), "no kind of token is accepted");
    assert!(!nothing.to_string().contains("no caller can ever pass"));
}

#[actix_web::test]
async fn a_slow_clerk_holds_a_start_up_for_the_time_of_one_request() {
    let clerk = Stub::start(|_, _| Answer::Stall);
    let begun = Instant::now();
    server(&clerk).build().await.unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(clerk.requests().len() >= 5, "{:?}", clerk.requests());
}

#[actix_web::test]
async fn a_start_with_a_public_key_asks_the_issuer_nothing() {
    let clerk = clerk(|_, _| None);
    let server = without_key(&clerk).jwt_key(KEYS.public_key_pem());
    server.build().await.unwrap();
    assert!(clerk.requests().is_empty(), "{:?}", clerk.requests());
}

#[actix_web::test]
async fn a_local_clerk_is_checked_and_named_as_a_local_clerk() {
    let clerk = emulator().await;
    clerk.instance().change_settings(|settings| {
        let scopes = ["profile", "email", "offline_access"];
        settings.default_scopes = Some(scopes.map(String::from).to_vec());
    });
    let report = check(
        builder(&clerk)
            .tools_of("protocol::check::plain")
            .port(4321),
    )
    .await;
    let mut severities = report.findings().iter().map(Finding::severity);
    assert!(
        severities.all(|severity| severity == Severity::Note),
        "{report}"
    );
    let embedded = mcp_auth::server!()
        .tools_of("protocol::check::plain")
        .emulator()
        .check()
        .await;
    assert!(!embedded.has_errors(), "{embedded}");
    let text = embedded.to_string();
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("tests 0.1.0, checked against http://127.0.0.1:"));
    assert!(first.ends_with(" (a local Clerk, for development only)"));
}

#[test]
fn a_check_prints_its_report_and_does_not_listen() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let text = printed(&[("MCP_AUTH", "check"), ("PORT", &port)]);
    assert!(text.starts_with("tests 0.1.0, checked against http://127.0.0.1:"));
    assert!(text.contains("\nok       tokens can be verified: 1 key"));
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("0 errors, "), "{text}");
}

#[test]
fn a_check_with_errors_prints_all_of_them_and_exits_with_status_1() {
    let (printed, error) = checked(&[
        ("PORT", "none"),
        ("CLERK_SECRET_KEY", "hunter2"),
        ("CLERK_FRONTEND_API_URL", "http://clerk.example.com"),
    ]);
    assert_eq!(
        printed,
        "\
tests 0.1.0, checked without an instance
error    PORT is `none`: a number from 0 to 65535 is expected [setting-invalid]
    why  the server does not replace an invalid value with a default
error    CLERK_FRONTEND_API_URL: the Frontend API URL must be https (http is for loopback only) [frontend-url-invalid]
    why  this setting names the instance whose tokens the server accepts
    do   copy the Frontend API URL from the dashboard's API keys
error    CLERK_SECRET_KEY: a Clerk secret key begins with `sk_test_` or `sk_live_` and has no spaces [secret-key-invalid]
    why  the server sends this value to Clerk with every look-up, so it must not be another secret
    do   copy it from the dashboard's API keys
3 errors, 0 warnings, 0 notes
"
    );
    assert_eq!(error, "Error: the check found 3 errors [check-failed]\n");
}

#[test]
fn an_accepted_finding_is_neither_an_error_nor_a_warning_of_a_check() {
    // No server listens on port 1.
    let issuer = "http://127.0.0.1:1";
    let environment = [
        ("CLERK_FRONTEND_API_URL", issuer),
        ("CLERK_API_URL", issuer),
        ("CLERK_SECRET_KEY", "sk_test_hunter2"),
        ("MCP_PORT", "4321"),
    ];
    let (status, report, _) = run_check(&environment);
    assert_eq!(status, 2, "{report}");
    for code in [
        "[issuer-unreachable]\n",
        "[secret-key-unchecked]\n",
        "[variable-unread]\n",
    ] {
        assert!(report.contains(code), "{code} in {report}");
    }
    assert!(
        report.ends_with("2 errors, 1 warning, 0 notes\n"),
        "{report}"
    );

    let codes = "issuer-unreachable, secret-key-unchecked,variable-unread";
    let accept = ("MCP_AUTH_ACCEPT", codes);
    let check = ("MCP_AUTH", "check");
    let report = printed(&[&environment[..], &[accept, check]].concat());
    let accepted =
        format!("\naccepted the issuer {issuer} cannot be reached [issuer-unreachable]\n");
    assert!(report.contains(&accepted), "{report}");
    assert!(
        report.ends_with("0 errors, 0 warnings, 0 notes\n"),
        "{report}"
    );
}

#[test]
fn an_unknown_code_is_an_error_and_a_fatal_finding_cannot_be_accepted() {
    let (report, error) = checked(&[
        ("PORT", "none"),
        ("MCP_AUTH_ACCEPT", "setting-invalid,no-such-code"),
    ]);
    for line in [
        "error    MCP_AUTH_ACCEPT lists `setting-invalid`, but a fatal finding cannot be accepted [accepted-code-fatal]\n",
        "error    MCP_AUTH_ACCEPT lists `no-such-code`, but no finding has this code [accepted-code-unknown]\n",
        "error    PORT is `none`: a number from 0 to 65535 is expected [setting-invalid]\n",
    ] {
        assert!(report.contains(line), "{line} in {report}");
    }
    assert!(error.ends_with("errors [check-failed]\n"), "{error}");
}

#[actix_web::test]
async fn a_start_does_not_log_an_accepted_finding() {
    let clerk = emulator().await;
    let log = |accept: &str| {
        let mut process =
            Process::start_on(&clerk, &[("MCP_PORT", "4321"), ("MCP_AUTH_ACCEPT", accept)]);
        process.signal("TERM");
        process.log()
    };
    for (accept, logged) in [("http-url", true), ("http-url,variable-unread", false)] {
        let log = log(accept);
        let has_line = log.contains("code=\"variable-unread\"");
        assert_eq!(has_line, logged, "{log}");
    }
}

/// Both are warnings. The log has no value of a variable.
#[actix_web::test]
async fn a_start_names_a_malformed_log_setting_and_variables_that_nothing_reads() {
    let environment = [
        ("RUST_LOG", "info,mcp_auth=debgu"),
        ("MCP_ALLOWED_ORIGIN", "https://hunter2.example.com"),
        ("CLERK_SECRETKEY", "sk_test_hunter2"),
        ("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_hunter2"),
    ];
    let clerk = emulator().await;
    let mut process = Process::start_on(&clerk, &environment);
    // A server that answers handles signals.
    reqwest::get(process.fact("endpoint")).await.unwrap();
    process.signal("TERM");
    let log = process.log();
    let warned = |text: &str| {
        log.lines()
            .any(|line| line.contains(" WARN ") && line.contains(text))
    };
    let expected = [
        r#"RUST_LOG has "mcp_auth=debgu", which is not a valid directive"#,
        "nothing reads the environment variable MCP_ALLOWED_ORIGIN; did you mean MCP_ALLOWED_ORIGINS?",
        "nothing reads the environment variable CLERK_SECRETKEY; did you mean CLERK_SECRET_KEY?",
    ];
    for text in expected {
        assert!(warned(text), "{text} in {log}");
    }
    assert!(log.contains(" INFO "), "{log}");
    assert!(
        !log.contains("hunter2") && !log.contains("WEBHOOK"),
        "{log}"
    );

    let report = printed(&[&environment[..], &[("MCP_AUTH", "check")]].concat());
    for text in expected {
        assert!(
            report.contains(&format!("warning  {text}")),
            "{text} in {report}"
        );
    }
    assert!(
        !report.contains("hunter2") && !report.contains("WEBHOOK"),
        "{report}"
    );
}

#[test]
fn the_status_of_a_check_tells_an_error_from_a_clerk_that_does_not_answer() {
    // No server listens on port 1.
    let unreachable = [
        ("CLERK_FRONTEND_API_URL", "http://127.0.0.1:1"),
        ("CLERK_API_URL", "http://127.0.0.1:1"),
        ("CLERK_SECRET_KEY", "sk_test_hunter2"),
    ];
    let with =
        |more: &[(&'static str, &'static str)]| run_check(&[&unreachable[..], more].concat());
    let (status, _, error) = with(&[]);
    assert_eq!(
        (status, error.as_str()),
        (2, "Error: the check found 2 errors [check-failed]\n")
    );
    // With another error, another try would not help.
    assert_eq!(with(&[("MCP_AUTH_ACCEPT", "no-such-code")]).0, 1);
    assert_eq!(with(&[("PORT", "none")]).0, 1);
    let accepted = [("MCP_AUTH_ACCEPT", "issuer-unreachable,secret-key-unchecked")];
    assert_eq!(with(&accepted).0, 0);
    // With a local Clerk there is nothing to find.
    assert_eq!(run_check(&[]).0, 0);
}

#[test]
fn the_report_of_a_check_is_json_if_that_is_asked_for() {
    let environment = [
        ("CLERK_FRONTEND_API_URL", "http://127.0.0.1:1"),
        ("CLERK_API_URL", "http://127.0.0.1:1"),
        ("CLERK_SECRET_KEY", "sk_test_hunter2"),
        ("MCP_AUTH_ACCEPT", "variable-unread,secret-key-unchecked"),
        ("MCP_PORT", "4321"),
    ];
    let json = [&environment[..], &[("MCP_CHECK_FORMAT", "json")]].concat();
    let (status, printed, _) = run_check(&json);
    assert_eq!(status, 2, "{printed}");
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        report["subject"],
        "tests 0.1.0, checked against http://127.0.0.1:1"
    );
    assert_eq!(
        report["summary"],
        json!({ "errors": 1, "warnings": 0, "notes": 0 })
    );
    let unreachable = &report["findings"][0];
    assert_eq!(unreachable["code"], "issuer-unreachable");
    assert_eq!(unreachable["severity"], "error");
    let text = run_check(&environment).1;
    for member in ["what", "why", "do"] {
        let said = unreachable[member].as_str().unwrap();
        assert!(text.contains(said), "{said} in {text}");
    }
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    let accepted = report["accepted"].as_array().unwrap();
    let accepted: Vec<_> = accepted.iter().map(|finding| &finding["code"]).collect();
    assert_eq!(accepted, ["variable-unread", "secret-key-unchecked"]);
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(report["passed"].is_array());
    let (status, printed, error) = run_check(&[("MCP_CHECK_FORMAT", "yaml")]);
    assert_eq!((status, printed.as_str()), (1, ""));
    let expected =
        "Error: MCP_CHECK_FORMAT is `yaml`: `json` or `text` is expected [setting-invalid]\n";
    assert_eq!(error, expected);
}

#[test]
fn a_check_fails_if_access_is_wider_than_the_recorded_matrix() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("tools.md");
    let name = path.to_str().unwrap();
    let compared = || run_check(&[("MCP_MATRIX", name)]);
    let matrix = printed(&[("MCP_AUTH", "tools-markdown")]);
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    let replaced = |from: &str, to: &str| {
        assert!(matrix.contains(from), "{matrix}");
        write(&matrix.replace(from, to));
    };
    write(&matrix);
    let (status, report, _) = compared();
    assert_eq!(status, 0, "{report}");
    assert!(
        report.contains(&format!(
            "\nok       nobody may do more than {name} records\n"
        )),
        "{report}"
    );
    let (greet, sign) = (
        "| greet | yes | yes | yes | public |",
        "| sign | no | if | if |",
    );
    let read = "| read_documents | no | no | with permission | ";
    let finding = |report: &str, code: &str| {
        let end = format!(" [{code}]");
        let mut found = report.lines().filter(|line| line.ends_with(&end));
        let line = found
            .next()
            .unwrap_or_else(|| panic!("no {code} in {report}"))
            .to_owned();
        assert_eq!(found.next(), None);
        line
    };
    // The access of the program is wider than each of these files.
    for (from, to, said) in [
        (
            greet,
            "| greet | no | yes | yes | public |",
            "`greet`: anonymous no, now yes",
        ),
        (
            sign,
            "| sign | no | no | if |",
            "`sign`: signed in no, now if (no actor, authorize is_free(name))",
        ),
        (
            read,
            "| read_documents | no | no | no | ",
            "`read_documents`: in an organization no, now with permission (organization, permission org:documents:read)",
        ),
        (
            "| hold |",
            "| held |",
            "`hold`: signed in no, now yes; in an organization no, now yes",
        ),
    ] {
        replaced(from, to);
        let (status, report, error) = compared();
        assert_eq!(
            (status, error.as_str()),
            (1, "Error: the check found 1 error [check-failed]\n"),
            "{report}"
        );
        let expected = format!("error    more callers may use {said} [access-widened]");
        assert_eq!(finding(&report, "access-widened"), expected);
    }
    // The renamed tool of the file is gone, which is narrower.
    assert!(
        finding(&compared().1, "access-narrowed")
            .starts_with("note     fewer callers may use `held`")
    );
    replaced("| in an organization |", "| in a team |");
    assert_eq!(compared().0, 1, "a new column");
    // The access of the program is narrower than this file.
    replaced(read, "| read_documents | no | yes | yes | ");
    let (status, report, _) = compared();
    assert_eq!(status, 0, "{report}");
    let expected = "note     fewer callers may use `read_documents`: signed in yes, now no; in an organization yes, now with permission (organization, permission org:documents:read) [access-narrowed]";
    assert_eq!(finding(&report, "access-narrowed"), expected);
    // An intended change passes if its code is accepted.
    replaced(greet, "| greet | no | yes | yes | public |");
    let accepted = [("MCP_MATRIX", name), ("MCP_AUTH_ACCEPT", "access-widened")];
    assert_eq!(run_check(&accepted).0, 0);
    // A file without a matrix does not pass.
    for (text, why) in [
        (
            Some("# Tools\n"),
            "the file contains no table in the format that `MCP_AUTH=tools-markdown` prints",
        ),
        (None, "entity not found"),
    ] {
        match text {
            Some(text) => write(text),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let (status, report, _) = compared();
        assert_eq!(status, 1, "{report}");
        let expected =
            format!("error    MCP_MATRIX: `{name}` cannot be read: {why} [matrix-unreadable]");
        assert_eq!(finding(&report, "matrix-unreadable"), expected);
    }
    // Clerk is not needed.
    write(&matrix.replace(greet, "| greet | no | yes | yes | public |"));
    let offline = [
        ("MCP_MATRIX", name),
        ("CLERK_FRONTEND_API_URL", "http://127.0.0.1:1"),
    ];
    let (status, report, _) = run_check(&offline);
    assert_eq!(status, 1, "{report}");
    finding(&report, "access-widened");
}

/// A start logs the findings that a check lists.
#[actix_web::test]
async fn a_start_logs_warnings_with_reason_and_remedy() {
    let clerk = emulator().await;
    let mut process = Process::start_on(&clerk, &[("MCP_URL", "http://127.0.0.1:9/mcp")]);
    process.signal("TERM");
    let log = process.log();
    let line = log.lines().find(|line| line.contains("but its URL is"));
    let line = line.expect(&log);
    for part in [
        " WARN ",
        "the server listens on port ",
        "why=\"clients ask for tokens",
        "remedy=\"make MCP_URL and ",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}
