//! The gallery's plugins are its examples, one a folder: see README.md. There is nothing here.
