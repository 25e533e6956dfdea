/// Summarise a document.
async fn summarise(
    document_title: String,
    tone: Option<Tone>,
    org: &Org,
) -> Vec<Message> {
    write(document_title, tone, org).await
}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    use __private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
    const __DECLARED: __private::Declared = {
        use crate::*;
        __MCP_AUTH_PERMISSIONS
    };
    struct __Checked(__private::IsArgument<String>, __private::IsArgument<Option<Tone>>);
    #[allow(unused_imports, reason = "every type may be an argument")]
    use __private::NotRead as _;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_document_title = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_tone = <__private::When<
        { __private::ArgumentOf::<Option<Tone>>::IS_READ },
    > as __private::FieldType<Option<Tone>>>::Type;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<String>::DECLARED);
        __private::check_undived(__private::Rules::<Option<Tone>>::DECLARED);
    };
    const _: () = {
        use __private::NoText as _;
        __private::check_error(__private::ErrorOf::<Vec<Message>>::IS_TEXT);
    };
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsPrompt;
        type Arguments = __private::Values<(__Type_document_title, __Type_tone)>;
        type Output = Vec<Message>;
        async fn call(
            __args: __private::Values<(__Type_document_title, __Type_tone)>,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __org = __private::inject::<Org>(__cx).await?;
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit
                    .ran(
                        summarise(
                                __private::taken(__args.0.0),
                                __private::taken(__args.0.1),
                                &__org,
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
            name: "summarise",
            kind: __private::Kind::Prompt(__private::PromptTraits {
                argument_names: &["documentTitle", "style"],
            }),
            title: ::core::option::Option::Some("Summarise"),
            description: "Summarise a document.",
            icons: &[],
            meta: &[],
            own_guard: __private::OwnGuard::signed_in(
                    &[
                        const {
                            __private::KeyText("org:documents:read")
                                .permission(__DECLARED)
                        },
                    ],
                )
                .implied(&[__private::Implied::of::<Org>("org")]),
            authorize: ::core::option::Option::None,
            parameters: &[
                __private::Parameter::of::<Org>("org", ::core::panic::Location::caller()),
            ],
            completed: &[],
            rates: &[],
            concurrency: ::core::option::Option::None,
            timeout: ::core::option::Option::None,
            extend_on_progress: ::core::option::Option::None,
            blocking: false,
            arguments: __private::ArgumentsForm::Values {
                fields: &[
                    __private::Field::of::<
                        __Type_document_title,
                    >("documentTitle", "The title of the document."),
                    __private::Field::of::<__Type_tone>("style", ""),
                ],
                open: false,
            },
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
