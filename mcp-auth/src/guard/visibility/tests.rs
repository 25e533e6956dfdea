use super::*;
use crate::guard::{ORGANIZATION_SCOPE, Permission, Requirement, Reverification, Role};
use crate::identity::test_support::{oauth_caller, oauth_claims};

const OPEN: Guard = Guard::signed_in(&[]);
const ADMIN: Guard = Guard::signed_in(&[Requirement::Role(Role::new("admin"))]);
const READ: Guard = Guard::signed_in(&[Requirement::Permission(Permission::new("org:a:read"))]);
const SOON: Guard = Guard::signed_in(&[Requirement::Reverification(Reverification::STRICT)]);
const EITHER: Guard = Guard::signed_in(&[Requirement::Any(&[
    &[Requirement::Role(Role::new("admin"))],
    &[Requirement::Reverification(Reverification::STRICT)],
])]);

fn visibility(guards: &[Guard]) -> Visibility {
    let tools = guards
        .iter()
        .map(|guard| (*guard, identity::Freshness::Current));
    Visibility::new(tools, Vec::new(), false)
}

/// Returns a caller who holds the scope for organizations, so that a new token would not bring one.
fn caller() -> Caller {
    let mut claims = oauth_claims();
    claims["scope"] = ORGANIZATION_SCOPE.into();
    oauth_caller(&claims)
}

fn org(role: &str) -> Org {
    let permissions = vec!["org:a:read".to_owned()];
    Org::new("org_1".into(), None, Some(role.into()), Some(permissions))
}

fn now(org: &Org) -> OrganizationFacts<'_> {
    OrganizationFacts {
        current: Some(org),
        ..OrganizationFacts::default()
    }
}

fn same(one: &Visible, other: &Visible) -> bool {
    Arc::ptr_eq(&one.0, &other.0)
}

#[test]
fn each_tool_has_its_own_place_however_many_there_are() {
    let guards: Vec<_> = (0..130)
        .map(|place| if place % 3 == 0 { ADMIN } else { READ })
        .collect();
    let visible = visibility(&guards).of(Some(&caller()), now(&org("member")));
    for place in 0..130 {
        assert_eq!(visible.has(place), place % 3 != 0, "{place}");
    }
    assert!(!visible.has(130) && !visible.has(1_000));
}

#[test]
fn without_a_token_only_what_is_public_is_seen() {
    let visible =
        visibility(&[OPEN, Guard::public(), ADMIN]).of(None, OrganizationFacts::default());
    assert_eq!(
        [0, 1, 2].map(|place| visible.has(place)),
        [false, true, false]
    );
}

#[test]
fn what_a_caller_sees_is_kept_while_the_facts_are_those_of_one_look_up() {
    let (visibility, caller) = (visibility(&[OPEN, ADMIN]), caller());
    let (admin, member) = (org("admin"), org("member"));
    let seen = |org: &Org| visibility.of(Some(&caller), now(org));
    let first = seen(&admin);
    assert!(same(&first, &seen(&admin)) && same(&first, &seen(&admin.clone())));
    // A later look-up has another mark, even if its result is equal.
    let again = seen(&org("admin"));
    assert!(again == first && !same(&again, &first));
    assert!(!seen(&member).has(1) && seen(&admin).has(1));
    let none = visibility.of(Some(&caller), OrganizationFacts::default());
    assert!(none.has(0) && !none.has(1));
    let claimed = OrganizationFacts {
        claimed: Some(&admin),
        ..OrganizationFacts::default()
    };
    assert!(!visibility.of(Some(&caller), claimed).has(1));
}

#[test]
fn what_a_caller_sees_of_one_organization_is_not_taken_for_what_they_see_of_another() {
    let (visibility, caller) = (visibility(&[OPEN, ADMIN]), caller());
    let (admin, member) = (org("admin"), org("member"));
    for _ in 0..3 {
        for (org, sees) in [(&admin, true), (&member, false)] {
            assert_eq!(visibility.of(Some(&caller), now(org)).has(1), sees);
        }
    }
}

#[test]
fn a_tool_that_a_new_token_could_bring_is_not_listed_where_the_url_is_what_is_wrong() {
    // Without the scope, a new token could bring an organization, but not the one of the URL.
    let (visibility, caller) = (visibility(&[OPEN, ADMIN]), oauth_caller(&oauth_claims()));
    let wrong_url = OrganizationFacts {
        named_by: NamedBy::UrlQuery,
        ..OrganizationFacts::default()
    };
    for _ in 0..3 {
        let none = OrganizationFacts::default();
        assert!(visibility.of(Some(&caller), none).has(1));
        assert!(!visibility.of(Some(&caller), wrong_url).has(1));
    }
}

#[test]
fn what_another_server_or_another_caller_sees_is_not_taken_for_it() {
    let (admins, opened) = (visibility(&[ADMIN]), visibility(&[OPEN]));
    let (caller, member) = (caller(), org("member"));
    assert!(opened.of(Some(&caller), now(&member)).has(0));
    assert!(!admins.of(Some(&caller), now(&member)).has(0));
    assert!(opened.of(Some(&caller), now(&member)).has(0));
    let mut claims = oauth_claims();
    claims["sub"] = "user_bob".into();
    let (one, other) = (
        admins.of(Some(&caller), now(&member)),
        oauth_caller(&claims),
    );
    assert!(!same(&one, &admins.of(Some(&other), now(&member))));
}

#[test]
fn nothing_is_kept_where_a_guard_depends_on_time() {
    let (caller, member) = (caller(), org("member"));
    for guard in [SOON, EITHER] {
        let visibility = visibility(&[OPEN, guard]);
        let seen = || visibility.of(Some(&caller), now(&member));
        assert!(seen() == seen() && !same(&seen(), &seen()), "{guard}");
    }
}

#[test]
fn only_the_facts_that_a_guard_asks_for_have_to_be_had() {
    let tools = [
        (OPEN, identity::Freshness::Current),
        (ADMIN, identity::Freshness::AsInToken),
    ];
    let visibility = Visibility::new(tools.into_iter(), Vec::new(), false);
    assert!(!visibility.asks(identity::Freshness::Current));
    assert!(visibility.asks(identity::Freshness::AsInToken));
}

#[test]
fn a_set_has_the_tools_that_are_visible() {
    for of in [0_usize, 1, 63, 64, 65, 128, 1000] {
        let tools = (0..of).map(|place| [0, 63, 64, 65, 999].contains(&place));
        let set: Visible = tools.collect();
        assert_eq!(set.size(), of.div_ceil(64) * 8);
        for index in 0..2000 {
            let expected = index < of && [0, 63, 64, 65, 999].contains(&index);
            assert_eq!(set.has(index), expected, "{index} of {of}");
        }
    }
}
