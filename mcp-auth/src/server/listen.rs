//! Serves the user's own application over connections with limits.

use std::net::TcpListener;
use std::sync::Arc;
use std::{fmt, io};

use actix_http::h1::ExpectHandler;
use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{self, AppConfig, Service, ServiceFactory};

use crate::http::{Flow, ProcessSignals, listen};

use super::start::Server;

impl Server {
    /// Serves your own application, which mounts this server's routes. Connections have the same limits as with
    /// `serve!`: [`connections`](crate::ServerBuilder::connections),
    /// [`connections_per_network`](crate::ServerBuilder::connections_per_network),
    /// [`head_deadline`](crate::ServerBuilder::head_deadline), [`idle_limit`](crate::ServerBuilder::idle_limit),
    /// [`write_deadline`](crate::ServerBuilder::write_deadline) and
    /// [`connection_age`](crate::ServerBuilder::connection_age). Await the returned server to run it.
    ///
    /// The server listens on the address of `listener`. It speaks plain HTTP/1.1, or with
    /// `ServerBuilder::tls` HTTP/2 and HTTP/1.1 over TLS, with one worker for each processor. On SIGTERM the calls in flight have 30 s to end; on Ctrl-C the server
    /// drops them.
    ///
    /// ```no_run
    /// use std::net::TcpListener;
    ///
    /// use actix_web::App;
    ///
    /// #[actix_web::main]
    /// async fn main() -> mcp_auth::Result<()> {
    ///     let server = mcp_auth::server!().idle_limit(std::time::Duration::from_secs(30)).build().await?;
    ///     let mounted = server.clone();
    ///     let application = move || {
    ///         App::new().configure(mounted.well_known()).configure(mounted.routes())
    ///     };
    ///     server.listen(TcpListener::bind("127.0.0.1:3000")?, application)?.await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// Two details differ from actix-web's `HttpServer`. `Expect: 100-continue` is answered before the application sees
    /// the request. For a request without `Host`, `ConnectionInfo` has the host `localhost:8080`, as in actix's tests.
    ///
    /// # Errors
    ///
    /// Fails if the listener has no address, or if the system cannot poll it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn listen<F, I, S, B>(&self, listener: TcpListener, factory: F) -> io::Result<dev::Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Response: Into<Response<B>> + 'static,
        S::Error: Into<actix_web::Error> + 'static,
        S::InitError: fmt::Debug,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        let flow = move || {
            let application = factory().into_factory();
            let application = application.map_err(|error| error.into().error_response());
            Flow {
                service: map_config(application, |()| AppConfig::default()),
                expect: ExpectHandler.map_err(Response::<BoxBody>::from),
            }
        };
        let site = Arc::downgrade(&self.site());
        let at_shutdown = move || {
            if let Some(site) = site.upgrade() {
                site.health.begin_to_stop();
                site.endpoint.stop_streams();
            }
        };
        let signals = ProcessSignals::Actix;
        listen(listener, &self.connections, signals, at_shutdown, flow)
    }
}
