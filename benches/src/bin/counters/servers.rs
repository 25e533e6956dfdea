//! The called servers: servers of mcp-auth as users start them, a handler that sends constant
//! bytes, and the local Clerk.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use clerk_emulator::{Emulator, EmulatorOptions, TokenRequest};
use mcp_auth::{AuthorizedParties, Rate, RunningServer};

use crate::more;

/// The started servers.
pub(crate) struct Servers {
    limit: SocketAddr,
    /// The servers of mcp-auth, by the number of tools beside the three of `subject`.
    subjects: [(usize, RunningServer); 3],
    clerk: Emulator,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let options = EmulatorOptions::default();
        let clerk = Emulator::start(options).await.unwrap();
        Self {
            limit: limit(),
            subjects: [
                (10, subject(&clerk, 10).await),
                (100, subject(&clerk, 100).await),
                (1000, subject(&clerk, 1000).await),
            ],
            clerk,
        }
    }

    /// The handler that sends constant bytes.
    pub(crate) fn limit(&self) -> SocketAddr {
        self.limit
    }

    /// The server with this number of further tools.
    pub(crate) fn subject(&self, tools: usize) -> SocketAddr {
        let found = self.subjects.iter().find(|(more, _)| *more == tools);
        found.unwrap().1.address()
    }

    /// A token that is valid for a day.
    #[expect(
        clippy::disallowed_methods,
        reason = "the servers use the system's clock"
    )]
    pub(crate) fn mint(&self, request: TokenRequest) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let request = request.expires_in(24 * 60 * 60);
        let instance = self.clerk.instance();
        instance.mint(&request, now.as_secs()).unwrap()
    }
}

async fn subject(clerk: &Emulator, tools: usize) -> RunningServer {
    mcp_auth::server!()
        .frontend_api_url(clerk.url())
        .api_url(clerk.url())
        .secret_key(clerk.instance().secret_key().expose())
        .session_tokens(AuthorizedParties::any())
        // Like by default calls are counted, but the rate is so high that none is refused.
        .rates([Rate::new("4294967295/min per user")])
        // The whole list is one page.
        .page_size(10_000)
        .serve_if(move |tool| more::is_served(tool, tools))
        .port(0)
        .start()
        .await
        .unwrap()
}

/// A handler that sends the right answer to a call of `add`.
fn limit() -> SocketAddr {
    let server = HttpServer::new(|| App::new().route("/mcp", web::post().to(answer)))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

async fn answer(_body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(Bytes::from_static(SUM))
}

const SUM: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"sum\":3}"}],"structuredContent":{"sum":3},"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"benches","version":"0.1.0"}}}}"#;
