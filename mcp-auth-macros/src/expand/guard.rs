//! The guard as a constant value.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, ext::IdentExt, spanned::Spanned};

use super::{located, spelled};
use crate::{
    entry::{Choice, List, Spelling},
    model::{Guard, Handler, Requirements},
    parameter::{Parameter, Role},
};

pub(super) fn guard(handler: &Handler) -> TokenStream {
    let required = handler
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.role, Role::Injected));
    match &handler.guard {
        Guard::Public(_) => {
            // Each check is a separate `const`, so that the compiler points at the type that adds a
            // requirement.
            let implied = required.map(|parameter| {
                let implied = implied(parameter, "in_public");
                quote_spanned!(parameter.ty.span()=> const { #implied })
            });
            quote!(__private::OwnGuard::public().implied(&[#(#implied),*]))
        }
        Guard::SignedIn(stated) => {
            let stated = requirements(stated);
            let implied = required.map(|parameter| implied(parameter, "of"));
            quote!(__private::OwnGuard::signed_in(#stated).implied(&[#(#implied),*]))
        }
    }
}

/// The requirements that an attribute or `module_guard!` states.
pub(super) fn requirements(stated: &Requirements) -> TokenStream {
    let Requirements {
        accept,
        no_actor,
        user,
        organization,
        held,
        choices,
    } = stated;
    let kinds = accept.iter().map(|text| self::held(text, "accept"));
    let accept =
        (!accept.is_empty()).then(|| quote!(__private::Requirement::Accept(&[#(#kinds),*])));
    let no_actor = no_actor.then(|| quote!(__private::Requirement::NoActor));
    let user = user.then(|| quote!(__private::Requirement::User));
    let organization = organization.then(|| quote!(__private::Requirement::Organization));
    let requirements = [accept, no_actor, user, organization]
        .into_iter()
        .flatten()
        .chain(held.iter().flat_map(all_held))
        .chain(choices.iter().map(choice));
    quote!(&[#(#requirements),*])
}

/// The check that no `module_guard!` encloses a `public` function. The compiler reports a mistake at the word `public`.
/// The check finds a guard of this module, and a guard that this module imports from the module around it. The server
/// finds the guards of all other modules when it starts.
///
/// The outer block imports the default by name. A glob import in the inner block hides the default if the module has a
/// guard. The inner block evaluates no code of the user.
pub(super) fn check_public(public: &Ident) -> TokenStream {
    let check = Ident::new("check_public", public.span());
    let check = quote_spanned!(public.span()=> __GUARDED.#check());
    quote! {
        use __private::NO_MODULE_GUARD as __MODULE_GUARD;
        const __GUARDED: __private::GuardedModule = {
            use self::*;
            __MODULE_GUARD
        };
        const _: () = #check;
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
        return spelled(text, key, &quote_spanned!(span=> __DECLARED));
    }
    match function_name(text) {
        Some(name) if key == "policy" => {
            let span = located(text.span());
            quote_spanned! {span=> const {
                let __policy: fn(&__private::CallerFacts<'_>) -> bool = #text;
                __private::function_policy(#name, __policy)
            }}
        }
        Some(_) | None => spelled(text, key, &TokenStream::new()),
    }
}

/// Returns the last segment of a path, if it is written like the name of a function and not like the name of a
/// constant.
fn function_name(text: &Spelling) -> Option<String> {
    let Spelling::Constant(Expr::Path(path)) = text else {
        return None;
    };
    let name = path.path.segments.last()?.ident.unraw().to_string();
    name.contains(char::is_lowercase).then_some(name)
}
