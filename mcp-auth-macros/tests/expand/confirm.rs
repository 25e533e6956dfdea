/// Delete a document.
async fn delete_document(
    #[allow(unused_variables, reason = "the attribute reads it")]
    document_id: String,
    count: &Count,
) -> String {
    document_id
}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    struct __Checked(__private::IsArgument<String>);
    #[allow(unused_imports, reason = "every type may be an argument")]
    use __private::NotRead as _;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_document_id = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<String>::DECLARED);
    };
    const _: () = {
        use __private::NoText as _;
        __private::check_error(__private::ErrorOf::<String>::IS_TEXT);
    };
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __private::Values<(__Type_document_id,)>;
        type Output = String;
        async fn call(
            __args: __private::Values<(__Type_document_id,)>,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __count = __private::inject::<Count>(__cx).await?;
            let __check = __check.before_confirmation()?;
            let __permit = __check.authorize(owns(&__args.0.0)).await?;
            let __permit = __permit
                .confirm(
                    __cx,
                    ::std::format!(
                        "Delete {}?", __private::in_question(&
                        ::std::format!("{document_id}", document_id = & __args.0. 0))
                    ),
                )
                .await?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit
                    .ran(delete_document(__private::taken(__args.0.0), &__count).await),
            )
        }
    }
    __private::inventory::submit!(
        __private::Registration::of::<
            __Handler,
        >(__private::Declaration {
            name: "delete_document",
            kind: __private::Kind::Tool(__private::ToolTraits {
                annotations: __private::Annotations {
                    read_only: ::core::option::Option::None,
                    destructive: ::core::option::Option::None,
                    idempotent: ::core::option::Option::None,
                    open_world: ::core::option::Option::None,
                },
                allow_unknown: false,
                lenient: false,
                confirms: true,
                task: ::core::option::Option::None,
                mirrored: &[],
            }),
            title: ::core::option::Option::None,
            description: "Delete a document.",
            icons: &[],
            meta: &[],
            own_guard: __private::OwnGuard::signed_in(&[])
                .implied(&[__private::Implied::of::<Count>("count")]),
            authorize: ::core::option::Option::Some(__private::Authorize {
                rule: "owns(document_id)",
                arguments: &["document_id"],
            }),
            parameters: &[
                __private::Parameter::of::<
                    Count,
                >("count", ::core::panic::Location::caller()),
            ],
            completed: &[],
            rates: &[],
            concurrency: ::core::option::Option::None,
            timeout: ::core::option::Option::None,
            extend_on_progress: ::core::option::Option::None,
            blocking: false,
            arguments: __private::ArgumentsForm::Values {
                fields: &[__private::Field::of::<__Type_document_id>("document_id", "")],
                open: false,
            },
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
