//! Files that import each other in a circle.
//!
//! Each file of a crate is a module. It uses another one if a path in it leads
//! there: in a `use`, or anywhere else if the path begins with `crate`, `super` or
//! a module of the same folder. A re-export counts as a use of the file that it
//! leads to. The file of the crate itself has an empty path. Unit tests and
//! comments do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A module's path, below its crate.
type Module = Vec<String>;

/// The files of the crate at `src` that are part of a circle.
pub(crate) fn circles(src: &Path) -> BTreeSet<String> {
    let mut sources = BTreeMap::new();
    read(src, &mut Vec::new(), &mut sources);
    let uses: BTreeMap<&Module, Vec<Use>> =
        sources.iter().map(|(module, text)| (module, uses(text))).collect();
    let mut arrows: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (module, all) in &uses {
        let targets = all.iter().filter_map(|it| resolve(&uses, module, &it.path, 0));
        arrows.insert(module, targets.filter(|target| target != module).collect());
    }
    let in_circle = sources.keys().filter(|module| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![*module]);
        while let Some(next) = open.pop() {
            open.extend(arrows[next].iter().filter(|target| reached.insert(**target)));
        }
        reached.contains(*module)
    });
    in_circle.map(|module| module.join("::")).collect()
}

/// Reads every file below `directory`, whose module is `at`.
fn read(directory: &Path, at: &mut Module, sources: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "tests" {
            at.push(name);
            read(&path, at, sources);
            at.pop();
        } else if path.extension().is_some_and(|it| it == "rs") && name != "tests" {
            let mut module = at.clone();
            if !matches!(&*name, "lib" | "main" | "mod") {
                module.push(name);
            }
            let text = fs::read_to_string(path).unwrap();
            sources.entry(module).or_default().push_str(&code(&text));
        }
    }
}

/// A text without comments, string literals and unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\"", "").replace("'\"'", "");
    text.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

struct Use {
    path: Vec<String>,
    is_export: bool,
}

/// Every path in a text that may lead to another file.
fn uses(text: &str) -> Vec<Use> {
    let mut found = Vec::new();
    let mut rest = String::new();
    for statement in text.split_inclusive(';') {
        let begin = statement.find("use ").filter(|&at| {
            let before = statement[..at].lines().last().unwrap_or_default().trim();
            before.is_empty() || before.starts_with("pub")
        });
        let Some(at) = begin else {
            rest.push_str(statement);
            continue;
        };
        let is_export = statement[..at].lines().last().unwrap_or_default().contains("pub");
        rest.push_str(&statement[..at]);
        let mut paths = Vec::new();
        expand(&mut Vec::new(), statement[at + 4..].trim_end_matches(';'), &mut paths);
        found.extend(paths.into_iter().map(|path| Use { path, is_export }));
    }
    let is_part = |it: char| it.is_alphanumeric() || it == '_' || it == ':';
    let paths = rest.split(|it| !is_part(it)).filter(|word| word.contains("::"));
    found.extend(paths.map(|path| {
        let path = path.split("::").filter(|part| !part.is_empty());
        Use { path: path.map(str::to_owned).collect(), is_export: false }
    }));
    found
}

/// Every path of a `use` with braces.
fn expand(prefix: &mut Vec<String>, tree: &str, paths: &mut Vec<Vec<String>>) {
    let mut depth = 0;
    let at_top = |it: char| {
        depth += i32::from(it == '{') - i32::from(it == '}');
        it == ',' && depth == 0
    };
    for branch in tree.split(at_top).map(str::trim).filter(|branch| !branch.is_empty()) {
        let (head, inner) = branch.split_once('{').unwrap_or((branch, ""));
        let head = head.split(" as ").next().unwrap().split("::").map(str::trim);
        let length = prefix.len();
        prefix.extend(head.filter(|part| !part.is_empty()).map(str::to_owned));
        match inner.rsplit_once('}') {
            Some((inner, _)) => expand(prefix, inner, paths),
            None => paths.push(prefix.clone()),
        }
        prefix.truncate(length);
    }
}

/// The file of what a path of `module` names.
fn resolve<'a>(
    uses: &BTreeMap<&'a Module, Vec<Use>>,
    module: &Module,
    path: &[String],
    depth: usize,
) -> Option<&'a Module> {
    let mut at = module.clone();
    let mut path = path;
    let mut is_ours = false;
    while let [first, rest @ ..] = path {
        match first.as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            _ => break,
        }
        (is_ours, path) = (true, rest);
    }
    while let [first, rest @ ..] = path {
        at.push(first.clone());
        if !uses.contains_key(&at) {
            at.pop();
            break;
        }
        (is_ours, path) = (true, rest);
    }
    if !is_ours || depth > 4 {
        return None;
    }
    let (found, all) = uses.get_key_value(&at)?;
    let exports = all.iter().filter(|it| it.is_export && it.path.last() == path.first());
    exports
        .filter_map(|it| resolve(uses, found, &it.path, depth + 1))
        .find(|target| *target != *found)
        .or(Some(found))
}
