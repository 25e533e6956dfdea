//! Tables of matches and refusals. The module `overlap` has the tables of overlaps, and `random` has
//! the tests against a reference matcher.

use super::{LONGEST_URI, Search, UriPart, UriTemplate};

mod overlap;
mod random;

#[test]
fn literals_match_byte_for_byte() {
    check(&[
        ("x://a", "x://a", Some("")),
        ("x://a", "x://A", None),
        ("x://a", "x://%61", None),
        ("x://a", "x://ab", None),
        ("x://a", "x://", None),
        ("x://%61", "x://%61", Some("")),
        ("x://a%2Fb", "x://a%2fb", None),
        ("x://é", "x://é", Some("")),
        ("x://é", "x://e\u{301}", None),
        ("x://../a", "x://../a", Some("")),
        ("", "", Some("")),
        ("", "a", None),
    ]);
}

#[test]
fn simple_variable_matches_one_or_more_of_its_characters() {
    check(&[
        ("x://{id}", "x://42", Some("id=42")),
        ("x://{id}", "x://aZ09-._~", Some("id=aZ09-._~")),
        ("x://{id}", "x://!$'()*+", Some("id=!$'()*+")),
        ("x://{id}", "x://", None),
        ("x://{id}/b", "x://a/b", Some("id=a")),
        ("x://{id}/b", "x:///b", None),
        ("x://{id}/b", "x://a/bc", None),
        ("x://{id}/b", "x://a/c/b", None),
        ("{id}", "a", Some("id=a")),
        ("x://{id}", "x://user:1@b", Some("id=user:1@b")),
    ]);
}

#[test]
fn simple_variable_refuses_separators_unless_they_are_encoded() {
    for separator in "/?#[],;=&".chars() {
        check(&[("x://{id}", &format!("x://a{separator}b"), None)]);
    }
    for separator in ":?#[]@,;=&".chars() {
        let encoded = format!("x://a%{:02x}b", u32::from(separator));
        check(&[("x://{id}", &encoded, Some(&format!("id=a{separator}b")))]);
    }
    check(&[
        ("x://{id}", "x://a%2Fb", None),
        ("x://{id}", "x://a%2fb", None),
        ("x://{id}", "x://a%5Cb", None),
        ("x://{id}", "x://a%5cb", None),
    ]);
}

#[test]
fn reserved_variable_matches_reserved_characters() {
    check(&[
        ("x://{+path}", "x://a/b", Some("path=a/b")),
        ("x://{+path}", "x://a//b/", Some("path=a//b/")),
        ("x://{+path}", "x:///a//b/", None),
        ("x://{+path}", "x://%2Fa", None),
        ("x://{+path}", "x://%5Ca", None),
        (
            "x://{+path}",
            "x://:/?#[]@!$&'()*+,;=",
            Some("path=:/?#[]@!$&'()*+,;="),
        ),
        ("x://{+path}", "x://a%2Fb%5Cc", Some("path=a/b\\c")),
        ("x://{+path}", "x://", None),
        ("x://{+path}/end", "x://a/end/end", Some("path=a/end")),
        ("#{+part}", "#a/b", Some("part=a/b")),
    ]);
}

#[test]
fn characters_outside_uris_match_only_encoded() {
    for character in " \"<>\\^`{|}\0\t\n\u{1f}\u{7f}\u{85}".chars() {
        for template in ["x://{id}", "x://{+path}", "x://a{?q}"] {
            let uri = template
                .replace("{id}", "a_")
                .replace("{+path}", "a_")
                .replace("{?q}", "?q=_");
            check(&[(template, &uri.replace('_', &character.to_string()), None)]);
        }
    }
    check(&[
        (
            "x://{id}",
            "x://a%20%22%3C%3e%5E%60%7b%7C%7D",
            Some("id=a \"<>^`{|}"),
        ),
        ("x://{+path}", "x://a%20%5c", Some("path=a \\")),
    ]);
}

#[test]
fn control_characters_are_refused_also_encoded() {
    for encoded in [
        "%00", "%01", "%09", "%0a", "%0D", "%1f", "%7F", "%C2%80", "%c2%9F",
    ] {
        check(&[
            ("x://{id}", &format!("x://a{encoded}"), None),
            ("x://{+path}", &format!("x://a/{encoded}b"), None),
            ("x://a{?q}", &format!("x://a?q={encoded}"), None),
        ]);
    }
    check(&[("x://{id}", "x://a%C2%A0", Some("id=a\u{a0}"))]);
}

