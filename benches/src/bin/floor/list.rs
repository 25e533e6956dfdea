//! `tools/list`: bytes for each set of tools that a caller can see.

use bytes::Bytes;

use crate::answer::Body;
use crate::message::Era;

pub(crate) struct Lists {
    /// For those who may not delete, and for those who may.
    modern: [List; 2],
    legacy: [List; 2],
}

/// All of an answer that comes after the id.
pub(crate) struct List(Bytes);

impl Lists {
    /// With so many tools more, of which every other one is guarded.
    pub(crate) fn new(more: u16) -> Self {
        let both = |tail| [false, true].map(|may_delete| List::new(more, may_delete, tail));
        Self {
            modern: both(MODERN_TAIL),
            legacy: both(""),
        }
    }

    pub(crate) fn get(&self, era: Era, may_delete: bool) -> &List {
        let [fewer, all] = match era {
            Era::Modern => &self.modern,
            Era::Legacy => &self.legacy,
        };
        if may_delete { all } else { fewer }
    }
}

impl List {
    fn new(more: u16, may_delete: bool, tail: &str) -> Self {
        let mut tools = vec![ADD.to_owned(), ECHO.to_owned()];
        if may_delete {
            tools.push(GUARDED_ADD.to_owned());
        }
        for index in 0..more {
            if index % 2 == 0 || may_delete {
                tools.push(MORE.replace("NAME", &format!("tool_{index:03}")));
            }
        }
        let tools = tools.join(",");
        Self(format!(r#","result":{{"tools":[{tools}]{tail}}}}}"#).into())
    }

    /// The answer, of which only the id is written.
    pub(crate) fn answer(&self, id: &str) -> Body {
        let head = [r#"{"jsonrpc":"2.0","id":"#, id].concat();
        Body::of(head, self.0.clone())
    }
}

const ADD: &str = r#"{"annotations":{"readOnlyHint":true},"description":"Add two numbers.","inputSchema":{"additionalProperties":false,"properties":{"a":{"format":"int64","type":"integer"},"b":{"format":"int64","type":"integer"}},"required":["a","b"],"type":"object"},"name":"add","outputSchema":{"additionalProperties":false,"description":"Two numbers added.","properties":{"sum":{"format":"int64","type":"integer"}},"required":["sum"],"type":"object"}}"#;
const ECHO: &str = r#"{"annotations":{"readOnlyHint":true},"description":"Say what was said.","inputSchema":{"additionalProperties":false,"properties":{"text":{"type":"string"}},"required":["text"],"type":"object"},"name":"echo"}"#;
const GUARDED_ADD: &str = r#"{"annotations":{"readOnlyHint":true},"description":"Add two numbers, for those who may delete documents.","inputSchema":{"additionalProperties":false,"properties":{"a":{"format":"int64","type":"integer"},"b":{"format":"int64","type":"integer"}},"required":["a","b"],"type":"object"},"name":"guarded_add","outputSchema":{"additionalProperties":false,"description":"Two numbers added.","properties":{"sum":{"format":"int64","type":"integer"}},"required":["sum"],"type":"object"}}"#;
const MORE: &str = r#"{"annotations":{"readOnlyHint":true},"description":"Add two numbers, as many tools do.","inputSchema":{"additionalProperties":false,"description":"What each of them takes.","properties":{"a":{"format":"int64","type":"integer"},"b":{"format":"int64","type":"integer"}},"required":["a","b"],"type":"object"},"name":"NAME","outputSchema":{"additionalProperties":false,"description":"Two numbers added.","properties":{"sum":{"format":"int64","type":"integer"}},"required":["sum"],"type":"object"}}"#;
const MODERN_TAIL: &str = r#","resultType":"complete","ttlMs":30000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"benches","version":"0.1.0"}}"#;
