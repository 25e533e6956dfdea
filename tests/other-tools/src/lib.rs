//! Tools in a library, for tests of servers that name it and of servers that do not.

/// The state of the tools of this crate.
#[derive(Clone, Copy, Debug)]
pub struct Ledger(pub u32);

/// Tools that read.
pub mod reports {
    use mcp_auth::{State, mcp_tool};

    use crate::Ledger;

    /// Tell the balance.
    #[mcp_tool(read_only)]
    async fn balance(ledger: &State<Ledger>) -> String {
        ledger.0.to_string()
    }
}

pub mod admin;
pub mod audit;
