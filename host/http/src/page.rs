//! The live page: its files, and what a browser without scripts sees instead. Not the figures: the page asks for them
//! itself.

use observe::status::{PluginStatus, Snapshot};

use crate::text::{COLUMNS, headline, last_swap, rows};

/// Only our own style sheet, scripts and answers: no image, frame or form, nothing from other sites, and no way to turn
/// text into nodes of the page.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     connect-src 'self'; img-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// A browser revalidates its copy, so that a page and its parts are of one version.
pub const CACHE_CONTROL: &str = "no-cache";

/// A file of the page, served below `/page/`.
#[derive(Debug, Clone, Copy)]
pub struct PageFile {
    /// Its path.
    pub path: &'static str,
    /// What it is, for a browser.
    pub content_type: &'static str,
    /// Its content.
    pub text: &'static str,
}

macro_rules! files {
    ($($name:literal $content_type:literal),+ $(,)?) => {
        /// All of them.
        pub const FILES: &[PageFile] = &[$(PageFile {
            path: concat!("/page/", $name),
            content_type: concat!($content_type, "; charset=utf-8"),
            text: include_str!(concat!("page/", $name)),
        }),+];
    };
}

files! {
    "page.css" "text/css",
    "main.js" "text/javascript",
    "text.js" "text/javascript",
    "dom.js" "text/javascript",
    "series.js" "text/javascript",
    "overview.js" "text/javascript",
    "tables.js" "text/javascript",
    "latest.js" "text/javascript",
}

const INDEX: &str = include_str!("page/index.html");

/// What a browser gets at `/`: the page, and inside it the status for those without scripts.
#[must_use]
pub fn index(snapshot: &Snapshot) -> String {
    INDEX.replacen("<!--status-->", &status(snapshot), 1)
}

fn status(snapshot: &Snapshot) -> String {
    let line = |cells: &[String], tag: &str| {
        let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>();
        format!("<tr>{cells}</tr>\n")
    };
    let plugin = |plugin: &PluginStatus| {
        line(&[plugin.name.clone(), plugin.version.clone(), format!("sha256:{}", plugin.digest)], "td")
    };
    let plugins = snapshot.plugins.iter().map(plugin);
    format!(
        "<p>{}</p>\n<h2>Partitions</h2>\n<table>{}{}</table>\n<h2>Plugins</h2>\n<table>{}{}</table>\n<p>{}</p>\n\
         <p><a href=\"metrics\">metrics</a> <a href=\"_readiness\">readiness</a> <a href=\"_liveness\">liveness</a> \
         <a href=\"api/status\">status</a> <a href=\"api/duplicates\">duplicates</a> <a href=\"api/keys\">keys</a> \
         <a href=\"api/latest\">latest</a></p>",
        escape(&headline(snapshot)),
        line(&COLUMNS.map(str::to_owned), "th"),
        rows(snapshot).iter().map(|row| line(row, "td")).collect::<String>(),
        line(&["name", "version", "digest"].map(str::to_owned), "th"),
        plugins.collect::<String>(),
        escape(&last_swap(snapshot).unwrap_or_default()),
    )
}

/// Text escaped for use inside an element, with invisible characters spelled out.
fn escape(text: &str) -> String {
    plain_text::line(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
