#[derive(
    crate::framework::__private::serde::Serialize,
    crate::framework::__private::serde::Deserialize,
    crate::framework::__private::schemars::JsonSchema
)]
#[serde(crate = "crate::framework::__private::serde")]
#[schemars(crate = "crate::framework::__private::schemars")]
#[serde(deny_unknown_fields)]
#[derive(::garde::Validate)]
#[garde(allow_unvalidated)]
#[derive(Debug)]
pub struct Page {
    /// Titles.
    #[garde(length(simple, max = 5), inner(length(utf16, min = 1)))]
    #[schemars(
        transform = crate::framework::__private::SuppressedKeyword{keyword:"minLength",
        depth:1usize}
    )]
    titles: Vec<String>,
}
#[doc(hidden)]
const _: () = {
    use crate::framework::__private as __private;
    struct __Checked(__private::IsField<Vec<String>>);
};
#[automatically_derived]
impl crate::framework::__private::HasRules for Page {}
#[doc(hidden)]
const _: () = {
    use crate::framework::__private as __private;
    const _: () = {
        use __private::NoRules as _;
        __private::check_undived(__private::Rules::<Vec<String>>::DECLARED);
    };
};
