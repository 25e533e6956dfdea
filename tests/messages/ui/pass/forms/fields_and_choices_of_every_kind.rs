//! Forms with every type and rule, under names that need care, without a word of serde in scope.

use mcp_auth::form;

/// A form without fields.
#[form]
struct Confirm;

#[form]
#[derive(Clone, Debug)]
struct Empty {}

#[form(rename_all = "kebab-case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Small.
    Small = 1,
    #[doc = include_str!("../../../../../rustfmt.toml")]
    #[form(rename = "XL")]
    VeryLarge = 4,
    r#True,
}

/// An enum with names of the prelude.
#[form]
enum Option {
    Some,
    None,
}

const TITLE: &str = "Title";
const MOST: usize = 3;

#[form(rename_all = "SCREAMING_SNAKE_CASE")]
#[derive(Debug)]
pub(crate) struct Numbers {
    #[form(min = -3, max = 3, default = -1)]
    a: i8,
    b: i16,
    c: i32,
    #[form(min = -9223372036854775808)]
    d: i64,
    e: isize,
    f: u8,
    g: u16,
    h: u32,
    #[form(max = 18446744073709551615)]
    i: u64,
    #[form(title = TITLE, default = MOST)]
    j: usize,
    #[form(min = 0.5)]
    k: f32,
    #[form(min = -1.5, max = 1e3, default = 0.0)]
    l: std::option::Option<f64>,
}

#[form]
struct Texts {
    #[form(min_length = 1, max_length = 9, default = "a")]
    fields: String,
    #[form(format = "email")]
    property: std::option::Option<String>,
    #[form(format = "date-time", title = "When", rename = "when?")]
    r#type: String,
    #[form(format = "uri")]
    größe: std::option::Option<String>,
    #[form(default = true)]
    field_0: bool,
}

#[form]
struct Choices {
    #[form(default = Size::VeryLarge)]
    size: Size,
    option: std::option::Option<Option>,
    #[form(min_items = 1, max_items = 2, default = [Size::Small, Size::True])]
    #[form(title = "Sizes")]
    sizes: Vec<Size>,
    #[form(default = [Option::Some])]
    options: std::option::Option<Vec<Option>>,
    // These ask for properties of secrets.
    token_count: u8,
    max_tokens: u8,
}

mod framework {
    pub(super) use mcp_auth::__private;
}

#[form(crate = framework)]
struct Elsewhere {
    value: u8,
}

/// A form of a macro, whose variables arrive in invisible groups.
macro_rules! form {
    ($name:ident, $ty:ty, $default:expr, $least:literal) => {
        #[mcp_auth::form]
        struct $name {
            #[form(default = $default, min = $least)]
            value: $ty,
        }
    };
}

form!(Made, std::option::Option<u8>, 4, 3);

fn in_a_function() -> mcp_auth::FormSchema {
    #[form]
    struct Local {
        choice: LocalChoice,
    }
    #[form]
    enum LocalChoice {
        Only,
    }
    <Local as mcp_auth::Form>::schema()
}
