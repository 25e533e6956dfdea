//! The mistakes of prompts and resources, each with the beginnings of all its messages.

use quote::quote;

use crate::{primitive::Primitive, tests::messages_of};

/// The attribute and the function, as Rust code, and the beginnings of the messages.
type Row = (&'static str, &'static str, &'static [&'static str]);

fn check(primitive: Primitive, rows: &[Row]) {
    for (args, item, beginnings) in rows {
        let found = messages_of(primitive, args.parse().unwrap(), &item.parse().unwrap());
        assert_eq!(found.len(), beginnings.len(), "{args} {item}: {found:#?}");
        for (message, beginning) in found.iter().zip(*beginnings) {
            assert!(message.starts_with(beginning), "{args} {item}: {message}");
        }
    }
}

#[test]
fn messages_name_the_primitive() {
    check(
        Primitive::Prompt,
        &[
            ("", "struct P;", &["`#[mcp_prompt]` goes on an `async fn`"]),
            ("", "fn p(&self) {}", &["a prompt must be a free function"]),
            ("", "fn p<T>() {}", &["a prompt cannot have generics"]),
            ("", "const fn p() {}", &["a prompt cannot be `const`"]),
            ("", "fn p() -> ! {}", &["a prompt must have a result"]),
            (
                "",
                "fn p((a, b): (u8, u8)) {}",
                &["a parameter of a prompt needs a name"],
            ),
            (
                "",
                "fn p(#[validate] a: u8) {}",
                &["`#[validate]` is not supported"],
            ),
            (
                "",
                "fn p(#[inline] a: u8) {}",
                &["`#[inline]` has no meaning on a parameter of a prompt"],
            ),
            (
                "name = \"a b\"",
                "fn p() {}",
                &["a prompt's name may have only ASCII letters"],
            ),
            (
                "public, require_org",
                "fn p() {}",
                &["`public` lets everybody get the prompt, so `require_org`"],
            ),
            (
                "authorize = may(b)",
                "fn p(a: u8) {}",
                &["`b` is not a parameter of this prompt\nnote: its parameters are `a`"],
            ),
            (
                "authorize = may",
                "fn p() {}",
                &["`authorize` takes a function and names of the prompt's parameters"],
            ),
            (
                "description = \"a\"",
                "fn p() {}",
                &["unknown key `description`; a prompt is described"],
            ),
        ],
    );
    check(
        Primitive::Resource,
        &[
            (
                "\"a:b\", public, role = \"a\"",
                "fn r() {}",
                &["`public` lets everybody read the resource, so `role`"],
            ),
            (
                "\"a:b\"",
                "fn löschen() {}",
                &["a resource's name may have only"],
            ),
        ],
    );
}

#[test]
fn a_function_is_one_primitive() {
    check(
        Primitive::Prompt,
        &[
            (
                "",
                "#[mcp_auth::mcp_prompt] fn p() {}",
                &["a function is one prompt: `#[mcp_prompt]` is given twice"],
            ),
            (
                "",
                "#[mcp_tool(read_only)] fn p() {}",
                &[
                    "a function cannot be both a prompt and a tool: write a second function for `#[mcp_tool]`",
                ],
            ),
        ],
    );
}

#[test]
fn a_key_of_another_primitive_is_refused_with_its_attribute() {
    check(
        Primitive::Prompt,
        &[
            (
                "read_only",
                "fn p() {}",
                &["`read_only` is a key of `#[mcp_tool]`: remove it from the prompt"],
            ),
            (
                "mime_type = \"text/plain\"",
                "fn p() {}",
                &["`mime_type` is a key of `#[mcp_resource]`"],
            ),
            (
                "permision = \"org:a:b\"",
                "fn p() {}",
                &[
                    "unknown key `permision`; did you mean `permission`?\nnote: accepted are `name`, `title`, `icon`, `public`, `require_user`",
                ],
            ),
        ],
    );
    check(
        Primitive::Resource,
        &[(
            "\"docs://a\", lenient, mimetype = \"text/plain\"",
            "fn r() {}",
            &[
                "`lenient` is a key of `#[mcp_tool]`: remove it from the resource",
                "unknown key `mimetype`; did you mean `mime_type`?",
            ],
        )],
    );
    check(
        Primitive::Tool,
        &[(
            "ttl = \"5m\"",
            "fn t() {}",
            &["`ttl` is a key of `#[mcp_resource]`: remove it from the tool"],
        )],
    );
}

