//! Property tests of explanations: an explanation agrees with the decision.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::guard::{Explained, ExplainedDecision, Explanation, supposed};

proptest! {
    #![proptest_config(cases(600))]

    /// An explanation has the decision of `decide`, and its requirements agree with the decision.
    #[test]
    fn an_explanation_agrees_with_the_decision(
        required in requirements(), scopes in texts(&SCOPES), person in person(),
        server in texts(&SCOPES), signed_in in any::<bool>(), is_known in any::<bool>(),
    ) {
        let mut claims = oauth_claims();
        claims["scope"] = scopes.join(" ").into();
        if person.impersonated {
            claims["act"] = json!({"sub": "user_2"});
        }
        let caller = oauth_caller(&claims);
        let guard = guard(&required);
        let org = person.org();
        let facts = CallFacts {
            caller: signed_in.then_some(&caller),
            organization: if is_known { Ok(org.as_ref()) } else { Err(&FAILED) },
            named_by: NamedBy::Token,
            server_scopes: &server,
        };
        let decision = decide(&guard, &facts).map(|_| ());
        let token = facts.caller.map(TokenFacts::of);
        let explained = Explained {
            caller: token.as_ref(),
            organization: facts.organization,
            named_by: facts.named_by,
            server_scopes: facts.server_scopes,
        };
        let explanation = Explanation::new(&guard, explained, decision.as_ref().copied());
        let met = explanation.requirements.iter().map(|one| one.met);
        let all_met = met.clone().all(|met| met == Some(true));
        let none_unmet = met.clone().all(|met| met != Some(false));
        match &decision {
            Ok(()) => {
                prop_assert_eq!(explanation.decision, ExplainedDecision::Allowed);
                prop_assert!(all_met, "{}", explanation);
            }
            Err(NotAuthorized::Denied(denied)) => {
                prop_assert_eq!(explanation.decision, ExplainedDecision::Denied);
                prop_assert!(!all_met, "{}", explanation);
                prop_assert!(!(is_known && none_unmet), "{}", explanation);
                prop_assert_eq!(explanation.reason.clone(), Some(denied.to_string()));
                prop_assert_eq!(&*explanation.scopes, denied.cure().unwrap_or_default());
            }
            Err(NotAuthorized::Unauthenticated) => {
                prop_assert_eq!(explanation.decision, ExplainedDecision::NotSignedIn);
                prop_assert!(!signed_in);
            }
            Err(NotAuthorized::Unavailable(_)) => {
                prop_assert_eq!(explanation.decision, ExplainedDecision::Undecided);
                prop_assert!(!all_met && !is_known, "{}", explanation);
            }
        }
        // The explanation says that a requirement is met if the decision about this requirement alone allows the caller.
        let asked = guard.requirements().filter(|_| is_known && signed_in);
        for requirement in asked {
            let explained = explanation.requirements.iter();
            let mut explained = explained.filter(|one| one.requirement == requirement.to_string());
            let facts = CallFacts { server_scopes: &[], ..facts.clone() };
            let is_met = decide(&alone(requirement), &facts).is_ok();
            prop_assert!(explained.any(|one| one.met == Some(is_met)), "{}", explanation);
        }
        // A requirement that is not met has a text about what would help.
        for one in &explanation.requirements {
            prop_assert_eq!(one.needs.is_some(), one.met != Some(true), "{}", explanation);
        }
    }

    /// The matrix and the explanation agree about sample callers. The server evaluates no policy for sample callers.
    #[test]
    fn an_explanation_of_a_sample_agrees_with_would_allow(
        required in requirements(), person in person(), server in texts(&SCOPES),
    ) {
        let hierarchy = ScopeHierarchy::default();
        let guard = guard(&required);
        let org = person.org();
        let ages = person
            .ages
            .and_then(|[first, second]| FactorAges::from_minutes(first, second));
        let token = TokenFacts {
            token_kind: person.kind,
            impersonated: person.impersonated,
            user: person.user,
            scopes: &person.scopes,
            hierarchy: &hierarchy,
            features: person.features.as_ref(),
            plans: person.plans.as_ref(),
            factor_ages: ages.as_ref(),
            policies: Policies::Assume(person.policies),
        };
        let decision = supposed(&guard, Some(&token), org.as_ref(), &server);
        let explained = Explained {
            caller: Some(&token),
            organization: Ok(org.as_ref()),
            named_by: NamedBy::default(),
            server_scopes: &server,
        };
        let explanation = Explanation::new(&guard, explained, decision.as_ref().copied());
        let met = explanation.requirements.iter().map(|one| one.met);
        let is_certain = met.clone().all(|met| met.is_some());
        if is_certain {
            let all_met = met.clone().all(|met| met == Some(true));
            prop_assert_eq!(decision.is_ok(), all_met, "{}", explanation);
        }
        if met.clone().any(|met| met == Some(false)) {
            prop_assert!(decision.is_err(), "{}", explanation);
        }
    }
}
