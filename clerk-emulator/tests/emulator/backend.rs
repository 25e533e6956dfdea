//! The Backend API.

use std::time::{Duration, Instant};

use clerk_emulator::{Directory, Emulator, EmulatorOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{api, api_get, expect_problem, get, json, request, started};

const MEMBERSHIPS: &str = "/v1/organizations/org_acme/memberships";

#[actix_web::test]
async fn without_the_secret_key_every_request_is_refused() {
    let emulator = started().await;
    let jwks = "/v1/jwks";
    for path in [MEMBERSHIPS, jwks, "/v1/users/user_ada", "/v1/unknown"] {
        expect_problem(get(&emulator, path).await, 401, "authentication_invalid").await;
    }
    let right = emulator.instance().secret_key();
    let wrong = format!("Bearer {}x", right.expose());
    for authorization in [
        wrong,
        format!("Basic {}", right.expose()),
        String::from("Bearer sk_test_x"),
    ] {
        let request = request(&emulator, Method::GET, jwks).header("authorization", authorization);
        expect_problem(request.send().await.unwrap(), 401, "clerk_key_invalid").await;
    }
    assert_eq!(api_get(&emulator, jwks).await.status(), 200);
    let lower_case = format!("bearer {}", right.expose());
    let request = request(&emulator, Method::GET, jwks).header("authorization", lower_case);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn the_backend_api_and_the_frontend_api_serve_the_same_keys() {
    let emulator = started().await;
    let keys = api_get(&emulator, "/v1/jwks").await.text().await.unwrap();
    assert_eq!(keys, emulator.instance().jwks());
}

#[actix_web::test]
async fn a_membership_is_found_by_organization_and_user() {
    let emulator = started().await;
    let list = json(
        api_get(
            &emulator,
            &format!("{MEMBERSHIPS}?user_id=user_ada&limit=1"),
        )
        .await,
    )
    .await;
    assert_eq!(list["total_count"], 1);
    let membership = &list["data"][0];
    assert_eq!(membership["object"], "organization_membership");
    assert_eq!(membership["role"], "org:admin");
    assert_eq!(membership["role_name"], "Admin");
    assert_eq!(
        membership["permissions"],
        json!([
            "org:documents:read",
            "org:documents:write",
            "org:documents:delete"
        ])
    );
    let organization = &membership["organization"];
    assert_eq!(organization["id"], "org_acme");
    assert_eq!(
        (&organization["slug"], &organization["name"]),
        (&json!("acme"), &json!("Acme"))
    );
    assert_eq!(membership["public_user_data"]["user_id"], "user_ada");
    assert_eq!(
        membership["public_user_data"]["identifier"],
        "ada@example.com"
    );
    assert!(membership["id"].as_str().unwrap().starts_with("orgmem_"));
    assert!(membership["created_at"].as_u64().unwrap() > 1_700_000_000_000);
}

#[actix_web::test]
async fn a_non_member_gives_an_empty_list_and_an_unknown_organization_404() {
    let emulator = started().await;
    for user in ["user_linus", "user_margaret", "user_nobody"] {
        let list =
            json(api_get(&emulator, &format!("{MEMBERSHIPS}?user_id={user}&limit=1")).await).await;
        assert_eq!(list, json!({"data": [], "total_count": 0}));
    }
    for path in [
        "/v1/organizations/org_initech/memberships",
        "/v1/organizations/acme/memberships",
    ] {
        expect_problem(api_get(&emulator, path).await, 404, "resource_not_found").await;
    }
}

#[actix_web::test]
async fn memberships_are_filtered_and_paged() {
    let emulator = started().await;
    for (query, users, total) in [
        ("", vec!["user_ada", "user_grace"], 2),
        ("?role=org:admin", vec!["user_ada"], 1),
        (
            "?role=org:admin&role=org:member",
            vec!["user_ada", "user_grace"],
            2,
        ),
        (
            "?user_id=user_grace&user_id=user_ada",
            vec!["user_ada", "user_grace"],
            2,
        ),
        ("?limit=1", vec!["user_ada"], 2),
        ("?limit=1&offset=1", vec!["user_grace"], 2),
        ("?offset=2", vec![], 2),
        ("?order_by=-created_at", vec!["user_ada", "user_grace"], 2),
    ] {
        let list = json(api_get(&emulator, &format!("{MEMBERSHIPS}{query}")).await).await;
        let data = list["data"].as_array().unwrap();
        let found: Vec<_> = data
            .iter()
            .map(|it| it["public_user_data"]["user_id"].clone())
            .collect();
        assert_eq!(found, users, "{query}");
        assert_eq!(list["total_count"], total, "{query}");
    }
    for query in ["?limit=0", "?limit=501", "?limit=x", "?offset=-1"] {
        let response = api_get(&emulator, &format!("{MEMBERSHIPS}{query}")).await;
        expect_problem(response, 422, "form_param_value_invalid").await;
    }
}

#[actix_web::test]
async fn a_member_is_removed_and_added_again() {
    let emulator = started().await;
    let one = format!("{MEMBERSHIPS}/user_ada");
    let removed = json(api(&emulator, Method::DELETE, &one).send().await.unwrap()).await;
    assert_eq!(removed["role"], "org:admin");
    assert!(
        emulator
            .instance()
            .membership("org_acme", "user_ada")
            .is_none()
    );
    let again = api(&emulator, Method::DELETE, &one).send().await.unwrap();
    expect_problem(again, 404, "resource_not_found").await;

    let add = |body: &'static str| api(&emulator, Method::POST, MEMBERSHIPS).body(body).send();
    let added = add(r#"{"user_id": "user_ada", "role": "org:member"}"#)
        .await
        .unwrap();
    assert_eq!(
        json(added).await["permissions"],
        json!(["org:documents:read"])
    );
    let membership = emulator
        .instance()
        .membership("org_acme", "user_ada")
        .unwrap();
    assert_eq!(membership.role, "org:member");
    for (body, status, code) in [
        (
            r#"{"user_id": "user_ada", "role": "org:member"}"#,
            400,
            "already_a_member_in_organization",
        ),
        (
            r#"{"user_id": "user_nobody", "role": "org:member"}"#,
            404,
            "resource_not_found",
        ),
        (
            r#"{"user_id": "user_linus", "role": "org:owner"}"#,
            404,
            "resource_not_found",
        ),
        (r#"{"user_id": "user_linus"}"#, 400, "request_body_invalid"),
    ] {
        expect_problem(add(body).await.unwrap(), status, code).await;
    }
    assert!(
        emulator
            .instance()
            .membership("org_acme", "user_linus")
            .is_none()
    );
}

#[actix_web::test]
async fn people_and_their_organizations_are_listed() {
    let emulator = started().await;
    let ada = json(api_get(&emulator, "/v1/users/user_ada").await).await;
    assert_eq!(
        (&ada["object"], &ada["id"]),
        (&json!("user"), &json!("user_ada"))
    );
    assert_eq!(
        (&ada["first_name"], &ada["last_name"]),
        (&json!("Ada"), &json!("Lovelace"))
    );
    assert_eq!(
        ada["email_addresses"][0]["email_address"],
        "ada@example.com"
    );
    assert_eq!(
        ada["email_addresses"][0]["id"],
        ada["primary_email_address_id"]
    );
    assert_eq!(
        (&ada["banned"], &ada["locked"]),
        (&json!(false), &json!(false))
    );

    let everybody = json(api_get(&emulator, "/v1/users").await).await;
    assert_eq!(everybody.as_array().unwrap().len(), 4);
    let one = json(api_get(&emulator, "/v1/users?limit=1&offset=3").await).await;
    assert_eq!(one[0]["id"], "user_margaret");

    let memberships = json(
        api_get(
            &emulator,
            "/v1/users/user_margaret/organization_memberships",
        )
        .await,
    )
    .await;
    assert_eq!(memberships["total_count"], 1);
    assert_eq!(memberships["data"][0]["organization"]["slug"], "globex");
    let none =
        json(api_get(&emulator, "/v1/users/user_linus/organization_memberships").await).await;
    assert_eq!(none, json!({"data": [], "total_count": 0}));
    for path in [
        "/v1/users/ada",
        "/v1/users/user_bob",
        "/v1/users/user_bob/organization_memberships",
        "/v1/clients",
    ] {
        expect_problem(api_get(&emulator, path).await, 404, "resource_not_found").await;
    }
}

#[actix_web::test]
async fn the_organizations_of_a_user_are_paged_and_name_role_and_permissions() {
    const PATH: &str = "/v1/users/user_linus/organization_memberships";
    let emulator = started().await;
    let permissions = ["org:documents:read", "org:documents:write"];
    for index in 0..12 {
        let organization = format!("team-{index:02}");
        let role = if index == 0 { "admin" } else { "member" };
        emulator
            .instance()
            .set_member("linus", &organization, role, &permissions);
    }
    let page = async |query: &str| json(api_get(&emulator, &format!("{PATH}{query}")).await).await;
    for (query, shown) in [
        ("", 0..10),
        ("?offset=10", 10..12),
        ("?limit=500", 0..12),
        ("?limit=2&offset=3", 3..5),
        ("?offset=12", 0..0),
    ] {
        let list = page(query).await;
        assert_eq!(list["total_count"], 12, "{query}");
        let slugs = list["data"].as_array().unwrap().iter();
        let slugs: Vec<_> = slugs.map(|it| it["organization"]["slug"].clone()).collect();
        let expected: Vec<_> = shown
            .map(|index| json!(format!("team-{index:02}")))
            .collect();
        assert_eq!(slugs, expected, "{query}");
    }
    let list = page("?limit=1").await;
    let membership = &list["data"][0];
    assert_eq!(membership["organization"]["id"], "org_team-00");
    assert_eq!(membership["organization"]["slug"], "team-00");
    assert_eq!(membership["role"], "org:admin");
    assert_eq!(membership["permissions"], json!(permissions));
    assert_eq!(membership["public_user_data"]["user_id"], "user_linus");
    for query in ["?limit=0", "?limit=501", "?limit=x", "?offset=-1"] {
        let response = api_get(&emulator, &format!("{PATH}{query}")).await;
        expect_problem(response, 422, "form_param_value_invalid").await;
    }
}

#[actix_web::test]
async fn keys_and_the_backend_api_fail_and_recover() {
    let emulator = started().await;
    emulator.instance().fail_with(Some(503));
    expect_problem(
        get(&emulator, "/.well-known/jwks.json").await,
        503,
        "internal_clerk_error",
    )
    .await;
    expect_problem(
        api_get(&emulator, MEMBERSHIPS).await,
        503,
        "internal_clerk_error",
    )
    .await;
    assert_eq!(
        get(&emulator, "/.well-known/oauth-authorization-server")
            .await
            .status(),
        200
    );

    emulator.instance().throttle(7);
    let response = api_get(&emulator, MEMBERSHIPS).await;
    assert_eq!(response.headers()["retry-after"], "7");
    expect_problem(response, 429, "too_many_requests").await;

    emulator.instance().fail_with(None);
    assert_eq!(api_get(&emulator, MEMBERSHIPS).await.status(), 200);
    assert_eq!(emulator.instance().requests_to("/v1/organizations/"), 3);
    assert_eq!(emulator.instance().requests_to("/.well-known/jwks.json"), 1);
}

#[actix_web::test]
async fn latency_delays_only_keys_and_the_backend_api() {
    let emulator = started().await;
    let latency = Duration::from_millis(100);
    emulator.instance().latency(latency);
    for path in ["/.well-known/jwks.json", "/v1/jwks"] {
        let start = Instant::now();
        assert_eq!(api_get(&emulator, path).await.status(), 200);
        assert!(start.elapsed() >= latency, "{path}");
    }
    emulator.instance().latency(Duration::from_secs(3600));
    let path = "/.well-known/openid-configuration";
    assert_eq!(get(&emulator, path).await.status(), 200);
}

#[actix_web::test]
async fn a_user_is_shown_with_every_field() {
    let directory = Directory::parse(
        r#"
        [users.kay]
        name = "Alan Kay"
        email = "kay@parc.example"
        email_verified = false
        image_url = "https://parc.example/kay.png"
        public_metadata = { team = "learning" }
        private_metadata = { badge = 7 }
        unsafe_metadata = { theme = "dark" }
        [users.nameless]
        "#,
    );
    let options = EmulatorOptions::default().directory(directory.unwrap());
    let emulator = Emulator::start(options).await.unwrap();
    let user = json(api_get(&emulator, "/v1/users/user_kay").await).await;
    assert_eq!(user["object"], "user");
    assert_eq!(
        (&user["first_name"], &user["last_name"]),
        (&json!("Alan"), &json!("Kay"))
    );
    assert_eq!(user["username"], "kay");
    let address = &user["email_addresses"][0];
    assert_eq!(address["id"], user["primary_email_address_id"]);
    assert_eq!(address["email_address"], "kay@parc.example");
    assert_eq!(address["verification"]["status"], "unverified");
    assert_eq!(user["image_url"], "https://parc.example/kay.png");
    assert_eq!(user["has_image"], true);
    assert_eq!(user["public_metadata"], json!({"team": "learning"}));
    assert_eq!(user["private_metadata"], json!({"badge": 7}));
    assert_eq!(user["unsafe_metadata"], json!({"theme": "dark"}));
    assert_eq!(
        (&user["banned"], &user["locked"]),
        (&json!(false), &json!(false))
    );
    let user = json(api_get(&emulator, "/v1/users/user_nameless").await).await;
    assert_eq!(user["primary_email_address_id"], Value::Null);
    assert_eq!(user["email_addresses"], json!([]));
    assert!(user["image_url"].is_string() && user["has_image"] == false);
}

#[actix_web::test]
async fn a_user_is_banned_locked_and_deleted() {
    let emulator = started().await;
    let flags = |user: &Value| (user["banned"] == true, user["locked"] == true);
    for (verb, expected) in [
        ("ban", (true, false)),
        ("lock", (true, true)),
        ("unban", (false, true)),
        ("unlock", (false, false)),
    ] {
        let path = format!("/v1/users/user_ada/{verb}");
        let answer = api(&emulator, Method::POST, &path).send().await.unwrap();
        assert_eq!(flags(&json(answer).await), expected, "{verb}");
        let shown = json(api_get(&emulator, "/v1/users/user_ada").await).await;
        assert_eq!(flags(&shown), expected, "{verb}");
    }
    let clerk = emulator.instance();
    assert!(clerk.set_banned("ada", true) && clerk.set_locked("user_ada", true));
    assert!(!clerk.set_banned("nobody", true) && !clerk.set_locked("nobody", true));
    let shown = json(api_get(&emulator, "/v1/users/user_ada").await).await;
    assert_eq!(flags(&shown), (true, true));

    let deleted = api(&emulator, Method::DELETE, "/v1/users/user_ada").send();
    let deleted = json(deleted.await.unwrap()).await;
    assert_eq!(
        deleted,
        json!({"object": "user", "id": "user_ada", "deleted": true})
    );
    let answer = api_get(&emulator, "/v1/users/user_ada").await;
    expect_problem(answer, 404, "resource_not_found").await;
    let left = json(api_get(&emulator, MEMBERSHIPS).await).await;
    assert_eq!(left["total_count"], 1);
    for (method, path) in [
        (Method::DELETE, "/v1/users/user_ada"),
        (Method::POST, "/v1/users/user_ada/ban"),
        (Method::POST, "/v1/users/user_grace/promote"),
        (Method::POST, "/v1/users/grace/ban"),
    ] {
        let answer = api(&emulator, method, path).send().await.unwrap();
        expect_problem(answer, 404, "resource_not_found").await;
    }
}

#[actix_web::test]
async fn roles_are_listed_with_their_permissions() {
    let emulator = started().await;
    emulator
        .instance()
        .set_member("ada", "acme", "auditor", &["org:audit:read"]);
    let list = json(api_get(&emulator, "/v1/organization_roles").await).await;
    assert_eq!(list["total_count"], 3);
    let roles = list["data"].as_array().unwrap();
    let keys: Vec<_> = roles.iter().map(|role| &role["key"]).collect();
    assert_eq!(keys, ["org:admin", "org:auditor", "org:member"]);
    let admin = &roles[0];
    assert_eq!(
        (&admin["object"], &admin["name"]),
        (&json!("role"), &json!("Admin"))
    );
    assert_eq!(admin["is_creator_eligible"], true);
    let permissions = admin["permissions"].as_array().unwrap();
    let keys: Vec<_> = permissions.iter().map(|it| &it["key"]).collect();
    assert_eq!(
        keys,
        [
            "org:documents:read",
            "org:documents:write",
            "org:documents:delete"
        ]
    );
    assert_eq!(permissions[0]["object"], "permission");
    assert_eq!(permissions[0]["type"], "user");
    // The permissions of a single member do not become permissions of the role.
    assert_eq!(roles[1]["permissions"], json!([]));
    let page = json(api_get(&emulator, "/v1/organization_roles?limit=1&offset=2").await).await;
    assert_eq!(
        (&page["data"][0]["key"], &page["total_count"]),
        (&json!("org:member"), &json!(3))
    );
    let found = json(api_get(&emulator, "/v1/organization_roles?query=adm").await).await;
    assert_eq!(found["total_count"], 1);
}
