//! Responses about users, and the data that is read from them.

use serde_json::json;

use super::*;
use crate::clerk::backend::Backend;
use crate::clerk::mock_http::{Reply, Stub};
use crate::clerk::secret_key::SecretKey;
use crate::identity::test_support::block_on;
use crate::identity::{UserSource, test_support};

#[test]
fn a_user_is_read_with_the_primary_address() {
    let (stub, user) = looked_up(|| Reply::json(&ada()));
    let user = user.unwrap().unwrap();
    let Profile {
        email,
        email_verified,
        name,
        username,
        picture,
    } = user.profile;
    assert_eq!(email.as_deref(), Some("ada@example.com"));
    assert_eq!(email_verified, Some(true));
    assert_eq!(name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(username.as_deref(), Some("ada"));
    assert_eq!(picture.as_deref(), Some("https://img.example.com/ada"));
    assert!(!user.banned && !user.locked);
    let head = &stub.heads()[0];
    assert!(
        head.starts_with("GET /v1/users/user_ada HTTP/1.1"),
        "{head}"
    );
    assert!(head.contains("Bearer sk_test_secret"), "{head}");
}

#[test]
fn a_member_that_a_user_lacks_is_none() {
    let bare = json!({
        "id": "user_ada", "banned": true, "locked": true, "last_name": "",
        "primary_email_address_id": "idn_9",
        "email_addresses": [{"id": "idn_1", "email_address": "other@example.com"}],
    });
    let user = looked_up(move || Reply::json(&bare)).1.unwrap().unwrap();
    assert!(
        user.profile.is_empty() && user.banned && user.locked,
        "{user:?}"
    );
}

#[test]
fn a_user_that_is_not_there_is_none_and_anything_else_is_no_answer() {
    assert!(
        looked_up(|| Reply::http(404, "", "{}"))
            .1
            .unwrap()
            .is_none()
    );
    for (status, error) in [
        (400, LookupError::Declined),
        (401, LookupError::KeyRefused),
        (500, LookupError::Failed),
    ] {
        let (_, user) = looked_up(move || Reply::http(status, "", "{}"));
        assert_eq!(user.unwrap_err(), error, "{status}");
    }
    let mut another = ada();
    another["id"] = json!("user_bob");
    let mut unknown = ada();
    unknown.as_object_mut().unwrap().remove("banned");
    for body in [another, unknown, json!([]), json!("x")] {
        let (_, user) = looked_up(move || Reply::json(&body));
        assert_eq!(user.unwrap_err(), LookupError::Failed);
    }
}

#[test]
fn userinfo_is_asked_with_the_callers_token_and_nothing_of_the_backend_api() {
    let (stub, info) = answered(|| {
        Reply::json(&json!({
            "object": "oauth_user_info", "sub": "user_ada", "user_id": "user_ada",
            "org_id": "org_1", "email": "ada@example.com", "email_verified": true,
            "private_metadata": {"name": "secret"},
        }))
    });
    let info = info.unwrap();
    assert_eq!(
        (&*info.subject, info.org_id.as_deref()),
        ("user_ada", Some("org_1"))
    );
    assert_eq!(info.profile.email.as_deref(), Some("ada@example.com"));
    assert_eq!(info.profile.name, None);
    let head = stub.heads()[0].to_lowercase();
    assert!(head.starts_with("get /oauth/userinfo http/1.1"), "{head}");
    assert!(
        head.contains("authorization: bearer oat_secret\r\n"),
        "{head}"
    );
    assert!(!head.contains("clerk-api-version"), "{head}");
}

#[test]
fn userinfo_that_is_refused_is_no_answer() {
    for (status, error) in [
        (302, LookupError::Failed),
        (400, LookupError::Declined),
        (401, LookupError::Declined),
        (403, LookupError::Declined),
        (500, LookupError::Failed),
    ] {
        let (_, info) = answered(move || Reply::http(status, "", "{}"));
        assert_eq!(info.unwrap_err(), error, "{status}");
    }
    let (_, info) = answered(|| Reply::http(429, "Retry-After: 3\r\n", "{}"));
    let wait = std::time::Duration::from_secs(3);
    assert_eq!(info.unwrap_err(), LookupError::Throttled(wait));
    let twice = r#"{"sub":"user_ada","org_id":"org_1","org_id":"org_2"}"#;
    for body in ["[]", "", twice] {
        let (_, info) = answered(move || Reply::http(200, "", body));
        assert_eq!(info.unwrap_err(), LookupError::Failed, "{body}");
    }
}

#[test]
fn an_unreadable_answer_leaves_no_content_in_the_log() {
    let log = test_support::logged(|| {
        let mut strange = ada();
        strange["email_addresses"] = json!(["ada@example.com"]);
        let (_, user) = looked_up(move || Reply::json(&strange));
        assert_eq!(user.unwrap_err(), LookupError::Failed);
        let (_, info) = answered(|| Reply::http(200, "", r#"{"sub": oat_secret}"#));
        assert_eq!(info.unwrap_err(), LookupError::Failed);
    });
    assert_eq!(log.matches("can't be read").count(), 2, "{log}");
    for secret in ["ada@example.com", "oat_secret"] {
        assert!(!log.contains(secret), "{log}");
    }
}

fn looked_up(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Stub, Result<Option<User>, LookupError>) {
    let stub = Stub::answering(move |_| reply());
    let key = SecretKey::parse("sk_test_secret").unwrap();
    let clock: Arc<dyn Clock> = test_support::clock();
    let backend = Backend::at(Outgoing::to(stub.url()).unwrap(), key, &clock);
    let user = block_on(backend.user("user_ada"));
    (stub, user)
}

fn answered(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Stub, Result<UserInfo, LookupError>) {
    let stub = Stub::answering(move |_| reply());
    let frontend = Arc::new(Outgoing::to(stub.url()).unwrap());
    let token = TokenText::new("oat_secret");
    let userinfo = FrontendUserInfo::at(frontend, test_support::clock());
    let info = block_on(userinfo.user_info(token));
    (stub, info)
}

fn ada() -> Value {
    json!({
        "object": "user", "id": "user_ada", "banned": false, "locked": false,
        "first_name": "Ada", "last_name": "Lovelace", "username": "ada",
        "image_url": "https://img.example.com/ada", "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "email_address": "old@example.com"},
            {"id": "idn_2", "email_address": "ada@example.com",
             "verification": {"status": "verified", "strategy": "email_code"}},
        ],
        "private_metadata": {"x": 1}, "unsafe_metadata": {"email": "forged@example.com"},
    })
}
