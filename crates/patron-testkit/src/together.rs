//! Many calls at the same moment.

#![expect(clippy::unwrap_used, reason = "a thread that panicked must fail the test")]

use std::sync::Barrier;

/// Runs `act` in `count` threads that are released together, each after its own `prepare`, and
/// returns what they answered, in the order of their numbers.
///
/// # Panics
/// When one of the threads does.
pub fn together<S, T: Send>(
    count: usize,
    prepare: impl Fn(usize) -> S + Sync,
    act: impl Fn(usize, S) -> T + Sync,
) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (barrier, prepare, act) = (&barrier, &prepare, &act);
                scope.spawn(move || {
                    let prepared = prepare(number);
                    barrier.wait();
                    act(number, prepared)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
