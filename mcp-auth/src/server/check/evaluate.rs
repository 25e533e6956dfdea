//! Compares the responses of a Clerk instance with the configuration.

use crate::clerk::{Document, MachineCheck, SecretKeyCheck};
use crate::identity::Machine;

use super::super::builder::clerk::COPY_MACHINE;
use super::super::codes;
use super::super::finding::{Finding, Findings, counted};
use super::audience::audience;
use super::config::Config;
use super::default_scopes::asks_for_refresh_tokens;
use super::probe::{Frontend, Probe, PublishedKeys};
use super::registration::{registration, scopes_out_of_reach, settings};
use super::requirements::{roles, scopes};

/// The findings about the responses of a Clerk instance.
pub(super) fn evaluate(probe: &Probe, config: &Config<'_>) -> Findings {
    let mut findings = Findings::default();
    if let Some(frontend) = &probe.frontend {
        issuer(frontend, config, &mut findings);
        keys(frontend, config, &mut findings);
    }
    secret_key(probe.secret_key, config, &mut findings);
    machine(probe, config, &mut findings);
    findings.extend(development_instance(config));
    findings.extend(audience(config));
    findings.extend(asks_for_refresh_tokens(config));
    // If the secret key belongs to another instance, ignore that instance's settings.
    let mut known = None;
    if probe.secret_key == SecretKeyCheck::Fits {
        known = probe.settings.as_ref().ok().and_then(Option::as_ref);
        settings(&probe.settings, config, &mut findings);
        roles(&probe.roles, config, &mut findings);
    }
    let metadata = probe.frontend.as_ref();
    let metadata = metadata.and_then(|frontend| frontend.metadata.as_ref());
    if let Some(metadata) = metadata {
        clock(metadata, config, &mut findings);
        findings.extend(scopes(metadata, config));
    }
    registration(metadata, known, config, &mut findings);
    findings.extend(known.and_then(|settings| scopes_out_of_reach(settings, config)));
    findings
}

/// The finding about an issuer whose metadata names another URL is fatal, because the configuration is wrong. The finding
/// about an issuer that does not answer is not fatal, because the issuer may still answer before the first request.
fn issuer(frontend: &Frontend, config: &Config<'_>, findings: &mut Findings) {
    let expected = &*config.policy().issuer;
    let setting = config.clerk.frontend.source;
    let Some(metadata) = &frontend.metadata else {
        let code = match config.clerk.jwt_key.value {
            Some(_) => &codes::ISSUER_UNCHECKED,
            None => &codes::ISSUER_UNREACHABLE,
        };
        let what = format!("the issuer {expected} cannot be reached");
        let remedy = format!("check that this machine reaches it, and that {setting} is right");
        findings.push(Finding::new(code, what).remedy_is(remedy));
        return;
    };
    let found = metadata.issuer();
    if found == Some(expected) {
        return findings.pass(format!(
            "the issuer answers, and its metadata names {expected}"
        ));
    }
    let what = format!(
        "the issuer at {expected} calls itself {}",
        found.unwrap_or("nothing")
    );
    let remedy = match found {
        Some(_) => format!("set {setting} to the instance with that URL"),
        None => format!("set {setting} to a Clerk instance"),
    };
    findings.push(Finding::new(&codes::ISSUER_DIFFERS, what).remedy_is(remedy));
}

fn keys(frontend: &Frontend, config: &Config<'_>, findings: &mut Findings) {
    let setting = config.clerk.jwt_key.source;
    let issuer = &config.policy().issuer;
    findings.push(match frontend.keys {
        Some(PublishedKeys::Usable(0)) => Finding::new(
            &codes::KEYS_UNUSABLE,
            "the issuer publishes no RSA key of 2048 bits or more for RS256",
        )
        .remedy_is(format!(
            "look at {issuer}/.well-known/jwks.json; is it a Clerk instance?"
        )),
        Some(PublishedKeys::Usable(number)) => {
            let keys = counted(number, "key");
            return findings.pass(format!(
                "tokens can be verified: {keys} published for RS256"
            ));
        }
        Some(PublishedKeys::Configured { published: true }) => {
            return findings.pass(format!("{setting} is a key that the issuer publishes"));
        }
        Some(PublishedKeys::Configured { published: false }) => Finding::new(
            &codes::JWT_KEY_UNPUBLISHED,
            format!("{setting} is not a key that the issuer publishes"),
        )
        .remedy_is(format!(
            "copy it again from the dashboard's API keys, or unset {setting}"
        )),
        None if frontend.metadata.is_some() => Finding::new(
            &codes::KEYS_UNREACHABLE,
            "the issuer answers, but its keys cannot be fetched",
        )
        .remedy_is(format!("look at {issuer}/.well-known/jwks.json")),
        // Another finding says that the issuer cannot be reached.
        None => return,
    });
}

