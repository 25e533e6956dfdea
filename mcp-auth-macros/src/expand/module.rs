//! The expansion of `module_guard!`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;

use super::{declared, guard::requirements};
use crate::model::Requirements;

/// Returns a constant that contains the guard of a module. The constant has a fixed name, so that a `public` function finds the guard
/// ([`check_public`](super::guard::check_public)), and so that a module with two guards does not compile. The constant
/// is private: only this module and the modules inside it can import it.
pub(crate) fn expand_module(krate: &Path, stated: &Requirements) -> TokenStream {
    let declared = stated.names_permissions().then(declared);
    let requirements = requirements(stated);
    quote! {
        #[doc(hidden)]
        const __MODULE_GUARD: #krate::__private::GuardedModule =
            #krate::__private::GuardedModule::at(::core::concat!(
                ::core::file!(),
                ":",
                ::core::line!(),
                ":",
                ::core::column!()
            ));
        #[doc(hidden)]
        const _: () = {
            use #krate::__private;
            #declared
            __private::inventory::submit! {
                __private::ModuleGuard::new(::core::module_path!(), __MODULE_GUARD, #requirements)
            }
        };
    }
}
