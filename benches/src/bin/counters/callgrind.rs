//! Runs this program under valgrind, and reads the counted instructions.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::UNDER_CALLGRIND;
use crate::figures::{Figure, Figures};
use crate::scenarios::{CALLS, NAMES};

/// Counts the scenarios with these names; all scenarios if there are none.
pub(crate) fn count(names: &[String]) -> Figures {
    for name in names {
        assert!(
            NAMES.contains(&name.as_str()),
            "no scenario `{name}`; there are: {}",
            NAMES.join(", ")
        );
    }
    let program = env::current_exe().unwrap();
    let folder = program.with_file_name("callgrind");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let allocated = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--fair-sched=yes"])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join(OUT).display()
        ))
        .arg(format!("--dump-before={WINDOW}"))
        .arg(format!("--dump-after={WINDOW}"))
        .arg(&program)
        .arg(UNDER_CALLGRIND)
        .args(names)
        // The servers must not be configured by the environment of this shell.
        .env_clear()
        // With these instructions a copy would count once for each byte.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM")
        .stderr(Stdio::inherit())
        .output()
        .expect("valgrind is installed");
    assert!(allocated.status.success(), "{}", allocated.status);
    let allocated = String::from_utf8(allocated.stdout).unwrap();
    let figures = allocated.lines().enumerate().map(|(index, line)| {
        let [name, allocations, bytes] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("unexpected: {line}");
        };
        let figure = Figure {
            instructions: instructions(&folder, index, name),
            allocations: allocations.parse().unwrap(),
            bytes: bytes.parse().unwrap(),
        };
        (name.to_owned(), figure.per(CALLS as u64))
    });
    let figures = Figures::new(figures);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|stem| stem == OUT) {
            fs::remove_file(path).unwrap();
        }
    }
    figures
}

/// The instructions of the window with this number. Its profile is stored under the scenario's
/// name.
///
/// callgrind writes a profile at the beginning and at the end of each window, to files that are
/// numbered from 1.
fn instructions(folder: &Path, window: usize, name: &str) -> u64 {
    let profile = folder.join(format!("{OUT}.{}", 2 * (window + 1)));
    let text = fs::read_to_string(&profile).expect("a profile of each window");
    let field = |field| text.lines().find_map(|line| line.strip_prefix(field));
    let trigger = field("desc: Trigger: ").expect("a trigger");
    assert!(trigger.starts_with("--dump-after="), "{trigger}");
    let instructions = field("summary: ").expect("a summary").trim();
    fs::rename(&profile, folder.join(name)).unwrap();
    instructions.parse().unwrap()
}

const OUT: &str = "out";
/// The function whose calls are the windows.
const WINDOW: &str = "counters::scenarios::counted_calls";
