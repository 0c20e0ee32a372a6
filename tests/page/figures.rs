//! Made-up figures of a host, in the shape that it answers. Not a test.

use serde_json::{Value, json};

/// Two partitions, one plugin of each role, all well.
pub(crate) fn status() -> Value {
    let partition = |partition: u64| {
        json!({
            "topic": "events", "partition": partition, "phase": "live", "reason": "", "position": 41_230_000 + partition,
            "committed": 41_229_000, "applied": 40_110_000,
            "checkpoints": [
                { "place": "local", "offset": 40_100_000, "bytes": 734_003_200, "age_seconds": 60 },
                { "place": "s3", "offset": 39_000_000, "bytes": 734_003_200, "age_seconds": 7200, "failing": "no answer" },
            ], "lag": 1200 + partition, "keys": 20_123_000,
            "state_bytes": 734_003_200_u64, "originals_bytes": 31_457_280, "window_seconds": 86400
        })
    };
    json!({
        "version": "0.1.0", "started_at": 1_767_225_600_000_u64, "uptime_seconds": 11_520, "heartbeat_age_ms": 12,
        "ready": true, "reasons": [], "partitions": [partition(0), partition(1)], "plugin_generation": 2,
        "last_swap": { "at": 1_767_225_660_000_u64, "by": "file", "result": "refused", "detail": "it is not a wasm file" },
        "plugins": [
            { "name": "composite_key", "version": "0.1.0", "digest": "3fa9".repeat(16), "roles": ["key-extractor"],
              "since": 1_767_225_600_000_u64, "calls": 1000, "failures": 0, "seconds": 0.025, "events": 1_000_000 },
            { "name": "property_similarity", "version": "0.2.0", "digest": "ab12".repeat(16),
              "roles": ["similarity-scorer"], "since": 1_767_225_600_000_u64, "calls": 500, "failures": 2, "seconds": 0.5, "events": 250_000 }
        ]
    })
}

fn bars(bounds: &[f64], counts: &[u64], sum: f64) -> Value {
    json!({ "bounds": bounds, "counts": counts, "sum": sum })
}

/// A million events, a tenth of them duplicates.
pub(crate) fn duplicates() -> Value {
    let likeness = [0.2, 0.4, 0.6, 0.8, 0.9, 1.0];
    json!({
        "at_ms": 1,
        "totals": { "consumed": 1_234_567, "unique": 1_100_000, "duplicate": 130_000, "dissimilar": 4000, "late": 500,
                    "keyless": 60, "dead_letter": 7, "bytes": 1_073_741_824_u64 },
        "outcomes": { "same_event": 80_000, "same_uuid": 1000, "only_uuid_different": 40_000, "content_differs": 8000,
                      "unscored": 1000 },
        "similarity": bars(&likeness, &[0, 0, 10, 90, 900, 129_000, 0], 128_500.0),
        "property_similarity": bars(&likeness, &[10, 20, 30, 90, 900, 9000, 0], 9500.0),
        "uuid_similarity": bars(&likeness, &[40_000, 9000, 0, 0, 0, 81_000, 0], 82_000.0),
        "duplicates_per_key": bars(&[1.0, 2.0, 4.0, 8.0], &[100_000, 12_000, 600, 20, 1], 131_000.0),
        "distinct_uuids_per_key": bars(&[1.0, 2.0, 4.0], &[90_000, 900, 30, 0], 92_000.0),
        "gap_seconds": bars(&[0.001, 1.0, 60.0, 3600.0, 86400.0], &[5, 400, 90_000, 30_000, 500, 0], 4.0e6),
        "properties": [
            { "path": "/properties/$lib", "changed": 300, "added": 50, "removed": 50, "same": 600 },
            { "path": "/uuid", "changed": 40_000, "added": 0, "removed": 0, "same": 90_000 }
        ],
        "other_properties": { "changed": 1, "added": 2, "removed": 3, "same": 4 },
        "redacted": false
    })
}

/// A key.
pub(crate) fn key(number: u64, text: &str) -> Value {
    json!({
        "key": text, "topic": "events", "partition": 0, "original_offset": number, "duplicates": 381, "distinct_uuids": 3,
        "distinct_uuids_exact": number != 2, "last_offset": 99, "last_seen_ms": 1_767_225_600_000_u64
    })
}

/// Three keys.
pub(crate) fn keys() -> Value {
    json!({ "keys": [key(1, "2026-01-01T00:00:00Z:user-1"), key(2, "user-2"), key(3, "user-3")] })
}

/// A row of a comparison.
pub(crate) fn row(path: &str, change: Value, original: Value, duplicate: Value) -> Value {
    let verdict = if change.is_null() { "same" } else { "changed" };
    json!({ "path": path, "verdict": verdict, "change": change, "original": original, "duplicate": duplicate })
}

/// A duplicate with these rows.
pub(crate) fn duplicate(offset: u64, key: &str, rows: &[Value]) -> Value {
    json!({
        "at_ms": 1_767_225_600_000_u64, "key": key, "topic": "events", "partition": 0, "offset": offset,
        "original_offset": 12, "outcome": "content_differs", "count": 3, "distinct_uuids": 2, "similarity": 0.86,
        "property_similarity": 0.9, "rows": rows, "scorer": "property_similarity 0.2.0"
    })
}

/// Two duplicates: one that differs in every way there is, one that was not compared.
pub(crate) fn latest() -> Value {
    let rows = [
        row("/event", Value::Null, json!("\"click\""), json!("\"click\"")),
        row("/properties/$lib", json!("added"), Value::Null, json!("\"web\"")),
        row("/properties/old", json!("removed"), json!("17"), Value::Null),
        row(
            "/properties/url",
            json!("changed"),
            json!("\"https://x.example/a?p=1\""),
            json!("\"https://x.example/b?p=1\""),
        ),
    ];
    let mut unscored = duplicate(98, "user-2", &[]);
    for name in ["similarity", "property_similarity", "scorer"] {
        unscored[name] = Value::Null;
    }
    unscored["outcome"] = json!("unscored");
    json!({ "duplicates": [duplicate(99, "user-1", &rows), unscored], "redacted": false })
}

/// A host that has just begun: nothing read, nothing known.
pub(crate) fn nothing() -> [Value; 4] {
    let mut status = status();
    status["partitions"] = json!([]);
    status["plugins"] = json!([]);
    let mut duplicates = duplicates();
    for group in ["totals", "outcomes", "other_properties"] {
        duplicates[group].as_object_mut().expect("a group").values_mut().for_each(|count| *count = json!(0));
    }
    for histogram in [
        "similarity",
        "property_similarity",
        "uuid_similarity",
        "duplicates_per_key",
        "distinct_uuids_per_key",
        "gap_seconds",
    ] {
        let counts = duplicates[histogram]["counts"].as_array_mut().expect("counts");
        counts.iter_mut().for_each(|count| *count = json!(0));
        duplicates[histogram]["sum"] = json!(0.0);
    }
    duplicates["properties"] = json!([]);
    [status, duplicates, json!({ "keys": [] }), json!({ "duplicates": [], "redacted": false })]
}
