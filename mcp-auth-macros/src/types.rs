//! The type of a parameter determines the source of its value. A type by value is an argument. A type behind `&` is
//! injected.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericArgument, Ident, PathArguments, ReturnType, Type, TypePath, TypeReference};

use crate::{primitive::Primitive, source::source};

#[derive(Debug)]
pub(crate) enum Passing {
    Argument,
    /// A parameter `&T`. The type is `T`.
    Injected(Type),
    /// A parameter `Option<&T>`. The type is `T`.
    InjectedOptional(Type),
}

/// Decides how a parameter of this type is passed. The form of the type decides, not its name, except for `Option`,
/// which can be recognised only by its name.
pub(crate) fn passing(primitive: Primitive, ty: &Type) -> syn::Result<Passing> {
    if let Type::Reference(reference) = ungrouped(ty) {
        return injected(primitive, ty, reference).map(Passing::Injected);
    }
    if let Some(Type::Reference(reference)) = option_of(ty) {
        return injected(primitive, ty, reference).map(Passing::InjectedOptional);
    }
    if let Some(span) = find(ty.to_token_stream(), &|token, _| is_word(token, "impl")) {
        return Err(syn::Error::new(span, generic(primitive)));
    }
    match borrow_in(ty) {
        Some(_) => Err(syn::Error::new_spanned(ty, by_value(ty))),
        None => Ok(Passing::Argument),
    }
}

/// Checks the type of a result. It must be usable as an associated type, and must own its data.
pub(crate) fn returned(primitive: Primitive, output: &ReturnType) -> syn::Result<()> {
    let ReturnType::Type(_, ty) = output else {
        return Ok(());
    };
    if let Type::Never(_) = ungrouped(ty) {
        return Err(syn::Error::new_spanned(
            ty,
            format!("a {primitive} must have a result: write its type instead of `!`"),
        ));
    }
    if let Some(span) = find(ty.to_token_stream(), &|token, _| is_word(token, "impl")) {
        return Err(syn::Error::new(
            span,
            format!("a {primitive} needs a concrete return type: name it instead of `impl Trait`"),
        ));
    }
    match find(ty.to_token_stream(), &is_borrow) {
        Some(span) => Err(syn::Error::new(
            span,
            "a result must own its data: use `String` instead of `&str`, or `&'static str` for a fixed text",
        )),
        None => Ok(()),
    }
}

/// Returns the part of the return type that contains the error type: the `E` of `Result<T, E>`, or a whole type that
/// may be an alias. `None` for a type that has no error.
pub(crate) fn error_of(output: &ReturnType) -> Option<&Type> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    let Type::Path(TypePath { path, .. }) = ungrouped(ty) else {
        return None;
    };
    match &path.segments.last()?.arguments {
        PathArguments::AngleBracketed(arguments) => {
            match (arguments.args.len(), arguments.args.last()) {
                (2, Some(GenericArgument::Type(error))) => Some(ungrouped(error)),
                _ => Some(ty),
            }
        }
        _ => Some(ty),
    }
}

fn injected(primitive: Primitive, whole: &Type, reference: &TypeReference) -> syn::Result<Type> {
    let elem = ungrouped(&reference.elem);
    if is_str_or_slice(elem) {
        return Err(syn::Error::new_spanned(whole, by_value(whole)));
    }
    if let Some(mutability) = reference.mutability {
        let message = "an injected value is shared with other calls: write `&` without `mut`";
        return Err(syn::Error::new_spanned(mutability, message));
    }
    // A type with other lifetimes would have to declare them, which `signature` refuses.
    if let Some(lifetime) = &reference.lifetime
        && lifetime.ident == "static"
    {
        let message =
            "an injected value lives only as long as the call: write `&` without `'static`";
        return Err(syn::Error::new_spanned(lifetime, message));
    }
    if let Some(message) = not_injectable(primitive, elem) {
        return Err(syn::Error::new_spanned(whole, message));
    }
    match borrow_in(elem) {
        Some(span) => {
            let message = "an injected type must own its data: it cannot contain a lifetime";
            Err(syn::Error::new(span, message))
        }
        None => Ok(elem.clone()),
    }
}

fn not_injectable(primitive: Primitive, ty: &Type) -> Option<String> {
    let message = match ty {
        Type::ImplTrait(_) => return Some(generic(primitive)),
        Type::Reference(_) => "take an injected parameter by a single `&`",
        Type::TraitObject(_) => {
            "an injected parameter needs a concrete type: write `&State<Box<dyn Trait>>` instead of `&dyn Trait`"
        }
        ty => {
            option_of(ty)?;
            "an injected parameter that may be absent is written `Option<&T>`"
        }
    };
    Some(message.to_owned())
}

