//! Tests on random and on all short URIs, against a slow reference matcher that tries all splits.

use std::collections::BTreeMap;

use super::{UriPart, UriTemplate, parse};

#[test]
fn random_uris_match_as_in_the_reference() {
    let mut random = Lcg(1);
    let (mut matched, mut refused) = (0, 0);
    for round in 0..800 {
        let literals = if round % 2 == 0 {
            PLAIN_LITERALS
        } else {
            ODD_LITERALS
        };
        let template = random.template(literals);
        for _ in 0..25 {
            let uri = random.uri(&template);
            let expected = reference::matches(template.0, &uri);
            let values = template
                .matches(&uri)
                .map(|values| values.into_iter().collect());
            assert_eq!(values, expected, "{template} on {uri}");
            *if expected.is_some() {
                &mut matched
            } else {
                &mut refused
            } += 1;
        }
    }
    assert!(
        matched > 2000 && refused > 2000,
        "{matched} matched, {refused} refused"
    );
}

#[test]
fn expansion_matches_and_gives_the_values_back() {
    // An expansion never has the character after a variable inside the value of the variable, so
    // each expansion has one split.
    let templates = [
        "x://{a}",
        "x://{a}/{b}/c",
        "{a},{b};c={c}",
        "x://{a}:{b}{?p,q}",
        "x://{+a}",
        "x://{a}/{+b}",
        "x://a?v={a}{&p,q}",
        "x://{+a} {+b}",
        "{a}é{b}",
    ];
    let mut random = Lcg(2);
    for text in templates {
        let template = parse(text);
        for _ in 0..400 {
            let values = random.values(&template);
            let uri = expand(template.0, &values);
            let matched = template.matches(&uri);
            let matched = matched.map(|values| values.into_iter().collect::<BTreeMap<_, _>>());
            assert_eq!(matched, Some(values), "{text} on {uri}");
        }
    }
}

#[test]
fn every_expansion_of_allowed_values_matches() {
    let mut random = Lcg(3);
    for _ in 0..4000 {
        let template = random.template(ODD_LITERALS);
        let uri = expand(template.0, &random.values(&template));
        let matched = template
            .matches(&uri)
            .map(|values| values.into_iter().collect());
        assert!(matched.is_some(), "{template} on {uri}");
        assert_eq!(
            matched,
            reference::matches(template.0, &uri),
            "{template} on {uri}"
        );
    }
}

#[test]
fn templates_that_match_the_same_random_uri_overlap() {
    let mut random = Lcg(4);
    let mut common = 0;
    for _ in 0..100 {
        let templates: Vec<_> = (0..30).map(|_| random.template(PLAIN_LITERALS)).collect();
        for _ in 0..40 {
            let template = random.pick(&templates);
            let uri = random.uri(&template);
            let mut matching = templates
                .iter()
                .filter(|template| template.matches(&uri).is_some());
            let Some(first) = matching.next() else {
                continue;
            };
            for second in matching {
                assert!(first.overlaps(second), "{first} and {second} on {uri}");
                assert!(second.overlaps(first), "{second} and {first} on {uri}");
                common += 1;
            }
        }
    }
    assert!(common > 1000, "only {common} URIs matched two templates");
}

#[test]
fn overlap_is_exact_on_all_short_uris() {
    // The alphabets have no dots and no percent signs, so no rule about decoding takes part.
    let paths = [
        "{x}",
        "{+x}",
        "a{x}",
        "{x}a",
        "{x}b",
        "{+x}b",
        "a{+x}",
        "b{+x}a",
        "{x}/{y}",
        "{+x}/{y}",
        "{x}ab",
        "{x}/",
        "{+x}/",
        "/{x}",
        "{+x}//",
        "a/{x}",
        "{x}/b",
        "{x}a{y}",
        "{x}b{y}",
        "{+x}ab{y}",
        "{x}/{+y}",
        "ab/{x}",
        "{x}aa",
        "ba{+x}",
        "a",
        "ab",
        "a/b",
        "/",
    ];
    check_all_short_uris("ab/", 8, &paths);
    let queries = [
        "{?a}",
        "{&a}",
        "{?a,aa}",
        "a{?a}",
        "a{&a,aa}",
        "a{?aa}",
        "{x}{?a}",
        "{+x}{?a}",
        "{+x}{&a}",
        "?a={x}",
        "?a={+x}",
        "?{+x}&a=",
        "?a=&a={x}",
        "{+x}&aa=",
        "?a=a{&a}",
        "?aa={&a}",
        "{+x}=",
        "?{+x}=",
        "?a={x}&",
        "?{x}",
        "a?a={+x}=a",
        "{+x}&a=",
        "?a&{+x}",
    ];
    check_all_short_uris("a?&=", 7, &queries);
}

