//! The numbers that a function may report as its progress.

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

impl sealed::Sealed for Option<f64> {}

impl Total for Option<f64> {
    fn total(self) -> Option<f64> {
        self
    }
}