#[test]
fn unicode_matches_raw_and_encoded() {
    check(&[
        ("x://{id}", "x://é😀", Some("id=é😀")),
        ("x://{id}", "x://%C3%A9%f0%9F%98%80", Some("id=é😀")),
        ("x://{id}", "x://é%C3%A9é", Some("id=ééé")),
        (
            "x://{id}",
            "x://\u{7ff}\u{800}\u{ffff}\u{10ffff}",
            Some("id=\u{7ff}\u{800}\u{ffff}\u{10ffff}"),
        ),
        ("x://{id}é{b}", "x://aéb", Some("id=a;b=b")),
        ("x://{id}é{b}", "x://a%C3%A9b", None),
        ("x://a{?q}", "x://a?q=日本", Some("q=日本")),
    ]);
}

#[test]
fn broken_encodings_are_refused() {
    let broken = [
        "%",
        "%2",
        "%zz",
        "%2g",
        "%+1",
        "% 1",
        "a%",
        "%%41",
        "%2%41",
        "%é",
        "%C3",
        "%C3a",
        "%C3é",
        "%A9",
        "%C3%",
        "%C3%A",
        "%C3%28",
        "%C0%AF",
        "%C1%9C",
        "%E0%80%AF",
        "%ED%A0%80",
        "%F0%80%80%AF",
        "%F4%90%80%80",
        "%F5%80%80%80",
        "%FF",
        "%F0%9F%98",
        "%C3/%A9",
    ];
    for text in broken {
        check(&[
            ("x://{id}", &format!("x://{text}"), None),
            ("x://{+path}", &format!("x://a/{text}"), None),
            ("x://a{?q}", &format!("x://a?q={text}"), None),
            ("x://{id}/b", &format!("x://{text}/b"), None),
        ]);
    }
}

#[test]
fn values_are_decoded_exactly_once() {
    check(&[
        ("x://{id}", "x://%252e%252e", Some("id=%2e%2e")),
        ("x://{id}", "x://%252F", Some("id=%2F")),
        ("x://{+path}", "x://a/%252e%252e/b", Some("path=a/%2e%2e/b")),
        ("x://{id}", "x://%25", Some("id=%")),
        ("x://{id}", "x://%2541", Some("id=%41")),
        ("x://a{?q}", "x://a?q=%2526", Some("q=%26")),
        ("x://{id}", "x://a+b%2B", Some("id=a+b+")),
        ("x://a{?q}", "x://a?q=a+b%20c", Some("q=a+b c")),
    ]);
}

#[test]
fn traversal_is_refused_in_each_spelling() {
    let dots = [
        ".", "..", "%2e", "%2E", "%2e%2e", "%2E%2E", ".%2E", "%2e.", "%2E.", ".%2e",
    ];
    for text in dots {
        check(&[
            ("x://{id}", &format!("x://{text}"), None),
            ("x://{id}/b", &format!("x://{text}/b"), None),
            ("x://{+path}", &format!("x://{text}"), None),
            ("x://a{?q}", &format!("x://a?q={text}"), None),
        ]);
        for separator in ["/", "%2f", "%2F", "%5c", "%5C"] {
            for path in [
                format!("{text}{separator}b"),
                format!("{separator}{text}"),
                format!("a{separator}{text}"),
                format!("a{separator}{text}{separator}b"),
                format!("{text}{separator}"),
            ] {
                check(&[
                    ("x://{id}", &format!("x://{path}"), None),
                    ("x://{+path}", &format!("x://{path}"), None),
                    ("x://a{?q}", &format!("x://a?q={path}"), None),
                ]);
            }
        }
    }
}

#[test]
fn dots_that_are_no_segment_match() {
    check(&[
        ("x://{id}", "x://...", Some("id=...")),
        ("x://{id}", "x://.a", Some("id=.a")),
        ("x://{id}", "x://..a", Some("id=..a")),
        ("x://{id}", "x://a..", Some("id=a..")),
        ("x://{+path}", "x://.git/a..b/c.", Some("path=.git/a..b/c.")),
        ("x://{+path}", "x://a/.../b", Some("path=a/.../b")),
        ("x://{+path}", "x://..?x", Some("path=..?x")),
        ("x://a{?q}", "x://a?q=a/.b", Some("q=a/.b")),
    ]);
}

