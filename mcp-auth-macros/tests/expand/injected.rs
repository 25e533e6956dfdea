/// Delete a document of the caller's organization.
#[allow(clippy::unused_async)]
pub(crate) async fn delete_document(
    document_id: String,
    org: &Org,
    caller: Option<&Caller>,
    db: &State<Documents>,
) -> Result<String, ToolError> {
    Ok(document_id)
}
#[allow(clippy::unused_async)]
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    use __private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
    const __DECLARED: __private::Declared = {
        use crate::*;
        __MCP_AUTH_PERMISSIONS
    };
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
        __private::check_error(__private::ErrorOf::<Result<String, ToolError>>::IS_TEXT);
    };
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __private::Values<(__Type_document_id,)>;
        type Output = Result<String, ToolError>;
        async fn call(
            __args: __private::Values<(__Type_document_id,)>,
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
                        delete_document(
                                __private::taken(__args.0.0),
                                &__org,
                                __caller.as_deref(),
                                &__db,
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
            name: "delete_document",
            kind: __private::Kind::Tool(__private::ToolTraits {
                annotations: __private::Annotations {
                    read_only: ::core::option::Option::None,
                    destructive: ::core::option::Option::Some(true),
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
            description: "Delete a document of the caller's organization.",
            icons: &[],
            meta: &[],
            own_guard: __private::OwnGuard::signed_in(
                    &[
                        __private::Requirement::Organization,
                        const {
                            __private::KeyText("org:documents:delete")
                                .permission(__DECLARED)
                        },
                    ],
                )
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
            completed: &[],
            rates: &[],
            concurrency: ::core::option::Option::None,
            timeout: ::core::option::Option::None,
            extend_on_progress: ::core::option::Option::None,
            blocking: false,
            arguments: __private::ArgumentsForm::Values {
                fields: &[
                    __private::Field::of::<
                        __Type_document_id,
                    >(
                        "document_id",
                        "Id of the document, as `list_documents` returns it.",
                    ),
                ],
                open: false,
            },
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
