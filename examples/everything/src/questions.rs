//! Tools and a prompt that ask the client.

#![expect(deprecated, reason = "the suite tests sampling and roots")]

use mcp_auth::model::{
    CreateMessageRequestParams, CreateMessageResult, ElicitationSchema, JsonObject, Role,
    SamplingMessage, SamplingMessageContentBlock,
};
use mcp_auth::{Context, FormSchema, ToolError, form, mcp_prompt, mcp_tool};
use serde_json::{Value, json};

#[form]
struct Name {
    name: String,
}

#[form]
struct Color {
    color: String,
}

#[form]
struct Agreement {
    ok: bool,
}

#[form]
struct Topic {
    context: String,
}

#[form]
struct Account {
    /// User's response
    username: String,
    /// User's email address
    #[form(format = "email")]
    email: String,
}

/// Ask for a name.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_elicitation(cx: &Context) -> Result<String, ToolError> {
    let name: Name = cx.elicit("What is your name?").named("user_name").await?;
    Ok(format!("Hello, {}!", name.name))
}

/// Ask for a name, after a first message.
#[mcp_tool(read_only, closed_world)]
async fn test_streaming_elicitation(cx: &Context) -> Result<String, ToolError> {
    let name: Name = cx.elicit("What is your name?").await?;
    Ok(format!("Hello, {}!", name.name))
}

/// Ask the model for the capital of France.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_sampling(cx: &Context) -> Result<String, ToolError> {
    let answer = cx.sample(prompt("What is the capital of France?")).await?;
    Ok(said(&answer))
}

/// Ask the model for anything.
#[mcp_tool(read_only, closed_world)]
async fn test_missing_capability(cx: &Context) -> Result<String, ToolError> {
    let answer = cx.sample(prompt("What is your name?")).await?;
    Ok(said(&answer))
}

/// Ask the model what the caller wants to know.
#[mcp_tool(read_only, closed_world)]
async fn test_sampling(
    /// The question.
    prompt: String,
    cx: &Context,
) -> Result<String, ToolError> {
    let answer = cx.sample(self::prompt(&prompt)).await?;
    Ok(format!("LLM response: {}", said(&answer)))
}

/// List the roots of the client.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_list_roots(cx: &Context) -> Result<String, ToolError> {
    let roots = cx.list_roots().await?;
    let uris: Vec<_> = roots.iter().map(|root| root.uri.as_str()).collect();
    Ok(uris.join(", "))
}

/// Ask for a confirmation.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_request_state(cx: &Context) -> Result<String, ToolError> {
    let answer: Agreement = cx.elicit("Please confirm").named("confirm").await?;
    Ok(format!("state-ok: {}", answer.ok))
}

/// Ask for a confirmation, whose state the suite changes.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_tampered_state(cx: &Context) -> Result<String, ToolError> {
    let answer: Agreement = cx.elicit("Please confirm").named("confirm").await?;
    Ok(answer.ok.to_string())
}

/// Ask a person, the model and the client at once.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_multiple_inputs(cx: &Context) -> Result<String, ToolError> {
    let (name, greeting, roots) = tokio::join!(
        cx.elicit::<Name>("What is your name?").answer(),
        cx.sample(prompt("Generate a greeting")),
        cx.list_roots()
    );
    let name = name?.accepted()?.name;
    Ok(format!("{} {name} {}", said(&greeting?), roots?.len()))
}

/// Ask for a name, and then for a color.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_multi_round(cx: &Context) -> Result<String, ToolError> {
    let name: Name = cx
        .elicit("Step 1: What is your name?")
        .named("step1")
        .await?;
    let color: Color = cx
        .elicit("Step 2: What is your favorite color?")
        .named("step2")
        .await?;
    Ok(format!("{} likes {}", name.name, color.color))
}

/// Ask what the client can answer.
#[mcp_tool(read_only, closed_world)]
async fn test_input_required_result_capabilities(cx: &Context) -> Result<String, ToolError> {
    let client = cx.client();
    if client.form {
        let name: Name = cx.elicit("What is your name?").await?;
        return Ok(name.name);
    }
    if client.sampling {
        return Ok(said(&cx.sample(prompt("Say hello")).await?));
    }
    Ok("The client answers no questions".to_owned())
}

/// Summarise in a context that the person names.
#[mcp_prompt]
async fn test_input_required_result_prompt(cx: &Context) -> Result<String, ToolError> {
    let topic: Topic = cx
        .elicit("What context should the prompt use?")
        .named("user_context")
        .await?;
    Ok(format!("Use this context: {}", topic.context))
}

/// Ask for a username and an email address.
#[mcp_tool(read_only, closed_world)]
async fn test_elicitation(
    /// The message for the person.
    message: String,
    cx: &Context,
) -> Result<String, ToolError> {
    let Account { username, email } = cx.elicit(message).await?;
    Ok(format!("User response: {username} <{email}>"))
}

#[form(rename_all = "snake_case")]
enum Status {
    Active,
    Inactive,
    Pending,
}

#[form]
struct Defaults {
    #[form(default = "John Doe")]
    name: String,
    #[form(default = 30)]
    age: u32,
    #[form(default = 95.5)]
    score: f64,
    #[form(default = Status::Active)]
    status: Status,
    #[form(default = true)]
    verified: bool,
}

/// Ask with a default for each type of field.
#[mcp_tool(read_only, closed_world)]
async fn test_elicitation_sep1034_defaults(cx: &Context) -> Result<String, ToolError> {
    let answer: Defaults = cx.elicit("Please review the defaults").await?;
    let Defaults {
        name,
        age,
        score,
        status,
        verified,
    } = answer;
    let status = match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
        Status::Pending => "pending",
    };
    Ok(format!("{name}, {age}, {score}, {status}, {verified}"))
}

/// Ask with each form of a choice.
#[mcp_tool(read_only, closed_world)]
async fn test_elicitation_sep1330_enums(cx: &Context) -> Result<String, ToolError> {
    let options = json!(["option1", "option2", "option3"]);
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]);
    let schema = json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled } },
        },
    });
    let schema: JsonObject = serde_json::from_value(schema)?;
    let schema = FormSchema::new(&ElicitationSchema::from_json_schema(schema)?)?;
    let answer = cx.elicit_with("Please choose", schema).await?;
    Ok(format!("Elicitation completed: {}", Value::Object(answer)))
}

fn prompt(text: &str) -> CreateMessageRequestParams {
    let content = SamplingMessageContentBlock::text(text);
    CreateMessageRequestParams::new(vec![SamplingMessage::new(Role::User, content)], 100)
}

fn said(answer: &CreateMessageResult) -> String {
    serde_json::to_string(&answer.message.content).unwrap_or_default()
}

/// Reset a counter, which a person confirms.
#[mcp_tool(confirm = "Reset {name}?", closed_world)]
async fn reset(
    /// The name of the counter.
    name: String,
) -> String {
    format!("Reset {name}")
}
