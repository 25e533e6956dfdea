#[doc(hidden)]
const __MODULE_GUARD: ::mcp_auth::__private::GuardedModule = ::mcp_auth::__private::GuardedModule::at(
    ::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!()),
);
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private;
    use __private::ANY_PERMISSION as __MCP_AUTH_PERMISSIONS;
    const __DECLARED: __private::Declared = {
        use crate::*;
        __MCP_AUTH_PERMISSIONS
    };
    __private::inventory::submit!(
        __private::ModuleGuard::new(
            ::core::module_path!(),
            __MODULE_GUARD,
            &[
                __private::Requirement::Organization,
                const {
                    __private::KeyText("org:billing:manage").permission(__DECLARED)
                },
                __private::Requirement::Any(
                    &[
                        &[const { __private::KeyText("admin").role() }],
                        &[
                            const {
                                let __policy: fn(&__private::CallerFacts<'_>) -> bool = rules::is_internal;
                                __private::function_policy("is_internal", __policy)
                            },
                        ],
                        &[const { __private::KeyText("billing").scope() }],
                    ],
                ),
            ],
        ),
    );
};
