//! Writes the results of prompts, resources and completion requests.

use serde_json::{Value, json};

use crate::primitive::{Contents, ContentsBody, PromptOutput, ResourceTraits, Suggestions};

use super::super::Response;
use super::super::era::Era;
use super::{NO_META, Results, written};

/// The contents of a resource, with the data that the result also needs.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct ReadResource<'a> {
    /// The URI that the client requested.
    pub(in crate::protocol) uri: &'a str,
    pub(in crate::protocol) traits: &'a ResourceTraits,
    /// True if every caller gets the same contents.
    pub(in crate::protocol) is_shared: bool,
    /// True if the contents may depend on answers to questions, so that no client may cache the contents.
    pub(in crate::protocol) is_retry: bool,
    pub(in crate::protocol) contents: &'a [Contents],
}

impl Results {
    /// Writes the messages of a prompt. MCP 2026-07-28, server/prompts, getting a prompt.
    pub(in crate::protocol) fn prompt(
        &self,
        id: &str,
        era: Era,
        description: &str,
        PromptOutput(result): &PromptOutput,
    ) -> Response {
        let description = result.description.as_deref().unwrap_or(description);
        self.call(id, 0, |body| {
            body.push(b'{');
            if !description.is_empty() {
                body.extend_from_slice(br#""description":"#);
                written(body, description);
                body.push(b',');
            }
            body.extend_from_slice(br#""messages":"#);
            written(body, &result.messages);
            let meta = result.meta.iter().flat_map(|meta| &meta.0);
            self.end(body, era, meta.map(|(name, value)| (&**name, value)));
        })
    }

    /// Writes the contents of a resource. MCP 2026-07-28, server/resources, reading resources;
    /// server/utilities/caching.
    pub(in crate::protocol) fn resource(
        &self,
        id: &str,
        era: Era,
        read: &ReadResource<'_>,
    ) -> Response {
        let ReadResource {
            uri,
            traits,
            is_shared,
            is_retry,
            contents,
        } = *read;
        let contents: Vec<Value> = contents
            .iter()
            .map(|one| {
                let (member, body) = match &one.body {
                    ContentsBody::Blob(blob) => ("blob", blob.as_str()),
                    ContentsBody::Text(text) => ("text", &**text),
                };
                let declared = one.mime_type.as_deref().or(traits.mime_type);
                let mut contents = json!({
                    "uri": one.uri.as_deref().unwrap_or(uri),
                    "mimeType": declared.unwrap_or(one.default_mime_type),
                    member: body,
                });
                if let (Some(meta), Some(contents)) = (&one.meta, contents.as_object_mut()) {
                    contents.insert("_meta".to_owned(), meta.clone().into());
                }
                contents
            })
            .collect();
        self.call(id, 0, |body| {
            body.extend_from_slice(br#"{"contents":"#);
            written(body, &contents);
            if era == Era::Modern {
                let scope = if is_shared && !is_retry {
                    "public"
                } else {
                    "private"
                };
                let ttl = traits.ttl_ms.filter(|_| !is_retry).unwrap_or(0);
                let caching = format!(r#","ttlMs":{ttl},"cacheScope":"{scope}""#);
                body.extend_from_slice(caching.as_bytes());
            }
            self.end(body, era, NO_META);
        })
    }

    /// Writes the suggestions for an argument. MCP 2026-07-28, server/utilities/completion.
    pub(in crate::protocol) fn completion(
        &self,
        id: &str,
        era: Era,
        suggestions: &Suggestions,
    ) -> Response {
        self.call(id, 0, |body| {
            body.extend_from_slice(br#"{"completion":{"values":"#);
            written(body, &suggestions.values);
            let more = format!(r#","hasMore":{}}}"#, suggestions.has_more);
            body.extend_from_slice(more.as_bytes());
            self.end(body, era, NO_META);
        })
    }
}
