//! The context of a client's trace, as W3C Trace Context writes it.

/// The span of a client that sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteSpan<'a> {
    pub(crate) traceparent: Traceparent<'a>,
    #[cfg(feature = "otel")]
    pub(crate) tracestate: Option<&'a str>,
}

/// A valid `traceparent`.
///
/// Source: W3C Trace Context, section 3.2. A later version may have more fields after the first four. These fields are
/// ignored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Traceparent<'a> {
    text: &'a str,
    trace_id: &'a str,
    #[cfg(feature = "otel")]
    parent_id: &'a str,
    #[cfg(feature = "otel")]
    flags: &'a str,
}

impl<'a> RemoteSpan<'a> {
    /// Reads the `traceparent` and the `tracestate` of a message or of the headers. `None` if there is no valid
    /// `traceparent`.
    pub(crate) fn read(traceparent: Option<&'a str>, tracestate: Option<&'a str>) -> Option<Self> {
        #[cfg(not(feature = "otel"))]
        let _ = tracestate;
        Some(Self {
            traceparent: Traceparent::parse(traceparent?)?,
            #[cfg(feature = "otel")]
            tracestate,
        })
    }
}

impl<'a> Traceparent<'a> {
    /// Reads a `traceparent`. `None` if the text is malformed, or if an id is zero.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.split('-');
        let (version, trace_id, parent_id, flags) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let is_valid = is_hex(version, 2)
            && version != "ff"
            && (version != "00" || fields.next().is_none())
            && is_trace_id(trace_id)
            && is_hex(parent_id, 16)
            && is_hex(flags, 2)
            && !is_zero(trace_id)
            && !is_zero(parent_id);
        is_valid.then_some(Self {
            text: text.get(..LENGTH)?,
            trace_id,
            #[cfg(feature = "otel")]
            parent_id,
            #[cfg(feature = "otel")]
            flags,
        })
    }

    /// Returns the first four fields, which are all fields that the server reads.
    pub(crate) fn text(self) -> &'a str {
        self.text
    }

    /// Returns the trace id, as 32 hexadecimal digits.
    pub(crate) fn trace_id(self) -> &'a str {
        self.trace_id
    }

    /// Returns the id of the client's span, as 16 hexadecimal digits.
    #[cfg(feature = "otel")]
    pub(crate) fn parent_id(self) -> &'a str {
        self.parent_id
    }

    /// Returns true if the client records its trace.
    #[cfg(feature = "otel")]
    pub(crate) fn is_sampled(self) -> bool {
        u8::from_str_radix(self.flags, 16).is_ok_and(|flags| flags & SAMPLED != 0)
    }
}

/// Returns true if a text consists of 32 hexadecimal digits in lower case.
pub(crate) fn is_trace_id(text: &str) -> bool {
    is_hex(text, 32)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

/// The target of the spans of requests.
pub(crate) const SPANS: &str = "mcp_auth::spans";
/// The length of the first four fields.
const LENGTH: usize = 55;
#[cfg(feature = "otel")]
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn the_first_four_fields_are_read() {
        let first = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let later = format!("cc-{TRACE}-00f067aa0ba902b7-01");
        for (text, shown) in [
            (first.clone(), first),
            (format!("{later}-hunter2"), later.clone()),
            (later.clone(), later),
        ] {
            let parsed = Traceparent::parse(&text).unwrap();
            assert_eq!(parsed.trace_id(), TRACE, "{text}");
            assert_eq!(parsed.text(), shown, "{text}");
        }
    }

    #[cfg(feature = "otel")]
    #[test]
    fn the_flags_say_whether_the_client_records_its_trace() {
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let text = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            let parsed = Traceparent::parse(&text).unwrap();
            assert_eq!(parsed.is_sampled(), is_sampled, "{flags}");
            assert_eq!(parsed.parent_id(), "00f067aa0ba902b7");
        }
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in [
            String::new(),
            "00".to_owned(),
            "hunter2".to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-0\n"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}x-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(Traceparent::parse(&text), None, "{text}");
        }
    }
}
