//! Tokens: known by their digest, or verified.

use std::borrow::Cow;
use std::error::Error;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::answer::Refusal;
use crate::member::{Member, Members};
use crate::object::{Text, object};
use crate::{Site, unix_ms};

pub(crate) struct Authenticator {
    issuer: String,
    resources: Vec<String>,
    /// The parties whose session tokens are accepted; `None` for any.
    parties: Option<Vec<String>>,
    keys: ArcSwap<Keys>,
    seen: Cache<Fingerprint, Arc<Caller>, UnitWeighter, BuildHasherDefault<Prefix>>,
    members: Members,
}

/// The issuer's keys, which are believed for a day.
struct Keys {
    keys: Vec<Arc<Key>>,
    until_ms: u64,
}

struct Key {
    kid: String,
    public: ParsedPublicKey,
}

/// Who presented a token that was verified.
pub(crate) struct Caller {
    key: Arc<Key>,
    expires_ms: u64,
    not_before_ms: u64,
    standing: Standing,
}

/// Where it is known whether a caller may delete documents.
enum Standing {
    /// The token says it.
    Told(bool),
    /// Clerk does.
    LookedUp(Arc<Member>),
}

impl Caller {
    pub(crate) async fn may_delete(&self, site: &'static Site) -> Result<bool, Refusal> {
        match &self.standing {
            Standing::Told(may_delete) => Ok(*may_delete),
            Standing::LookedUp(member) => match member.recent(site.uptime()) {
                Some(may_delete) => Ok(may_delete),
                None => Box::pin(member.look_up(site)).await,
            },
        }
    }
}

impl Authenticator {
    /// Fetches the issuer's keys.
    pub(crate) async fn new(
        issuer: &str,
        resources: Vec<String>,
        parties: Option<Vec<String>>,
    ) -> Result<Self, Box<dyn Error>> {
        let set = crate::member::client(issuer)?
            .get(format!("{issuer}/.well-known/jwks.json"))
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        let KeySet { keys } = serde_json::from_slice(&set)?;
        let keys = Keys {
            keys: keys
                .into_iter()
                .filter_map(Jwk::key)
                .map(Arc::new)
                .collect(),
            until_ms: unix_ms() + KEYS_AGE_MS,
        };
        Ok(Self {
            issuer: issuer.to_owned(),
            resources,
            parties,
            keys: ArcSwap::from_pointee(keys),
            seen: Cache::with(
                MAX_TOKENS,
                MAX_TOKENS as u64,
                UnitWeighter,
                BuildHasherDefault::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            members: Members::default(),
        })
    }

    /// The caller of a token, if it is good.
    pub(crate) fn caller(&self, token: &[u8]) -> Option<Arc<Caller>> {
        let now_ms = unix_ms();
        let keys = self.keys.load();
        if keys.until_ms <= now_ms {
            return None;
        }
        let fingerprint = Fingerprint::of(token);
        if let Some(caller) = self.seen.get(&fingerprint) {
            let is_current = caller.not_before_ms <= now_ms
                && now_ms < caller.expires_ms
                && keys.keys.iter().any(|key| Arc::ptr_eq(key, &caller.key));
            if is_current {
                return Some(caller);
            }
            self.seen.remove(&fingerprint);
        }
        let caller = Arc::new(self.verify(token, &keys, now_ms)?);
        self.seen.insert(fingerprint, Arc::clone(&caller));
        Some(caller)
    }

    /// Checks the signature, and then every claim that is relied on.
    fn verify(&self, token: &[u8], keys: &Keys, now_ms: u64) -> Option<Caller> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let token = std::str::from_utf8(token).ok()?;
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let [header, payload, signature] =
            [header, payload, signature].map(|part| URL_SAFE_NO_PAD.decode(part));
        let (header, payload, signature) = (header.ok()?, payload.ok()?, signature.ok()?);
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        let is_oauth = header.is_oauth()?;
        let Text(kid) = header.kid?;
        let key = keys.keys.iter().find(|key| {
            key.kid == kid && key.public.verify_sig(signed.as_bytes(), &signature).is_ok()
        })?;
        let claims: Claims<'_> = serde_json::from_slice(&payload).ok()?;
        let expires_ms = claims.check(self, is_oauth, now_ms)?;
        Some(Caller {
            key: Arc::clone(key),
            expires_ms,
            not_before_ms: claims.not_before.map_or(0, milliseconds),
            standing: self.standing(is_oauth, &claims),
        })
    }

