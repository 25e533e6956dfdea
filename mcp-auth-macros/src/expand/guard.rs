//! The guard as a constant value.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{ext::IdentExt, spanned::Spanned};

use super::{located, spelled};
use crate::{
    entry::{Choice, List, Spelling},
    model::{Guard, Handler},
    parameter::{Parameter, Role},
};

pub(super) fn guard(handler: &Handler) -> TokenStream {
    let required = handler
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.role, Role::Injected));
    match &handler.guard {
        Guard::Public => {
            // Each check is a separate `const`, so that the compiler points at the type that adds a
            // requirement.
            let implied = required.map(|parameter| {
                let implied = implied(parameter, "in_public");
                quote_spanned!(parameter.ty.span()=> const { #implied })
            });
            quote!(__private::Guard::public().implied(&[#(#implied),*]))
        }
        Guard::SignedIn {
            accept,
            no_actor,
            user,
            organization,
            held,
            choices,
        } => {
            let kinds = accept.iter().map(|text| self::held(text, "accept"));
            let accept = (!accept.is_empty())
                .then(|| quote!(__private::Requirement::Accept(&[#(#kinds),*])));
            let no_actor = no_actor.then(|| quote!(__private::Requirement::NoActor));
            let user = user.then(|| quote!(__private::Requirement::User));
            let organization = organization.then(|| quote!(__private::Requirement::Organization));
            let requirements = [accept, no_actor, user, organization]
                .into_iter()
                .flatten()
                .chain(held.iter().flat_map(all_held))
                .chain(choices.iter().map(choice));
            let implied = required.map(|parameter| implied(parameter, "of"));
            quote!(__private::Guard::signed_in(&[#(#requirements),*]).implied(&[#(#implied),*]))
        }
    }
}

fn choice(choice: &Choice) -> TokenStream {
    let alternatives = choice.alternatives.iter().map(|list| {
        let all = all_held(list);
        quote!(&[#(#all),*])
    });
    quote!(__private::Requirement::Any(&[#(#alternatives),*]))
}

fn all_held(List { key, values, .. }: &List) -> impl Iterator<Item = TokenStream> {
    let key = key.unraw().to_string();
    values.iter().map(move |text| held(text, &key))
}

/// The requirements that an injected type adds to the guard, with the name of the parameter.
fn implied(parameter: &Parameter, function: &str) -> TokenStream {
    let (name, ty) = (parameter.ident.unraw().to_string(), &parameter.ty);
    let function = Ident::new(function, ty.span());
    quote_spanned!(ty.span()=> __private::Implied::#function::<#ty>(#name))
}

/// A permission, a role or a similar value as a requirement.
fn held(text: &Spelling, key: &str) -> TokenStream {
    if key == "permission" {
        let span = located(text.span());
        spelled(text, key, &quote_spanned!(span=> __DECLARED))
    } else {
        spelled(text, key, &TokenStream::new())
    }
}
