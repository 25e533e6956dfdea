//! Two independent decoders of the permissions in a session token, one for each way in which
//! Clerk's SDKs read them. A test checks the decoders against the output of the SDKs.

use serde_json::Value;

/// Decodes like `@clerk/backend`: the masks belong to the organization features. `None` if the SDK
/// throws.
pub(crate) fn by_organization_features(claims: &Value) -> Option<Vec<String>> {
    let mut features = Vec::new();
    for entry in split_list(&claims["fea"]) {
        let (scope, name) = entry.split_once(':')?;
        if matches!(scope, "o" | "ou" | "uo") {
            features.push(name);
        }
    }
    let (names, masks) = names_and_masks(claims, str::trim);
    let mut permissions = Vec::new();
    for (feature, mask) in features.iter().zip(masks) {
        if mask.is_empty() || !mask.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        emit(
            feature,
            &names,
            &bits_of(mask, names.len()),
            &mut permissions,
        );
    }
    Some(permissions)
}

/// Decodes like the SDKs for other languages: the masks belong to the entries of the whole list.
/// Like the SDK for Python it does not trim, and it accepts a negative mask.
pub(crate) fn by_whole_list(claims: &Value) -> Vec<String> {
    let (names, masks) = names_and_masks(claims, |text| text);
    let mut permissions = Vec::new();
    for (entry, mask) in split_list(&claims["fea"]).zip(masks) {
        let words: Vec<_> = entry.split(':').collect();
        let [scope, feature] = words[..] else {
            continue;
        };
        if !scope.contains('o') || mask.is_empty() {
            continue;
        }
        let bits = if mask == "-1" {
            vec![true; names.len()]
        } else {
            bits_of(mask, names.len())
        };
        emit(feature, &names, &bits, &mut permissions);
    }
    permissions
}

fn names_and_masks(claims: &Value, read: fn(&str) -> &str) -> (Vec<&str>, Vec<&str>) {
    let organization = &claims["o"];
    let list = |claim: &'static str| organization[claim].as_str().filter(|text| !text.is_empty());
    match (list("per"), list("fpm")) {
        (Some(names), Some(masks)) => (
            names.split(',').map(read).collect(),
            masks.split(',').map(read).collect(),
        ),
        _ => (Vec::new(), Vec::new()),
    }
}

fn split_list(claim: &Value) -> impl Iterator<Item = &str> {
    let text = claim.as_str().filter(|text| !text.is_empty());
    text.into_iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
}

fn emit(feature: &str, names: &[&str], bits: &[bool], permissions: &mut Vec<String>) {
    let held = names.iter().zip(bits).filter(|(_, bit)| **bit);
    permissions.extend(held.map(|(name, _)| format!("org:{feature}:{name}")));
}

/// The lowest `count` bits of a decimal number of any size, by halving its digits.
fn bits_of(decimal: &str, count: usize) -> Vec<bool> {
    let mut digits: Vec<u8> = decimal.bytes().map(|byte| byte - b'0').collect();
    let mut bits = Vec::new();
    for _ in 0..count {
        let mut remainder = 0;
        for digit in &mut digits {
            let value = remainder * 10 + *digit;
            *digit = value / 2;
            remainder = value % 2;
        }
        bits.push(remainder == 1);
    }
    bits
}

#[test]
fn both_decoders_agree_with_the_vectors_of_the_sdks() {
    let file: Value =
        serde_json::from_str(include_str!("../fixtures/claims-vectors.json")).unwrap();
    let (mut first, mut second) = (0, 0);
    for vector in file["vectors"].as_array().unwrap() {
        let (name, claims) = (&vector["name"], &vector["claims"]);
        if claims["v"] != 2 || !claims["o"].is_object() {
            continue;
        }
        let expected = &vector["decoded"]["org_permissions"];
        match by_organization_features(claims) {
            Some(permissions) => assert_eq!(Value::from(permissions), *expected, "{name}"),
            None => assert_eq!(vector["sdk_throws"], true, "{name}"),
        }
        first += 1;
        let other = &vector["python_sdk_org_permissions"];
        assert_eq!(Value::from(by_whole_list(claims)), *other, "{name}");
        second += 1;
    }
    assert_eq!((first, second), (19, 19));
}