#[test]
fn first_variable_is_as_short_as_possible() {
    check(&[
        ("{a}-{b}", "x-y-z", Some("a=x;b=y-z")),
        ("{a}-{b}", "--", None),
        ("{a}-{b}", "---", Some("a=-;b=-")),
        ("{a}-{b}", "-x-y", Some("a=-x;b=y")),
        ("{a}-{b}-{c}", "1-2-3-4", Some("a=1;b=2;c=3-4")),
        ("{a}-{b}.txt", "x-y.txt.txt", Some("a=x;b=y.txt")),
        ("{a}--{b}", "x---y", Some("a=x;b=-y")),
        ("{+a}/{b}", "x/y/z", Some("a=x/y;b=z")),
        ("{+a}/{+b}", "x/y/z", Some("a=x;b=y/z")),
        ("{a},{b}", "x,y", Some("a=x;b=y")),
        ("{a},{b}", "x,y,z", None),
        (".{a}.{b}", ".x.y.z", Some("a=x;b=y.z")),
        (";a={a};b={b}", ";a=1;b=2", Some("a=1;b=2")),
        ("{a}a{b}", "aaaa", Some("a=a;b=aa")),
    ]);
}

#[test]
fn a_split_with_a_refused_value_is_passed_over() {
    check(&[
        ("{a}-{b}", "..-x-y", Some("a=..-x;b=y")),
        ("{a}-{b}", "x-..", None),
        ("{a}-{b}", "x-..-y", Some("a=x;b=..-y")),
        ("{a}.{b}", "...", None),
        ("{a}.{b}", "....", None),
        ("{a}.{b}", "...x", None),
        ("{a}.{b}", "....x", Some("a=...;b=x")),
        ("{+a}/{+b}", "x/../y", None),
        ("{+a}/{+b}", "x/y/..", None),
        // A split inside `%2F` or `%C3%A9` would leave broken encodings.
        ("{+a}2{+b}", "x%2Fy2z", Some("a=x/y;b=z")),
        ("{a}%A9{b}", "x%C3%A9y", None),
    ]);
}

#[test]
fn query_pairs_come_in_any_order() {
    check(&[
        ("x://a{?p,q}", "x://a", Some("")),
        ("x://a{?p,q}", "x://a?p=1", Some("p=1")),
        ("x://a{?p,q}", "x://a?q=2", Some("q=2")),
        ("x://a{?p,q}", "x://a?p=1&q=2", Some("p=1;q=2")),
        ("x://a{?p,q}", "x://a?q=2&p=1", Some("p=1;q=2")),
        ("x://a{?p}", "x://a?p=", Some("p=")),
        ("x://a{?p,q}", "x://a?p=&q=", Some("p=;q=")),
        (
            "x://a{?p}",
            "x://a?p=b/c:d@e,f;g=h",
            Some("p=b/c:d@e,f;g=h"),
        ),
        ("x://a{?p}", "x://a?p=b%26q%3D1%3f%23", Some("p=b&q=1?#")),
        ("x://{id}{?p}", "x://7?p=1", Some("id=7;p=1")),
        ("x://{id}{?p}", "x://7", Some("id=7")),
        ("x://a?v=1{&p,q}", "x://a?v=1", Some("")),
        ("x://a?v=1{&p,q}", "x://a?v=1&q=2&p=3", Some("p=3;q=2")),
        ("x://a?v={v}{&p}", "x://a?v=1&p=2", Some("v=1;p=2")),
        ("{?p}", "?p=1", Some("p=1")),
    ]);
}

#[test]
fn malformed_queries_are_refused() {
    let malformed = [
        "?",
        "?p",
        "?=",
        "?=1",
        "?p=1&",
        "?&p=1",
        "?p=1&&q=2",
        "?p=1&p=1",
        "?p=1&p=2",
        "?p=&p=",
        "?z=1",
        "?P=1",
        "?%70=1",
        "?p=1&z=2",
        "?p=1?q=2",
        "??p=1",
        "?p=?",
        "?p=#",
        "?p=1#f",
        "?p=[]",
        "&p=1",
        "p=1",
        "/?p=1",
        "?p=1 ",
        "?p=1&q",
        "?pq=1",
        "?p=1;q=2&q=3&",
        "#?p=1",
    ];
    for query in malformed {
        check(&[("x://a{?p,q}", &format!("x://a{query}"), None)]);
    }
    check(&[
        ("x://a?v=1{&p}", "x://a?v=1?p=2", None),
        ("x://a?v=1{&p}", "x://a?v=1&", None),
        ("x://a?v=1{&p}", "x://a?v=1&p=1&v=2", None),
        ("x://a?v=1{&p}", "x://a?p=1&v=1", None),
    ]);
}

