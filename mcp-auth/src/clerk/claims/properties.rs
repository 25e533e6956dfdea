//! Property tests: the decoder of claims, compared with a second decoder.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::ClerkClaims;
use super::second::Reading;
use crate::identity::{Object, TokenKind};
use crate::properties::cases;

/// Texts made of parts of valid claims and of nearly valid claims.
fn text() -> impl Strategy<Value = String> {
    const BITS: &[&str] = &[
        "o",
        "u",
        "ou",
        "uo",
        "x",
        ":",
        ",",
        ",",
        " ",
        "a",
        "read",
        "delete",
        "1",
        "3",
        "6",
        "0",
        "-",
        "\u{85}",
        "\u{feff}",
        "\u{a0}",
        "\t",
        "18446744073709551616",
        "é",
    ];
    vec(select(BITS), 0..8).prop_map(|bits| bits.concat())
}

/// Returns a list of readable features, names or masks.
fn list(entries: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec(select(entries), 1..6).prop_map(|entries| entries.join(",").into())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(vec![
            json!(0),
            json!(-0.0),
            json!(2),
            json!(2.0),
            json!(-1),
            json!(9.5),
            json!(1e300)
        ]),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        let names = select(&["sub", "iss", "type", "act", "id", "per"][..]).prop_map(str::to_owned);
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((names, inner), 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn packed() -> impl Strategy<Value = (Value, Value, Value)> {
    (
        list(&["o:a", "u:b", " ou:c ", "uo:d", "o:a:b", "x:e", "o:"]),
        list(&["read", " delete", "", "manage"]),
        list(&[
            "0",
            "1",
            "3",
            "7",
            " 5 ",
            "",
            "x",
            "0007",
            "18446744073709551617",
        ]),
    )
}

fn claims() -> impl Strategy<Value = Value> {
    const NAMES: &[&str] = &[
        "act",
        "client_id",
        "fea",
        "fva",
        "o",
        "org_id",
        "org_permissions",
        "org_role",
        "org_slug",
        "pla",
        "scope",
        "scp",
        "sid",
        "sts",
        "v",
    ];
    let any_claims = vec((select(NAMES).prop_map(str::to_owned), value()), 0..6);
    let organization = (packed(), vec(value(), 3)).prop_map(|((fea, per, fpm), others)| {
        let mut claims = json!({"v": 2, "fea": fea, "o": {"id": "org_1", "per": per, "fpm": fpm}});
        for (name, value) in ["slg", "rol", "id"].into_iter().zip(others) {
            if value.is_string() {
                claims["o"][name] = value;
            }
        }
        claims
    });
    let actor = value().prop_map(|act| json!({"sub": "user_2", "iss": "i", "act": act}));
    let usual = json!({"sid": "sess_1", "sts": "active", "fva": [1, -1]});
    (organization, proptest::bool::ANY, actor, any_claims).prop_map(
        move |(organization, has_organization, act, changes)| {
            let mut claims = Map::new();
            let merge = |claims: &mut Map<_, _>, other: &Value| {
                claims.extend(other.as_object().cloned().unwrap());
            };
            merge(&mut claims, &usual);
            if has_organization {
                merge(&mut claims, &organization);
                claims.insert("act".to_owned(), act);
            }
            claims.extend(changes);
            Value::Object(claims)
        },
    )
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn claims_are_decoded_as_the_second_reading_decodes_them(claims in claims()) {
        let members = claims.as_object().unwrap();
        for kind in [TokenKind::ApiKey, TokenKind::M2m, TokenKind::OAuth, TokenKind::Session] {
            let parts = ClerkClaims::parts(kind, &Object::from(members));
            let first = parts.ok().map(|parts| Reading::of(&parts));
            prop_assert_eq!(first, Reading::read(kind, &claims));
        }
    }

    /// A token grants `org:<feature>:<action>` only if the token lists `<feature>` as a feature of an organization.
    #[test]
    fn packed_permissions_are_of_listed_features_and_names((fea, per, fpm) in packed()) {
        let claims = json!({"v": 2, "fea": fea, "o": {"id": "org_1", "per": per, "fpm": fpm}});
        let parts = ClerkClaims::parts(TokenKind::Session, &Object::from(claims.as_object().unwrap()));
        let org = parts.unwrap().org.unwrap();
        let list = |value: &Value| -> Vec<String> {
            value.as_str().unwrap().split(',').map(|one| one.trim().to_owned()).collect()
        };
        let (features, names) = (list(&fea), list(&per));
        for permission in org.permissions().unwrap() {
            let is_listed = features.iter().any(|feature| {
                let (scope, feature) = feature.split_once(':').unwrap();
                scope.contains('o') && names.iter().any(|name| *permission == format!("org:{feature}:{name}"))
            });
            prop_assert!(is_listed, "{}", permission);
        }
    }
}
