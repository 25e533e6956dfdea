//! The tools of `subject` on the official SDK: `rmcp` on axum, stateless and with JSON answers. A
//! middleware verifies the token of each request; the keys are parsed once.
//!
//! With `RMCP_TOKEN_CACHE=1` verified tokens are cached by their digest. The server listens on
//! `127.0.0.1:$PORT` and uses `CLERK_FRONTEND_API_URL`. It reads permissions only from the token.
//! Run it with `--features rmcp`.

#![allow(
    clippy::disallowed_methods,
    reason = "it verifies tokens like users of the SDK do"
)]

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use reqwest::Client;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{CallToolResult, ContentBlock, Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct Tools;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Summands {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    text: String,
}

/// Two numbers added.
#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: i64,
}

impl Summands {
    fn sum(&self) -> Json<Sum> {
        Json(Sum {
            sum: self.a.wrapping_add(self.b),
        })
    }
}

#[tool_router]
impl Tools {
    /// Add two numbers.
    #[tool(annotations(read_only_hint = true))]
    async fn add(&self, Parameters(summands): Parameters<Summands>) -> Json<Sum> {
        summands.sum()
    }

    /// Say what was said.
    #[tool(annotations(read_only_hint = true))]
    async fn echo(&self, Parameters(Said { text }): Parameters<Said>) -> String {
        text
    }

    /// Add two numbers, for those who may delete documents.
    #[tool(annotations(read_only_hint = true))]
    async fn guarded_add(
        &self,
        Extension(request): Extension<Parts>,
        Parameters(summands): Parameters<Summands>,
    ) -> Result<Json<Sum>, CallToolResult> {
        let claims = request.extensions.get::<Arc<Claims>>();
        if claims.is_some_and(|claims| claims.may_delete()) {
            return Ok(summands.sum());
        }
        let text = "Forbidden: org:documents:delete permission required";
        Err(CallToolResult::error(vec![ContentBlock::text(text)]))
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("benches", env!("CARGO_PKG_VERSION")))
    }
}

/// The claims of a session token of version 2 or of an OAuth token that the tools need.
#[derive(Deserialize)]
struct Claims {
    exp: u64,
    #[serde(default)]
    fea: String,
    o: Option<Organization>,
}

#[derive(Deserialize)]
struct Organization {
    #[serde(default)]
    per: String,
    #[serde(default)]
    fpm: String,
}

impl Claims {
    /// Whether the token has the permission. Each feature has a bit mask, and each bit is a
    /// permission.
    fn may_delete(&self) -> bool {
        let Some(organization) = &self.o else {
            return false;
        };
        let mut features = self.fea.split(',').zip(organization.fpm.split(','));
        let Some((_, mask)) = features.find(|(feature, _)| *feature == "o:documents") else {
            return false;
        };
        let mask: u64 = mask.parse().unwrap_or_default();
        let mut names = organization.per.split(',').take(64).enumerate();
        names.any(|(bit, name)| name == "delete" && mask >> bit & 1 == 1)
    }
}

struct Authentication {
    keys: Vec<(String, DecodingKey)>,
    validation: Validation,
    seen: Option<Cache<[u8; 32], Arc<Claims>>>,
}

impl Authentication {
    async fn new(issuer: &str) -> Result<Self, Box<dyn Error>> {
        let set = Client::builder()
            .tls_certs_only([])
            .build()?
            .get(format!("{issuer}/.well-known/jwks.json"))
            .send()
            .await?
            .bytes()
            .await?;
        let JwkSet { keys } = serde_json::from_slice(&set)?;
        let keys = keys
            .iter()
            .filter_map(|key| Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?)));
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.validate_aud = false;
        let is_cached = env::var("RMCP_TOKEN_CACHE").is_ok_and(|value| value == "1");
        Ok(Self {
            keys: keys.collect(),
            validation,
            seen: is_cached.then(|| Cache::new(MAX_TOKENS)),
        })
    }

    fn claims(&self, token: &str) -> Option<Arc<Claims>> {
        let Some(seen) = &self.seen else {
            return self.verify(token);
        };
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        match seen.get(&fingerprint) {
            Some(claims) if now < claims.exp => Some(claims),
            Some(_) | None => {
                let claims = self.verify(token)?;
                seen.insert(fingerprint, Arc::clone(&claims));
                Some(claims)
            }
        }
    }

    fn verify(&self, token: &str) -> Option<Arc<Claims>> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let (_, key) = self.keys.iter().find(|(known, _)| *known == kid)?;
        let token = jsonwebtoken::decode(token, key, &self.validation).ok()?;
        Some(Arc::new(token.claims))
    }
}

async fn authenticate(
    State(authentication): State<Arc<Authentication>>,
    mut request: Request,
    next: Next,
) -> Response {
    match bearer(request.headers()).and_then(|token| authentication.claims(token)) {
        Some(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        None => (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    header.strip_prefix("Bearer ")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let issuer = env::var("CLERK_FRONTEND_API_URL")?;
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(|| Ok(Tools), sessions, config);
    let authentication = Arc::new(Authentication::new(&issuer).await?);
    let router = Router::new()
        .nest_service("/mcp", service)
        .layer(middleware::from_fn_with_state(authentication, authenticate));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

const MAX_TOKENS: usize = 32_768;
