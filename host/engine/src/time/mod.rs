//! Time as events tell it: the time of an event, and the clock of a partition. Never the clock of the machine.

mod clock;
mod event;

pub use clock::{CLOCK_RECORDS, Clock, ClockRules};
pub use event::{EventTime, Unusable, event_time, parse_event_time, record_time};
