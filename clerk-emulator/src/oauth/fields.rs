//! The parameters of an OAuth request, from a query or a form.

use url::form_urlencoded;

use crate::oauth::error::{Code, OAuthError};

/// Names and values in the order in which they were sent. Unknown names are ignored, as RFC 6749 requires.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`. Every text can be read in this form, so parsing
    /// cannot fail.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text);
        Self(
            pairs
                .filter(|(_, value)| !value.is_empty()) // RFC 6749 §3.1: an empty value counts as omitted.
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The value of a name. A name that is sent more than once is an error (RFC 6749 §3.1).
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, OAuthError> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            let text = format!("{name} is sent more than once");
            return Err(OAuthError::new(Code::InvalidRequest, text));
        }
        Ok(value)
    }

    /// The value of a required name.
    pub(crate) fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.one(name)?.ok_or_else(|| OAuthError::missing(name))
    }

    /// Every value of a name.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_none_and_a_second_value_is_an_error() {
        let fields = Fields::parse(b"a=&b=1&c=1&c=2&d=x+y%2F&resource=1&resource=2");
        assert_eq!(fields.one("a"), Ok(None));
        assert_eq!(fields.one("b"), Ok(Some("1")));
        assert_eq!(fields.one("c").unwrap_err().code, Code::InvalidRequest);
        assert_eq!(fields.one("d"), Ok(Some("x y/")));
        assert_eq!(fields.all("resource").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(
            fields.required("a").unwrap_err().description,
            "a is missing"
        );
    }
}
