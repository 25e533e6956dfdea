//! Tests of the cells, the columns and the notes of access matrices.

use serde_json::{Value, json};

use super::*;
use crate::guard::{Feature, Permission, Plan, Policy, Requirement, Reverification, Role, Scope};
use crate::identity::{Machine, Parties};
use crate::primitive::Rate;

fn accepted(kinds: &[TokenKind]) -> TokenPolicy {
    let has = |kind| kinds.contains(&kind);
    TokenPolicy {
        oauth: has(TokenKind::OAuth),
        sessions: has(TokenKind::Session).then_some(Parties::Any),
        machine: has(TokenKind::M2m).then_some(Machine::Unnamed),
        api_keys: has(TokenKind::ApiKey).then(|| vec!["docs".to_owned()]),
        ..TokenPolicy::new("https://clerk.example.com".to_owned(), Vec::new())
    }
}

fn item(tool: &str, guard: Guard, rule: Option<&'static str>) -> Item {
    Item {
        kind: PrimitiveKind::Tool,
        name: tool.to_owned(),
        access: AccessRule {
            guard,
            rule,
            confirms: false,
            takes_code: false,
        },
    }
}

const EVERY_KIND: [TokenKind; 4] = [
    TokenKind::OAuth,
    TokenKind::Session,
    TokenKind::M2m,
    TokenKind::ApiKey,
];

