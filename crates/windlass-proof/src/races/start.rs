//! Lets the sides of a race start at their moments, and notes what each of them saw.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use super::history::History;

/// Between the signal and the earliest start: everybody is awake by then.
const LEAD: Duration = Duration::from_micros(200);
/// The end of a wait is waited for awake.
const AWAKE: Duration = Duration::from_micros(150);
/// Looks of somebody who only watches, per round.
const LOOKS_MAX: usize = 16;
/// Between two looks.
const LOOK_PAUSE: Duration = Duration::from_micros(700);

/// One who takes part.
pub(super) struct Side<'a, Q, R> {
    /// Who, for people.
    pub(super) who: &'static str,
    /// What is asked.
    pub(super) request: Q,
    /// When, after the signal.
    pub(super) start: Duration,
    /// Asks; `None` = no answer.
    pub(super) ask: Box<dyn FnOnce() -> Option<R> + Send + 'a>,
}

/// One who watches meanwhile.
pub(super) struct Watcher<'a, Q, R> {
    /// What is asked again and again.
    pub(super) request: Q,
    /// Asks; `None` = no answer.
    pub(super) ask: Box<dyn FnMut() -> Option<R> + Send + 'a>,
}

type Seen<R> = (Option<R>, (Instant, Instant));

/// Runs a race and adds what was seen to its history.
pub(super) fn race<Q, R>(
    history: &mut History<Q, R>,
    sides: Vec<Side<'_, Q, R>>,
    watcher: Option<Watcher<'_, Q, R>>,
) where
    Q: Clone + Send + std::fmt::Debug,
    R: Send + PartialEq + std::fmt::Debug,
{
    let ready = Barrier::new(sides.len() + 1);
    let signal = OnceLock::new();
    let running = AtomicUsize::new(sides.len());
    let (seen, looks) = std::thread::scope(|scope| {
        let threads: Vec<_> = sides
            .into_iter()
            .map(|side| {
                let (ready, signal, running) = (&ready, &signal, &running);
                scope.spawn(move || {
                    ready.wait();
                    until(*signal.wait() + side.start);
                    let begin = Instant::now();
                    let reply = (side.ask)();
                    let span = (begin, Instant::now());
                    running.fetch_sub(1, Ordering::SeqCst);
                    (side.who, side.request, (reply, span))
                })
            })
            .collect();
        ready.wait();
        signal.get_or_init(|| Instant::now() + LEAD);
        let looks = watcher.map(|watcher| watch(watcher, &running));
        let seen: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect();
        (seen, looks)
    });
    for (who, request, (reply, span)) in seen {
        history.add(who, request, reply, span);
    }
    if let Some((request, looks)) = looks {
        for (reply, span) in looks {
            // A look without an answer says nothing.
            if reply.is_some() {
                history.add("watcher", request.clone(), reply, span);
            }
        }
    }
}

fn watch<Q, R>(mut watcher: Watcher<'_, Q, R>, running: &AtomicUsize) -> (Q, Vec<Seen<R>>) {
    let mut looks = Vec::new();
    while running.load(Ordering::SeqCst) > 0 && looks.len() < LOOKS_MAX {
        let begin = Instant::now();
        let reply = (watcher.ask)();
        looks.push((reply, (begin, Instant::now())));
        std::thread::sleep(LOOK_PAUSE);
    }
    (watcher.request, looks)
}

/// A sleep wakes late; the last part is spent awake.
fn until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if let Some(asleep) = left.checked_sub(AWAKE) {
        std::thread::sleep(asleep);
    }
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_noted_and_nobody_starts_early() {
        let mut history: History<u8, u8> = History::begin();
        let side = |request: u8, start_ms: u64| Side {
            who: "side",
            request,
            start: Duration::from_millis(start_ms),
            ask: Box::new(move || (request < 2).then_some(request)),
        };
        let sides = vec![side(0, 0), side(1, 5), side(2, 1)];
        let ask = Box::new(|| Some(9));
        race(&mut history, sides, Some(Watcher { request: 9, ask }));
        let find = |request| {
            let mut all = history.operations().iter();
            all.find(|operation| operation.request == request).cloned()
        };
        let (first, second, lost) = (find(0), find(1), find(2));
        let (first, second) = (first.expect("noted"), second.expect("noted"));
        assert_eq!((first.reply, second.reply), (Some(0), Some(1)));
        assert!(second.begin_ns >= first.begin_ns.min(5_000_000));
        assert_eq!(lost.expect("noted").reply, None);
        assert!(find(9).is_some_and(|look| look.reply == Some(9)));
        assert!(history.operations().len() <= 3 + LOOKS_MAX);
    }
}
