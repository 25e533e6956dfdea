use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::document::Malformed;
use super::file::FileError;
use super::*;
use crate::identity::test_support::{self, NOW};
use crate::watched_file::ReadError;

/// A token of `user_ada` with every id.
const IDS: TokenIds<'_> = TokenIds {
    is_oauth: true,
    subject: "user_ada",
    actors: [Some("user_support"), None],
    client: Some("client_1"),
    session: Some("sess_1"),
    token: Some("oat_id_1"),
    organization: Some("org_1"),
    issued_ms: Some(NOW * 1_000),
};

fn at(seconds: u64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn with(entry: Revocation) -> Revocations {
    let revocations = Revocations::default();
    revocations.revoke(entry);
    revocations
}

fn checked(revocations: &Revocations) -> Result<(), TokenError> {
    revocations.check(&IDS, None)
}

#[test]
fn each_kind_of_id_is_revoked_and_lifted_and_is_no_other_kind() {
    for (id, revoke) in [
        (
            "user_ada",
            Revocation::subject as fn(&'static str) -> Revocation,
        ),
        ("user_support", Revocation::subject),
        ("sess_1", Revocation::session),
        ("oat_id_1", Revocation::token),
        ("org_1", Revocation::organization),
        ("client_1", Revocation::client),
    ] {
        let error = match id {
            "client_1" => TokenError::Client,
            _ => TokenError::AccessRevoked,
        };
        let revocations = with(revoke(id));
        assert_eq!(checked(&revocations), Err(error), "{id}");
        assert!(revocations.lift(&revoke(id)));
        assert!(!revocations.lift(&revoke(id)));
        assert_eq!(checked(&revocations), Ok(()), "{id}");
        for other in ["", "user_ad", "USER_ADA", "user_ada "] {
            assert_eq!(checked(&with(revoke(other))), Ok(()), "{other:?}");
        }
    }
    // An id is revoked as what it is: a client of the same name is another thing.
    assert_eq!(checked(&with(Revocation::client("user_ada"))), Ok(()));
    assert_eq!(checked(&with(Revocation::subject("client_1"))), Ok(()));
}

#[test]
fn tokens_from_before_a_time_are_refused_and_so_are_tokens_without_a_time() {
    for revoke in [Revocation::tokens_before as fn(_) -> _, |time| {
        Revocation::tokens_of_subject_before("user_ada", time)
    }] {
        assert_eq!(checked(&with(revoke(at(NOW)))), Ok(()));
        let revocations = with(revoke(at(NOW + 1)));
        assert_eq!(checked(&revocations), Err(TokenError::AccessRevoked));
        let undated = TokenIds {
            issued_ms: None,
            ..IDS
        };
        let early = with(revoke(at(1)));
        assert_eq!(early.check(&undated, None), Err(TokenError::AccessRevoked));
        assert!(revocations.lift(&revoke(at(0))));
        assert_eq!(checked(&revocations), Ok(()));
    }
    let of_another = Revocation::tokens_of_subject_before("user_grace", at(NOW + 1));
    assert_eq!(checked(&with(of_another)), Ok(()));
}

#[test]
fn an_entry_ends_at_its_time_by_the_clock_of_the_server() {
    let clock = test_support::clock();
    let revocations = Revocations::default();
    let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
    revocations.use_clock(&time);
    revocations.revoke(Revocation::subject("user_ada").until(at(NOW + 60)));
    revocations.revoke(Revocation::organization("org_2").until(at(NOW + 60)));
    assert_eq!(checked(&revocations), Err(TokenError::AccessRevoked));
    assert!(revocations.refuses_organization("org_2"));
    clock.advance(Duration::from_secs(60));
    assert_eq!(checked(&revocations), Ok(()));
    assert!(!revocations.refuses_organization("org_2"));
    // Expired entries do not stay in memory.
    for number in 0..1_000 {
        let until = at(NOW + 60);
        revocations.revoke(Revocation::token(number.to_string()).until(until));
    }
    assert!(format!("{revocations:?}").contains("of_application: 1,"));
}

#[test]
fn the_list_of_allowed_clients_is_of_the_application_or_of_the_file_or_of_the_code() {
    let code = ["client_1".to_owned()];
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("revocations.json");
    let revocations = Revocations::default();
    let check = |configured| revocations.check(&IDS, configured);
    assert_eq!(check(None), Ok(()));
    assert_eq!(check(Some(&code[..])), Ok(()));
    assert_eq!(check(Some(&[])), Err(TokenError::Client));
    write(
        &path,
        &json!({ "version": 1, "allowed_clients": ["client_2"] }),
    );
    let mut file = RevocationFile::open(&path, &revocations).unwrap();
    assert_eq!(check(None), Err(TokenError::Client));
    assert_eq!(check(Some(&code[..])), Err(TokenError::Client));
    revocations.allow_clients(["client_1"]);
    assert_eq!(check(Some(&[])), Ok(()));
    revocations.lift_all();
    assert_eq!(check(Some(&[])), Ok(()));
    revocations.allow_configured_clients();
    assert_eq!(check(Some(&code[..])), Err(TokenError::Client));
    write(&path, &json!({ "version": 1 }));
    file.poll(&revocations);
    assert_eq!(check(Some(&code[..])), Ok(()));
    // Tokens of other kinds have no client.
    let session = TokenIds {
        is_oauth: false,
        client: None,
        ..IDS
    };
    revocations.allow_clients(Vec::<String>::new());
    assert_eq!(revocations.check(&session, None), Ok(()));
}

#[test]
fn every_member_of_a_document_is_read() {
    for (member, value, refused) in [
        ("subjects", json!(["user_ada"]), true),
        ("subjects", json!([{ "id": "user_ada" }]), true),
        (
            "subjects",
            json!([{ "id": "user_ada", "until": "2025-06-15T17:06:40+02:00" }]),
            true,
        ),
        (
            "subjects",
            json!([{ "id": "user_ada", "until": "2025-06-15T15:06:40Z" }]),
            false,
        ),
        ("clients", json!(["client_1"]), true),
        ("sessions", json!(["sess_1"]), true),
        ("tokens", json!(["oat_id_1", "oat_id_2"]), true),
        ("organizations", json!(["org_1"]), true),
        ("not_before", json!({ "all": "2025-06-15T15:06:41Z" }), true),
        (
            "not_before",
            json!({ "all": "2025-06-15T15:06:40Z" }),
            false,
        ),
        (
            "not_before",
            json!({ "subjects": { "user_ada": "2025-06-15T15:06:41Z" } }),
            true,
        ),
        ("not_before", json!({}), false),
        ("allowed_clients", json!([]), true),
    ] {
        let mut document = json!({ "version": 1 });
        document[member] = value;
        let revocations = Revocations::default();
        let clock: Arc<dyn Clock> = test_support::clock();
        revocations.use_clock(&clock);
        // A second before the time of the test, `17:06:40+02:00` would be over if the zone were ignored.
        let list = List::read(document.to_string().as_bytes()).unwrap();
        revocations.replace_file(list);
        let is_refused = checked(&revocations).is_err();
        let expected = refused && !document.to_string().contains("+02:00");
        assert_eq!(is_refused, expected, "{document}");
    }
}

#[test]
fn a_malformed_document_is_refused_with_its_position_and_none_of_its_content() {
    for (text, expected) in [
        ("", Malformed::Incomplete { line: 1 }),
        ("{\n\"version\": 1,", Malformed::Incomplete { line: 2 }),
        (
            "{\"version\": 1}}",
            Malformed::NotJson {
                line: 1,
                column: 15,
            },
        ),
        ("{\"version\": 2}", Malformed::Version(2)),
        ("[]", Malformed::NotTheFormat { line: 1, column: 2 }),
        ("{}", Malformed::NotTheFormat { line: 1, column: 2 }),
    ] {
        assert_eq!(List::read(text.as_bytes()).err(), Some(expected), "{text}");
    }
    for members in [
        r#""user_secret": []"#,
        r#""subjects": ["user_secret"], "subjects": []"#,
        r#""subjects": "user_secret""#,
        r#""subjects": [""]"#,
        r#""subjects": ["user_secret "]"#,
        r#""subjects": [7]"#,
        r#""subjects": null"#,
        r#""subjects": [{"until": "2026-01-31T12:00:00Z"}]"#,
        r#""subjects": [{"id": "user_secret", "till": "2026-01-31T12:00:00Z"}]"#,
        r#""subjects": [{"id": "user_secret", "until": null}]"#,
        r#""subjects": [{"id": "user_secret", "until": "2026-01-31"}]"#,
        r#""subjects": [{"id": "user_secret", "until": "1969-01-31T12:00:00Z"}]"#,
        r#""not_before": {"all": null}"#,
        r#""not_before": {"everybody": "2026-01-31T12:00:00Z"}"#,
        r#""not_before": "2026-01-31T12:00:00Z""#,
        r#""allowed_clients": null"#,
        r#""allowed_clients": [{"id": "user_secret"}]"#,
    ] {
        let text = format!("{{\"version\": 1,\n{members}}}");
        let error = List::read(text.as_bytes()).err().unwrap();
        assert!(
            matches!(error, Malformed::NotTheFormat { line: 2, .. }),
            "{members}: {error:?}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_file_is_read_again_after_every_way_to_change_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("revocations.json");
    let revocations = Revocations::default();
    let document = |id: &str| json!({ "version": 1, "subjects": [id] });
    write(&path, &document("user_bob"));
    let mut file = RevocationFile::open(&path, &revocations).unwrap();
    let mut expect = |refused: bool| {
        file.poll(&revocations);
        assert_eq!(checked(&revocations).is_err(), refused);
    };
    expect(false);
    // Written in place, with the same length.
    write(&path, &document("user_ada"));
    expect(true);
    // Written in place once more, within one tick of the clock of the file system.
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    write(&path, &document("user_bob"));
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    expect(false);
    // Renamed.
    let other = directory.path().join("other.json");
    write(&other, &document("user_ada"));
    fs::rename(&other, &path).unwrap();
    expect(true);
    // Read once more after each change, and then only when the state changes.
    expect(true);
    let generation = revocations.generation();
    expect(true);
    assert_eq!(revocations.generation(), generation);
    // Touched: the content is the same, so no token is checked again.
    let touched = at(NOW);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(touched)
        .unwrap();
    expect(true);
    assert_eq!(revocations.generation(), generation);
}

#[cfg(unix)]
#[test]
fn a_file_behind_symbolic_links_is_read_again_when_a_link_is_swapped() {
    use std::os::unix::fs::symlink;

    // A Kubernetes ConfigMap: revocations.json -> ..data/revocations.json, ..data -> a directory of this version.
    let directory = TempDir::new().unwrap();
    let of = |name: &str| directory.path().join(name);
    for (version, id) in [("v1", "user_bob"), ("v2", "user_ada")] {
        fs::create_dir(of(version)).unwrap();
        write(
            &of(version).join("revocations.json"),
            &json!({ "version": 1, "subjects": [id] }),
        );
    }
    symlink("v1", of("..data")).unwrap();
    symlink("..data/revocations.json", of("revocations.json")).unwrap();
    let revocations = Revocations::default();
    let mut file = RevocationFile::open(&of("revocations.json"), &revocations).unwrap();
    assert_eq!(checked(&revocations), Ok(()));
    symlink("v2", of("..data_tmp")).unwrap();
    fs::rename(of("..data_tmp"), of("..data")).unwrap();
    file.poll(&revocations);
    assert_eq!(checked(&revocations), Err(TokenError::AccessRevoked));
}

#[test]
fn a_file_that_vanishes_or_becomes_malformed_changes_nothing_and_is_logged_once_a_minute() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("revocations.json");
    let good = json!({ "version": 1, "subjects": ["user_ada"] });
    write(&path, &good);
    let revocations = Revocations::default();
    let mut file = RevocationFile::open(&path, &revocations).unwrap();
    let mut logged = |times: usize| {
        test_support::logged(|| {
            for _ in 0..times {
                file.poll(&revocations);
                assert_eq!(checked(&revocations), Err(TokenError::AccessRevoked));
            }
        })
    };
    assert_eq!(logged(3), "");
    fs::remove_file(&path).unwrap();
    let written = logged(3);
    assert_eq!(written.matches("ERROR").count(), 1, "{written}");
    assert!(
        written.contains("reason=there is no such file"),
        "{written}"
    );
    write(&path, &good);
    let written = logged(2);
    assert!(
        written.contains("INFO") && written.contains("is back, unchanged"),
        "{written}"
    );
    fs::write(
        &path,
        "{\"version\": 1, \"subjects\": [\"user_secret\" \"user_ada\"]}",
    )
    .unwrap();
    let written = logged(5);
    assert_eq!(written.matches("ERROR").count(), 1, "{written}");
    assert!(
        written.contains("reason=it is not valid JSON: error in line 1, column 43"),
        "{written}"
    );
    assert!(!written.contains("secret"), "{written}");
    write(
        &path,
        &json!({ "version": 1, "subjects": ["user_ada", "user_bob"] }),
    );
    let written = logged(2);
    assert!(
        written.contains("the revocation file was read") && written.contains("entries=2"),
        "{written}"
    );
    // The last good content, then nothing that is revoked.
    write(&path, &json!({ "version": 1 }));
    file.poll(&revocations);
    assert_eq!(checked(&revocations), Ok(()));
}

#[test]
fn a_file_that_cannot_be_read_at_the_start_is_an_error() {
    let directory = TempDir::new().unwrap();
    let open = |path: &Path| RevocationFile::open(path, &Revocations::default()).err();
    assert_eq!(
        open(&directory.path().join("none")),
        Some(FileError::Read(ReadError::Missing))
    );
    assert_eq!(
        open(directory.path()),
        Some(FileError::Read(ReadError::NotAFile))
    );
    let malformed = directory.path().join("malformed");
    fs::write(&malformed, "{").unwrap();
    let incomplete = Malformed::Incomplete { line: 1 };
    assert_eq!(open(&malformed), Some(FileError::Malformed(incomplete)));
    let long = directory.path().join("long");
    fs::File::create(&long)
        .unwrap()
        .set_len(64 * 1024 * 1024 + 1)
        .unwrap();
    assert_eq!(
        open(&long),
        Some(FileError::Read(ReadError::TooLong {
            most_bytes: 64 << 20
        }))
    );
}

#[test]
fn a_hundred_thousand_ids_are_looked_up_like_one() {
    let ids: Vec<_> = (0..100_000)
        .map(|number| format!("user_{number}"))
        .collect();
    let document = json!({ "version": 1, "subjects": ids }).to_string();
    let revocations = Revocations::default();
    revocations.replace_file(List::read(document.as_bytes()).unwrap());
    assert_eq!(checked(&revocations), Ok(()));
    for id in ["user_0", "user_50000", "user_99999"] {
        let ids = TokenIds { subject: id, ..IDS };
        assert_eq!(
            revocations.check(&ids, None),
            Err(TokenError::AccessRevoked)
        );
    }
}

#[test]
fn debug_shows_no_id() {
    let entry = Revocation::token("oat_secret");
    assert_eq!(format!("{entry:?}"), r#"Revocation("token")"#);
    let revocations = with(entry);
    let shown = format!("{revocations:?}");
    assert_eq!(shown, "Revocations { of_application: 1, of_file: 0, .. }");
}

#[test]
fn every_change_has_a_new_generation_and_wakes_who_waits() {
    test_support::block_on(async {
        let revocations = Revocations::default();
        let (mut changes, generation) = (revocations.changes(), revocations.generation());
        revocations.revoke(Revocation::subject("user_ada"));
        assert_eq!(revocations.generation(), generation + 1);
        changes.next().await;
        assert!(revocations.lift(&Revocation::subject("user_ada")));
        changes.next().await;
        assert_eq!(revocations.generation(), generation + 2);
    });
}

fn write(path: &Path, document: &Value) {
    fs::write(path, document.to_string()).unwrap();
}

#[test]
fn the_guide_has_a_document_that_is_read_and_a_schema_that_agrees_with_the_reader() {
    let guide = include_str!("../../../docs/guide/revocation.md");
    let mut blocks = guide.split("```json\n").skip(1);
    let mut next = || blocks.next().unwrap().split("```").next().unwrap();
    let (document, schema) = (next(), next());
    assert_eq!(List::read(document.as_bytes()).unwrap().len(), 9);
    let schema: Value = serde_json::from_str(schema).unwrap();
    let options = jsonschema::options().should_validate_formats(true);
    let schema = options.build(&schema).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    assert!(schema.is_valid(&document));
    for (pointer, value) in [
        ("", json!({})),
        ("/version", json!(2)),
        ("/version", json!("1")),
        ("/subjects", json!(["user ada"])),
        ("/subjects", json!([{ "until": "2026-01-31T12:00:00Z" }])),
        ("/subjects", json!([{ "id": "user_ada", "till": 1 }])),
        (
            "/subjects",
            json!([{ "id": "user_ada", "until": "tomorrow" }]),
        ),
        ("/subjects", json!({ "user_ada": true })),
        ("/tokens", json!([""])),
        (
            "/not_before",
            json!({ "everybody": "2026-01-31T12:00:00Z" }),
        ),
        ("/not_before/subjects", json!({ "user_ada": 7 })),
        ("/allowed_clients", Value::Null),
        ("/allowed_clients/0", json!({ "id": "client_1" })),
    ] {
        let mut malformed = document.clone();
        *malformed.pointer_mut(pointer).unwrap() = value;
        assert!(!schema.is_valid(&malformed), "{malformed}");
        assert!(
            List::read(malformed.to_string().as_bytes()).is_err(),
            "{malformed}"
        );
    }
}
