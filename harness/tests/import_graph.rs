//! The structure of the harness: no circle among its rooms, none among its files, and rooms that know only what they
//! may.
//!
//! Imports are read from the sources. A name that a room's `mod.rs` re-exports counts as an import of the file that
//! defines it, so that a `mod.rs` which only declares and re-exports is no part of a circle.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Imports of each file, both as module paths such as `record::run::phase`.
type Graph = BTreeMap<String, BTreeSet<String>>;

struct Sources {
    /// By module path; the crate's root is the empty path.
    files: BTreeMap<String, String>,
    /// Names that a module re-exports, and from which module.
    exports: BTreeMap<String, Vec<(String, String)>>,
}

impl Sources {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = BTreeMap::new();
        for path in walk(&root) {
            let relative = path.strip_prefix(&root).unwrap().with_extension("");
            let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
            if matches!(parts[..], ["main"]) || parts.iter().any(|part| matches!(*part, "tests" | "fixture")) {
                continue;
            }
            let parts: Vec<&str> = parts
                .into_iter()
                .filter(|part| !matches!(*part, "mod" | "lib"))
                .collect();
            files.insert(
                parts.join("::"),
                without_tests(&std::fs::read_to_string(&path).unwrap()),
            );
        }
        let mut sources = Self {
            files,
            exports: BTreeMap::new(),
        };
        let modules: Vec<String> = sources.files.keys().cloned().collect();
        for module in modules {
            let text = sources.files[&module].clone();
            let mut exports = Vec::new();
            for (statement, is_public) in uses(&text) {
                for path in expand(&statement).into_iter().filter(|_| is_public) {
                    let from = sources.absolute(&module, &path);
                    let (_, name) = from.rsplit_once("::").unwrap_or(("", &from));
                    exports.push((name.to_owned(), from.clone()));
                }
            }
            sources.exports.insert(module, exports);
        }
        sources
    }

    /// The path from the crate's root; `None` of another crate's.
    fn absolute(&self, module: &str, path: &str) -> String {
        let mut at: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
        let mut parts: Vec<&str> = path.split("::").collect();
        match parts[0] {
            "crate" => at.clear(),
            "self" => {}
            "super" => {}
            first if self.files.contains_key(&joined(&at, first)) => {
                at.push(first);
            }
            _ => return String::new(),
        }
        while parts.first() == Some(&"super") {
            parts.remove(0);
            at.pop();
        }
        if matches!(path.split("::").next(), Some("crate" | "self")) || !path.starts_with("super") {
            parts.remove(0);
        }
        at.extend(parts);
        at.join("::")
    }

    /// The file that defines what an absolute path names.
    fn file_of(&self, path: &str, depth: usize) -> Option<String> {
        if path.is_empty() || depth > 8 {
            return None;
        }
        let parts: Vec<&str> = path.split("::").collect();
        for length in (0..=parts.len()).rev() {
            let module = parts[..length].join("::");
            if !self.files.contains_key(&module) {
                continue;
            }
            let Some(name) = parts.get(length) else {
                return Some(module);
            };
            let exports = &self.exports[&module];
            let named = exports
                .iter()
                .find(|(exported, from)| exported == name && *from != path);
            if let Some((_, from)) = named {
                return self.file_of(from, depth + 1);
            }
            let globs = exports.iter().filter(|(exported, _)| exported == "*");
            for (_, from) in globs {
                let below = from.trim_end_matches("::*");
                let found = self.file_of(&format!("{below}::{name}"), depth + 1);
                if found.is_some() {
                    return found;
                }
            }
            return Some(module);
        }
        None
    }

    /// Paths that begin with the name of a child module, such as `cell::run` in a `mod.rs`.
    fn through_children(&self, module: &str, text: &str) -> Vec<String> {
        let text = without_uses(text);
        let prefix = if module.is_empty() {
            String::new()
        } else {
            format!("{module}::")
        };
        let children = self.files.keys().filter_map(|file| file.strip_prefix(&prefix));
        let children = children.filter(|child| !child.is_empty() && !child.contains("::"));
        let is_used = |child: &&str| {
            let marker = format!("{child}::");
            text.match_indices(&marker)
                .any(|(start, _)| !text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
        };
        children.filter(is_used).map(str::to_owned).collect()
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (module, text) in &self.files {
            let mut imports = BTreeSet::new();
            let statements = uses(text).into_iter().filter(|(_, is_public)| !is_public);
            let used = statements.flat_map(|(statement, _)| expand(&statement));
            for path in used.chain(inline(text)).chain(self.through_children(module, text)) {
                let absolute = self.absolute(module, &path);
                imports.extend(
                    self.file_of(&absolute, 0)
                        .filter(|file| file != module && !file.is_empty()),
                );
            }
            graph.insert(module.clone(), imports);
        }
        graph
    }
}

fn joined(at: &[&str], last: &str) -> String {
    at.iter().copied().chain([last]).collect::<Vec<_>>().join("::")
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let all = entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The text without its test modules and its comments.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut kept = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            lines.next();
        } else if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Every `use` statement, and whether it re-exports.
fn uses(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("use ") {
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let before = text[line_start..start].trim();
        if !(before.is_empty() || before == "pub" || before.starts_with("pub(")) {
            continue;
        }
        let Some(end) = text[start..].find(';') else { continue };
        let statement = text[start + 4..start + end].replace(" as ", "@");
        let statement = statement.split_whitespace().collect::<String>();
        found.push((statement, before.starts_with("pub")));
    }
    found
}

