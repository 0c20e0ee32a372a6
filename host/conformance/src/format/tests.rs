//! Reports in each form, read back.
