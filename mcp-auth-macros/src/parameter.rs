//! One parameter: its role and, for an argument, the data of its attributes.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Expr, ExprLit, Ident, Lit, LitStr, Pat, PatIdent, PatType, Path, Token, Type,
    ext::IdentExt, parenthesized, token::Paren,
};

use crate::{
    entry::{COMPLETION_FORM, Call},
    errors::{Errors, did_you_mean, listed},
    garde::SuppressedKeyword,
    grammar,
    item::is_lint_level,
    primitive::Primitive,
    rename::renamed,
    source::source,
    types::{Passing, is_unfit_for_header, option_of, passing},
};

/// The rules of schemars, which are only in the schema and are not enforced.
pub(crate) const SCHEMA_ONLY: [&str; 12] = [
    "contains", "email", "inner", "ip", "ipv4", "ipv6", "length", "pattern", "range", "regex",
    "required", "url",
];

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    /// The type of an argument, or the type behind the `&` of an injected parameter.
    pub(crate) ty: Type,
    pub(crate) role: Role,
}

#[derive(Debug)]
pub(crate) enum Role {
    Argument(Box<Argument>),
    Injected,
    InjectedOptional,
}

#[derive(Debug, Default)]
pub(crate) struct Argument {
    /// The doc comments and the attributes of serde, schemars and garde, which are copied to the
    /// field.
    pub(crate) attributes: Vec<Attribute>,
    /// The function that suggests values.
    pub(crate) complete: Option<Call>,
    pub(crate) default: Option<DefaultValue>,
    pub(crate) flatten: Option<Ident>,
    /// The word `garde` of the first attribute `#[garde(…)]`.
    pub(crate) garde: Option<Path>,
    /// The name of the header in which clients repeat the argument, without `Mcp-Param-`.
    pub(crate) header: Option<LitStr>,
    pub(crate) rename: Option<LitStr>,
    /// The word `alias` of the first `#[serde(alias = "…")]`. The whole attribute stays in `attributes`.
    serde_alias: Option<Path>,
    /// `#[serde(default)]`. The whole attribute stays in `attributes`.
    serde_default: bool,
    /// The name in `#[serde(rename = "…")]`. The whole attribute stays in `attributes`.
    serde_rename: Option<LitStr>,
    pub(crate) unshown: Vec<SuppressedKeyword>,
}

#[derive(Debug)]
pub(crate) enum DefaultValue {
    Expression(Expr),
    /// `#[arg(default)]`: the value of the type's `Default`.
    OfType(Ident),
}

impl Parameter {
    pub(crate) fn read(
        primitive: Primitive,
        parameter: &PatType,
        errors: &mut Errors,
    ) -> Option<Self> {
        let ident = errors.keep(name(primitive, &parameter.pat));
        let passing = errors.keep(passing(primitive, &parameter.ty));
        let (ty, role) = match passing {
            Some(Passing::Injected(ty)) => (ty, Role::Injected),
            Some(Passing::InjectedOptional(ty)) => (ty, Role::InjectedOptional),
            // If the type is invalid, parse the attributes as for an argument.
            Some(Passing::Argument) | None => {
                let argument = Argument::read(primitive, parameter, errors);
                passing?;
                return Some(Self {
                    ident: ident?,
                    ty: (*parameter.ty).clone(),
                    role: Role::Argument(Box::new(argument)),
                });
            }
        };
        for attribute in parameter
            .attrs
            .iter()
            .filter(|attribute| !is_lint_level(attribute))
        {
            check_injected(primitive, attribute, errors);
        }
        Some(Self {
            ident: ident?,
            ty,
            role,
        })
    }
}

impl Parameter {
    /// The function that suggests values of the argument.
    pub(crate) fn completion(&self) -> Option<&Call> {
        match &self.role {
            Role::Argument(argument) => argument.complete.as_ref(),
            Role::Injected | Role::InjectedOptional => None,
        }
    }
}

impl Argument {
    /// The name of the property in the schema, after renaming.
    pub(crate) fn name(&self, ident: &Ident, rename_all: Option<&LitStr>) -> String {
        match (&self.rename, &self.serde_rename, rename_all) {
            (Some(name), ..) | (None, Some(name), _) => name.value(),
            (None, None, Some(rule)) => renamed(&ident.unraw().to_string(), &rule.value()),
            (None, None, None) => ident.unraw().to_string(),
        }
    }

    /// Returns true if a client may leave out the argument, as far as the declaration shows.
    pub(crate) fn may_be_absent(&self, ty: &Type) -> bool {
        self.default.is_some() || self.serde_default || option_of(ty).is_some()
    }

    /// Returns true if an attribute of serde or schemars may change how the value is read or described.
    pub(crate) fn is_derived_otherwise(&self) -> bool {
        self.attributes.iter().any(|attribute| {
            ["schemars", "serde"]
                .iter()
                .any(|name| attribute.path().is_ident(name))
        })
    }

