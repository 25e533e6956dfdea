//! A tool may be declared wherever a function may, several in one place.

use mcp_auth::mcp_tool;

/// Private types of a module are as good as others.
mod inner {
    use mcp_auth::{Json, mcp_tool};
    use schemars::JsonSchema;
    use serde::Serialize;

    #[derive(Serialize, JsonSchema)]
    struct Answer {
        text: String,
    }

    #[mcp_tool]
    pub(super) async fn hello() -> &'static str {
        "hello"
    }

    #[mcp_tool]
    async fn private(text: String) -> Json<Answer> {
        Json(Answer { text })
    }

    mod deeper {
        #[mcp_auth::mcp_tool]
        pub(in super::super) async fn hidden(text: super::super::Text) -> String {
            text
        }
    }
}

type Text = String;

#[tokio::test]
async fn a_tool_is_an_ordinary_function_for_rust() {
    #[mcp_tool]
    async fn local(times: usize) -> String {
        "hello ".repeat(times)
    }
    assert_eq!(inner::hello().await, "hello");
    assert_eq!(local(2).await, "hello hello ");
}
