//! Rules on parameters, and on the fields of structs.

use mcp_auth::mcp_tool;

const LONGEST: usize = 80;

fn known(value: &str, (): &()) -> garde::Result {
    let _ = value;
    Ok(())
}

#[mcp_auth::data]
struct Page {
    #[garde(range(min = 1))]
    size: u32,
    after: Option<String>,
}

/// Rules in a `macro_rules!` macro.
macro_rules! rated {
    ($name:ident, $type:ty, $most:expr) => {
        #[mcp_tool]
        async fn $name(#[garde(range(max = $most))] value: $type) {
            let _ = value;
        }
    };
}

rated!(rate, u8, 5);

#[mcp_tool(rename_all = "camelCase", allow_unknown)]
async fn create(
    #[garde(length(chars, min = 1, max = LONGEST), custom(known))] document_title: String,
    #[garde(length(simple, max = 5), inner(length(chars, min = 2), ascii))]
    #[arg(default)]
    tags: Vec<String>,
    #[garde(email)] owner: Option<String>,
    #[garde(matches(owner))] again: Option<String>,
    #[garde(dive)] page: Page,
    #[garde(pattern("^(?:a|b)\\(?$"))] r#type: String,
    plain: u8,
) {
    let _ = (
        document_title,
        tags,
        owner,
        again,
        page.size,
        page.after,
        r#type,
        plain,
    );
}

#[mcp_tool]
fn list(
    #[arg(flatten)]
    #[garde(dive)]
    page: Page,
) {
    let _ = (page.size, page.after);
}
