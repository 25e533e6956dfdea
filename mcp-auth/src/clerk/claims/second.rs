//! A second decoder of claims, which is simple and slow. Tests compare it with the decoder of the server.
//!
//! The two decoders share no code. This decoder finds the bits of a decimal number by halving it;
//! the server's decoder uses binary numbers.

use serde_json::Value;

use crate::identity::{Actor, CallerParts, Entitlements, TokenKind};

/// The data in claims.
#[derive(Debug, PartialEq)]
pub(in crate::clerk) struct Reading {
    client_id: Option<String>,
    scopes: Vec<String>,
    org: Option<OrgReading>,
    /// The actor, then the earlier actor.
    actors: Vec<ActorReading>,
    session: Option<SessionReading>,
    features: Option<[Vec<String>; 2]>,
    plans: Option<[Vec<String>; 2]>,
}

#[derive(Debug, PartialEq)]
struct OrgReading {
    id: String,
    slug: Option<String>,
    role: Option<String>,
    permissions: Option<Vec<String>>,
}

#[derive(Debug, PartialEq)]
struct ActorReading {
    subject: String,
    issuer: Option<String>,
    kind: Option<String>,
}

#[derive(Debug, PartialEq)]
struct SessionReading {
    id: String,
    status: Option<String>,
    ages: Option<[Option<f64>; 2]>,
}

impl Reading {
    /// Converts the result of the server's decoder.
    pub(in crate::clerk) fn of(parts: &CallerParts) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let mut actors = Vec::new();
        let mut next = parts.actor.as_ref();
        while let Some(actor) = next {
            actors.push(ActorReading {
                subject: actor.subject().to_owned(),
                issuer: text(actor.issuer()),
                kind: text(actor.kind()),
            });
            next = Actor::actor(actor);
        }
        let both = |all: &Entitlements| [all.organization.clone(), all.user.clone()];
        Self {
            client_id: parts.client_id.clone(),
            scopes: parts.scopes.clone(),
            org: parts.org.as_ref().map(|org| OrgReading {
                id: org.id().to_owned(),
                slug: text(org.slug()),
                role: text(org.role()),
                permissions: org.permissions().map(<[String]>::to_vec),
            }),
            actors,
            session: parts.session.as_ref().map(|session| {
                let ages = session.factor_ages();
                let ages = ages.map(|ages| [ages.first_minutes(), ages.second_minutes()]);
                SessionReading {
                    id: session.id().to_owned(),
                    status: text(session.status()),
                    ages,
                }
            }),
            features: parts.features.as_ref().map(both),
            plans: parts.plans.as_ref().map(both),
        }
    }

    /// Reads the claims of a token of this kind. `None` if the server must refuse a token with these claims.
    pub(in crate::clerk) fn read(kind: TokenKind, claims: &Value) -> Option<Self> {
        let mut reading = Self {
            client_id: None,
            scopes: Vec::new(),
            org: None,
            actors: Vec::new(),
            session: None,
            features: None,
            plans: None,
        };
        match kind {
            TokenKind::ApiKey => return None,
            TokenKind::M2m => {}
            TokenKind::OAuth => {
                reading.client_id = text(&claims["client_id"]);
                reading.scopes = scopes(claims)?;
                reading.org = text(&claims["org_id"]).map(|id| OrgReading {
                    id,
                    slug: None,
                    role: None,
                    permissions: None,
                });
                reading.actors = actors(&claims["act"]).unwrap_or_default();
            }
            TokenKind::Session => {
                reading.org = organization(claims)?;
                if !claims["act"].is_null() {
                    reading.actors = actors(&claims["act"])?;
                }
                reading.session = text(&claims["sid"]).map(|id| SessionReading {
                    id,
                    status: text(&claims["sts"]),
                    ages: factor_ages(&claims["fva"]),
                });
                reading.features = entitlements(&claims["fea"]);
                reading.plans = entitlements(&claims["pla"]);
            }
        }
        Some(reading)
    }
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn scopes(claims: &Value) -> Option<Vec<String>> {
    let all: Vec<String> = match (&claims["scp"], &claims["scope"]) {
        (Value::Array(list), _) => {
            let scopes = list.iter().map(|scope| scope.as_str().map(str::to_owned));
            scopes.collect::<Option<_>>()?
        }
        (Value::Null, Value::String(text)) => text.split(' ').map(str::to_owned).collect(),
        (Value::Null, Value::Null) => Vec::new(),
        (_, _) => return None,
    };
    Some(all.into_iter().filter(|scope| !scope.is_empty()).collect())
}

/// Reads the actors of two levels. `None` if the first actor cannot be read.
fn actors(act: &Value) -> Option<Vec<ActorReading>> {
    let one = |act: &Value| {
        let subject = act.as_object()?.get("sub")?.as_str()?;
        Some(ActorReading {
            subject: subject.to_owned(),
            issuer: text(&act["iss"]),
            kind: text(&act["type"]),
        })
    };
    let mut actors = vec![one(act)?];
    actors.extend(one(&act["act"]));
    Some(actors)
}

