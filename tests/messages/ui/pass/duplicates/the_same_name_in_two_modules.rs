//! Functions may share a name: tools are told apart when a server starts, with both places.

mod documents {
    #[mcp_auth::mcp_tool(name = "documents_list")]
    pub(super) async fn list() -> &'static str {
        "documents"
    }
}

mod people {
    #[mcp_auth::mcp_tool(name = "people_list")]
    pub(super) async fn list() -> &'static str {
        "people"
    }
}

#[tokio::test]
async fn both_functions_can_be_called() {
    assert_eq!(documents::list().await, "documents");
    assert_eq!(people::list().await, "people");
}
