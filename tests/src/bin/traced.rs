//! A server in an application with a `tracing` subscriber of its own, which exports spans of the application too.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Work in one step.
#[mcp_auth::mcp_tool]
async fn work(secret: String) -> &'static str {
    step(&secret).await;
    "done"
}

#[tracing::instrument(skip_all)]
async fn step(secret: &str) {
    tracing::info!(length = secret.len(), "began");
}

#[actix_web::main]
async fn main() -> mcp_auth::Result<()> {
    let own = Targets::new().with_target("traced", Level::INFO);
    tracing_subscriber::registry()
        .with(mcp_auth::otel::layer_with(own))
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_filter(EnvFilter::new("off")),
        )
        .init();
    mcp_auth::server!().tools_of(module_path!()).serve().await
}
