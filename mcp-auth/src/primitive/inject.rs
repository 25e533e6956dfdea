//! Parameters that a tool, a prompt or a resource takes by reference, including the application's own
//! types.

use std::future::ready;
use std::ops::Deref;

use crate::guard::{Implied, Requirement, TokenFacts};
use crate::identity::{Caller, Org};

use super::context::Context;
use super::error::ToolError;
use super::notifier::Notifier;
use super::state::{RequiredState, State};

/// Implement this trait for your own type, so that tools, prompts and resources can take the type by
/// reference.
///
/// [`Parts`](Self::Parts) names the values from which the type is made. A function that takes the type has the
/// requirements of these values. For example, a type that is made from [`Org`] requires an organization: the guard, the
/// lists and the access matrix include this requirement. If a type is made from a [`State`] that the server does not
/// have, the server does not start.
///
/// ```
/// use mcp_auth::{Context, FromContext, Org, State, ToolError, mcp_tool};
///
/// struct Prices(u32);
///
/// /// The prices for the caller's organization.
/// struct Offer {
///     organization: String,
///     price: u32,
/// }
///
/// impl FromContext for Offer {
///     type Parts = (Org, State<Prices>);
///
///     async fn from_context(
///         _: &Context,
///         (org, prices): (&Org, &State<Prices>),
///     ) -> Result<Self, ToolError> {
///         let organization = org.id().to_owned();
///         Ok(Self { organization, price: prices.0 * 2 })
///     }
/// }
///
/// /// Quote a price.
/// #[mcp_tool]
/// async fn quote(offer: &Offer) -> String {
///     format!("{}: {}", offer.organization, offer.price)
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// # use serde_json::json;
/// # let without = mcp_auth::server!().tools_of(module_path!());
/// # let without = std::panic::AssertUnwindSafe(move || TestServer::of(without));
/// # assert!(std::panic::catch_unwind(without).is_err());
/// # let server = TestServer::of(mcp_auth::server!(state = Prices(21)).tools_of(module_path!()));
/// # let answer = server.user("ada").org("acme").call("quote", json!({})).await;
/// # assert_eq!(answer.expect_ok().text(), "org_acme: 42");
/// # server.user("linus").call("quote", json!({})).await.expect_denied("Organization context required");
/// # });
/// ```
pub trait FromContext: Sized + Send + Sync + 'static {
    /// The values from which the type is made: `()`, a [`Caller`], an [`Org`], a [`State<T>`](State), an `Option` of a
    /// [`Caller`] or of an [`Org`], or a tuple of up to four of these types. An `Option` is `None` for a caller who
    /// does not have the value. If the organization cannot be looked up now, the server answers the call with 503, and
    /// [`from_context`](Self::from_context) does not run.
    type Parts: Parts;

    /// Requirements that a parameter of this type adds to the guard, in addition to the
    /// requirements of the parts.
    const REQUIRES: &'static [Requirement] = &[];

    /// Makes the value, after the guard allowed the call and before the function runs.
    ///
    /// # Errors
    ///
    /// An error ends the call as if the function had returned the error: the client gets the text of a
    /// [`ToolError::new`], and any other error is internal. A parameter `Option<&Self>` does not hide an error. The
    /// parameter is `None` only if the request does not meet a requirement.
    fn from_context<'a>(
        cx: &'a Context,
        parts: <Self::Parts as Parts>::Refs<'a>,
    ) -> impl Future<Output = Result<Self, ToolError>> + Send;
}

/// A part of a request from which an injected type can be made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a part of a request",
    label = "not a part of a request",
    note = "the parts are `Caller`, `Org`, `State<T>`, `Option<Caller>` and `Option<Org>`, or a tuple of up to four of these"
)]
pub trait Part: 'static {
    /// The type that `from_context` gets for this part.
    type Ref<'a>: Send;

    /// The requirements that this part adds to the guard.
    const REQUIRES: &'static [Requirement] = &[];

    /// The requirements without which the part is `None`. The guard does not include these requirements. If a part
    /// needs the organization, the server looks up the organization before the function runs, and a failed look-up is
    /// an error.
    const OPTIONAL: &'static [Requirement] = &[];

    /// Adds to `needs` the state that this part requires.
    fn needs(needs: &mut RequiredState) {
        let _ = needs;
    }

    /// Takes the part from the request.
    ///
    /// # Errors
    ///
    /// - The request does not have the part. The guard and the start-up checks prevent this.
    fn take(cx: &Context) -> Result<Self::Ref<'_>, ToolError>;
}

impl Part for Caller {
    type Ref<'a> = &'a Self;

    const REQUIRES: &'static [Requirement] = &[Requirement::SignedIn];