fn matrix(server_scopes: &[&str]) -> AccessMatrix {
    let implied = ("files:all".to_owned(), vec!["files|write".to_owned()]);
    let hierarchy = Arc::new(ScopeHierarchy::new(&[implied]).unwrap());
    const DELETE: Requirement = Requirement::Permission(Permission::new("org:documents:delete"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const FILES: Requirement = Requirement::Scope(Scope::new("files|write"));
    let server_scopes: Vec<_> = server_scopes.iter().map(ToString::to_string).collect();
    let tools = [
        ("delete", Guard::signed_in(&[DELETE]), None),
        ("greet", Guard::public(), None),
        ("purge", Guard::signed_in(&[DELETE, FILES]), None),
        ("rename", Guard::signed_in(&[ADMIN]), Some("owns(id)")),
        ("upload", Guard::signed_in(&[FILES]), None),
        ("whoami", Guard::signed_in(&[]), None),
    ];
    let tools = tools.map(|(tool, guard, rule)| item(tool, guard, rule));
    let accepted = TokenPolicy {
        scopes: hierarchy,
        ..accepted(&[TokenKind::OAuth])
    };
    AccessMatrix::of(tools.to_vec(), &server_scopes, &accepted)
        .role("org:admin", &["org:documents:delete"])
        .scope("files:all")
        .caller(
            SampleCaller::new("filing\nclerk")
                .permission("org:documents:delete")
                .scope("files|write"),
        )
}

#[test]
fn each_cell_is_the_decision_of_the_guard() {
    let expected = "\
tool    anonymous  signed in   in an organization      org:admin  scope files:all  filing clerk  requires
delete  no         no          with permission         yes        no               yes           permission org:documents:delete
greet   yes        yes         yes                     yes        yes              yes           public
purge   no         no          with permission, scope  no         no               yes           permission org:documents:delete, scope files|write
rename  no         no          with role, if           if         no               no            role org:admin, authorize owns(id)
upload  no         with scope  with scope              no         yes              yes           scope files|write
whoami  no         yes         yes                     yes        yes              yes           signed in

if: the tool's own `authorize` function decides each call

with …: a caller who also has the claims in `requires` may call
";
    assert_eq!(matrix(&[]).to_string(), expected);
}

#[test]
fn a_cell_that_depends_on_a_policy_is_marked() {
    const DELETE: Requirement = Requirement::Permission(Permission::new("org:documents:delete"));
    const FILES: Requirement = Requirement::Scope(Scope::new("files"));
    const BOSS: Requirement = Requirement::Role(Role::new("boss"));
    const STAFF: Requirement =
        Requirement::Policy(Policy::new("staff", "somebody of the staff", |_| false));
    let tools = [
        ("both", Guard::signed_in(&[DELETE, STAFF]), None),
        (
            "either",
            Guard::signed_in(&[Requirement::Any(&[&[FILES], &[STAFF]])]),
            None,
        ),
        (
            "role",
            Guard::signed_in(&[BOSS, Requirement::Any(&[&[STAFF], &[FILES]])]),
            None,
        ),
        ("ruled", Guard::signed_in(&[STAFF]), Some("owns(id)")),
        ("whoami", Guard::signed_in(&[]), None),
    ];
    let tools = tools.map(|(tool, guard, rule)| item(tool, guard, rule));
    let matrix = AccessMatrix::of(tools.to_vec(), &[], &accepted(&[TokenKind::OAuth]));
    let admin = SampleCaller::new("admin").role("admin");
    let admin = admin.permission("org:documents:delete");
    let matrix = matrix.caller(admin.clone()).scope("files");
    let expected = "\
| tool | anonymous | signed in | in an organization | admin | scope files | requires |
|---|---|---|---|---|---|---|
| both | no | no | with permission, if policy | if policy | no | permission org:documents:delete, policy staff |
| either | no | with scope or policy | with scope or policy | if policy | yes | any of (scope files; policy staff) |
| role | no | no | with role, policy or scope | no | no | role org:boss, any of (policy staff; scope files) |
| ruled | no | if policy, if | if policy, if | if policy, if | if policy, if | policy staff, authorize owns(id) |
| whoami | no | yes | yes | yes | yes | signed in |

if policy: the policy in `requires` decides for each caller

if: the tool's own `authorize` function decides each call

with …: a caller who also has the claims in `requires` may call
";
    assert_eq!(matrix.to_markdown(), expected);
    let json: Value = serde_json::from_str(&matrix.to_json()).unwrap();
    assert_eq!(json["tools"][0]["policies"], json!(["staff"]));
    assert_eq!(json["tools"][4].get("policies"), None);
    // No tool whose policy decides is offered as an example of a call.
    for (tool, offered) in [("both", false), ("either", false), ("whoami", true)] {
        assert_eq!(matrix.lets(&admin, tool), offered, "{tool}");
    }
}

#[test]
fn the_scopes_that_the_server_requires_are_noted_and_supposed() {
    let text = matrix(&["docs", "files|write"]).to_string();
    assert!(
        text.ends_with(
            "\n\nEvery signed-in caller has the scopes that the server requires: docs files|write\n"
        ),
        "{text}"
    );
    let line = |text: &str, tool| {
        let mut lines = text.lines();
        lines
            .find(|line| line.starts_with(tool))
            .unwrap()
            .to_owned()
    };
    assert!(line(&text, "whoami").starts_with("whoami  no         yes        yes "));
    assert!(line(&text, "upload").starts_with("upload  no         yes        yes "));
}

#[test]
fn without_known_memberships_no_caller_has_a_role_or_a_permission() {
    let text = matrix(&[]).without_memberships().to_string();
    for line in text.lines().skip(1) {
        match line.split_whitespace().next() {
            Some("delete" | "purge" | "rename") => assert!(!line.contains("yes"), "{line}"),
            Some("greet" | "upload" | "whoami") => assert!(line.contains("yes"), "{line}"),
            _ => {}
        }
    }
    assert!(
        text.ends_with("unknown: CLERK_SECRET_KEY is not set\n"),
        "{text}"
    );
}

#[test]
fn a_guard_that_a_start_refuses_without_memberships_is_passed_by_no_caller() {
    const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
    for guard in [
        Guard::public(),
        Guard::signed_in(&[]),
        Guard::signed_in(&[Requirement::Organization]),
        Guard::signed_in(&[READ]),
        Guard::signed_in(&[ADMIN, DOCS]),
        Guard::signed_in(&[DOCS]),
        Guard::signed_in(&[Requirement::NoActor]),
        Guard::signed_in(&[Requirement::Any(&[&[READ], &[ADMIN]])]),
        Guard::signed_in(&[Requirement::Any(&[&[READ], &[DOCS]])]),
        Guard::signed_in(&[Requirement::Any(&[&[READ, DOCS], &[ADMIN]])]),
        Guard::signed_in(&[Requirement::Any(&[&[READ], &[Requirement::Organization]])]),
        Guard::signed_in(&[
            Requirement::Any(&[&[READ], &[DOCS]]),
            Requirement::Any(&[&[READ], &[ADMIN]]),
        ]),
    ] {
        let declared = item("tool", guard, None);
        let everything = SampleCaller::new("everything")
            .role("admin")
            .permission("org:a:read")
            .scope("docs");
        let matrix = AccessMatrix::of(vec![declared], &[], &accepted(&[TokenKind::OAuth]));
        let matrix = matrix.caller(everything);
        let passes =
            |matrix: &AccessMatrix| matrix.callers.iter().any(|who| matrix.may(who, &guard));
        assert!(passes(&matrix), "{guard}");
        let without = matrix.without_memberships();
        assert_eq!(passes(&without), !guard.needs_membership(), "{guard}");
    }
}

#[test]
fn a_sample_caller_has_the_facts_that_its_kind_of_token_can_carry() {
    const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
    const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
    const EXPORT: Requirement = Requirement::Feature(Feature::new("org:export"));
    const PRO: Requirement = Requirement::Plan(Plan::new("pro"));
    const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
    let everything = || {
        SampleCaller::new("everything")
            .role("admin")
            .permission("org:a:read")
            .scope("docs")
            .feature("export")
            .plan("user:pro")
            .factor_ages(1.0, 2.0)
    };
    let personas = [
        everything().token(TokenKind::OAuth),
        everything(),
        everything().token(TokenKind::M2m),
        everything().token(TokenKind::ApiKey),
        SampleCaller::new("a user's")
            .scope("docs")
            .token(TokenKind::ApiKey),
    ];
    for (asked, expected) in [
        (&[][..], [true; 5]),
        (&[Requirement::User], [true, true, false, false, true]),
        (
            &[Requirement::Organization],
            [true, true, false, true, false],
        ),
        (&[READ], [true, true, false, false, false]),
        (&[DOCS], [true, false, false, true, true]),
        (&[EXPORT], [false, true, false, false, false]),
        (&[PRO, STRICT], [false, true, false, false, false]),
        (
            &[Requirement::Accept(&[TokenKind::M2m, TokenKind::Session])],
            [false, true, true, false, false],
        ),
    ] {
        let guard = Guard::signed_in(asked);
        let declared = item("tool", guard, None);
        let matrix = AccessMatrix::of(vec![declared], &[], &accepted(&EVERY_KIND));
        let may = personas
            .each_ref()
            .map(|persona| matrix.may(persona, &guard));
        assert_eq!(may, expected, "{guard}");
    }
    const THEIRS: Requirement = Requirement::Feature(Feature::new("user:export"));
    let stale = Guard::signed_in(&[STRICT]);
    let matrix = AccessMatrix::of(Vec::new(), &[], &accepted(&EVERY_KIND));
    assert!(!matrix.may(&everything().factor_ages(10.0, 10.0), &stale));
    let theirs = Guard::signed_in(&[THEIRS]);
    assert!(!matrix.may(&SampleCaller::new("").feature("org:export"), &theirs));
}

/// The matrix does not know the roles and permissions of the instance.
#[test]
fn a_column_of_every_matrix_says_which_facts_such_a_caller_also_needs() {
    const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
    const EXPORT: Requirement = Requirement::Feature(Feature::new("user:export"));
    const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
    for (required, expected) in [
        (
            &[READ][..],
            ["no", "no", "with permission", "no", "with permission"],
        ),
        (
            &[Requirement::Any(&[&[READ], &[ADMIN]]), DOCS],
            ["no", "no", "with permission or role, scope", "no", "no"],
        ),
        (
            &[EXPORT, STRICT],
            [
                "no",
                "no",
                "no",
                "with feature, reverification",
                "with feature, reverification",
            ],
        ),
        (&[Requirement::Accept(&[TokenKind::M2m]), DOCS], ["no"; 5]),
    ] {
        let guard = Guard::signed_in(required);
        let declared = item("tool", guard, None);
        let kinds = accepted(&[TokenKind::OAuth, TokenKind::Session]);
        let matrix = AccessMatrix::of(vec![declared], &[], &kinds);
        assert_eq!(matrix.table()[1][1..6], expected, "{guard}");
        let explained = expected.iter().any(|cell| cell.starts_with("with"));
        assert_eq!(!matrix.notes().is_empty(), explained, "{guard}");
        // Without known memberships no caller can have a permission.
        let line = matrix.without_memberships().table()[1][3].clone();
        assert!(!line.contains("permission"), "{line}");
    }
}

#[test]
fn each_accepted_kind_of_token_has_its_columns() {
    const IMPORT: Requirement = Requirement::Accept(&[TokenKind::M2m]);
    const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
    let table = |kinds: &[TokenKind], server_scopes: &[String]| {
        let tools = [
            ("bare", Guard::signed_in(&[])),
            ("files", Guard::signed_in(&[DOCS])),
            ("greet", Guard::public()),
            ("import", Guard::signed_in(&[IMPORT])),
            ("mine", Guard::signed_in(&[Requirement::User])),
            ("ours", Guard::signed_in(&[Requirement::Organization])),
        ];
        let tools = tools.map(|(tool, guard)| item(tool, guard, None));
        AccessMatrix::of(tools.to_vec(), server_scopes, &accepted(kinds))
    };
    let expected = "\
| tool | anonymous | signed in | in an organization | session | session in an organization | machine | user's API key | organization's API key | requires |
|---|---|---|---|---|---|---|---|---|---|
| bare | no | yes | yes | yes | yes | yes | yes | yes | signed in |
| files | no | with scope | with scope | no | no | no | yes | yes | scope docs |
| greet | yes | yes | yes | yes | yes | yes | yes | yes | public |
| import | no | no | no | no | no | yes | no | no | token m2m |
| mine | no | yes | yes | yes | yes | no | yes | no | user |
| ours | no | no | yes | no | yes | no | no | yes | organization |

with …: a caller who also has the claims in `requires` may call
";
    assert_eq!(table(&EVERY_KIND, &[]).to_markdown(), expected);
    let bare = |kinds: &[TokenKind], scopes: &[String]| table(kinds, scopes).table()[1].join(" ");
    let base = ["base".to_owned()];
    assert_eq!(
        bare(&EVERY_KIND, &base),
        "bare no yes yes no no no yes yes signed in"
    );
    // If only session tokens of people are accepted, the signed-in columns are for session tokens.
    let sessions = [TokenKind::Session];
    assert_eq!(bare(&sessions, &[]), "bare no yes yes signed in");
    assert_eq!(bare(&sessions, &base), "bare no no no signed in");
    assert_eq!(bare(&[TokenKind::M2m], &[]), "bare no yes signed in");
}

#[test]
fn a_caller_whose_kind_of_token_is_not_accepted_may_call_no_tool_and_is_noted() {
    let tools = [("bare", Guard::signed_in(&[])), ("greet", Guard::public())];
    let tools = tools.map(|(tool, guard)| item(tool, guard, None));
    let job = SampleCaller::new("nightly\njob").token(TokenKind::M2m);
    let matrix = |kinds: &[TokenKind]| {
        AccessMatrix::of(tools.to_vec(), &[], &accepted(kinds)).caller(job.clone())
    };
    let refused = matrix(&[TokenKind::Session]);
    assert_eq!(refused.table()[1].join(" "), "bare no yes yes no signed in");
    assert_eq!(refused.table()[2].join(" "), "greet yes yes yes no public");
    assert_eq!(
        refused.notes(),
        ["nightly job: m2m tokens are not accepted"]
    );
    let taken = matrix(&[TokenKind::Session, TokenKind::M2m]);
    assert_eq!(
        taken.table()[1].join(" "),
        "bare no yes yes yes yes signed in"
    );
    assert!(taken.notes().is_empty());
    // A session token can carry a role.
    let admin = SampleCaller::new("admin").role("admin");
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    assert!(refused.may(&admin, &Guard::signed_in(&[ADMIN])));
}

#[test]
fn markdown_has_one_line_for_each_tool_also_with_line_breaks_in_names() {
    let text = matrix(&[]).to_markdown();
    assert_eq!(text.lines().count(), 12);
    let upload =
        "\n| upload | no | with scope | with scope | no | yes | yes | scope files\\|write |\n";
    assert!(text.contains(upload), "{text}");
    assert!(text.contains("| filing clerk | requires |\n|---|---|---|---|---|---|---|---|\n"));
}

#[test]
fn declared_limits_have_columns_if_a_tool_declares_one() {
    const RATES: [Rate; 2] = [Rate::new("10/min per user"), Rate::new("1000/hour per org")];
    let tools = ["bare", "busy", "modest"].map(|tool| {
        let guard = Guard::signed_in(&[]);
        item(tool, guard, None)
    });
    let none = Limits {
        rates: &[],
        concurrency: None,
    };
    let with = |limits: [Limits; 3]| AccessMatrix {
        limits: limits.into(),
        ..AccessMatrix::of(tools.to_vec(), &[], &accepted(&[TokenKind::OAuth]))
    };
    let rates = Limits {
        rates: &RATES,
        ..none
    };
    let busy = Limits {
        concurrency: Some(4),
        ..none
    };
    assert_eq!(
        with([none, busy, rates]).to_markdown(),
        "\
| tool | anonymous | signed in | in an organization | requires | rate | concurrency |
|---|---|---|---|---|---|---|
| bare | no | yes | yes | signed in | none | none |
| busy | no | yes | yes | signed in | none | 4 |
| modest | no | yes | yes | signed in | 10/min per user, 1000/hour per org | none |
"
    );
    let header = |limits| with(limits).table().remove(0).split_off(4).join(" ");
    assert_eq!(header([none; 3]), "requires");
    assert_eq!(header([none, none, rates]), "requires rate");
    assert_eq!(header([none, busy, none]), "requires concurrency");
    let json = with([none, busy, rates]).to_json();
    let json: Value = serde_json::from_str(&json).unwrap();
    let limits = |tool: usize| {
        [
            &json["tools"][tool]["rate"],
            &json["tools"][tool]["concurrency"],
        ]
    };
    assert_eq!(limits(0), [&Value::Null; 2]);
    assert_eq!(limits(1), [&Value::Null, &json!(4)]);
    assert_eq!(
        limits(2),
        [
            &json!(["10/min per user", "1000/hour per org"]),
            &Value::Null
        ]
    );
}

#[test]
fn json_lists_the_callers_that_may_call() {
    let matrix: Value = serde_json::from_str(&matrix(&["docs"]).to_json()).unwrap();
    assert_eq!(matrix["callers"].as_array().unwrap().len(), 6);
    assert_eq!(
        matrix["tools"][3],
        json!({
            "tool": "rename",
            "requires": "role org:admin, authorize owns(id)",
            "allowed": ["org:admin"],
            "authorize": "owns(id)",
        })
    );
    assert_eq!(matrix["notes"].as_array().unwrap().len(), 3);
}
