//! `confirm`: asks the person at the client before the body of a tool runs.

use std::future::ready;

use super::authorize::{Deferred, Immediate, Stop};
use super::channel::Channel;
use super::context::Context;
use super::dialogue::Misuse;
use super::elicit::{Answer, form, read};
use super::error::ToolError;
use super::form::Form;
use super::outcome::Failure;
use super::tool_result::IntoToolError;

/// The types that the question of `confirm` may have: `String`, a `Result` of a `String`, or a future of one of these.
///
/// The compiler infers `M`, which distinguishes the implementations.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a question",
    label = "must be `String`, `Result<String, _>`, or a future of one of these",
    note = "a function in `confirm` is `async fn question(…) -> Result<String, ToolError>`, or simpler"
)]
pub trait Ask<M> {
    /// Returns the text of the question.
    fn question(self) -> impl Future<Output = Result<String, ToolError>> + Send + use<Self, M>;
}

/// A question that is available at once: a `String`, or a `Result` of a `String`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a question",
    label = "must return `String` or `Result<String, _>`",
    note = "a function in `confirm` is `async fn question(…) -> Result<String, ToolError>`, or simpler"
)]
pub trait IntoQuestion {
    /// Returns the text of the question.
    ///
    /// # Errors
    ///
    /// - The function's own error.
    fn into_question(self) -> Result<String, ToolError>;
}

impl IntoQuestion for String {
    fn into_question(self) -> Result<String, ToolError> {
        Ok(self)
    }
}

impl<E: IntoToolError> IntoQuestion for Result<String, E> {
    fn into_question(self) -> Result<String, ToolError> {
        self.map_err(IntoToolError::into_tool_error)
    }
}

impl Ask<Immediate> for String {
    fn question(self) -> impl Future<Output = Result<Self, ToolError>> + Send + use<> {
        ready(Ok(self))
    }
}

impl<E: IntoToolError> Ask<Immediate> for Result<String, E> {
    fn question(self) -> impl Future<Output = Result<String, ToolError>> + Send + use<E> {
        ready(self.into_question())
    }
}

impl<F: Future<Output: IntoQuestion> + Send> Ask<Deferred> for F {
    async fn question(self) -> Result<String, ToolError> {
        self.await.into_question()
    }
}

/// Asks the person. If the person has not answered yet, the future does not complete, and the run of the function ends.
pub(super) async fn confirm(cx: &Context, text: String) -> Result<(), Stop> {
    let channel = cx.channel.as_deref().map(Channel::dialogue);
    let dialogue = channel.ok_or(Misuse::NotInBody).map_err(ToolError::from)?;
    let question = form(&shown(&text), &<()>::schema());
    let answer = dialogue.confirm(question, |answer| read(answer, <()>::read));
    let refused = |text: &str| Err(Stop(Failure::Error(ToolError::new(text))));
    match answer.await? {
        Answer::Accepted(()) => Ok(()),
        Answer::Declined => refused("Not confirmed: the user declined."),
        Answer::Cancelled => refused("Not confirmed: the user closed the question."),
    }
}

/// Returns the text without characters that could make the person read another text: control characters, line breaks,
/// changes of the writing direction and invisible characters. The text may contain arguments, which the model chose.
fn shown(text: &str) -> String {
    let plain = text.chars().map(|one| match one {
        '\u{2028}' | '\u{2029}' => ' ',
        one if one.is_control() || is_invisible(one) => ' ',
        one => one,
    });
    let mut shown: String = plain.clone().take(MOST_CHARACTERS).collect();
    if plain.count() > MOST_CHARACTERS {
        shown.push('…');
    }
    shown
}

/// Returns true for a character that is not shown, or that only changes how others are shown: the Unicode property
/// `Default_Ignorable_Code_Point`, which contains the characters that change the writing direction, and the interlinear
/// annotations (Unicode 17, DerivedCoreProperties.txt).
fn is_invisible(one: char) -> bool {
    matches!(
        one,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// The largest length of a question, in characters.
const MOST_CHARACTERS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_no_characters_that_hide_its_text() {
        assert_eq!(shown("Delete “Über uns”?"), "Delete “Über uns”?");
        assert_eq!(
            shown("Delete a\nb\u{202E}c\u{0}\u{2028}?"),
            "Delete a b c  ?"
        );
        for hidden in [
            '\u{AD}',
            '\u{61C}',
            '\u{200B}',
            '\u{200D}',
            '\u{200E}',
            '\u{202A}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206F}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFF9}',
            '\u{E0041}',
            '\u{E0100}',
        ] {
            assert_eq!(shown(&format!("a{hidden}b")), "a b", "{hidden:?}");
        }
        let visible = "Löschen? 删除 حذف מחק नष्ट 🗑 ~";
        assert_eq!(shown(visible), visible);
        let long = shown(&"x".repeat(1001));
        assert_eq!(long.chars().count(), 1001);
        assert!(long.ends_with("x…"));
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 1000);
    }
}
