//! The server `limit`: an actix-web handler that reads the body and sends constant bytes.
//!
//! The environment defines the answer, so that it can equal the answer of another server: the file
//! `LIMIT_ANSWER` is the body, `LIMIT_STATUS` the status (default: 200), and each line `Name:
//! value` of `LIMIT_HEADERS` a header. The server listens on `127.0.0.1:$PORT`.

use std::{env, fs, io};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn from_environment() -> io::Result<Self> {
        let body = match env::var_os("LIMIT_ANSWER") {
            Some(path) => fs::read(path)?.into(),
            None => Bytes::from_static(SUM),
        };
        let status = match env::var("LIMIT_STATUS") {
            Ok(status) => status.parse().map_err(io::Error::other)?,
            Err(_) => StatusCode::OK,
        };
        let headers = env::var("LIMIT_HEADERS").unwrap_or_default();
        Ok(Self {
            status,
            headers: headers.lines().map(header).collect::<io::Result<_>>()?,
            body,
        })
    }

    fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.body(self.body.clone())
    }
}

fn header(line: &str) -> io::Result<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    Ok((
        name.trim().parse().map_err(io::Error::other)?,
        value.trim().parse().map_err(io::Error::other)?,
    ))
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let answer = Answer::from_environment()?;
    let server = HttpServer::new(move || {
        let answer = answer.clone();
        let handler = move |_body: Bytes| {
            let response = answer.response();
            async move { response }
        };
        App::new()
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .route("/mcp", web::post().to(handler))
    });
    server
        .bind(("127.0.0.1", port.unwrap_or(3000)))?
        .run()
        .await
}

const MAX_BODY: usize = 4 * 1024 * 1024;
const SUM: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"sum\":3}"}],"structuredContent":{"sum":3},"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"benches","version":"0.1.0"}}}}"#;
