//! `#[form]`: makes a struct a form that a person fills in, and an enum a list of choices.

mod rules;

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Path, Variant, ext::IdentExt,
    parse_quote, spanned::Spanned,
};

use self::rules::{FieldRules, VariantRules};
use crate::{
    docs::Description,
    entry::Entry,
    errors::{Errors, did_you_mean, listed},
    rename::{self, renamed, renamed_variant},
    secret::secret_in,
};

const KEYS: [&str; 2] = ["crate", "rename_all"];

#[derive(Default)]
struct FormArgs {
    krate: Option<Path>,
    rename_all: Option<LitStr>,
}

/// Returns the type with the implementation of its trait. If there are mistakes, returns the type without the
/// implementation, and all errors.
pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = FormArgs::parse(args, &mut errors);
    let mut item: DeriveInput = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(_) => {
            errors.at(item.to_token_stream().into_iter().next(), ITEM);
            let errors = errors.finish();
            return quote!(#item #errors);
        }
    };
    if !item.generics.params.is_empty() {
        errors.at(
            &item.generics,
            "a person fills in one concrete type: remove the generics",
        );
    }
    let rename_all = args.rename_all.as_ref().map(LitStr::value);
    let implementation = match &item.data {
        Data::Struct(data) => form(
            &item.ident,
            &data.fields,
            rename_all.as_deref(),
            &mut errors,
        ),
        Data::Enum(data) => {
            let variants: Vec<_> = data.variants.iter().collect();
            choices(&item.ident, &variants, rename_all.as_deref(), &mut errors)
        }
        Data::Union(data) => {
            errors.at(data.union_token, ITEM);
            TokenStream::new()
        }
    };
    remove_rules(&mut item);
    if !errors.is_empty() {
        let errors = errors.finish();
        return quote!(#item #errors);
    }
    let private = args.private();
    quote! {
        #item
        #[doc(hidden)]
        const _: () = {
            use #private as __private;
            #implementation
        };
    }
}

impl FormArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        for entry in Entry::all(tokens, errors) {
            let key = entry.key.clone();
            let given = match key.to_string().as_str() {
                "crate" => errors
                    .keep(entry.path())
                    .and_then(|path| args.krate.replace(path))
                    .is_some(),
                "rename_all" => errors
                    .keep(entry.literal("camelCase", &rename::rule))
                    .and_then(|rule| args.rename_all.replace(rule))
                    .is_some(),
                _ => {
                    errors.at(&key, unknown_key(&key, &KEYS));
                    false
                }
            };
            if given {
                errors.at(&key, format!("`{key}` is given twice"));
            }
        }
        args
    }

    fn private(&self) -> Path {
        match &self.krate {
            Some(krate) => parse_quote!(#krate::__private),
            None => parse_quote!(::mcp_auth::__private),
        }
    }
}

