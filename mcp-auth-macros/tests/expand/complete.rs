async fn summarise(
    document_title: String,
    style: String,
    count: u32,
    #[allow(unused_variables, reason = "the attribute reads it")]
    org: &Org,
    #[allow(unused_variables, reason = "the attribute reads it")]
    caller: Option<&Caller>,
    db: &State<Documents>,
) -> String {
    db.find(&document_title)
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
    type __Type_document_title = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_style = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_count = <__private::When<
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
        __private::check_error(__private::ErrorOf::<String>::IS_TEXT);
    };
    #[derive(__private::serde::Deserialize, __private::schemars::JsonSchema)]
    #[serde(crate = "__private::serde", expecting = "an object of arguments")]
    #[schemars(crate = "__private::schemars")]
    #[serde(deny_unknown_fields)]
    #[serde(rename_all = "camelCase")]
    struct __Arguments {
        document_title: __Type_document_title,
        #[serde(default = "__default_style")]
        style: __Type_style,
        count: __Type_count,
    }
    fn __default_style() -> String {
        ::core::default::Default::default()
    }
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsPrompt;
        type Arguments = __Arguments;
        type Output = String;
        async fn call(
            __args: __Arguments,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __org = __private::inject::<Org>(__cx).await?;
            let __caller = __private::inject_optional::<Caller>(__cx).await?;
            let __db = __private::inject::<State<Documents>>(__cx).await?;
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit
                    .ran(
                        summarise(
                                __private::taken(__args.document_title),
                                __private::taken(__args.style),
                                __private::taken(__args.count),
                                &__org,
                                __caller.as_deref(),
                                &__db,
                            )
                            .await,
                    ),
            )
        }
        async fn complete(
            __request: &__private::CompletionRequest,
            __cx: &__private::Context,
        ) -> ::core::result::Result<__private::Suggestions, __private::ToolError> {
            match __request.argument() {
                "documentTitle" => {
                    let __org = __private::inject::<Org>(__cx).await?;
                    let __caller = __private::inject_optional::<Caller>(__cx).await?;
                    __private::suggested(titles(__request, &__org, __caller.as_deref()))
                        .await
                }
                "style" => __private::suggested(styles::all(__request)).await,
                _ => ::core::result::Result::Ok(__private::Suggestions::none()),
            }
        }
    }
    __private::inventory::submit!(
        __private::Registration::with_completion::<
            __Handler,
        >(__private::Declaration {
            name: "summarise",
            kind: __private::Kind::Prompt(__private::PromptTraits {
                argument_names: &["documentTitle", "style", "count"],
            }),
            title: ::core::option::Option::None,
            description: "",
            icons: &[],
            meta: &[],
            own_guard: __private::OwnGuard::signed_in(&[])
                .implied(
                    &[
                        __private::Implied::of::<Org>("org"),
                        __private::Implied::of::<State<Documents>>("db"),
                    ],
                ),
            authorize: ::core::option::Option::None,
            parameters: &[
                __private::Parameter::of::<
                    Org,
                >("org", ::core::panic::Location::caller()),
                __private::Parameter::optional::<
                    Caller,
                >("caller", ::core::panic::Location::caller()),
                __private::Parameter::of::<
                    State<Documents>,
                >("db", ::core::panic::Location::caller()),
            ],
            completed: &["documentTitle", "style"],
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
