/// Says hello.
async fn hello() {}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    struct __Handler;
    #[automatically_derived]
    impl __private::Handler for __Handler {
        type Kind = __private::AsTool;
        type Arguments = __private::Values<()>;
        type Output = ();
        async fn call(
            __args: __private::Values<()>,
            __cx: &__private::Context,
            __check: __private::AuthorizeGate,
        ) -> ::core::result::Result<__private::Ran<Self::Output>, __private::Stop> {
            let __permit = __check.none()?;
            __private::started(__cx);
            ::core::result::Result::Ok(__permit.ran(hello().await))
        }
    }
    __private::inventory::submit!(
        __private::Registration::of::<
            __Handler,
        >(__private::Declaration {
            name: "hello",
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
            description: "Says hello.",
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
