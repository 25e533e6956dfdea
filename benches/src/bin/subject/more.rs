//! A thousand further tools, `tool_000` to `tool_999`. `TOOLS=n` serves the first n.
//!
//! The tools share one struct of arguments, so that its code is compiled once. The odd ones require
//! a permission.

use mcp_auth::{Json, PrimitiveInfo, data, mcp_tool};

use crate::Sum;

/// The arguments of each tool.
#[data]
struct Summands {
    a: i64,
    b: i64,
}

impl Summands {
    fn sum(self) -> Json<Sum> {
        Json(Sum {
            sum: self.a.wrapping_add(self.b),
        })
    }
}

/// Whether a tool is served if `tools` further tools are requested.
pub(crate) fn is_served(tool: &PrimitiveInfo, tools: usize) -> bool {
    let index = tool.name().strip_prefix("tool_").map(str::parse);
    index.is_none_or(|index| index.is_ok_and(|index: usize| index < tools))
}

/// Declares ten tools for each prefix, alternately one without and one with a guard.
macro_rules! tools {
    ($($hundred:literal [$($ten:literal)*])*) => {
        $($(
            tools!(@open $hundred $ten 0 2 4 6 8);
            tools!(@guarded $hundred $ten 1 3 5 7 9);
        )*)*
    };
    (@open $hundred:literal $ten:literal $($one:literal)*) => {
        $(tools!(@tool concat!("tool_", $hundred, $ten, $one), read_only);)*
    };
    (@guarded $hundred:literal $ten:literal $($one:literal)*) => {
        $(tools!(
            @tool concat!("tool_", $hundred, $ten, $one), read_only, permission = "org:documents:delete"
        );)*
    };
    (@tool $name:expr, $($keys:tt)*) => {
        const _: () = {
            /// Add two numbers, as many tools do.
            #[mcp_tool(name = $name, $($keys)*)]
            async fn tool(#[arg(flatten)] summands: Summands) -> Json<Sum> {
                summands.sum()
            }
        };
    };
}

tools! {
    0 [0 1 2 3 4 5 6 7 8 9]
    1 [0 1 2 3 4 5 6 7 8 9]
    2 [0 1 2 3 4 5 6 7 8 9]
    3 [0 1 2 3 4 5 6 7 8 9]
    4 [0 1 2 3 4 5 6 7 8 9]
    5 [0 1 2 3 4 5 6 7 8 9]
    6 [0 1 2 3 4 5 6 7 8 9]
    7 [0 1 2 3 4 5 6 7 8 9]
    8 [0 1 2 3 4 5 6 7 8 9]
    9 [0 1 2 3 4 5 6 7 8 9]
}
