//! JSON pointers (RFC 6901) as they stand in configurations: a list that says of any property whether it lies at or below
//! one of them. Not a parser: nothing is looked up in an event.

use crate::event::same_bytes;

/// Most pointers of a list. Each is compared with the pointer of each property.
const POINTERS_MAX: usize = 64;

/// A list of pointers, each of which stands for everything at and below it; the empty one for the whole event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pointers(Vec<Vec<u8>>);

impl Pointers {
    /// A list. An empty list covers nothing, and asking it costs nothing.
    ///
    /// # Errors
    /// One is no JSON pointer, or there are more than 64.
    pub fn new(pointers: &[impl AsRef<str>]) -> Result<Self, String> {
        if pointers.len() > POINTERS_MAX {
            return Err(format!("a list has {} pointers, and it may have {POINTERS_MAX}", pointers.len()));
        }
        pointers.iter().try_for_each(|pointer| check(pointer.as_ref()))?;
        Ok(Self(pointers.iter().map(|pointer| pointer.as_ref().as_bytes().to_vec()).collect()))
    }

    /// Whether the place `path` lies at or below one of them.
    #[inline]
    #[must_use]
    pub fn covers(&self, path: &[u8]) -> bool {
        self.0.iter().any(|pointer| covers(pointer, path))
    }
}

/// Whether the place `path` lies at or below `pointer`.
#[inline]
#[must_use]
pub fn covers(pointer: &[u8], path: &[u8]) -> bool {
    match path.split_at_checked(pointer.len()) {
        Some((head, rest)) => rest.first().is_none_or(|next| *next == b'/') && same_bytes(head, pointer),
        None => false,
    }
}

/// Checks that a text is a JSON pointer.
///
/// # Errors
/// What is wrong with it and what would be right.
pub fn check(pointer: &str) -> Result<(), String> {
    let escapes = pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    match (pointer.is_empty() || pointer.starts_with('/'), escapes) {
        (false, _) => Err(format!("\"{pointer}\" is no JSON pointer: write \"/{pointer}\"")),
        (true, false) => Err(format!("\"{pointer}\" is no JSON pointer: write ~0 for ~ and ~1 for / in a name")),
        (true, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_covers_what_is_at_and_below_it() {
        let check = |pointer: &str, path: &str| covers(pointer.as_bytes(), path.as_bytes());
        for path in ["/a", "/a/b", "/a/b/c", "/a/"] {
            assert!(check("/a", path), "{path}");
        }
        for path in ["", "/", "/ab", "/b/a", "/A", "/a~1b"] {
            assert!(!check("/a", path), "{path}");
        }
        assert!(check("", "") && check("", "/any/thing"), "the empty pointer is the whole event");
        assert!(check("/properties/$current_url", "/properties/$current_url/host"));
        assert!(!check("/properties/$current_url", "/properties/$current_uri"));
    }

    #[test]
    fn a_list_covers_what_any_of_its_pointers_covers() {
        let list = Pointers::new(&["/a", "/b/c"]).unwrap();
        assert!(list.covers(b"/a/x") && list.covers(b"/b/c") && !list.covers(b"/b"));
        assert!(!Pointers::default().covers(b""));
    }

    #[test]
    fn what_is_no_list_of_pointers() {
        assert!(Pointers::new(&["a/b"]).unwrap_err().contains("write \"/a/b\""));
        assert!(Pointers::new(&["/a~b"]).unwrap_err().contains("~0 for ~"));
        assert!(Pointers::new(&vec!["/a"; 65]).unwrap_err().contains("65 pointers, and it may have 64"));
    }
}
