use actix_web::test::TestRequest;
use proptest::prelude::*;

use super::*;
use crate::identity::test_support;

const PROXY: &str = "10.0.0.1:40000";

/// Returns the client of a request from `peer`, if 10/8 and fd00::/8 are trusted.
fn client(peer: &str, headers: &[(&str, &str)]) -> String {
    let proxies = Networks::parse(["10.0.0.0/8", "fd00::/8"]).unwrap();
    address(&Clients::new(proxies, true), peer, headers).to_string()
}

fn address(clients: &Clients, peer: &str, headers: &[(&str, &str)]) -> IpAddr {
    let mut request = TestRequest::get().peer_addr(peer.parse().unwrap());
    for header in headers {
        request = request.append_header(*header);
    }
    clients.address(request.to_http_request().head())
}

#[test]
fn without_the_setting_or_from_another_peer_the_client_is_the_peer() {
    let told = [
        ("X-Forwarded-For", "198.51.100.1"),
        ("Forwarded", "for=198.51.100.1"),
    ];
    let nobody = Clients::new(Networks::default(), true);
    for header in told {
        assert_eq!(address(&nobody, PROXY, &[header]).to_string(), "10.0.0.1");
        assert_eq!(client("192.0.2.9:1", &[header]), "192.0.2.9");
        assert_eq!(client(PROXY, &[header]), "198.51.100.1");
        assert_eq!(client("[::ffff:10.0.0.1]:1", &[header]), "198.51.100.1");
        assert_eq!(client("[fd00::1]:1", &[header]), "198.51.100.1");
    }
    assert_eq!(client(PROXY, &[]), "10.0.0.1");
}

#[test]
fn the_nearest_address_that_is_no_trusted_proxy_is_the_client() {
    for (list, expected) in [
        ("203.0.113.5, 198.51.100.1", "198.51.100.1"),
        (
            "203.0.113.5, 198.51.100.1, 10.0.0.2, 10.9.0.3",
            "198.51.100.1",
        ),
        ("198.51.100.1:50000", "198.51.100.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443,10.0.0.2", "2001:db8::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("198.51.100.1,\t, ,10.0.0.2,", "198.51.100.1"),
        // If all addresses are proxies, the client is the proxy that is farthest away.
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("", "10.0.0.1"),
        (" , ", "10.0.0.1"),
    ] {
        let header = ("X-Forwarded-For", list);
        assert_eq!(client(PROXY, &[header]), expected, "{list}");
    }
    for (list, expected) in [
        ("for=203.0.113.5, for=198.51.100.1", "198.51.100.1"),
        ("For=198.51.100.1;proto=https;by=10.0.0.1", "198.51.100.1"),
        (
            "proto=https; for=\"198.51.100.1:80\" ;host=a.example",
            "198.51.100.1",
        ),
        ("for=\"[2001:db8::1]:_port\", for=10.0.0.2", "2001:db8::1"),
        ("for=\"[2001:db8::1]\";host=\"a,b;c\"", "2001:db8::1"),
        ("for=198.51.100.1,for=\"[fd00::9]\"", "198.51.100.1"),
    ] {
        assert_eq!(client(PROXY, &[("Forwarded", list)]), expected, "{list}");
    }
}

#[test]
fn what_is_no_address_ends_the_walk_at_the_last_proxy_that_was_believed() {
    for bad in [
        "unknown",
        "_hidden",
        "198.51.100",
        "198.51.100.1.2",
        "0198.51.100.1",
        "198.51.100.1:",
        "198.51.100.1:123456",
        "[198.51.100.1]",
        "[2001:db8::1",
        "[2001:db8::1]x",
        "fe80::1%eth0",
        "a b",
        "\u{e9}",
    ] {
        let list = format!("203.0.113.5, {bad}, 10.0.0.2");
        let header = ("X-Forwarded-For", list.as_str());
        let expected = if bad.is_ascii() {
            "10.0.0.2"
        } else {
            "10.0.0.1"
        };
        assert_eq!(client(PROXY, &[header]), expected, "{bad}");
    }
    for bad in [
        "for=unknown",
        "for=_hidden",
        "for=\"_hidden:80\"",
        "for",
        "for=",
        "for=\"\"",
        "by=198.51.100.1",
        "for=198.51.100.1;for=198.51.100.1",
        "for =198.51.100.1",
        "for= 198.51.100.1",
        "for=\"198.51.100.1\"x",
        "for=\"198.51.\\100.1\"",
        "for=198.51.100.1 proto=https",
        "=198.51.100.1",
        "198.51.100.1",
    ] {
        let list = format!("for=203.0.113.5, {bad}, for=10.0.0.2");
        assert_eq!(client(PROXY, &[("Forwarded", &list)]), "10.0.0.2", "{bad}");
    }
}

#[test]
fn headers_on_several_lines_are_one_list_in_their_order() {
    let lines = [
        ("X-Forwarded-For", "203.0.113.5"),
        ("X-Forwarded-For", "198.51.100.1, 10.0.0.3"),
        ("X-Forwarded-For", "10.0.0.2"),
    ];
    assert_eq!(client(PROXY, &lines), "198.51.100.1");
    let lines = [
        ("Forwarded", "for=\"203.0.113.5"),
        ("Forwarded", "for=10.0.0.2"),
    ];
    assert_eq!(client(PROXY, &lines), "10.0.0.2");
}

#[test]
fn two_headers_that_name_different_clients_are_both_not_believed() {
    let customary = ("X-Forwarded-For", "203.0.113.5, 198.51.100.1");
    for (standard, expected) in [
        ("for=198.51.100.1", "198.51.100.1"),
        ("for=203.0.113.9, for=198.51.100.1", "198.51.100.1"),
        ("for=203.0.113.5", "10.0.0.1"),
        ("for=unknown", "10.0.0.1"),
        ("", "10.0.0.1"),
    ] {
        let headers = [customary, ("Forwarded", standard)];
        assert_eq!(client(PROXY, &headers), expected, "{standard}");
    }
}

#[test]
fn a_list_without_end_is_read_up_to_a_bound() {
    let list = "10.0.0.7,".repeat(MOST_ENTRIES + 1);
    let of_proxies = format!("198.51.100.1,{list}");
    assert_eq!(
        client(PROXY, &[("X-Forwarded-For", &of_proxies)]),
        "10.0.0.7"
    );
    let commas = ",".repeat(60_000);
    let header = format!("198.51.100.1{commas}");
    assert_eq!(client(PROXY, &[("X-Forwarded-For", &header)]), "10.0.0.1");
    let quotes = "\\\"".repeat(30_000);
    assert_eq!(client(PROXY, &[("Forwarded", &quotes)]), "10.0.0.1");
}

#[test]
fn each_header_that_a_proxy_adds_shows_the_proxy() {
    let forwarded = |name: &str| {
        let request = TestRequest::get().append_header((name, "192.0.2.1"));
        is_forwarded(request.to_http_request().headers())
    };
    for name in [
        "CF-Connecting-IP",
        "Fly-Client-IP",
        "Forwarded",
        "Tailscale-User-Login",
        "True-Client-IP",
        "Via",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Envoy-External-Address",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Original-Forwarded-For",
        "X-Real-IP",
    ] {
        assert!(forwarded(name), "{name}");
    }
    for name in ["Accept", "Host", "Origin", "X-Forwarded", "X-Request-Id"] {
        assert!(!forwarded(name), "{name}");
    }
}

#[test]
fn a_likely_proxy_is_named_once_with_the_setting() {
    let warnings = |is_public: bool, proxies: &[&str], peers: &[&str]| {
        let clients = Clients::new(Networks::parse(proxies).unwrap(), is_public);
        let log = test_support::logged(|| {
            for peer in peers {
                address(&clients, peer, &[]);
            }
        });
        log.matches("MCP_TRUSTED_PROXIES").count()
    };
    assert_eq!(warnings(true, &[], &[PROXY, "127.0.0.1:1", PROXY]), 1);
    assert_eq!(warnings(true, &[], &["[::1]:1"]), 1);
    assert_eq!(warnings(true, &[], &["198.51.100.1:1", PROXY]), 0);
    assert_eq!(warnings(false, &[], &[PROXY]), 0);
    assert_eq!(warnings(true, &["10.0.0.1"], &[PROXY, "127.0.0.1:1"]), 0);
}

/// A header that a client can send.
fn sent() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,60}",
        "(for=|by=|\"|\\\\|,|;|=|\\[|\\]|:|[0-9]{1,3}|\\.| |10\\.0\\.0\\.2|unknown|_x){0,30}",
    ]
}