const PLAIN_LITERALS: &[&str] = &[
    "/", "-", ".", "..", "a", "ab", "2", "?", "&", "?p=", ",", "/-",
];

/// Literals that the encoded form of a value may contain too, half an encoded octet included.
const ODD_LITERALS: &[&str] = &[
    "%", "%2", "%C3", "é", "%2F", "/", "-", ".", "a", "2", "?", "&", "?p=",
];

/// Compares `overlaps` for each pair of templates with a search in all URIs up to a length.
fn check_all_short_uris(alphabet: &str, length: u32, templates: &[&str]) {
    let mut uris = vec![String::new()];
    let mut longest = uris.clone();
    for _ in 0..length {
        let extend = |uri: &String| {
            alphabet
                .chars()
                .map(move |next| format!("{uri}{next}"))
                .collect::<Vec<_>>()
        };
        longest = longest.iter().flat_map(extend).collect();
        uris.extend_from_slice(&longest);
    }
    let templates: Vec<_> = templates.iter().map(|text| parse(text)).collect();
    let matches: Vec<Vec<bool>> = templates
        .iter()
        .map(|template| {
            uris.iter()
                .map(|uri| template.matches(uri).is_some())
                .collect()
        })
        .collect();
    for (first, first_matches) in templates.iter().zip(&matches) {
        for (second, second_matches) in templates.iter().zip(&matches) {
            let common = first_matches
                .iter()
                .zip(second_matches)
                .position(|(a, b)| *a && *b);
            let common = common.map(|index| &uris[index]);
            assert_eq!(
                first.overlaps(second),
                common.is_some(),
                "{first} and {second}: {common:?}"
            );
        }
    }
}

/// Expands a template as RFC 6570 section 3.2 says.
fn expand(parts: &[UriPart], values: &BTreeMap<&str, String>) -> String {
    let mut uri = String::new();
    for part in parts {
        match *part {
            UriPart::Literal(text) => uri.push_str(text),
            UriPart::Variable { name, reserved } => uri.push_str(&encode(&values[name], reserved)),
            UriPart::Query { names, continued } => {
                let mut separator = if continued { '&' } else { '?' };
                for name in names.iter().filter(|name| values.contains_key(**name)) {
                    let value = encode(&values[name], false);
                    uri += &format!("{separator}{name}={value}");
                    separator = '&';
                }
            }
        }
    }
    uri
}

