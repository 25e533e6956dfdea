use std::fs;

use super::super::record::{AuditEvent, timestamp};
use super::*;

fn record(number: u64) -> AuditRecord {
    AuditRecord {
        count: Some(number),
        ..AuditRecord::new(timestamp(0), AuditEvent::Decision)
    }
}

/// The numbers of the records in a file. Each line must be JSON.
fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    let records = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .map(|record| record["count"].as_u64().unwrap())
        .collect()
}

fn put(file: &mut AuditFile, records: std::ops::Range<u64>) {
    for number in records {
        file.write(&record(number)).unwrap();
    }
    file.flush().unwrap();
}

#[test]
fn a_record_is_a_line_and_a_file_is_continued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    for sync in [
        AuditSync::Never,
        AuditSync::EachSecond,
        AuditSync::EachRecord,
    ] {
        let mut file = AuditFile::open(&path, sync).unwrap();
        put(&mut file, 0..2);
    }
    assert_eq!(numbers(&path), [0, 1, 0, 1, 0, 1]);
    let line = fs::read_to_string(&path).unwrap();
    let expected = r#"{"v":1,"time":"1970-01-01T00:00:00.000Z","event":"decision","count":0}"#;
    assert_eq!(line.lines().next(), Some(expected));
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_a_new_file() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let _file = AuditFile::open(&path, AuditSync::Never).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn after_a_rename_the_next_record_is_in_the_new_file_whether_or_not_it_exists() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (first, second) = (
        directory.path().join("audit.1"),
        directory.path().join("audit.2"),
    );
    let mut file = AuditFile::open(&path, AuditSync::EachSecond).unwrap();
    put(&mut file, 0..2);
    fs::rename(&path, &first).unwrap();
    put(&mut file, 2..4);
    fs::rename(&path, &second).unwrap();
    fs::write(&path, "").unwrap();
    put(&mut file, 4..5);
    fs::remove_file(&path).unwrap();
    put(&mut file, 5..6);
    assert_eq!(numbers(&first), [0, 1]);
    assert_eq!(numbers(&second), [2, 3]);
    assert_eq!(numbers(&path), [5]);
}

#[test]
fn after_a_truncation_the_next_record_is_at_the_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let mut file = AuditFile::open(&path, AuditSync::Never).unwrap();
    put(&mut file, 0..3);
    let copy = directory.path().join("audit.1");
    fs::copy(&path, &copy).unwrap();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    put(&mut file, 3..5);
    assert_eq!(numbers(&copy), [0, 1, 2]);
    assert_eq!(numbers(&path), [3, 4]);
}

#[test]
fn a_line_of_which_a_part_is_written_is_completed_in_the_same_file_and_repeated_in_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let part_of_the_second = |file: &mut AuditFile| {
        file.write(&record(0)).unwrap();
        file.write(&record(1)).unwrap();
        // A full disk can take a part of a line.
        let part = file.lines.len() - 7;
        let lines = file.lines[..part].to_vec();
        file.file.write_all(&lines).unwrap();
        file.written = part;
    };
    let mut file = AuditFile::open(&path, AuditSync::Never).unwrap();
    part_of_the_second(&mut file);
    file.flush().unwrap();
    assert_eq!(numbers(&path), [0, 1]);

    part_of_the_second(&mut file);
    let old = directory.path().join("audit.1");
    fs::rename(&path, &old).unwrap();
    file.flush().unwrap();
    assert_eq!(numbers(&path), [1]);
    let old = fs::read_to_string(&old).unwrap();
    assert_eq!(old.lines().count(), 4);
    assert!(!old.ends_with('\n'), "{old}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_records_for_the_next_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut file = AuditFile::open(&path, AuditSync::EachRecord).unwrap();
    file.write(&record(0)).unwrap();
    for _ in 0..2 {
        let error = file.flush().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    fs::remove_file(&path).unwrap();
    file.write(&record(1)).unwrap();
    file.flush().unwrap();
    assert_eq!(numbers(&path), [0, 1]);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_that_nobody_reads_opens_and_its_next_reader_gets_the_records() {
    use std::io::{BufRead, BufReader};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let mut file = AuditFile::open(&path, AuditSync::EachRecord).unwrap();
    for number in 0..2 {
        file.write(&record(number)).unwrap();
    }
    file.flush().unwrap();
    let reader = BufReader::new(File::open(&path).unwrap());
    let lines: Vec<_> = reader.lines().take(2).map(Result::unwrap).collect();
    assert!(lines[1].ends_with(r#""count":1}"#), "{lines:?}");
}