#[test]
fn a_resource_begins_with_its_uri() {
    const MISSING: &str = "`#[mcp_resource]` must begin with the URI, a string literal";
    check(
        Primitive::Resource,
        &[
            ("", "fn r() {}", &[MISSING]),
            ("public", "fn r() {}", &[MISSING]),
            ("URI, public", "fn r() {}", &[MISSING]),
            ("urls::DOCS, public", "fn r() {}", &[MISSING]),
            ("concat!(\"a:\", \"b\")", "fn r() {}", &[MISSING]),
            ("uri = \"docs://a\", public", "fn r() {}", &[MISSING]),
            ("b\"docs://a\"", "fn r() {}", &[MISSING]),
            (
                "permision = \"org:a:b\"",
                "fn r() {}",
                &[MISSING, "unknown key `permision`"],
            ),
            (
                "\"docs://a\" public",
                "fn r() {}",
                &["expected `,` after the URI"],
            ),
            (
                "\"docs://a\", \"docs://b\"",
                "fn r() {}",
                &["expected a key"],
            ),
            (
                "\"docs\"",
                "fn r(id: u8) {}",
                &["the URI `docs` has no scheme at its start"],
            ),
            ("\"docs://a\",", "fn r() {}", &[]),
        ],
    );
}

#[test]
fn variables_and_arguments_are_the_same() {
    check(
        Primitive::Resource,
        &[
            (
                "\"docs://{org}/{id}\"",
                "fn r(org: String) {}",
                &["`{id}` has no parameter: add `id: String`"],
            ),
            (
                "\"docs://{id}{?page,limit}\"",
                "fn r(id: u8) {}",
                &[
                    "`{?page}` has no parameter: add `page: Option<String>`",
                    "`{?limit}` has no parameter: add `limit: Option<String>`",
                ],
            ),
            (
                "\"docs://{org}\"",
                "fn r(org: &Org) {}",
                &[
                    "`{org}` has no argument, because the parameter `org` is injected: add `#[arg(rename = \"org\")] org_in_uri: String`",
                ],
            ),
            (
                "\"docs://{id}\"",
                "fn r(id: String, title: String) {}",
                &["`title` is not a variable of the URI\nnote: its variables are `id`"],
            ),
            // A misspelt name is one mistake.
            (
                "\"docs://{document}\"",
                "fn r(documnet: String) {}",
                &["`documnet` is not a variable of the URI; did you mean `document`?"],
            ),
            (
                "\"docs://{documentId}\"",
                "fn r(document_id: String) {}",
                &["`document_id` is not a variable of the URI; did you mean `documentId`?"],
            ),
            (
                "\"docs://{documentId}\", rename_all = \"camelCase\"",
                "fn r(document_id: String) {}",
                &[],
            ),
            (
                "\"docs://a\"",
                "fn r(id: String) {}",
                &["`id` is not a variable of the URI, which has no variables"],
            ),
            // A parameter with a mistake of its own may be the variable's.
            (
                "\"docs://{id}\"",
                "fn r(id: &str) {}",
                &["arguments are taken by value: use `String`"],
            ),
            (
                "\"docs://{id}\"",
                "fn r(#[arg(flatten)] input: Input) {}",
                &["each variable of the URI needs a separate parameter"],
            ),
        ],
    );
}

#[test]
fn a_variable_of_a_query_may_be_absent() {
    const MUST: &str =
        "clients may leave out `{?page}`: make `page` an `Option`, or add `#[arg(default)]`";
    check(
        Primitive::Resource,
        &[
            ("\"docs://a{?page}\"", "fn r(page: u32) {}", &[MUST]),
            (
                "\"docs://a?b=c{&page}\"",
                "fn r(#[arg(rename = \"page\")] number: u32) {}",
                &["clients may leave out `{&page}`: make `number` an `Option`"],
            ),
            ("\"docs://a{?page}\"", "fn r(page: Option<u32>) {}", &[]),
            (
                "\"docs://a{?page}\"",
                "fn r(page: std::option::Option<u32>) {}",
                &[],
            ),
            (
                "\"docs://a{?page}\"",
                "fn r(#[arg(default)] page: u32) {}",
                &[],
            ),
            (
                "\"docs://a{?page}\"",
                "fn r(#[arg(default = 1)] page: u32) {}",
                &[],
            ),
            (
                "\"docs://a{?page}\"",
                "fn r(#[serde(default)] page: u32) {}",
                &[],
            ),
            ("\"docs://{page}\"", "fn r(page: u32) {}", &[]),
        ],
    );
}

