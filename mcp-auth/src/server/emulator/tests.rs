//! Tests of the local Clerk: its people, its state, and the settings that prevent its start.

use super::super::builder::LocalClerkChoice;
use super::*;
use crate::guard::{Feature, Permission, Plan};

#[test]
fn admins_get_all_required_permissions_and_members_get_those_that_read() {
    let permissions = [
        "org:invoices:read",
        "org:invoices:list",
        "org:invoices:view",
        "org:invoices:pay",
        "org:readers:manage",
    ];
    let mut asked: Vec<_> = permissions
        .iter()
        .map(|key| Requirement::Permission(Permission::new(key)))
        .collect();
    asked.extend([
        Requirement::SignedIn,
        Requirement::Feature(Feature::new("export")),
        Requirement::Feature(Feature::new("user:theme")),
        Requirement::Plan(Plan::new("org:pro")),
    ]);
    let mut directory = Directory::default();
    fit(&mut directory, asked.into_iter());
    let of = |organization, user| directory.membership(organization, user).unwrap();
    for admin in [
        of("org_acme", "user_ada"),
        of("org_globex", "user_margaret"),
    ] {
        assert_eq!(admin.permissions, permissions);
    }
    assert_eq!(of("org_acme", "user_grace").permissions, permissions[..3]);
    for (organization, before) in [("acme", &["team"][..]), ("globex", &[])] {
        let organization = directory.organization(organization).unwrap();
        assert_eq!(organization.plans, [before, &["pro"]].concat());
        assert!(organization.features.iter().any(|slug| slug == "export"));
    }
    for (user, features) in [("ada", 1), ("margaret", 1), ("grace", 0), ("linus", 0)] {
        assert_eq!(directory.user(user).unwrap().features.len(), features);
    }
}

#[test]
fn the_state_is_in_the_target_directory_under_the_name_of_the_program_unless_a_variable_says_otherwise()
 {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().canonicalize().unwrap();
    let at = |program: &str, variables: &[(&str, &str)]| {
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let program = target.join(program);
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        state_file(&Environment::of(&env), Some(&program))
    };
    let named = target.to_str().unwrap();
    assert!(at("debug/invoices", &[]).is_err(), "there is no tag yet");
    let found = Ok(target.join("mcp-auth/invoices.json"));
    assert_eq!(at("debug/invoices", &[("CARGO_TARGET_DIR", named)]), found);
    std::fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
    for program in [
        "debug/invoices",
        "debug/invoices.exe",
        "debug/examples/invoices",
        "x86_64-unknown-linux-gnu/debug/examples/invoices",
    ] {
        assert_eq!(at(program, &[]), found, "{program}");
    }
    assert!(at("debug/deps/invoices-0a1b", &[]).is_err(), "a test");
    assert!(at("a/b/c/d/invoices", &[]).is_err(), "not cargo's");
    let variable = |value| [(STATE, value)];
    assert!(at("debug/invoices", &variable("off")).is_err());
    let elsewhere = Ok(PathBuf::from("/var/clerk.json"));
    assert_eq!(at("bin/invoices", &variable("/var/clerk.json")), elsewhere);
    let test = at("debug/deps/invoices-0a1b", &variable("/var/clerk.json"));
    assert!(test.is_err(), "a test");
}

fn checked(debug_build: bool, host: &str, url: &str, variable: Option<&str>) -> Option<String> {
    let env = |name: &str| {
        assert_eq!(name, "MCP_AUTH_EMULATOR");
        variable.map(str::to_owned)
    };
    let canonical = Canonical::parse_allowing_http(url, "/mcp").unwrap();
    let host = Setting {
        value: host.to_owned(),
        source: Source::Default("HOST"),
    };
    let url = Source::Default("MCP_URL");
    let checked = check(debug_build, &host, &canonical, url, &Environment::of(&env));
    checked.err().map(|finding| finding.what().to_owned())
}