    fn take(cx: &Context) -> Result<&Self, ToolError> {
        cx.caller().ok_or_else(|| absent("caller"))
    }
}

impl Part for Org {
    type Ref<'a> = &'a Self;

    const REQUIRES: &'static [Requirement] = &[Requirement::Organization];

    fn take(cx: &Context) -> Result<&Self, ToolError> {
        cx.org().ok_or_else(|| absent("organization"))
    }
}

impl Part for Option<Caller> {
    type Ref<'a> = Option<&'a Caller>;

    const OPTIONAL: &'static [Requirement] = <Caller as Part>::REQUIRES;

    fn take(cx: &Context) -> Result<Self::Ref<'_>, ToolError> {
        Ok(cx.caller())
    }
}

impl Part for Option<Org> {
    type Ref<'a> = Option<&'a Org>;

    const OPTIONAL: &'static [Requirement] = <Org as Part>::REQUIRES;

    fn take(cx: &Context) -> Result<Self::Ref<'_>, ToolError> {
        Ok(cx.org())
    }
}

impl<T: Send + Sync + 'static> Part for State<T> {
    type Ref<'a> = &'a Self;

    fn needs(needs: &mut RequiredState) {
        needs.state::<T>();
    }

    fn take(cx: &Context) -> Result<&Self, ToolError> {
        cx.state().ok_or_else(|| absent("state"))
    }
}

/// One [`Part`], or a tuple of up to four parts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a part of a request",
    label = "not a part of a request",
    note = "the parts are `Caller`, `Org`, `State<T>`, `Option<Caller>` and `Option<Org>`, or a tuple of up to four of these"
)]
pub trait Parts: 'static {
    /// The types that `from_context` gets for these parts.
    type Refs<'a>: Send;

    /// The requirements of each part.
    const REQUIRES: &'static [&'static [Requirement]];

    /// [`Part::OPTIONAL`] of each part.
    const OPTIONAL: &'static [&'static [Requirement]];

    /// Adds the state that the parts need to `needs`.
    fn needs(needs: &mut RequiredState);

    /// Takes the parts from the request.
    ///
    /// # Errors
    ///
    /// - The error of a part; see [`Part::take`].
    fn take(cx: &Context) -> Result<Self::Refs<'_>, ToolError>;
}

impl<P: Part> Parts for P {
    type Refs<'a> = P::Ref<'a>;

    const REQUIRES: &'static [&'static [Requirement]] = &[P::REQUIRES];
    const OPTIONAL: &'static [&'static [Requirement]] = &[P::OPTIONAL];

    fn needs(needs: &mut RequiredState) {
        P::needs(needs);
    }

    fn take(cx: &Context) -> Result<Self::Refs<'_>, ToolError> {
        P::take(cx)
    }
}

macro_rules! tuple_of_parts {
    ($($part:ident)*) => {
        impl<$($part: Part),*> Parts for ($($part,)*) {
            type Refs<'a> = ($($part::Ref<'a>,)*);

            const REQUIRES: &'static [&'static [Requirement]] = &[$($part::REQUIRES),*];
            const OPTIONAL: &'static [&'static [Requirement]] = &[$($part::OPTIONAL),*];

            fn needs(needs: &mut RequiredState) {
                let _ = &needs;
                $($part::needs(needs);)*
            }

            fn take(cx: &Context) -> Result<Self::Refs<'_>, ToolError> {
                let _ = cx;
                Ok(($($part::take(cx)?,)*))
            }
        }
    };
}

tuple_of_parts!();
tuple_of_parts!(A B);
tuple_of_parts!(A B C);
tuple_of_parts!(A B C D);

/// A type that a tool, a prompt or a resource can take by reference: a part of the request, or a
/// [`FromContext`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected",
    label = "a parameter by reference comes from the request, not from the arguments",
    note = "to take an argument, write `{Self}` by value",
    note = "to take a value of the server, write `&State<{Self}>`",
    note = "to make a value from the request, implement `FromContext` for `{Self}`"
)]
pub trait Inject: Send + Sync + Sized + 'static {
    /// Requirements of the type itself.
    const REQUIRES: &'static [Requirement];

    /// Requirements of the parts from which the type is made.
    const PARTS: &'static [&'static [Requirement]] = &[];

    /// [`Part::OPTIONAL`] of the parts from which the type is made.
    const OPTIONAL: &'static [&'static [Requirement]] = &[];

    /// True if the value is the same for all callers.
    const SHARED: bool = false;

    /// True if the value gives access to the [`Context`], with which a function sends messages to the
    /// client.
    const USES_CONTEXT: bool = false;

    /// Adds to `needs` the state that this type requires.
    fn needs(needs: &mut RequiredState);

    /// Takes the value from the request.
    fn inject(cx: &Context) -> impl Future<Output = Result<Injected<'_, Self>, ToolError>> + Send;
}

