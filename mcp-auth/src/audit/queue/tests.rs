use std::sync::mpsc::{Receiver, Sender, channel};

use super::super::record::AuditEvent;
use super::super::sink::{AuditSink, LineSink};
use super::*;
use crate::clock::ManualClock;
use crate::identity::test_support::logged;

/// Takes a record when the test allows it, and then tells the test.
struct Gated {
    gate: Receiver<Step>,
    written: Sender<String>,
}

enum Step {
    Fail,
    Panic,
    Take,
}

impl AuditSink for Gated {
    fn write(&mut self, record: &AuditRecord) -> io::Result<()> {
        match self.gate.recv() {
            Ok(Step::Fail) => return Err(io::Error::other("the test said so")),
            Ok(Step::Panic) => panic!("the test said so"),
            Ok(Step::Take) | Err(_) => {}
        }
        let text = match record.event {
            AuditEvent::Lost => format!("lost {}", record.count.unwrap()),
            _ => record.count.unwrap().to_string(),
        };
        self.written.send(text).unwrap();
        Ok(())
    }
}

fn writer(places: usize) -> (Writer, Sender<Step>, Receiver<String>) {
    let ((open, gate), (written, told)) = (channel(), channel());
    let sink = Sink::Records(Box::new(Gated { gate, written }));
    let writer = Writer::start(sink, places, Arc::new(ManualClock::at(0))).unwrap();
    (writer, open, told)
}

fn record(number: u64) -> Entry<'static> {
    Entry::Record(Arc::new(AuditRecord {
        count: Some(number),
        ..AuditRecord::new(String::new(), AuditEvent::Decision)
    }))
}

#[test]
fn while_the_sink_is_stuck_records_beyond_the_queue_are_counted_and_the_count_is_written() {
    let (writer, open, told) = writer(3);
    for number in 0..10 {
        writer.write(record(number), None);
    }
    drop(open);
    let mut written: Vec<_> = told.iter().take(4).collect();
    // If the thread took the first record alone, it writes the count before the other records.
    written.sort();
    assert_eq!(written, ["0", "1", "2", "lost 7"]);
    assert_eq!(writer.lost(), 7);
    writer.write(record(10), None);
    writer.close();
    drop(writer);
    assert_eq!(told.iter().collect::<Vec<_>>(), ["10"]);
}

#[test]
fn a_record_with_a_place_is_never_lost_and_a_place_is_free_only_after_the_flush() {
    let (writer, open, told) = writer(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = writer.reserve().await;
        assert!(writer.shared.places.available_permits() == 0);
        writer.write(record(1), None);
        writer.write(record(0), place);
        let wait = Duration::from_millis(20);
        assert!(tokio::time::timeout(wait, writer.reserve()).await.is_err());
        drop(open);
        let place = tokio::time::timeout(Duration::from_secs(10), writer.reserve()).await;
        assert!(place.unwrap().is_some());
    });
    writer.close();
    drop(writer);
    assert_eq!(told.iter().collect::<Vec<_>>(), ["0", "lost 1"]);
}

#[test]
fn a_sink_that_fails_or_panics_gets_the_record_again() {
    let (writer, open, told) = writer(10);
    writer.write(record(0), None);
    writer.write(record(1), None);
    for step in [Step::Fail, Step::Panic, Step::Take, Step::Fail, Step::Take] {
        open.send(step).unwrap();
    }
    drop(open);
    writer.close();
    drop(writer);
    assert_eq!(told.iter().collect::<Vec<_>>(), ["0", "1"]);
}

#[test]
fn a_closed_writer_has_written_everything_and_takes_no_more() {
    let (writer, open, told) = writer(1_000);
    for number in 0..1_000 {
        writer.write(record(number), None);
    }
    drop(open);
    writer.close();
    writer.close();
    assert_eq!(told.try_iter().count(), 1_000);
    writer.write(record(0), None);
    assert_eq!(told.try_iter().count(), 0);
    assert_eq!(writer.lost(), 1);
}

