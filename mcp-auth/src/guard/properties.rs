//! Property tests of guards, with random guards and callers.

mod explain;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::facts::TokenFacts;
use super::{
    CallFacts, Denied, Feature, Guard, GuardedModule, ModuleGuard, NotAuthorized,
    OrganizationFacts, Permission, Plan, Policies, Requirement, Reverification, Role, Scope,
    Visibility, decide, function_policy, would_allow,
};
use crate::identity::test_support::{oauth_caller, oauth_claims};
use crate::identity::{
    self, Entitlements, FactorAges, NamedBy, Org, ScopeHierarchy, TokenKind, Unavailable,
};
use crate::properties::cases;

const ROLES: [&str; 2] = ["admin", "member"];
const PERMISSIONS: [&str; 3] = ["org:a:read", "org:a:write", "org:b:read"];
const SLUGS: [&str; 2] = ["export", "pro"];
const SCOPES: [&str; 3] = ["profile", "a", "user:org:read"];
const KINDS: [TokenKind; 3] = [TokenKind::M2m, TokenKind::OAuth, TokenKind::Session];

/// A look-up of the organization that failed.
const FAILED: Unavailable = Unavailable {
    what: "the membership",
    retry_after: Duration::from_secs(1),
};

/// Policies of all kinds: constant, monotonic, and not monotonic in the organization and in the scopes.
const POLICIES: [Requirement; 6] = [
    function_policy("always", |_| true),
    function_policy("never", |_| false),
    function_policy("alone", |facts| facts.org().is_none()),
    function_policy("admin", |facts| facts.has_role("admin")),
    function_policy("narrow", |facts| !facts.has_scope("a")),
    function_policy("wide", |facts| facts.scopes().len() > 1),
];

/// A caller with all properties that a decision uses.
#[derive(Clone, Debug)]
struct Person {
    kind: TokenKind,
    impersonated: bool,
    user: bool,
    scopes: Vec<String>,
    features: Option<Entitlements>,
    plans: Option<Entitlements>,
    ages: Option<[f64; 2]>,
    /// The answer of every policy.
    policies: bool,
    org: Option<(Option<String>, Vec<String>)>,
}

impl Person {
    fn passes(&self, guard: &Guard, server_scopes: &[String]) -> bool {
        let hierarchy = ScopeHierarchy::default();
        let ages = self
            .ages
            .and_then(|[first, second]| FactorAges::from_minutes(first, second));
        let standing = TokenFacts {
            token_kind: self.kind,
            impersonated: self.impersonated,
            user: self.user,
            scopes: &self.scopes,
            hierarchy: &hierarchy,
            features: self.features.as_ref(),
            plans: self.plans.as_ref(),
            factor_ages: ages.as_ref(),
            policies: Policies::Assume(self.policies),
        };
        would_allow(guard, Some(&standing), self.org().as_ref(), server_scopes)
    }

    fn org(&self) -> Option<Org> {
        let (role, permissions) = self.org.clone()?;
        let role = role.map(|role| format!("org:{role}"));
        Some(Org::new("org_1".to_owned(), None, role, Some(permissions)))
    }

    /// Returns true if this person meets a requirement. This is a second implementation of
    /// `Requirement::is_met`.
    fn meets(&self, requirement: Requirement) -> bool {
        let text = requirement.to_string();
        let (kind, name) = text.split_once(' ').unwrap_or((&text, ""));
        let has = |all: &Option<Entitlements>| {
            let all = all.clone().unwrap_or_default();
            let (owner, slug) = name.split_once(':').unwrap_or(("any", name));
            let among = |own: &str, list: &[String]| {
                (owner == own || owner == "any") && list.iter().any(|held| held == slug)
            };
            among("org", &all.organization) || among("user", &all.user)
        };
        match (kind, requirement) {
            (_, Requirement::Any(alternatives)) => alternatives.iter().any(|all| {
                let unmet = all.iter().filter(|one| !self.meets(**one)).count();
                !all.is_empty() && unmet == 0
            }),
            (_, Requirement::Accept(kinds)) => kinds.contains(&self.kind),
            (_, Requirement::Reverification(_)) => self
                .ages
                .is_some_and(|[first, _]| (0.0..10.0).contains(&first)),
            ("signed", _) => true,
            ("no", _) => !self.impersonated,
            ("user", _) => self.user,
            ("organization", _) => self.org.is_some(),
            ("role", _) => {
                let role = self.org.as_ref().and_then(|(role, _)| role.as_deref());
                role.is_some_and(|role| name == role || name == format!("org:{role}"))
            }
            ("permission", _) => self
                .org
                .iter()
                .any(|(_, all)| all.iter().any(|held| held == name)),
            ("feature", _) => has(&self.features),
            ("plan", _) => has(&self.plans),
            ("policy", _) => self.policies,
            ("scope", _) => self.scopes.iter().any(|held| held == name),
            _ => panic!("{text}"),
        }
    }
}

