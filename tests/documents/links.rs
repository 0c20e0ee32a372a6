//! Links between the documents of the repository lead somewhere, and so do the targets of `make` that they name. Links to
//! other sites are not followed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dedup_host_tests::Test;

use crate::{root, text};

pub(crate) const TESTS: &[Test] = &[
    ("every_relative_link_leads_to_a_file_and_a_heading", every_relative_link_leads_to_a_file_and_a_heading),
    ("every_document_can_be_reached_from_the_readme", every_document_can_be_reached_from_the_readme),
    ("every_target_of_make_that_is_named_exists", every_target_of_make_that_is_named_exists),
    ("links_and_headings_are_found_outside_of_code", links_and_headings_are_found_outside_of_code),
];

/// All documents of the repository, but those of packages and of what is built, and heads of documents that are made from
/// tables: links in these lead from the document.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let is_ours = !name.starts_with('.') && !["node_modules", "target", "dist"].contains(&name.as_str());
        if path.is_dir() && is_ours {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") && name != "document_head.md" {
            found.push(path);
        }
    }
}

fn all_documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    documents(&root(), &mut found);
    assert!(found.len() > 15, "only {} documents were found", found.len());
    found
}

/// Lines with whether they are in a block of code. Fences are neither.
fn lines(document: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut in_code = false;
    document.lines().filter_map(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!is_fence).then_some((in_code, line))
    })
}

/// Lines outside of code blocks, without the code in backticks.
fn prose(document: &str) -> impl Iterator<Item = String> {
    lines(document).filter(|(in_code, _)| !in_code).map(|(_, line)| line.split('`').step_by(2).collect())
}

/// Lines of code blocks, and code in backticks.
fn code(document: &str) -> impl Iterator<Item = &str> {
    lines(document).flat_map(|(in_code, line)| {
        let inside = line.split('`').skip(1).step_by(2).filter(move |_| !in_code);
        in_code.then_some(line).into_iter().chain(inside)
    })
}

/// Where links lead: `](target)`.
fn links(document: &str) -> Vec<String> {
    let targets = |line: String| {
        line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect::<Vec<_>>()
    };
    prose(document).flat_map(targets).collect()
}

/// The anchors of the headings, as GitHub makes them; of equal headings only the first has a name that can be foretold.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = lines(document).filter(|(in_code, line)| !in_code && line.starts_with('#')).map(|(_, line)| line);
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|char| char.is_alphanumeric() || [' ', '-', '_'].contains(char));
        kept.map(|char| if char == ' ' { '-' } else { char }).collect()
    };
    headings.map(anchor).collect()
}

fn is_of_another_site(link: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

/// The file that a link of a document leads to, and the anchor in it.
fn target(document: &Path, link: &str) -> (PathBuf, Option<String>) {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor.to_owned())));
    let file = if path.is_empty() { document.to_owned() } else { document.parent().expect("a folder").join(path) };
    (file, anchor)
}

/// What is wrong with a link.
fn fault(document: &Path, link: &str) -> Option<String> {
    let (file, anchor) = target(document, link);
    let said = format!("{}: ({link})", document.strip_prefix(root()).unwrap_or(document).display());
    let Ok(file) = file.canonicalize() else { return Some(format!("{said}: there is no such file")) };
    if !file.starts_with(root()) {
        return Some(format!("{said}: leads out of the repository"));
    }
    let text = anchor.as_ref().map(|_| fs::read_to_string(&file).unwrap_or_default());
    match (anchor, text) {
        (Some(anchor), Some(text)) if !anchors(&text).contains(&anchor) => {
            Some(format!("{said}: there is no such heading"))
        }
        _ => None,
    }
}

fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut faults = Vec::new();
    let mut followed = 0;
    for document in all_documents() {
        let text = fs::read_to_string(&document).expect("UTF-8");
        for link in links(&text).iter().filter(|link| !is_of_another_site(link)) {
            followed += 1;
            faults.extend(fault(&document, link));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(followed > 50, "only {followed} links were found");
}

fn every_document_can_be_reached_from_the_readme() {
    let mut reached = BTreeSet::new();
    let mut next = vec![root().join("README.md")];
    while let Some(document) = next.pop() {
        if !reached.insert(document.clone()) {
            continue;
        }
        let links = links(&fs::read_to_string(&document).expect("UTF-8"));
        let files = links.iter().filter(|link| !is_of_another_site(link)).map(|link| target(&document, link).0);
        next.extend(
            files.filter_map(|file| file.canonicalize().ok()).filter(|file| file.extension() == document.extension()),
        );
    }
    let folders = [root(), root().join("docs"), root().join("wit")];
    let is_for_readers = |path: &PathBuf| folders.iter().any(|folder| path.parent() == Some(folder));
    for document in all_documents().iter().filter(|path| is_for_readers(path)) {
        assert!(reached.contains(document), "no link leads from README.md to {}", document.display());
    }
}

fn every_target_of_make_that_is_named_exists() {
    let makefile = text("Makefile");
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let mut named = 0;
    for document in all_documents() {
        let text = fs::read_to_string(&document).expect("UTF-8");
        for target in code(&text).filter_map(|code| code.split("make ").nth(1)?.split_whitespace().next()) {
            let target = target.trim_end_matches(';');
            let is_variable = target.contains('=');
            assert!(is_variable || targets.contains(target), "{}: there is no `make {target}`", document.display());
            named += 1;
        }
    }
    assert!(named > 10, "only {named} were found");
}

fn links_and_headings_are_found_outside_of_code() {
    let document =
        "# A b: `--c`\n[x](one.md) and `[y](no.md)` and [z](#a-b---c)\n```\n# no\n[w](no.md)\n```\n## Äh, 2\n";
    assert_eq!(links(document), ["one.md", "#a-b---c"]);
    assert_eq!(anchors(document), BTreeSet::from(["a-b---c".to_owned(), "äh-2".to_owned()]));
    let readme = root().join("README.md");
    assert!(fault(&readme, "docs/nowhere.md").is_some_and(|fault| fault.contains("no such file")));
    assert!(fault(&readme, "docs/security.md#nowhere").is_some_and(|fault| fault.contains("no such heading")));
    assert_eq!(fault(&readme, "docs/security.md#brokers"), None);
}
