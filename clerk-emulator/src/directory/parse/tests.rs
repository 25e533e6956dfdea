use super::*;

fn refusal(text: &str) -> String {
    Directory::parse(text).unwrap_err().problem.to_string()
}

#[test]
fn an_empty_text_is_an_empty_directory() {
    assert_eq!(Directory::parse("").unwrap(), Directory::empty());
}

#[test]
fn a_role_may_be_written_with_its_prefix_where_it_is_used() {
    let text = "[roles.admin]\npermissions = []\n[users.ada]\n[organizations.acme]\nmembers = { ada = \"org:admin\" }";
    let directory = Directory::parse(text).unwrap();
    assert_eq!(
        directory.membership("org_acme", "user_ada").unwrap().role,
        "org:admin"
    );
}

#[test]
fn every_problem_is_refused_with_its_line_and_column() {
    let people = "[roles.admin]\npermissions = []\n[users.ada]\n";
    for (text, place) in [
        ("[roles.admin]\npermisions = []\n", "line 2, column 1: "),
        ("[users.ada]\n\nname = \n", "line 3, column 8: "),
        ("scopes = [\"a\", \"email\"]", "line 1, column 16: "),
        (
            "users.ada = { name = \"é\", plans = [\"\"] }",
            "line 1, column 36: ",
        ),
        (
            "[roles.a]\npermissions = [\n  \"org:a:b\",\n  \"org:a:b\",\n]",
            "line 4, column 3: ",
        ),
        ("[roles.a]\npermissions = [\"a\"]", "line 2, column 16: "),
        ("[users]\nuser_ada = {}", "line 2, column 1: "),
        ("[users.user_ada]", "line 1, column 8: "),
        ("users.ada.plans = [\"a\", \"\"]", "line 1, column 25: "),
        (
            "[machines.billing]\nscoped_machines = [\"mcp\"]",
            "line 2, column 20: ",
        ),
        (
            &format!("{people}[organizations.acme]\nmembers = {{ bob = \"admin\" }}"),
            "line 5, column 13: ",
        ),
        (
            &format!("{people}[organizations.acme.members]\nada = \"owner\""),
            "line 5, column 7: ",
        ),
    ] {
        let message = Directory::parse(text).unwrap_err().to_string();
        assert!(message.starts_with(place), "{text}: {message}");
    }
}

#[test]
fn a_misspelt_key_is_refused_with_the_known_keys() {
    let message = refusal("[roles.admin]\npermisions = []\n");
    assert_eq!(
        message,
        "unknown field `permisions`, expected `permissions`"
    );
}

#[test]
fn a_member_who_is_not_a_user_is_refused_with_the_known_users() {
    let text = "[roles.admin]\npermissions = []\n[users.ada]\n[organizations.acme]\nmembers = { bob = \"admin\" }";
    assert_eq!(
        refusal(text),
        "organizations.acme.members: there is no user `bob` (users: ada)"
    );
}

#[test]
fn a_role_that_is_not_declared_is_refused_with_the_known_roles() {
    let text = "[users.ada]\n[organizations.acme]\nmembers = { ada = \"owner\" }";
    assert_eq!(
        refusal(text),
        "organizations.acme.members.ada: there is no role `owner` (roles: none)"
    );
}

#[test]
fn a_machine_that_is_not_declared_is_refused_with_the_known_machines() {
    let text = "[machines.billing]\nscoped_machines = [\"mcp\"]";
    assert_eq!(
        refusal(text),
        "machines.billing.scoped_machines: there is no machine `mcp` (machines: billing)"
    );
    assert!(refusal("[machines.mch_billing]").starts_with("machines.mch_billing: "));
}

#[test]
fn every_field_of_a_user_is_read() {
    let text = "[users.kay]\nname = \"Alan Kay\"\nemail = \"kay@parc.example\"\nemail_verified = false\n\
         image_url = \"https://parc.example/kay.png\"\nbanned = true\nlocked = true\n\
         public_metadata = { team = \"learning\" }\nprivate_metadata = { badge = 7 }\n\
         unsafe_metadata = { theme = \"dark\" }";
    let directory = Directory::parse(text).unwrap();
    let kay = directory.user("kay").unwrap();
    assert_eq!(
        (kay.name.as_str(), kay.email.as_deref()),
        ("Alan Kay", Some("kay@parc.example"))
    );
    assert!(!kay.email_verified && kay.banned && kay.locked);
    assert_eq!(
        kay.image_url.as_deref(),
        Some("https://parc.example/kay.png")
    );
    assert_eq!(kay.public_metadata["team"], "learning");
    assert_eq!(kay.private_metadata["badge"], 7);
    assert_eq!(kay.unsafe_metadata["theme"], "dark");
}

#[test]
fn a_plan_or_feature_is_a_slug_without_a_prefix() {
    let text = "[users.kay]\nplans = [\"plus\"]\n[organizations.parc]\nplans = [\"pro\"]\nfeatures = [\"export\"]";
    let directory = Directory::parse(text).unwrap();
    assert_eq!(directory.user("kay").unwrap().plans, ["plus"]);
    let parc = directory.organization("parc").unwrap();
    assert_eq!(
        (parc.plans.join(","), parc.features.join(",")),
        ("pro".into(), "export".into())
    );
    assert_eq!(
        refusal("[organizations.parc]\nfeatures = [\"org:export\"]"),
        "organizations.parc.features: `org:export` is not a slug; a slug consists of letters, digits, `_` and `-`, \
         and has no prefix `org:` or `user:`"
    );
    assert!(
        refusal("[users.kay]\nplans = [\"\"]").starts_with("users.kay.plans: `` is not a slug")
    );
}

#[test]
fn a_value_that_must_be_a_table_is_refused_with_an_example() {
    for (text, example) in [
        ("users.ada = \"Ada\"", "ada = { name = "),
        ("roles.admin = []", "admin = { permissions = "),
        ("organizations.acme = 1", "acme = { members = "),
        ("machines.billing = true", "billing = { scoped_machines = "),
    ] {
        let message = refusal(text);
        assert!(
            message.contains(&format!("expected a table like `{example}")),
            "{message}"
        );
    }
}

#[test]
fn a_permission_of_another_form_is_refused() {
    let message = refusal("[roles.admin]\npermissions = [\"documents:read\"]");
    assert_eq!(
        message,
        "roles.admin.permissions: `documents:read` is not of the form `org:<feature>:<action>`"
    );
}

#[test]
fn a_permission_listed_twice_is_refused() {
    let message = refusal("[roles.admin]\npermissions = [\"org:a:b\", \"org:a:b\"]");
    assert_eq!(
        message,
        "roles.admin.permissions: `org:a:b` is listed twice"
    );
}

#[test]
fn a_scope_is_added_unless_it_is_malformed_or_clerks_own() {
    let directory = Directory::parse("scopes = [\"documents:write\"]").unwrap();
    assert_eq!(directory.scopes().collect::<Vec<_>>(), ["documents:write"]);
    for scope in ["", "a b", "email"] {
        let message = refusal(&format!("scopes = [\"{scope}\"]"));
        assert!(
            message.starts_with(&format!("scopes: `{scope}` is not a valid scope name")),
            "{message}"
        );
    }
}

#[test]
fn a_name_with_a_prefix_or_a_space_is_refused() {
    assert!(refusal("[users.user_ada]").starts_with("users.user_ada: "));
    assert!(refusal("[organizations.\"a b\"]").starts_with("organizations.a b: "));
}
