//! Parses URIs and URI templates (RFC 6570, levels 1 to 3). The result is the parts of the text, or an
//! error message that names the wrong part.

use std::collections::HashSet;

/// The URI of a resource, or the URI template of several resources.
#[derive(Debug, Default)]
pub(crate) struct Template {
    pub(crate) parts: Vec<Part>,
}

/// One part of a template, in the form that the runtime needs to match URIs.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Literal(String),
    /// `{?page,limit}`, or `{&page,limit}` if `continued`. Always the last part.
    Query {
        names: Vec<String>,
        continued: bool,
    },
    /// `{id}`, or `{+path}` if `reserved`.
    Variable {
        name: String,
        reserved: bool,
    },
}

/// A variable, and the form of its expression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable<'a> {
    pub(crate) name: &'a str,
    /// `?` or `&` for a query variable, which a URI may leave out. `None` for other variables.
    pub(crate) query: Option<char>,
}

/// One expression of a template, such as `{+a,b}`.
struct Expression<'a> {
    /// The text of the expression, with its braces.
    text: String,
    operator: Option<char>,
    names: Vec<&'a str>,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        check_scheme(text)?;
        let mut template = Self::default();
        let mut names = HashSet::new();
        // The expression of the last part, if the last part is a variable.
        let mut before = None;
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, braced) = rest
                .split_once('{')
                .map_or((rest, None), |(literal, braced)| (literal, Some(braced)));
            check_literal(literal)?;
            if !literal.is_empty() {
                template.push_literal(literal);
                before = None;
            }
            let Some(braced) = braced else { break };
            let (inside, after) = braced
                .split_once('}')
                .filter(|(inside, _)| !inside.contains('{'))
                .ok_or_else(|| unclosed(braced))?;
            let expression = Expression::parse(inside)?;
            let text = &expression.text;
            if let Some(name) = expression.names.iter().find(|name| !names.insert(**name)) {
                return Err(format!("the URI has the variable `{name}` twice"));
            }
            if let Some(before) = before.take()
                && !expression.begins_apart(template.ends_reserved())
            {
                return Err(format!(
                    "the variables of `{before}{text}` cannot be distinguished: write text between them"
                ));
            }
            if expression.is_query() && !after.is_empty() {
                return Err(format!(
                    "`{text}` must be at the end of the URI: write all query variables in one `{{…}}` there"
                ));
            }
            template.push(&expression);
            before = Some(expression.text);
            rest = after;
        }
        Ok(template)
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        self.parts.iter().flat_map(|part| match part {
            Part::Literal(_) => Vec::new(),
            Part::Query { names, continued } => {
                let query = Some(if *continued { '&' } else { '?' });
                names.iter().map(|name| Variable { name, query }).collect()
            }
            Part::Variable { name, .. } => vec![Variable { name, query: None }],
        })
    }

    fn push(&mut self, expression: &Expression<'_>) {
        let Expression {
            operator, names, ..
        } = expression;
        if expression.is_query() {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let continued = *operator == Some('&');
            self.parts.push(Part::Query { names, continued });
            return;
        }
        for (index, name) in names.iter().enumerate() {
            match (operator, index) {
                (None | Some('+'), 0) => {}
                (Some('#'), 0) => self.push_literal("#"),
                (None | Some('+' | '#'), _) => self.push_literal(","),
                (Some(';'), _) => self.push_literal(&format!(";{name}=")),
                (Some(separator), _) => self.push_literal(&separator.to_string()),
            }
            let name = (*name).to_owned();
            let reserved = matches!(operator, Some('+' | '#'));
            self.parts.push(Part::Variable { name, reserved });
        }
    }

    fn push_literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Literal(before)) => before.push_str(text),
            _ => self.parts.push(Part::Literal(text.to_owned())),
        }
    }

    /// Returns true if the last part is a reserved variable. The value of a reserved variable may contain separators.
    fn ends_reserved(&self) -> bool {
        matches!(
            self.parts.last(),
            Some(Part::Variable { reserved: true, .. })
        )
    }
}

