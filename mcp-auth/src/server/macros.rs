//! `serve!` and `server!`: macros, because the calling package's name is known only to its own
//! compilation.

/// Serves the calling package's tools until SIGTERM or Ctrl-C.
///
/// Takes `state = value` (several times), `emulator`, and nothing else; everything further is on
/// [`server!`](crate::server) and [`ServerBuilder`](crate::ServerBuilder). The result is a future of
/// [`Result<()>`](crate::Result).
///
/// ```no_run
/// # struct Documents;
/// # impl Documents { async fn open(_: &str) -> std::io::Result<Self> { Ok(Self) } }
/// #[actix_web::main]
/// async fn main() -> mcp_auth::Result<()> {
///     mcp_auth::serve!(state = Documents::open("documents.db").await?).await
/// }
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
    (@add $builder:expr, state = $state:expr $(, $($rest:tt)*)?) => {
        $crate::server!(@add $builder.state($state), $($($rest)*)?)
    };
    (@add $builder:expr, $unknown:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "unknown argument `", ::core::stringify!($unknown),
            "`; `serve!` and `server!` take `state = value` and `emulator`"
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
}

#[cfg(not(feature = "emulator"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __emulator {
    ($builder:expr) => {
        ::core::compile_error!("`emulator` needs the feature `emulator` of mcp-auth")
    };
}
