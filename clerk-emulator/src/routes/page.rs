//! The common parts of the pages for a browser: the notice, the style and the headers.
//!
//! The pages have no script and load no other resource.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::routes::dev::private;

/// A page with a notice that ends with `warning`, the title as heading, and the content.
pub(crate) fn document(title: &str, warning: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.notice { strong { "Development only. " } (warning) }
                    h1 { (title) }
                }
                main { (main) }
            }
        }
    }
}

/// The response with a page that has no form.
pub(crate) fn respond(status: StatusCode, page: Markup) -> HttpResponse {
    respond_with(status, page, "form-action 'none'; ", "no-referrer")
}

/// The response with a page whose form posts to this origin and is then redirected to a client.
///
/// The policy has no `form-action`, because a browser applies `form-action` to every redirect after the form, and the
/// redirects after a client's redirect URI are unknown. Names are escaped, so nobody can add a second form to the page.
/// The referrer policy is `same-origin`, because without a referrer a browser sends the origin `null`, which
/// `local_only` refuses.
pub(crate) fn respond_with_form(page: Markup) -> HttpResponse {
    respond_with(StatusCode::OK, page, "", "same-origin")
}

fn respond_with(
    status: StatusCode,
    page: Markup,
    forms: &str,
    referrer: &'static str,
) -> HttpResponse {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; {forms}frame-ancestors 'none'"
    );
    private()
        .status(status)
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::REFERRER_POLICY, referrer))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
        .content_type("text/html; charset=utf-8")
        .body(page.into_string())
}

const STYLE: &str = concat!(include_str!("page.css"), include_str!("form.css"));
