//! `#[data]`: adds the derives to a struct or an enum that clients send or get. With `#[data]` the package needs no
//! dependency on serde or schemars.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Field, Fields, Ident, Meta, Path, Token, Type, ext::IdentExt,
    parse_quote, punctuated::Punctuated, spanned::Spanned,
};

use crate::{
    entry::Entry,
    errors::{Errors, did_you_mean, listed},
    garde::{SuppressedKeyword, check_dependency, check_undived, reaches_in},
    parameter::{SCHEMA_ONLY, each_key, unenforced},
    source::source,
    types::option_of,
};

const KEYS: [&str; 2] = ["allow_unknown", "crate"];

/// The attributes that the derives understand.
const HELPERS: [&str; 4] = ["garde", "schemars", "serde", "validate"];

#[derive(Default)]
struct DataArgs {
    allow_unknown: Option<Ident>,
    krate: Option<Path>,
}

/// Returns the type with its derives. If there are mistakes, returns the type without derives, and
/// all errors.
pub(crate) fn expand(args: TokenStream, item: &TokenStream, manifest: Option<&str>) -> TokenStream {
    let mut errors = Errors::default();
    let args = DataArgs::parse(args, &mut errors);
    let mut item: DeriveInput = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(_) => {
            errors.at(item.to_token_stream().into_iter().next(), ITEM);
            let errors = errors.finish();
            return quote!(#item #errors);
        }
    };
    if let Data::Union(data) = &item.data {
        errors.at(data.union_token, ITEM);
    }
    let garde = fields(&mut item.data)
        .flat_map(|field| &field.attrs)
        .find(|attribute| attribute.path().is_ident("garde"))
        .map(|attribute| attribute.path().clone());
    let mut missing = Errors::default();
    check_dependency(garde.as_ref(), manifest, &mut missing);
    // Remove the rules from the type, so that only the missing dependency is reported.
    let garde = garde.filter(|_| missing.is_empty());
    if !missing.is_empty() {
        retain_attributes(&mut item, |attribute| !attribute.path().is_ident("garde"));
    }
    let missing = (!missing.is_empty()).then(|| missing.finish());
    check_derives(&mut item.attrs, garde.is_some(), &mut errors);
    check_flatten(&args, &mut item.data, &mut errors);
    check_tag(&args, &item, &mut errors);
    check_rules(&mut item.data, &mut errors);
    let private = args.private();
    for field in fields(&mut item.data) {
        let rules = field
            .attrs
            .iter()
            .filter(|attribute| attribute.path().is_ident("garde"));
        let unshown: Vec<_> = rules
            .flat_map(|rules| SuppressedKeyword::of(rules, &field.ty, &mut errors))
            .collect();
        for keyword in unshown {
            let transform = keyword.transform(&private);
            field.attrs.push(parse_quote!(#transform));
        }
        if leaves_out_none(field) {
            field
                .attrs
                .push(parse_quote!(#[schemars(transform = #private::NeverNull)]));
        }
    }
    if !errors.is_empty() {
        retain_attributes(&mut item, |attribute| !is_helper(attribute));
        let errors = errors.finish();
        return quote!(#item #missing #errors);
    }
    let checks = field_checks(&private, &mut item);
    let derives = derives(&args, &item, garde.as_ref());
    let rules = rules(&private, &mut item, garde.is_some());
    quote!(#derives #item #checks #rules #missing)
}

fn retain_attributes(item: &mut DeriveInput, keeps: impl Fn(&Attribute) -> bool) {
    item.attrs.retain(&keeps);
    for field in fields(&mut item.data) {
        field.attrs.retain(&keeps);
    }
    if let Data::Enum(data) = &mut item.data {
        for variant in &mut data.variants {
            variant.attrs.retain(&keeps);
        }
    }
}

/// Checks for each field that its type can be in a type with `#[data]`. The derives check this too, but report one
/// error for each trait, and refer to serde. Fields with an attribute that changes how the field is read are not
/// checked here.
// #[data] struct Filter { urgency: Urgency }
fn field_checks(private: &Path, item: &mut DeriveInput) -> Option<TokenStream> {
    if !item.generics.params.is_empty() {
        return None;
    }
    let plain = [
        "alias",
        "default",
        "flatten",
        "rename",
        "skip_serializing_if",
        "transform",
    ];
    let is_plain = |field: &&mut Field| {
        let mut helpers = field.attrs.iter().filter(|attribute| {
            attribute.path().is_ident("serde") || attribute.path().is_ident("schemars")
        });
        let only_plain = |attribute: &Attribute| {
            names(attribute)
                .iter()
                .all(|name| plain.contains(&name.as_str()))
        };
        helpers.all(only_plain) && !has_self(&field.ty)
    };
    let checks: Vec<_> = fields(&mut item.data)
        .filter(is_plain)
        .map(|field| {
            let ty = &field.ty;
            quote_spanned!(ty.span()=> __private::IsField<#ty>)
        })
        .collect();
    (!checks.is_empty()).then(|| {
        quote! {
            #[doc(hidden)]
            const _: () = {
                use #private as __private;
                struct __Checked(#(#checks),*);
            };
        }
    })
}

impl DataArgs {
    fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        for entry in Entry::all(tokens, errors) {
            let key = entry.key.unraw().to_string();
            let given = match key.as_str() {
                "allow_unknown" => args.allow_unknown.is_some(),
                "crate" => args.krate.is_some(),
                _ => {
                    let message = format!(
                        "unknown key `{key}`{}\nnote: accepted are {}",
                        did_you_mean(&key, &KEYS),
                        listed(&KEYS)
                    );
                    errors.at(&entry.key, message);
                    continue;
                }
            };
            if given {
                errors.at(&entry.key, format!("`{key}` is given twice"));
            } else if key == "crate" {
                args.krate = errors.keep(entry.path());
            } else {
                args.allow_unknown = errors.keep(entry.flag());
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

fn derives(args: &DataArgs, item: &DeriveInput, garde: Option<&Path>) -> TokenStream {
    let private = args.private();
    let path = source(&private);
    let (serde, schemars) = (format!("{path}::serde"), format!("{path}::schemars"));
    let deny_unknown = (args.allow_unknown.is_none() && refuses_unknown(item))
        .then(|| quote!(#[serde(deny_unknown_fields)]));
    let validate = garde.map(|garde| {
        let derive = quote_spanned!(garde.span()=> ::garde::Validate);
        let allow = (!has(&item.attrs, "garde", "allow_unvalidated"))
            .then(|| quote!(#[garde(allow_unvalidated)]));
        quote!(#[derive(#derive)] #allow)
    });
    quote! {
        #[derive(#private::serde::Serialize, #private::serde::Deserialize, #private::schemars::JsonSchema)]
        #[serde(crate = #serde)]
        #[schemars(crate = #schemars)]
        #deny_unknown
        #validate
    }
}

/// Marks the type as a type with rules, and checks that no rules of inner types are ignored. The rules of the inner
/// types of a generic type are not known, so a generic type is not checked.
fn rules(private: &Path, item: &mut DeriveInput, validates: bool) -> TokenStream {
    let ident = &item.ident;
    let (head, arguments, bounds) = item.generics.split_for_impl();
    let marked = validates.then(|| {
        quote! {
            #[automatically_derived]
            impl #head #private::HasRules for #ident #arguments #bounds {}
        }
    });
    if !item.generics.params.is_empty() {
        return marked.unwrap_or_default();
    }
    let passed_over =
        fields(&mut item.data).filter(|field| !reaches_in(&field.attrs) && !has_self(&field.ty));
    let checks = check_undived(passed_over.map(|field| &field.ty)).map(|checks| {
        quote! {
            #[doc(hidden)]
            const _: () = {
                use #private as __private;
                #checks
            };
        }
    });
    quote!(#marked #checks)
}

/// Returns true if the type contains `Self`. The generated code is outside of the item, where `Self` has no meaning.
fn has_self(ty: &Type) -> bool {
    fn among(tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => among(group.stream()),
            TokenTree::Ident(word) => word == "Self",
            TokenTree::Literal(_) | TokenTree::Punct(_) => false,
        })
    }
    among(ty.to_token_stream())
}

/// Returns true if `deny_unknown_fields` must be added: serde supports this attribute for the item, and
/// would ignore unknown fields without it.
fn refuses_unknown(item: &DeriveInput) -> bool {
    let named = match &item.data {
        Data::Struct(data) => matches!(data.fields, Fields::Named(_)),
        Data::Enum(_) => true,
        Data::Union(_) => false,
    };
    let said = ["deny_unknown_fields", "transparent"];
    named && !said.iter().any(|key| has(&item.attrs, "serde", key))
}

// #[data] #[derive(Serialize)] struct A;
fn check_derives(attributes: &mut [Attribute], validates: bool, errors: &mut Errors) {
    for derive in attributes {
        if !derive.path().is_ident("derive") {
            continue;
        }
        let Ok(paths) = derive.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
        else {
            continue;
        };
        let mut others = Vec::new();
        for path in paths {
            let name = path.segments.last().map(|last| last.ident.to_string());
            let name = name.unwrap_or_default();
            let ours = ["Serialize", "Deserialize", "JsonSchema"].contains(&name.as_str());
            if ours || (validates && name == "Validate") {
                errors.at(
                    &path,
                    format!("`#[data]` derives `{name}` itself: remove it from `derive`"),
                );
            } else {
                others.push(path);
            }
        }
        // Remove the derive, because it would report further errors without its helper attributes.
        derive.meta = parse_quote!(derive(#(#others),*));
    }
}

// #[data] struct A { #[serde(flatten)] b: B }
fn check_flatten(args: &DataArgs, data: &mut Data, errors: &mut Errors) {
    if args.allow_unknown.is_some() {
        return;
    }
    for attribute in fields(data).flat_map(|field| &field.attrs) {
        if attribute.path().is_ident("serde")
            && names(attribute).iter().any(|name| name == "flatten")
        {
            errors.at(
                &attribute.meta,
                "serde cannot refuse unknown fields in a struct with `flatten`: write `#[data(allow_unknown)]`",
            );
        }
    }
}

// #[data] #[serde(tag = "kind")] enum A { B }
fn check_tag(args: &DataArgs, item: &DeriveInput, errors: &mut Errors) {
    let Data::Enum(data) = &item.data else { return };
    let says = |key| has(&item.attrs, "serde", key);
    if args.allow_unknown.is_some() || !says("tag") || says("content") {
        return;
    }
    for variant in &data.variants {
        if matches!(variant.fields, Fields::Unit) {
            let name = &variant.ident;
            errors.at(
                name,
                format!("in an enum with `tag` and without `content`, serde cannot refuse unknown fields of the unit variant `{name}`: write `{name} {{}}`, or allow them with `#[data(allow_unknown)]`"),
            );
        }
    }
}

// #[data] struct A { #[schemars(range(max = 3))] b: u8 }
fn check_rules(data: &mut Data, errors: &mut Errors) {
    for attribute in fields(data).flat_map(|field| &field.attrs) {
        if attribute.path().is_ident("validate") {
            errors.at(&attribute.meta, unenforced("validate"));
        } else if attribute.path().is_ident("schemars") {
            let names = names(attribute);
            for name in names
                .iter()
                .filter(|name| SCHEMA_ONLY.contains(&name.as_str()))
            {
                errors.at(&attribute.meta, unenforced(name));
            }
        }
    }
}

/// Returns true if a member that is `None` is left out, not written as `null`. The schema of the
/// member then needs no `null`.
// #[serde(skip_serializing_if = "Option::is_none")] next: Option<u32>
fn leaves_out_none(field: &Field) -> bool {
    // `Some(None)` is written as `null`.
    if option_of(&field.ty).and_then(option_of).is_some() {
        return false;
    }
    let mut leaves_out = false;
    for attribute in &field.attrs {
        if attribute.path().is_ident("serde") {
            // Ignore mistakes in the attribute, because serde reports them.
            let _ = each_key(attribute, |key, value| {
                let is_none =
                    value.is_some_and(|value| source(&value).ends_with("Option::is_none\""));
                leaves_out |= key.is_ident("skip_serializing_if") && is_none;
            });
        }
    }
    leaves_out
}

fn fields(data: &mut Data) -> impl Iterator<Item = &mut Field> {
    let fields: Vec<_> = match data {
        Data::Struct(data) => data.fields.iter_mut().collect(),
        Data::Enum(data) => data
            .variants
            .iter_mut()
            .flat_map(|variant| variant.fields.iter_mut())
            .collect(),
        Data::Union(data) => data.fields.named.iter_mut().collect(),
    };
    fields.into_iter()
}

fn has(attributes: &[Attribute], helper: &str, key: &str) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(helper))
        .any(|attribute| names(attribute).iter().any(|name| name == key))
}

/// Returns the keys of a helper attribute. Returns no keys if the attribute is malformed, because its derive reports
/// the mistake.
fn names(attribute: &Attribute) -> Vec<String> {
    attribute
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .map(|list| list.iter().map(|meta| source(meta.path())).collect())
        .unwrap_or_default()
}

fn is_helper(attribute: &Attribute) -> bool {
    HELPERS
        .iter()
        .any(|helper| attribute.path().is_ident(helper))
}

const ITEM: &str = "`#[data]` goes on a `struct` or an `enum`";
