//! `permissions! { … }`: declares the permissions of an application as constants.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{
    Attribute, Ident, LitStr, Token, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
};

use crate::{errors::Errors, grammar};

/// The input of the macro: the path of the crate, which `macro_rules!` adds, and the text between the braces.
#[derive(Debug)]
struct Permissions {
    krate: TokenStream,
    only: Option<Ident>,
    declared: Vec<Permission>,
}

/// `pub READ = "org:documents:read";`
#[derive(Debug)]
struct Permission {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    ident: Ident,
    key: LitStr,
}

pub(crate) fn expand(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let read = |input: ParseStream<'_>| Permissions::parse(input, &mut errors);
    let read = read.parse2(tokens);
    let Some(permissions) = errors.keep(read) else {
        return errors.finish();
    };
    permissions.check(&mut errors);
    let constants = permissions.constants();
    // The expansion always contains the constants. Otherwise each use of a constant would be another error.
    let errors = errors.finish();
    quote!(#constants #errors)
}

impl Permissions {
    fn parse(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let mut krate = TokenStream::new();
        while !input.peek(Token![;]) {
            krate.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Token![;]>()?;
        let only = if input.peek(Ident::peek_any) && input.peek2(Token![;]) {
            let word = input.call(Ident::parse_any)?;
            input.parse::<Token![;]>()?;
            if word == "only" {
                Some(word)
            } else {
                errors.at(&word, FORM);
                None
            }
        } else {
            None
        };
        let mut declared = Vec::new();
        while !input.is_empty() {
            declared.extend(errors.keep(input.parse::<Permission>()));
            while !input.is_empty() && !input.peek(Token![;]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![;]>>()?;
        }
        Ok(Self {
            krate,
            only,
            declared,
        })
    }

    fn check(&self, errors: &mut Errors) {
        if let Some(only) = &self.only
            && self.declared.is_empty()
            && errors.is_empty()
        {
            errors.at(only, "`only` permits only the permissions that are declared here, and none is declared: declare a permission, or remove `only`");
        }
        let mut seen: HashMap<String, &Ident> = HashMap::new();
        for Permission { ident, key, .. } in &self.declared {
            if let Some(first) = seen.get(&key.value()) {
                errors.at(
                    key,
                    format!("this permission is already declared as `{first}`"),
                );
            } else if let Err(message) = grammar::permission(&key.value()) {
                errors.at(key, message);
            }
            seen.insert(key.value(), ident);
        }
    }

    fn constants(&self) -> TokenStream {
        let Self {
            krate,
            only,
            declared,
        } = self;
        let constants = declared.iter().map(|permission| {
            let Permission {
                attributes,
                visibility,
                ident,
                key,
            } = permission;
            // Replace a wrong key, so that it is reported only once. Otherwise the constant could not be evaluated,
            // which would be another error.
            let key = match grammar::permission(&key.value()) {
                Ok(()) => key.clone(),
                Err(_) => LitStr::new("org:wrong:key", key.span()),
            };
            quote! {
                #(#attributes)*
                #[allow(dead_code, reason = "a permission may be named as a text, or not yet")]
                #visibility const #ident: #krate::Permission = #krate::Permission::new(#key);
            }
        });
        let only = only.as_ref().map(|only| {
            let keys = declared.iter().map(
                |Permission {
                     attributes, key, ..
                 }| {
                    let conditions = attributes
                        .iter()
                        .filter(|attribute| attribute.path().is_ident("cfg"));
                    quote!(#(#conditions)* #key)
                },
            );
            let place = quote!(::core::concat!(
                ::core::file!(),
                ":",
                ::core::line!(),
                ":",
                ::core::column!()
            ));
            // `expand::declared` finds the constant only at the root of the crate.
            let root = quote_spanned!(only.span()=> __ROOT.check_is_at(#place));
            quote! {
                #[doc(hidden)]
                pub(crate) const __MCP_AUTH_PERMISSIONS: #krate::__private::Declared =
                    #krate::__private::Declared::only(&[#(#keys),*], #place);
                const _: () = {
                    use #krate::__private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
                    const __ROOT: #krate::__private::Declared = {
                        use crate::*;
                        __MCP_AUTH_PERMISSIONS
                    };
                    #root
                };
            }
        });
        quote!(#(#constants)* #only)
    }
}

impl Parse for Permission {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let form = |_| input.error(FORM);
        let ident = input.parse::<Ident>().map_err(form)?;
        input.parse::<Token![=]>().map_err(form)?;
        let key = input.parse::<LitStr>().map_err(form)?;
        if input.peek(Token![;]) {
            Ok(Self {
                attributes,
                visibility,
                ident,
                key,
            })
        } else {
            Err(input.error(format!("expected `;` after `{ident}` and its key")))
        }
    }
}

const FORM: &str = "a permission is declared like a constant: `pub READ = \"org:documents:read\";`";