    fn standing(&self, is_oauth: bool, claims: &Claims<'_>) -> Standing {
        match (is_oauth, &claims.organization_id, &claims.subject) {
            (true, Some(Text(organization)), Some(Text(user))) => {
                Standing::LookedUp(self.members.get(organization, user))
            }
            (true, _, _) => Standing::Told(false),
            (false, _, _) => Standing::Told(claims.may_delete()),
        }
    }
}

object! {
    struct Header<'a> {
        "alg" => algorithm: Text<'a>,
        "typ" => kind: Text<'a>,
        "kid" => kid: Text<'a>,
        "cat" => class: Text<'a>,
        "crit" => critical: IgnoredAny,
    }
}

impl Header<'_> {
    /// Whether it is that of an OAuth token; `None` if of one that is not accepted.
    fn is_oauth(&self) -> Option<bool> {
        let is_signed_as_ours = matches!(&self.algorithm, Some(Text(alg)) if alg == "RS256");
        if !is_signed_as_ours || self.critical.is_some() {
            return None;
        }
        match self.kind.as_ref().map(|Text(kind)| &**kind) {
            Some("at+jwt" | "application/at+jwt") => Some(true),
            Some("JWT") | None => match self.class.as_ref().map(|Text(class)| &**class) {
                None | Some(SESSION_CLASS | NO_CLASS) => Some(false),
                Some(_) => None,
            },
            Some(_) => None,
        }
    }
}

object! {
    struct Claims<'a> {
        "iss" => issuer: Text<'a>,
        "sub" => subject: Text<'a>,
        "exp" => expires: f64,
        "nbf" => not_before: f64,
        "iat" => issued: f64,
        "aud" => audience: Audience<'a>,
        "azp" => party: Text<'a>,
        "sid" => session: Text<'a>,
        "sts" => status: Text<'a>,
        "v" => version: f64,
        "fea" => features: Text<'a>,
        "o" => organization: Organization<'a>,
        "org_id" => organization_id: Text<'a>,
    }
}

object! {
    struct Organization<'a> {
        "id" => id: Text<'a>,
        "per" => names: Text<'a>,
        "fpm" => masks: Text<'a>,
    }
}

