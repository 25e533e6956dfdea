#[allow(clippy::needless_pass_by_value, reason = "arguments")]
fn resize(width: u32, db: &State<Images>) -> Content {
    db.resize(width)
}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    struct __Checked(__private::IsArgument<u32>);
    #[allow(unused_imports, reason = "every type may be an argument")]
    use __private::NotRead as _;
    #[allow(non_camel_case_types, reason = "named after the parameter")]
    type __Type_width = <__private::When<
        { __private::ArgumentOf::<u32>::IS_READ },
    > as __private::FieldType<u32>>::Type;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<u32>::DECLARED);
    };
    const _: () = {
        use __private::NoText as _;
        __private::check_error(__private::ErrorOf::<Content>::IS_TEXT);
    };
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __private::Values<(__Type_width,)>;
        type Output = Content;
        async fn call(
            __args: __private::Values<(__Type_width,)>,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __db = __private::inject::<State<Images>>(__cx).await?;
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit.ran(resize(__private::taken(__args.0.0), &__db)),
            )
        }
    }
    __private::inventory::submit!(
        __private::Registration::of::<
            __Handler,
        >(__private::Declaration {
            name: "resize",
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
            icons: &[
                __private::Icon {
                    src: "https://example.com/a.png",
                    mime_type: ::core::option::Option::None,
                    sizes: &["48x48", "any"],
                    theme: ::core::option::Option::Some("dark"),
                },
            ],
            meta: &[
                ("com.example/team", __private::MetaValue::Text("billing")),
                ("com.example/tier", __private::MetaValue::Integer(-3i64)),
            ],
            own_guard: __private::OwnGuard::signed_in(&[])
                .implied(&[__private::Implied::of::<State<Images>>("db")]),
            authorize: ::core::option::Option::None,
            parameters: &[
                __private::Parameter::of::<
                    State<Images>,
                >("db", ::core::panic::Location::caller()),
            ],
            completed: &[],
            rates: &[],
            concurrency: ::core::option::Option::None,
            timeout: ::core::option::Option::None,
            extend_on_progress: ::core::option::Option::None,
            blocking: true,
            arguments: __private::ArgumentsForm::Values {
                fields: &[__private::Field::of::<__Type_width>("width", "")],
                open: false,
            },
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