#[test]
fn values_of_a_resource_are_checked() {
    check(
        Primitive::Resource,
        &[
            (
                "\"docs://a\", mime_type = \"markdown\"",
                "fn r() {}",
                &[
                    "`mime_type` must look like `text/markdown` or `text/html; charset=utf-8`, found `markdown`",
                ],
            ),
            (
                "\"docs://a\", mime_type = MIME",
                "fn r() {}",
                &["`mime_type` takes a string literal, such as `\"text/markdown\"`"],
            ),
            (
                "\"docs://a\", ttl = \"5 minutes\"",
                "fn r() {}",
                &["`ttl` must look like `5m`: a whole number above zero"],
            ),
            (
                "\"docs://a\", ttl = 5",
                "fn r() {}",
                &["`ttl` takes a string literal, such as `\"5m\"`"],
            ),
            (
                "\"docs://a\", size = 1.5",
                "fn r() {}",
                &["`size` takes a whole number of bytes: `size = 1024`"],
            ),
            (
                "\"docs://a\", size = 1u64",
                "fn r() {}",
                &["`size` takes a whole number of bytes"],
            ),
            (
                "\"docs://a\", size",
                "fn r() {}",
                &["`size` takes one value: `size = 1024`"],
            ),
            (
                "\"docs://{id}\", size = 3",
                "fn r(id: u8) {}",
                &["`size` is the size of a single resource, but this URI has variables"],
            ),
            (
                "\"docs://a\", priority = 1.5",
                "fn r() {}",
                &["`priority` takes a number from 0 (optional) to 1 (required)"],
            ),
            (
                "\"docs://a\", priority = -1",
                "fn r() {}",
                &["`priority` takes"],
            ),
            (
                "\"docs://a\", priority = \"1\"",
                "fn r() {}",
                &["`priority` takes"],
            ),
            ("\"docs://a\", priority = 0, size = 0", "fn r() {}", &[]),
            ("\"docs://a\", priority = 1.0", "fn r() {}", &[]),
            (
                "\"docs://a\", last_modified = \"yesterday\"",
                "fn r() {}",
                &["`last_modified` must look like `2026-01-12T15:00:58Z`, found `yesterday`"],
            ),
            (
                "\"docs://a\", audience = \"model\"",
                "fn r() {}",
                &["`audience` must be `user` or `assistant`, found `model`"],
            ),
            (
                "\"docs://a\", audience = any(\"user\", \"user\")",
                "fn r() {}",
                &["`audience` names `\"user\"` twice"],
            ),
            (
                "\"docs://a\", audience = all(\"user\", \"assistant\")",
                "fn r() {}",
                &[
                    "the contents are meant for any of these readers: write `audience = any(\"user\", \"assistant\")`",
                ],
            ),
            (
                "\"docs://a\", audience(\"user\", \"assistant\")",
                "fn r() {}",
                &["several values are written `audience = any(\"user\", \"assistant\")`"],
            ),
            (
                "\"docs://a\", audience = READERS",
                "fn r() {}",
                &["`audience` takes a string literal, such as `\"user\"`"],
            ),
            (
                "\"docs://a\", audience",
                "fn r() {}",
                &["`audience` has no value; write `audience = \"…\"` or `audience = any("],
            ),
            (
                "\"docs://a\", audience = \"user\", audience = \"assistant\"",
                "fn r() {}",
                &["`audience` is given twice; several values go in one list: `audience = any("],
            ),
            (
                "\"docs://a\", ttl = \"5m\", ttl = \"6m\"",
                "fn r() {}",
                &["`ttl` is given twice"],
            ),
        ],
    );
}

#[test]
fn completion_functions_take_injected_parameters() {
    const FORM: &str = "`complete` takes a function, and names of injected parameters if it";
    check(
        Primitive::Prompt,
        &[
            ("", "fn p(#[arg(complete = f)] a: u8) {}", &[]),
            ("", "fn p(#[arg(complete = m::f())] a: u8) {}", &[]),
            ("", "fn p(#[arg(complete = f(o))] a: u8, o: &Org) {}", &[]),
            ("", "fn p(#[arg(complete)] a: u8) {}", &[FORM]),
            ("", "fn p(#[arg(complete(f))] a: u8) {}", &[FORM]),
            ("", "fn p(#[arg(complete = \"f\")] a: u8) {}", &[FORM]),
            ("", "fn p(#[arg(complete = |r| f(r))] a: u8) {}", &[FORM]),
            (
                "",
                "fn p(#[arg(complete = f(&o))] a: u8, o: &Org) {}",
                &["pass only the names of the prompt's parameters"],
            ),
            (
                "",
                "fn p(#[arg(complete = f(b))] a: u8, #[arg(rename = \"c\")] b: u8) {}",
                &[
                    "`b` is an argument, whose value is not known during completion; use `request.chosen(\"c\")`",
                ],
            ),
            (
                "",
                "fn p(#[arg(complete = f(ogr))] a: u8, org: &Org) {}",
                &[
                    "`ogr` is not a parameter of this prompt; did you mean `org`?\nnote: its parameters are `a`, `org`",
                ],
            ),
            (
                "",
                "fn p(#[arg(complete = f, complete = g)] a: u8) {}",
                &["`complete` is given twice"],
            ),
            (
                "",
                "fn p(#[arg(complete = f)] #[arg(complete = g)] a: u8) {}",
                &["`complete` is given twice"],
            ),
            (
                "",
                "fn p(#[arg(flatten, complete = f)] a: A) {}",
                &["`complete` suggests values for one argument"],
            ),
            (
                "",
                "fn p(#[arg(complte = f)] a: u8) {}",
                &[
                    "unknown key `complte`; did you mean `complete`?\nnote: accepted are `complete`, `default`, `flatten`, `rename`",
                ],
            ),
        ],
    );
    check(
        Primitive::Resource,
        &[
            ("\"a:{a}\"", "fn r(#[arg(complete = f)] a: u8) {}", &[]),
            (
                "\"a:{a}\"",
                "fn r(#[arg(flaten)] a: u8) {}",
                &["unknown key `flaten`\nnote: accepted are `complete`, `default`, `rename`"],
            ),
        ],
    );
    check(
        Primitive::Tool,
        &[
            (
                "",
                "fn t(#[arg(complete = f)] a: u8) {}",
                &["only arguments of prompts and variables of resource templates have completion"],
            ),
            (
                "",
                "fn t(#[arg(renam = \"b\")] a: u8) {}",
                &[
                    "unknown key `renam`; did you mean `rename`?\nnote: accepted are `default`, `flatten`, `header`, `rename`",
                ],
            ),
        ],
    );
}

