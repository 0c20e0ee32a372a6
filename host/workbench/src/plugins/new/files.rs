//! The files of a project, by language: which file of this repository becomes which file of a project, and what is
//! filled in. The host contains them, because a plugin's author has the host and not the repository.

use super::super::config::{Language, NewConfig, NewRole};

/// One file of a project.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    /// Where it goes.
    pub(super) path: &'static str,
    /// What stands there, before anything is filled in.
    text: &'static str,
    fill: Fill,
    /// Whether it is a program.
    pub(super) executable: bool,
    /// A few words for those that an author is to look at first.
    pub(super) about: Option<&'static str>,
}

/// What is filled in.
#[derive(Debug, Clone, Copy)]
enum Fill {
    /// Nothing: it is a file of the repository as it is.
    Nothing,
    /// What stands in double braces.
    Braces,
    /// It is an example of the repository that works there: the texts that are others in a project.
    Example(&'static [(&'static str, &'static str)]),
}

impl File {
    const fn verbatim(path: &'static str, text: &'static str) -> Self {
        Self { path, text, fill: Fill::Nothing, executable: false, about: None }
    }

    const fn template(path: &'static str, text: &'static str) -> Self {
        Self { fill: Fill::Braces, ..Self::verbatim(path, text) }
    }

    const fn example(path: &'static str, text: &'static str, others: &'static [(&'static str, &'static str)]) -> Self {
        Self { fill: Fill::Example(others), ..Self::verbatim(path, text) }
    }

    const fn program(self) -> Self {
        Self { executable: true, ..self }
    }

    const fn about(self, about: &'static str) -> Self {
        Self { about: Some(about), ..self }
    }

    /// What is written for a plugin.
    pub(super) fn filled(&self, config: &NewConfig) -> String {
        match self.fill {
            Fill::Nothing => self.text.to_owned(),
            Fill::Braces => braces_filled(self.text, config),
            Fill::Example(others) => {
                let text = others.iter().fold(self.text.to_owned(), |text, (here, there)| text.replace(here, there));
                text.replace(EXAMPLE, &config.name)
            }
        }
    }
}

/// The name that examples have, which becomes the plugin's.
const EXAMPLE: &str = "same_share";

fn braces_filled(text: &str, config: &NewConfig) -> String {
    let (world, tries) = match config.role {
        NewRole::Key => ("key-plugin", TRY_KEY),
        NewRole::Scorer => ("similarity-plugin", TRY_SCORER),
    };
    text.replace("{{try}}", tries.trim_end()).replace("{{world}}", world).replace("{{name}}", &config.name)
}

/// A file of the repository.
macro_rules! repository {
    ($path:expr) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $path))
    };
}

/// A template of the repository.
macro_rules! template {
    ($path:expr) => {
        repository!(concat!("guest-plugins/templates/", $path))
    };
}

/// The sources of the Rust SDK, under their own names.
macro_rules! rust_sdk {
    ($($path:literal),* $(,)?) => {
        [$(File::verbatim(
            concat!("vendor/dedup-plugin/src/", $path),
            repository!(concat!("guest-plugins/sdk/src/", $path))
        )),*]
    };
}

const TRY_KEY: &str = template!("try-key.txt");
const TRY_SCORER: &str = template!("try-scorer.txt");

/// The files of a project; those to look at first come first.
pub(super) fn of(language: Language, role: NewRole) -> Vec<File> {
    let own = match language {
        Language::Rust => rust(role),
        Language::C => c(role),
        Language::Python => python(role),
        Language::Javascript => javascript(role),
    };
    own.into_iter().chain(in_every_language(role)).collect()
}

fn in_every_language(role: NewRole) -> Vec<File> {
    const ABOUT_GOLDEN: &str = "what it must answer; add cases of your own";
    const ABOUT_DECLARED: &str = "what it takes for the same on purpose";
    let mut files = vec![File::verbatim("wit/plugin.wit", repository!("wit/plugin.wit"))];
    match role {
        NewRole::Key => {
            files.push(File::verbatim("golden.json", template!("key.golden.json")).about(ABOUT_GOLDEN));
            files.push(File::verbatim("conformance.toml", template!("key.conformance.toml")).about(ABOUT_DECLARED));
            files.push(File::verbatim("events.ndjson", template!("events.ndjson")));
        }
        NewRole::Scorer => {
            let golden = repository!("guest-plugins/golden/same_share.json");
            files.push(File::verbatim("golden.json", golden).about(ABOUT_GOLDEN));
        }
    }
    files
}

const ABOUT_SOURCE: &str = "the plugin: start here";
const ABOUT_BUILD: &str = "builds the component";
const ABOUT_README: &str = "all commands, and what they need";

