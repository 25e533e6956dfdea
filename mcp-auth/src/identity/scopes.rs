//! The scopes that imply other scopes.

use std::collections::{BTreeMap, BTreeSet};

/// The scopes that imply other scopes, from the server's configuration. A scope that is not
/// configured implies only itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeHierarchy {
    /// For each scope, the other scopes that it implies, directly or through others.
    contained: BTreeMap<String, BTreeSet<String>>,
}

/// A scope implies itself through other scopes. The list begins and ends with this scope.
#[derive(Debug)]
pub(crate) struct ScopeCycle(pub(crate) Vec<String>);

impl ScopeHierarchy {
    /// Creates the hierarchy. Each scope implies the scopes that are listed with it.
    ///
    /// # Errors
    /// [`ScopeCycle`] if a scope implies itself.
    pub(crate) fn new(implications: &[(String, Vec<String>)]) -> Result<Self, ScopeCycle> {
        let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (scope, implied) in implications {
            let implied = implied.iter().map(String::as_str);
            direct.entry(scope).or_default().extend(implied);
        }
        let mut contained = BTreeMap::new();
        for &scope in direct.keys() {
            let mut found = BTreeSet::new();
            walk(&direct, &mut vec![scope], &mut found)?;
            contained.insert(
                scope.to_owned(),
                found.into_iter().map(str::to_owned).collect(),
            );
        }
        Ok(Self { contained })
    }

    /// Returns true if one of the granted scopes is this scope or implies this scope.
    pub(crate) fn has(&self, granted: &[String], scope: &str) -> bool {
        granted
            .iter()
            .any(|granted| granted == scope || self.contains(granted, scope))
    }

    /// Removes each scope that another scope of the list implies. Adds no scope.
    pub(crate) fn fewest(&self, scopes: Vec<String>) -> Vec<String> {
        let all = scopes.clone();
        let brought = |scope: &String| all.iter().any(|other| self.contains(other, scope));
        scopes.into_iter().filter(|scope| !brought(scope)).collect()
    }

    fn contains(&self, scope: &str, other: &str) -> bool {
        let contained = self.contained.get(scope);
        contained.is_some_and(|contained| contained.contains(other))
    }
}

/// Collects the scopes that the last scope of `path` implies.
fn walk<'a>(
    direct: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    path: &mut Vec<&'a str>,
    found: &mut BTreeSet<&'a str>,
) -> Result<(), ScopeCycle> {
    let next = path.last().and_then(|scope| direct.get(scope));
    for &scope in next.into_iter().flatten() {
        if let Some(start) = path.iter().position(|passed| *passed == scope) {
            let around = path.iter().skip(start).chain([&scope]);
            return Err(ScopeCycle(around.map(ToString::to_string).collect()));
        }
        if found.insert(scope) {
            path.push(scope);
            walk(direct, path, found)?;
            path.pop();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(implications: &[(&str, &[&str])]) -> Result<ScopeHierarchy, ScopeCycle> {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let implications: Vec<_> = implications
            .iter()
            .map(|(scope, implied)| ((*scope).to_owned(), owned(implied)))
            .collect();
        ScopeHierarchy::new(&implications)
    }

    #[test]
    fn a_scope_contains_what_those_it_contains_contain() {
        let scopes = hierarchy(&[
            ("read", &["list"]),
            ("admin", &["write"]),
            ("write", &["read"]),
            ("write", &["upload"]),
        ])
        .unwrap();
        let admin = ["admin".to_owned()];
        for scope in ["admin", "write", "upload", "read", "list"] {
            assert!(scopes.has(&admin, scope), "{scope}");
        }
        let read = ["read".to_owned(), "other".to_owned()];
        for (scope, has) in [
            ("read", true),
            ("list", true),
            ("other", true),
            ("write", false),
            ("admin", false),
            ("rea", false),
        ] {
            assert_eq!(scopes.has(&read, scope), has, "{scope}");
        }
        assert!(!scopes.has(&[], "list"));
    }

    #[test]
    fn two_ways_to_one_scope_are_no_cycle() {
        let scopes = hierarchy(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"])]).unwrap();
        assert!(scopes.has(&["a".to_owned()], "d"));
    }

    #[test]
    fn a_cycle_is_named_without_the_way_to_it() {
        let around = |implications: &[(&str, &[&str])]| hierarchy(implications).unwrap_err().0;
        assert_eq!(around(&[("a", &["a"])]), ["a", "a"]);
        assert_eq!(
            around(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"])]),
            ["b", "c", "d", "b"]
        );
    }

    #[test]
    fn a_scope_that_another_scope_contains_is_not_requested() {
        let scopes = hierarchy(&[("write", &["read"]), ("read", &["list"])]).unwrap();
        let fewest = |asked: &[&str]| {
            let asked = asked.iter().map(ToString::to_string).collect();
            scopes.fewest(asked)
        };
        assert_eq!(fewest(&["list", "write", "other"]), ["write", "other"]);
        assert_eq!(fewest(&["read", "list"]), ["read"]);
        // A wider scope than needed is never requested.
        assert_eq!(fewest(&["list"]), ["list"]);
    }
}
