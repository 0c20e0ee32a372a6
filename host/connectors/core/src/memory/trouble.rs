//! What may go wrong with a call. Not when: whoever makes the trouble says so.

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`crate::Sink::send`].
    Send,
    /// [`crate::CommittingSink::flush`].
    Flush,
    /// [`crate::CommittingSink::commit`].
    Commit,
    /// [`crate::CommittingSink::reconnect`], and the first connection.
    Connect,
    /// [`crate::CommittingSink::committed`] and [`crate::Inquiry::committed`].
    Committed,
    /// [`crate::Source::begin`] and [`crate::Source::begin_anew`].
    Begin,
    /// [`crate::Source::seek`].
    Seek,
    /// [`crate::Inquiry::bounds`].
    Bounds,
    /// [`crate::Inquiry::inspect`], [`crate::Inquiry::peek`] and [`crate::Inquiry::letters`].
    Read,
}

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It fails, or is not done; the next attempt may do better.
    Fails,
    /// It fails, and no attempt will do better.
    Hopeless,
    /// Another has taken the name of the sink by then. To a call that is none of a sink's it means nothing.
    Fenced,
    /// Of a commit: nobody hears of its end.
    Unknown {
        /// Which end it is.
        is_committed: bool,
        /// So many questions are answered with "pending" before anybody can see the end.
        pending: u32,
    },
    /// It waits for [`super::MemorySystem::release`], and then goes its way.
    Waits,
}
