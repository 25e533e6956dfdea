//! A substitute for the type of a parameter that cannot be an argument. Without the substitute, the compiler would
//! report one more error for each use of the type in the generated code.
//!
//! INVARIANT: a function with a stand-in never compiles, because [`IsArgument`](super::IsArgument)
//! refuses the parameter's type. No value of a stand-in can exist.

use std::borrow::Cow;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

/// Has a constant that is true if a type can be an argument: `ArgumentOf::<T>::IS_READ`, with
/// [`NotRead`] in scope.
#[derive(Debug)]
pub struct ArgumentOf<T>(PhantomData<T>);

impl<T: DeserializeOwned + JsonSchema> ArgumentOf<T> {
    /// `true`. This inherent constant takes precedence over the constant of the trait.
    pub const IS_READ: bool = true;
}

/// Implemented for every type. Its constant applies to types that cannot be an argument.
pub trait NotRead {
    /// `false`, because the type cannot be an argument.
    const IS_READ: bool = false;
}

impl<T> NotRead for ArgumentOf<T> {}

/// Chooses the type of a field.
#[derive(Debug)]
pub struct When<const IS_READ: bool>;

/// The type of the field that holds an argument of type `T`.
pub trait FieldType<T> {
    /// `T`, or the substitute for `T`.
    type Type;
}

impl<T> FieldType<T> for When<true> {
    type Type = T;
}

impl<T> FieldType<T> for When<false> {
    type Type = StandIn<T>;
}

/// The substitute for `T`.
#[derive(Debug)]
pub struct StandIn<T>(Infallible, PhantomData<T>);

impl<'de, T> Deserialize<'de> for StandIn<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("not an argument"))
    }
}

impl<T> JsonSchema for StandIn<T> {
    fn schema_name() -> Cow<'static, str> {
        "not an argument".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

impl<T> Deref for StandIn<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self.0 {}
    }
}

/// Converts a field into the value that the function takes.
pub trait Taken<T> {
    /// Returns the value itself.
    fn taken(self) -> T;
}

impl<T> Taken<T> for T {
    fn taken(self) -> T {
        self
    }
}

impl<T> Taken<T> for StandIn<T> {
    fn taken(self) -> T {
        match self.0 {}
    }
}

/// Takes the value of a field.
pub fn taken<T>(field: impl Taken<T>) -> T {
    field.taken()
}
