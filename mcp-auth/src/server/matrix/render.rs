//! The text forms of an access matrix: a table for a terminal, Markdown and JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::guard::{Guard, Requirement, SecurityScheme, in_words};
use crate::primitive::{AccessRule, PrimitiveKind, Rate};

use super::sample_caller::SampleCaller;
use super::{AccessMatrix, Item, POLICIES_DENY, POLICY};

/// The rate limits that a tool declares, and the number of its calls that may run at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) rates: &'static [Rate],
    pub(super) concurrency: Option<u32>,
}

impl AccessMatrix {
    /// Writes the table in Markdown. Cells are not padded, so adding or removing a tool changes no
    /// other line.
    ///
    /// ```no_run
    /// # async fn write() -> mcp_auth::Result<()> {
    /// let server = mcp_auth::server!().build().await?;
    /// std::fs::write("tools.md", server.matrix().to_markdown())?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for (index, line) in self.table().iter().enumerate() {
            let cells: Vec<_> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
            if index == 0 {
                text.push_str(&format!("|{}\n", "---|".repeat(line.len())));
            }
        }
        for note in self.notes() {
            text.push_str(&format!("\n{note}\n"));
        }
        text
    }

    /// Writes the table as JSON with `callers` (the columns), `tools`, `prompts`, `resources` and `notes`. In each
    /// tool, `tool` is its name, `requires` is its guard, and `allowed` lists the callers that may call the tool. A
    /// tool also has `policies` if policies decide, `authorize` if its own function decides, `securitySchemes` as in
    /// `tools/list`, and its declared `rate` and `concurrency`. In a prompt, `prompt` is its name. In a resource,
    /// `resource` is its URI or its template. The other members of prompts and resources are the same as in a tool.
    ///
    /// ```standalone_crate
    /// # #[cfg(feature = "testing")] {
    /// use mcp_auth::testing::TestServer;
    ///
    /// /// Tell the time.
    /// #[mcp_auth::mcp_tool(public)]
    /// async fn time() {}
    ///
    /// let json = TestServer::of(mcp_auth::server!()).matrix().to_json();
    /// let matrix: serde_json::Value = serde_json::from_str(&json).unwrap();
    /// assert_eq!(matrix["tools"][0]["tool"], "time");
    /// assert_eq!(matrix["tools"][0]["allowed"][0], "anonymous");
    /// # }
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let names = self.callers.iter().map(|caller| caller.name.as_str());
        let mut matrix = json!({
            "callers": names.collect::<Vec<_>>(),
            "tools": [],
            "prompts": [],
            "resources": [],
            "notes": self.notes(),
        });
        for (place, item) in self.tools.iter().enumerate() {
            let list = match item.kind {
                PrimitiveKind::Prompt => "prompts",
                PrimitiveKind::Resource | PrimitiveKind::ResourceTemplate => "resources",
                PrimitiveKind::Tool => "tools",
            };
            if let Some(Value::Array(list)) = matrix.get_mut(list) {
                list.push(self.json_line(place, item));
            }
        }
        format!("{matrix:#}\n")
    }

    fn json_line(&self, place: usize, item: &Item) -> Value {
        let Item { kind, name, access } = item;
        let AccessRule {
            guard,
            rule,
            confirms,
            takes_code,
        } = access;
        let may = self.callers.iter().filter(|caller| self.may(caller, guard));
        let key = match kind {
            PrimitiveKind::Prompt => "prompt",
            PrimitiveKind::Resource | PrimitiveKind::ResourceTemplate => "resource",
            PrimitiveKind::Tool => "tool",
        };
        let mut line = json!({
            key: name,
            "requires": access.to_string(),
            "allowed": may.map(|caller| caller.name.as_str()).collect::<Vec<_>>(),
        });
        if let Some(line) = line.as_object_mut() {
            if let Some(rule) = rule {
                line.insert("authorize".to_owned(), (*rule).into());
            }
            if *confirms {
                line.insert("confirms".to_owned(), true.into());
            }
            if *takes_code {
                line.insert("confirmationCodes".to_owned(), true.into());
            }
            let policies = policies_of(guard);
            if !policies.is_empty() {
                line.insert("policies".to_owned(), policies.into());
            }
            if let Some(schemes) = self.schemes_of(place) {
                let schemes = schemes.iter().map(SecurityScheme::to_json).collect();
                line.insert("securitySchemes".to_owned(), schemes);
            }
            if let Some(limits) = self.limits.get(place) {
                if !limits.rates.is_empty() {
                    let rates = limits.rates.iter().map(|rate| rate.to_string().into());
                    line.insert("rate".to_owned(), Value::Array(rates.collect()));
                }
                if let Some(most) = limits.concurrency {
                    line.insert("concurrency".to_owned(), most.into());
                }
            }
        }
        line
    }

    /// The header, and a line for each tool, prompt and resource.
    pub(crate) fn table(&self) -> Vec<Vec<String>> {
        let names = self.callers.iter().map(|caller| one_line(&caller.name));
        let last = |requires: &str, scopes: Option<String>, limits: [Option<String>; 2]| {
            let requires = std::iter::once(requires.to_owned());
            let limits = limits.into_iter().flatten();
            requires.chain(scopes).chain(limits).collect::<Vec<_>>()
        };
        let scopes = self.schemes.as_ref().map(|_| "scopes".to_owned());
        let limited = [
            self.limits.iter().any(|limits| !limits.rates.is_empty()),
            self.limits
                .iter()
                .any(|limits| limits.concurrency.is_some()),
        ];
        let heads = ["rate", "concurrency"].map(str::to_owned);
        let header = last("requires", scopes, shown(limited, heads));
        let only_tools = self
            .tools
            .iter()
            .all(|item| item.kind == PrimitiveKind::Tool);
        let first = if only_tools { "tool" } else { "name" };
        let header = with_ends(first.to_owned(), names, header);
        let lines = self.tools.iter().enumerate().map(|(place, item)| {
            let access = &item.access;
            let answers = self
                .callers
                .iter()
                .map(|caller| self.answer(caller, access));
            let scopes = self.schemes_of(place).map(in_words);
            let limits = self.limits.get(place).map(Limits::in_words);
            let limits = shown(limited, limits.unwrap_or_default());
            with_ends(
                item.in_table(),
                answers,
                last(&access.to_string(), scopes, limits),
            )
        });
        std::iter::once(header).chain(lines).collect()
    }

    fn answer(&self, caller: &SampleCaller, access: &AccessRule) -> String {
        let AccessRule { guard, rule, .. } = access;
        let rule = rule.map(|_| "if".to_owned());
        if self.may_if(caller, guard, POLICIES_DENY) {
            return rule.unwrap_or_else(|| "yes".to_owned());
        }
        let (policies, claims): (Vec<_>, Vec<_>) = self
            .lacks(caller, guard)
            .into_iter()
            .partition(|kinds| kinds == POLICY);
        if policies.is_empty() && claims.is_empty() {
            return "no".to_owned();
        }
        let with = (!claims.is_empty()).then(|| format!("with {}", claims.join(", ")));
        let policy = (!policies.is_empty()).then(|| IF_POLICY.to_owned());
        let parts = with.into_iter().chain(policy).chain(rule);
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The explanations below the table.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let guards = || self.tools.iter().map(|item| &item.access.guard);
        if guards().any(|guard| !policies_of(guard).is_empty()) {
            notes.push("if policy: the policy in `requires` decides for each caller".to_owned());
        }
        if self.tools.iter().any(|item| item.access.rule.is_some()) {
            notes.push("if: the tool's own `authorize` function decides each call".to_owned());
        }
        let lacks = |guard: &Guard| {
            let mut callers = self.callers.iter();
            callers.any(|caller| {
                let mut lacks = self.lacks(caller, guard).into_iter();
                !self.may_if(caller, guard, POLICIES_DENY) && lacks.any(|kinds| kinds != POLICY)
            })
        };
        if guards().any(lacks) {
            notes
                .push("with …: a caller who also has the claims in `requires` may call".to_owned());
        }
        let scopes = self.server_scopes.join(" ");
        if !scopes.is_empty() {
            notes.push(format!("{SERVER_SCOPES}{scopes}"));
        }
        for caller in &self.callers {
            let kind = self.accepts.kind_of(caller);
            if caller.signed_in && !self.accepts.has(kind) {
                let name = one_line(&caller.name);
                notes.push(format!("{name}: {kind} tokens are not accepted"));
            }
        }
        if let Some(source) = self.organizations_from.in_words() {
            notes.push(format!("An OAuth caller's organization is {source}"));
        }
        if self.hides_public_tools {
            notes.push(
                "Public tools: a client must sign in before it sees them, unless the server is \
                 `discoverable`"
                    .to_owned(),
            );
        }
        if !self.knows_memberships {
            let unknown = "Roles and permissions are unknown: CLERK_SECRET_KEY is not set";
            notes.push(unknown.to_owned());
        }
        notes
    }
}

