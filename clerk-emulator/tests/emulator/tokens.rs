//! Tokens that are minted in process.

use clerk_emulator::{Directory, Instance, MintError, TokenRequest};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::decoder;
use crate::support::part;

const NOW: u64 = 1_750_000_000;

fn clerk() -> Instance {
    Instance::new("http://127.0.0.1:4400", Directory::default()).unwrap()
}

fn claims(clerk: &Instance, request: &TokenRequest) -> Value {
    part(&clerk.mint(request, NOW).unwrap(), 1)
}

fn refusal(clerk: &Instance, request: &TokenRequest) -> String {
    clerk.mint(request, NOW).unwrap_err().to_string()
}

/// The names of the claims. Clerk's sources show no other claims of an access token.
fn keys(claims: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = claims
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[expect(
    clippy::disallowed_methods,
    reason = "these tests check only the signature"
)]
fn signature_holds(token: &str, key: &DecodingKey) -> bool {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Value>(token, key, &validation).is_ok()
}

fn key_of(clerk: &Instance) -> DecodingKey {
    let set: JwkSet = serde_json::from_str(&clerk.jwks()).unwrap();
    assert_eq!(set.keys.len(), 1);
    DecodingKey::from_jwk(&set.keys[0]).unwrap()
}

#[test]
fn every_kind_of_jwt_verifies_with_the_jwks_and_with_the_pem() {
    let clerk = clerk();
    let pem = DecodingKey::from_rsa_pem(clerk.public_key_pem().as_bytes()).unwrap();
    for request in [
        TokenRequest::oauth("ada").org("acme"),
        TokenRequest::session("ada").org("acme"),
        TokenRequest::session_v1("ada").org("acme"),
    ] {
        let token = clerk.mint(&request, NOW).unwrap();
        assert!(signature_holds(&token, &key_of(&clerk)));
        assert!(signature_holds(&token, &pem));
        let other = Instance::new("http://127.0.0.1:4400", Directory::default()).unwrap();
        assert!(!signature_holds(&token, &key_of(&other)));
    }
}

#[test]
fn the_published_key_has_the_documented_form() {
    let set: Value = serde_json::from_str(&clerk().jwks()).unwrap();
    let key = &set["keys"][0];
    assert_eq!((&key["use"], &key["kty"]), (&json!("sig"), &json!("RSA")));
    assert_eq!((&key["alg"], &key["e"]), (&json!("RS256"), &json!("AQAB")));
    assert!(key["kid"].as_str().unwrap().starts_with("ins_emulator_"));
    assert_eq!(key["n"].as_str().unwrap().len(), 342); // 256 bytes
}

#[test]
fn tokens_of_a_rotated_key_no_longer_verify() {
    let clerk = clerk();
    let before = clerk.mint(&TokenRequest::oauth("ada"), NOW).unwrap();
    clerk.rotate_key().unwrap();
    let after = clerk.mint(&TokenRequest::oauth("ada"), NOW).unwrap();
    assert_ne!(part(&before, 0)["kid"], part(&after, 0)["kid"]);
    assert!(!signature_holds(&before, &key_of(&clerk)));
    assert!(signature_holds(&after, &key_of(&clerk)));
    let pem = DecodingKey::from_rsa_pem(clerk.public_key_pem().as_bytes()).unwrap();
    assert!(signature_holds(&after, &pem));
    assert!(
        !clerk
            .jwks()
            .contains(part(&before, 0)["kid"].as_str().unwrap())
    );
}

#[test]
fn an_access_token_without_organization_has_neither_org_id_nor_its_scope() {
    let clerk = clerk();
    let token = clerk.mint(&TokenRequest::oauth("ada"), NOW).unwrap();
    let header = part(&token, 0);
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("RS256"), &json!("at+jwt"))
    );
    assert!(clerk.jwks().contains(header["kid"].as_str().unwrap()));
    let claims = part(&token, 1);
    assert_eq!(
        keys(&claims),
        [
            "client_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "nbf",
            "scope",
            "sub"
        ]
    );
    assert_eq!(claims["iss"], "http://127.0.0.1:4400");
    assert_eq!(claims["sub"], "user_ada");
    assert_eq!(claims["client_id"], "client_emulator");
    assert_eq!(claims["scope"], "profile email");
    assert!(claims["jti"].as_str().unwrap().starts_with("oat_"));
    assert_eq!(claims["iat"], NOW);
    assert_eq!(claims["nbf"], NOW - 10);
    assert_eq!(claims["exp"], NOW + 86_400);
}

