//! Tests which kinds of tokens can pass which guards.

use super::*;
use crate::guard::{Feature, Permission, Plan, Policy, Reverification, Role, Scope};
use crate::identity::Parties;

const READ: Requirement = Requirement::Permission(Permission::new("org:a:read"));
const SYS: Requirement = Requirement::Permission(Permission::new("org:sys_profile:read"));
const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
const MEMBER: Requirement = Requirement::Role(Role::new("member"));
const POLICY: Requirement = Requirement::Policy(Policy::new("never", "a miracle", |_| false));
const DOCS: Requirement = Requirement::Scope(Scope::new("docs"));
const EXPORT: Requirement = Requirement::Feature(Feature::new("export"));
const PRO: Requirement = Requirement::Plan(Plan::new("pro"));
const STRICT: Requirement = Requirement::Reverification(Reverification::STRICT);
const ORG: Requirement = Requirement::Organization;
const USER: Requirement = Requirement::User;
const KEYS: Requirement = Requirement::Accept(&[TokenKind::ApiKey]);

fn accepts<'a>(kinds: &[TokenKind], looks_up: bool, scopes: &'a [String]) -> Accepts<'a> {
    Accepts {
        kinds: kinds.to_vec(),
        looks_up,
        server_scopes: scopes,
    }
}

const OAUTH: &[TokenKind] = &[TokenKind::OAuth];
const SESSION: &[TokenKind] = &[TokenKind::Session];
const BOTH: &[TokenKind] = &[TokenKind::Session, TokenKind::OAuth];
const M2M: &[TokenKind] = &[TokenKind::M2m];
const API_KEY: &[TokenKind] = &[TokenKind::ApiKey];

#[test]
fn a_kind_of_token_passes_a_guard_if_it_can_carry_all_required_facts() {
    for (asked, [oauth, looked_up, session, m2m, api_key]) in [
        (&[][..], [true; 5]),
        (&[Requirement::NoActor], [true; 5]),
        (&[ORG], [true, true, true, false, true]),
        (&[USER], [true, true, true, false, true]),
        (&[USER, ORG], [true, true, true, false, false]),
        (&[READ], [false, true, true, false, false]),
        (&[SYS], [false, true, false, false, false]),
        (&[ADMIN, ORG], [false, true, true, false, false]),
        (&[EXPORT], [false, false, true, false, false]),
        (&[PRO, READ], [false, false, true, false, false]),
        (&[STRICT], [false, false, true, false, false]),
        (&[DOCS], [true, true, false, false, true]),
        (&[DOCS, EXPORT], [false; 5]),
        (&[KEYS], [false, false, false, false, true]),
        (
            &[Requirement::Any(&[&[READ], &[DOCS]])],
            [true, true, true, false, true],
        ),
        (
            &[Requirement::Any(&[&[READ, DOCS], &[EXPORT]])],
            [false, true, true, false, false],
        ),
        (&[Requirement::Any(&[&[]])], [false; 5]),
        (&[POLICY], [true; 5]),
        (&[POLICY, DOCS], [true, true, false, false, true]),
        (
            &[Requirement::Any(&[&[EXPORT], &[POLICY, USER]])],
            [true, true, true, false, true],
        ),
        // A caller has one role.
        (&[ADMIN, MEMBER], [false; 5]),
        (
            &[Requirement::Any(&[&[ADMIN], &[MEMBER]])],
            [false, true, true, false, false],
        ),
    ] {
        let guard = Guard::signed_in(asked);
        for (kinds, looks_up, expected) in [
            (OAUTH, false, oauth),
            (OAUTH, true, looked_up),
            (SESSION, true, session),
            (M2M, true, m2m),
            (API_KEY, true, api_key),
            (BOTH, false, oauth || session),
            (BOTH, true, looked_up || session),
        ] {
            let why = accepts(kinds, looks_up, &[]).why_not(&guard);
            assert_eq!(
                why.is_none(),
                expected,
                "{guard} {kinds:?} {looks_up}: {why:?}"
            );
        }
    }
}