#[diagnostic::do_not_recommend]
impl<T: FromContext> Inject for T {
    const REQUIRES: &'static [Requirement] = T::REQUIRES;
    const PARTS: &'static [&'static [Requirement]] = <T::Parts as Parts>::REQUIRES;
    const OPTIONAL: &'static [&'static [Requirement]] = <T::Parts as Parts>::OPTIONAL;
    const USES_CONTEXT: bool = true;

    fn needs(needs: &mut RequiredState) {
        T::Parts::needs(needs);
    }

    async fn inject(cx: &Context) -> Result<Injected<'_, Self>, ToolError> {
        let parts = T::Parts::take(cx)?;
        T::from_context(cx, parts).await.map(Injected::Owned)
    }
}

impl Inject for Context {
    const REQUIRES: &'static [Requirement] = &[];
    const USES_CONTEXT: bool = true;

    fn needs(_: &mut RequiredState) {}

    fn inject(cx: &Context) -> impl Future<Output = Result<Injected<'_, Self>, ToolError>> + Send {
        ready(Ok(Injected::Borrowed(cx)))
    }
}

impl Inject for Notifier {
    const REQUIRES: &'static [Requirement] = &[];
    const SHARED: bool = true;

    fn needs(_: &mut RequiredState) {}

    fn inject(cx: &Context) -> impl Future<Output = Result<Injected<'_, Self>, ToolError>> + Send {
        ready(Ok(Injected::Borrowed(cx.notifier())))
    }
}

macro_rules! inject_part {
    ($part:ty, shared: $shared:literal $(, $state:ident)?) => {
        impl$(<$state: Send + Sync + 'static>)? Inject for $part {
            const REQUIRES: &'static [Requirement] = <Self as Part>::REQUIRES;
            const SHARED: bool = $shared;

            fn needs(needs: &mut RequiredState) {
                <Self as Part>::needs(needs);
            }

            fn inject(
                cx: &Context,
            ) -> impl Future<Output = Result<Injected<'_, Self>, ToolError>> + Send {
                ready(<Self as Part>::take(cx).map(Injected::Borrowed))
            }
        }
    };
}

inject_part!(Caller, shared: false);
inject_part!(Org, shared: false);
inject_part!(State<T>, shared: true, T);

/// An injected value. It is borrowed from the request, or made for the call.
#[derive(Debug)]
pub enum Injected<'a, T> {
    /// A value that the request stores, borrowed from it.
    Borrowed(&'a T),
    /// A value that was made for this call.
    Owned(T),
}

impl<T> Deref for Injected<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value,
        }
    }
}

impl Implied {
    /// Returns the requirements that an injected parameter of type `T` adds.
    #[must_use]
    pub const fn of<T: Inject>(_parameter: &'static str) -> Self {
        Self::signed_in(T::REQUIRES, T::PARTS)
    }

    /// Returns the requirements of a parameter of a `public` function, where any requirement is a compile
    /// error.
    #[must_use]
    #[track_caller]
    pub const fn in_public<T: Inject>(parameter: &'static str) -> Self {
        Self::public(parameter, T::REQUIRES, T::PARTS)
    }
}

/// Takes an injected parameter from the request.
///
/// # Errors
///
/// - Every error of [`FromContext::from_context`].
// This is not an `async fn`, because rustc would infer `Send` from the body, with the lifetimes of `T` erased, and
// would not know that `State<Box<dyn Trait>>` is `'static`.
pub fn inject<T: Inject>(
    cx: &Context,
) -> impl Future<Output = Result<Injected<'_, T>, ToolError>> + Send {
    T::inject(cx)
}

/// Injects an `Option<&T>`. The value is `None` if the request does not meet the requirements of
/// `T`.
///
/// # Errors
///
/// - Every error of [`FromContext::from_context`].
pub fn inject_optional<T: Inject>(
    cx: &Context,
) -> impl Future<Output = Result<Option<Injected<'_, T>>, ToolError>> + Send {
    let (caller, org) = (cx.caller(), cx.org());
    let facts = caller.map(TokenFacts::of);
    let present = T::REQUIRES
        .iter()
        .chain(T::PARTS.iter().copied().flatten())
        .all(|requirement| requirement.is_met(facts.as_ref(), org));
    async move {
        if present {
            T::inject(cx).await.map(Some)
        } else {
            Ok(None)
        }
    }
}

/// The guard and the start-up checks prevent this error. It is therefore an internal error and not a denial.
fn absent(part: &'static str) -> ToolError {
    ToolError::from(format!(
        "the context has no {part}, though it was checked for one"
    ))
}