fn texts(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = subsequence(all, 0..=all.len());
    some.prop_map(|some| some.into_iter().map(str::to_owned).collect())
}

fn entitlements() -> impl Strategy<Value = Option<Entitlements>> {
    let both = (texts(&SLUGS), texts(&SLUGS));
    proptest::option::of(both.prop_map(|(organization, user)| Entitlements { organization, user }))
}

fn person() -> impl Strategy<Value = Person> {
    let role = proptest::option::of(select(&ROLES[..]).prop_map(str::to_owned));
    (
        (select(&KINDS[..]), any::<bool>(), any::<bool>()),
        texts(&SCOPES),
        (entitlements(), entitlements()),
        proptest::option::of(select(vec![
            [0.0, -1.0],
            [9.5, -1.0],
            [60.0, -1.0],
            [-1.0, -1.0],
        ])),
        any::<bool>(),
        proptest::option::of((role, texts(&PERMISSIONS))),
    )
        .prop_map(
            |((kind, impersonated, user), scopes, (features, plans), ages, policies, org)| Person {
                kind,
                impersonated,
                user,
                scopes,
                features,
                plans,
                ages,
                policies,
                org,
            },
        )
}

/// Returns a requirement that is not a choice.
fn leaf() -> impl Strategy<Value = Requirement> {
    prop_oneof![
        Just(Requirement::SignedIn),
        subsequence(&KINDS[..], 0..=3).prop_map(|kinds| Requirement::Accept(kinds.leak())),
        Just(Requirement::NoActor),
        Just(Requirement::User),
        Just(Requirement::Organization),
        select(&ROLES[..]).prop_map(|role| Requirement::Role(Role::new(role))),
        select(&PERMISSIONS[..]).prop_map(|one| Requirement::Permission(Permission::new(one))),
        select(vec!["export", "org:export", "user:pro"])
            .prop_map(|one| Requirement::Feature(Feature::new(one))),
        select(vec!["pro", "org:pro", "user:pro"])
            .prop_map(|one| Requirement::Plan(Plan::new(one))),
        Just(Requirement::Reverification(Reverification::first_factor(
            10.0
        ))),
        select(&SCOPES[..]).prop_map(|scope| Requirement::Scope(Scope::new(scope))),
        select(&POLICIES[..]),
    ]
}

type Alternatives = Vec<&'static [Requirement]>;

/// Returns the alternatives of a choice. The memory is leaked, because a requirement takes `'static` data.
fn alternatives() -> impl Strategy<Value = Alternatives> {
    let all = vec(leaf(), 0..3).prop_map(|all| &*all.leak());
    vec(all, 0..4)
}

fn choice(alternatives: &Alternatives) -> Requirement {
    Requirement::Any(alternatives.clone().leak())
}

fn requirement() -> impl Strategy<Value = Requirement> {
    prop_oneof![3 => leaf(), 1 => alternatives().prop_map(|all| choice(&all))]
}

fn requirements() -> impl Strategy<Value = Vec<Requirement>> {
    vec(requirement(), 0..5)
}

fn guard(requirements: &[Requirement]) -> Guard {
    Guard::signed_in(requirements.to_vec().leak())
}

