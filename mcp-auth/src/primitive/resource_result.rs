//! The types that a resource may return, and their conversion into contents.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::ResourceContents;
use serde::Serialize;

use super::error::ToolError;
use super::finite;
use super::tool_result::{IntoToolError, Json};

/// A value that a resource can return.
///
/// These types implement the trait:
///
/// | type | MIME type, if the attribute has no `mime_type` |
/// |---|---|
/// | text: `String`, `&'static str`, `Cow<'static, str>` | `text/plain` |
/// | bytes: `Vec<u8>` | `application/octet-stream` |
/// | [`Json`] | `application/json` |
/// | [`Contents`], `Vec<Contents>` | as for the text, bytes or JSON in it |
/// | rmcp's [`ResourceContents`], `Vec<ResourceContents>` | as for the text or bytes in it |
/// | `Option` and `Result` of any of these types | as for the inner type |
///
/// `None` means that the resource does not exist: the client gets the error of an unknown URI. The URI
/// of the contents is the URI that the client requested, unless [`Contents::uri()`] or the
/// [`ResourceContents`] sets another URI.
///
/// Source: MCP 2026-07-28, server/resources, "Reading Resources".
///
/// ```
/// use mcp_auth::{Org, ToolError, mcp_resource};
///
/// /// A note of the caller's organization.
/// #[mcp_resource("notes://{id}", mime_type = "text/markdown")]
/// async fn note(id: u32, org: &Org) -> Result<Option<String>, ToolError> {
///     Ok((id == 1).then(|| format!("# The first note of {}", org.id())))
/// }
///
/// # #[cfg(feature = "testing")]
/// # actix_web::rt::System::new().block_on(async {
/// # use mcp_auth::testing::TestServer;
/// let server = mcp_auth::server!();
/// # let server = server.tools_of(module_path!());
/// let server = TestServer::of(server);
/// let ada = server.user("ada").org("acme");
/// assert_eq!(ada.read("notes://1").await.expect_ok().text(), "# The first note of org_acme");
/// ada.read("notes://2").await.expect_unknown();
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a resource",
    label = "must be text, bytes, `Json<_>`, `Contents`, `Vec<Contents>`, or an `Option` or a `Result` of these",
    note = "annotate your own type with `#[mcp_auth::data]`, and return it in `mcp_auth::Json`"
)]
pub trait IntoResourceResult: Send {
    /// Turns the value into contents.
    ///
    /// # Errors
    ///
    /// - The resource's own error.
    /// - An internal error if the value cannot be serialized, or has a number that JSON cannot express.
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError>;
}

/// The contents of a resource. An implementation of [`IntoResourceResult`] for your own type returns it.
///
/// ```
/// use mcp_auth::{Contents, IntoResourceResult, ResourceOutput, ToolError};
///
/// struct Page(String);
///
/// impl IntoResourceResult for Page {
///     fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
///         Ok(ResourceOutput::new([Contents::text(self.0).mime_type("text/html")]))
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ResourceOutput {
    /// `None` if the resource does not exist.
    pub(crate) contents: Option<Vec<Contents>>,
}

impl ResourceOutput {
    /// Makes a result with these contents, in this order. Without contents, the resource counts as
    /// nonexistent, as with [`unknown`](Self::unknown).
    #[must_use]
    pub fn new(contents: impl IntoIterator<Item = Contents>) -> Self {
        let contents: Vec<_> = contents.into_iter().collect();
        Self {
            contents: Some(contents).filter(|contents| !contents.is_empty()),
        }
    }

    /// Makes the result of a resource that does not exist. The client gets the error of an unknown URI.
    #[must_use]
    pub fn unknown() -> Self {
        Self { contents: None }
    }
}

