//! Responses of the Backend API, and the data that is read from them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clerk::mock_http::{Reply, Stub};
use crate::identity::test_support::{self, TestKey, block_on};

#[test]
fn a_membership_is_read_with_role_and_permissions() {
    let (stub, answer) = asked(|| Reply::json(&page(&[membership("org_1", Some("user_ada"))])));
    let org = answer.unwrap().unwrap();
    assert_eq!(
        (org.id(), org.slug(), org.role()),
        ("org_1", Some("acme"), Some("org:admin"))
    );
    assert_eq!(
        org.permissions().unwrap(),
        ["org:documents:read", "org:sys_profile:manage"]
    );
    let head = &stub.heads()[0];
    let line = "GET /v1/organizations/org_1/memberships?user_id=user_ada&limit=1 HTTP/1.1\r\n";
    assert!(head.starts_with(line), "{head}");
}

#[test]
fn an_empty_page_or_an_unknown_organization_is_no_membership() {
    assert_eq!(
        asked(|| Reply::json(&page(&[]))).1.unwrap().map(|_| ()),
        None
    );
    let (_, answer) = asked(|| Reply::http(404, "", r#"{"errors":[]}"#));
    assert_eq!(answer.unwrap().map(|_| ()), None);
}

#[test]
fn anothers_membership_is_not_taken_for_the_one_asked_for() {
    for (organization, user) in [
        ("org_2", Some("user_ada")),
        ("org_1", Some("user_bob")),
        ("org_1", None),
    ] {
        let answer = page(&[membership(organization, user)]);
        let (_, answer) = asked(move || Reply::json(&answer));
        assert_eq!(answer.unwrap_err(), LookupError::Failed);
    }
}

#[test]
fn missing_facts_are_unknown_not_empty() {
    let bare = json!({"data": [{
        "organization": {"id": "org_1"}, "public_user_data": {"user_id": "user_ada"},
    }]});
    let org = asked(move || Reply::json(&bare)).1.unwrap().unwrap();
    assert_eq!(
        (org.slug(), org.role(), org.permissions()),
        (None, None, None)
    );
}

#[test]
fn an_answer_that_is_none_is_a_failure_never_a_membership() {
    for (status, error) in [
        (302, LookupError::Failed),
        (400, LookupError::Declined),
        (401, LookupError::KeyRefused),
        (403, LookupError::Declined),
        (410, LookupError::Declined),
        (422, LookupError::Declined),
        (500, LookupError::Failed),
        (503, LookupError::Failed),
    ] {
        let (_, answer) = asked(move || Reply::http(status, "", "{}"));
        assert_eq!(answer.unwrap_err(), error, "{status}");
    }
    for body in ["", "[]", "{}", r#"{"data":{}}"#, r#"{"data":[{}]}"#] {
        let (_, answer) = asked(move || Reply::http(200, "", body));
        assert_eq!(answer.unwrap_err(), LookupError::Failed, "{body}");
    }
}

#[test]
fn a_rate_limit_tells_how_long_to_wait() {
    let (_, answer) = asked(|| Reply::http(429, "Retry-After: 9\r\n", "{}"));
    assert_eq!(
        answer.unwrap_err(),
        LookupError::Throttled(Duration::from_secs(9))
    );
}

#[test]
fn a_page_of_memberships_is_read_with_the_count_of_all() {
    let (stub, page) = asked_for_page(|| {
        let one = membership("org_1", Some("user_ada"));
        let two = membership("org_2", Some("user_ada"));
        Reply::json(&json!({"data": [one, two], "total_count": 207}))
    });
    let page = page.unwrap();
    assert_eq!(page.total, 207);
    assert_eq!(
        page.orgs.iter().map(Org::id).collect::<Vec<_>>(),
        ["org_1", "org_2"]
    );
    assert_eq!(
        (page.orgs[0].slug(), page.orgs[0].role()),
        (Some("acme"), Some("org:admin"))
    );
    let head = &stub.heads()[0];
    let line = "GET /v1/users/user_ada/organization_memberships?limit=25&offset=200 HTTP/1.1\r\n";
    assert!(head.starts_with(line), "{head}");
}

#[test]
fn a_page_with_anothers_membership_or_without_a_count_is_no_answer() {
    let own = membership("org_1", Some("user_ada"));
    for body in [
        json!({"data": [own, membership("org_2", Some("user_bob"))], "total_count": 2}),
        json!({"data": [membership("org_2", None)], "total_count": 1}),
        json!({"data": [own]}),
        json!({"data": [own], "total_count": -1}),
        json!({"data": {}, "total_count": 0}),
        json!([own]),
    ] {
        let (_, page) = asked_for_page(move || Reply::json(&body));
        assert_eq!(page.unwrap_err(), LookupError::Failed);
    }
    for (status, error) in [
        (401, LookupError::KeyRefused),
        (403, LookupError::Declined),
        (500, LookupError::Failed),
    ] {
        let (_, page) = asked_for_page(move || Reply::http(status, "", "{}"));
        assert_eq!(page.unwrap_err(), error, "{status}");
    }
}

#[test]
fn a_user_who_was_deleted_is_a_member_of_nothing() {
    let (_, page) = asked_for_page(|| Reply::http(404, "", r#"{"errors":[]}"#));
    let page = page.unwrap();
    assert!(page.orgs.is_empty() && page.total == 0);
}

#[test]
fn the_keys_of_the_instance_are_told_to_its_secret_key() {
    let jwks = json!({"keys": [TestKey::shared().jwk("ins_1")]});
    let keys = |reply: fn(&Value) -> Reply| {
        let jwks = jwks.clone();
        let stub = Stub::answering(move |_| reply(&jwks));
        block_on(backend(&stub).keys())
    };
    assert_eq!(
        keys(Reply::json).unwrap(),
        [TestKey::shared().published("ins_1")]
    );
    let refused = keys(|_| Reply::http(401, "", "{}")).unwrap_err();
    assert!(matches!(refused, BackendKeysError::KeyRefused), "{refused}");
    let down = keys(|_| Reply::http(500, "", "{}")).unwrap_err();
    assert!(matches!(down, BackendKeysError::Unreachable), "{down}");
}

fn asked(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Stub, Result<Option<Org>, LookupError>) {
    let stub = Stub::answering(move |_| reply());
    let answer = block_on(backend(&stub).membership("org_1", "user_ada"));
    (stub, answer)
}

fn asked_for_page(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> (Stub, Result<MembershipPage, LookupError>) {
    let stub = Stub::answering(move |_| reply());
    let page = block_on(backend(&stub).memberships("user_ada", 200));
    (stub, page)
}

fn backend(stub: &Stub) -> Backend {
    let key = SecretKey::parse("sk_test_secret").unwrap();
    let clock: Arc<dyn Clock> = test_support::clock();
    Backend::at(Outgoing::to(stub.url()).unwrap(), key, &clock)
}

fn page(memberships: &[Value]) -> Value {
    json!({"data": memberships, "total_count": memberships.len()})
}

fn membership(organization_id: &str, user_id: Option<&str>) -> Value {
    json!({
        "object": "organization_membership", "id": "orgmem_1", "role": "org:admin",
        "permissions": ["org:documents:read", "org:sys_profile:manage"],
        "organization": {"id": organization_id, "slug": "acme", "name": "Acme"},
        "public_user_data": user_id.map(|user_id| json!({"user_id": user_id})),
    })
}
