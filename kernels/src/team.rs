//! Threads that share the work of one kernel.
//!
//! A minibatch of several shards keeps cores busy by itself. One tune, one long sequence or a window does not: its steps
//! follow from one another, and a step takes microseconds. A [`Team`] splits each of them over its outputs (units, panels,
//! rows), which changes no bit of any. Its helpers wait for the next kernel spinning, because waking a thread
//! takes longer than a step; after some microseconds without work they sleep.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The calling thread and its helpers. A process that forks leaves the helpers behind: a team is of no use to its child.
#[derive(Debug)]
pub struct Team {
    /// None where there are no helpers.
    shared: Option<Arc<Shared>>,
    helpers: Vec<JoinHandle<()>>,
}

/// What a round of work is: called once for each member, with its number.
type Work<'a> = &'a (dyn Fn(usize) + Sync);

struct Shared {
    call: Call,
    /// For each helper.
    seats: Box<[Seat]>,
    /// A helper's panic.
    panicked: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What the caller writes and every helper watches, in a cache line of its own.
#[repr(align(128))]
struct Call {
    /// The number of the present round, and below it in [`MEMBER_BITS`] how many members take part; [`OVER`] when the team is dissolved.
    round: AtomicU64,
    /// The work of the present round. Written by the caller between rounds, read within one by the helpers that take part.
    work: UnsafeCell<Work<'static>>,
}

/// What a helper writes and the caller watches, likewise.
#[derive(Debug)]
#[repr(align(128))]
struct Seat {
    /// The last round that it took part in and is done with.
    done: AtomicU64,
    asleep: AtomicBool,
}

/// Bits of a round that say how many members take part.
const MEMBER_BITS: u32 = 16;
/// The largest team.
const MOST_MEMBERS: usize = (1 << MEMBER_BITS) - 1;
/// A round that all take part in.
const OVER: u64 = u64::MAX;

// SAFETY: `work` is the one field that is not `Sync` by itself. It is written only in `Team::run`, which borrows the team mutably, at a time when
// all helpers that took part in the round before are done with it; a helper reads it only after it saw a new round begin in which it takes
// part, and before it says that it is done with it. What it points to is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing in it belongs to one thread.
unsafe impl Send for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("seats", &self.seats).finish_non_exhaustive()
    }
}

/// How often a helper looks for work before it sleeps: tens of microseconds.
const LOOKS: u32 = 4000;

/// Multiply-adds that are worth one more thread: about a microsecond's. Tests split all they can.
const WORTH: usize = if cfg!(test) { 1 } else { 1 << 15 };

impl Team {
    /// The calling thread by itself.
    pub fn alone() -> Self {
        Team { shared: None, helpers: Vec::new() }
    }

    /// The calling thread and `members - 1` helpers, or as many as the system gives; how many changes no result.
    pub fn new(members: usize) -> Self {
        if members <= 1 {
            return Team::alone();
        }
        let seat = |_| Seat { done: AtomicU64::new(0), asleep: AtomicBool::new(false) };
        let shared = Arc::new(Shared {
            call: Call { round: AtomicU64::new(0), work: UnsafeCell::new(&|_| {}) },
            seats: (1..members.min(MOST_MEMBERS)).map(seat).collect(),
            panicked: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let helper = |seat: usize| {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("team {seat}")).spawn(move || shared.help(seat)).ok()
        };
        let helpers = (0..shared.seats.len()).map_while(helper).collect();
        Team { shared: Some(shared), helpers }
    }

    /// How many threads work.
    pub fn members(&self) -> usize {
        1 + self.helpers.len()
    }

    /// Cuts `0..count` into contiguous parts and does `work` on each, by as many members as `count` and `multiply_adds` are worth. The
    /// others sleep on: to wait for them too would cost more than they could do.
    pub(crate) fn split(
        &mut self,
        count: usize,
        multiply_adds: usize,
        work: &(impl Fn(Range<usize>) + Sync),
    ) {
        let members = self.members().min(count).min((multiply_adds / WORTH).saturating_add(1));
        if members <= 1 || self.wake(members) > 0 {
            return work(0..count);
        }
        self.run(members, &|member| work(member * count / members..(member + 1) * count / members));
    }

    /// [`Team::split`] over the rows of `values`, each `width` long: `work` gets the number of its first row, and its rows.
    pub(crate) fn split_rows(
        &mut self,
        values: &mut [f32],
        width: usize,
        multiply_adds: usize,
        work: &(impl Fn(usize, &mut [f32]) + Sync),
    ) {
        assert!(width > 0 && values.len().is_multiple_of(width), "whole rows");
        let (count, output) = (values.len() / width, Output::new(values));
        self.split(count, multiply_adds, &|rows| {
            // SAFETY: the members' rows are distinct and lie within `values`, which nobody else can reach meanwhile.
            let part =
                unsafe { std::slice::from_raw_parts_mut(output.at(rows.start * width), rows.len() * width) };
            work(rows.start, part);
        });
    }

    /// Wakes those of the first `members` that sleep, and says how many did. That takes longer than most kernels, so nobody waits for
    /// them.
    fn wake(&self, members: usize) -> usize {
        let sleeps = |(seat, helper): (&Seat, &JoinHandle<()>)| {
            let asleep = seat.asleep.load(SeqCst);
            if asleep {
                helper.thread().unpark();
            }
            asleep
        };
        let seats = self.shared.iter().flat_map(|shared| &shared.seats);
        seats.zip(&self.helpers).take(members - 1).map(sleeps).filter(|&asleep| asleep).count()
    }

    /// Calls `work` once for each of the first `members`, at least one, and returns when all have returned.
    ///
    /// # Panics
    /// Where `work` does, after all parts have ended.
    fn run(&mut self, members: usize, work: Work) {
        let Some(shared) = &self.shared else { return work(0) };
        let Shared { call, seats, panicked, panic } = &**shared;
        // SAFETY: only the lifetime changes. The reference is used until all parts are done, and this function does not return
        // or unwind before. Nobody reads the cell meanwhile: see `Sync` above.
        unsafe { *call.work.get() = std::mem::transmute::<Work<'_>, Work<'static>>(work) };
        let number = (call.round.load(Relaxed) >> MEMBER_BITS) + 1;
        let round = number << MEMBER_BITS | members as u64;
        call.round.store(round, SeqCst);
        // Either a helper that is about to sleep sees this round, or it is seen asleep here.
        self.wake(members);
        let mut outcome = catch_unwind(AssertUnwindSafe(|| work(0)));
        for seat in &seats[..members - 1] {
            let mut looks = 0;
            while seat.done.load(Acquire) != round {
                looks += 1;
                if looks < LOOKS { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
        if panicked.swap(false, Relaxed) {
            let panic = panic.lock().unwrap_or_else(PoisonError::into_inner).take();
            outcome = outcome.and(panic.map_or(Ok(()), Err));
        }
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.call.round.store(OVER, SeqCst);
        }
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // A helper catches what its work panics with, so it ends well.
            let _ = helper.join();
        }
    }
}

impl Shared {
    /// A helper's life.
    fn help(&self, seat: usize) {
        let done = &self.seats[seat].done;
        let mut round = 0;
        loop {
            round = self.await_round(round, seat);
            if round == OVER {
                return;
            }
            // SAFETY: the round has begun and does not end before this helper says so, so the work is there and alive.
            let work = unsafe { *self.call.work.get() };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(seat + 1))) {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                self.panicked.store(true, Relaxed);
            }
            done.store(round, Release);
        }
    }

