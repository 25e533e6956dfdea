use mcp_auth::{Context, Feature, FromContext, Requirement, ToolError, mcp_tool};

struct Exporter;

impl FromContext for Exporter {
    type Parts = ();

    const REQUIRES: &'static [Requirement] = &[Requirement::Feature(Feature::new("export"))];

    async fn from_context(_: &Context, (): ()) -> Result<Self, ToolError> {
        Ok(Self)
    }
}

#[mcp_tool(public)]
async fn hello(exporter: &Exporter) {
    let _ = exporter;
}

fn main() {}
