//! A check alone: all that can be found, in one report.

use crate::identity::IoRuntime;

use super::super::advertised::advertised_scopes;
use super::super::builder::ServerBuilder;
use super::super::environment::Environment;
use super::super::error::StartError;
use super::super::load::Load;
use super::super::log;
use super::super::private_url::{check_addresses, plain_http};
use super::super::satisfiable::{check_guards, scopeless_sessions};
use super::super::settings::{
    HasKeys, Names, allowed, canonical, clerk_settings, instance_mistakes, instance_settings,
    policy_mistakes, wants_emulator,
};
use super::super::start::{clock, connect, tools};
use super::{Answers, CheckReport, Found, Known, address, judge, organizations, panics, schemas};

/// Checks a configuration, and the instance if it is known which.
pub(in super::super) async fn check(
    mut builder: ServerBuilder,
    env: Environment<'_>,
) -> CheckReport {
    // The state file is that of the server, which may be running.
    #[cfg(feature = "emulator")]
    {
        builder.emulator_state = false;
    }
    let names = Names::of(&builder);
    let mut found = Vec::new();
    let mut wrong = |error: StartError| found.push(Found::Wrong(error));

    let canonical = canonical(&builder, &env).map_err(&mut wrong).ok();
    if let Some(canonical) = &canonical {
        let checked = check_addresses(&builder, canonical).await;
        let _ = checked.map_err(&mut wrong);
    }
    let (_, _, mistakes) = allowed(&builder, &env);
    mistakes.into_iter().for_each(&mut wrong);
    Load::mistakes(&builder).for_each(&mut wrong);
    let registry = tools(&builder).map_err(&mut wrong).ok();
    let is_local = wants_emulator(&mut builder, &env);
    let settings = match (&canonical, &registry) {
        (Some(canonical), Some(registry)) => {
            Some(clerk_settings(&mut builder, &env, canonical, registry).await)
        }
        // It would be told what the tools ask for, and where it is used.
        _ if is_local => None,
        _ => Some(instance_settings(&builder, &env)),
    };
    let settings = settings.and_then(|settings| match settings {
        Ok(settings) => Some(settings),
        Err(first) => {
            let all = instance_mistakes(&builder, &env);
            if all.is_empty() {
                wrong(first);
            } else {
                all.into_iter().for_each(&mut wrong);
            }
            None
        }
    });
    let has_secret_key = settings.as_ref().map_or_else(
        || builder.secret_key.is_some() || env.get("CLERK_SECRET_KEY").is_some(),
        |settings| settings.secret_key.is_some(),
    );
    let issuer = settings
        .as_ref()
        .map_or("", |settings| settings.frontend.issuer())
        .to_owned();
    let keys = HasKeys::of(&builder, &env);
    let (policy, mistakes) = policy_mistakes(&builder, &env, canonical.as_ref(), &issuer, keys);
    mistakes.into_iter().for_each(&mut wrong);
    if let Some(registry) = &registry {
        let _ = check_guards(registry, &builder, has_secret_key, &policy).map_err(&mut wrong);
    }

    if let Some(canonical) = &canonical {
        found.extend(plain_http(canonical));
        found.extend(address(&builder, &env, canonical, names));
    }
    found.extend(scopeless_sessions(&policy, &builder.required_scopes));
    let sources = builder.organization_sources;
    found.extend(
        registry
            .as_ref()
            .and_then(|registry| organizations(sources, &policy, registry)),
    );
    found.extend(registry.as_ref().into_iter().flat_map(schemas));
    found.extend(panics());
    found.extend(env.unread().into_iter().map(Found::from));
    found.extend(log::mistake(&env).map(Found::from));
    let title = format!("{} {}", builder.name, builder.version);
    let Some(settings) = settings else {
        return CheckReport::new(format!("{title}, no instance was asked"), found);
    };
    let required_scopes = builder.required_scopes.clone();
    let advertised = registry
        .as_ref()
        .map(|registry| advertised_scopes(&builder, &policy.scopes, registry))
        .unwrap_or_default();
    let clock = clock(&mut builder);
    let known = Known {
        policy: &policy,
        required_scopes: &required_scopes,
        advertised: &advertised,
        now_ms: clock.unix_ms(),
        registry: registry.as_ref(),
        canonical: canonical.as_ref(),
        names,
        named_by: settings.named_by,
        api: settings.api_origin(),
        local: settings.frontend.is_local(),
        development: settings.development,
        has_secret_key,
        has_jwt_key: settings.jwt_key.is_some(),
    };
    #[cfg(feature = "emulator")]
    let _emulator = settings.emulator.clone();
    let io = match IoRuntime::start() {
        Ok(io) => io,
        Err(error) => {
            found.push(Found::Wrong(StartError::Io(error)));
            return CheckReport::new(format!("{title}, no instance was asked"), found);
        }
    };
    match connect(settings, policy.clone(), &clock, &io, names) {
        Ok(clerk) => {
            let answers = Answers::ask(&clerk, known.has_jwt_key, true).await;
            found.extend(judge(&answers, &known));
        }
        Err(error) => found.push(Found::Wrong(error)),
    }
    let local = if is_local {
        " (a local Clerk, for development only)"
    } else {
        ""
    };
    CheckReport::new(
        format!("{title}, checked against {}{local}", policy.issuer),
        found,
    )
}
