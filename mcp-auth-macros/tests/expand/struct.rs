async fn create(document: NewDocument, org: &Org) -> Json<Document> {
    save(document).await
}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    struct __Checked(__private::IsArgument<NewDocument>);
    #[allow(unused_imports, reason = "every type may be an argument")]
    use __private::NotRead as _;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_document = <__private::When<
        { __private::ArgumentOf::<NewDocument>::IS_READ },
    > as __private::FieldType<NewDocument>>::Type;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<NewDocument>::DECLARED);
    };
    const _: () = {
        use __private::NoText as _;
        __private::check_error(__private::ErrorOf::<Json<Document>>::IS_TEXT);
    };
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __Type_document;
        type Output = Json<Document>;
        async fn call(
            __args: __Type_document,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __org = __private::inject::<Org>(__cx).await?;
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit.ran(create(__private::taken(__args), &__org).await),
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
            own_guard: __private::OwnGuard::signed_in(&[])
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
            arguments: __private::ArgumentsForm::Struct,
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
