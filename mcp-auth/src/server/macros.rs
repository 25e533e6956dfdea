//! `serve!` and `server!`, which are macros because only the calling package's compilation knows
//! its name.

/// Serves the calling package's tools until SIGTERM or Ctrl-C.
///
/// | argument | meaning |
/// |---|---|
/// | `state = value` | a value that tools take as `&State<T>`; may be repeated |
/// | `tools = [path, …]` | a module of this package limits its tools to the named modules; another crate, or a module of it, adds its tools |
/// | `emulator` | a [local Clerk](crate::ServerBuilder::emulator), for development; without the feature `emulator` a server without an instance does not start |
/// | `emulator = "clerk.toml"` | a local Clerk with the people and roles of a [file](crate::ServerBuilder::emulator_file), whose path is relative to the package's `Cargo.toml` |
///
/// A tool of another crate is served only if its crate or module is named. Naming the crate also
/// links it; the linker leaves out a dependency that the code does not name.
/// [`server!`](crate::server) and [`ServerBuilder`](crate::ServerBuilder) describe all other
/// settings. The result is a future of [`Result<()>`](crate::Result).
///
/// In a debug build or with a local Clerk, while the canonical URL is on loopback, a browser of
/// this machine that opens the endpoint gets a page with the facts of the server, the settings for
/// common clients, and the access matrix. The page shows more than other answers show without a
/// token, because it is for development. The server checks `Host` and `Origin` of the request as
/// usual, so that no web page can read it, not even after DNS rebinding. A forwarded request, and a
/// request that is not a browser's navigation, gets the usual answer. Off loopback there is no
/// page.
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
            // The `use` links the crate, and a path that does not exist is an error.
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