    fn read(primitive: Primitive, parameter: &PatType, errors: &mut Errors) -> Self {
        let mut argument = Self::default();
        for attribute in parameter
            .attrs
            .iter()
            .filter(|attribute| !is_lint_level(attribute))
        {
            let path = attribute.path();
            if path.is_ident("arg") {
                let read = attribute.parse_nested_meta(|meta| argument.take(primitive, &meta));
                errors.keep(read);
            } else if ["doc", "schemars", "serde"]
                .iter()
                .any(|known| path.is_ident(known))
            {
                argument.check_derived(attribute, errors);
                argument.attributes.push(attribute.clone());
            } else if path.is_ident("garde") {
                argument.garde.get_or_insert_with(|| path.clone());
                argument
                    .unshown
                    .extend(SuppressedKeyword::of(attribute, &parameter.ty, errors));
                argument.attributes.push(attribute.clone());
            } else {
                errors.at(&attribute.meta, refusal(primitive, path));
            }
        }
        argument.check_flatten(errors);
        argument.check_header(&parameter.ty, errors);
        argument
    }

    fn take(
        &mut self,
        primitive: Primitive,
        meta: &syn::meta::ParseNestedMeta<'_>,
    ) -> syn::Result<()> {
        let key = meta
            .path
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        let given = match key.as_str() {
            "complete" if primitive == Primitive::Tool => {
                return Err(meta.error(
                    "only arguments of prompts and variables of resource templates have completion: remove `complete`",
                ));
            }
            "complete" if meta.input.peek(Token![=]) => {
                let function = Call::of_completion(primitive, meta.value()?.parse()?)?;
                self.complete.replace(function).is_some()
            }
            "complete" => return Err(meta.error(COMPLETION_FORM)),
            "default" if meta.input.peek(Token![=]) => self
                .default
                .replace(DefaultValue::Expression(meta.value()?.parse()?))
                .is_some(),
            "default" => {
                let key = meta.path.require_ident()?.clone();
                self.default.replace(DefaultValue::OfType(key)).is_some()
            }
            "flatten" => self
                .flatten
                .replace(meta.path.require_ident()?.clone())
                .is_some(),
            "header" if primitive != Primitive::Tool => {
                return Err(meta
                    .error("clients repeat only arguments of tools in headers: remove `header`"));
            }
            "header" if meta.input.peek(Token![=]) => self.header.replace(header(meta)?).is_some(),
            "header" => return Err(meta.error(HEADER_FORM)),
            "rename" => self.rename.replace(new_name(meta)?).is_some(),
            _ => return Err(meta.error(unknown_key(primitive, &key))),
        };
        if given {
            Err(meta.error(format!("`{key}` is given twice")))
        } else {
            Ok(())
        }
    }

    /// Reports attributes that serde and schemars interpret differently, and attributes that would
    /// make the schema wrong.
    fn check_derived(&mut self, attribute: &Attribute, errors: &mut Errors) {
        let (serde, schemars) = (
            attribute.path().is_ident("serde"),
            attribute.path().is_ident("schemars"),
        );
        let read = each_key(attribute, |key, value| {
            let name = key.get_ident().map(ToString::to_string).unwrap_or_default();
            if serde
                && name == "rename"
                && let Some(Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                })) = value
            {
                self.serde_rename = Some(text);
            }
            self.serde_default |= serde && name == "default";
            if serde && name == "alias" {
                self.serde_alias.get_or_insert_with(|| key.clone());
            }
            if schemars && SCHEMA_ONLY.contains(&name.as_str()) {
                errors.at(key, unenforced(&name));
            }
            if schemars && name == "rename" {
                errors.at(
                    key,
                    "this would rename the argument only in the schema: write `#[arg(rename = \"…\")]`",
                );
            }
        });
        // The derives report a malformed attribute.
        read.unwrap_or_default();
    }

    fn check_flatten(&self, errors: &mut Errors) {
        let Some(flatten) = &self.flatten else { return };
        if self.default.is_some() || self.rename.is_some() {
            errors.at(flatten, "`flatten` takes the fields of a struct as arguments: put `default` and `rename` on the fields of the struct");
        }
        if self.header.is_some() {
            errors.at(flatten, "`header` repeats one argument: declare that argument as a separate parameter, without `flatten`");
        }
        if self.complete.is_some() {
            errors.at(flatten, "`complete` suggests values for one argument: declare that argument as a separate parameter, without `flatten`");
        }
        if let Some(attribute) = self
            .attributes
            .iter()
            .find(|attribute| !attribute.path().is_ident("doc") && !is_dive(attribute))
        {
            errors.at(
                &attribute.meta,
                "this attribute has no effect on a flattened struct: write it on the fields of the struct",
            );
        }
    }

    /// Reports types that no header can repeat. Also reports a second name for the argument, because a client could
    /// send the argument under this name without a header that repeats it.
    fn check_header(&self, ty: &Type, errors: &mut Errors) {
        if self.header.is_none() || self.flatten.is_some() {
            return;
        }
        if let Some(alias) = &self.serde_alias {
            errors.at(
                alias,
                "a client could send the argument under this name without its header: keep `alias` or `header`",
            );
        }
        if !self.is_derived_otherwise() && is_unfit_for_header(ty) {
            let ty = option_of(ty).unwrap_or(ty);
            let message = format!(
                "`header` needs a string, an integer or a boolean, and `{}` is none of them",
                source(ty)
            );
            errors.at(ty, message);
        }
    }
}

