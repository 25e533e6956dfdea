//! The capabilities of a client.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The capabilities that a client declared in `initialize`, as far as this server uses them. A capability of another
/// form than MCP defines counts as absent.
///
/// Source: MCP 2025-11-25, basic/lifecycle, capability negotiation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Capabilities {
    /// The client can show a form to its user.
    pub(crate) elicitation_form: bool,
    /// The client can send its user to a URL.
    pub(crate) elicitation_url: bool,
    /// The client has roots.
    pub(crate) roots: bool,
    /// The client can run a model.
    pub(crate) sampling: bool,
}

impl Capabilities {
    /// Reads the member `capabilities` of the parameters of `initialize`, as written in the body.
    pub(in crate::protocol) fn read(written: Option<&str>) -> Self {
        let declared = written.and_then(|written| serde_json::from_str::<Declared>(written).ok());
        let Some(declared) = declared else {
            return Self::default();
        };
        let (elicitation_form, elicitation_url) = match declared.elicitation {
            None => (false, false),
            // An empty object means forms (MCP 2025-11-25, client/elicitation, capabilities).
            Some(Elicitation { form, url }) => (form.is_some() || url.is_none(), url.is_some()),
        };
        Self {
            elicitation_form,
            elicitation_url,
            roots: declared.roots.is_some(),
            sampling: declared.sampling.is_some(),
        }
    }
}

#[derive(Deserialize)]
struct Declared {
    elicitation: Option<Elicitation>,
    roots: Option<Present>,
    sampling: Option<Present>,
}

#[derive(Deserialize)]
struct Elicitation {
    form: Option<Present>,
    url: Option<Present>,
}

/// Any object.
#[derive(Deserialize)]
struct Present {
    #[serde(flatten)]
    _members: IgnoredAny,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_declares_a_capability_and_nothing_else_does() {
        let read = |written: &str| {
            let Capabilities {
                elicitation_form,
                elicitation_url,
                roots,
                sampling,
            } = Capabilities::read(Some(written));
            [elicitation_form, elicitation_url, roots, sampling].map(u8::from)
        };
        for (written, expected) in [
            ("{}", [0, 0, 0, 0]),
            (r#"{"elicitation":{}}"#, [1, 0, 0, 0]),
            (r#"{"elicitation":{"form":{}}}"#, [1, 0, 0, 0]),
            (r#"{"elicitation":{"url":{}}}"#, [0, 1, 0, 0]),
            (r#"{"elicitation":{"form":{"x":1},"url":{}}}"#, [1, 1, 0, 0]),
            (
                r#"{"roots":{"listChanged":true},"sampling":{"tools":{}}}"#,
                [0, 0, 1, 1],
            ),
            (r#"{"sampling":null,"experimental":{"a":{}}}"#, [0, 0, 0, 0]),
            (r#"{"sampling":true}"#, [0, 0, 0, 0]),
            (r#"{"elicitation":{},"elicitation":{}}"#, [0, 0, 0, 0]),
            ("null", [0, 0, 0, 0]),
            ("[]", [0, 0, 0, 0]),
        ] {
            assert_eq!(read(written), expected, "{written}");
        }
        assert_eq!(Capabilities::read(None), Capabilities::default());
    }
}
