//! All keys of a prompt at once, with a trailing comma, and completion functions of every form.

use std::error::Error;

use mcp_auth::{Caller, CompletionRequest, Content, Message, Org, State, ToolError, mcp_prompt};

struct Titles(Vec<String>);

async fn titles(
    request: &CompletionRequest,
    org: &Org,
    caller: Option<&Caller>,
    titles: &State<Titles>,
) -> Result<Vec<String>, ToolError> {
    if caller.is_none() || request.chosen("tone").is_some() {
        return Err(ToolError::new(format!("Not for {}", org.id())));
    }
    Ok(titles.0.clone())
}

mod tones {
    use super::*;

    pub(super) fn all(_request: &CompletionRequest) -> Vec<&'static str> {
        vec!["formal", "friendly"]
    }

    pub(super) async fn numbers(
        request: &CompletionRequest,
    ) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        Ok(vec![request.value().parse::<u32>()?.to_string()])
    }

    pub(super) struct Fixed;

    impl Fixed {
        pub(super) fn later(
            request: &CompletionRequest,
        ) -> impl Future<Output = Vec<String>> + Send + use<> {
            std::future::ready(vec![request.argument().to_owned()])
        }
    }
}

fn may_write(title: &str, org: &Org) -> bool {
    title != org.id()
}

#[mcp_prompt(
    name = "write-letter",
    title = "Write a letter",
    icon("https://example.com/a.png", mime_type = "image/png", sizes("48x48"), theme = "dark"),
    meta("com.example/team" = "letters"),
    require_user,
    require_org,
    permission = "org:letters:write",
    role = "member",
    feature = "letters",
    plan = "pro",
    reverification = "lax",
    scope = "letters:write",
    any(permission = "org:letters:list", scope = all("a", "b")),
    accept = "session",
    forbid_actor,
    authorize = may_write(letter_title, org),
    rate = "10/min per user",
    concurrency = 4,
    timeout = 30,
    extend_on_progress = 600,
    rename_all = "camelCase",
    crate = ::mcp_auth,
)]
async fn write_letter(
    /// The title.
    #[arg(complete = titles(org, caller, titles))]
    letter_title: String,
    #[arg(rename = "tone", complete = tones::all, default = "formal")] style: String,
    #[arg(complete = tones::numbers)] lines: Option<u32>,
    #[arg(complete = <tones::Fixed>::later, default)] r#type: String,
    org: &Org,
    caller: Option<&Caller>,
    titles: &State<Titles>,
) -> Result<Vec<Message>, ToolError> {
    let text = format!("{letter_title} {style} {lines:?} ") + &r#type;
    Ok(vec![Message::user(text)])
}

#[mcp_prompt(public)]
fn greet() -> &'static str {
    "hello"
}

#[mcp_prompt()]
async fn nothing_said() -> Content {
    Content::from("hello")
}

macro_rules! prompt_with {
    ($name:ident, $function:path, $parameter:expr) => {
        #[mcp_prompt]
        async fn $name(#[arg(complete = $function($parameter))] text: String, org: &Org) -> String {
            text
        }
    };
}

fn of_org(_request: &CompletionRequest, org: &Org) -> Vec<String> {
    vec![org.id().to_owned()]
}

prompt_with!(prompt_of_a_macro, of_org, org);
