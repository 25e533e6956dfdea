use super::*;

#[test]
fn an_origin_is_normalised_to_what_browsers_send() {
    for (entry, expected) in [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        (" https://app.example.com ", "https://app.example.com"),
        ("HTTPS://App.Example.COM", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80/", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        (
            "https://app.example.com:8443",
            "https://app.example.com:8443",
        ),
        (
            "https://b\u{fc}cher.example",
            "https://xn--bcher-kva.example",
        ),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
        ("http://[0:0::1]", "http://[::1]"),
        (
            "chrome-extension://mfgccjchihfkkindfppnaooecgfneiii/",
            "chrome-extension://mfgccjchihfkkindfppnaooecgfneiii",
        ),
        ("TAURI://localhost", "tauri://localhost"),
        ("vscode-webview://1AbC", "vscode-webview://1AbC"),
    ] {
        assert_eq!(origin(entry).as_deref(), Ok(expected), "{entry}");
    }
}

#[test]
fn what_is_no_origin_is_told_what_to_write() {
    let wildcard = "list each value separately; write it like https://app.example.com";
    for (entry, problem, remedy) in [
        ("", "is empty", "remove it"),
        ("  ", "is empty", "remove it"),
        ("*", "has a wildcard", wildcard),
        ("https://*.example.com", "has a wildcard", wildcard),
        ("https://%2A.example.com", "has a wildcard", wildcard),
        ("http://localhost:*", "has a wildcard", wildcard),
        (
            "null",
            "is an origin that unrelated pages share",
            LIKE_ORIGIN,
        ),
        (
            "app.example.com",
            "has no scheme",
            "write https://app.example.com, or http://app.example.com",
        ),
        (
            "localhost:3000",
            "has no scheme",
            "write https://localhost:3000, or http://localhost:3000",
        ),
        ("//app.example.com", "has no scheme", LIKE_ORIGIN),
        ("app.example.com/x", "has no scheme", LIKE_ORIGIN),
        (
            "https://app.example.com/app",
            "is more than an origin",
            "write https://app.example.com",
        ),
        (
            "https://app.example.com//",
            "is more than an origin",
            "write https://app.example.com",
        ),
        (
            "https://app.example.com?a",
            "is more than an origin",
            "write https://app.example.com",
        ),
        (
            "https://app.example.com#a",
            "is more than an origin",
            "write https://app.example.com",
        ),
        (
            "https://ada@app.example.com",
            "is more than an origin",
            "write https://app.example.com",
        ),
        ("https://", "is not an origin", LIKE_ORIGIN),
        ("https://a b.example", "is not an origin", LIKE_ORIGIN),
        ("https://app.example.com:x", "is not an origin", LIKE_ORIGIN),
        (
            "https://app.example.com:99999",
            "is not an origin",
            LIKE_ORIGIN,
        ),
        ("wss://app.example.com", "is not an origin", LIKE_ORIGIN),
        ("file:///app", "is not an origin", LIKE_ORIGIN),
        (
            "blob:https://app.example.com",
            "is not an origin",
            LIKE_ORIGIN,
        ),
        (
            "chrome-extension://abc/page",
            "is not an origin",
            LIKE_ORIGIN,
        ),
    ] {
        assert_eq!(
            origin(entry),
            Err(BadEntry::new(problem, remedy)),
            "{entry}"
        );
    }
}

#[test]
fn a_host_is_normalised_to_what_requests_name() {
    for (entry, name, port) in [
        ("example.com", "example.com", None),
        ("Example.com", "example.com", None),
        (" example.com ", "example.com", None),
        ("example.com:8443", "example.com", Some(8443)),
        ("example.com:443", "example.com", Some(443)),
        ("https://example.com", "example.com", Some(443)),
        ("https://Example.com/", "example.com", Some(443)),
        ("http://example.com", "example.com", Some(80)),
        ("https://example.com:8443", "example.com", Some(8443)),
        ("b\u{fc}cher.example", "xn--bcher-kva.example", None),
        ("my_service:3000", "my_service", Some(3000)),
        ("10.0.0.7:3000", "10.0.0.7", Some(3000)),
        ("[::1]", "[::1]", None),
        ("[::1]:3000", "[::1]", Some(3000)),
        ("[0:0::1]:3000", "[::1]", Some(3000)),
        ("::1", "[::1]", None),
    ] {
        let expected = AllowedHost::new(name.to_owned(), port);
        assert_eq!(AllowedHost::parse(entry), Ok(expected), "{entry}");
    }
}

#[test]
fn what_is_no_host_is_told_what_to_write() {
    let wildcard =
        "list each value separately; write it like mcp.example.com or mcp.example.com:8443";
    for (entry, problem, remedy) in [
        ("", "is empty", "remove it"),
        ("*", "has a wildcard", wildcard),
        ("*.example.com", "has a wildcard", wildcard),
        ("example.com:*", "has a wildcard", wildcard),
        ("%2a.example.com", "has a wildcard", wildcard),
        (
            "example.com/mcp",
            "is more than a host",
            "write example.com",
        ),
        (
            "https://example.com:8443/mcp",
            "is more than a host",
            "write example.com:8443",
        ),
        (
            "ada@example.com",
            "is more than a host",
            "write example.com",
        ),
        ("example.com?a", "is more than a host", "write example.com"),
        ("ftp://example.com", "is not a host", LIKE_HOST),
        (":3000", "is not a host", LIKE_HOST),
        ("example.com:x", "is not a host", LIKE_HOST),
        ("example.com:+80", "is not a host", LIKE_HOST),
        ("example.com:99999", "is not a host", LIKE_HOST),
        ("[::1", "is not a host", LIKE_HOST),
        ("a b", "is not a host", LIKE_HOST),
        ("/", "is not a host", LIKE_HOST),
    ] {
        let expected = Err(BadEntry::new(problem, remedy));
        assert_eq!(AllowedHost::parse(entry), expected, "{entry}");
    }
}

#[test]
fn a_port_that_clients_leave_out_is_allowed_without_it() {
    for (entry, host, allowed) in [
        ("example.com", "example.com", true),
        ("example.com", "EXAMPLE.com:1234", true),
        ("example.com:443", "example.com", true),
        ("example.com:443", "example.com:443", true),
        ("example.com:443", "example.com:8443", false),
        ("example.com:443", "example.com:80", false),
        ("https://example.com", "example.com", true),
        ("example.com:3000", "example.com", false),
        ("example.com:3000", "example.com:3000", true),
        ("example.com", "example.com.evil", false),
        ("[::1]:3000", "[::1]:3000", true),
        ("::1", "[::1]:3000", true),
        ("::1", "::1", false),
    ] {
        let entry = AllowedHost::parse(entry).unwrap();
        let is = split(host).is_some_and(|(name, port)| entry.is(name, port));
        assert_eq!(is, allowed, "{entry:?} {host}");
    }
    assert_eq!(split("example.com:x"), None);
    assert_eq!(split("example.com:"), Some(("example.com", None)));
}