impl Item {
    /// Returns the first cell of the line. Only resources have a URI, so the cell shows the kind.
    fn in_table(&self) -> String {
        match self.kind {
            PrimitiveKind::Prompt => format!("prompt {}", self.name),
            PrimitiveKind::Resource | PrimitiveKind::ResourceTemplate | PrimitiveKind::Tool => {
                self.name.clone()
            }
        }
    }
}

impl Limits {
    fn in_words(&self) -> [String; 2] {
        let rates = self.rates.iter().map(ToString::to_string);
        let rates = rates.collect::<Vec<_>>().join(", ");
        let concurrency = self.concurrency.map(|most| most.to_string());
        [Some(rates).filter(|rates| !rates.is_empty()), concurrency]
            .map(|cell| cell.unwrap_or_else(|| "none".to_owned()))
    }
}

impl fmt::Display for AccessMatrix {
    /// The table with aligned columns, for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        let mut widths = Vec::new();
        for line in &table {
            widths.resize(line.len().max(widths.len()), 0);
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for line in &table {
            let cells = line.iter().zip(&widths);
            let padded: Vec<_> = cells
                .map(|(cell, &width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", padded.join("  ").trim_end())?;
        }
        for note in self.notes() {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

fn with_ends(
    first: String,
    middle: impl Iterator<Item = String>,
    last: Vec<String>,
) -> Vec<String> {
    std::iter::once(first).chain(middle).chain(last).collect()
}

/// Returns the cells of the limit columns, if the table has these columns.
fn shown([rate, concurrency]: [bool; 2], cells: [String; 2]) -> [Option<String>; 2] {
    let [of_rate, of_concurrency] = cells;
    [
        rate.then_some(of_rate),
        concurrency.then_some(of_concurrency),
    ]
}

/// The names of the policies in a guard.
fn policies_of(guard: &Guard) -> Vec<&'static str> {
    let policies = guard.leaves().into_iter().filter_map(|leaf| match leaf {
        Requirement::Policy(policy) => Some(policy.name()),
        _ => None,
    });
    let mut names: Vec<_> = policies.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The beginning of the note about the scopes of every signed-in caller.
pub(super) const SERVER_SCOPES: &str =
    "Every signed-in caller has the scopes that the server requires: ";
const IF_POLICY: &str = "if policy";

/// A name in which blanks replace control characters, because a line break would break the table.
fn one_line(name: &str) -> String {
    name.replace(char::is_control, " ")
}