impl Claims<'_> {
    /// When the token expires, if it is good.
    fn check(&self, policy: &Authenticator, is_oauth: bool, now_ms: u64) -> Option<u64> {
        let Text(issuer) = self.issuer.as_ref()?;
        let Text(subject) = self.subject.as_ref()?;
        let expires_ms = milliseconds(self.expires?);
        let begun = |at: Option<f64>| at.is_none_or(|at| milliseconds(at) <= now_ms);
        let is_meant = match &self.audience {
            None => true,
            Some(Audience(named)) => {
                let is_ours = |name: &Cow<'_, str>| policy.resources.iter().any(|own| own == name);
                named.iter().any(is_ours) || named.is_empty() && !is_oauth
            }
        };
        let is_of_user = subject
            .strip_prefix("user_")
            .is_some_and(|id| !id.is_empty());
        let holds = *issuer == policy.issuer
            && is_of_user
            && is_meant
            && now_ms < expires_ms
            && begun(self.not_before)
            && begun(self.issued)
            && (is_oauth || self.is_of_session(policy));
        holds.then_some(expires_ms)
    }

    fn is_of_session(&self, policy: &Authenticator) -> bool {
        let party = |own: &String| matches!(&self.party, Some(Text(party)) if party == own);
        let parties = policy.parties.as_ref();
        parties.is_none_or(|parties| parties.iter().any(party))
            && self.session.as_ref().is_some_and(|Text(id)| !id.is_empty())
            && self
                .status
                .as_ref()
                .is_none_or(|Text(status)| status == "active")
    }

    /// Whether a session token of version 2 has `org:documents:delete`, by both readings of which
    /// feature a mask belongs to.
    fn may_delete(&self) -> bool {
        let (Some(Text(features)), Some(organization)) = (&self.features, &self.organization)
        else {
            return false;
        };
        let (Some(Text(names)), Some(Text(masks))) = (&organization.names, &organization.masks)
        else {
            return false;
        };
        if self.version != Some(2.0) || organization.id.is_none() {
            return false;
        }
        let has_bit = |position: usize| {
            let mask = masks.split(',').nth(position).unwrap_or_default();
            let mask: u128 = mask.trim().parse().unwrap_or_default();
            let mut bits = names.split(',').enumerate();
            bits.any(|(bit, name)| bit < 128 && mask >> bit & 1 == 1 && name.trim() == "delete")
        };
        let mut of_organizations = 0;
        features.split(',').enumerate().any(|(position, feature)| {
            let (scope, feature) = feature.trim().split_once(':').unwrap_or_default();
            if !matches!(scope, "o" | "ou" | "uo") {
                return false;
            }
            let position_there = of_organizations;
            of_organizations += 1;
            feature == "documents" && has_bit(position) && has_bit(position_there)
        })
    }
}

/// `aud`: a resource, or a list of them.
pub(crate) struct Audience<'a>(Vec<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Vec<Cow<'de, str>>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a resource or a list of resources")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(vec![Cow::Borrowed(name)])
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(vec![Cow::Owned(name.to_owned())])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
                let mut read = Vec::new();
                while let Some(Text(name)) = names.next_element()? {
                    read.push(name);
                }
                Ok(read)
            }
        }

        source.deserialize_any(Names).map(Self)
    }
}

#[derive(Deserialize)]
struct KeySet<'a> {
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
}

#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    alg: Option<&'a str>,
    #[serde(rename = "use")]
    usage: Option<&'a str>,
    kid: Option<String>,
    n: Option<&'a str>,
    e: Option<&'a str>,
}

impl Jwk<'_> {
    fn key(self) -> Option<Key> {
        let is_for_rs256 = self.kty == "RSA"
            && self.alg.is_none_or(|alg| alg == "RS256")
            && self.usage.is_none_or(|usage| usage == "sig");
        let [n, e] = [self.n?, self.e?].map(|number| URL_SAFE_NO_PAD.decode(number));
        let components = RsaPublicKeyComponents {
            n: n.ok()?,
            e: e.ok()?,
        };
        let public = components
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .ok()?;
        is_for_rs256.then_some(Key {
            kid: self.kid?,
            public,
        })
    }
}

/// The whole digest of a whole token.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(token: &[u8]) -> Self {
        let digest = digest(&SHA256, token);
        Self(digest.as_ref().try_into().unwrap_or_default())
    }
}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self([a, b, c, d, e, f, g, h, ..]) = *self;
        state.write_u64(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// A digest is as good a hash as any.
#[derive(Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, prefix: u64) {
        self.0 = prefix;
    }
}

/// Fractions of a second are dropped; times before 1970 are 1970.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds.trunc() * 1_000.0) as u64
}

const KEYS_AGE_MS: u64 = 24 * 60 * 60 * 1_000;
const MAX_TOKEN_BYTES: usize = 16 * 1024;
const MAX_TOKENS: usize = 32_768;
const NO_CLASS: &str = "cl_I7d4PD111III";
const SESSION_CLASS: &str = "cl_B7d4PD111AAA";