proptest! {
    #[test]
    fn whatever_a_client_sends_the_address_that_the_proxy_adds_counts(
        theirs in prop::collection::vec(sent(), 0..4),
        octets in any::<[u8; 4]>().prop_filter("no proxy", |octets| octets[0] != 10),
        segments in any::<[u16; 8]>().prop_filter("no proxy", |all| all[0] >> 8 != 0xfd),
        is_v4 in any::<bool>(),
        on_a_line in any::<bool>(),
    ) {
        let added: IpAddr = if is_v4 { octets.into() } else { segments.into() };
        let added = added.to_canonical();
        prop_assume!(!added.to_string().starts_with("10."));
        for (name, written) in [
            ("X-Forwarded-For", added.to_string()),
            ("Forwarded", match added {
                IpAddr::V4(_) => format!("for={added};host=\"a\""),
                IpAddr::V6(_) => format!("by=_x;for=\"[{added}]:443\""),
            }),
        ] {
            let mut lines = theirs.clone();
            match lines.last_mut() {
                Some(last) if !on_a_line => *last = format!("{last}, {written}"),
                _ => lines.push(written),
            }
            let headers: Vec<_> = lines.iter().map(|line| (name, line.as_str())).collect();
            prop_assert_eq!(client(PROXY, &headers), added.to_string());
        }
    }

    #[test]
    fn no_header_is_worse_than_none(
        standard in prop::collection::vec(sent(), 0..4),
        customary in prop::collection::vec(sent(), 0..4),
    ) {
        let standard = standard.iter().map(|line| ("Forwarded", line.as_str()));
        let customary = customary.iter().map(|line| ("X-Forwarded-For", line.as_str()));
        let headers: Vec<_> = standard.chain(customary).collect();
        let _address: IpAddr = client(PROXY, &headers).parse().unwrap();
        prop_assert_eq!(client("192.0.2.9:1", &headers), "192.0.2.9");
    }
}