fn generic(primitive: Primitive) -> String {
    format!("a {primitive} cannot have generics: name one type instead of `impl Trait`")
}

fn is_str_or_slice(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.is_ident("str"),
        Type::Slice(_) => true,
        _ => false,
    }
}

fn by_value(ty: &Type) -> String {
    let hint = owned(ty).map_or_else(
        || "a type that owns its data".to_owned(),
        |ty| format!("`{}`", source(ty)),
    );
    format!("arguments are taken by value: use {hint}")
}

/// Returns the owned form of `ty`, if the owned form is obvious.
fn owned(ty: &Type) -> Option<TokenStream> {
    match ungrouped(ty) {
        Type::Path(path) if path.path.is_ident("str") => Some(quote!(String)),
        Type::Path(path) => owned_path(path),
        Type::Reference(reference) => owned(&reference.elem),
        Type::Slice(slice) => owned(&slice.elem).map(|elem| quote!(Vec<#elem>)),
        Type::Tuple(tuple) => {
            let elems = tuple.elems.iter().map(owned).collect::<Option<Vec<_>>>()?;
            Some(quote!((#(#elems),*)))
        }
        _ => None,
    }
}

fn owned_path(path: &TypePath) -> Option<TokenStream> {
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return Some(quote!(#path));
    };
    let mut types = Vec::new();
    for argument in &arguments.args {
        match argument {
            GenericArgument::Type(ty) => types.push(owned(ty)?),
            GenericArgument::Lifetime(_) if last.ident == "Cow" => {}
            _ => return None,
        }
    }
    if last.ident == "Cow" {
        return types.pop();
    }
    let (leading, ident) = (path.path.leading_colon, &last.ident);
    let before = path
        .path
        .segments
        .iter()
        .take(path.path.segments.len() - 1)
        .map(|segment| quote!(#segment::));
    Some(quote!(#leading #(#before)* #ident<#(#types),*>))
}

/// The `T` of `Option<T>`.
pub(crate) fn option_of(ty: &Type) -> Option<&Type> {
    generic_of(ty).and_then(|(name, inner)| (name == "Option").then_some(inner))
}

/// The `T` of a list: `Vec<T>`, `[T; N]`.
pub(crate) fn item_of(ty: &Type) -> Option<&Type> {
    match ungrouped(ty) {
        Type::Array(array) => Some(ungrouped(&array.elem)),
        other => generic_of(other).map(|(_, inner)| inner),
    }
}

/// Returns true if a type, also inside an `Option`, is certainly neither a string nor an integer nor a boolean. The
/// server checks every other type at start-up, with its schema.
pub(crate) fn is_unfit_for_header(ty: &Type) -> bool {
    match ungrouped(option_of(ty).unwrap_or(ty)) {
        Type::Array(_) | Type::Tuple(_) => true,
        Type::Path(TypePath { path, .. }) => path
            .segments
            .last()
            .is_some_and(|last| UNFIT_FOR_HEADER.iter().any(|name| last.ident == name)),
        _ => false,
    }
}

const UNFIT_FOR_HEADER: [&str; 8] = [
    "BTreeMap", "BTreeSet", "HashMap", "HashSet", "Vec", "VecDeque", "f32", "f64",
];

/// The last name and the `T` of `path::Name<T>`.
fn generic_of(ty: &Type) -> Option<(&Ident, &Type)> {
    let Type::Path(TypePath {
        qself: None, path, ..
    }) = ungrouped(ty)
    else {
        return None;
    };
    let last = path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match (arguments.args.first(), arguments.args.len()) {
        (Some(GenericArgument::Type(inner)), 1) => Some((&last.ident, ungrouped(inner))),
        _ => None,
    }
}

/// Removes groups and parentheses. A `macro_rules!` variable arrives inside an invisible group.
fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        other => other,
    }
}

/// Finds a `&`, or a lifetime other than `'static`.
fn borrow_in(ty: &Type) -> Option<Span> {
    find(ty.to_token_stream(), &|token, next| {
        is_punct(token, '&') || is_borrow(token, next)
    })
}

/// Returns true for a `&`, and for a lifetime other than `'static`.
fn is_borrow(token: &TokenTree, next: Option<&TokenTree>) -> bool {
    match next {
        Some(TokenTree::Punct(tick)) if tick.as_char() == '\'' => false,
        Some(TokenTree::Ident(name)) if is_punct(token, '\'') => name != "static",
        _ => is_punct(token, '&'),
    }
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_word(token: &TokenTree, expected: &str) -> bool {
    matches!(token, TokenTree::Ident(word) if word == expected)
}

/// Finds the first token, at any depth, for which `wanted` returns true. `wanted` also gets the
/// next token.
fn find(
    tokens: TokenStream,
    wanted: &dyn Fn(&TokenTree, Option<&TokenTree>) -> bool,
) -> Option<Span> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if wanted(&token, tokens.peek()) {
            return Some(token.span());
        }
        if let TokenTree::Group(group) = token
            && let Some(span) = find(group.stream(), wanted)
        {
            return Some(span);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn refusal(ty: &Type) -> String {
        passing(Primitive::Tool, ty).unwrap_err().to_string()
    }

    #[test]
    fn a_type_by_value_is_an_argument() {
        let types: [Type; 5] = [
            parse_quote!(String),
            parse_quote!(Option<Vec<u8>>),
            parse_quote!(std::borrow::Cow<'static, str>),
            parse_quote!([u8; 4]),
            parse_quote!((u8, String)),
        ];
        for ty in types {
            assert!(
                matches!(passing(Primitive::Tool, &ty), Ok(Passing::Argument)),
                "{}",
                source(ty)
            );
        }
    }

    #[test]
    fn a_type_behind_a_reference_is_injected() {
        assert!(matches!(
            passing(Primitive::Tool, &parse_quote!(&Org)),
            Ok(Passing::Injected(_))
        ));
        assert!(matches!(
            passing(Primitive::Tool, &parse_quote!(&'_ State<Db>)),
            Ok(Passing::Injected(_))
        ));
        assert!(matches!(
            passing(Primitive::Tool, &parse_quote!(Option<&Caller>)),
            Ok(Passing::InjectedOptional(_))
        ));
        assert!(matches!(
            passing(Primitive::Tool, &parse_quote!(std::option::Option<&Caller>)),
            Ok(Passing::InjectedOptional(_))
        ));
    }

    #[test]
    fn a_borrowed_argument_is_refused_with_its_owned_type() {
        let rows: [(Type, &str); 9] = [
            (parse_quote!(&str), "`String`"),
            (parse_quote!(&'static str), "`String`"),
            (parse_quote!(&[u8]), "`Vec<u8>`"),
            (parse_quote!(&[&str]), "`Vec<String>`"),
            (parse_quote!(Option<&str>), "`Option<String>`"),
            (
                parse_quote!(std::vec::Vec<&'static str>),
                "`std::vec::Vec<String>`",
            ),
            (parse_quote!(Cow<'_, str>), "`String`"),
            (parse_quote!((&str, u8)), "`(String, u8)`"),
            (parse_quote!(Document<'_>), "a type that owns its data"),
        ];
        for (ty, hint) in rows {
            assert_eq!(
                refusal(&ty),
                format!("arguments are taken by value: use {hint}")
            );
        }
    }

    #[test]
    fn what_cannot_be_injected_is_refused() {
        let types: [Type; 7] = [
            parse_quote!(&mut Org),
            parse_quote!(&'static Org),
            parse_quote!(&&Org),
            parse_quote!(&Option<Caller>),
            parse_quote!(&dyn Store),
            parse_quote!(&impl Store),
            parse_quote!(&Tenant<'_>),
        ];
        for ty in types {
            assert!(passing(Primitive::Tool, &ty).is_err(), "{}", source(ty));
        }
    }

    #[test]
    fn what_no_header_can_repeat_is_recognised() {
        let unfit: [Type; 5] = [
            parse_quote!(f64),
            parse_quote!(Option<f32>),
            parse_quote!(Vec<String>),
            parse_quote!([u8; 4]),
            parse_quote!((u8, String)),
        ];
        for ty in unfit {
            assert!(is_unfit_for_header(&ty), "{}", source(ty));
        }
        let undecided: [Type; 5] = [
            parse_quote!(String),
            parse_quote!(Option<u64>),
            parse_quote!(bool),
            parse_quote!(region::Region),
            parse_quote!(Cow<'static, str>),
        ];
        for ty in undecided {
            assert!(!is_unfit_for_header(&ty), "{}", source(ty));
        }
    }

    #[test]
    fn a_result_that_borrows_or_has_no_name_is_refused() {
        let refused: [ReturnType; 6] = [
            parse_quote!(-> &str),
            parse_quote!(-> Result<&str, ToolError>),
            parse_quote!(-> Cow<'_, str>),
            parse_quote!(-> impl IntoToolResult),
            parse_quote!(-> Result<impl IntoToolResult, ToolError>),
            parse_quote!(-> !),
        ];
        for output in refused {
            assert!(
                returned(Primitive::Tool, &output).is_err(),
                "{}",
                source(output)
            );
        }
        let accepted: [ReturnType; 4] = [
            parse_quote!(),
            parse_quote!(-> &'static str),
            parse_quote!(-> Result<&'static str, ToolError>),
            parse_quote!(-> Json<Page>),
        ];
        for output in accepted {
            assert!(
                returned(Primitive::Tool, &output).is_ok(),
                "{}",
                source(output)
            );
        }
    }
}
