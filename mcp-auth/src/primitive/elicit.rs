//! The methods with which a function asks the client: a person to fill in a form or to open a URL, or the
//! client's model.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;

use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use url::Url;

use crate::loopback;

use super::channel::Channel;
use super::context::Context;
use super::dialogue::{Ability, ClientAbilities, Dialogue, Misuse, Params, Question};
use super::error::ToolError;
use super::form::{Form, FormSchema};

/// The answer of a person to a question.
///
/// [`Elicit::answer`] and [`ElicitUrl::answer`] return this value. Source: MCP 2026-07-28, client/elicitation, response
/// actions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer<T = ()> {
    /// The person filled in the form, or agreed to open the URL.
    Accepted(T),
    /// The person said no.
    Declined,
    /// The person closed the question without an answer.
    Cancelled,
}

impl<T> Answer<T> {
    /// Returns the value of an accepted answer.
    ///
    /// # Errors
    ///
    /// - The person declined or cancelled. The text for the model says which of the two happened.
    pub fn accepted(self) -> Result<T, ToolError> {
        match self {
            Self::Accepted(value) => Ok(value),
            Self::Declined => Err(ToolError::declined("The user declined.")),
            Self::Cancelled => Err(ToolError::declined(
                "The user closed the question without an answer.",
            )),
        }
    }
}

/// A question with a form for a person. Awaiting the question returns the filled-in form.
///
/// [`Context::elicit`] makes this question.
#[derive(Debug)]
#[must_use = "a question is asked only if it is awaited"]
pub struct Elicit<'a, T> {
    cx: &'a Context,
    message: Cow<'a, str>,
    name: Option<&'a str>,
    form: PhantomData<fn() -> T>,
}

/// A question with a form that is known only at run time. Awaiting the question returns the filled-in form.
///
/// [`Context::elicit_with`] makes this question.
#[derive(Debug)]
#[must_use = "a question is asked only if it is awaited"]
pub struct ElicitForm<'a> {
    cx: &'a Context,
    message: Cow<'a, str>,
    schema: FormSchema,
    name: Option<&'a str>,
}

/// A question that asks a person to open a URL. Awaiting the question completes if the person agreed.
///
/// [`Context::elicit_url`] makes this question.
#[derive(Debug)]
#[must_use = "a question is asked only if it is awaited"]
pub struct ElicitUrl<'a> {
    cx: &'a Context,
    message: Cow<'a, str>,
    url: Cow<'a, str>,
    name: Option<&'a str>,
}

impl Context {
    /// Asks the person at the client to fill in a form, and returns the filled-in form. `message` tells the person why
    /// the server asks. `T` is a type with the attribute [`form`](macro@crate::form).
    ///
    /// While the question has no answer, the future does not complete, and **the function ends there**. The client
    /// shows the question to the person, and sends the request again with the answer. The server then runs the function
    /// from its beginning, and the future completes with the answer. Everything before the question therefore runs
    /// again, so let a function ask before it changes anything. If a function awaits several questions together, for
    /// example with `tokio::join!`, the client gets them together.
    ///
    /// The second run must ask the same question: the same message, the same form and the same [name](Elicit::named).
    /// Otherwise the server asks the person again. The server checks the answer against the form. If the answer does
    /// not fit, the server asks the person again, with a message that says what is wrong.
    ///
    /// The answer comes from the client, which can invent an answer. Decide rights by the guard, not by an answer.
    ///
    /// ```
    /// use mcp_auth::{Context, ToolError, form, mcp_tool};
    ///
    /// /// How to book the table.
    /// #[form]
    /// struct Booking {
    ///     /// Number of guests.
    ///     #[form(min = 1, max = 12)]
    ///     guests: u8,
    /// }
    ///
    /// /// Book a table for tonight.
    /// #[mcp_tool]
    /// async fn book(restaurant: String, cx: &Context) -> Result<String, ToolError> {
    ///     let booking: Booking = cx.elicit(format!("A table at {restaurant}: for how many?")).await?;
    ///     Ok(format!("{} at {restaurant}", booking.guests))
    /// }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// let server = mcp_auth::server!();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let arguments = json!({ "restaurant": "Noma" });
    /// let ada = server.user("ada").answering(json!({ "guests": 4 }));
    /// assert_eq!(ada.call("book", arguments.clone()).await.expect_ok().text(), "4 at Noma");
    /// let ada = server.user("ada").declining();
    /// ada.call("book", arguments).await.expect_error("The user declined.");
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the question returns an error in these cases. Use [`Elicit::answer`] to handle the first two.
    ///
    /// - The person declined: `The user declined.`
    /// - The person closed the question without an answer: `The user closed the question without an answer.`
    /// - The method was called from `authorize`, a [`FromContext`](crate::FromContext) or a completion function. Only
    ///   the body of a tool, a prompt or a resource may ask. The error is internal.
    /// - Another question of the function has the same name. The error is internal.
    ///
    /// If the client cannot ask a person, the function does not continue, and the request gets the JSON-RPC error
    /// -32021, which names the missing capability. A client of an older revision gets a failed result for a tool, and
    /// the error -32603 for a prompt or a resource. A function can call [`client`](Self::client) first, to learn what
    /// the client can do.
    ///
    /// Source: MCP 2026-07-28, client/elicitation and basic/patterns/mrtr.
    pub fn elicit<'a, T: Form>(&'a self, message: impl Into<Cow<'a, str>>) -> Elicit<'a, T> {
        Elicit {
            cx: self,
            message: message.into(),
            name: None,
            form: PhantomData,
        }
    }