fn alone(requirement: Requirement) -> Guard {
    guard(&[requirement])
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn a_guard_passes_whom_every_requirement_passes_by_a_second_reading(
        required in requirements(), person in person(), server in texts(&SCOPES),
    ) {
        let expected = required.iter().all(|one| person.meets(*one))
            && server.iter().all(|scope| person.scopes.contains(scope));
        prop_assert_eq!(person.passes(&guard(&required), &server), expected);
    }

    /// The person with more rights has no actor, because a guard can forbid an actor. Every policy that allows the other
    /// person also allows this person, because policies need not be monotonic.
    #[test]
    fn whoever_has_more_never_passes_less(
        required in requirements(), person in person(), more in person(),
    ) {
        let union = |own: &Option<Entitlements>, more: &Option<Entitlements>| {
            let both = [own, more].map(|one| one.clone().unwrap_or_default());
            let [mut all, more] = both;
            all.organization.extend(more.organization);
            all.user.extend(more.user);
            Some(all)
        };
        let mut richer = person.clone();
        richer.impersonated = false;
        richer.user |= more.user;
        richer.scopes.extend(more.scopes);
        richer.features = union(&person.features, &more.features);
        richer.plans = union(&person.plans, &more.plans);
        richer.ages = person.ages.or(more.ages);
        richer.policies |= more.policies;
        let [own, more] = [person.org.clone(), more.org].map(Option::unwrap_or_default);
        richer.org = Some((own.0.or(more.0), [own.1, more.1].concat()));
        let guard = guard(&required);
        if person.passes(&guard, &[]) {
            prop_assert!(richer.passes(&guard, &[]));
        }
    }

    #[test]
    fn who_asks_for_more_never_lets_more_in(
        required in requirements(), further in requirement(), person in person(),
        place in any::<prop::sample::Index>(), server in texts(&SCOPES),
    ) {
        let mut stricter = required.clone();
        stricter.insert(place.index(required.len() + 1), further);
        let stricter = guard(&stricter);
        if person.passes(&stricter, &server) {
            prop_assert!(person.passes(&guard(&required), &server));
            prop_assert!(person.passes(&stricter, &[]));
        }
    }

    #[test]
    fn the_guards_of_modules_and_the_guard_of_a_function_add_up(
        modules in vec(requirements(), 1..4), own in requirements(), is_public in any::<bool>(),
        person in person(), server in texts(&SCOPES),
    ) {
        let chain = modules.iter().map(|stated| {
            let place = GuardedModule::at("a.rs:1:1");
            &*Box::leak(Box::new(ModuleGuard::new("a", place, stated.clone().leak())))
        });
        let chain: Vec<&'static ModuleGuard> = chain.collect();
        let alone = if is_public { Guard::public() } else { guard(&own) };
        let within = alone.within(chain.leak());
        let own = if is_public { Vec::new() } else { own };
        let all = [modules.concat(), own].concat();
        prop_assert!(!within.is_public());
        prop_assert_eq!(within.requirements().collect::<Vec<_>>(), all.clone());
        prop_assert_eq!(person.passes(&within, &server), person.passes(&guard(&all), &server));
        if person.passes(&within, &server) {
            prop_assert!(person.passes(&alone, &server));
        }
    }

    #[test]
    fn neither_order_nor_repetition_of_requirements_decides(
        required in requirements(), person in person(),
    ) {
        let passes = |required: &[Requirement]| person.passes(&guard(required), &[]);
        let reversed: Vec<_> = required.iter().rev().copied().collect();
        let twice = [&*required, &*required].concat();
        prop_assert_eq!(passes(&required), passes(&reversed));
        prop_assert_eq!(passes(&required), passes(&twice));
    }

    #[test]
    fn neither_order_nor_repetition_of_alternatives_decides(
        all in alternatives(), person in person(),
    ) {
        let passes = |all: &Alternatives| person.passes(&alone(choice(all)), &[]);
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        let twice = [all.clone(), all.clone()].concat();
        prop_assert_eq!(passes(&all), passes(&reversed));
        prop_assert_eq!(passes(&all), passes(&twice));
    }

    #[test]
    fn one_alternative_is_its_requirements_and_a_choice_of_nothing_passes_nobody(
        all in vec(leaf(), 1..4), person in person(),
    ) {
        let one: Alternatives = vec![all.clone().leak()];
        prop_assert_eq!(person.passes(&alone(choice(&one)), &[]), person.passes(&guard(&all), &[]));
        prop_assert!(!person.passes(&alone(choice(&Vec::new())), &[]));
        prop_assert!(!person.passes(&alone(choice(&vec![&[]])), &[]));
    }

    #[test]
    fn choices_absorb_and_distribute(
        a in leaf(), b in leaf(), c in leaf(), person in person(),
    ) {
        let any = |alternatives: &[&[Requirement]]| {
            let all = alternatives.iter().map(|all| &*all.to_vec().leak());
            choice(&all.collect())
        };
        let passes = |required: &[Requirement]| person.passes(&guard(required), &[]);
        // A and (A or B) is A; A or (A and B) is A.
        prop_assert_eq!(passes(&[a, any(&[&[a], &[b]])]), passes(&[a]));
        prop_assert_eq!(passes(&[any(&[&[a], &[a, b]])]), passes(&[a]));
        // A and (B or C) is (A and B) or (A and C); A or (B and C) is (A or B) and (A or C).
        prop_assert_eq!(passes(&[a, any(&[&[b], &[c]])]), passes(&[any(&[&[a, b], &[a, c]])]));
        prop_assert_eq!(
            passes(&[any(&[&[a], &[b, c]])]),
            passes(&[any(&[&[a], &[b]]), any(&[&[a], &[c]])])
        );
    }
}

