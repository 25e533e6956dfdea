use futures_util::FutureExt;
use serde_json::json;

use super::*;

fn question(message: &str) -> Question {
    let params = Params::Form {
        mode: "form",
        message: message.to_owned(),
        requested_schema: RawValue::from_string("{}".to_owned()).unwrap(),
    };
    Question::new(Ability::Form, params)
}

fn dialogue(answers: &[(&str, Option<QuestionId>, Value)]) -> Dialogue {
    let answers = answers.iter().cloned();
    let dialogue = Dialogue::new(Given {
        answers: answers
            .map(|(name, question, value)| {
                let value = to_raw_value(&value).unwrap();
                (name.to_owned(), Answer { question, value })
            })
            .collect(),
        ..Given::default()
    });
    dialogue.open();
    dialogue
}

/// Accepts numbers below ten.
fn small(value: &Value) -> Result<u64, String> {
    let number = value.as_u64().ok_or("a number is needed")?;
    (number < 10)
        .then_some(number)
        .ok_or_else(|| "at most 9".to_owned())
}

/// Asks; `None` if the future does not complete.
fn asked(dialogue: &Dialogue, name: Option<&str>, question: Question) -> Option<u64> {
    let asked = dialogue.ask(name, question, small).now_or_never();
    asked.map(Result::unwrap)
}

#[test]
fn a_question_without_an_answer_ends_the_run_and_is_asked() {
    let dialogue = dialogue(&[]);
    assert!(dialogue.asking().is_none());
    assert_eq!(asked(&dialogue, None, question("How many?")), None);
    assert_eq!(asked(&dialogue, Some("size"), question("How large?")), None);
    let asking = dialogue.asking().unwrap();
    let names: Vec<_> = asking.questions.keys().collect();
    assert_eq!(names, ["question-1", "size"]);
    assert_eq!(asking.rounds, 1);
    assert!(asking.answered.is_empty());
}

#[test]
fn an_answer_counts_for_the_question_that_it_was_given_to() {
    let how_many = question("How many?");
    let given = [("question-1", Some(how_many.id.clone()), json!(3))];
    let same = dialogue(&given);
    assert_eq!(asked(&same, None, how_many.clone()), Some(3));
    assert_eq!(asked(&same, None, question("How large?")), None);
    let asking = same.asking().unwrap();
    assert_eq!(asking.answered["question-1"].value.get(), "3");
    assert_eq!(asking.answered["question-1"].question, Some(how_many.id));
    assert_eq!(asking.questions.keys().collect::<Vec<_>>(), ["question-2"]);

    // The message, the name and the ability belong to the question.
    let other = dialogue(&given);
    assert_eq!(asked(&other, None, question("How many now?")), None);
    let other = dialogue(&given);
    assert_eq!(asked(&other, Some("size"), question("How many?")), None);
    let params = question("How many?").params;
    let sampling = Question::new(Ability::Sampling, params);
    assert_eq!(asked(&dialogue(&given), None, sampling), None);

    // An answer that the client sent before it was asked.
    let early = dialogue(&[("size", None, json!(4))]);
    assert_eq!(asked(&early, Some("size"), question("How large?")), Some(4));
}

#[test]
fn a_wrong_answer_is_asked_for_again_with_the_reason() {
    let how_many = question("How many?");
    let id = how_many.id.clone();
    for (wrong, reason) in [(json!(10), "at most 9"), (json!("3"), "a number is needed")] {
        let dialogue = dialogue(&[("question-1", Some(id.clone()), wrong)]);
        assert_eq!(asked(&dialogue, None, how_many.clone()), None);
        let asking = dialogue.asking().unwrap();
        let again = &asking.questions["question-1"];
        let params = serde_json::to_value(&again.params).unwrap();
        let message = params["message"].as_str().unwrap();
        assert_eq!(
            message,
            format!("How many?\n\nThe last answer was not accepted: {reason}")
        );
        assert_eq!(again.id, id);
        assert!(asking.answered.is_empty());
    }
}

#[test]
fn two_questions_with_one_name_are_an_error_and_the_same_question_twice_is_not() {
    let dialogue = dialogue(&[("size", None, json!(4))]);
    for _ in 0..2 {
        assert_eq!(
            asked(&dialogue, Some("size"), question("How large?")),
            Some(4)
        );
    }
    let other = dialogue.ask(Some("size"), question("How long?"), small);
    assert!(other.now_or_never().unwrap().unwrap_err().is_internal());
}

#[test]
fn a_question_before_the_body_begins_is_an_error() {
    let dialogue = Dialogue::default();
    let early = dialogue.ask(None, question("How many?"), small);
    assert!(early.now_or_never().unwrap().unwrap_err().is_internal());
    assert!(dialogue.asking().is_none());
}

#[test]
fn the_capabilities_of_a_client_say_what_it_can_be_asked() {
    for (declared, form, url) in [
        ("{}", false, false),
        ("", false, false),
        (r#"{"elicitation":{}}"#, true, false),
        (r#"{"elicitation":{"form":{}}}"#, true, false),
        (r#"{"elicitation":{"url":{}}}"#, false, true),
        (r#"{"elicitation":{"form":{},"url":{}}}"#, true, true),
        (r#"{"elicitation":null}"#, false, false),
        (r#"{"elicitation":true}"#, false, false),
        ("[]", false, false),
    ] {
        let abilities = ClientAbilities::read(declared);
        assert_eq!((abilities.form, abilities.url), (form, url), "{declared}");
        assert!(!abilities.sampling && !abilities.roots, "{declared}");
    }
    let abilities = ClientAbilities::read(r#"{"sampling":{},"roots":{"listChanged":true}}"#);
    assert!(abilities.has(Ability::Sampling) && abilities.has(Ability::Roots));
}

#[test]
fn debug_shows_no_answers() {
    let dialogue = dialogue(&[("a", None, json!("personal"))]);
    let _ = dialogue
        .ask(Some("a"), question("?"), |_| Ok(()))
        .now_or_never();
    let state = dialogue.lock();
    let shown = format!("{:?} {state:?} {:?}", dialogue.given, state.answered["a"]);
    assert!(!shown.contains("personal"), "{shown}");
}

#[test]
fn an_answer_that_was_used_is_kept_once() {
    let dialogue = dialogue(&[("size", None, json!(4)), ("other", None, json!(5))]);
    assert_eq!(
        asked(&dialogue, Some("size"), question("How large?")),
        Some(4)
    );
    let state = dialogue.lock();
    assert!(state.unused.keys().eq(["other"]));
    assert!(state.answered.keys().eq(["size"]));
}
