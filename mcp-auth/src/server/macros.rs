//! `serve!` and `server!`. They are macros because a package's name is known only while that
//! package compiles.

/// Serves the calling package's tools until SIGTERM or Ctrl-C.
///
/// | argument | meaning |
/// |---|---|
/// | `state = value` | a value that tools take as a parameter `&State<T>`; may be repeated |
/// | `tools = [path, …]` | the crates and modules whose tools, prompts and resources are served. If one of them is a module of this package, only the named modules of this package are served. Tools of another crate are served in addition |
/// | `emulator` | a [local Clerk](crate::ServerBuilder::emulator) for development, used if no Clerk instance is configured. It needs the feature `emulator` |
/// | `emulator = "clerk.toml"` | a local Clerk with the people and roles of a [file](crate::ServerBuilder::emulator_file), whose path is relative to the package's `Cargo.toml` |
///
/// The server serves a tool of another crate only if `tools` names the crate or the module. Naming
/// a crate also links it: the linker leaves out a dependency that the code never names. For all
/// other settings, use [`server!`](crate::server) and the methods of
/// [`ServerBuilder`](crate::ServerBuilder). The result is a future of
/// [`Result<()>`](crate::Result).
///
/// During development, open the endpoint in a browser on the same machine: it shows a page with the
/// server's settings, the set-up of common clients, and the access matrix. The page exists in a
/// debug build and with a local Clerk, and only while the canonical URL is on loopback. It needs no
/// token, although it shows more than other responses without a token. The server checks `Host` and
/// `Origin` of the request as usual, so that no other web page can read this page, not even with
/// DNS rebinding. A request that was forwarded by a proxy, and a request that is not a browser's
/// navigation, get the usual response of the endpoint.
///
/// ```no_run
/// # struct Documents;
/// # impl Documents { async fn open(_: &str) -> std::io::Result<Self> { Ok(Self) } }
/// #[actix_web::main]
/// async fn main() -> mcp_auth::Result<()> {
///     mcp_auth::serve!(state = Documents::open("documents.db").await?).await
/// }
/// ```
///
/// ```standalone_crate
/// mod admin {
///     /// Restart the service.
///     #[mcp_auth::mcp_tool(role = "admin")]
///     async fn restart() {}
/// }
///
/// # async fn serve() -> mcp_auth::Result<()> {
/// mcp_auth::serve!(tools = [crate::admin]).await
/// # }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! serve {
    ($($arguments:tt)*) => {
        $crate::server!($($arguments)*).serve()
    };
}

/// Serves the calling package's tools over stdin and stdout, to the client that starts the program.
/// The macro takes the arguments of [`serve!`](crate::serve), and returns the future of
/// [`ServerBuilder::serve_stdio`](crate::ServerBuilder::serve_stdio). The macro needs the feature `stdio`.
///
/// ```no_run
/// #[actix_web::main]
/// async fn main() -> mcp_auth::Result<()> {
///     mcp_auth::serve_stdio!().await
/// }
/// ```
#[cfg(feature = "stdio")]
#[macro_export]
macro_rules! serve_stdio {
    ($($arguments:tt)*) => {
        $crate::server!($($arguments)*).serve_stdio()
    };
}

/// Configures a server of the calling package's tools. It takes the arguments of
/// [`serve!`](crate::serve), and the result is a [`ServerBuilder`](crate::ServerBuilder).
///
/// ```
/// let builder = mcp_auth::server!(state = 7_u32).title("Numbers").require_scope("numbers");
/// ```
#[macro_export]
macro_rules! server {
    (@add $builder:expr $(,)?) => { $builder };
    (@add $builder:expr, emulator $(, $($rest:tt)*)?) => {
        $crate::server!(@add $crate::__emulator!($builder), $($($rest)*)?)
    };
    (@add $builder:expr, emulator = $file:expr $(, $($rest:tt)*)?) => {
        $crate::server!(@add $crate::__emulator!($builder, $file), $($($rest)*)?)
    };
    (@add $builder:expr, emulator $($rest:tt)*) => {
        ::core::compile_error!(
            "`emulator` takes nothing, or a file of people and roles: `emulator = \"clerk.toml\"`"
        )
    };
    (@add $builder:expr, state = $state:expr $(, $($rest:tt)*)?) => {
        $crate::server!(@add $builder.state($state), $($($rest)*)?)
    };
    (@add $builder:expr, tools = [$($($segment:ident)::+),* $(,)?] $(, $($rest:tt)*)?) => {
        $crate::server!(@add $builder$(.tools_in(::core::module_path!(), {
            // The `use` links the crate, and is a compile error if the path does not exist.
            #[allow(unused_imports, reason = "it links the crate")]
            use $($segment)::+ as _;
            ::core::stringify!($($segment)::+)
        }))*, $($($rest)*)?)
    };
    (@add $builder:expr, tools $($rest:tt)*) => {
        ::core::compile_error!(
            "`tools` takes paths of crates and modules: `tools = [billing_tools, crate::admin]`"
        )
    };
    (@add $builder:expr, $unknown:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "unknown argument `", ::core::stringify!($unknown),
            "`; `serve!` and `server!` take `state = value`, `tools = [paths]` and `emulator`"
        ))
    };
    ($($arguments:tt)*) => {
        $crate::server!(
            @add $crate::ServerBuilder::of_package(
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
            ),
            $($arguments)*
        )
    };
}

#[cfg(feature = "emulator")]
#[doc(hidden)]
#[macro_export]
macro_rules! __emulator {
    ($builder:expr) => {
        $builder.emulator()
    };
    ($builder:expr, $file:expr) => {
        $builder
            .emulator_file(::std::path::Path::new(::core::env!("CARGO_MANIFEST_DIR")).join($file))
    };
}

#[cfg(not(feature = "emulator"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __emulator {
    ($builder:expr $(, $file:expr)?) => {
        $builder.emulator_without_feature()
    };
}