#[test]
fn an_access_token_with_organization_has_org_id_and_its_scope_and_no_permissions() {
    let claims = claims(&clerk(), &TokenRequest::oauth("user_ada").org("org_acme"));
    assert_eq!(
        keys(&claims),
        [
            "client_id",
            "exp",
            "iat",
            "iss",
            "jti",
            "nbf",
            "org_id",
            "scope",
            "sub"
        ]
    );
    assert_eq!(claims["org_id"], "org_acme");
    assert_eq!(claims["scope"], "profile email user:org:read");
}

#[test]
fn scopes_are_the_requested_ones_and_the_organization_scope_is_added() {
    let clerk = clerk();
    let scope = |request: TokenRequest| claims(&clerk, &request)["scope"].clone();
    let ada = || TokenRequest::oauth("ada");
    assert_eq!(scope(ada().scopes(["a", "b"])), "a b");
    assert_eq!(scope(ada().scopes(["a"]).org("acme")), "a user:org:read");
    assert_eq!(
        scope(ada().scopes(["user:org:read", "a"]).org("acme")),
        "user:org:read a"
    );
    assert_eq!(scope(ada().scopes(Vec::<String>::new())), "");
    let granted_without_choice = claims(&clerk, &ada().scopes(["user:org:read"]));
    assert_eq!(granted_without_choice["scope"], "user:org:read");
    assert!(granted_without_choice.get("org_id").is_none());
    assert_eq!(
        refusal(&clerk, &ada().scopes(["a b"])),
        "`a b` is not a scope: it is empty or has white space in it"
    );
}

#[test]
fn audience_client_and_origin_are_the_requested_ones() {
    let clerk = clerk();
    let url = "https://mcp.example.com/mcp";
    assert_eq!(
        claims(&clerk, &TokenRequest::oauth("ada").aud(url))["aud"],
        url
    );
    let list = vec![String::from(url), String::from("x")];
    assert_eq!(
        claims(&clerk, &TokenRequest::oauth("ada").aud(list))["aud"],
        json!([url, "x"])
    );
    assert_eq!(
        claims(&clerk, &TokenRequest::oauth("ada").client_id("c"))["client_id"],
        "c"
    );
    assert_eq!(
        claims(&clerk, &TokenRequest::session("ada").azp("http://a"))["azp"],
        "http://a"
    );
}

#[test]
fn an_actor_is_named_by_jwts_and_by_the_verification_of_an_opaque_token() {
    let clerk = clerk();
    let support = json!({"sub": "user_linus"});
    for request in [
        TokenRequest::oauth("ada"),
        TokenRequest::session("ada"),
        TokenRequest::session_v1("ada"),
    ] {
        assert!(claims(&clerk, &request).get("act").is_none());
        assert_eq!(claims(&clerk, &request.actor("user_linus"))["act"], support);
    }
    let answer = |request: TokenRequest| {
        let token = clerk.mint(&request.opaque(), NOW).unwrap();
        clerk.verify_oauth_token(&token, NOW).unwrap()
    };
    assert!(answer(TokenRequest::oauth("ada")).get("act").is_none());
    let acted = answer(TokenRequest::oauth("ada").actor("user_linus"));
    assert_eq!(acted["act"], support);
}

#[test]
fn an_expired_token_is_valid_except_for_its_expiry() {
    let clerk = clerk();
    let expired = claims(&clerk, &TokenRequest::oauth("ada").expires_in(-60));
    assert_eq!(expired["exp"], NOW - 60);
    assert_eq!(expired["iat"], NOW - 60 - 86_400);
    assert_eq!(expired["nbf"], NOW - 60 - 86_410);
    let short = claims(&clerk, &TokenRequest::oauth("ada").expires_in(5));
    assert_eq!(
        (&short["iat"], &short["exp"]),
        (&json!(NOW), &json!(NOW + 5))
    );
}

