//! Where the server listens against where its URL says it is.

use crate::http::Canonical;
use crate::loopback;

use super::super::builder::ServerBuilder;
use super::super::environment::Environment;
use super::super::settings::{Names, bind_address};
use super::{Finding, Found};

/// Judges the canonical URL of a server that listens itself. Without a port that is known, such as 0
/// before the system has chosen one, no ports are compared.
pub(in super::super) fn address(
    builder: &ServerBuilder,
    env: &Environment<'_>,
    canonical: &Canonical,
    names: Names,
) -> Vec<Found> {
    let mut found = Vec::new();
    // What is wrong with it was said where it was read.
    let Ok((host, port)) = bind_address(builder, env) else {
        return found;
    };
    let url = canonical.as_str();
    let on_loopback = loopback::is_host(&host);
    let mut push = |finding: Finding| found.push(Found::from(finding));
    match (canonical.is_loopback(), on_loopback) {
        (true, false) => push(Finding::warning(
            format!("the server listens on {host}, but calls itself {url}"),
            "clients of other machines are told to sign in for a URL that means their own",
            format!(
                "set {} to the public https URL, or {} to 127.0.0.1",
                names.url, names.host
            ),
        )),
        (false, true) => push(Finding::note(
            format!("the server listens on {host} only, and calls itself {url}"),
            "that is right behind a proxy or a tunnel on this machine; without one nobody \
             else reaches it",
            format!("without one, set {} to 0.0.0.0", names.host),
        )),
        (true, true) if port != 0 && canonical.port() != Some(port) => push(Finding::warning(
            format!("the server listens on port {port}, but calls itself {url}"),
            "clients ask for tokens, and look for the metadata, at a port where nothing listens",
            format!("make {} and {} agree", names.url, names.port),
        )),
        (true, true) | (false, false) => {}
    }
    let path = builder.path.as_str();
    if canonical.path() != path {
        let what = format!("the endpoint is served at {path}, but calls itself {url}");
        let why = "a client that calls the URL finds the endpoint only if something in front takes \
                   off what the URL has more";
        let remedy = format!(
            "set `path` to {}, unless a proxy rewrites the path",
            canonical.path()
        );
        push(if canonical.path().ends_with(path) {
            Finding::note(what, why, remedy)
        } else {
            Finding::warning(what, why, remedy)
        });
    }
    found
}