#[test]
fn headers_repeat_single_arguments_of_tools() {
    const ONLY_TOOLS: &str = "clients repeat only arguments of tools in headers: remove `header`";
    const FORM: &str = "`header` takes a name as a string: `header = \"Region\"`";
    check(
        Primitive::Tool,
        &[
            ("", "fn t(#[arg(header = \"Region\")] a: String) {}", &[]),
            (
                "",
                "fn t(#[arg(header = \"A\", rename = \"x\")] a: Option<u64>, #[arg(header = \"B\", default)] b: bool) {}",
                &[],
            ),
            ("", "fn t(#[arg(header = 7)] a: String) {}", &[FORM]),
            ("", "fn t(#[arg(header = REGION)] a: String) {}", &[FORM]),
            ("", "fn t(#[arg(header)] a: String) {}", &[FORM]),
            ("", "fn t(#[arg(header(\"A\"))] a: String) {}", &[FORM]),
            (
                "",
                "fn t(#[arg(header = \"\")] a: String) {}",
                &["`header` cannot be empty"],
            ),
            (
                "",
                "fn t(#[arg(header = \"a b\")] a: String) {}",
                &["`header` may have only ASCII letters, digits and"],
            ),
            (
                "",
                "fn t(#[arg(header = \"mcp-param-a\")] a: String) {}",
                &["clients add `Mcp-Param-` to the name in `header`"],
            ),
            (
                "",
                "fn t(#[arg(header = \"A\", header = \"B\")] a: String) {}",
                &["`header` is given twice"],
            ),
            (
                "",
                "fn t(#[arg(header = \"A\")] a: String, #[arg(header = \"a\")] b: String) {}",
                &["`a` and `b` both have the header `Mcp-Param-a`; upper and lower case are equal"],
            ),
            (
                "",
                "fn t(#[arg(header = \"A\")] a: Option<f64>) {}",
                &["`header` needs a string, an integer or a boolean, and `f64` is none of them"],
            ),
            (
                "",
                "fn t(#[arg(header = \"A\")] #[serde(with = \"text\")] #[schemars(with = \"String\")] a: f64) {}",
                &[],
            ),
            (
                "",
                "fn t(#[arg(header = \"A\")] #[serde(alias = \"b\")] a: String) {}",
                &["a client could send the argument under this name without its header"],
            ),
            (
                "",
                "fn t(#[arg(header = \"A\", flatten)] a: Vec<u8>) {}",
                &["`header` repeats one argument"],
            ),
        ],
    );
    let others = [(Primitive::Prompt, ""), (Primitive::Resource, "\"a:{a}\"")];
    for (primitive, args) in others {
        let function = "fn p(#[arg(header = \"A\")] a: String) {}";
        check(primitive, &[(args, function, &[ONLY_TOOLS])]);
    }
}

#[test]
fn a_uri_may_come_from_a_macro() {
    let found = messages_of(
        Primitive::Resource,
        // A `$uri:literal` arrives in an invisible group.
        quote::ToTokens::to_token_stream(&proc_macro2::Group::new(
            proc_macro2::Delimiter::None,
            quote!("docs://{id}"),
        )),
        &quote!(
            fn r(id: u8) {}
        ),
    );
    assert_eq!(found, Vec::<String>::new());
}
