//! Compares the scopes, roles and permissions that tools require with the scopes, roles and
//! permissions of the instance.

use std::collections::BTreeMap;

use crate::clerk::{Document, Role, Untold};
use crate::guard::{Guard, ORGANIZATION_SCOPE, Requirement, nearest};
use crate::identity::TokenKind;
use crate::primitive::Registry;

use super::super::codes;
use super::super::finding::{Finding, Findings};
use super::config::Config;
use super::evaluate::unreadable;

/// Required names, each with the tools and modules that require it.
pub(super) type Required = BTreeMap<String, Vec<String>>;

/// Finds required scopes that the issuer does not advertise. After a challenge for a scope, a client asks the issuer
/// for this scope.
///
/// Source: MCP 2026-07-28, basic/authorization.
pub(super) fn scopes(metadata: &Document, config: &Config<'_>) -> Vec<Finding> {
    let Some(supported) = metadata.scopes().filter(|_| config.policy().oauth) else {
        return Vec::new();
    };
    let is_supported = |scope: &str| supported.iter().any(|one| one == scope);
    let mut findings = Vec::new();
    let mut missing = scopes_of_oauth_tools(config);
    for scope in &config.resolved.builder.scopes.required {
        missing
            .entry(scope.clone())
            .or_default()
            .push("every tool".to_owned());
    }
    missing.retain(|scope, _| !is_supported(scope) && scope != ORGANIZATION_SCOPE);
    if !missing.is_empty() {
        let missing = listed(&missing);
        let what = format!("the issuer does not advertise the scopes {missing}");
        let remedy = config
            .dashboard("under OAuth applications, define them as scopes and have them advertised");
        findings.push(Finding::new(&codes::SCOPES_UNADVERTISED, what).remedy_is(remedy));
    }
    if uses_organization(config) && !is_supported(ORGANIZATION_SCOPE) {
        let what =
            format!("tools ask for an organization, and the issuer has no `{ORGANIZATION_SCOPE}`");
        let remedy = config.dashboard("switch Organizations on");
        findings.push(Finding::new(&codes::ORGANIZATIONS_OFF, what).remedy_is(remedy));
    }
    findings
}

/// Finds required roles and permissions that the instance does not have.
pub(super) fn roles(
    roles: &Result<Option<Vec<Role>>, Untold>,
    config: &Config<'_>,
    findings: &mut Findings,
) {
    let mut permissions = required(
        config,
        |_| true,
        |requirement| match requirement {
            Requirement::Permission(permission) => Some(permission.to_string()),
            _ => None,
        },
    );
    let mut required_roles = required(
        config,
        |_| true,
        |requirement| match requirement {
            Requirement::Role(role) => Some(role.to_string()),
            _ => None,
        },
    );
    if permissions.is_empty() && required_roles.is_empty() {
        return;
    }
    let roles = match roles {
        Ok(Some(roles)) => roles,
        Ok(None) => return,
        Err(Untold) => return findings.push(unreadable("roles")),
    };
    let keys = roles.iter().flat_map(|role| &role.permissions);
    let keys: Vec<_> = keys.map(|permission| permission.key.as_str()).collect();
    permissions.retain(|key, _| !keys.contains(&key.as_str()));
    required_roles.retain(|key, _| !roles.iter().any(|role| role.key == *key));
    if permissions.is_empty() && required_roles.is_empty() {
        let passed = "the instance has all roles and permissions that tools require";
        return findings.pass(passed);
    }
    if !permissions.is_empty() {
        let questions: String = permissions
            .keys()
            .filter_map(|key| Some((key, nearest(&keys, key)?)))
            .map(|(key, near)| format!("; did you mean `{near}` with `{key}`?"))
            .collect();
        let missing = listed(&permissions);
        let what = format!("no role of the instance has the permissions {missing}");
        let remedy = config.dashboard(
            "under Roles and permissions, create them and give them to roles; or correct the tool if it \
             misspells them",
        ) + &questions;
        findings.push(Finding::new(&codes::PERMISSIONS_UNKNOWN, what).remedy_is(remedy));
    }
    if !required_roles.is_empty() {
        let what = format!("the instance has no roles {}", listed(&required_roles));
        let remedy = config.dashboard(
            "under Roles and permissions, create them; or correct the tool if it misspells them",
        );
        findings.push(Finding::new(&codes::ROLES_UNKNOWN, what).remedy_is(remedy));
    }
}

/// The scopes that tools require of OAuth tokens. Tools that accept only API keys are left out,
/// because the authorization server does not know the scopes of API keys.
pub(super) fn scopes_of_oauth_tools(config: &Config<'_>) -> Required {
    required(config, accepts_oauth, |requirement| match requirement {
        Requirement::Scope(scope) => Some(scope.to_string()),
        _ => None,
    })
}

/// Returns true if a tool requires an organization of OAuth callers.
fn uses_organization(config: &Config<'_>) -> bool {
    let mut tools = config.registry().into_iter().flat_map(Registry::iter);
    tools.any(|tool| tool.guard().uses_organization() && accepts_oauth(tool.guard()))
}

/// Returns true if a tool accepts OAuth tokens.
fn accepts_oauth(guard: &Guard) -> bool {
    guard.requirements().all(|requirement| match requirement {
        Requirement::Accept(kinds) => kinds.contains(&TokenKind::OAuth),
        _ => true,
    })
}

/// Returns the names that `name` finds in the requirements of the guards that `guards` selects.
fn required(
    config: &Config<'_>,
    guards: impl Fn(&Guard) -> bool,
    name: impl Fn(Requirement) -> Option<String>,
) -> Required {
    let mut required = Required::new();
    let tools = config.registry().into_iter().flat_map(Registry::iter);
    for tool in tools.filter(|tool| guards(tool.guard())) {
        for (requirement, module) in tool.guard().stated() {
            let who = module.map_or_else(
                || tool.name().to_owned(),
                |module| format!("module {}", module.module()),
            );
            for name in requirement.leaves().into_iter().filter_map(&name) {
                let all = required.entry(name).or_default();
                if !all.contains(&who) {
                    all.push(who.clone());
                }
            }
        }
    }
    required
}

/// Writes the names with their tools, for example: `documents:write` (save, share), `billing` (every tool)
pub(super) fn listed(required: &Required) -> String {
    let one = |(name, tools): (&String, &Vec<String>)| format!("`{name}` ({})", tools.join(", "));
    required.iter().map(one).collect::<Vec<_>>().join(", ")
}
