//! Settings of how duplicates are explained. Not the explaining.

use line::ExplanationConfig;

use plain_text::Secret;
use setting::{Group, ON_OFF, Runs, Setting, SettingsError, Typed, one, one_of, rows, secret, switch, units};

const GROUP: Group = Group { title: "Explaining duplicates", runs: Runs::All, also: &[] };

rows!(pub(super),
    static KEEP_ORIGINALS: Setting<bool> = one_of(
        GROUP,
        "keep-originals",
        ON_OFF,
        "Whether to store originals and the counts of their duplicates beside the keys\n\nChoose off if all you need \
         is the decision: duplicates are then neither counted by key nor scored, and what was stored is deleted. \
         Originals are stored only if a plugin scores, only the fields that it asks for, and only in the space that \
         keys leave under --max-store-capacity.",
    )
    .or("on");
    static FORWARD_BELOW_SIMILARITY: Setting<f64> = one(
        GROUP,
        "forward-below-similarity",
        "0..1",
        units::share,
        "Forward duplicates that are less similar than this to every original of their key\n\nThey go to the output \
         as distinct events, are counted separately, and become originals of their key, so that copies of them are \
         held back. A key has at most 16 originals. Requires a plugin that scores. A duplicate that could not be \
         scored is not forwarded.",
    );
    static REDACT_VALUES: Setting<bool> = switch(
        GROUP,
        "redact-values",
        "Hide the values of events in duplicates records and on the page\n\nPaths, scores, counts, uuids and \
         coordinates remain; events and changed values do not, and keys are shown as digests under --redaction-key.",
    );
    static REDACTION_KEY: Setting<Secret> = secret(
        GROUP,
        "redaction-key",
        "TEXT",
        redaction_key,
        "Secret for the digests that --redact-values shows instead of keys; at least 16 characters\n\nHosts with the \
         same secret show a key as the same digest. Unset: a random secret, generated at the first start and kept in \
         the file redaction-key in --store-path. Prefer the variable, because other users of the machine can read \
         command lines.",
    );
);

/// What the user said of the explaining.
pub(super) fn config(typed: &Typed) -> Result<ExplanationConfig, SettingsError> {
    let config = ExplanationConfig {
        keep_originals: typed.need(&KEEP_ORIGINALS)?,
        forward_below: typed.get(&FORWARD_BELOW_SIMILARITY)?,
        redact: typed.need(&REDACT_VALUES)?,
    };
    if config.forward_below.is_some() && !config.keep_originals {
        let reason = "needs the originals to compare with: leave --keep-originals on";
        return Err(typed.wrong(&FORWARD_BELOW_SIMILARITY, reason));
    }
    Ok(config)
}

/// A short one could be found by trying, and then the keys as well.
fn redaction_key(text: &str) -> Result<Secret, String> {
    const CHARACTERS_MIN: usize = 16;
    match text.chars().count() {
        CHARACTERS_MIN.. => units::secret(text),
        few => Err(format!(
            "has {few} characters, and at least {CHARACTERS_MIN} are required: use a random one, such as from \
             `openssl rand -hex 32`"
        )),
    }
}
