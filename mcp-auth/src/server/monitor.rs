//! Serves metrics and probes at an address of their own.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::{Request, Response};
use actix_web::dev::{ServerHandle, fn_service};

use crate::http::{ConnectionLimits, Flow, ProcessSignals, Site, answer_monitor, listen};
use crate::limits::Networks;
use crate::metrics::Metrics;

use super::codes;
use super::error::chain;
use super::finding::Finding;
use super::setting::Setting;

/// The server of metrics. It stops when the value is dropped.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) address: SocketAddr,
    handle: ServerHandle,
}

/// Binds the address of metrics.
pub(super) fn bind(address: &Setting<SocketAddr>) -> Result<TcpListener, Finding> {
    TcpListener::bind(address.value).map_err(|error| {
        let (source, address) = (address.source, address.value);
        let what = format!("cannot listen on {address} for metrics: {}", chain(&error));
        let remedy = format!("set {source} to another port, or stop the program that uses it");
        Finding::new(&codes::METRICS_LISTEN_FAILED, what).remedy_is(remedy)
    })
}

impl Monitor {
    /// Serves the metrics of this site.
    pub(super) fn serve(listener: TcpListener, site: Arc<Site>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let factory = move || {
            let site = Arc::clone(&site);
            Flow {
                service: fn_service(move |request: Request| {
                    let site = Arc::clone(&site);
                    async move {
                        let (head, body) = request.into_parts();
                        let is_local = address.ip().is_loopback();
                        let answer = answer_monitor(&site, is_local, &head, body).await;
                        Ok::<_, Infallible>(answer)
                    }
                }),
                expect: fn_service(|request: Request| ready(Ok::<_, Response<_>>(request))),
            }
        };
        let running = listen(listener, &limits(), ProcessSignals::Caller, || {}, factory)?;
        let handle = running.handle();
        tokio::spawn(running);
        Ok(Self { address, handle })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // The call sends the command at once. This code does not wait for the end of the server.
        drop(self.handle.stop(false));
    }
}

/// Returns limits for the few systems that scrape a server.
fn limits() -> ConnectionLimits {
    ConnectionLimits {
        connections: 32,
        per_network: 16,
        proxies: Networks::default(),
        head_deadline: Duration::from_secs(5),
        idle_limit: Duration::from_secs(120),
        write_deadline: Duration::from_secs(10),
        age: Duration::from_secs(60 * 60),
        workers: 1,
        metrics: Metrics::default(),
        #[cfg(feature = "tls")]
        requests_per_connection: 1,
        #[cfg(feature = "tls")]
        certificates: None,
    }
}