    /// Asks the person to fill in a form that is known only at run time, for example because its choices come from a
    /// database. Awaiting the question returns the properties of the form. Apart from that, the method works like
    /// [`elicit`](Self::elicit).
    ///
    /// ```
    /// use mcp_auth::model::{ElicitationSchema, EnumSchema};
    /// use mcp_auth::{Context, FormSchema, ToolError, mcp_tool};
    ///
    /// /// Move a document.
    /// #[mcp_tool]
    /// async fn move_document(document_id: String, cx: &Context) -> Result<String, ToolError> {
    ///     let folders = vec!["inbox".to_owned(), "archive".to_owned()]; // From a database.
    ///     let choice = EnumSchema::builder(folders).build();
    ///     let schema = ElicitationSchema::builder().required_enum_schema("folder", choice).build()?;
    ///     let answer = cx.elicit_with("Where to?", FormSchema::new(&schema)?).await?;
    ///     let folder = answer["folder"].as_str().unwrap_or_default();
    ///     Ok(format!("{document_id} is in {folder}"))
    /// }
    ///
    /// # #[cfg(feature = "testing")]
    /// # actix_web::rt::System::new().block_on(async {
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// let server = mcp_auth::server!();
    /// # let server = server.tools_of(module_path!());
    /// let server = TestServer::of(server);
    /// let ada = server.user("ada").answering(json!({ "folder": "archive" }));
    /// let answer = ada.call("move_document", json!({ "document_id": "d1" })).await;
    /// assert_eq!(answer.expect_ok().text(), "d1 is in archive");
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`elicit`](Self::elicit).
    pub fn elicit_with<'a>(
        &'a self,
        message: impl Into<Cow<'a, str>>,
        schema: FormSchema,
    ) -> ElicitForm<'a> {
        ElicitForm {
            cx: self,
            message: message.into(),
            schema,
            name: None,
        }
    }

    /// Asks the person at the client to open a URL. Use this for anything that must not pass through the client: a
    /// password, a payment, or the sign-in at another service. Awaiting the question completes when the person agrees
    /// to open the URL. It does not wait until the person has finished on the page. Look up the outcome where the page
    /// stored it.
    ///
    /// The function runs again for the answer, as [`elicit`](Self::elicit) explains.
    ///
    /// ```
    /// use mcp_auth::{Caller, Context, ToolError, mcp_tool};
    ///
    /// /// Import the caller's calendar.
    /// #[mcp_tool]
    /// async fn import_calendar(caller: &Caller, cx: &Context) -> Result<String, ToolError> {
    ///     let is_connected = caller.subject() == "user_grace"; // Look up whether the page has stored an access.
    ///     if !is_connected {
    ///         let url = "https://app.example.com/connect/calendar";
    ///         cx.elicit_url("Connect your calendar, then call the tool again.", url).await?;
    ///         return Ok("Waiting for the connection".to_owned());
    ///     }
    ///     Ok("Imported".to_owned())
    /// }
    /// ```
    ///
    /// # Security
    ///
    /// The specification has four rules for the URL (MCP 2026-07-28, client/elicitation, safe URL handling and phishing):
    ///
    /// - The page must check that the person who opens the URL is the caller of the tool, for example by the session
    ///   cookie of Clerk: the subject of the session must be [`Caller::subject`](crate::Caller::subject). Otherwise a
    ///   caller can send the URL to somebody else, who then connects an account for the caller.
    /// - The URL must not contain personal data or secrets.
    /// - The URL must not give access by itself.
    /// - The URL should have the scheme `https`.
    ///
    /// # Errors
    ///
    /// The errors of [`elicit`](Self::elicit), and an internal error if the URL is not an absolute `https` URL. An `http`
    /// URL is accepted if its host is a loopback address or `localhost`.
    pub fn elicit_url<'a>(
        &'a self,
        message: impl Into<Cow<'a, str>>,
        url: impl Into<Cow<'a, str>>,
    ) -> ElicitUrl<'a> {
        ElicitUrl {
            cx: self,
            message: message.into(),
            url: url.into(),
            name: None,
        }
    }

    /// Returns the kinds of questions that the client can answer.
    ///
    /// ```
    /// use mcp_auth::{Context, mcp_tool};
    ///
    /// /// Say whether the client can ask a person.
    /// #[mcp_tool]
    /// async fn can_ask(cx: &Context) -> &'static str {
    ///     if cx.client().form { "yes" } else { "no" }
    /// }
    /// ```
    #[must_use]
    pub fn client(&self) -> ClientAbilities {
        let dialogue = self.channel.as_deref().map(Channel::dialogue);
        dialogue.map(Dialogue::client).unwrap_or_default()
    }

    pub(super) async fn ask<A>(
        &self,
        name: Option<&str>,
        question: Question,
        read: impl FnOnce(&Value) -> Result<A, String> + Send,
    ) -> Result<A, ToolError> {
        let channel = self.channel.as_deref();
        let channel = channel.ok_or(Misuse::NotInBody)?;
        channel.dialogue().ask(name, question, read).await
    }
}

