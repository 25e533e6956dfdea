//! The selection of the tools that a server serves, among the tools that are linked into the
//! program.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::guard::is_within;
use crate::primitive::{PrimitiveInfo, Registration};
use crate::tools;

use super::codes;
use super::finding::Finding;

/// The tools that a server serves. By default these are all tools of the calling package. If modules of the package are
/// named, only their tools are served. If other crates or their modules are named, their tools are served too. The
/// tools of an unnamed dependency are never served.
#[derive(Clone)]
pub(super) struct Selection {
    package: &'static str,
    named: Vec<Named>,
    condition: Option<Arc<Condition>>,
}

type Condition = dyn Fn(&PrimitiveInfo) -> bool + Send + Sync;

/// A path as written in the code, and the full paths that it can mean. At most one of the full
/// paths exists.
#[derive(Clone, Debug)]
struct Named {
    written: String,
    meanings: Vec<String>,
}

/// The modules whose tools are served.
#[derive(Debug)]
pub(super) struct Selected<'a> {
    selection: &'a Selection,
    modules: Vec<&'a str>,
    /// True if one of the modules belongs to the calling package.
    narrowed: bool,
}

impl Selection {
    pub(super) fn of_package(package: &'static str) -> Self {
        Self {
            package,
            named: Vec::new(),
            condition: None,
        }
    }

    /// Adds a module by its full path.
    pub(super) fn name(&mut self, path: String) {
        self.named.push(Named {
            meanings: vec![path.clone()],
            written: path,
        });
    }

    /// Adds a path that is resolved like the path of a `use` in `module`.
    pub(super) fn name_in(&mut self, module: &str, path: &str) {
        // The compiler may add blanks to the path.
        let written: String = path.split_whitespace().collect();
        self.named.push(Named {
            meanings: meanings(module, &written),
            written,
        });
    }

    /// Adds a condition; a tool is served only if all conditions hold.
    pub(super) fn only_if(
        &mut self,
        condition: impl Fn(&PrimitiveInfo) -> bool + Send + Sync + 'static,
    ) {
        self.condition = Some(match self.condition.take() {
            None => Arc::new(condition),
            Some(first) => Arc::new(move |tool: &PrimitiveInfo| first(tool) && condition(tool)),
        });
    }

    /// Finds each named module among the modules of the linked tools.
    pub(super) fn resolve(&self) -> Result<Selected<'_>, Finding> {
        let mut modules = Vec::new();
        for named in &self.named {
            let declares = |module: &&String| linked().any(|tool| is_within(tool.module(), module));
            let module = named.meanings.iter().find(declares);
            modules.push(
                module
                    .ok_or_else(|| self.nothing_in(&named.written))?
                    .as_str(),
            );
        }
        let narrowed = modules.iter().any(|module| {
            linked().any(|tool| self.owns(&tool) && is_within(tool.module(), module))
        });
        Ok(Selected {
            selection: self,
            modules,
            narrowed,
        })
    }

    /// Returns true if the calling package declares the tool. A ready tool of this crate belongs to no package.
    fn owns(&self, tool: &PrimitiveInfo) -> bool {
        tool.package() == self.package && !is_ready(tool)
    }

    /// The finding that no tool is served.
    pub(super) fn nothing(&self) -> Finding {
        if self.condition.is_some() {
            let what = "no tool is left: `serve_if` excludes every tool";
            return Finding::new(&codes::TOOLS_FILTERED, what);
        }
        let package = self.package;
        let name = package.replace('-', "_");
        let remedy = format!(
            "annotate a function with #[mcp_tool]; if the tools are in src/lib.rs or in another crate, name that \
             crate, because only named crates are linked: `use {name} as _;` in main.rs, or \
             `serve!(tools = [{name}])`"
        );
        let what = format!("no tools of package `{package}` are in this program");
        Finding::new(&codes::TOOLS_MISSING, what).remedy_is(remedy)
    }

    fn nothing_in(&self, path: &str) -> Finding {
        let declared = linked().filter(|tool| !is_ready(tool));
        let modules: BTreeSet<_> = declared.map(|tool| tool.module()).collect();
        let modules: Vec<_> = modules.into_iter().collect();
        let others = match modules.as_slice() {
            [] => "no linked module declares a tool".to_owned(),
            some => format!("linked modules that declare tools: {}", some.join(", ")),
        };
        let what = format!("no tools are declared in `{path}`; {others}");
        Finding::new(&codes::TOOL_MODULE_EMPTY, what)
    }
}

