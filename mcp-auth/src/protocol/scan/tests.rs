use serde_json::value::RawValue;

use super::*;
use crate::json_string::tests::Dice;

const GOOD: [&str; 3] = [
    r#"{"a":1,"b":[true,false,null,{"x":-1.5e+3,"":{}}],"c":"d","e":[[],0]}"#,
    r#" { "a\u0062\n" : "\ud83d\ude00 and \"so\" on", "long" : "over the length of a word, a block and more of what is plain" } "#,
    r#"[1e5,-0.0,[0,"é😀",{"a":{"a":{"a":[[[]]]}}}],"\\\/\b\f\r\t"]"#,
];

const BITS: [&str; 33] = [
    "\"", "\\", "\\u", "\\ud800", "\\u006E", "\\x", "{", "}", "[", "]", ",", ":", " ", "\n", "\t",
    "\r", "\u{b}", "0", "1", "-", ".", "e", "E+", "true", "null", "false", "é", "\u{1}", "\u{7f}",
    "{}", "[]", "\"a\":", "\"a\":1,",
];

/// Makes texts that are JSON or almost JSON.
fn mangled(dice: &mut Dice) -> String {
    let mut text: Vec<char> = GOOD[dice.below(GOOD.len())].chars().collect();
    for _ in 0..=dice.below(3) {
        let at = dice.below(text.len());
        let end = (at + dice.below(8)).min(text.len());
        let bit = BITS[dice.below(BITS.len())];
        match dice.below(3) {
            0 => drop(text.splice(at..end, None)),
            1 => drop(text.splice(at..at, bit.chars())),
            _ => drop(text.splice(at..end, bit.chars())),
        }
        text.push(' ');
    }
    text.into_iter().collect()
}

#[test]
fn json_is_what_serde_json_takes_for_json() {
    let mut dice = Dice::new();
    let mut found = 0;
    for text in GOOD
        .map(str::to_owned)
        .into_iter()
        .chain((0..30_000).map(|_| mangled(&mut dice)))
    {
        let expected = serde_json::from_str::<&RawValue>(&text).ok();
        let mut scanner = Scanner::new(&text);
        let value = scanner.value().filter(|_| scanner.next().is_none());
        assert_eq!(value, expected.map(RawValue::get), "{text}");
        found += usize::from(value.is_some());

        // `object` must accept the same objects as `value`.
        let mut scanner = Scanner::new(&text);
        let object = scanner.object(|value, _| value.value().map(|_| false));
        let object = object.filter(|_| scanner.next().is_none());
        assert_eq!(object.is_some(), expected.is_some(), "{text}");
    }
    assert!((2_000..28_000).contains(&found), "{found}");
}

#[test]
fn members_are_named_as_their_names_spell() {
    let text = r#" { "a" : [1] , "b\u0063" : "d\ne" , "\ud83d\ude00" : {} } "#;
    let mut members = Vec::new();
    let flawed = Scanner::new(text).object(|value, name| {
        let name = name.to_owned();
        members.push((name, value.value()?));
        Some(false)
    });
    assert_eq!(flawed, Some(false));
    let named = |name: &str, value| (name.to_owned(), value);
    assert_eq!(
        members,
        [
            named("a", "[1]"),
            named("bc", r#""d\ne""#),
            named("😀", "{}")
        ]
    );
    assert_eq!(spelled(members[1].1).as_deref(), Some("d\ne"));
    for nothing in [r#""\udc00""#, "1", "null", "{}", r#"["a"]"#] {
        assert_eq!(spelled(nothing), None, "{nothing}");
    }
}

#[test]
fn an_object_is_flawed_if_it_is_none_or_a_name_spells_nothing_or_a_member_is() {
    for (text, flawed) in [
        ("{}", false),
        (r#"{"a":1,"b":2}"#, false),
        (r#"{"x":1,"b":2}"#, true),
        (r#"{"\udc00":1,"b":2}"#, true),
        ("[]", true),
        ("1e999999", true),
    ] {
        let object = Scanner::new(text).object(|value, name| {
            value.value()?;
            Some(name == "x")
        });
        assert_eq!(object, Some(flawed), "{text}");
    }
}

#[test]
fn a_reserved_name_is_found_at_any_depth_and_however_it_is_written() {
    for name in [
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
        r"\u0024serde_json::private::RawValue",
        r"$serde_json\u003a:private::RawValue",
        r"\u0024\u0073erde_json::private::",
    ] {
        for text in [
            format!(r#"{{"{name}":1}}"#),
            format!(r#"{{"a":[0,{{"b":{{}},"{name}":"1"}}]}}"#),
            format!(r#"[[],{{"a":"b","{name}" :"1"}}]"#),
        ] {
            let mut scanner = Scanner::new(&text);
            assert!(scanner.value().is_some());
            assert!(scanner.has_reserved_name(), "{text}");
            let mut scanner = Scanner::new(&text);
            let read = scanner.object(|value, _| value.value().map(|_| false));
            assert!(read.is_some() && scanner.has_reserved_name(), "{text}");
        }
    }
    for text in [
        r#"{"a":"$serde_json::private::RawValue"}"#,
        r#"["$serde_json::private::RawValue"]"#,
        r#"{"$serde_json":1,"$":2,"\u0024ref":3,"$schema":4,"\ud800":5}"#,
        r#"{" $serde_json::private::RawValue":1}"#,
    ] {
        let mut scanner = Scanner::new(text);
        assert!(scanner.value().is_some());
        assert!(!scanner.has_reserved_name(), "{text}");
    }
}
