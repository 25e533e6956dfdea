//! The guards of modules: the requirements that `module_guard!` states for all tools, prompts and resources in a
//! module.
//!
//! INVARIANT: a decision about a tool, a prompt or a resource includes the guards of all modules around it.
//! `#[mcp_tool]` generates an [`OwnGuard`], about which no decision is possible. Only [`OwnGuard::in_module`] makes a
//! [`Guard`] from an [`OwnGuard`], and adds the guards of the modules.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use super::names::const_panic_with;
use super::requirement::{Guard, Implied, Requirement};

/// The guard that `module_guard!` states for a module.
#[derive(Clone, Copy, Debug)]
pub struct ModuleGuard {
    module: &'static str,
    place: &'static str,
    requirements: &'static [Requirement],
}

impl ModuleGuard {
    /// States the requirements of all tools, prompts and resources in `module`. `place` is the place of the
    /// `module_guard!`.
    ///
    /// # Panics
    ///
    /// If `place` is [`NO_MODULE_GUARD`]. In a `const` that is a compile error.
    #[must_use]
    pub const fn new(
        module: &'static str,
        place: GuardedModule,
        requirements: &'static [Requirement],
    ) -> Self {
        let GuardedModule(Some(place)) = place else {
            const_panic_with(&["the guard of a module needs a place"]);
        };
        Self {
            module,
            place,
            requirements,
        }
    }

    /// Returns the path of the guarded module, as `module_path!()` writes it.
    pub(crate) fn module(&self) -> &'static str {
        self.module
    }

    /// Returns the file, line and column of the `module_guard!`.
    pub(crate) fn place(&self) -> &'static str {
        self.place
    }

    pub(super) fn requirements(&self) -> impl Iterator<Item = Requirement> + use<> {
        self.requirements.iter().copied()
    }
}

inventory::collect!(ModuleGuard);

/// The place of the `module_guard!` in the module of a `public` function. `None` if the module has no guard.
#[derive(Clone, Copy, Debug)]
pub struct GuardedModule(Option<&'static str>);

/// The default: a module without a guard.
pub const NO_MODULE_GUARD: GuardedModule = GuardedModule(None);

impl GuardedModule {
    /// A module with a `module_guard!` at this place.
    #[must_use]
    pub const fn at(place: &'static str) -> Self {
        Self(Some(place))
    }

    /// Asserts that a function in the module may be `public`.
    ///
    /// # Panics
    ///
    /// If the module has a guard. In a `const` that is a compile error.
    #[track_caller]
    pub const fn check_public(self) {
        if let Some(place) = self.0 {
            const_panic_with(&[
                "`public` would loosen the guard of the module, which `module_guard!` states at ",
                place,
                ": move the function to another module, or drop `public`",
            ]);
        }
    }
}

/// The guard that the attribute and the injected parameters of a function state, without the guards of the modules.
#[derive(Clone, Copy)]
pub struct OwnGuard(Guard);

impl OwnGuard {
    /// Makes the guard of a `public` function.
    #[must_use]
    pub const fn public() -> Self {
        Self(Guard::public())
    }

    /// Makes the guard of a function that needs a signed-in caller who meets all requirements.
    #[must_use]
    pub const fn signed_in(required: &'static [Requirement]) -> Self {
        Self(Guard::signed_in(required))
    }

    /// Adds the requirements of the injected parameters.
    #[must_use]
    pub const fn implied(self, implied: &'static [Implied]) -> Self {
        Self(self.0.implied(implied))
    }

    /// Adds the guards of the module and of all modules around it.
    pub(crate) fn in_module(self, module: &str) -> Guard {
        self.0.within(around(module))
    }

    /// Returns the innermost guard of a module around a `public` function, because `public` would loosen this guard.
    /// `None` if the function is not `public`, or if no module around it has a guard.
    pub(crate) fn loosens(self, module: &str) -> Option<&'static ModuleGuard> {
        let innermost = around(module).last().copied();
        innermost.filter(|_| self.0.is_public())
    }
}

impl fmt::Debug for OwnGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnGuard({})", self.0)
    }
}

/// Returns true if `module` is `parent` or a module inside `parent`.
pub(crate) fn is_within(module: &str, parent: &str) -> bool {
    module
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns the linked guards of a module and of all modules around it, the outermost guard first.
fn around(module: &str) -> &'static [&'static ModuleGuard] {
    static LINKED: LazyLock<Chains> = LazyLock::new(|| {
        Chains::of(
            &inventory::iter::<ModuleGuard>
                .into_iter()
                .collect::<Vec<_>>(),
        )
    });
    LINKED.around(module)
}

/// For each guarded module, its guard and the guards of the modules around it.
#[derive(Debug)]
struct Chains(BTreeMap<&'static str, Vec<&'static ModuleGuard>>);

