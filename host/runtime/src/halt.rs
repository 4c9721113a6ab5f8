//! The end of all calls: a flag that whatever waits or computes looks at.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use wasmtime::{Store, Trap, UpdateDeadline};

/// How often it is looked at by what waits.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// How often it is looked at by what computes, in ticks of the engine's clock.
const LOOK_TICKS: u64 = 5;

/// Whether calls are to end. Clones are the same flag; it is never taken back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt(Arc<AtomicBool>);

impl Halt {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The outcome; nothing when the time or all calls end before.
    pub(crate) async fn until<T>(
        &self,
        deadline: Instant,
        wait: impl Future<Output = T>,
    ) -> Option<T> {
        let mut wait = std::pin::pin!(wait);
        loop {
            let look = Instant::now() + LOOK;
            let ended = tokio::time::timeout_at(deadline.min(look).into(), &mut wait).await;
            match ended {
                Ok(outcome) => return Some(outcome),
                Err(_) if self.is_set() || Instant::now() >= deadline => return None,
                Err(_) => {}
            }
        }
    }
}

/// What is left of a call, in ticks of the engine's clock.
#[derive(Debug, Default)]
pub(crate) struct Left(u64);

impl Left {
    /// The next look, and what is left after it.
    fn next(&mut self) -> u64 {
        let ticks = self.0.min(LOOK_TICKS);
        self.0 -= ticks;
        ticks
    }
}

/// Has a store look at the flag all the time.
pub(crate) fn watch<T>(store: &mut Store<T>, halt: Halt, left: fn(&mut T) -> &mut Left) {
    store.epoch_deadline_callback(move |mut context| match left(context.data_mut()).next() {
        _ if halt.is_set() => Err(Trap::Interrupt.into()),
        0 => Err(Trap::Interrupt.into()),
        ticks => Ok(UpdateDeadline::Continue(ticks)),
    });
}

/// A call begins that may take so many ticks.
pub(crate) fn begin<T>(store: &mut Store<T>, ticks: u64, left: fn(&mut T) -> &mut Left) {
    let budget = left(store.data_mut());
    *budget = Left(ticks);
    let first = budget.next();
    store.set_epoch_deadline(first);
}
