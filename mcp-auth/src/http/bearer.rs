//! Reads the bearer token of a request from its `Authorization` header.

use actix_web::http::Uri;

use crate::protocol::Header;

use super::refusal::Refusal;

/// Returns the bearer token. `None` if there is no header, or if its scheme is not `Bearer`.
pub(super) fn token<'a>(
    authorization: Header<'a>,
    target: &Uri,
) -> Result<Option<&'a str>, Refusal> {
    let in_query = |pair: &str| pair.split('=').next() == Some("access_token");
    let query = target.query();
    if query.is_some_and(|query| query.split('&').any(in_query)) {
        return Err(Refusal::TokenInQuery);
    }
    let header = match authorization {
        Header::Absent => return Ok(None),
        Header::Malformed => return Err(Refusal::SeveralCredentials),
        Header::Value(header) => header,
    };
    // `Bearer` without a token counts as a bad token, so that the request is not treated like a request without a
    // token.
    let (scheme, token) = header.split_once([' ', '\t']).unwrap_or((header, ""));
    // RFC 9110 section 11.1: the scheme is case-insensitive. RFC 6750 section 2.1.
    Ok(scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches([' ', '\t'])))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::head::Fields;

    fn read(uri: &str, headers: &[&str]) -> Result<Option<String>, Refusal> {
        let mut request = TestRequest::get().uri(uri);
        for header in headers {
            request = request.append_header(("Authorization", *header));
        }
        let request = request.to_http_request();
        let authorization = Fields::of(request.head()).authorization;
        token(authorization, request.uri()).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn the_token_is_that_of_the_one_authorization_header() {
        for (headers, expected) in [
            (&[][..], Ok(None)),
            (&["Bearer abc"], Ok(Some("abc"))),
            (&["bEARER  abc "], Ok(Some("abc"))),
            (&["Bearer"], Ok(Some(""))),
            (&["Bearer\tabc"], Ok(Some("abc"))),
            (&["Bearer a b"], Ok(Some("a b"))),
            (&["Bearer \u{e9}"], Ok(Some("\u{e9}"))),
            (&["Bearer "], Ok(Some(""))),
            (&["Basic abc"], Ok(None)),
            (&["abc"], Ok(None)),
            (&["Bearer a", "Bearer b"], Err(Refusal::SeveralCredentials)),
            (&["Bearer a", "Bearer a"], Err(Refusal::SeveralCredentials)),
        ] {
            assert_eq!(
                read("/mcp", headers),
                expected.map(|t| t.map(str::to_owned)),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn a_token_in_the_query_is_refused_even_beside_a_good_one() {
        let refused = Err(Refusal::TokenInQuery);
        assert_eq!(read("/mcp?access_token=abc", &["Bearer abc"]), refused);
        assert_eq!(read("/mcp?a=1&access_token", &[]), refused);
        assert_eq!(read("/mcp?my_access_token=1", &[]), Ok(None));
    }
}
