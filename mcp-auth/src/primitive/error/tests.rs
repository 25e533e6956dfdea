use super::*;
use crate::identity::test_support::logged;

const NAME: LogName<'static> = LogName {
    prompt: None,
    resource: None,
    tool: Some("t"),
};

#[test]
fn a_foreign_error_is_hidden_behind_a_reference() {
    let error: ToolError = "x".parse::<u32>().map_err(ToolError::from).unwrap_err();
    let told = error.into_text(NAME, Reference::new());
    assert!(told.starts_with("Internal error, reference "), "{told}");
    assert_eq!(told.len(), "Internal error, reference ".len() + 16);
    assert!(!told.contains("digit"));
}

#[test]
fn a_public_error_is_answered_unchanged() {
    assert_eq!(
        ToolError::new("No such document").into_text(NAME, Reference::new()),
        "No such document"
    );
    let io: Result<(), _> = Err(std::io::Error::other("disk on fire"));
    assert_eq!(
        io.or_public("Try again later")
            .unwrap_err()
            .into_text(NAME, Reference::new()),
        "Try again later"
    );
    assert_eq!(
        None::<()>.or_public("Nothing").unwrap_err().to_string(),
        "Nothing"
    );
}

#[test]
fn a_client_whose_words_are_in_an_error_writes_no_line_of_the_log() {
    let error = || std::io::Error::other("no file a\n2026-01-01 INFO b\r\u{1b}[2K\u{2028}c");
    for hidden in [true, false] {
        let log = logged(|| {
            let error: Result<(), _> = Err(error());
            let told = match hidden {
                true => error.map_err(ToolError::from),
                false => error.or_public("There is no a\nb\u{1b}"),
            };
            told.unwrap_err().into_text(NAME, Reference::new());
        });
        let log = log.trim_end();
        assert!(
            !log.contains(|c: char| c.is_control() || c == '\u{2028}'),
            "{log}"
        );
        assert!(
            log.contains(r"no file a\n2026-01-01 INFO b\r\u{1b}[2K\u{2028}c"),
            "{log}"
        );
    }
}

#[test]
fn a_text_that_is_hidden_is_explained_in_the_log() {
    let hidden = |error: ToolError| logged(move || drop(error.into_text(NAME, Reference::new())));
    for text in [
        ToolError::from("gone"),
        ToolError::from(String::from("gone")),
        ToolError::from(Cow::Borrowed("gone")),
    ] {
        let log = hidden(text);
        assert!(
            log.contains("gone") && log.contains(TEXT_IS_INTERNAL),
            "{log}"
        );
    }
    let log = hidden(ToolError::from(std::io::Error::other("gone")));
    assert!(
        log.contains("gone") && !log.contains(TEXT_IS_INTERNAL),
        "{log}"
    );
}

#[test]
fn display_never_shows_a_hidden_error() {
    let error = ToolError::from(std::io::Error::other("password=hunter2"));
    assert_eq!(error.to_string(), "Internal error");
}