    /// The next round after `last` that the helper takes part in: spinning at first, then asleep.
    fn await_round(&self, last: u64, seat: usize) -> u64 {
        let takes_part = |round: u64| round != last && seat + 1 < round as usize & MOST_MEMBERS;
        let asleep = &self.seats[seat].asleep;
        let mut looks = 0;
        loop {
            let round = self.call.round.load(Acquire);
            if takes_part(round) {
                return round;
            }
            looks += 1;
            if looks < LOOKS {
                std::hint::spin_loop();
                continue;
            }
            asleep.store(true, SeqCst);
            if !takes_part(self.call.round.load(SeqCst)) {
                std::thread::park();
            }
            asleep.store(false, SeqCst);
            looks = 0;
        }
    }
}

/// Where all members of a team write, each to places of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output(*mut f32);

// SAFETY: a pointer by itself is harmless; who writes through it answers for the place.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    pub fn new(slice: &mut [f32]) -> Self {
        Output(slice.as_mut_ptr())
    }

    /// The pointer to number `at`.
    pub fn at(self, at: usize) -> *mut f32 {
        self.0.wrapping_add(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_part_is_done_once() {
        for members in [1, 2, 3, 5] {
            let mut team = Team::new(members);
            assert_eq!(team.members(), members);
            for round in 0..2000 {
                let count = round % 13;
                let times: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                team.split(count, usize::MAX, &|part| {
                    for at in part {
                        times[at].fetch_add(1, Relaxed);
                    }
                });
                assert!(times.iter().all(|t| t.load(Relaxed) == 1), "{members} members, {count} places");
            }
        }
    }

    #[test]
    fn helpers_that_sleep_wake_up() {
        let mut team = Team::new(3);
        for _ in 0..5 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let sum = AtomicUsize::new(0);
            team.run(3, &|member| {
                sum.fetch_add(1 + member, Relaxed);
            });
            assert_eq!(sum.into_inner(), 6);
        }
    }

    #[test]
    fn members_without_a_part_are_left_alone() {
        let mut team = Team::new(5);
        let rounds = |team: &Team| -> Vec<u64> {
            let seats = &team.shared.as_ref().expect("helpers").seats;
            seats.iter().map(|seat| seat.done.load(Relaxed) >> MEMBER_BITS).collect()
        };
        for _ in 0..100 {
            team.run(2, &|member| assert!(member < 2));
        }
        assert_eq!(rounds(&team), [100, 0, 0, 0]);
        // Long enough for those to sleep; they wake up where they are needed.
        std::thread::sleep(std::time::Duration::from_millis(20));
        team.run(5, &|_| ());
        team.run(3, &|_| ());
        assert_eq!(rounds(&team), [102, 102, 101, 101]);
        // Work for two, and none for more.
        let parts = AtomicUsize::new(0);
        while parts.load(Relaxed) < 2 {
            parts.store(0, Relaxed);
            team.split(100, 2 * WORTH - 1, &|part| {
                assert!(part.len() >= 50);
                parts.fetch_add(1, Relaxed);
            });
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let mut team = Team::new(3);
        for member in 0..3 {
            let ended = AtomicUsize::new(0);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                team.run(3, &|m| {
                    ended.fetch_add(1, Relaxed);
                    assert!(m != member, "as planned");
                })
            }));
            assert!(outcome.is_err());
            assert_eq!(ended.into_inner(), 3);
        }
        let sum = AtomicUsize::new(0);
        team.run(3, &|member| {
            sum.fetch_add(member, Relaxed);
        });
        assert_eq!(sum.into_inner(), 3);
    }

    #[test]
    fn little_work_stays_with_the_caller() {
        let caller = std::thread::current().id();
        Team::new(4).split(100, 0, &|part| {
            assert_eq!((part, std::thread::current().id()), (0..100, caller));
        });
    }
}