fn encode(value: &str, reserved: bool) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric()
            || "-._~".contains(character)
            || (reserved && ":/?#[]@!$&'()*+,;=".contains(character))
        {
            encoded.push(character);
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

/// A matcher that shares no code with the module: it tries all splits and decodes whole values.
mod reference {
    use super::UriPart;

    const SIMPLE: &str =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$'()*+:@%";

    pub(super) fn matches(parts: &[UriPart], uri: &str) -> Option<Vec<(&'static str, String)>> {
        let Some((part, parts)) = parts.split_first() else {
            return uri.is_empty().then(Vec::new);
        };
        match *part {
            UriPart::Literal(text) => matches(parts, uri.strip_prefix(text)?),
            UriPart::Variable { name, reserved } => {
                let more = if reserved { ":/?#[]@&,;=" } else { "" };
                let ends = (1..=uri.len()).filter(|end| uri.is_char_boundary(*end));
                ends.map(|end| uri.split_at(end)).find_map(|(text, rest)| {
                    let value = value(text, more)?;
                    let values = matches(parts, rest)?;
                    let refused =
                        value.starts_with(['/', '\\']) || !reserved && value.contains(['/', '\\']);
                    (!refused).then(|| [vec![(name, value)], values].concat())
                })
            }
            UriPart::Query { names, continued } => {
                let mut characters = uri.chars();
                let first = characters.next();
                let after_first = characters.as_str();
                let pairs = match first {
                    None => Vec::new(),
                    Some('?') if !continued => after_first.split('&').collect(),
                    Some('&') if continued => after_first.split('&').collect(),
                    Some(_) => return None,
                };
                let mut values = Vec::new();
                for name in names {
                    let texts = pairs
                        .iter()
                        .filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                    for text in texts {
                        values.push((*name, value(text, ":/@,;=")?));
                    }
                }
                let is_repeated = values.windows(2).any(|pair| pair[0].0 == pair[1].0);
                (values.len() == pairs.len() && !is_repeated).then_some(values)
            }
        }
    }

    fn value(text: &str, more: &str) -> Option<String> {
        let is_allowed = |character: char| {
            SIMPLE.contains(character) || more.contains(character) || character >= '\u{a0}'
        };
        if !text.chars().all(is_allowed) {
            return None;
        }
        let mut pieces = text.split('%');
        let mut bytes = pieces.next()?.as_bytes().to_vec();
        for piece in pieces {
            let digits = piece
                .get(..2)
                .filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            bytes.extend_from_slice(&piece.as_bytes()[2..]);
        }
        let value = String::from_utf8(bytes).ok()?;
        let climbs = value
            .split(['/', '\\'])
            .any(|segment| segment == "." || segment == "..");
        (!climbs && !value.chars().any(char::is_control)).then_some(value)
    }
}

/// A linear congruential generator with the constants of Knuth's MMIX.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn text(&mut self, from: &[&str], limit: usize) -> String {
        (0..self.below(limit + 1))
            .map(|_| self.pick(from))
            .collect()
    }

    fn template(&mut self, literals: &[&str]) -> UriTemplate {
        let mut text = self.text(literals, 1);
        let count = self.below(4);
        for (index, name) in ["a", "b", "c"].iter().take(count).enumerate() {
            let literal = if index == 0 { "" } else { self.pick(literals) };
            let operator = self.pick(&["", "", "+"]);
            text += &format!("{literal}{{{operator}{name}}}");
        }
        text.push_str(&self.text(literals, 1));
        text.push_str(self.pick(&["", "", "{?p}", "{?p,q}", "{&p,q}"]));
        parse(&text)
    }

    /// Returns an expansion with arbitrary text for the variables, often with a few changes.
    fn uri(&mut self, template: &UriTemplate) -> String {
        let texts = [
            "a", "b", "-", ".", "..", "/", "%", "%2", "%2e", "%2E", "%2F", "%5c", "%25", "%00",
            "%41", "é", "%C3%A9", "%C3", "%a9", "?", "&", "=", "#", "\\", " ", "+", "!", "~", ",",
            "p=", "\u{85}", "2",
        ];
        let mut uri = String::new();
        for part in template.0 {
            match *part {
                UriPart::Literal(text) => uri.push_str(text),
                UriPart::Variable { .. } => {
                    uri.push_str(self.pick(&["a", "b", ".", "-"]));
                    uri.push_str(&self.text(&texts, 3));
                }
                UriPart::Query { continued, .. } if self.below(3) > 0 => {
                    uri.push(if continued { '&' } else { '?' });
                    let pairs = [
                        "p=", "q=", "p=1", "q=2", "&", "&", "p=a/..", "q=%", "z=", "q=/", "p",
                    ];
                    uri.push_str(&self.text(&pairs, 4));
                }
                UriPart::Query { .. } => {}
            }
        }
        for _ in 0..self.below(3) {
            let mut characters: Vec<char> = uri.chars().collect();
            let at = self.below(characters.len() + 1);
            let removed = at..(at + self.below(2)).min(characters.len());
            characters.splice(removed, self.text(&texts, 1).chars());
            uri = characters.into_iter().collect();
        }
        uri
    }

    /// Returns values that the rules allow, for all the variables and for some of the query.
    fn values(&mut self, template: &UriTemplate) -> BTreeMap<&'static str, String> {
        let mut values = BTreeMap::new();
        for part in template.0 {
            match *part {
                UriPart::Literal(_) => {}
                // RFC 6570 section 3.2.3 does not encode a `%` before hexadecimal digits in a
                // reserved variable, so such a value does not come back.
                UriPart::Variable {
                    name,
                    reserved: true,
                } => {
                    values.insert(name, self.value(&["/", "\\", ":", "=", "[", "@"], 1));
                }
                UriPart::Variable {
                    name,
                    reserved: false,
                } => {
                    values.insert(name, self.value(&["%", "%2e", "?", "#", "&", ",", ":"], 1));
                }
                UriPart::Query { names, .. } => {
                    for &name in names {
                        if self.below(2) == 0 {
                            values
                                .insert(name, self.value(&["%", "/", "\\", "&", "=", "+", "?"], 0));
                        }
                    }
                }
            }
        }
        values
    }

    fn value(&mut self, special: &[&str], least: usize) -> String {
        loop {
            let mut texts = vec![
                "a", "b", ".", "-", "é", "😀", " ", "\"", "+", "2", "A9", "~",
            ];
            texts.extend_from_slice(special);
            let value = self.text(&texts, 6);
            let climbs = value
                .split(['/', '\\'])
                .any(|segment| segment == "." || segment == "..");
            // The value of a query variable may be empty, and may begin with a separator.
            let begins_outside = least > 0 && value.starts_with(['/', '\\']);
            if value.len() >= least && !climbs && !begins_outside {
                return value;
            }
        }
    }
}