impl Selected<'_> {
    pub(super) fn serves(&self, tool: &PrimitiveInfo) -> bool {
        let condition = &self.selection.condition;
        let named = || {
            let mut modules = self.modules.iter();
            modules.any(|module| is_within(tool.module(), module))
        };
        let own = self.selection.owns(tool) && !self.narrowed;
        (own || named()) && condition.as_ref().is_none_or(|holds| holds(tool))
    }

    /// Logs the linked tools that the server does not serve, sorted by module.
    pub(super) fn log_unserved(&self) {
        let unserved = linked().filter(|tool| !self.serves(tool) && !is_ready(tool));
        let unserved: BTreeSet<_> = unserved.map(|tool| (tool.module(), tool.name())).collect();
        if unserved.is_empty() {
            return;
        }
        let path = |&(module, name): &(_, _)| format!("{module}::{name}");
        let shown: Vec<_> = unserved.iter().take(MOST_LOGGED).map(path).collect();
        let shown = shown.join(", ");
        let tools = match unserved.len().checked_sub(MOST_LOGGED) {
            None | Some(0) => shown,
            Some(more) => format!("{shown} and {more} more"),
        };
        tracing::info!(target: "mcp_auth", %tools, "linked but not served");
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection")
            .field("package", &self.package)
            .field("named", &self.named)
            .finish_non_exhaustive()
    }
}

/// Returns true if a tool is a ready tool. Only a method of the builder switches a ready tool on.
fn is_ready(tool: &PrimitiveInfo) -> bool {
    is_within(tool.module(), tools::MODULE)
}

fn linked() -> impl Iterator<Item = PrimitiveInfo> {
    Registration::linked().map(|tool| PrimitiveInfo::of(&tool.declaration))
}

/// Returns the full paths that `path` can mean inside `module`: a module below `module`, or a crate. If a path could
/// mean both, the compiler refuses the `use`.
fn meanings(module: &str, path: &str) -> Vec<String> {
    let path = path.replace("r#", "");
    let mut segments = path.split("::").peekable();
    let mut base: Vec<&str> = module.split("::").collect();
    let relative = match segments.peek() {
        Some(&"crate") => {
            base.truncate(1);
            segments.next();
            true
        }
        Some(&"self") => {
            segments.next();
            true
        }
        Some(&"super") => {
            while segments.next_if_eq(&"super").is_some() {
                base.pop();
            }
            true
        }
        Some(_) | None => false,
    };
    base.extend(segments);
    let here = base.join("::");
    if relative {
        vec![here]
    } else {
        vec![here, path]
    }
}

/// The largest number of unserved tools that the log names.
const MOST_LOGGED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::logged;
    use crate::server::builder::ServerBuilder;
    use crate::server::environment::Environment;
    use crate::server::start::matrix;

    #[test]
    fn a_path_is_resolved_as_in_a_use() {
        let module = "app::api::v1";
        for (path, expected) in [
            ("crate", &["app"][..]),
            ("crate::billing", &["app::billing"]),
            ("self", &["app::api::v1"]),
            ("self::admin", &["app::api::v1::admin"]),
            ("super::v2", &["app::api::v2"]),
            ("super::super::r#mod", &["app::mod"]),
            ("billing", &["app::api::v1::billing", "billing"]),
            (
                "billing::admin",
                &["app::api::v1::billing::admin", "billing::admin"],
            ),
        ] {
            assert_eq!(meanings(module, path), expected, "{path}");
        }
    }

    mod shown {
        /// Show something.
        #[mcp_auth_macros::mcp_tool(crate = crate)]
        async fn show() {}
    }

    mod hidden {
        /// Hide something.
        #[mcp_auth_macros::mcp_tool(crate = crate)]
        async fn hide() {}
    }

    #[test]
    fn linked_tools_that_are_not_served_are_logged() {
        let module = |name| format!("{}::{name}", module_path!());
        let builder = ServerBuilder::of_package("mcp-auth", "0").tools_of(module("shown"));
        let log = logged(|| {
            let _ = matrix(&builder, &Environment::of(&|_| None)).unwrap();
        });
        let line = log
            .lines()
            .find(|line| line.contains("linked but not served"));
        let line = line.unwrap();
        assert!(line.contains(&module("hidden::hide")), "{line}");
        assert!(!line.contains(&module("shown::show")), "{line}");
    }

    #[test]
    fn a_module_is_named_by_all_of_its_segments() {
        assert!(is_within("app::admin", "app::admin"));
        assert!(is_within("app::admin::users", "app::admin"));
        assert!(!is_within("app::administration", "app::admin"));
        assert!(!is_within("app", "app::admin"));
    }
}
