use actix_web::http::header;

use super::*;

#[test]
fn a_form_is_read_as_a_choice_or_a_refusal() {
    let form = |fields: &[(&str, &str)]| {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Decision::parse(&fields.collect::<Vec<_>>())
    };
    let allowed = |user: &str, organization: Option<&str>| {
        let (user_id, organization_id) = (user.into(), organization.map(String::from));
        let allowed_by = Some(Choice {
            user_id,
            organization_id,
        });
        Some(Decision {
            ticket: "t".into(),
            allowed_by,
        })
    };
    let (ticket, allow) = (("ticket", "t"), ("decision", "allow"));
    assert_eq!(
        form(&[ticket, ("choice", "user_ada|org_acme"), allow]),
        allowed("user_ada", Some("org_acme"))
    );
    assert_eq!(
        form(&[ticket, ("choice", "user_ada"), allow]),
        allowed("user_ada", None)
    );
    let refused = Some(Decision {
        ticket: "t".into(),
        allowed_by: None,
    });
    assert_eq!(form(&[ticket, ("decision", "refuse")]), refused);
    assert_eq!(
        form(&[ticket, ("choice", "user_ada"), ("decision", "refuse")]),
        refused
    );
}

#[test]
fn a_form_that_the_page_cannot_send_is_refused() {
    let (ticket, choice, allow) = (
        ("ticket", "t"),
        ("choice", "user_ada"),
        ("decision", "allow"),
    );
    for fields in [
        &[][..],
        &[ticket, choice],
        &[ticket, allow],
        &[choice, allow],
        &[ticket, choice, ("decision", "Allow")],
        &[ticket, choice, ("decision", "")],
        &[ticket, choice, allow, ("decision", "refuse")],
        &[ticket, choice, allow, ("choice", "user_grace")],
        &[ticket, choice, allow, ("ticket", "u")],
    ] {
        let form: Vec<_> = fields
            .iter()
            .map(|(name, value)| (String::from(*name), String::from(*value)))
            .collect();
        assert_eq!(Decision::parse(&form), None, "{fields:?}");
    }
}

#[test]
fn the_page_shows_the_client_the_scopes_and_the_redirect_host() {
    let page = page(&consent()).into_string();
    for text in [
        "Development only",
        "none is needed",
        "<strong>The Inspector</strong>",
        "<code>client_1</code>",
        "<code>localhost:6274</code>",
        "<code>email</code>: your e-mail address",
        "<dd><code>documents:write</code></dd>",
        r#"action="/oauth/authorize/decision""#,
        r#"<input type="hidden" name="ticket" value="t-1">"#,
        "<legend>Ada",
        r#"value="user_ada|org_acme""#,
        r#"value="user_ada""#,
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    assert_eq!(page.matches(r#"type="radio""#).count(), 3);
    assert_eq!(page.matches("<form").count(), 1);
    assert!(!page.contains(" disabled"));
}

#[test]
fn organizations_are_offered_only_if_the_client_requests_one() {
    let page = page(&Consent {
        asks_organization: false,
        ..consent()
    })
    .into_string();
    assert_eq!(page.matches(r#"type="radio""#).count(), 2);
    assert!(!page.contains("org_acme") && !page.contains("o organization"));
}

#[test]
fn without_users_allow_is_disabled_and_refuse_is_not() {
    let page = page(&Consent {
        people: Vec::new(),
        ..consent()
    })
    .into_string();
    assert!(page.contains("no users"));
    assert!(page.contains(r#"value="allow" disabled>"#));
    assert!(page.contains(r#"value="refuse" formnovalidate>"#));
}

#[test]
fn markup_in_a_clients_metadata_is_escaped() {
    let evil = String::from(r#""><script>alert(1)</script><form action=//evil.example>"#);
    let page = page(&Consent {
        client_name: evil.clone(),
        client_id: evil.clone(),
        redirect_host: evil.clone(),
        scopes: vec![evil.clone()],
        people: vec![Person {
            user_id: evil.clone(),
            name: evil.clone(),
            email: Some(evil.clone()),
            organizations: vec![Organization {
                id: evil.clone(),
                name: evil.clone(),
                role: evil.clone(),
            }],
        }],
        asks_organization: true,
        ticket: evil.clone(),
        form_action: evil,
    });
    let page = page.into_string();
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(page.matches("<form").count(), 1, "{page}");
    let error = error_page("<script>", "<form>").into_string();
    assert!(
        !error.contains("<script") && !error.contains("<form"),
        "{error}"
    );
}

#[test]
fn pages_allow_no_script_no_frame_and_no_cache() {
    let sent = respond(&consent());
    let error = respond_error(StatusCode::BAD_REQUEST, "No", "Not so");
    assert_eq!(
        (sent.status().as_u16(), error.status().as_u16()),
        (200, 400)
    );
    for response in [&sent, &error] {
        let header = |name: header::HeaderName| response.headers().get(name).unwrap().clone();
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        let policy = header(header::CONTENT_SECURITY_POLICY);
        let policy = policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"));
    }
    for (response, policy) in [(sent, "same-origin"), (error, "no-referrer")] {
        let header = response.headers().get(header::REFERRER_POLICY);
        assert_eq!(header.unwrap(), policy);
    }
}

fn consent() -> Consent {
    let acme = Organization {
        id: "org_acme".into(),
        name: "Acme".into(),
        role: "org:admin".into(),
    };
    let person = |name: &str, organizations| Person {
        user_id: format!("user_{}", name.to_lowercase()),
        name: name.into(),
        email: Some(format!("{name}@example.com")),
        organizations,
    };
    Consent {
        client_name: "The Inspector".into(),
        client_id: "client_1".into(),
        redirect_host: "localhost:6274".into(),
        scopes: vec!["email".into(), "documents:write".into()],
        people: vec![person("Ada", vec![acme]), person("Linus", Vec::new())],
        asks_organization: true,
        ticket: "t-1".into(),
        form_action: "/oauth/authorize/decision".into(),
    }
}
