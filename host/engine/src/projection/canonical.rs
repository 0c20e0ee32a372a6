//! Objects and arrays as canonical text: one text for all spellings of a value. It works on checked text only.

use super::Numbers;
use super::text::{quote, quote_halves, unescape};
use super::walk::{Tokens, kind};
use crate::fields::Kind;

/// From the byte that opens an object or array to the byte that closes it.
const CLOSE: u8 = b'}' - b'{';

/// A member of an object, or an element of an array (whose name is empty).
#[derive(Debug, Clone, Copy, Default)]
struct Member {
    name_start: u32,
    name_end: u32,
    /// The first token of its value.
    token: u32,
    /// The value's own members.
    first: u32,
    last: u32,
}

/// An object or array not closed yet.
#[derive(Debug)]
struct Open {
    member: Member,
    object: bool,
    /// Where its members begin among those waiting.
    waiting: usize,
}

/// Writes canonical text with a stack of its own, so that depth is bounded by memory and not by the thread's stack.
/// Kept from event to event for its memory.
#[derive(Debug, Default)]
pub(crate) struct Canonical {
    names: Vec<u8>,
    open: Vec<Open>,
    /// Members of objects and arrays not closed yet.
    waiting: Vec<Member>,
    /// Members of those closed, side by side.
    members: Vec<Member>,
    /// Objects and arrays whose members are not all written, and the next of these.
    writing: Vec<(Member, u32)>,
    string: Vec<u8>,
}

impl Canonical {
    /// Appends the object or array that begins at token `first`: no whitespace, members ordered by the bytes of their
    /// names, of members with one name only the last, strings with the fewest escapes. A string may stand there too.
    pub(crate) fn write(&mut self, text: Tokens<'_>, first: usize, numbers: Numbers, out: &mut Vec<u8>) {
        if self.write_flat(text, first, numbers, out) {
            return;
        }
        if text.byte(first) == b'"' {
            return self.write_scalar(text, first, numbers, out);
        }
        self.names.clear();
        self.members.clear();
        self.waiting.clear();
        let root = self.read(text, first);
        self.write_members(text, root, numbers, out);
    }

    /// Writes an array of scalars, or what is empty: nothing there has to be ordered. False, and nothing written, where
    /// the value is another.
    #[inline]
    fn write_flat(&mut self, text: Tokens<'_>, first: usize, numbers: Numbers, out: &mut Vec<u8>) -> bool {
        let inside = text.firsts.get(first + 1..).unwrap_or_default();
        let Some(length) = inside.iter().position(|byte| matches!(byte, b'{' | b'[' | b'}' | b']')) else {
            return false;
        };
        let (open, close) = (text.byte(first), text.byte(first + 1 + length));
        if close != open + CLOSE || open == b'{' && length > 0 {
            return false;
        }
        out.push(open);
        for token in first + 1..first + 1 + length {
            match text.byte(token) {
                b',' => out.push(b','),
                _ => self.write_scalar(text, token, numbers, out),
            }
        }
        out.push(close);
        true
    }

    /// Collects the members of everything inside, ordered.
    fn read(&mut self, text: Tokens<'_>, first: usize) -> Member {
        let mut member = Member::default();
        let mut token = first;
        loop {
            member.token = token as u32;
            match text.byte(token) {
                byte @ (b'{' | b'[') => {
                    self.open.push(Open { member, object: byte == b'{', waiting: self.waiting.len() });
                    member = Member::default();
                }
                b'}' | b']' => {
                    if let Some(root) = self.close() {
                        return root;
                    }
                }
                b',' | b':' => {}
                // Only a name is followed by a colon.
                b'"' if text.byte(token + 1) == b':' => {
                    member.name_start = self.names.len() as u32;
                    text.push_text(token, &mut self.names);
                    member.name_end = self.names.len() as u32;
                }
                // After the last token; a checked text closes before.
                0 => return member,
                _ => self.waiting.push(std::mem::take(&mut member)),
            }
            token += 1;
        }
    }

    /// Closes the innermost object or array; gives it back if it is the outermost.
    fn close(&mut self) -> Option<Member> {
        let Open { mut member, object, waiting } = self.open.pop()?;
        let names = &self.names;
        let name =
            |member: &Member| names.get(member.name_start as usize..member.name_end as usize).unwrap_or_default();
        let own = self.waiting.get_mut(waiting..).unwrap_or_default();
        if object {
            // Later members of one name first, for the first to stay.
            own.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(b.token.cmp(&a.token)));
        }
        member.first = self.members.len() as u32;
        for next in own {
            let before = self.members.get(member.first as usize..).unwrap_or_default().last();
            if !object || before.is_none_or(|before| name(before) != name(next)) {
                self.members.push(*next);
            }
        }
        member.last = self.members.len() as u32;
        self.waiting.truncate(waiting);
        if self.open.is_empty() {
            return Some(member);
        }
        self.waiting.push(member);
        None
    }

    /// Writes what was collected, a member after the other.
    fn write_members(&mut self, text: Tokens<'_>, root: Member, numbers: Numbers, out: &mut Vec<u8>) {
        let mut container = root;
        let mut at = root.first;
        out.push(text.byte(root.token as usize));
        loop {
            let open = text.byte(container.token as usize);
            let member = self.members.get(at as usize).copied().filter(|_| at < container.last);
            let Some(member) = member else {
                out.push(open + CLOSE);
                let Some(above) = self.writing.pop() else { return };
                (container, at) = above;
                continue;
            };
            if at > container.first {
                out.push(b',');
            }
            if open == b'{' {
                let name = self.names.get(member.name_start as usize..member.name_end as usize).unwrap_or_default();
                if text.halves {
                    quote_halves(name, out)
                } else {
                    quote(name, out)
                }
                out.push(b':');
            }
            at += 1;
            let first = text.byte(member.token as usize);
            if matches!(first, b'{' | b'[') {
                out.push(first);
                self.writing.push((container, at));
                (container, at) = (member, member.first);
            } else {
                self.write_scalar(text, member.token as usize, numbers, out);
            }
        }
    }

    fn write_scalar(&mut self, text: Tokens<'_>, token: usize, numbers: Numbers, out: &mut Vec<u8>) {
        let kind = kind(text.byte(token));
        if kind == Kind::Number {
            numbers.write(text.scalar(token), out);
        } else if kind == Kind::String && text.escaped(token) {
            self.string.clear();
            unescape(text.string(token), &mut self.string);
            if text.halves { quote_halves(&self.string, out) } else { quote(&self.string, out) }
        } else {
            // A string without escapes already has the fewest.
            text.push_scalar(token, out);
        }
    }
}
