//! A setting: a value, and where the value comes from.

use std::fmt;

use super::codes;
use super::environment::Environment;
use super::finding::Finding;

/// The place that a value comes from. Its `Display` names the setting in messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// This method of the builder.
    Code(&'static str),
    /// This environment variable.
    Variable(&'static str),
    /// No place; this variable could set it.
    Default(&'static str),
    /// The local Clerk.
    #[cfg(feature = "emulator")]
    Emulator,
}

/// A value with its source. It has no `Debug`, which would show the keys among the values.
#[derive(Clone)]
pub(super) struct Setting<T> {
    pub(super) value: T,
    pub(super) source: Source,
}

impl Source {
    /// The finding about a value that cannot be used. `expected` says which values can.
    pub(super) fn invalid(self, value: impl fmt::Display, expected: &str) -> Finding {
        let what = format!("{self} is `{value}`: {expected}");
        Finding::new(&codes::SETTING_INVALID, what)
    }

    /// Fails if a value is less than the least that can be used.
    pub(super) fn at_least<T: fmt::Display + PartialOrd>(
        self,
        value: T,
        least: &T,
        expected: &str,
    ) -> Result<(), Finding> {
        match value < *least {
            true => Err(self.invalid(value, expected)),
            false => Ok(()),
        }
    }
}

impl<T> Setting<Option<T>> {
    /// The value that code gives, or else the variable's.
    pub(super) fn read(
        in_code: Option<&T>,
        method: &'static str,
        variable: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Self
    where
        T: Clone,
    {
        let (value, source) = match in_code {
            Some(value) => (Some(value.clone()), Source::Code(method)),
            None => match read(variable) {
                Some(value) => (Some(value), Source::Variable(variable)),
                None => (None, Source::Default(variable)),
            },
        };
        Self { value, source }
    }

    /// Parses the value; `parse` also gets the source, for the finding.
    pub(super) fn parse<U>(
        self,
        parse: impl FnOnce(T, Source) -> Result<U, Finding>,
    ) -> Result<Setting<Option<U>>, Finding> {
        let source = self.source;
        let value = self.value.map(|value| parse(value, source)).transpose()?;
        Ok(Setting { value, source })
    }
}

impl Setting<Option<String>> {
    /// The text that code gives, or else the variable's.
    pub(super) fn text(
        env: &Environment<'_>,
        in_code: Option<&String>,
        method: &'static str,
        variable: &'static str,
    ) -> Self {
        Self::read(in_code, method, variable, |name| env.get(name))
    }
}

impl Setting<Option<Vec<String>>> {
    /// The list that code gives, or else the variable's, which is separated by commas.
    pub(super) fn list(
        env: &Environment<'_>,
        in_code: Option<&Vec<String>>,
        method: &'static str,
        variable: &'static str,
    ) -> Self {
        Self::read(in_code, method, variable, |name| env.list(name))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(method) => write!(f, "`{method}`"),
            Self::Variable(name) | Self::Default(name) => f.write_str(name),
            #[cfg(feature = "emulator")]
            Self::Emulator => f.write_str("the emulator"),
        }
    }
}
