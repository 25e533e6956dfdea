//! The declaration and the registration of tools, prompts and resources, and the code that finds and
//! runs them.
//!
//! A primitive is a tool, a prompt or a resource. The three kinds differ in their declaration, in their result type,
//! and in the MCP method that runs them. All other parts are shared: the traits of their parameters, the registry, and
//! the generic function that runs them. This module does not depend on HTTP or JSON-RPC.
//!
//! INVARIANT: a function runs only with a [`Context`]. A `Context` is made only from an
//! [`Authorized`](crate::guard::Authorized) proof. The arguments are deserialized after the proof
//! was made.

mod amount;
mod arguments;
mod authorize;
mod channel;
mod completion;
mod concurrency;
mod confirm;
mod content;
mod context;
mod deadline;
mod declaration;
mod describe;
mod dialogue;
mod elicit;
mod error;
mod finite;
mod form;
mod info;
mod inject;
#[cfg(feature = "testing")]
mod invocation_counter;
mod log_level;
mod log_name;
mod notifier;
mod outcome;
mod profile;
mod prompt_result;
mod rate;
mod registration;
mod registry;
mod registry_error;
mod resource_result;
mod returned;
mod run;
mod sampling;
mod schema;
mod served;
mod stand_in;
mod state;
mod subscription;
mod threads;
mod tool_result;
mod uri_template;
mod violations;

pub use self::amount::{Amount, ProgressText, Total};
pub(crate) use self::authorize::AccessRule;
pub use self::authorize::{Authorize, AuthorizeGate, Ran, Stop};
pub use self::completion::{CompletionRequest, Suggestions, suggested};
pub use self::content::Content;
pub use self::context::{Cancelled, Context};
pub use self::declaration::{
    Annotations, ArgumentsForm, Declaration, Icon, Kind, MetaValue, MirroredArgument, Parameter,
    PromptTraits, ResourceTraits, TaskSupport, ToolTraits,
};
pub use self::dialogue::ClientAbilities;
pub use self::elicit::{Answer, Elicit, ElicitForm, ElicitUrl};
pub use self::error::{ErrorOf, NoText, check_error};
pub use self::error::{PublicErrorExt, ToolError};
pub use self::form::{Form, FormErrors, FormSchema, FormSchemaError};
pub use self::info::{PrimitiveInfo, PrimitiveKind};
pub use self::inject::FromContext;
pub use self::log_level::LogLevel;
pub use self::notifier::Notifier;
pub use self::prompt_result::{IntoPromptResult, Message, PromptOutput};
pub use self::rate::Rate;
pub use self::registration::Registration;
pub use self::resource_result::{Contents, IntoResourceResult, ResourceOutput};
pub use self::returned::{AsPrompt, AsResource, AsTool};
pub use self::run::Handler;
pub use self::state::State;
pub use self::tool_result::{IntoToolError, IntoToolResult, Json, ToolOutput};
pub use self::uri_template::UriPart;

#[cfg(feature = "_fuzz")]
pub(crate) use self::arguments::fuzz;
pub(crate) use self::arguments::header::repeats;
pub use self::arguments::{Field, IsArgument, IsField, Values};
pub(crate) use self::channel::{Channel, Message as ClientMessage, Next, Wanted};
#[cfg(test)]
pub(crate) use self::channel::{LogMessage, Progress};
pub(crate) use self::concurrency::Concurrency;
pub use self::confirm::in_question;
pub use self::context::{started, stored};
pub(crate) use self::dialogue::{
    Ability, Answer as ClientAnswer, Asking, Client, Dialogue, Given, GivenCode, Params, Question,
    QuestionId,
};
pub(crate) use self::error::Reference;
pub use self::form::{Choice, FormChoice, FormFields};
pub use self::inject::{inject, inject_optional};
#[cfg(feature = "testing")]
pub(crate) use self::invocation_counter::Starts;
pub(crate) use self::log_name::LogName;
pub(crate) use self::outcome::{Failure, Fault, Outcome};
pub(crate) use self::rate::Per;
pub(crate) use self::registry::{List, Registry};
pub(crate) use self::registry_error::RegistryError;
pub(crate) use self::resource_result::ContentsBody;
pub(crate) use self::returned::Output;
pub(crate) use self::run::{CallEnvironment, Input};
pub use self::schema::{NeverNull, SuppressedKeyword};
pub(crate) use self::served::{CONFIRMATION_CODE, RegistrySettings, Served};
pub use self::stand_in::{ArgumentOf, FieldType, NotRead, When, taken};
pub(crate) use self::state::States;
pub(crate) use self::subscription::{ChangedLists, Changes, Subscription};
pub(crate) use self::threads::Threads;
pub(crate) use self::tool_result::Body;
pub use self::violations::{HasRules, NoRules, Rules, Violations, check_undived};
