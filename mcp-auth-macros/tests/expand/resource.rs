/// A document.
#[allow(clippy::needless_pass_by_value, reason = "arguments")]
fn document(
    name: String,
    path: String,
    page: u32,
    db: &State<Documents>,
) -> Result<Option<String>, ToolError> {
    db.read(&name, &path, page)
}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    struct __Checked(
        __private::IsArgument<String>,
        __private::IsArgument<String>,
        __private::IsArgument<u32>,
    );
    #[allow(unused_imports, reason = "every type may be an argument")]
    use __private::NotRead as _;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_name = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_path = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_page = <__private::When<
        { __private::ArgumentOf::<u32>::IS_READ },
    > as __private::FieldType<u32>>::Type;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<String>::DECLARED);
        __private::check_undived(__private::Rules::<String>::DECLARED);
        __private::check_undived(__private::Rules::<u32>::DECLARED);
    };
    const _: () = {
        use __private::NoText as _;
        __private::check_error(
            __private::ErrorOf::<Result<Option<String>, ToolError>>::IS_TEXT,
        );
    };
    #[derive(__private::serde::Deserialize, __private::schemars::JsonSchema)]
    #[serde(crate = "__private::serde", expecting = "an object of arguments")]
    #[schemars(crate = "__private::schemars")]
    #[serde(deny_unknown_fields)]
    struct __Arguments {
        #[serde(rename = "org")]
        name: __Type_name,
        path: __Type_path,
        #[serde(default = "__default_page")]
        page: __Type_page,
    }
    fn __default_page() -> u32 {
        1
    }
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsResource;
        type Arguments = __Arguments;
        type Output = Result<Option<String>, ToolError>;
        async fn call(
            __args: __Arguments,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __db = __private::inject::<State<Documents>>(__cx).await?;
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit
                    .ran(
                        document(
                            __private::taken(__args.name),
                            __private::taken(__args.path),
                            __private::taken(__args.page),
                            &__db,
                        ),
                    ),
            )
        }
    }
    __private::inventory::submit!(
        __private::Registration::of::<
            __Handler,
        >(__private::Declaration {
            name: "document",
            kind: __private::Kind::Resource(__private::ResourceTraits {
                uri: &[
                    __private::UriPart::Literal("docs://"),
                    __private::UriPart::Variable {
                        name: "org",
                        reserved: false,
                    },
                    __private::UriPart::Literal("/"),
                    __private::UriPart::Variable {
                        name: "path",
                        reserved: true,
                    },
                    __private::UriPart::Literal(".md"),
                    __private::UriPart::Query {
                        names: &["page"],
                        continued: false,
                    },
                ],
                mime_type: ::core::option::Option::Some("text/markdown"),
                ttl_ms: ::core::option::Option::Some(300000u64),
                size: ::core::option::Option::None,
                audience: &["user", "assistant"],
                priority: ::core::option::Option::Some(0.8f64),
                last_modified: ::core::option::Option::Some("2026-01-12T15:00:58Z"),
            }),
            title: ::core::option::Option::None,
            description: "A document.",
            icons: &[],
            meta: &[],
            own_guard: __private::OwnGuard::signed_in(
                    &[const { __private::KeyText("documents:read").scope() }],
                )
                .implied(&[__private::Implied::of::<State<Documents>>("db")]),
            authorize: ::core::option::Option::None,
            parameters: &[
                __private::Parameter::of::<
                    State<Documents>,
                >("db", ::core::panic::Location::caller()),
            ],
            completed: &[],
            rates: &[],
            concurrency: ::core::option::Option::None,
            timeout: ::core::option::Option::None,
            extend_on_progress: ::core::option::Option::None,
            blocking: true,
            arguments: __private::ArgumentsForm::Generated,
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
