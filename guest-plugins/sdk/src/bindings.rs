//! Bindings generated from `wit/`, all of them; nothing here is written by hand, and authors never see it.

pub mod key {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "key-plugin",
        pub_export_macro: true,
        export_macro_name: "export_key",
        default_bindings_module: "dedup_plugin::bindings::key",
        additional_derives: [PartialEq],
    });
}

pub mod scoring {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "similarity-plugin",
        pub_export_macro: true,
        export_macro_name: "export_scoring",
        default_bindings_module: "dedup_plugin::bindings::scoring",
        with: {
            "dedup:plugin/types@1.0.0": crate::bindings::types,
            "dedup:plugin/log@1.0.0": crate::bindings::log,
        },
    });
}

pub use key::dedup::plugin::{log, types};