/// Returns true for `#[garde(dive)]`, which enforces the rules of the struct itself.
fn is_dive(attribute: &Attribute) -> bool {
    attribute.path().is_ident("garde")
        && attribute
            .parse_args::<Ident>()
            .is_ok_and(|rule| rule == "dive")
}

/// The name of a pattern `x` or `mut x`.
fn name(primitive: Primitive, pattern: &Pat) -> syn::Result<Ident> {
    match pattern {
        Pat::Ident(PatIdent {
            by_ref: None,
            subpat: None,
            ident,
            ..
        }) => Ok(ident.clone()),
        other => Err(syn::Error::new_spanned(
            other,
            format!(
                "a parameter of a {primitive} needs a name, which clients see: destructure it in the body"
            ),
        )),
    }
}

fn new_name(meta: &syn::meta::ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    match meta.value()?.parse()? {
        Lit::Str(name) if !name.value().is_empty() => Ok(name),
        other => Err(syn::Error::new_spanned(
            other,
            "`rename` takes the argument's name as a string: `rename = \"documentId\"`",
        )),
    }
}

fn header(meta: &syn::meta::ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let value: Expr = meta.value()?.parse()?;
    let Expr::Lit(ExprLit {
        lit: Lit::Str(name),
        ..
    }) = value
    else {
        return Err(syn::Error::new_spanned(value, HEADER_FORM));
    };
    match grammar::header(&name.value()) {
        Ok(()) => Ok(name),
        Err(message) => Err(syn::Error::new_spanned(name, message)),
    }
}

const HEADER_FORM: &str =
    "`header` takes a name as a string: `header = \"Region\"`, for the header `Mcp-Param-Region`";

pub(crate) fn unenforced(rule: &str) -> String {
    format!(
        "`{rule}` would be in the schema, but nothing would enforce it: write it in `#[garde(…)]`"
    )
}

fn check_injected(primitive: Primitive, attribute: &Attribute, errors: &mut Errors) {
    let path = attribute.path();
    if ["arg", "garde", "schemars", "serde"]
        .iter()
        .any(|known| path.is_ident(known))
    {
        errors.at(&attribute.meta, "a parameter taken by `&` is not an argument: clients see neither its name nor its value");
    } else if !path.is_ident("doc") {
        errors.at(&attribute.meta, refusal(primitive, path));
    }
}

/// Calls `visit` with every key of `#[attribute(key, key = value, key(…))]`.
pub(crate) fn each_key(
    attribute: &Attribute,
    mut visit: impl FnMut(&Path, Option<Expr>),
) -> syn::Result<()> {
    if attribute.path().is_ident("doc") {
        return Ok(());
    }
    attribute.parse_nested_meta(|meta| {
        let mut value = None;
        if meta.input.peek(Token![=]) {
            value = Some(meta.value()?.parse()?);
        } else if meta.input.peek(Paren) {
            let list;
            parenthesized!(list in meta.input);
            list.parse::<TokenStream>()?;
        }
        visit(&meta.path, value);
        Ok(())
    })
}

fn refusal(primitive: Primitive, path: &Path) -> String {
    let name = path
        .segments
        .last()
        .map(|last| last.ident.to_string())
        .unwrap_or_default();
    match name.as_str() {
        "cfg" | "cfg_attr" => {
            format!("a parameter cannot be conditional: put `#[{name}]` on the whole {primitive}")
        }
        "validate" => {
            "`#[validate]` is not supported on a parameter: write `#[garde(…)]`".to_owned()
        }
        _ => format!(
            "`#[{name}]` has no meaning on a parameter of a {primitive}\nnote: accepted are doc comments, `#[arg]`, `#[garde]`, `#[serde]`, `#[schemars]` and lint levels"
        ),
    }
}

fn unknown_key(primitive: Primitive, key: &str) -> String {
    let keys = primitive.arg_keys();
    format!(
        "unknown key `{key}`{}\nnote: accepted are {}",
        did_you_mean(key, keys),
        listed(keys)
    )
}