fn organization(claims: &Value) -> Option<Option<OrgReading>> {
    if claims["v"].as_f64() != Some(2.0) {
        let listed = claims["org_permissions"].as_array().map(|all| {
            let named = all.iter().filter_map(Value::as_str);
            named.map(str::to_owned).collect()
        });
        return Some(text(&claims["org_id"]).map(|id| OrgReading {
            id,
            slug: text(&claims["org_slug"]),
            role: text(&claims["org_role"]),
            permissions: listed,
        }));
    }
    let org = &claims["o"];
    if org.is_null() || *org == false {
        return Some(None);
    }
    let org = if org.is_object() { org } else { &Value::Null };
    let permissions = permissions(
        packed(&claims["fea"])?,
        packed(&org["per"])?,
        packed(&org["fpm"])?,
    )?;
    Some(text(&org["id"]).map(|id| OrgReading {
        id,
        slug: text(&org["slg"]),
        role: text(&org["rol"]).map(|role| ["org:", &role].concat()),
        permissions: Some(permissions),
    }))
}

/// Returns a text. For a value that JavaScript treats as false, the text is empty.
fn packed(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(false) => Some(""),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(""),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn permissions(features: &str, names: &str, masks: &str) -> Option<Vec<String>> {
    let odd = ['\u{85}', '\u{feff}'];
    if [features, names, masks]
        .iter()
        .any(|text| text.contains(odd))
    {
        return None;
    }
    let list = |text: &str| -> Vec<String> {
        text.split(',')
            .map(|entry| entry.trim().to_owned())
            .collect()
    };
    let features = if features.is_empty() {
        Vec::new()
    } else {
        list(features)
    };
    if features.iter().any(|feature| !feature.contains(':')) {
        return None;
    }
    if names.is_empty() || masks.is_empty() {
        return Some(Vec::new());
    }
    let (names, masks) = (list(names), list(masks));
    // The SDKs differ here. Some count the index of a mask among all features, others among the features of
    // organizations.
    let mut readings = [Vec::new(), Vec::new()];
    let mut places = [0, 0];
    for feature in &features {
        let (scope, feature) = feature.split_once(':')?;
        let is_organizations = ["o", "ou", "uo"].contains(&scope);
        for (place, granted) in places.iter_mut().zip(&mut readings) {
            let mask = masks.get(*place).map(|mask| bits(mask)).unwrap_or_default();
            if is_organizations {
                for (name, held) in names.iter().zip(mask) {
                    if held {
                        granted.push(format!("org:{feature}:{name}"));
                    }
                }
            }
        }
        let [all, organizations] = &mut places;
        *all += 1;
        *organizations += usize::from(is_organizations);
    }
    let [all, organizations] = readings;
    Some(
        organizations
            .into_iter()
            .filter(|granted| all.contains(granted))
            .collect(),
    )
}

/// Returns the bits of a decimal number, the lowest first, by halving the number.
fn bits(decimal: &str) -> Vec<bool> {
    let is_number = decimal.len() <= 1_024 && decimal.bytes().all(|byte| byte.is_ascii_digit());
    let mut digits: Vec<u8> = decimal
        .bytes()
        .map(|byte| byte.wrapping_sub(b'0'))
        .collect();
    let mut bits = Vec::new();
    while is_number && digits.iter().any(|digit| *digit > 0) {
        let mut rest = 0;
        for digit in &mut digits {
            let value = rest * 10 + *digit;
            *digit = value / 2;
            rest = value % 2;
        }
        bits.push(rest == 1);
    }
    bits
}

fn entitlements(claim: &Value) -> Option<[Vec<String>; 2]> {
    let list = text(claim)?;
    if list.contains(['\u{85}', '\u{feff}']) {
        return None;
    }
    let mut both = [Vec::new(), Vec::new()];
    for entry in list.split(',') {
        let (scope, name) = entry.trim().split_once(':')?;
        for (owner, own) in both.iter_mut().zip(['o', 'u']) {
            if ["o", "u", "ou", "uo"].contains(&scope) && scope.contains(own) {
                owner.push(name.to_owned());
            }
        }
    }
    Some(both)
}

fn factor_ages(claim: &Value) -> Option<[Option<f64>; 2]> {
    let ages = claim.as_array().filter(|ages| ages.len() == 2)?;
    let ages: Vec<f64> = ages.iter().map(Value::as_f64).collect::<Option<_>>()?;
    let is_age = |age: &f64| age.is_finite() && (*age >= 0.0 || *age == -1.0);
    if !ages.iter().all(is_age) {
        return None;
    }
    let mut ages = ages.into_iter().map(|age| (age >= 0.0).then_some(age));
    Some([ages.next()?, ages.next()?])
}
