//! `serve!` and `server!`: macros, because the calling package's name is known only to its own
//! compilation.

/// Serves the calling package's tools until SIGTERM or Ctrl-C.
///
/// | argument | meaning |
/// |---|---|
/// | `state = value` | what tools take as `&State<T>`; several times |
/// | `tools = [path, …]` | a module of this package: of its tools only these; a crate or a module of one: these too |
/// | `emulator` | a [local Clerk](crate::ServerBuilder::emulator), for development; needs the feature `emulator` |
/// | `emulator = "clerk.toml"` | the same with the people and roles of a [file](crate::ServerBuilder::emulator_file), whose path is relative to the package's `Cargo.toml` |
///
/// A tool of another crate is served only if its crate or module is named, which also links it: an
/// unmentioned dependency is left out by the linker. Everything further is on
/// [`server!`](crate::server) and [`ServerBuilder`](crate::ServerBuilder). The result is a future of
/// [`Result<()>`](crate::Result).
///
/// In a debug build or beside a local Clerk, while the canonical URL is on loopback, a browser of this
/// machine that opens the endpoint is shown a page: what the server is, how common clients connect to
/// it, and the table of who may call what. That is more than a stranger learns elsewhere, and meant: it
/// is for development. `Host` and `Origin` are checked as for every request, so that a page of the web
/// cannot read it, not even after DNS rebinding; a request that was forwarded, and any that is not a
/// browser's navigation, is answered as if there were no page. Off loopback there is none.
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

/// Configures a server of the calling package's tools; the arguments are those of
/// [`serve!`](crate::serve), the result is a [`ServerBuilder`](crate::ServerBuilder).
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
            // A crate that nothing mentions is not linked, and a path that does not exist is an error.
            #[allow(unused_imports, reason = "it has the crate linked")]
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
        ::core::compile_error!("`emulator` needs the feature `emulator` of mcp-auth")
    };
}
