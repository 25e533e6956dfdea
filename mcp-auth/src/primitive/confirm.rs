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
    // A shortened question could hide what the person agrees to.
    let Some(text) = shown(&text) else {
        return Err(Stop(Failure::Error(ToolError::new(TOO_LONG))));
    };
    let question = form(&text, &<()>::schema());
    let answer = dialogue.confirm(question, |answer| read(answer, <()>::read));
    let refused = |text| Err(Stop(Failure::Error(ToolError::declined(text))));
    match answer.await? {
        Answer::Accepted(()) => Ok(()),
        Answer::Declined => refused("Not confirmed: the user declined."),
        Answer::Cancelled => refused("Not confirmed: the user closed the question."),
    }
}

/// Returns an argument as the text of `confirm` shows it: in one line, with at most 200 characters, and without
/// characters that could make the person read another text. The model chose the argument, so a long argument must not hide
/// the rest of the question.
#[doc(hidden)]
#[must_use]
pub fn in_question(argument: &str) -> String {
    let mut after_blank = true;
    let plain = argument.chars().map(visible).filter(|one| {
        let is_blank = one.is_whitespace();
        let repeats = is_blank && after_blank;
        after_blank = is_blank;
        !repeats
    });
    let mut shown: String = plain.take(MOST_OF_ARGUMENT + 1).collect();
    shown.truncate(shown.trim_end().len());
    if let Some((at, _)) = shown.char_indices().nth(MOST_OF_ARGUMENT) {
        shown.truncate(at);
        shown.push('…');
    }
    shown
}

/// Returns the text without characters that could make the person read another text. `None` if the text is too long for
/// a question.
fn shown(text: &str) -> Option<String> {
    let is_short = text.chars().nth(MOST_CHARACTERS).is_none();
    is_short.then(|| text.chars().map(visible).collect())
}

/// Returns a blank for a control character, for a line break, for a character that changes the writing direction, and
/// for a character that is not seen. Returns every other character unchanged.
fn visible(one: char) -> char {
    match one {
        '\u{2028}' | '\u{2029}' => ' ',
        one if one.is_control() || is_invisible(one) => ' ',
        one => one,
    }
}

/// Returns true for a character that is not shown, or that only changes how other characters are shown. These are
/// three groups: the characters with the Unicode property `Default_Ignorable_Code_Point` (Unicode 17,
/// DerivedCoreProperties.txt), such as the characters that change the writing direction; the interlinear
/// annotations; and the Braille pattern without dots.
fn is_invisible(one: char) -> bool {
    matches!(
        one,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// The largest length of a question, in characters.
const MOST_CHARACTERS: usize = 1000;
/// The largest length of an argument in a question, in characters.
const MOST_OF_ARGUMENT: usize = 200;
const TOO_LONG: &str = "Not confirmed: the question has more than 1000 characters.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_no_characters_that_hide_its_text() {
        let shown = |text: &str| {
            let shown = shown(text).unwrap();
            assert_eq!(
                in_question(text),
                shown.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            shown
        };
        assert_eq!(shown("Delete “Über uns”?"), "Delete “Über uns”?");
        assert_eq!(
            shown("Delete a\nb\u{202E}c\u{0}\u{2028}?"),
            "Delete a b c  ?"
        );
        for hidden in [
            '\u{AD}',
            '\u{61C}',
            '\u{115F}',
            '\u{1160}',
            '\u{200B}',
            '\u{200D}',
            '\u{200E}',
            '\u{202A}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206F}',
            '\u{2800}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFA0}',
            '\u{FFF9}',
            '\u{E0041}',
            '\u{E0100}',
        ] {
            assert_eq!(shown(&format!("a{hidden}b")), "a b", "{hidden:?}");
        }
        let visible = "Löschen? 删除 حذف מחק नष्ट 🗑 ~";
        assert_eq!(shown(visible), visible);
    }

    #[test]
    fn a_long_argument_is_shortened_and_a_long_question_is_refused() {
        let long = in_question(&"é".repeat(201));
        assert_eq!(long, format!("{}…", "é".repeat(200)));
        assert_eq!(in_question(&"x".repeat(200)), "x".repeat(200));
        // Blanks cannot push the rest of the question out of sight.
        let blanks = format!(" Invoice{}7\u{3164}\u{3000}\n ", "\u{2003} ".repeat(500));
        assert_eq!(
            in_question(&blanks).split_whitespace().collect::<Vec<_>>(),
            ["Invoice", "7"]
        );
        assert_eq!(in_question(&blanks).chars().count(), 9);
        assert_eq!(shown(&"é".repeat(1000)), Some("é".repeat(1000)));
        assert_eq!(shown(&"é".repeat(1001)), None);
    }
}
