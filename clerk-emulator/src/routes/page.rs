//! What the pages for a browser share: the notice, the style, and the headers.
//!
//! They hold no script and load nothing.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::routes::dev::private;

/// A document: the notice that `warning` ends, the title as its heading, and the rest.
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

/// A page to read.
pub(crate) fn answer(status: StatusCode, page: Markup) -> HttpResponse {
    respond(status, page, "form-action 'none'; ", "no-referrer")
}

/// A page with a form, which posts to this origin and is then led elsewhere.
///
/// A browser applies `form-action` to every redirect that follows, and where a client's redirect URI leads
/// on to is not known: so there is none, and it is the escaping of names that keeps a page from having a
/// second form. Without a referrer the origin of a form would be `null`, which the guard refuses.
pub(crate) fn answer_form(page: Markup) -> HttpResponse {
    respond(StatusCode::OK, page, "", "same-origin")
}

fn respond(status: StatusCode, page: Markup, forms: &str, referrer: &'static str) -> HttpResponse {
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
