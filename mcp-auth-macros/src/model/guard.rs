//! The checked guard of a primitive or of a module.

use syn::Ident;

use crate::{
    args::GuardArgs,
    entry::{Choice, List, Spelling},
};

#[derive(Debug)]
pub(crate) enum Guard {
    /// The word `public`.
    Public(Ident),
    SignedIn(Requirements),
}

/// The requirements that a caller must meet.
#[derive(Debug)]
pub(crate) struct Requirements {
    pub(crate) accept: Vec<Spelling>,
    pub(crate) no_actor: bool,
    pub(crate) user: bool,
    pub(crate) organization: bool,
    /// The lists of `permission`, `role` and similar keys.
    pub(crate) held: Vec<List>,
    pub(crate) choices: Vec<Choice>,
}

impl Requirements {
    pub(crate) fn of(args: GuardArgs) -> Self {
        Self {
            accept: args.accept.map(|list| list.values).unwrap_or_default(),
            no_actor: args.forbid_actor.is_some(),
            user: args.require_user.is_some(),
            organization: args.require_org.is_some(),
            held: [
                args.permissions,
                args.roles,
                args.features,
                args.plans,
                args.policies,
                args.reverification,
                args.scopes,
            ]
            .into_iter()
            .flatten()
            .collect(),
            choices: args.choices,
        }
    }

    /// Returns true if a permission is required, alone or in an alternative.
    pub(crate) fn names_permissions(&self) -> bool {
        let alternatives = self.choices.iter().flat_map(|choice| &choice.alternatives);
        let mut lists = self.held.iter().chain(alternatives);
        lists.any(|list| list.key == "permission")
    }
}