#[test]
fn query_after_a_reserved_variable_is_taken_if_it_is_valid() {
    check(&[
        ("x://{+path}{?p}", "x://a/b?p=1", Some("path=a/b;p=1")),
        ("x://{+path}{?p}", "x://a/b", Some("path=a/b")),
        ("x://{+path}{?p}", "x://a?z=1", Some("path=a?z=1")),
        ("x://{+path}{?p}", "x://a?z=1?p=2", Some("path=a?z=1;p=2")),
        ("x://{+path}{?p}", "x://a?p=1&p=2", Some("path=a?p=1&p=2")),
        ("x://{+path}{&p}", "x://a?b=1&p=2", Some("path=a?b=1;p=2")),
        ("x://{+path}{?p}", "x://?p=1", Some("path=?p=1")),
    ]);
}

#[test]
fn uri_longer_than_the_limit_is_refused() {
    for template in ["{id}", "{+path}"] {
        let template = parse(template);
        assert!(template.matches(&"a".repeat(LONGEST_URI)).is_some());
        assert_eq!(template.matches(&"a".repeat(LONGEST_URI + 1)), None);
    }
    let text = "a".repeat(LONGEST_URI + 1);
    assert_eq!(parse(&text).matches(&text), None);
}

#[test]
fn search_examines_each_part_and_offset_a_few_times_at_most() {
    let cases = [
        ("{a}-{b}-{c}-{d}-{e}-{f}!", "-"),
        ("{+a}a{+b}a{+c}a{+d}a{+e}b", "a"),
        ("{+a}/{+b}/{+c}/{+d}/{+e}=", "./a/"),
        ("{+a}.{+b}.{+c}.{+d}/e", "."),
        ("{+a}%{+b}%{+c}%{+d}%{+e}!", "%25"),
        ("{+a}{?p,q}", "?"),
        ("{+a}{?p,q}", "?p=1"),
        ("{+a}x{?p,q}", "&p=1"),
        ("{+a}{&p,q}", "&p=1"),
        ("{+a}{&p,q}", "&"),
    ];
    for (text, repeated) in cases {
        let template = parse(text);
        let uri = format!("a{}", repeated.repeat((LONGEST_URI - 1) / repeated.len()));
        let mut search = Search::new(template.0, &uri);
        search.run();
        let states: u32 = search.examined.iter().map(|bits| bits.count_ones()).sum();
        let limit = 2 * (template.0.len() + 1) * (uri.len() + 1);
        assert!(
            states as usize <= limit,
            "{text} took {states} states, limit {limit}"
        );
        assert!(
            search.starts.len() <= limit,
            "{text} tried {} starts",
            search.starts.len()
        );
        assert!(
            search.pending.len() <= limit,
            "{text} left {} states",
            search.pending.len()
        );
    }
}

#[test]
fn values_are_in_the_order_of_the_template() {
    let values = parse("x://{b}/{a}{?d,c}")
        .matches("x://1/2?c=3&d=4")
        .unwrap();
    let names: Vec<_> = values.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "a", "d", "c"]);
}

#[test]
fn template_is_shown_in_the_form_of_rfc_6570() {
    for text in [
        "",
        "x://a",
        "x://{id}",
        "x://{+path}/b{?page,limit}",
        "x://a?v=1{&page}",
    ] {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn template_without_variables_is_fixed() {
    assert!(parse("x://a").is_fixed());
    assert!(parse("").is_fixed());
    assert!(!parse("x://{id}").is_fixed());
    assert!(!parse("x://{+path}").is_fixed());
    assert!(!parse("x://a{?q}").is_fixed());
}

/// Checks rows of a template, a URI and the expected values as `name=value;…`.
fn check(rows: &[(&str, &str, Option<&str>)]) {
    for (template, uri, expected) in rows {
        let values = parse(template).matches(uri).map(|values| {
            let pairs = values
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join(";")
        });
        assert_eq!(values.as_deref(), *expected, "{template} on {uri}");
    }
}

/// Parses a template that has no other operators than `+`, `?` and `&`.
fn parse(text: &str) -> UriTemplate {
    let mut parts = Vec::new();
    for (index, piece) in text.split(['{', '}']).enumerate() {
        let piece: &'static str = piece.to_owned().leak();
        if index % 2 == 0 {
            if !piece.is_empty() {
                parts.push(UriPart::Literal(piece));
            }
            continue;
        }
        let names = |list: &'static str| list.split(',').collect::<Vec<_>>().leak();
        parts.push(match piece.split_at(1) {
            ("+", name) => UriPart::Variable {
                name,
                reserved: true,
            },
            ("?", list) => UriPart::Query {
                names: names(list),
                continued: false,
            },
            ("&", list) => UriPart::Query {
                names: names(list),
                continued: true,
            },
            _ => UriPart::Variable {
                name: piece,
                reserved: false,
            },
        });
    }
    UriTemplate::new(parts.leak())
}