/// A text or bytes, as the contents of a resource or as one of several parts of the contents.
///
/// ```
/// use mcp_auth::Contents;
///
/// let page = Contents::text("# Hello").mime_type("text/markdown");
/// let picture = Contents::bytes(b"\x89PNG\r\n").mime_type("image/png").uri("docs://pictures/1");
/// # let _ = (page, picture);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// `None` means that the contents have the URI of the request.
    pub(crate) uri: Option<String>,
    /// `None` means the declared MIME type, or `default_mime_type` if no MIME type is declared.
    pub(crate) mime_type: Option<Cow<'static, str>>,
    pub(crate) default_mime_type: &'static str,
    pub(crate) body: ContentsBody,
    pub(crate) meta: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A text, or bytes in Base64.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ContentsBody {
    Blob(String),
    Text(Cow<'static, str>),
}

impl Contents {
    /// Makes contents from a text.
    #[must_use]
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ContentsBody::Text(text.into()), "text/plain")
    }

    /// Makes contents from bytes, which the client receives in Base64.
    #[must_use]
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        let blob = ContentsBody::Blob(STANDARD.encode(bytes));
        Self::of(blob, "application/octet-stream")
    }

    /// Makes contents from a value, which is serialized as JSON.
    ///
    /// # Errors
    ///
    /// - An internal error if the value cannot be serialized, or has a number that JSON cannot express.
    pub fn json(value: &impl Serialize) -> Result<Self, ToolError> {
        let text = ContentsBody::Text(finite::to_json(value)?.into());
        Ok(Self::of(text, "application/json"))
    }

    /// Sets the MIME type. It replaces the declared MIME type.
    #[must_use]
    pub fn mime_type(self, mime_type: impl Into<Cow<'static, str>>) -> Self {
        Self {
            mime_type: Some(mime_type.into()),
            ..self
        }
    }

    /// Sets the URI, which is otherwise the URI of the request. Use this method for a resource that consists of several
    /// resources with their own URIs.
    #[must_use]
    pub fn uri(self, uri: impl Into<String>) -> Self {
        Self {
            uri: Some(uri.into()),
            ..self
        }
    }

    fn of(body: ContentsBody, default_mime_type: &'static str) -> Self {
        Self {
            uri: None,
            mime_type: None,
            default_mime_type,
            body,
            meta: None,
        }
    }
}

impl Contents {
    fn of_model(contents: ResourceContents) -> Result<Self, ToolError> {
        let (uri, mime_type, meta, body) = match contents {
            ResourceContents::TextResourceContents {
                uri,
                mime_type,
                text,
                meta,
            } => (uri, mime_type, meta, Self::text(text)),
            ResourceContents::BlobResourceContents {
                uri,
                mime_type,
                blob,
                meta,
            } => {
                let blob = Self::of(ContentsBody::Blob(blob), "application/octet-stream");
                (uri, mime_type, meta, blob)
            }
            _ => return Err(ToolError::from("resource contents of an unknown kind")),
        };
        Ok(Self {
            uri: Some(uri),
            mime_type: mime_type.map(Cow::Owned),
            meta: meta.map(|meta| meta.0),
            ..body
        })
    }
}

impl IntoResourceResult for ResourceOutput {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        Ok(self)
    }
}

impl IntoResourceResult for Vec<Contents> {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        Ok(ResourceOutput::new(self))
    }
}

impl IntoResourceResult for Vec<ResourceContents> {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        let contents: Result<Vec<_>, _> = self.into_iter().map(Contents::of_model).collect();
        Ok(ResourceOutput::new(contents?))
    }
}

impl IntoResourceResult for ResourceContents {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        vec![self].into_resource_result()
    }
}

impl IntoResourceResult for Vec<u8> {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        Ok(ResourceOutput::new([Contents::bytes(self)]))
    }
}

macro_rules! one_content {
    ($($type:ty: $contents:path),+ $(,)?) => {$(
        impl IntoResourceResult for $type {
            fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
                Ok(ResourceOutput::new([$contents(self)]))
            }
        }
    )+};
}

one_content!(
    String: Contents::text,
    &'static str: Contents::text,
    Cow<'static, str>: Contents::text,
    Contents: Contents::from,
);

impl<T: Serialize + Send> IntoResourceResult for Json<T> {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        Ok(ResourceOutput::new([Contents::json(&self.0)?]))
    }
}

impl<T: IntoResourceResult> IntoResourceResult for Option<T> {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        self.map_or_else(|| Ok(ResourceOutput::unknown()), T::into_resource_result)
    }
}

impl<T: IntoResourceResult, E: IntoToolError + Send> IntoResourceResult for Result<T, E> {
    fn into_resource_result(self) -> Result<ResourceOutput, ToolError> {
        self.map_err(IntoToolError::into_tool_error)?
            .into_resource_result()
    }
}