#[test]
fn an_instance_named_in_code_keeps_the_local_clerk_from_starting() {
    let none = |_: &str| None;
    let kept_off_by = |builder: ServerBuilder| {
        let choice = LocalClerkChoice::of(&builder.emulator(), &Environment::of(&none));
        let kept_off_by = choice.kept_off_by.iter().map(Source::to_string);
        (choice.runs, kept_off_by.collect::<Vec<_>>().join(" "))
    };
    let builder = || ServerBuilder::of_package("test", "1");
    assert_eq!(kept_off_by(builder()), (true, String::new()));
    for (named, by) in [
        (
            builder().publishable_key("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"),
            "`publishable_key`",
        ),
        (
            builder().frontend_api_url("clerk.example.com"),
            "`frontend_api_url`",
        ),
        (builder().secret_key("sk_test_1"), "`secret_key`"),
        (builder().machine_secret_key("ak_1"), "`machine_secret_key`"),
        (builder().api_url("https://api.example.com"), "`api_url`"),
        (builder().jwt_key("-----BEGIN PUBLIC KEY-----"), "`jwt_key`"),
    ] {
        assert_eq!(kept_off_by(named), (false, by.to_owned()));
    }
}

#[test]
fn a_variable_that_names_an_instance_keeps_the_local_clerk_from_starting() {
    let wanted = |set: &str| {
        let env = |name: &str| (name == set).then(|| "mch_invoices".to_owned());
        let env = Environment::of(&env);
        let builder = ServerBuilder::of_package("test", "1").emulator();
        let runs = LocalClerkChoice::of(&builder, &env).runs;
        (runs, machine_id(&builder, &env, runs).unwrap())
    };
    assert_eq!(
        wanted("CLERK_MACHINE_ID"),
        (true, Some("mch_invoices".to_owned()))
    );
    for other in ["PATH", "MCP_URL", "CLERK_WEBHOOK_SIGNING_SECRET"] {
        assert_eq!(wanted(other), (true, Some("mch_mcp".to_owned())), "{other}");
    }
    for name in [
        "CLERK_AUDIENCE",
        "CLERK_MACHINE_SECRET_KEY",
        "CLERK_SECRET_KEY",
        "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL",
    ] {
        assert_eq!(wanted(name), (false, None), "{name}");
    }
}

#[test]
fn the_error_names_the_settings_that_keep_the_local_clerk_from_starting() {
    let env = |name: &str| {
        ["CLERK_SECRET_KEY", "CLERK_JWT_KEY"]
            .contains(&name)
            .then(|| "sk_test_1".to_owned())
    };
    let env = Environment::of(&env);
    let builder = ServerBuilder::of_package("test", "1").emulator();
    let choice = LocalClerkChoice::of(&builder, &env);
    assert!(!choice.runs);
    let finding = choice.instance_missing(&builder);
    let remedy = finding.remedy().unwrap();
    assert!(
        remedy.ends_with("to use the local Clerk, remove CLERK_JWT_KEY, CLERK_SECRET_KEY"),
        "{remedy}"
    );
}

#[test]
fn a_release_build_has_an_emulator_only_if_the_machine_says_so() {
    let (host, url) = ("127.0.0.1", "http://127.0.0.1:3000");
    assert_eq!(checked(true, host, url, None), None);
    assert_eq!(checked(false, host, url, Some("1")), None);
    for variable in [None, Some("0"), Some("true"), Some("")] {
        let error = checked(false, host, url, variable).unwrap();
        assert!(
            error.starts_with("the emulator runs in debug builds only"),
            "{error}"
        );
    }
}

#[test]
fn whatever_it_is_told_an_emulator_is_never_exposed() {
    for (host, url) in [
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://127.0.0.1:3000"),
        ("127.0.0.1", "https://mcp.example.com"),
        ("127.0.0.1", "http://10.0.0.7:3000"),
    ] {
        for debug_build in [true, false] {
            let error = checked(debug_build, host, url, Some("1")).unwrap();
            assert!(
                error.starts_with("the emulator runs on loopback only"),
                "{error}"
            );
        }
    }
}