fn rust(role: NewRole) -> Vec<File> {
    let source = match role {
        NewRole::Key => File::template("src/lib.rs", template!("rust/key.rs")),
        NewRole::Scorer => File::example(
            "src/lib.rs",
            repository!("guest-plugins/same_share/src/lib.rs"),
            &[("../../golden/same_share.json", "../golden.json")],
        ),
    };
    let mut files = vec![
        source.about(ABOUT_SOURCE),
        File::template("README.md", template!("rust/README.md")).about(ABOUT_README),
        File::template("build.sh", template!("rust/build.sh")).program().about(ABOUT_BUILD),
        File::template("Cargo.toml", template!("rust/Cargo.toml.template")),
        File::verbatim(".gitignore", template!("rust/gitignore")),
        File::verbatim("vendor/dedup-plugin/Cargo.toml", template!("rust/sdk.Cargo.toml.template")),
    ];
    files.extend(rust_sdk![
        "bindings.rs",
        "event.rs",
        "export.rs",
        "instant.rs",
        "keys.rs",
        "lib.rs",
        "pair.rs",
        "pointers.rs",
        "testing.rs",
        "testing/golden.rs",
        "testing/rows.rs",
        "tuple.rs",
        "written/civil.rs",
        "written/iso.rs",
        "written/mod.rs",
        "written/named.rs",
        "written/text.rs",
        "written/zone.rs",
    ]);
    files
}

fn c(role: NewRole) -> Vec<File> {
    let (source, test) = match role {
        NewRole::Key => (
            File::template("plugin.c", template!("c/key.c")),
            File::template("plugin_test.c", template!("c/key_test.c")),
        ),
        NewRole::Scorer => (
            File::example("plugin.c", repository!("guest-plugins/c/same_share.c"), &[]),
            File::example(
                "plugin_test.c",
                repository!("guest-plugins/c/tests/same_share_test.c"),
                &[("../same_share.c", "plugin.c")],
            ),
        ),
    };
    vec![
        source.about(ABOUT_SOURCE),
        File::template("README.md", template!("c/README.md")).about(ABOUT_README),
        File::template("build.sh", template!("c/build.sh")).program().about(ABOUT_BUILD),
        test,
        File::verbatim("compile.sh", repository!("guest-plugins/c/compile.sh")).program(),
        File::verbatim("dedup_plugin.h", repository!("guest-plugins/c/dedup_plugin.h")),
        File::verbatim("dedup_plugin_test.h", repository!("guest-plugins/c/dedup_plugin_test.h")),
        File::verbatim(".gitignore", template!("c/gitignore")),
    ]
}

fn python(role: NewRole) -> Vec<File> {
    let (source, test) = match role {
        NewRole::Key => (
            File::template("plugin.py", template!("python/key.py")),
            File::template("test_plugin.py", template!("python/test_key.py")),
        ),
        NewRole::Scorer => (
            File::example("plugin.py", repository!("guest-plugins/python/same_share.py"), &[]),
            File::template("test_plugin.py", template!("python/test_scorer.py")),
        ),
    };
    vec![
        source.about(ABOUT_SOURCE),
        File::template("README.md", template!("python/README.md")).about(ABOUT_README),
        File::template("build.sh", template!("python/build.sh")).program().about(ABOUT_BUILD),
        test,
        File::verbatim("compile.sh", repository!("guest-plugins/python/build.sh")).program(),
        File::verbatim("requirements.txt", repository!("guest-plugins/python/requirements.txt")),
        File::verbatim("dedup_plugin.py", repository!("guest-plugins/python/dedup_plugin.py")),
        File::verbatim("dedup_plugin_testing.py", repository!("guest-plugins/python/dedup_plugin_testing.py")),
        File::verbatim(".gitignore", template!("python/gitignore")),
    ]
}

fn javascript(role: NewRole) -> Vec<File> {
    let (source, test) = match role {
        NewRole::Key => (
            File::template("plugin.js", template!("javascript/key.js")),
            File::template("plugin.test.js", template!("javascript/key.test.js")),
        ),
        NewRole::Scorer => (
            File::example("plugin.js", repository!("guest-plugins/javascript/same_share.js"), &[]),
            File::template("plugin.test.js", template!("javascript/scorer.test.js")),
        ),
    };
    vec![
        source.about(ABOUT_SOURCE),
        File::template("README.md", template!("javascript/README.md")).about(ABOUT_README),
        File::template("build.sh", template!("javascript/build.sh")).program().about(ABOUT_BUILD),
        test,
        File::verbatim("compile.sh", repository!("guest-plugins/javascript/build.sh")).program(),
        File::verbatim("package.json", repository!("guest-plugins/javascript/package.json")),
        File::verbatim("package-lock.json", repository!("guest-plugins/javascript/package-lock.json")),
        File::verbatim("dedup-plugin.js", repository!("guest-plugins/javascript/dedup-plugin.js")),
        File::verbatim("dedup-plugin-testing.js", repository!("guest-plugins/javascript/dedup-plugin-testing.js")),
        File::verbatim("dedup-plugin.d.ts", repository!("guest-plugins/javascript/dedup-plugin.d.ts")),
        File::verbatim(".gitignore", template!("javascript/gitignore")),
    ]
}