/// Never takes a record.
struct Failing;

impl AuditSink for Failing {
    fn write(&mut self, _: &AuditRecord) -> io::Result<()> {
        Err(io::Error::other("never"))
    }
}

#[test]
fn closing_does_not_wait_for_a_sink_that_fails_for_ever() {
    let writer = Writer::start(
        Sink::Records(Box::new(Failing)),
        10,
        Arc::new(ManualClock::at(0)),
    )
    .unwrap();
    writer.write(record(0), None);
    let begin = Instant::now();
    writer.close();
    assert!(begin.elapsed() < CLOSING + GRACE + Duration::from_secs(2));
    assert_eq!(writer.lost(), 1);
}

#[test]
fn closing_does_not_wait_for_a_stuck_sink_and_logs_the_number_of_its_records() {
    let (writer, open, _told) = writer(3);
    for number in 0..5 {
        writer.write(record(number), None);
    }
    let log = logged(|| writer.close());
    assert!(log.contains(r#"fact="sink_dropping" records=5"#), "{log}");
    drop(open);
}

/// Keeps lines when the test allows it, and then tells the test which lines it has.
struct GatedLines {
    gate: Receiver<Step>,
    told: Sender<String>,
    lines: String,
}

impl LineSink for GatedLines {
    fn add_lines(&mut self, lines: &str) {
        self.lines.push_str(lines);
    }

    fn keep_lines(&mut self) -> io::Result<()> {
        match self.gate.recv() {
            Ok(Step::Fail) => return Err(io::Error::other("the test said so")),
            Ok(Step::Panic) => panic!("the test said so"),
            Ok(Step::Take) | Err(_) => {}
        }
        for line in self.lines.lines() {
            self.told.send(line.to_owned()).unwrap();
        }
        self.lines.clear();
        Ok(())
    }
}

fn writer_of_lines(places: usize) -> (Writer, Sender<Step>, Receiver<String>) {
    let ((open, gate), (told, lines)) = (channel(), channel());
    let sink = Sink::Lines(Box::new(GatedLines {
        gate,
        told,
        lines: String::new(),
    }));
    let writer = Writer::start(sink, places, Arc::new(ManualClock::at(0))).unwrap();
    (writer, open, lines)
}

#[test]
fn a_sink_of_lines_that_fails_or_panics_keeps_each_line_once() {
    let (writer, open, told) = writer_of_lines(10);
    for number in ["0", "1", "2"] {
        writer.write(Entry::Line(number), None);
    }
    for step in [Step::Fail, Step::Panic, Step::Take] {
        open.send(step).unwrap();
    }
    drop(open);
    writer.close();
    drop(writer);
    assert_eq!(told.iter().collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[test]
fn lines_beyond_the_queue_are_counted_and_the_count_is_a_line() {
    let (writer, open, told) = writer_of_lines(3);
    for _ in 0..10 {
        writer.write(Entry::Line("kept"), None);
    }
    assert_eq!(writer.lost(), 7);
    drop(open);
    writer.close();
    drop(writer);
    let mut told: Vec<_> = told.iter().collect();
    // If the thread took the first record alone, it writes the count before the other records.
    told.sort();
    let lost = AuditRecord::lost(timestamp(0), 7);
    assert_eq!(told[..3], ["kept"; 3]);
    assert_eq!(told[3..], [lost.to_json()]);
}

#[test]
fn a_large_batch_leaves_no_large_buffer() {
    let mut batch = Batch::default();
    let line = "x".repeat(MOST_KEPT);
    batch.push(Entry::Line(&line));
    batch.push(Entry::Line(&line));
    batch.clear();
    assert_eq!((batch.count, batch.lines.as_str()), (0, ""));
    assert!(batch.lines.capacity() <= MOST_KEPT);
}
