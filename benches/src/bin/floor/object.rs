//! Objects of JSON, read in one pass: borrowed, each known member at most once, unknown ones passed
//! over, and never a list for an object, which a derived `Deserialize` would take.

use std::borrow::Cow;

use serde::Deserialize;

/// serde borrows a `Cow` only where the field is one, not inside an `Option`.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Declares a struct of optional members, by the names they have in JSON.
macro_rules! object {
    (
        $(#[$attribute:meta])*
        struct $name:ident<$life:lifetime> { $($key:literal => $field:ident: $type:ty,)* }
    ) => {
        $(#[$attribute])*
        #[derive(Default)]
        pub(crate) struct $name<$life> {
            $(pub(crate) $field: Option<$type>,)*
            pub(crate) borrowed: std::marker::PhantomData<&$life ()>,
        }

        impl<'de: $life, $life> serde::Deserialize<'de> for $name<$life> {
            fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                struct Members<$life>(std::marker::PhantomData<&$life ()>);

                impl<'de: $life, $life> serde::de::Visitor<'de> for Members<$life> {
                    type Value = $name<$life>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut members: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut read = $name::default();
                        while let Some($crate::object::Text(key)) = members.next_key()? {
                            match &*key {
                                $($key => {
                                    if read.$field.is_some() {
                                        return Err(serde::de::Error::duplicate_field($key));
                                    }
                                    read.$field = Some(members.next_value()?);
                                })*
                                _ => {
                                    members.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(read)
                    }
                }

                source.deserialize_map(Members(std::marker::PhantomData))
            }
        }
    };
}
pub(crate) use object;
