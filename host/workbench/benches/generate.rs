//! How fast events are made, against copying the same bytes. Prints medians.

use std::hint::black_box;
use std::time::Instant;

use workbench::generate::{Generator, Spec, SpecError};

const EVENTS: u64 = 500_000;
const ROUNDS: usize = 5;

fn main() -> Result<(), SpecError> {
    let mut generator = Generator::new(Spec { events: EVENTS, ..Spec::default() })?;
    let mut bytes = Vec::new();
    let made = median(|| {
        generator.seek(0);
        bytes.clear();
        while let Some(event) = generator.next(&mut bytes) {
            bytes.push(b'\n');
            black_box(event);
        }
    });
    let mut copy = Vec::with_capacity(bytes.len());
    let copied = median(|| {
        copy.clear();
        copy.extend_from_slice(black_box(&bytes));
    });
    let report = |name, seconds| {
        let (events, size) = (EVENTS as f64 / seconds / 1e6, bytes.len() as f64 / seconds / 1e6);
        println!("{name:<22} {events:>8.2} M events/s {size:>8.0} MB/s");
    };
    println!("{EVENTS} events of {} bytes on average", bytes.len() as u64 / EVENTS);
    report("generate", made);
    report("copy the same bytes", copied);
    Ok(())
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
}
