//! Which of the tools that are linked into the program a server serves.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::tool::{Registration, ToolInfo};

use super::error::StartError;

/// Serves the calling package's tools; naming a module of it narrows that, naming a crate or a
/// module elsewhere adds. No dependency adds a tool to a server that does not name it.
#[derive(Clone)]
pub(super) struct Selection {
    package: &'static str,
    named: Vec<Named>,
    condition: Option<Arc<Condition>>,
}

type Condition = dyn Fn(&ToolInfo) -> bool + Send + Sync;

/// A path as it was written, and what it can mean: only one of these can exist.
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
    /// Whether one of them is of the calling package.
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

    /// Adds a path as a `use` in `module` spells it.
    pub(super) fn name_in(&mut self, module: &str, path: &str) {
        // The compiler may spell it with blanks.
        let written: String = path.split_whitespace().collect();
        self.named.push(Named {
            meanings: meanings(module, &written),
            written,
        });
    }

    /// Adds a condition; all of them have to hold.
    pub(super) fn only_if(
        &mut self,
        condition: impl Fn(&ToolInfo) -> bool + Send + Sync + 'static,
    ) {
        self.condition = Some(match self.condition.take() {
            None => Arc::new(condition),
            Some(first) => Arc::new(move |tool: &ToolInfo| first(tool) && condition(tool)),
        });
    }

    /// Looks the names up among what is linked.
    pub(super) fn resolve(&self) -> Result<Selected<'_>, StartError> {
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
            linked().any(|tool| tool.package() == self.package && is_within(tool.module(), module))
        });
        Ok(Selected {
            selection: self,
            modules,
            narrowed,
        })
    }

    /// That there are no tools, for a server that selects some but has none of them.
    pub(super) fn nothing(&self) -> StartError {
        match &self.condition {
            Some(_) => StartError::NoToolLeft,
            None => StartError::NoTools {
                package: self.package,
            },
        }
    }

    fn nothing_in(&self, path: &str) -> StartError {
        let modules: BTreeSet<_> = linked().map(|tool| tool.module()).collect();
        StartError::NoToolsIn {
            path: path.to_owned(),
            modules: modules.into_iter().collect(),
        }
    }
}

impl Selected<'_> {
    pub(super) fn serves(&self, tool: &ToolInfo) -> bool {
        let Selection {
            package, condition, ..
        } = self.selection;
        let named = || {
            let mut modules = self.modules.iter();
            modules.any(|module| is_within(tool.module(), module))
        };
        let own = tool.package() == *package && !self.narrowed;
        (own || named()) && condition.as_ref().is_none_or(|holds| holds(tool))
    }

    /// The linked tools that are not served, in the order of their modules.
    pub(super) fn unserved(&self) -> Vec<String> {
        let unserved = linked().filter(|tool| !self.serves(tool));
        let unserved: BTreeSet<_> = unserved.map(|tool| (tool.module(), tool.name())).collect();
        let spell = |(module, name)| format!("{module}::{name}");
        unserved.into_iter().map(spell).collect()
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

fn linked() -> impl Iterator<Item = ToolInfo> {
    Registration::linked().map(|tool| ToolInfo::of(&tool.declaration))
}

/// The full paths that `path` can stand for in `module`: a module there or a crate. The compiler
/// lets nobody `use` a name that is both.
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

fn is_within(module: &str, parent: &str) -> bool {
    module
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::test_support::logged;
    use crate::server::builder::ServerBuilder;
    use crate::server::environment::Environment;
    use crate::server::start::matrix;

    #[test]
    fn a_path_means_what_use_takes_it_for() {
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
    fn what_is_linked_and_not_served_is_in_the_log() {
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
    fn a_module_is_named_whole() {
        assert!(is_within("app::admin", "app::admin"));
        assert!(is_within("app::admin::users", "app::admin"));
        assert!(!is_within("app::administration", "app::admin"));
        assert!(!is_within("app", "app::admin"));
    }
}