impl<'a, T: Form> Elicit<'a, T> {
    /// Gives the question a name. The answer to a question is found by this name. By default the name is the position
    /// of the question in the function: `question-1`, `question-2` and so on. Name a question if the function may ask
    /// its questions in another order when it runs again.
    pub fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Returns the answer of the person, so that the function can handle a refusal.
    ///
    /// ```
    /// use mcp_auth::{Answer, Context, ToolError, mcp_tool};
    ///
    /// /// Delete all drafts.
    /// #[mcp_tool]
    /// async fn clear_drafts(cx: &Context) -> Result<&'static str, ToolError> {
    ///     Ok(match cx.elicit::<()>("Delete all drafts?").answer().await? {
    ///         Answer::Accepted(()) => "Deleted",
    ///         Answer::Declined => "Kept",
    ///         Answer::Cancelled => "Kept for now",
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The last two errors of [`Context::elicit`].
    pub async fn answer(self) -> Result<Answer<T>, ToolError> {
        let question = form(&self.message, &T::schema());
        let read = |answer: &Value| read(answer, T::read);
        self.cx.ask(self.name, question, read).await
    }
}

impl<'a, T: Form> IntoFuture for Elicit<'a, T> {
    type Output = Result<T, ToolError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.answer().await?.accepted() })
    }
}

impl<'a> ElicitForm<'a> {
    /// Gives the question a name, as [`Elicit::named`] does.
    pub fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Returns the answer of the person.
    ///
    /// # Errors
    ///
    /// The last two errors of [`Context::elicit`].
    pub async fn answer(self) -> Result<Answer<Map<String, Value>>, ToolError> {
        let question = form(&self.message, &self.schema);
        let read = |answer: &Value| read(answer, |content| self.schema.read(content));
        self.cx.ask(self.name, question, read).await
    }
}

impl<'a> IntoFuture for ElicitForm<'a> {
    type Output = Result<Map<String, Value>, ToolError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.answer().await?.accepted() })
    }
}

impl<'a> ElicitUrl<'a> {
    /// Gives the question a name, as [`Elicit::named`] does.
    pub fn named(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Returns the answer of the person.
    ///
    /// # Errors
    ///
    /// The errors of [`Context::elicit_url`], except a refusal of the person.
    pub async fn answer(self) -> Result<Answer, ToolError> {
        if !is_safe(&self.url) {
            return Err(Misuse::Url.into());
        }
        let params = Params::Url {
            mode: "url",
            message: self.message.into_owned(),
            url: self.url.into_owned(),
        };
        let question = Question::new(Ability::Url, params);
        let read = |answer: &Value| read(answer, |_| Ok::<_, String>(()));
        self.cx.ask(self.name, question, read).await
    }
}

impl<'a> IntoFuture for ElicitUrl<'a> {
    type Output = Result<(), ToolError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.answer().await?.accepted() })
    }
}

/// Returns the question with this form.
pub(super) fn form(message: &str, schema: &FormSchema) -> Question {
    let params = Params::Form {
        mode: "form",
        message: message.to_owned(),
        // A schema is JSON.
        requested_schema: to_raw_value(schema).unwrap_or_default(),
    };
    Question::new(Ability::Form, params)
}

/// Reads the result of `elicitation/create`. The error tells the person what is wrong with the answer.
pub(super) fn read<T, E: std::fmt::Display>(
    answer: &Value,
    form: impl FnOnce(&Map<String, Value>) -> Result<T, E>,
) -> Result<Answer<T>, String> {
    match answer.get("action").and_then(Value::as_str) {
        Some("accept") => {
            let empty = Map::new();
            let content = match answer.get("content") {
                None | Some(Value::Null) => &empty,
                Some(Value::Object(content)) => content,
                Some(_) => return Err("the answer is not a form".to_owned()),
            };
            let form = form(content).map_err(|error| error.to_string())?;
            Ok(Answer::Accepted(form))
        }
        Some("decline") => Ok(Answer::Declined),
        Some("cancel") => Ok(Answer::Cancelled),
        Some(_) | None => Err("the client sent no action".to_owned()),
    }
}

fn is_safe(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let is_plain = url.username().is_empty() && url.password().is_none();
    is_plain && (url.scheme() == "https" || url.scheme() == "http" && loopback::is_url(&url))
}
