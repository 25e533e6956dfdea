//! Handles requests that ask for another protocol (RFC 9110 section 7.8). The server ignores
//! `Upgrade` and answers in HTTP/1.1.
//!
//! Java's HTTP client asks for h2c with every request. actix would copy `Connection: upgrade` into
//! the response and then close the connection. The client would send its next request on the closed
//! connection. actix cannot keep such a connection open, so the response announces that the
//! connection closes.

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::ConnectionType;

/// Sets `Connection: close` on the response to a request with `Connection: Upgrade` or
/// `Connection: close`. Without this header, actix would follow the last request that it has read,
/// which may already be the next request.
pub(in crate::http) fn announce_close(
    head: &RequestHead,
    mut answer: HttpResponse,
) -> HttpResponse {
    if head.connection_type() != ConnectionType::KeepAlive {
        let head = answer.head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    answer
}
