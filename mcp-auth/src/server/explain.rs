//! `MCP_AUTH=explain`: explains what a caller with given facts may use. Needs neither a Clerk instance nor a network.

use std::io::{self, Read};

use serde::Deserialize;

use crate::guard::Explanation;
use crate::identity::TokenKind;

use super::builder::ServerBuilder;
use super::codes;
use super::environment::Environment;
use super::finding::Finding;
use super::matrix::SampleCaller;
use super::setting::Source;
use super::start;

/// The facts about a caller, as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Facts {
    /// The name of a tool or a prompt, or the URI or the template of a resource. If the name is absent, everything that the
    /// server has is explained.
    name: Option<String>,
    /// The kind of token: `oauth`, `session`, `m2m`, `api_key`, or `none` for a caller without a token.
    token: Option<String>,
    scopes: Vec<String>,
    /// True if the caller acts in an organization. A caller with a role or a permission always acts in an organization.
    organization: bool,
    role: Option<String>,
    permissions: Vec<String>,
    features: Vec<String>,
    plans: Vec<String>,
    /// The minutes since the first and the second factor were verified; -1 for never.
    factor_ages: Option<[f64; 2]>,
}

/// Returns the explanations for the facts in `MCP_AUTH_CALLER`, or else in the standard input.
pub(super) fn explain(
    builder: &ServerBuilder,
    env: &Environment<'_>,
) -> Result<Vec<Explanation>, Finding> {
    let (text, source) = match env.get(VARIABLE) {
        Some(text) => (text, Source::Variable(VARIABLE).to_string()),
        None => (read(io::stdin())?, "the standard input".to_owned()),
    };
    let invalid = |what: String| {
        Finding::new(&codes::SETTING_INVALID, what).remedy_is(
            r#"write the facts about the caller as JSON, for example `{"name": "delete_document", "role": "org:admin"}`"#,
        )
    };
    let facts: Facts = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("{source} is not a caller: {error}")))?;
    let caller = facts
        .caller()
        .map_err(|what| invalid(format!("{source}: {what}")))?;
    let matrix = start::matrix(builder, env)?;
    match &facts.name {
        None => Ok(matrix.explain_all(&caller)),
        Some(name) => {
            let explanation = matrix.explain(&caller, name);
            let missing = || {
                invalid(format!(
                    "{source}: the server has nothing of the name `{name}`"
                ))
            };
            Ok(vec![explanation.ok_or_else(missing)?])
        }
    }
}

fn read(mut input: impl Read) -> Result<String, Finding> {
    let mut text = String::new();
    let read = input.read_to_string(&mut text);
    read.map_err(|error| {
        let what = format!("the standard input cannot be read: {error}");
        Finding::new(&codes::SETTING_INVALID, what)
    })?;
    Ok(text)
}

impl Facts {
    fn caller(&self) -> Result<SampleCaller, String> {
        let mut caller = SampleCaller::new("caller");
        if self.organization {
            caller = caller.in_organization();
        }
        if let Some(role) = &self.role {
            caller = caller.role(role);
        }
        let each = |caller, all: &[String], add: fn(SampleCaller, &str) -> SampleCaller| {
            all.iter().fold(caller, |caller, one| add(caller, one))
        };
        caller = each(caller, &self.permissions, |caller, one| {
            caller.permission(one)
        });
        caller = each(caller, &self.scopes, |caller, one| caller.scope(one));
        caller = each(caller, &self.features, |caller, one| caller.feature(one));
        caller = each(caller, &self.plans, |caller, one| caller.plan(one));
        if let Some([first, second]) = self.factor_ages {
            caller = caller.factor_ages(first, second);
        }
        match self.token.as_deref() {
            None => Ok(caller),
            Some("none") => Ok(caller.without_token()),
            Some(kind) => match TokenKind::named(kind) {
                Some(kind) => Ok(caller.token(kind)),
                None => Err(format!(
                    "`token` is `{kind}`: `oauth`, `session`, `m2m`, `api_key` or `none` is expected"
                )),
            },
        }
    }
}

/// The facts about the caller, as JSON.
pub(super) const VARIABLE: &str = "MCP_AUTH_CALLER";
