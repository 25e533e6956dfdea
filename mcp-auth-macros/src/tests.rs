use expect_test::{ExpectFile, expect_file};
use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{TokenStreamExt, quote};

use super::{data, primitive_tokens};
use crate::primitive::Primitive;

fn mcp_tool_tokens(args: TokenStream, item: &TokenStream, manifest: Option<&str>) -> TokenStream {
    primitive_tokens(Primitive::Tool, args, item, manifest)
}

fn snapshot(args: TokenStream, item: &TokenStream, expected: &ExpectFile) {
    snapshot_of(Primitive::Tool, args, item, expected);
}

fn snapshot_of(primitive: Primitive, args: TokenStream, item: &TokenStream, expected: &ExpectFile) {
    let tokens = primitive_tokens(primitive, args, item, None);
    let file = syn::parse2(submit_as_call(tokens)).unwrap();
    expected.assert_eq(
        &prettyplease::unparse(&file).replace("inventory::submit(", "inventory::submit!("),
    );
}

/// Turns a macro call into a function call, because prettyplease formats the inside of a function
/// call, but not of a macro call.
fn submit_as_call(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut called = TokenStream::new();
    while let Some(token) = tokens.next() {
        let submit = matches!(&token, TokenTree::Ident(ident) if ident == "submit");
        match token {
            TokenTree::Group(group) => {
                called.append(Group::new(
                    group.delimiter(),
                    submit_as_call(group.stream()),
                ));
            }
            token => called.append(token),
        }
        if submit && let (Some(_), Some(TokenTree::Group(body))) = (tokens.next(), tokens.next()) {
            let body = body.stream();
            called.extend(quote!((#body);));
        }
    }
    called
}

fn messages(args: TokenStream, item: &TokenStream) -> Vec<String> {
    messages_of(Primitive::Tool, args, item)
}

pub(crate) fn messages_of(
    primitive: Primitive,
    args: TokenStream,
    item: &TokenStream,
) -> Vec<String> {
    let file: syn::File = syn::parse2(primitive_tokens(primitive, args, item, None)).unwrap();
    let errors = file.items.iter().filter_map(|item| match item {
        syn::Item::Macro(item) => Some(item.mac.parse_body::<syn::LitStr>().unwrap().value()),
        _ => None,
    });
    errors.collect()
}

#[test]
fn a_question_is_asked_after_authorize() {
    snapshot(
        quote!(
            authorize = owns(document_id),
            confirm = "Delete {document_id}?"
        ),
        &quote! {
            /// Delete a document.
            async fn delete_document(document_id: String, count: &Count) -> String {
                document_id
            }
        },
        &expect_file!["../tests/expand/confirm.rs"],
    );
}

#[test]
fn a_tool_declares_whether_its_calls_run_as_tasks() {
    snapshot(
        quote!(task = "optional"),
        &quote! {
            /// Write the report.
            async fn report(quarter: String) -> String {
                quarter
            }
        },
        &expect_file!["../tests/expand/task.rs"],
    );
}

#[test]
fn a_tool_without_parameters_is_data_and_one_call() {
    snapshot(
        quote!(),
        &quote! {
            /// Says hello.
            async fn hello() {}
        },
        &expect_file!["../tests/expand/bare.rs"],
    );
}

#[test]
fn arguments_are_fields_and_references_are_injected() {
    snapshot(
        quote!(
            permission = "org:documents:delete",
            require_org,
            destructive
        ),
        &quote! {
            /// Delete a document of the caller's organization.
            #[allow(clippy::unused_async)]
            pub(crate) async fn delete_document(
                /// Id of the document, as `list_documents` returns it.
                document_id: String,
                org: &Org,
                caller: Option<&Caller>,
                db: &State<Documents>,
            ) -> Result<String, ToolError> {
                Ok(document_id)
            }
        },
        &expect_file!["../tests/expand/injected.rs"],
    );
}

#[test]
fn a_public_tool_requires_nothing() {
    snapshot(
        quote!(public, read_only, closed_world),
        &quote! {
            pub async fn status(db: &State<Documents>, who: Option<&Caller>) -> &'static str { "up" }
        },
        &expect_file!["../tests/expand/public.rs"],
    );
}

#[test]
fn every_key_is_written_down() {
    snapshot(
        quote!(
            name = names::SEARCH,
            title = "Search documents",
            read_only = false,
            destructive = false,
            idempotent,
            closed_world,
            require_org,
            permission = all("org:documents:read", perms::SEARCH),
            role = "admin",
            feature = all("org:export", features::SHARE),
            plan = "pro",
            policy = all(rules::is_staff, rules::EU_STAFF),
            reverification("second_factor", 10),
            scope = all("documents:read", SCOPE),
            any(
                feature = "export",
                policy = r#is_staff,
                reverification = "strict"
            ),
            require_user,
            accept = any("oauth", KIND),
            rate = all("10/min per user", RATE),
            concurrency = 4,
            timeout = 30,
            allow_unknown,
            rename_all = "camelCase",
        ),
        &quote! {
            async fn search(search_text: String) -> Json<Page> { find(search_text).await }
        },
        &expect_file!["../tests/expand/keys.rs"],
    );
}

#[test]
fn attributes_of_parameters_go_to_the_fields() {
    snapshot(
        quote!(),
        &quote! {
            #[cfg(feature = "search")]
            #[expect(deprecated, reason = "until the next release")]
            async fn search(
                #[arg(default = 20)] mut limit: u32,
                #[arg(default = "title")] order: String,
                #[arg(default)] tags: Vec<String>,
                #[arg(rename = "type")] #[schemars(title = "Kind")] r#type: Option<Kind>,
                #[serde(with = "dates")] #[allow(unused)] since: Date,
                #[arg(flatten)] page: Page,
            ) {}
        },
        &expect_file!["../tests/expand/attributes.rs"],
    );
}

#[test]
fn a_struct_that_is_all_the_arguments_is_read_itself() {
    snapshot(
        quote!(),
        &quote! {
            async fn create(#[arg(flatten)] document: NewDocument, org: &Org) -> Json<Document> { save(document).await }
        },
        &expect_file!["../tests/expand/struct.rs"],
    );
}

#[test]
fn rules_are_derived_and_named_as_the_client_spells_them() {
    snapshot(
        quote!(rename_all = "camelCase"),
        &quote! {
            async fn create(
                #[garde(length(chars, min = 1), ascii)] document_title: String,
                #[garde(length(simple, max = 5), inner(length(bytes, min = 2)))] tags: Vec<String>,
                #[arg(flatten)] #[garde(dive)] page: Page,
                limit: u32,
            ) {}
        },
        &expect_file!["../tests/expand/garde.rs"],
    );
}

#[test]
fn a_plain_function_is_called_without_waiting() {
    snapshot(
        quote!(
            icon(
                "https://example.com/a.png",
                sizes("48x48", "any"),
                theme = "dark"
            ),
            meta("com.example/team" = "billing", "com.example/tier" = -3)
        ),
        &quote! {
            fn resize(width: u32, db: &State<Images>) -> Content { db.resize(width) }
        },
        &expect_file!["../tests/expand/plain.rs"],
    );
}

#[test]
fn alternatives_are_data_and_the_last_step_is_a_call() {
    snapshot(
        quote!(
            any(permission = "org:documents:manage", role = "org:admin"),
            any(
                permission = all("org:a:b", perms::C),
                scope = "documents:all"
            ),
            forbid_actor,
            authorize = rules::owns(document_id, org, db, caller),
        ),
        &quote! {
            async fn delete_document(
                #[arg(rename = "id")] document_id: String,
                reason: Option<String>,
                org: &Org,
                caller: Option<&Caller>,
                db: &State<Documents>,
            ) -> Result<String, ToolError> {
                Ok(document_id)
            }
        },
        &expect_file!["../tests/expand/authorize.rs"],
    );
}

#[test]
fn a_prompt_is_a_tool_with_another_declaration() {
    snapshot_of(
        Primitive::Prompt,
        quote!(
            permission = "org:documents:read",
            title = "Summarise",
            rename_all = "camelCase"
        ),
        &quote! {
            /// Summarise a document.
            async fn summarise(
                /// The title of the document.
                document_title: String,
                #[arg(rename = "style")] tone: Option<Tone>,
                org: &Org,
            ) -> Vec<Message> {
                write(document_title, tone, org).await
            }
        },
        &expect_file!["../tests/expand/prompt.rs"],
    );
}

#[test]
fn a_resource_declares_its_uri_and_takes_its_variables() {
    snapshot_of(
        Primitive::Resource,
        quote!(
            "docs://{org}/{+path}.md{?page}",
            scope = "documents:read",
            mime_type = "text/markdown",
            ttl = "5m",
            audience = any("user", "assistant"),
            priority = 0.8,
            last_modified = "2026-01-12T15:00:58Z",
        ),
        &quote! {
            /// A document.
            fn document(
                #[arg(rename = "org")] name: String,
                path: String,
                #[arg(default = 1)] page: u32,
                db: &State<Documents>,
            ) -> Result<Option<String>, ToolError> {
                db.read(&name, &path, page)
            }
        },
        &expect_file!["../tests/expand/resource.rs"],
    );
}

#[test]
fn headers_are_data_with_the_names_that_clients_know() {
    snapshot(
        quote!(rename_all = "camelCase"),
        &quote! {
            async fn query(
                #[arg(header = "Region")] home_region: String,
                #[arg(header = "Shard", rename = "part")] shard: Option<u32>,
                limit: u32,
            ) -> String {
                home_region
            }
        },
        &expect_file!["../tests/expand/argument_header.rs"],
    );
}

#[test]
fn completion_functions_are_called_by_the_name_of_their_argument() {
    snapshot_of(
        Primitive::Prompt,
        quote!(rename_all = "camelCase"),
        &quote! {
            async fn summarise(
                #[arg(complete = titles(org, caller))] document_title: String,
                #[arg(complete = styles::all, default)] style: String,
                count: u32,
                org: &Org,
                caller: Option<&Caller>,
                db: &State<Documents>,
            ) -> String {
                db.find(&document_title)
            }
        },
        &expect_file!["../tests/expand/complete.rs"],
    );
}

#[test]
fn data_is_what_was_written_with_its_derives() {
    let item = quote! {
        #[derive(Debug)]
        pub struct Page {
            /// Titles.
            #[garde(length(simple, max = 5), inner(length(utf16, min = 1)))]
            titles: Vec<String>,
        }
    };
    let file = syn::parse2(data::expand(quote!(crate = crate::framework), &item, None)).unwrap();
    expect_file!["../tests/expand/data.rs"].assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn a_form_is_one_function_that_declares_and_reads_its_fields() {
    let item = quote! {
        /// A booking.
        #[derive(Debug)]
        pub struct Booking {
            /// The date of arrival.
            #[form(format = "date", title = "Arrival")]
            first_day: String,
            #[form(min = 1, max = 6, default = 2)]
            guests: u8,
            #[form(rename = "rooms", min_items = 1, default = [Room::Sea])]
            r#kinds: Option<Vec<Room>>,
        }
    };
    let args = quote!(crate = crate::framework, rename_all = "camelCase");
    let file = syn::parse2(crate::form::expand(args, &item)).unwrap();
    expect_file!["../tests/expand/form.rs"].assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn choices_are_data_with_their_titles() {
    let item = quote! {
        enum Room {
            /// With a view of the sea.
            Sea,
            #[form(rename = "yard")]
            BackYard,
        }
    };
    let file = syn::parse2(crate::form::expand(
        quote!(rename_all = "kebab-case"),
        &item,
    ))
    .unwrap();
    expect_file!["../tests/expand/choices.rs"].assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn permissions_are_constants_and_only_these_are_found_at_the_root() {
    let declared = quote! {
        $crate;
        only;
        /// Read documents.
        pub READ = "org:documents:read";
        #[deprecated]
        DELETE = "org:documents:delete";
    };
    let declared = crate::permissions::expand(declared).to_string();
    // Only rustc can parse `$crate`.
    let file = syn::parse_str(&declared.replace("$ crate", "::mcp_auth")).unwrap();
    expect_file!["../tests/expand/permissions.rs"].assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn the_guard_of_a_module_is_data_and_a_constant_that_public_functions_find() {
    let stated = quote!(
        require_org,
        permission = "org:billing:manage",
        any(
            role = "admin",
            policy = rules::is_internal,
            scope = "billing"
        )
    );
    let tokens = submit_as_call(crate::module_guard::expand(stated));
    let file = syn::parse2(tokens).unwrap();
    let text = prettyplease::unparse(&file).replace("inventory::submit(", "inventory::submit!(");
    expect_file!["../tests/expand/module_guard.rs"].assert_eq(&text);
}

#[test]
fn unknown_fields_are_refused_where_serde_would_pass_them_over() {
    let rows = [
        (
            quote!(),
            quote!(
                struct A {
                    a: u8,
                }
            ),
            true,
        ),
        (
            quote!(),
            quote!(
                enum A {
                    B { c: u8 },
                    D,
                }
            ),
            true,
        ),
        (
            quote!(allow_unknown),
            quote!(
                struct A {
                    a: u8,
                }
            ),
            false,
        ),
        (
            quote!(),
            quote!(
                #[serde(transparent)]
                struct A {
                    a: u8,
                }
            ),
            false,
        ),
        (
            quote!(),
            quote!(
                struct A(u8);
            ),
            false,
        ),
        (
            quote!(),
            quote!(
                struct A;
            ),
            false,
        ),
        (
            quote!(allow_unknown),
            quote!(
                struct A {
                    #[serde(flatten)]
                    a: B,
                }
            ),
            false,
        ),
    ];
    for (args, item, refused) in rows {
        let tokens = data::expand(args, &item, None).to_string();
        assert!(!tokens.contains("compile_error"), "{tokens}");
        assert_eq!(tokens.contains("deny_unknown_fields"), refused, "{tokens}");
    }
}

#[test]
fn mistakes_leave_the_function_and_register_nothing() {
    snapshot(
        quote!(permision = "org:a:b", timeout = 0),
        &quote! {
            fn delete(#[arg(rename = "id")] document: &str) {}
        },
        &expect_file!["../tests/expand/mistakes.rs"],
    );
}

#[test]
fn a_renamed_crate_is_the_only_one_named() {
    let tokens = mcp_tool_tokens(
        quote!(
            crate = crate::framework,
            icon = "https://example.com",
            meta("a" = 1)
        ),
        &quote!(
            fn tool(#[garde(length(bytes, min = 1))] a: String, org: &Org) {}
        ),
        None,
    )
    .to_string();
    assert!(
        tokens.contains("use crate :: framework :: __private"),
        "{tokens}"
    );
    assert!(!tokens.contains("mcp_auth"), "{tokens}");
    let tokens = crate::module_guard::expand(quote!(require_org, crate = crate::framework));
    let tokens = tokens.to_string();
    assert!(
        tokens.contains("use crate :: framework :: __private"),
        "{tokens}"
    );
    assert!(!tokens.contains("mcp_auth"), "{tokens}");
    let tokens = data::expand(
        quote!(crate = crate::framework),
        &quote!(
            struct Data {
                #[garde(length(bytes, min = 1))]
                a: String,
            }
        ),
        None,
    )
    .to_string();
    assert!(
        tokens.contains("\"crate::framework::__private::serde\""),
        "{tokens}"
    );
    assert!(!tokens.contains("mcp_auth"), "{tokens}");
}

/// The user's code may have an item called `Some` or `Box`. A path that starts with a bare name
/// would refer to that item.
#[test]
fn every_path_of_the_expansion_is_absolute() {
    let tokens = mcp_tool_tokens(
        quote!(
            title = "t",
            timeout = 1,
            permission = "org:a:b",
            icon("https://a", theme = "dark"),
            meta("a" = 1.5),
            any(role = "a", scope = "b"),
            policy = all(is_staff, EU_STAFF),
            authorize = may(a, org, who)
        ),
        &quote!(
            async fn tool(
                #[arg(default = "x", rename = "b")]
                #[garde(length(bytes, min = 1))]
                a: String,
                org: &Org,
                who: Option<&Caller>,
            ) {
            }
        ),
        None,
    );
    assert_absolute(tokens);
    let tokens = primitive_tokens(
        Primitive::Resource,
        quote!(
            "docs://{a}{?b}",
            mime_type = "text/plain",
            ttl = "1s",
            priority = 1
        ),
        &quote!(
            fn resource(
                #[arg(complete = names(org, who))] a: String,
                #[arg(default)] b: u32,
                org: &Org,
                who: Option<&Caller>,
            ) {
            }
        ),
        None,
    );
    assert_absolute(tokens);
    let stated = quote!(permission = "org:a:b", any(role = "a", scope = "b"));
    assert_absolute(crate::module_guard::expand(stated));
    let form = quote!(
        struct Form {
            #[form(title = "t", default = "a", min_length = 1, format = "date")]
            day: String,
        }
    );
    assert_absolute(crate::form::expand(quote!(), &form));
    let choices = quote!(
        enum Choices {
            A,
            B,
        }
    );
    assert_absolute(crate::form::expand(quote!(), &choices));
    let public = quote!(public);
    let tool = quote!(
        fn tool() {}
    );
    assert_absolute(mcp_tool_tokens(public, &tool, None));
}

fn assert_absolute(tokens: TokenStream) {
    assert!(!tokens.to_string().contains("compile_error"), "{tokens}");
    let bare = [
        "Box", "Debug", "Default", "Err", "Future", "Into", "None", "Ok", "Result", "Send", "Some",
        "Vec", "concat", "env", "std",
    ];
    assert_eq!(paths_starting_with(&bare, tokens), Vec::<String>::new());
}

fn paths_starting_with(bare: &[&str], tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut after_colon = false;
    for token in tokens {
        match &token {
            TokenTree::Group(group) => found.extend(paths_starting_with(bare, group.stream())),
            TokenTree::Ident(ident)
                if !after_colon && bare.contains(&ident.to_string().as_str()) =>
            {
                found.push(ident.to_string())
            }
            _ => {}
        }
        after_colon = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':');
    }
    found
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_source() {
    let found = messages(
        quote!(
            permision = "org:a:b",
            role = "Admin",
            destructive,
            read_only,
            scope = all("a", "a")
        ),
        &quote! {
            fn delete<T>(text: &str, (a, b): (u8, u8), #[cfg(test)] c: u8) -> impl Sized {}
        },
    );
    let beginnings = [
        "unknown key `permision`; did you mean `permission`?",
        "`role` must look like",
        "`scope` names `\"a\"` twice",
        "a tool cannot have generics",
        "arguments are taken by value: use `String`",
        "a parameter of a tool needs a name",
        "a parameter cannot be conditional",
        "a tool needs a concrete return type",
        "`read_only` and `destructive` contradict",
    ];
    assert_eq!(found.len(), beginnings.len(), "{found:#?}");
    for (message, beginning) in found.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[test]
fn an_item_that_cannot_be_read_does_not_hide_the_next() {
    let found = messages(
        quote!("delete", name = , = 3, role = "a b", title "x"),
        &quote!(
            async fn tool() {}
        ),
    );
    assert!(found.len() >= 3, "{found:#?}");
}

#[test]
fn rules_without_the_dependency_that_enforces_them_are_one_error() {
    let message = "`#[garde(…)]` needs garde as a dependency of this package: `cargo add garde --features derive`";
    let tool = quote!(
        fn tool(#[garde(length(chars, max = 1))] a: String, #[garde(ascii)] b: String) {}
    );
    let data = quote!(
        struct Data {
            #[garde(length(chars, max = 1))]
            a: String,
            #[garde(ascii)]
            b: String,
        }
    );
    let errors = |manifest| {
        [
            mcp_tool_tokens(quote!(), &tool, manifest),
            data::expand(quote!(), &data, manifest),
        ]
        .map(|tokens| {
            let tokens = tokens.to_string();
            assert_eq!(
                tokens.contains(":: garde"),
                !tokens.contains("compile_error")
            );
            (
                tokens.matches("compile_error").count(),
                tokens.contains(message),
            )
        })
    };
    assert_eq!(
        errors(Some("[dependencies]\nmcp-auth = \"0.1\"\n")),
        [(1, true); 2]
    );
    for manifest in [
        None,
        Some("[dependencies]\ngarde = \"0.23\"\n"),
        Some("[dependencies]\nrules = { package = \"garde\", version = \"0.23\" }\n"),
    ] {
        assert_eq!(errors(manifest), [(0, false); 2], "{manifest:?}");
    }
    // Without rules nothing is needed.
    let tool = mcp_tool_tokens(
        quote!(),
        &quote!(
            fn tool(a: String) {}
        ),
        Some(""),
    );
    assert!(!tool.to_string().contains("compile_error"));
}
