pub async fn status(db: &State<Documents>, who: Option<&Caller>) -> &'static str {
    "up"
}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    use __private::NO_MODULE_GUARD as __MODULE_GUARD;
    const __GUARDED: __private::GuardedModule = {
        use self::*;
        __MODULE_GUARD
    };
    const _: () = __GUARDED.check_public();
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __private::Values<()>;
        type Output = &'static str;
        async fn call(
            __args: __private::Values<()>,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __db = __private::inject::<State<Documents>>(__cx).await?;
            let __who = __private::inject_optional::<Caller>(__cx).await?;
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(
                __permit.ran(status(&__db, __who.as_deref()).await),
            )
        }
    }
    __private::inventory::submit!(
        __private::Registration::of::<
            __Handler,
        >(__private::Declaration {
            name: "status",
            kind: __private::Kind::Tool(__private::ToolTraits {
                annotations: __private::Annotations {
                    read_only: ::core::option::Option::Some(true),
                    destructive: ::core::option::Option::None,
                    idempotent: ::core::option::Option::None,
                    open_world: ::core::option::Option::Some(false),
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
            own_guard: __private::OwnGuard::public()
                .implied(
                    &[const { __private::Implied::in_public::<State<Documents>>("db") }],
                ),
            authorize: ::core::option::Option::None,
            parameters: &[
                __private::Parameter::of::<
                    State<Documents>,
                >("db", ::core::panic::Location::caller()),
                __private::Parameter::optional::<
                    Caller,
                >("who", ::core::panic::Location::caller()),
            ],
            completed: &[],
            rates: &[],
            concurrency: ::core::option::Option::None,
            timeout: ::core::option::Option::None,
            extend_on_progress: ::core::option::Option::None,
            blocking: false,
            arguments: __private::ArgumentsForm::Values {
                fields: &[],
                open: false,
            },
            package: ::core::env!("CARGO_PKG_NAME"),
            module: ::core::module_path!(),
            location: ::core::panic::Location::caller(),
        }),
    );
};