/// Checks the secret key. With a secret key of another instance, the server would look up
/// memberships in that other instance.
fn secret_key(check: SecretKeyCheck, config: &Config<'_>, findings: &mut Findings) {
    let clerk = config.clerk;
    let setting = clerk.secret_key.source;
    findings.push(match check {
        SecretKeyCheck::Fits if clerk.secret_key.value.is_some() => {
            return findings.pass(format!(
                "{setting} belongs to the instance that issues the tokens"
            ));
        }
        SecretKeyCheck::Fits => {
            Finding::new(&codes::SECRET_KEY_UNSET, format!("{setting} is not set")).remedy_is(
                format!("set {setting}; without it, the instance has to issue JWT access tokens"),
            )
        }
        SecretKeyCheck::OtherInstance => {
            let than = match clerk.jwt_key.value {
                Some(_) => clerk.jwt_key.source.to_string(),
                None => "the tokens".to_owned(),
            };
            let what = format!("{setting} belongs to another instance than {than}");
            Finding::new(&codes::SECRET_KEY_OF_OTHER_INSTANCE, what)
                .remedy_is("take both keys from one instance")
        }
        SecretKeyCheck::Refused => Finding::new(
            &codes::SECRET_KEY_REFUSED,
            format!("Clerk refuses {setting}"),
        )
        .remedy_is("copy it again from the dashboard's API keys"),
        SecretKeyCheck::Unknown => Finding::new(
            &codes::SECRET_KEY_UNCHECKED,
            format!("{setting} could not be checked at {}", clerk.api_origin()),
        )
        .remedy_is(format!(
            "check that this machine reaches it, and that {} is right if it is set",
            clerk.api_url.source
        )),
    });
}

/// Checks the server's machine. An M2M token names the machines for which it is meant. With a machine's key, Clerk
/// confirms only tokens that are meant for the machine.
fn machine(probe: &Probe, config: &Config<'_>, findings: &mut Findings) {
    let key_setting = config.clerk.machine_key.source;
    let id_setting = config.resolved.settings.machine_id;
    let id = match &config.policy().machine {
        Some(Machine::Named(id)) => id.as_str(),
        Some(Machine::Unnamed) | None => "",
    };
    let fits = probe.secret_key == SecretKeyCheck::Fits;
    findings.push(match probe.machine {
        MachineCheck::Unasked => return,
        MachineCheck::Fits if id.is_empty() => {
            return findings.pass(format!("Clerk accepts {key_setting}"));
        }
        MachineCheck::Fits if !fits => return,
        MachineCheck::Fits => {
            return findings.pass(format!(
                "{id} is a machine of the instance, and its settings agree"
            ));
        }
        MachineCheck::KeyRefused => Finding::new(
            &codes::MACHINE_KEY_REFUSED,
            format!("Clerk refuses {key_setting}"),
        )
        .remedy_is(COPY_MACHINE),
        // If the secret key belongs to another instance, ignore that instance's machines.
        MachineCheck::NoSuch | MachineCheck::OtherKey if !fits => return,
        MachineCheck::NoSuch => Finding::new(
            &codes::MACHINE_UNKNOWN,
            format!("{id_setting}: the instance has no machine {id}"),
        )
        .remedy_is("copy the id from the machine's page in the dashboard"),
        MachineCheck::OtherKey => Finding::new(
            &codes::MACHINE_KEY_OF_OTHER_MACHINE,
            format!("the key in {key_setting} does not belong to the machine {id}"),
        )
        .remedy_is(format!(
            "take {id_setting} and {key_setting} from one machine's page"
        )),
        MachineCheck::Unknown => unreadable("machines"),
    });
}

/// Finds a development instance behind a public URL. Anyone can sign up to a development instance
/// with a test e-mail address.
///
/// Source: Clerk, "Instances / environments".
fn development_instance(config: &Config<'_>) -> Option<Finding> {
    let canonical = config.canonical().filter(|url| !url.is_loopback())?;
    config.clerk.development.then(|| {
        let what = format!("a development instance serves {}", canonical.as_str());
        let remedy = "use the keys of a production instance (`pk_live_…`, `sk_live_…`)";
        Finding::new(&codes::DEVELOPMENT_INSTANCE, what).remedy_is(remedy)
    })
}

/// Returns the finding that `what` could not be read from the instance.
pub(super) fn unreadable(what: &str) -> Finding {
    let what = format!("the instance's {what} could not be read");
    let remedy = "try again, or look at the dashboard";
    Finding::new(&codes::INSTANCE_UNREADABLE, what).remedy_is(remedy)
}

/// Compares the clocks of issuer and server. They must agree, because the server checks the times
/// in tokens with its own clock.
fn clock(metadata: &Document, config: &Config<'_>, findings: &mut Findings) {
    let Some(ahead_ms) = metadata.ahead_ms() else {
        return;
    };
    let difference = ahead_ms.unsigned_abs();
    if difference <= TOLERATED_MS {
        return findings.pass("the clock agrees with the issuer's");
    }
    let seconds = difference.div_ceil(1_000);
    let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let code = match difference > config.policy().leeway_ms {
        true => &codes::CLOCK_WRONG,
        false => &codes::CLOCK_DRIFT,
    };
    let what = format!("the clock is {seconds} s {way} the issuer's");
    findings.push(Finding::new(code, what).remedy_is("set the clock, and keep it right with NTP"));
}

/// A smaller difference is not reliable, because the `Date` of a response has whole seconds, and
/// the response takes time.
const TOLERATED_MS: u64 = 2_000;
