//! A setting: a value and its source.

use std::fmt;

use super::codes;
use super::environment::Environment;
use super::finding::Finding;

/// The source of a value. Its `Display` form names the setting in messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// The value was set by this method of the builder.
    Code(&'static str),
    /// The value comes from this environment variable.
    Variable(&'static str),
    /// The value is the default. This variable could set it.
    Default(&'static str),
    /// The value comes from the local Clerk.
    #[cfg(feature = "emulator")]
    Emulator,
}

/// A value with its source. Its `Debug` shows only the source, because some values are secret keys.
#[derive(Clone)]
pub(super) struct Setting<T> {
    pub(super) value: T,
    pub(super) source: Source,
}

impl Source {
    /// The finding about an invalid value. `expected` says which values are valid.
    pub(super) fn invalid(self, value: impl fmt::Display, expected: &str) -> Finding {
        let what = format!("{self} is `{value}`: {expected}");
        Finding::new(&codes::SETTING_INVALID, what)
    }

    /// Returns a finding if `value` is less than `least`.
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

impl<T> fmt::Debug for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Setting").field(&self.source).finish()
    }
}

impl<T> Setting<Option<T>> {
    /// Returns the value that is set in code, or else the value of the variable.
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

    /// Parses the value. `parse` also gets the source, to name it in a finding.
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
    /// Returns the text that is set in code, or else the value of the variable.
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
    /// Returns the list that is set in code, or else the comma-separated list of the variable.
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
