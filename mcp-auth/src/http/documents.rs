//! The discovery documents.

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderValue,
};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::canonical::Canonical;

/// The fields of the protected-resource metadata, except the URL.
#[derive(Clone, Debug)]
pub(crate) struct ResourceInfo {
    pub(crate) issuer: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) documentation: Option<String>,
}

/// Makes the protected-resource metadata (RFC 9728) for one URL of the endpoint, as JSON. On
/// loopback the endpoint has several URLs.
pub(super) fn protected_resource(canonical: &Canonical, info: &ResourceInfo) -> Bytes {
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("resource", canonical.as_str().into());
    put("authorization_servers", vec![info.issuer.clone()].into());
    put("scopes_supported", info.scopes.clone().into());
    put("bearer_methods_supported", vec!["header"].into());
    if let Some(name) = &info.name {
        put("resource_name", name.as_str().into());
    }
    if let Some(documentation) = &info.documentation {
        put("resource_documentation", documentation.as_str().into());
    }
    Bytes::from(Value::Object(document).to_string())
}

/// Returns the paths at which clients look for the metadata: with the endpoint's path appended, and
/// at the root (RFC 9728 section 3.1).
pub(super) fn protected_resource_paths(canonical: &Canonical) -> Vec<String> {
    let mut paths = vec![PROTECTED_RESOURCE.to_owned()];
    if canonical.path() != "/" {
        paths.insert(0, format!("{PROTECTED_RESOURCE}{}", canonical.path()));
    }
    paths
}

/// Responds with a document that clients may cache for five minutes.
pub(super) fn ok(document: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(document)
}

/// Lets pages of every origin read a response. This is safe, because the document is public and the request has no
/// credentials.
pub(super) fn for_any_origin(mut answer: HttpResponse) -> HttpResponse {
    let any = HeaderValue::from_static("*");
    answer
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
    answer
}

/// Answers the preflight request for a public document. The response permits every origin and every header, but no
/// credentials.
pub(super) fn public_preflight(head: &RequestHead) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(("Access-Control-Allow-Methods", "GET, OPTIONS"))
        .insert_header(("Access-Control-Max-Age", "86400"));
    if let Some(headers) = head.headers().get("Access-Control-Request-Headers") {
        response.insert_header(("Access-Control-Allow-Headers", headers.clone()));
    }
    response.finish()
}

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