proptest! {
    #![proptest_config(cases(60))]

    /// A list shows the tools that the caller may call now, and the tools that a new token would
    /// allow.
    #[test]
    fn a_list_shows_what_a_call_is_allowed(
        tools in vec((requirements(), any::<bool>()), 1..70), scopes in texts(&SCOPES),
        has_actor in any::<bool>(), person in person(), server in texts(&SCOPES),
    ) {
        let mut claims = oauth_claims();
        claims["scope"] = scopes.join(" ").into();
        if has_actor {
            claims["act"] = json!({"sub": "user_2"});
        }
        let caller = oauth_caller(&claims);
        let tools = tools.into_iter().map(|(required, is_public)| {
            if is_public { Guard::public() } else { guard(&required) }
        });
        let tools: Vec<Guard> = tools.collect();
        let with_facts = tools.iter().map(|guard| (*guard, identity::Freshness::Current));
        let visibility = Visibility::new(with_facts, server.clone(), false);
        let organization = person.org();
        for caller in [None, Some(&caller)] {
            let known = OrganizationFacts { current: organization.as_ref(), ..OrganizationFacts::default() };
            let visible = visibility.of(caller, known);
            // The cached result equals the result of a new decision.
            prop_assert_eq!(&visible, &visibility.of(caller, known));
            for (place, guard) in tools.iter().enumerate() {
                let facts = CallFacts {
                    caller,
                    organization: Ok(organization.as_ref()),
                    named_by: NamedBy::default(),
                    server_scopes: &server,
                };
                let expected = match decide(guard, &facts) {
                    Ok(_) => true,
                    Err(NotAuthorized::Denied(denied)) => denied.is_curable(),
                    Err(NotAuthorized::Unauthenticated | NotAuthorized::Unavailable(_)) => false,
                };
                prop_assert_eq!(visible.has(place), expected, "{}", guard);
            }
            prop_assert!(!visible.has(tools.len()));
        }
    }
}

/// Returns the decision about an OAuth caller.
fn decision(
    required: &[Requirement],
    scopes: &[String],
    organization: Result<Option<&Org>, &Unavailable>,
) -> Result<(), NotAuthorized> {
    let mut claims = oauth_claims();
    claims["scope"] = scopes.join(" ").into();
    let facts = CallFacts {
        caller: Some(&oauth_caller(&claims)),
        organization,
        named_by: NamedBy::Token,
        server_scopes: &[],
    };
    decide(&guard(required), &facts).map(|_| ())
}

proptest! {
    #![proptest_config(cases(300))]

    /// While the look-up of the organization fails, a decision equals the decision with every possible organization.
    #[test]
    fn a_failed_look_up_decides_nothing_that_an_organization_would_change(
        required in requirements(), scopes in texts(&SCOPES), person in person(),
    ) {
                let unknown = decision(&required, &scopes, Err(&FAILED));
        for organization in [None, person.org()] {
            let known = decision(&required, &scopes, Ok(organization.as_ref()));
            match &unknown {
                Ok(()) => prop_assert!(known.is_ok(), "{known:?}"),
                Err(NotAuthorized::Denied(denied)) => {
                    let same = matches!(&known, Err(NotAuthorized::Denied(other)) if other == denied);
                    prop_assert!(same, "{denied} {known:?}");
                }
                Err(NotAuthorized::Unavailable(_)) => {}
                Err(NotAuthorized::Unauthenticated) => prop_assert!(false),
            }
        }
    }

    /// A token with exactly the promised scopes allows the call, unless the call needs an organization, whose role and
    /// permissions are not known yet.
    #[test]
    fn the_scopes_that_are_promised_to_help_do_help(
        required in requirements(), scopes in texts(&SCOPES), person in person(),
    ) {
        let organization = person.org();
        let denied = decision(&required, &scopes, Ok(organization.as_ref()));
        if let Err(NotAuthorized::Denied(denied)) = denied
            && let Some(cure) = denied.cure()
            && !matches!(denied, Denied::Organization { .. })
        {
            let renewed = decision(&required, cure, Ok(organization.as_ref()));
            prop_assert!(renewed.is_ok(), "{denied} {cure:?} {renewed:?}");
        }
    }
}
