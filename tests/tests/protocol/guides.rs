//! The guides in `docs/` and the README against the source: the texts, settings, variables and
//! links that they name exist, and the tests that they show are run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_message_that_the_troubleshooting_table_explains_is_in_the_source() {
    let source = source();
    let guide = read("docs/connect.md");
    let (_, rest) = guide.split_once("### Messages of the server").unwrap();
    let (table, _) = rest
        .split_once("### Messages of Clerk and of clients")
        .unwrap();
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
    let mut checked = 0;
    for page in pages() {
        for name in quoted(&read(&page)) {
            let exists = match name.strip_prefix("ServerBuilder::") {
                Some(setting) => {
                    source.contains(&format!("pub fn {}", before_parenthesis(setting)))
                }
                None if is_variable(name) => source.contains(&format!("\"{name}\"")),
                None => continue,
            };
            assert!(exists, "{page} names {name}");
            checked += 1;
        }
    }
    assert!(checked > 60, "the pages are not read: {checked}");
}

#[test]
fn the_directory_file_of_the_guide_is_one_that_the_local_clerk_reads() {
    let guide = read("docs/local-clerk.md");
    let (_, rest) = guide.split_once("All of it is optional:").unwrap();
    let (_, rest) = rest.split_once("```toml\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    let directory = clerk_emulator::Directory::parse(file).unwrap();
    assert_eq!(directory.organization("acme").unwrap().plans, ["team"]);
}

// A doctest compiles no function with `#[test]`, so these are compared with functions that are run.
#[test]
fn the_tests_that_the_readme_and_the_tutorial_show_are_those_of_the_quickstart() {
    let tests = without_space(&read("examples/quickstart/src/tests.rs"));
    for (page, shown) in [("README.md", 1), ("docs/tutorial.md", 2)] {
        let text = read(page);
        let functions: Vec<_> = text
            .split("#[actix_web::test]\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap())
            .collect();
        for function in &functions {
            assert!(
                tests.contains(&without_space(function)),
                "{page}: {function}"
            );
        }
        assert_eq!(functions.len(), shown, "{page}");
    }
    let matrix = read("examples/quickstart/tools.md");
    let (table, _) = matrix.split_once("\n\n").unwrap();
    assert!(read("docs/tutorial.md").contains(table));
}

#[test]
fn every_link_of_a_guide_leads_to_a_file_and_a_heading() {
    let names: BTreeSet<String> = read("mcp-auth/src/guide/links.md")
        .lines()
        .filter_map(|line| Some(line.split_once("]: ")?.0[1..].to_owned()))
        .collect();
    let mut checked = 0;
    for page in pages() {
        let text = read(&page);
        let definitions = text.lines().filter_map(|line| {
            let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
            Some((Some(name), target))
        });
        let inline = text
            .split("](")
            .skip(1)
            .filter_map(|rest| Some((None, rest.split_once(')')?.0)));
        for (name, target) in definitions.chain(inline) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                file => format!("docs/{file}"),
            };
            let linked = fs::read_to_string(root().join(&file));
            let linked = linked.unwrap_or_else(|_| panic!("{page} links to {target}"));
            let found = anchor.is_empty() || headings(&linked).any(|heading| heading == anchor);
            assert!(found, "{page} links to {target}");
            // On docs.rs the name of a link leads to a module.
            assert!(
                name.is_none_or(|name| names.contains(name)),
                "{page}: {name:?}"
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "the pages are not read: {checked}");
}

#[test]
fn the_readme_has_at_most_150_lines_and_every_guide_is_a_module_that_links_can_name() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 150);
    let modules = read("mcp-auth/src/guide.rs");
    for page in pages() {
        let file = page.strip_prefix("docs/").unwrap();
        let included = modules.contains(&format!(": \"{file}\","));
        assert!(included || file == "README.md", "{page} is no module");
    }
    let pages = [
        readme,
        read("clerk-emulator/README.md"),
        read("mcp-auth/docs/mcp_tool.md"),
    ];
    let mut checked = 0;
    for text in &pages {
        for link in text.split("/latest/mcp_auth/guide/").skip(1) {
            let name = link.split('/').next().unwrap();
            assert!(modules.contains(&format!("    {name}: \"")), "{name}");
            checked += 1;
        }
    }
    assert!(checked > 10, "the links are not read: {checked}");
}

/// Returns the paths of all guides, from the root of the repository.
fn pages() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| name.ends_with(".md"));
    pages.map(|name| format!("docs/{name}")).collect()
}

/// Returns the anchors that GitHub and rustdoc give to the headings of a page.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().replace(' ', "-")
        })
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

fn before_parenthesis(call: &str) -> &str {
    call.split('(').next().unwrap()
}

/// Returns the texts between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns whether the source contains the text. The source composes `Forbidden: org:` and
/// `permission required` from parts.
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

/// Returns all code of the framework as one text.
pub(crate) fn source() -> String {
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