/// The implementation of a struct.
fn form(
    ident: &Ident,
    fields: &Fields,
    rename_all: Option<&str>,
    errors: &mut Errors,
) -> TokenStream {
    if let Fields::Unnamed(unnamed) = fields {
        errors.at(
            unnamed,
            "the fields of a form need names, which the person reads: write `struct Name { field: … }`",
        );
        return TokenStream::new();
    }
    let mut names = HashMap::new();
    let (mut declared, mut values) = (Vec::new(), Vec::new());
    for (index, field) in fields.iter().enumerate() {
        let Some(name) = &field.ident else { continue };
        let rules = FieldRules::read(&field.attrs, errors);
        let property = rules
            .rename
            .as_ref()
            .map(LitStr::value)
            .or_else(|| Some(renamed(&name.unraw().to_string(), rename_all?)))
            .unwrap_or_else(|| name.unraw().to_string());
        check_secret(name, &property, rules.rename.as_ref(), errors);
        check_unique(&mut names, name, &property, errors);
        let variable = Ident::new(&format!("field_{index}"), Span::mixed_site());
        declared.push(declaration(field, &variable, &property, &rules));
        values.push(quote!(#name: #variable?));
    }
    let fields = if declared.is_empty() {
        quote!(_)
    } else {
        fields_variable().into_token_stream()
    };
    quote! {
        #[automatically_derived]
        impl __private::Form for #ident {
            fn fill_in(
                #fields: &mut __private::FormFields<'_>,
            ) -> ::core::option::Option<Self> {
                #(#declared)*
                ::core::option::Option::Some(Self { #(#values),* })
            }
        }
    }
}

fn declaration(field: &Field, variable: &Ident, name: &str, rules: &FieldRules) -> TokenStream {
    let (ty, description) = (&field.ty, Description::of(&field.attrs));
    // A variable of the macro must not be visible in the expression of a default.
    let property = Ident::new("property", Span::mixed_site());
    let fields = fields_variable();
    let call = quote_spanned!(ty.span()=> #fields.field::<#ty>);
    quote! {
        let #variable = #call(#name, #description, |#property| #property #rules);
    }
}

fn fields_variable() -> Ident {
    Ident::new("fields", Span::mixed_site())
}

/// The implementation of an enum.
fn choices(
    ident: &Ident,
    variants: &[&Variant],
    rename_all: Option<&str>,
    errors: &mut Errors,
) -> TokenStream {
    if variants.is_empty() {
        errors.at(
            ident,
            "an enum without variants offers no choice: add a variant",
        );
    }
    let mut names = HashMap::new();
    let mut choices = Vec::new();
    for variant in variants {
        let name = &variant.ident;
        if !matches!(variant.fields, Fields::Unit) {
            errors.at(
                &variant.fields,
                "a person only chooses a variant, and cannot fill in fields of the variant: remove the fields",
            );
        }
        let rules = VariantRules::read(&variant.attrs, errors);
        let value = rules
            .rename
            .map(|rename| rename.value())
            .or_else(|| Some(renamed_variant(&name.unraw().to_string(), rename_all?)))
            .unwrap_or_else(|| name.unraw().to_string());
        check_unique(&mut names, name, &value, errors);
        let title = Description::of(&variant.attrs);
        choices.push(quote!(__private::Choice::new(#value, #title, || Self::#name)));
    }
    quote! {
        #[automatically_derived]
        impl __private::FormChoice for #ident {
            const CHOICES: &'static [__private::Choice<Self>] = &[#(#choices),*];
        }
    }
}

// struct Login { password: String }
fn check_secret(field: &Ident, property: &str, rename: Option<&LitStr>, errors: &mut Errors) {
    let name = field.unraw().to_string();
    let (name, span, secret) = match (secret_in(&name), secret_in(property), rename) {
        (Some(secret), ..) => (name.as_str(), field.to_token_stream(), secret),
        (None, Some(secret), Some(rename)) => (property, rename.to_token_stream(), secret),
        (None, Some(secret), None) => (property, field.to_token_stream(), secret),
        (None, None, _) => return,
    };
    errors.at(
        span,
        format!(
            "a form must not ask for a secret, and `{name}` is the name of a secret (`{secret}`): ask for it in URL mode, with `cx.elicit_url`"
        ),
    );
}

// struct Visit { #[form(rename = "city")] from: String, city: String }
fn check_unique<'a>(
    names: &mut HashMap<String, &'a Ident>,
    ident: &'a Ident,
    name: &str,
    errors: &mut Errors,
) {
    if let Some(first) = names.insert(name.to_owned(), ident) {
        errors.at(
            ident,
            format!("`{first}` and `{ident}` both have the name `{name}`"),
        );
    }
}

/// Removes the attributes that only this macro understands.
fn remove_rules(item: &mut DeriveInput) {
    let retain = |attributes: &mut Vec<Attribute>| {
        attributes.retain(|attribute| !attribute.path().is_ident("form"));
    };
    match &mut item.data {
        Data::Struct(data) => data
            .fields
            .iter_mut()
            .for_each(|field| retain(&mut field.attrs)),
        Data::Enum(data) => data
            .variants
            .iter_mut()
            .for_each(|variant| retain(&mut variant.attrs)),
        Data::Union(data) => data
            .fields
            .named
            .iter_mut()
            .for_each(|field| retain(&mut field.attrs)),
    }
}

fn unknown_key(key: &Ident, accepted: &[&str]) -> String {
    format!(
        "unknown key `{key}`{}\nnote: accepted are {}",
        did_you_mean(&key.to_string(), accepted),
        listed(accepted)
    )
}

const ITEM: &str = "`#[form]` goes on a `struct` with named fields, or on an `enum`";
