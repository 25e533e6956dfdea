use mcp_auth::{Context, Feature, FromContext, Injected, Requirement, ToolError, mcp_tool};

struct Exporter;

impl FromContext for Exporter {
    const REQUIRES: &'static [Requirement] = &[Requirement::Feature(Feature::new("export"))];

    async fn from_context(_: &Context) -> Result<Injected<'_, Self>, ToolError> {
        Ok(Injected::Owned(Self))
    }
}

#[mcp_tool(public)]
async fn hello(exporter: &Exporter) {
    let _ = exporter;
}

fn main() {}
