async fn search(search_text: String) -> Json<Page> {
    find(search_text).await
}
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
    type __Type_search_text = <__private::When<
        { __private::ArgumentOf::<String>::IS_READ },
    > as __private::FieldType<String>>::Type;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<String>::DECLARED);
    };
    const _: () = {
        use __private::NoText as _;
        __private::check_error(__private::ErrorOf::<Json<Page>>::IS_TEXT);
    };
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __private::Values<(__Type_search_text,)>;
        type Output = Json<Page>;
        async fn call(
            __args: __private::Values<(__Type_search_text,)>,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit.ran(search(__private::taken(__args.0.0)).await),
            )
        }
    }
    __private::inventory::submit!(
        __private::Registration::of::<
            __Handler,
        >(__private::Declaration {
            name: const { __private::KeyText(names::SEARCH).name() },
            kind: __private::Kind::Tool(__private::ToolTraits {
                annotations: __private::Annotations {
                    read_only: ::core::option::Option::Some(false),
                    destructive: ::core::option::Option::Some(false),
                    idempotent: ::core::option::Option::Some(true),
                    open_world: ::core::option::Option::Some(false),
                },
                allow_unknown: true,
                lenient: false,
                confirms: false,
                task: ::core::option::Option::None,
                mirrored: &[],
            }),
            title: ::core::option::Option::Some("Search documents"),
            description: "",
            icons: &[],
            meta: &[],
            own_guard: __private::OwnGuard::signed_in(
                    &[
                        __private::Requirement::Accept(
                            &[
                                const { __private::KeyText("oauth").accept() },
                                const { __private::KeyText(KIND).accept() },
                            ],
                        ),
                        __private::Requirement::User,
                        __private::Requirement::Organization,
                        const {
                            __private::KeyText("org:documents:read")
                                .permission(__DECLARED)
                        },
                        const {
                            __private::KeyText(perms::SEARCH).permission(__DECLARED)
                        },
                        const { __private::KeyText("admin").role() },
                        const { __private::KeyText("org:export").feature() },
                        const { __private::KeyText(features::SHARE).feature() },
                        const { __private::KeyText("pro").plan() },
                        const {
                            let __policy: fn(&__private::CallerFacts<'_>) -> bool = rules::is_staff;
                            __private::function_policy("is_staff", __policy)
                        },
                        const { __private::KeyText(rules::EU_STAFF).policy() },
                        const {
                            __private::KeyText(("second_factor", 10f64)).reverification()
                        },
                        const { __private::KeyText("documents:read").scope() },
                        const { __private::KeyText(SCOPE).scope() },
                        __private::Requirement::Any(
                            &[
                                &[const { __private::KeyText("export").feature() }],
                                &[
                                    const {
                                        let __policy: fn(&__private::CallerFacts<'_>) -> bool = r#is_staff;
                                        __private::function_policy("is_staff", __policy)
                                    },
                                ],
                                &[const { __private::KeyText("strict").reverification() }],
                            ],
                        ),
                    ],
                )
                .implied(&[]),
            authorize: ::core::option::Option::None,
            parameters: &[],
            completed: &[],
            rates: &[
                const { __private::KeyText("10/min per user").rate() },
                const { __private::KeyText(RATE).rate() },
            ],
            concurrency: ::core::option::Option::Some(4u32),
            timeout: ::core::option::Option::Some(30u64),
            extend_on_progress: ::core::option::Option::None,
            blocking: false,
            arguments: __private::ArgumentsForm::Values {
                fields: &[__private::Field::of::<__Type_search_text>("searchText", "")],
                open: true,
            },
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