impl Variable<'_> {
    /// The variable in braces, for messages.
    pub(crate) fn braced(&self) -> String {
        let operator = self.query.map_or_else(String::new, String::from);
        format!("{{{operator}{}}}", self.name)
    }
}

impl<'a> Expression<'a> {
    fn parse(inside: &'a str) -> Result<Self, String> {
        let text = format!("{{{inside}}}");
        let operator = inside.chars().next().filter(|c| OPERATORS.contains(c));
        if let Some(c) = inside.chars().next()
            && operator.is_none()
            && c.is_ascii_punctuation()
            && !['_', '%', '*', ':', ','].contains(&c)
        {
            return Err(format!(
                "`{c}` in `{text}` is not an operator: the operators are `+`, `#`, `.`, `/`, `;`, `?` and `&`"
            ));
        }
        let list = operator.map_or(inside, |operator| {
            inside.strip_prefix(operator).unwrap_or(inside)
        });
        let names: Vec<_> = list.split(',').collect();
        for name in &names {
            check_name(name, &text)?;
        }
        Ok(Self {
            text,
            operator,
            names,
        })
    }

    fn is_query(&self) -> bool {
        matches!(self.operator, Some('?' | '&'))
    }

    /// Returns true if this expression begins with a separator that ends the value of the variable directly before it.
    /// `reserved` is true if that earlier variable is reserved.
    fn begins_apart(&self, reserved: bool) -> bool {
        match self.operator {
            None | Some('+') => false,
            // The query is optional, so it would be unclear whether a `?` or `&` begins the query or
            // belongs to the value of a reserved variable.
            Some('?' | '&') => !reserved,
            Some(_) => true,
        }
    }
}

/// Checks that the text begins with a scheme (RFC 3986 §3.1). The scheme cannot contain a variable.
fn check_scheme(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the URI is empty: write a URI, such as `docs://handbook`".to_owned());
    }
    let literal = text.split_once('{').map_or(text, |(literal, _)| literal);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    match literal.split_once(':') {
        Some((scheme, _)) if is_scheme(scheme) => Ok(()),
        _ => Err(format!(
            "the URI `{text}` has no scheme at its start: write a scheme before all variables, such as `docs://`"
        )),
    }
}

/// Checks that a literal has only the characters of RFC 3986 §2.
fn check_literal(literal: &str) -> Result<(), String> {
    let mut rest = literal.chars();
    while let Some(c) = rest.next() {
        match c {
            '}' => return Err("`}` in the URI has no `{` before it".to_owned()),
            '%' => {
                let digits: String = rest.clone().take(2).collect();
                if digits.len() != 2 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
                    return Err(format!(
                        "`%{digits}` in the URI is not a valid percent-encoding: write a literal `%` as `%25`"
                    ));
                }
            }
            c if c.is_ascii_alphanumeric() || PUNCTUATION.contains(c) => {}
            c => {
                let mut bytes = [0; 4];
                let bytes = c.encode_utf8(&mut bytes).bytes();
                let encoded: String = bytes.map(|byte| format!("%{byte:02X}")).collect();
                return Err(format!(
                    "a URI cannot contain {c:?}: write it as `{encoded}`, percent-encoded"
                ));
            }
        }
    }
    Ok(())
}

fn check_name(name: &str, expression: &str) -> Result<(), String> {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let level_4 = name
        .strip_suffix('*')
        .or_else(|| name.split_once(':').map(|(name, _)| name));
    if let Some(plain) = level_4 {
        Err(format!(
            "`{name}` in `{expression}` needs level 4 of RFC 6570, but only levels 1 to 3 are supported: write `{plain}`"
        ))
    } else if name.is_empty() {
        Err(format!(
            "`{expression}` has no variable name: write a name, such as `{{id}}`"
        ))
    } else if is_name(name) {
        Ok(())
    } else {
        Err(format!(
            "the name of a variable may have only ASCII letters, digits and `_`, found `{name}` in `{expression}`"
        ))
    }
}

