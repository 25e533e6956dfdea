//! The numbers and texts that a function may report as its progress.

use std::borrow::Cow;

/// A number that a function reports with [`Context::progress`](crate::Context::progress): any integer or float type of
/// Rust. The client gets a JSON number, in which integers above 2⁵³ lose digits.
pub trait Amount: sealed::Sealed {
    /// Returns the number.
    #[doc(hidden)]
    fn amount(self) -> f64;
}

/// The total that a progress report names: an [`Amount`], or `None` if the function does not know the total.
pub trait Total: sealed::Sealed {
    /// Returns the total. `None` if it is unknown.
    #[doc(hidden)]
    fn total(self) -> Option<f64>;
}

/// The message of a progress report: `&str`, `String`, `Option<&str>`, or `None`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message of a progress report",
    label = "must be `&str`, `String`, `Option<&str>` or `None`",
    note = "write `.as_deref()` to make an `Option<&str>` of an `Option<String>`"
)]
pub trait ProgressText: sealed::Sealed {
    /// Returns the text. `None` if the report has no message.
    #[doc(hidden)]
    fn text(self) -> Option<String>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! amounts {
    ($($number:ty)* => $convert:expr) => {$(
        impl sealed::Sealed for $number {}

        impl Amount for $number {
            fn amount(self) -> f64 {
                let convert: fn(Self) -> f64 = $convert;
                convert(self)
            }
        }

        impl Total for $number {
            fn total(self) -> Option<f64> {
                Some(self.amount())
            }
        }
    )*};
}

amounts!(u8 u16 u32 i8 i16 i32 f32 f64 => f64::from);
amounts!(u64 usize i64 isize => |number| number as f64);

macro_rules! texts {
    ($($text:ty)*) => {$(
        impl sealed::Sealed for $text {}

        impl ProgressText for $text {
            fn text(self) -> Option<String> {
                Some(self.into())
            }
        }
    )*};
}

texts!(&str &String String Cow<'_, str>);

impl sealed::Sealed for Option<&str> {}

// The only `Option`, so that the compiler knows the type of `None`.
impl ProgressText for Option<&str> {
    fn text(self) -> Option<String> {
        self.map(str::to_owned)
    }
}

impl sealed::Sealed for Option<f64> {}

impl Total for Option<f64> {
    fn total(self) -> Option<f64> {
        self
    }
}