#[test]
fn a_session_token_has_the_documented_header_and_claims() {
    let clerk = clerk();
    let token = clerk.mint(&TokenRequest::session("linus"), NOW).unwrap();
    let header = part(&token, 0);
    assert_eq!(
        (&header["typ"], &header["cat"]),
        (&json!("JWT"), &json!("cl_B7d4PD111AAA"))
    );
    let claims = part(&token, 1);
    assert_eq!(claims["v"], json!(2));
    assert_eq!(
        (&claims["sub"], &claims["azp"]),
        (&json!("user_linus"), &json!("http://localhost:3000"))
    );
    assert!(claims["sid"].as_str().unwrap().starts_with("sess_"));
    assert_eq!(
        (&claims["fva"], &claims["sts"]),
        (&json!([0, -1]), &json!("active"))
    );
    assert_eq!(
        (&claims["nbf"], &claims["exp"]),
        (&json!(NOW - 10), &json!(NOW + 60))
    );
    for absent in ["o", "org_id", "aud", "client_id", "scope"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_session_token_decodes_to_the_permissions_of_the_role_by_both_decoders() {
    let clerk = clerk();
    let many: Vec<String> = (0..130)
        .map(|index| format!("org:f{}:p{index}", index % 3))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    clerk.set_member("kay", "parc", "fellow", &many);
    clerk.set_member("alan", "parc", "guest", &[]);
    let mixed = [
        "org:b:write",
        "org:a:read",
        "org:b:read",
        "org:a:delete",
        "org:c:write",
    ];
    clerk.set_member("adele", "parc", "mixed", &mixed);
    for (user, organization, count) in [
        ("ada", "acme", 3),
        ("grace", "acme", 1),
        ("kay", "parc", 130),
        ("alan", "parc", 0),
        ("adele", "parc", 5),
    ] {
        let claims = claims(&clerk, &TokenRequest::session(user).org(organization));
        let membership = clerk
            .membership(&format!("org_{organization}"), &format!("user_{user}"))
            .unwrap();
        let mut expected = membership.permissions;
        expected.sort();
        let mut first = decoder::by_organization_features(&claims).unwrap();
        let mut second = decoder::by_whole_list(&claims);
        first.sort();
        second.sort();
        assert_eq!(first, expected, "{user}");
        assert_eq!(second, expected, "{user}");
        assert_eq!(expected.len(), count);
    }
}

#[test]
fn an_organization_in_a_session_token_has_slug_and_unprefixed_role() {
    let claims = claims(&clerk(), &TokenRequest::session("grace").org("acme"));
    assert_eq!(
        claims["o"],
        json!({"id": "org_acme", "slg": "acme", "rol": "member", "per": "read", "fpm": "1"})
    );
    assert_eq!(claims["fea"], "o:documents,o:reports");
    assert_eq!(claims["pla"], "o:team,u:free");
    assert!(claims.get("org_id").is_none());
}

#[test]
fn a_session_token_of_version_1_has_plain_organization_claims() {
    let clerk = clerk();
    let with = claims(&clerk, &TokenRequest::session_v1("grace").org("acme"));
    assert_eq!(with["org_id"], "org_acme");
    assert_eq!(with["org_slug"], "acme");
    assert_eq!(with["org_role"], "org:member");
    assert_eq!(with["org_permissions"], json!(["org:documents:read"]));
    let without = claims(&clerk, &TokenRequest::session_v1("grace"));
    for absent in ["v", "o", "fea", "pla"] {
        assert!(with.get(absent).is_none(), "{absent}");
    }
    for absent in ["org_id", "org_slug", "org_role", "org_permissions"] {
        assert!(without.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn system_permissions_are_in_the_membership_and_in_no_session_token() {
    let clerk = clerk();
    let held = ["org:sys_memberships:manage", "org:documents:read"];
    clerk.set_member("ada", "acme", "admin", &held);
    assert_eq!(
        clerk
            .membership("org_acme", "user_ada")
            .unwrap()
            .permissions,
        held
    );
    let v2 = claims(&clerk, &TokenRequest::session("ada").org("acme"));
    assert_eq!(
        decoder::by_organization_features(&v2).unwrap(),
        ["org:documents:read"]
    );
    assert_eq!(v2["fea"], "o:documents,o:reports");
    let v1 = claims(&clerk, &TokenRequest::session_v1("ada").org("acme"));
    assert_eq!(v1["org_permissions"], json!(["org:documents:read"]));
}

#[test]
fn an_unknown_user_or_membership_is_refused_with_the_known_names() {
    let clerk = clerk();
    assert_eq!(
        refusal(&clerk, &TokenRequest::oauth("bob")),
        "there is no user `bob` (users: ada, grace, linus, margaret)"
    );
    assert_eq!(
        refusal(&clerk, &TokenRequest::oauth("ada").org("initech")),
        "there is no organization `initech` (organizations: acme, globex)"
    );
    assert_eq!(
        refusal(&clerk, &TokenRequest::session("ada").org("globex")),
        "`ada` is not a member of `globex` (organizations of `ada`: acme)"
    );
    assert_eq!(
        refusal(&clerk, &TokenRequest::oauth("linus").org("acme")),
        "`linus` is not a member of `acme` (organizations of `linus`: none)"
    );
}

#[test]
fn a_removed_member_gets_no_more_tokens_for_the_organization() {
    let clerk = clerk();
    let request = TokenRequest::oauth("ada").org("acme");
    assert!(clerk.mint(&request, NOW).is_ok());
    assert!(clerk.remove_member("ada", "acme"));
    assert!(matches!(
        clerk.mint(&request, NOW),
        Err(MintError::NotAMember { .. })
    ));
}

#[test]
fn fields_of_another_kind_are_refused() {
    let clerk = clerk();
    for (request, message) in [
        (
            TokenRequest::session("ada").scopes(["a"]),
            "`scopes` does not apply to a token of kind `session`",
        ),
        (
            TokenRequest::session_v1("ada").client_id("c"),
            "`client_id` does not apply to a token of kind `session_v1`",
        ),
        (
            TokenRequest::oauth("ada").azp("x"),
            "`azp` does not apply to a token of kind `oauth`",
        ),
        (
            TokenRequest::m2m("billing").actor("user_ada"),
            "`actor` does not apply to a token of kind `m2m`",
        ),
        (
            TokenRequest::api_key("ada").actor("user_ada"),
            "`actor` does not apply to a token of kind `api_key`",
        ),
    ] {
        assert_eq!(refusal(&clerk, &request), message);
    }
}

#[test]
fn a_permission_that_a_session_token_cannot_carry_fails_only_session_tokens() {
    let clerk = clerk();
    clerk.set_member("ada", "acme", "admin", &["documents:read,write"]);
    let refused = clerk.mint(&TokenRequest::session("ada").org("acme"), NOW);
    assert!(matches!(refused, Err(MintError::Permission { .. })));
    assert!(
        clerk
            .mint(&TokenRequest::oauth("ada").org("acme"), NOW)
            .is_ok()
    );
}

#[test]
fn changed_claims_are_signed_unchanged() {
    let clerk = clerk();
    let (mut header, mut claims) = clerk.token_parts(&TokenRequest::oauth("ada"), NOW).unwrap();
    header["typ"] = json!("JWT");
    claims["iss"] = json!(["http://127.0.0.1:4400"]);
    let token = clerk.mint_claims(header.clone(), claims.clone()).unwrap();
    assert_eq!((part(&token, 0), part(&token, 1)), (header, claims));
    assert!(signature_holds(&token, &key_of(&clerk)));
    let refused = clerk.mint_claims(json!({}), json!([]));
    assert!(matches!(
        refused,
        Err(MintError::NotAnObject { part: "claims" })
    ));
}

#[test]
fn debug_output_has_no_secret() {
    let clerk = clerk();
    let text = format!("{clerk:?}");
    assert!(text.contains("http://127.0.0.1:4400") && text.contains("ins_emulator_"));
    assert!(!text.contains(clerk.secret_key().expose()));
}

#[test]
fn features_and_plans_have_clerks_form_whichever_form_is_requested() {
    let clerk = clerk();
    let ada = || TokenRequest::session("ada").org("acme");
    for (request, features, plans) in [
        (ada(), "o:documents,o:reports", "o:team,u:free"),
        (
            ada().feature("org:export").plan("org:pro"),
            "o:documents,o:reports,o:export",
            "o:pro",
        ),
        (
            ada().feature("user:reports").plan("user:pro"),
            "o:documents,ou:reports",
            "u:pro",
        ),
        (
            ada().feature("user:theme").feature("export").plan("pro"),
            "o:documents,o:reports,ou:export,u:theme",
            "ou:pro",
        ),
        (
            ada().feature("o:export").feature("u:export").plan("ou:pro"),
            "o:documents,o:reports,ou:export",
            "ou:pro",
        ),
        (TokenRequest::session("linus"), "", "u:free"),
        (
            TokenRequest::session("linus").feature("export").plan("pro"),
            "u:export",
            "u:pro",
        ),
        (
            TokenRequest::session("margaret").org("globex"),
            "o:documents",
            "o:free,u:free",
        ),
    ] {
        let claims = claims(&clerk, &request);
        assert_eq!(
            (&claims["fea"], &claims["pla"]),
            (&json!(features), &json!(plans))
        );
    }
    for slug in ["", "org:", "team:export", "a b", "org:a:b", "Org:export"] {
        for request in [ada().feature(slug), ada().plan(slug)] {
            let error = clerk.mint(&request, 1_750_000_000).unwrap_err();
            assert!(matches!(error, MintError::Slug { .. }), "{slug}: {error}");
        }
    }
}