/// Returns the message for a `{` without a `}`, either because the text ends, or because another `{` comes first.
fn unclosed(braced: &str) -> String {
    let end = braced.find(['{', '}']).unwrap_or(braced.len());
    let inside = braced.get(..end).unwrap_or(braced);
    format!("`{{{inside}` in the URI has no `}}` after it")
}

const OPERATORS: [char; 7] = ['+', '#', '.', '/', ';', '?', '&'];

/// The reserved and unreserved characters of RFC 3986 that are neither letters nor digits.
const PUNCTUATION: &str = "-._~:/?#[]@!$&'()*+,;=";

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    fn variable(name: &str) -> Part {
        let name = name.to_owned();
        Part::Variable {
            name,
            reserved: false,
        }
    }

    fn reserved(name: &str) -> Part {
        let name = name.to_owned();
        Part::Variable {
            name,
            reserved: true,
        }
    }

    fn query(names: &[&str], continued: bool) -> Part {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Part::Query { names, continued }
    }

    #[test]
    fn every_operator_becomes_parts() {
        let rows = [
            ("docs://handbook", vec![literal("docs://handbook")]),
            (
                "urn:isbn:{isbn}",
                vec![literal("urn:isbn:"), variable("isbn")],
            ),
            ("a+b-1.c:%2F", vec![literal("a+b-1.c:%2F")]),
            (
                "docs://{org}/{id}.md",
                vec![
                    literal("docs://"),
                    variable("org"),
                    literal("/"),
                    variable("id"),
                    literal(".md"),
                ],
            ),
            (
                "geo:{x,y}",
                vec![literal("geo:"), variable("x"), literal(","), variable("y")],
            ),
            (
                "file:///{+path}",
                vec![literal("file:///"), reserved("path")],
            ),
            (
                "file:///{+path}/edit",
                vec![literal("file:///"), reserved("path"), literal("/edit")],
            ),
            (
                "file:///{+a,b}",
                vec![
                    literal("file:///"),
                    reserved("a"),
                    literal(","),
                    reserved("b"),
                ],
            ),
            (
                "docs://a{#x,y}",
                vec![
                    literal("docs://a#"),
                    reserved("x"),
                    literal(","),
                    reserved("y"),
                ],
            ),
            (
                "docs://a{.x,y}",
                vec![
                    literal("docs://a."),
                    variable("x"),
                    literal("."),
                    variable("y"),
                ],
            ),
            (
                "docs:/{/x,y}",
                vec![
                    literal("docs://"),
                    variable("x"),
                    literal("/"),
                    variable("y"),
                ],
            ),
            (
                "docs://a{;x,y}",
                vec![
                    literal("docs://a;x="),
                    variable("x"),
                    literal(";y="),
                    variable("y"),
                ],
            ),
            (
                "docs://{a}{.b}{/c}{#d}",
                vec![
                    literal("docs://"),
                    variable("a"),
                    literal("."),
                    variable("b"),
                    literal("/"),
                    variable("c"),
                    literal("#"),
                    reserved("d"),
                ],
            ),
            (
                "docs://{id}{?page,limit}",
                vec![
                    literal("docs://"),
                    variable("id"),
                    query(&["page", "limit"], false),
                ],
            ),
            (
                "docs://a?sort={sort}{&page}",
                vec![
                    literal("docs://a?sort="),
                    variable("sort"),
                    query(&["page"], true),
                ],
            ),
            ("docs://{1_A}", vec![literal("docs://"), variable("1_A")]),
        ];
        for (text, parts) in rows {
            assert_eq!(Template::parse(text).unwrap().parts, parts, "{text}");
        }
    }

    #[test]
    fn variables_are_listed_with_the_form_of_their_expression() {
        let template = Template::parse("docs://{org}/{+id}/text{?page,limit}").unwrap();
        let variables: Vec<_> = template.variables().map(|each| each.braced()).collect();
        assert_eq!(variables, ["{org}", "{id}", "{?page}", "{?limit}"]);
        let template = Template::parse("docs://a?b=c{&page}").unwrap();
        let variables: Vec<_> = template.variables().map(|each| each.braced()).collect();
        assert_eq!(variables, ["{&page}"]);
    }

    #[test]
    fn a_wrong_template_is_refused_with_the_wrong_part() {
        let rows = [
            ("", "the URI is empty"),
            ("handbook", "the URI `handbook` has no scheme at its start"),
            ("/docs:a", "has no scheme at its start"),
            ("1a://b", "has no scheme at its start"),
            (":a", "has no scheme at its start"),
            ("{scheme}://a", "has no scheme at its start"),
            ("do{a}:b", "has no scheme at its start"),
            ("d\u{f6}cs://a", "has no scheme at its start"),
            ("docs://{id", "`{id` in the URI has no `}` after it"),
            ("docs://{a{b}", "`{a` in the URI has no `}` after it"),
            ("docs://{{a}}", "`{` in the URI has no `}` after it"),
            ("docs://id}", "`}` in the URI has no `{` before it"),
            ("docs://{id}}", "`}` in the URI has no `{` before it"),
            ("docs://{}", "`{}` has no variable name"),
            ("docs://{+}", "`{+}` has no variable name"),
            ("docs://{a,}", "`{a,}` has no variable name"),
            ("docs://{,a}", "`{,a}` has no variable name"),
            ("docs://{=a}", "`=` in `{=a}` is not an operator"),
            ("docs://{|a}", "`|` in `{|a}` is not an operator"),
            ("docs://{a}/{a}", "the URI has the variable `a` twice"),
            ("docs://{a}{?b,a}", "the URI has the variable `a` twice"),
            ("docs://{a}{b}", "`{a}{b}` cannot be distinguished"),
            ("docs://{a,b}{+c}", "`{a,b}{+c}` cannot be distinguished"),
            ("docs://{+a}{b}", "`{+a}{b}` cannot be distinguished"),
            ("docs://{+a}{?b}", "`{+a}{?b}` cannot be distinguished"),
            ("docs://{?a}/b", "`{?a}` must be at the end"),
            ("docs://{?a}{&b}", "`{?a}` must be at the end"),
            ("docs://{a*}", "`a*` in `{a*}` needs level 4 of RFC 6570"),
            ("docs://{a:3}", "supported: write `a`"),
            ("docs://{?a,b*}", "`b*` in `{?a,b*}` needs level 4"),
            ("docs://{a.b}", "found `a.b` in `{a.b}`"),
            ("docs://{a%20}", "found `a%20` in `{a%20}`"),
            ("docs://{ a }", "found ` a ` in `{ a }`"),
            ("docs://{\u{e9}}", "found `\u{e9}`"),
            ("docs://a b", "cannot contain ' ': write it as `%20`"),
            ("docs://a\"b", "cannot contain '\"': write it as `%22`"),
            ("docs://a\\b", "write it as `%5C`"),
            ("docs://a|b", "write it as `%7C`"),
            ("docs://\u{f6}", "write it as `%C3%B6`"),
            ("docs://\n", "cannot contain '\\n': write it as `%0A`"),
            (
                "docs://100%",
                "`%` in the URI is not a valid percent-encoding",
            ),
            (
                "docs://%zz",
                "`%zz` in the URI is not a valid percent-encoding",
            ),
        ];
        for (text, message) in rows {
            let found = Template::parse(text).unwrap_err();
            assert!(found.contains(message), "{text}: {found}");
        }
    }
}
