//! The guides in `docs/` name texts, settings and variables; what is named there is in the source.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_text_of_the_server_that_a_guide_explains_is_one_it_says() {
    let source = source();
    let guide = read("docs/connect.md");
    let (_, rest) = guide.split_once("What the server says").unwrap();
    let (table, _) = rest.split_once("What Clerk or the client says").unwrap();
    let seen = table.lines().filter_map(|row| row.split('|').nth(1));
    let texts: Vec<&str> = seen
        .flat_map(quoted)
        .flat_map(|text| text.split('…'))
        .collect();
    let texts: Vec<&str> = texts
        .into_iter()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    let missing: Vec<_> = texts.iter().filter(|text| !says(&source, text)).collect();
    assert!(missing.is_empty(), "nothing says {missing:?}");
    assert!(texts.len() > 20, "the table is not read: {texts:?}");
}

#[test]
fn every_setting_and_variable_that_a_guide_names_exists() {
    let source = source();
    for guide in ["docs/connect.md", "docs/from-mcp-use.md"] {
        let text = read(guide);
        let mut named = 0;
        for name in quoted(&text) {
            let found = match name.strip_prefix("ServerBuilder::") {
                Some(setting) => source.contains(&format!("pub fn {setting}")),
                None if is_variable(name) => source.contains(&format!("\"{name}\"")),
                None => continue,
            };
            assert!(found, "{guide} names {name}");
            named += 1;
        }
        assert!(named > 5, "{guide} is not read");
    }
}

#[test]
fn the_directory_file_of_the_readme_is_one_that_the_local_clerk_reads() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("All of it is optional:").unwrap();
    let (_, rest) = rest.split_once("```toml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    let directory = clerk_emulator::Directory::parse(file).unwrap();
    assert_eq!(directory.organization("acme").unwrap().plans, ["team"]);
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// `Forbidden: org:` and `permission required` are put together from parts.
fn says(source: &str, text: &str) -> bool {
    let words = text.strip_suffix(" required").unwrap_or(text);
    let words = words.strip_prefix("Forbidden: ").unwrap_or(words);
    source.contains(words.trim_end_matches([',', ':']))
}

fn is_variable(name: &str) -> bool {
    ["CLERK_", "MCP_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// All code of the framework, as one text.
fn source() -> String {
    let mut source = String::new();
    append(&root().join("mcp-auth/src"), &mut source);
    source
}

fn append(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            append(&path, source);
        } else {
            source.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
