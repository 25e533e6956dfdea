//! Tables of templates that overlap or do not.

use super::{LONGEST_URI, parse};

#[test]
fn overlaps_if_and_only_if_a_uri_matches_both() {
    let cases = [
        ("x://{a}", "x://{b}", true),
        ("x://{a}", "y://{a}", false),
        ("x://{a}", "x://{a}/{b}", false),
        ("x://{+a}", "x://{a}/{b}", true),
        ("x://{+a}", "x://{a}", true),
        ("x://{+a}", "x://a{?q}", true),
        ("x://{+a}", "x://{+a}/b/{+c}", true),
        ("x://{+a}/b", "x://{+a}/c", false),
        ("x://{+a}/b", "x://c/{+a}", true),
        ("x://{a}/b", "x://c/{a}", true),
        ("x://{a}/b", "x://c/d{a}", false),
        ("{a}-{b}", "{a}.{b}", true),
        ("{a}-", "{a}.", false),
        ("{a}/{b}", "{a}.{b}", false),
        ("{a}:{b}", "{a}.{b}", true),
        ("{+a}", "/{b}", false),
        ("{a}:{b}", "{+a}.{b}", true),
        ("a{a}", "{a}b", true),
        ("ab{a}", "a{a}", true),
        ("ab{a}", "ac{a}", false),
        ("é{a}", "{a}", true),
        ("é{a}", "è{a}", false),
        ("%41{a}", "{a}", true),
        ("a {b}", "{a}", false),
        ("a\\{b}", "{+a}", false),
        ("\u{85}{b}", "{+a}", false),
        ("\u{a0}{b}", "{a}", true),
        // Queries.
        ("x://a{?p}", "x://a{?q}", true),
        ("x://{a}{?p}", "x://{a}{?p}", true),
        ("x://a?p={v}", "x://a{?p}", true),
        ("x://a?p={v}", "x://a{?q}", false),
        ("x://a?q={v}&p={w}", "x://a{?p,q}", true),
        ("x://a?p={v}&p={w}", "x://a{?p,q}", false),
        ("x://a?p={v}&p={w}", "x://{+a}{?p,q}", true),
        ("x://a?{v}", "x://a{?q}", false),
        ("x://a?{+v}", "x://a{?q}", true),
        ("x://a?q={v}#", "x://a{?q}", false),
        ("x://a{?q}", "x://a?{+v}?", false),
        ("x://a?v=1{&p}", "x://a{?v}", true),
        ("x://a?v=1{&p}", "x://a{?p}", false),
        ("x://a?v=1{&p}", "x://a{?v,p}", true),
        ("x://a{&p}", "x://{a}{?p}", true),
        ("x://{a}b{&p}", "x://{a}c{&p}", false),
        ("{a}{?p}", "{+a}/{b}", true),
        ("x?{+v}&c=1&a={w}", "x{?a,b,c}", true),
        ("x?{+v}&c=1&b={w}", "x{?a,b,c}", true),
        ("x?{+a}&a={b}", "x{?a}", false),
        ("x?{+a}&a={b}", "x{?a,b}", true),
    ];
    for (left, right, expected) in cases {
        check_overlap(left, right, expected);
        check_overlap(left, left, true);
    }
}

#[test]
fn fixed_uri_overlaps_if_and_only_if_the_template_matches_it() {
    let cases = [
        ("x://a", "x://a", true),
        ("x://a", "x://b", false),
        ("x://a", "x://{id}", true),
        ("x://a/b", "x://{id}", false),
        ("x://a/b", "x://{+path}", true),
        ("x://a/../b", "x://{+path}", false),
        ("x://%2e%2e", "x://{id}", false),
        ("x://%zz", "x://{id}", false),
        ("x://a%2Fb", "x://{id}", false),
        ("x://a?p=1", "x://a{?p}", true),
        ("x://a?p=1&p=2", "x://a{?p}", false),
        ("x://a?p=%00", "x://a{?p}", false),
    ];
    for (fixed, template, expected) in cases {
        check_overlap(fixed, template, expected);
    }
    let long = "a".repeat(LONGEST_URI + 1);
    check_overlap(&long, "{id}", false);
}

#[test]
fn rules_about_decoding_do_not_prevent_an_overlap() {
    for (left, right) in [
        ("{a}", "x%2F{b}"),
        ("{a}", "x%zz{b}"),
        ("{+a}", "../{b}"),
        ("{a}", "{b}%00"),
    ] {
        check_overlap(left, right, true);
    }
}

#[test]
fn overlap_of_queries_with_many_names_is_found_without_trying_all_subsets() {
    let names: Vec<String> = (0..40).map(|index| format!("n{index}")).collect();
    let query = format!("x{{?{}}}", names.join(","));
    check_overlap(&query, "x{+p}#{q}", false);
    check_overlap(&query, "x?{+p}&n7=1&n7={q}", false);
    check_overlap(&query, "x?{+p}&n7=1&n8={q}", true);
    check_overlap(&query, &query.replace("x{?", "x{+p}#{?"), false);
}

fn check_overlap(left: &str, right: &str, expected: bool) {
    let (first, second) = (parse(left), parse(right));
    assert_eq!(first.overlaps(&second), expected, "{left} with {right}");
    assert_eq!(second.overlaps(&first), expected, "{right} with {left}");
}