impl Chains {
    fn of(guards: &[&'static ModuleGuard]) -> Self {
        let chain = |module: &str| {
            let around = guards.iter().copied();
            let around = around.filter(|guard| is_within(module, guard.module));
            let mut chain: Vec<_> = around.collect();
            // Sort, so that the order does not depend on the linker.
            chain.sort_by_key(|guard| (guard.module.len(), guard.place));
            chain
        };
        let modules = guards.iter().map(|guard| guard.module);
        Self(modules.map(|module| (module, chain(module))).collect())
    }

    fn around(&self, module: &str) -> &[&'static ModuleGuard] {
        let around = self
            .0
            .iter()
            .filter(|(parent, _)| is_within(module, parent));
        let innermost = around.max_by_key(|(parent, _)| parent.len());
        innermost.map_or(&[], |(_, chain)| chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Permission, Role};

    const BILLING: Requirement = Requirement::Permission(Permission::new("org:billing:manage"));
    const ADMIN: Requirement = Requirement::Role(Role::new("admin"));
    const ORG: Requirement = Requirement::Organization;

    static ROOT: ModuleGuard = guard("shop", "lib.rs:1:1", &[ORG]);
    static OUTER: ModuleGuard = guard("shop::billing", "billing.rs:1:1", &[BILLING]);
    static INNER: ModuleGuard = guard("shop::billing::refunds", "refunds.rs:1:1", &[ADMIN]);
    static AGAIN: ModuleGuard = guard("shop::billing", "billing.rs:9:5", &[ORG]);
    static OTHER: ModuleGuard = guard("tools", "tools.rs:1:1", &[ADMIN]);

    const fn guard(
        module: &'static str,
        place: &'static str,
        requirements: &'static [Requirement],
    ) -> ModuleGuard {
        ModuleGuard::new(module, GuardedModule::at(place), requirements)
    }

    fn places(guards: &[&'static ModuleGuard], module: &str) -> Vec<&'static str> {
        let chains = Chains::of(guards);
        let around = chains.around(module).iter();
        around.map(|guard| guard.place()).collect()
    }

    #[test]
    fn a_guard_covers_its_module_and_the_modules_inside_and_no_other() {
        let guards = [&INNER, &OTHER, &OUTER];
        for (module, expected) in [
            ("shop", &[][..]),
            ("shop::billing", &["billing.rs:1:1"]),
            ("shop::billing::invoices::old", &["billing.rs:1:1"]),
            (
                "shop::billing::refunds",
                &["billing.rs:1:1", "refunds.rs:1:1"],
            ),
            (
                "shop::billing::refunds::partial",
                &["billing.rs:1:1", "refunds.rs:1:1"],
            ),
            ("shop::billing2", &[]),
            ("shop::billing::refunds2", &["billing.rs:1:1"]),
            ("shop::api::billing", &[]),
            ("tools::shop::billing", &["tools.rs:1:1"]),
            ("tools2", &[]),
            ("other", &[]),
        ] {
            assert_eq!(places(&guards, module), expected, "{module}");
        }
    }

    #[test]
    fn all_guards_apply_from_the_outside_in_whatever_the_linker_does() {
        let mut guards = [&ROOT, &OUTER, &INNER, &AGAIN];
        let expected = [
            "lib.rs:1:1",
            "billing.rs:1:1",
            "billing.rs:9:5",
            "refunds.rs:1:1",
        ];
        for _ in 0..guards.len() {
            guards.rotate_left(1);
            assert_eq!(places(&guards, "shop::billing::refunds"), expected);
        }
    }

    #[test]
    fn a_module_adds_its_requirements_before_those_of_the_function() {
        static CHAIN: [&ModuleGuard; 2] = [&OUTER, &INNER];
        let own = Guard::signed_in(&[ORG, BILLING]);
        let guard = own.within(&CHAIN);
        let all: Vec<_> = guard.requirements().collect();
        assert_eq!(all, [BILLING, ADMIN, ORG, BILLING]);
        assert_eq!(
            guard.to_string(),
            "organization, role org:admin (module shop::billing::refunds), \
             permission org:billing:manage (module shop::billing)"
        );
        assert!(guard.needs_organization() && guard.needs_membership());
        assert!(guard.uses_organization() && guard.uses_membership());
        assert_eq!(guard.module_of(BILLING), Some("shop::billing"));
        assert_eq!(guard.module_of(ORG), None);
        assert_eq!(own.module_of(BILLING), None);
    }

    #[test]
    fn nothing_in_a_guarded_module_is_public() {
        static CHAIN: [&ModuleGuard; 1] = [&OUTER];
        let guard = Guard::public().within(&CHAIN);
        assert!(!guard.is_public());
        let all: Vec<_> = guard.requirements().collect();
        assert_eq!(all, [BILLING]);
        assert!(Guard::public().within(&[]).is_public());
        assert!(OwnGuard::public().loosens("no::such::module").is_none());
    }

    #[test]
    #[should_panic(
        expected = "`public` would loosen the guard of the module, which `module_guard!` states at a.rs:1:1: move the function to another module, or drop `public`"
    )]
    fn a_public_function_finds_the_guard_of_its_module() {
        GuardedModule::at("a.rs:1:1").check_public();
    }

    #[test]
    fn a_module_without_a_guard_may_have_public_functions() {
        NO_MODULE_GUARD.check_public();
    }
}
