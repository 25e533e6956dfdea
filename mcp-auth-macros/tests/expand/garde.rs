async fn create(document_title: String, tags: Vec<String>, page: Page, limit: u32) {}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    struct __Checked(
        __private::IsArgument<String>,
        __private::IsArgument<Vec<String>>,
        __private::IsArgument<Page>,
        __private::IsArgument<u32>,
    );
    #[allow(unused_imports, reason = "every type may be an argument")]
    use __private::NotRead as _;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_document_title = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_tags = <__private::When<
        { __private::ArgumentOf::<Vec<String>>::IS_READ },
    > as __private::FieldType<Vec<String>>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_page = <__private::When<
        { __private::ArgumentOf::<Page>::IS_READ },
    > as __private::FieldType<Page>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_limit = <__private::When<
        { __private::ArgumentOf::<u32>::IS_READ },
    > as __private::FieldType<u32>>::Type;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<String>::DECLARED);
        __private::check_undived(__private::Rules::<Vec<String>>::DECLARED);
        __private::check_undived(__private::Rules::<u32>::DECLARED);
    };
    #[derive(__private::serde::Deserialize, __private::schemars::JsonSchema)]
    #[serde(crate = "__private::serde", expecting = "an object of arguments")]
    #[schemars(crate = "__private::schemars")]
    #[serde(deny_unknown_fields)]
    #[serde(rename_all = "camelCase")]
    #[derive(::garde::Validate)]
    #[garde(allow_unvalidated)]
    struct __Arguments {
        #[garde(length(chars, min = 1), ascii)]
        document_title: __Type_document_title,
        #[garde(length(simple, max = 5), inner(length(bytes, min = 2)))]
        #[schemars(
            transform = __private::SuppressedKeyword{keyword:"minLength",
            depth:1usize}
        )]
        tags: __Type_tags,
        #[garde(dive)]
        #[serde(flatten)]
        page: __Type_page,
        limit: __Type_limit,
    }
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __Arguments;
        type Output = ();
        fn validate(
            __args: &__Arguments,
        ) -> ::core::result::Result<(), __private::Violations> {
            ::garde::Validate::validate(__args)
                .map_err(|report| {
                    __private::Violations::new(
                        report.iter().map(|(path, error)| (path, error)),
                        &[
                            (
                                "document_title",
                                ::core::option::Option::Some("documentTitle"),
                            ),
                            ("page", ::core::option::Option::None),
                        ],
                    )
                })
        }
        async fn call(
            __args: __Arguments,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit
                    .ran(
                        create(
                                __private::taken(__args.document_title),
                                __private::taken(__args.tags),
                                __private::taken(__args.page),
                                __private::taken(__args.limit),
                            )
                            .await,
                    ),
            )
        }
    }
    __private::inventory::submit!(
        __private::Registration::of::<
            __Handler,
        >(__private::Declaration {
            name: "create",
            kind: __private::Kind::Tool(__private::ToolTraits {
                annotations: __private::Annotations {
                    read_only: ::core::option::Option::None,
                    destructive: ::core::option::Option::None,
                    idempotent: ::core::option::Option::None,
                    open_world: ::core::option::Option::None,
                },
                allow_unknown: false,
                lenient: false,
                confirms: false,
                task: ::core::option::Option::None,
                mirrored: &[],
            }),
            title: ::core::option::Option::None,
            description: "",
            icons: &[],
            meta: &[],
            own_guard: __private::OwnGuard::signed_in(&[]).implied(&[]),
            authorize: ::core::option::Option::None,
            parameters: &[],
            completed: &[],
            rates: &[],
            concurrency: ::core::option::Option::None,
            timeout: ::core::option::Option::None,
            extend_on_progress: ::core::option::Option::None,
            blocking: false,
            arguments: __private::ArgumentsForm::Generated,
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