#[test]
fn session_tokens_cause_a_warning_if_the_server_requires_a_scope_and_accepts_other_tokens() {
    let scopes = ["docs".to_owned()];
    for (oauth, sessions, scopes, warned) in [
        (true, Some(Parties::Any), &scopes[..], true),
        (true, Some(Parties::Any), &[], false),
        (true, None, &scopes, false),
        // If only session tokens are accepted, no tool can be called, which is an error.
        (false, Some(Parties::Any), &scopes, false),
    ] {
        let policy = TokenPolicy {
            oauth,
            sessions,
            ..TokenPolicy::new("https://clerk.example.com".to_owned(), Vec::new())
        };
        let found = format!("{:?}", scopeless_sessions(&policy, scopes));
        assert_eq!(
            found.contains("requires docs for every request"),
            warned,
            "{found}"
        );
    }
}

#[test]
fn tokens_without_scopes_pass_no_guard_if_the_server_requires_a_scope() {
    let scopes = ["docs".to_owned()];
    let bare = Guard::signed_in(&[]);
    for (kinds, expected) in [(OAUTH, true), (SESSION, false), (BOTH, true), (M2M, false)] {
        let why = accepts(kinds, true, &scopes).why_not(&bare);
        assert_eq!(why.is_none(), expected, "{kinds:?}: {why:?}");
        assert_eq!(
            accepts(kinds, true, &scopes).why_not(&Guard::public()),
            None
        );
    }
    // OAuth tokens have scopes but no features, and session tokens have features but no scopes.
    let export = Guard::signed_in(&[EXPORT]);
    assert!(accepts(BOTH, true, &scopes).why_not(&export).is_some());
}

#[test]
fn each_kind_names_its_lack_and_the_kind_that_lacks_least_gives_the_remedy() {
    let scopes = ["docs".to_owned()];
    for (asked, kinds, looks_up, scopes, lacks, remedy) in [
        (
            &[ORG, ADMIN][..],
            OAUTH,
            false,
            &[][..],
            &["oauth role org:admin"][..],
            MEMBERSHIP,
        ),
        (
            &[EXPORT],
            OAUTH,
            true,
            &[],
            &["oauth feature export"],
            SESSIONS,
        ),
        (
            &[EXPORT, SYS],
            BOTH,
            true,
            &[],
            &[
                "oauth feature export",
                "session permission org:sys_profile:read",
            ],
            TOO_MUCH,
        ),
        (
            &[SYS],
            SESSION,
            true,
            &[],
            &["session permission org:sys_profile:read"],
            SYSTEM,
        ),
        (&[DOCS], SESSION, true, &[], &["session scope docs"], SCOPES),
        (&[], SESSION, true, &scopes, &["session scope docs"], SCOPES),
        (&[USER], M2M, true, &[], &["m2m user"], PEOPLE),
        (
            &[ORG, ADMIN],
            &[TokenKind::M2m, TokenKind::OAuth],
            false,
            &[],
            &["oauth role org:admin", "m2m organization"],
            MEMBERSHIP,
        ),
        (
            &[KEYS],
            BOTH,
            true,
            &[],
            &["oauth token api_key", "session token api_key"],
            KIND,
        ),
        (
            &[USER, ORG],
            API_KEY,
            true,
            &[],
            &["api_key organization & user"],
            PEOPLE,
        ),
        (
            &[Requirement::Any(&[&[PRO], &[STRICT]])],
            OAUTH,
            true,
            &[],
            &["oauth any of (plan pro; reverification strict)"],
            SESSIONS,
        ),
        (
            &[Requirement::Accept(M2M), READ],
            &[TokenKind::OAuth, TokenKind::Session, TokenKind::M2m],
            true,
            &[],
            &["m2m permission org:a:read"],
            NARROW,
        ),
        (
            &[Requirement::Accept(OAUTH), READ],
            BOTH,
            false,
            &[],
            &["oauth permission org:a:read"],
            MEMBERSHIP,
        ),
        (
            &[KEYS, USER, ORG],
            &[TokenKind::OAuth, TokenKind::ApiKey],
            true,
            &[],
            &["api_key organization & user"],
            NARROW,
        ),
        (
            &[KEYS, USER, READ],
            &[TokenKind::OAuth, TokenKind::ApiKey],
            true,
            &[],
            &["api_key permission org:a:read"],
            NARROW,
        ),
    ] {
        let guard = Guard::signed_in(asked);
        let why = accepts(kinds, looks_up, scopes).why_not(&guard).unwrap();
        let lacked = why
            .lacks
            .iter()
            .map(|(kind, lacks)| format!("{kind} {}", lacks.join(" & ")));
        assert_eq!(lacked.collect::<Vec<_>>(), lacks, "{guard}");
        assert_eq!(why.remedy, remedy, "{guard}");
    }
}