/// The text without its `use` statements.
fn without_uses(text: &str) -> String {
    let mut kept = String::new();
    let mut in_use = false;
    for line in text.lines() {
        let code = line.trim_start();
        in_use |= code.starts_with("use ") || code.starts_with("pub") && code.contains(" use ");
        if !in_use {
            kept.push_str(line);
            kept.push('\n');
        }
        in_use &= !code.ends_with(';');
    }
    kept
}

/// `a::{b, c::{d}}` as `a::b`, `a::c::d`.
fn expand(statement: &str) -> Vec<String> {
    let Some(open) = statement.find('{') else {
        return vec![statement.split('@').next().unwrap_or_default().to_owned()];
    };
    let prefix = &statement[..open];
    let inner = &statement[open + 1..statement.rfind('}').unwrap_or(statement.len())];
    let mut parts = Vec::new();
    let (mut depth, mut part) = (0, String::new());
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(character);
    }
    parts.push(part);
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts
        .flat_map(|part| expand(&part))
        .map(|part| {
            if part == "self" {
                prefix.trim_end_matches("::").to_owned()
            } else {
                format!("{prefix}{part}")
            }
        })
        .collect()
}

/// Paths that are written out where they are used.
fn inline(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let text = without_uses(text);
    for marker in ["crate::", "super::", "self::"] {
        for (start, _) in text.match_indices(marker) {
            let is_part = text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            // `pub(in crate::workload)` imports nothing.
            if is_part || text[..start].ends_with("(in ") {
                continue;
            }
            let path: String = text[start..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
                .collect();
            found.push(path.trim_end_matches(':').to_owned());
        }
    }
    found
}

/// Groups of nodes that all reach one another.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reached = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![from.to_owned()];
        while let Some(node) = waiting.pop() {
            for next in graph.get(&node).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    waiting.push(next.clone());
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|node| (node, reached(node))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (node, reaches) in &reach {
        let circle = reaches
            .iter()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(*node)));
        let circle: Vec<String> = circle.cloned().collect();
        if !circle.is_empty() {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn rooms(graph: &Graph) -> Graph {
    let room = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let mut rooms = Graph::new();
    for (module, imports) in graph {
        let own = room(module);
        let others = imports.iter().map(|import| room(import)).filter(|other| *other != own);
        rooms.entry(own.clone()).or_default().extend(others);
    }
    rooms
}

#[test]
fn the_reader_of_imports_sees_what_is_written() {
    assert_eq!(
        expand("crate::record::{Cell,run::{self,Phase},x}"),
        [
            "crate::record::Cell",
            "crate::record::run",
            "crate::record::run::Phase",
            "crate::record::x"
        ]
    );
    let sources = Sources::read();
    let interval = sources.file_of("record::Interval", 0);
    assert_eq!(interval.as_deref(), Some("record::interval"), "through a re-export");
    let graph = sources.graph();
    assert!(
        graph["record::merged"].contains("record::interval"),
        "{:?}",
        graph["record::merged"]
    );
    assert!(graph.len() > 100, "{}", graph.len());
    let circle = Graph::from([
        ("a".to_owned(), ["b".to_owned()].into()),
        ("b".to_owned(), ["c".to_owned()].into()),
        ("c".to_owned(), ["a".to_owned()].into()),
        ("d".to_owned(), ["a".to_owned()].into()),
    ]);
    assert_eq!(circles(&circle), [["a", "b", "c"]]);
}

#[test]
fn no_circle_among_rooms_and_none_among_files() {
    let graph = Sources::read().graph();
    let among_rooms = circles(&rooms(&graph));
    assert!(among_rooms.is_empty(), "rooms: {among_rooms:#?}");
    let among_files = circles(&graph);
    assert!(among_files.is_empty(), "files: {among_files:#?}");
}

#[test]
fn rooms_know_only_what_they_may() {
    let rooms = rooms(&Sources::read().graph());
    let allowed = |room: &str| -> Option<&[&str]> {
        Some(match room {
            "clock" | "draft" | "endpoint" | "metric" | "arrival" => &[],
            "observe" => &["clock", "endpoint"],
            "template" => &["arrival"],
            "workload" => &["arrival", "metric", "observe", "template", "transport"],
            "record" => &["arrival", "metric", "observe"],
            "analyze" => &["arrival", "metric", "observe", "record"],
            "transport" => &["endpoint", "record"],
            "scenario" => &["arrival", "metric", "record", "template", "transport"],
            "drive" => &["arrival", "clock", "record", "scenario", "transport"],
            "report" => &["analyze", "arrival", "metric", "record"],
            _ => return None,
        })
    };
    for (room, imports) in &rooms {
        let Some(allowed) = allowed(room) else { continue };
        let others: Vec<&String> = imports
            .iter()
            .filter(|other| !allowed.contains(&other.as_str()))
            .collect();
        assert!(
            others.is_empty(),
            "{room} imports {others:?}; it may import {allowed:?}"
        );
    }
}

#[test]
fn nothing_but_what_prepares_a_cell_knows_which_scenarios_there_are() {
    let graph = Sources::read().graph();
    let scenarios = ["scenario::chat", "scenario::http"];
    let is_of = |module: &str, scenario: &str| module == scenario || module.starts_with(&format!("{scenario}::"));
    for scenario in scenarios {
        assert!(graph.keys().any(|module| is_of(module, scenario)), "{scenario} is gone");
    }
    for (module, imports) in &graph {
        if matches!(module.split("::").next(), Some("provision" | "rehearse")) || module == "scenario" {
            continue;
        }
        for scenario in scenarios.into_iter().filter(|scenario| !is_of(module, scenario)) {
            let known: Vec<&String> = imports.iter().filter(|import| is_of(import, scenario)).collect();
            assert!(known.is_empty(), "{module} imports {known:?}");
        }
    }
}
