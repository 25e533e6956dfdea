use super::*;
use crate::oauth::refresh::MAX_REFRESH_TOKENS;
use crate::scope;
use crate::settings::Settings;

fn client(id: &str) -> Client {
    Client {
        id: String::from(id),
        name: String::from(id),
        redirect_uris: vec![String::from("http://127.0.0.1/cb")],
        scopes: None,
        secret: None,
    }
}

fn authorization() -> Authorization {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let query = format!("response_type=code&code_challenge={challenge}&code_challenge_method=S256");
    let fields = Fields::parse(query.as_bytes());
    let redirect = Redirect::find(&client("c"), &fields, None).unwrap();
    let (settings, directory) = (Settings::default(), Directory::default());
    let checked = Authorization::check(&fields, client("c"), redirect, &settings, &directory);
    checked.ok().unwrap()
}

fn grant() -> Grant {
    Grant {
        client_id: String::from("c"),
        user_id: String::from("user_ada"),
        organization_id: None,
        scopes: Vec::new(),
        resources: Vec::new(),
        audience: Vec::new(),
        nonce: None,
    }
}

#[test]
fn too_many_waiting_requests_drop_the_oldest() {
    let oauth = OAuth::new();
    let first = oauth.wait(authorization(), 0).unwrap();
    let second = oauth.wait(authorization(), 1).unwrap();
    for _ in 1..MAX_WAITING {
        oauth.wait(authorization(), 2).unwrap();
    }
    assert!(oauth.take(&first, 2).is_none());
    assert!(oauth.take(&second, 2).is_some());
}

#[test]
fn too_many_clients_drop_the_oldest_without_a_grant() {
    let oauth = OAuth::new();
    oauth.put_client(client("c")).unwrap();
    granted(&oauth);
    for index in 1..MAX_CLIENTS {
        oauth.put_client(client(&index.to_string())).unwrap();
    }
    oauth.put_client(client("one more")).unwrap();
    oauth.put_client(client("2")).unwrap();
    let known = |id: &str| oauth.client(id).is_some();
    assert!(known("c") && !known("1") && known("2") && known("one more"));
    assert_eq!(oauth.clients().len(), MAX_CLIENTS);
}

#[test]
fn too_many_grants_revoke_the_least_recently_used() {
    let oauth = OAuth::new();
    let (first, refreshed) = (granted(&oauth), granted(&oauth));
    let first = oauth.issue_refresh_token(&first, 10).unwrap();
    let refreshed = oauth.issue_refresh_token(&refreshed, 5).unwrap();
    let refreshed = oauth.rotate(&refreshed, 20).unwrap();
    {
        let mut state = oauth.lock();
        for index in 2..MAX_GRANTS {
            state.persisted.grants.insert(index.to_string(), grant());
        }
    }
    granted(&oauth);
    let is_good = |token: &str| oauth.refreshable(token, &client("c"), 30).is_ok();
    assert!(!is_good(&first) && is_good(&refreshed));
    assert_eq!(oauth.lock().persisted.grants.len(), MAX_GRANTS);
}

#[test]
fn too_many_refresh_tokens_drop_the_used_ones_and_too_many_codes_the_oldest() {
    let oauth = OAuth::new();
    let grant_id = granted(&oauth);
    let oldest = oauth.issue_refresh_token(&grant_id, 1).unwrap();
    {
        let mut state = oauth.lock();
        for index in 1..MAX_REFRESH_TOKENS {
            let used = RefreshToken {
                grant_id: grant_id.clone(),
                issued_at: 2,
                is_used: true,
            };
            let tokens = &mut state.persisted.refresh_tokens;
            tokens.insert(Digest::of(&index.to_string()), used);
        }
    }
    oauth.issue_refresh_token(&grant_id, 3).unwrap();
    assert_eq!(
        oauth.lock().persisted.refresh_tokens.len(),
        MAX_REFRESH_TOKENS
    );
    assert!(oauth.refreshable(&oldest, &client("c"), 3).is_ok());
    for _ in 0..=MAX_WAITING {
        oauth.issue_code(&authorization(), grant(), 0).unwrap();
    }
    assert_eq!(oauth.lock().codes.len(), MAX_WAITING);
}

/// The id of a new grant of the client `c`.
fn granted(oauth: &OAuth) -> String {
    let code = oauth.issue_code(&authorization(), grant(), 0).unwrap();
    let redeemed = oauth.redeem(&code, &client("c"), None, VERIFIER, 0);
    redeemed.unwrap().0
}

const VERIFIER: Option<&str> = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

#[test]
fn a_revoked_grant_gets_no_refresh_token() {
    let oauth = OAuth::new();
    let code = oauth.issue_code(&authorization(), grant(), 0).unwrap();
    let redeem = || oauth.redeem(&code, &client("c"), None, VERIFIER, 0);
    let (grant_id, _) = redeem().unwrap();
    assert!(redeem().is_err());
    assert!(oauth.issue_refresh_token(&grant_id, 0).is_err());
}

#[test]
fn an_unknown_scope_is_refused_with_the_known_scopes() {
    let mut directory = Directory::empty();
    directory.add_scopes(&["documents:write"]);
    assert_eq!(
        check_known_scopes(&scope::parse("email documents:write"), &directory),
        Ok(())
    );
    let error = check_known_scopes(&scope::parse("email documents:read"), &directory).unwrap_err();
    assert_eq!(error.code, Code::InvalidScope);
    assert!(
        error
            .description
            .starts_with("there is no scope documents:read (scopes: openid ")
    );
    assert!(error.description.ends_with(" documents:write)"));
}
