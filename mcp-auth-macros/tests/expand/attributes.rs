#[cfg(feature = "search")]
#[expect(deprecated, reason = "until the next release")]
async fn search(
    mut limit: u32,
    order: String,
    tags: Vec<String>,
    r#type: Option<Kind>,
    #[allow(unused)]
    since: Date,
    page: Page,
) {}
#[cfg(feature = "search")]
#[allow(deprecated, reason = "until the next release")]
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    struct __Checked(
        __private::IsArgument<u32>,
        __private::IsArgument<String>,
        __private::IsArgument<Vec<String>>,
        __private::IsArgument<Page>,
    );
    #[allow(unused_imports, reason = "every type may be an argument")]
    use __private::NotRead as _;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_limit = <__private::When<
        { __private::ArgumentOf::<u32>::IS_READ },
    > as __private::FieldType<u32>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_order = <__private::When<
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
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<u32>::DECLARED);
        __private::check_undived(__private::Rules::<String>::DECLARED);
        __private::check_undived(__private::Rules::<Vec<String>>::DECLARED);
        __private::check_undived(__private::Rules::<Option<Kind>>::DECLARED);
        __private::check_undived(__private::Rules::<Date>::DECLARED);
        __private::check_undived(__private::Rules::<Page>::DECLARED);
    };
    #[derive(__private::serde::Deserialize, __private::schemars::JsonSchema)]
    #[serde(crate = "__private::serde", expecting = "an object of arguments")]
    #[schemars(crate = "__private::schemars")]
    #[serde(deny_unknown_fields)]
    struct __Arguments {
        #[serde(default = "__default_limit")]
        limit: __Type_limit,
        #[serde(default = "__default_order")]
        order: __Type_order,
        #[serde(default = "__default_tags")]
        tags: __Type_tags,
        #[schemars(title = "Kind")]
        #[serde(rename = "type")]
        r#type: Option<Kind>,
        #[serde(with = "dates")]
        since: Date,
        #[serde(flatten)]
        page: __Type_page,
    }
    fn __default_limit() -> u32 {
        20
    }
    fn __default_order() -> String {
        ::std::borrow::ToOwned::to_owned("title")
    }
    fn __default_tags() -> Vec<String> {
        ::core::default::Default::default()
    }
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __Arguments;
        type Output = ();
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
                        search(
                                __private::taken(__args.limit),
                                __private::taken(__args.order),
                                __private::taken(__args.tags),
                                __args.r#type,
                                __args.since,
                                __private::taken(__args.page),
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
            name: "search",
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
