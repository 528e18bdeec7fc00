//! The threads of one engine.

use hornpipe_kernels::PanelsMut;

/// One thread is the caller's own; more are a pool of Rayon's. Which of them does what changes no result.
pub(crate) enum Threads {
    One,
    #[cfg(feature = "parallel")]
    Pool(rayon::ThreadPool),
}

/// The system gives no threads.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {threads} threads ({cause}); try fewer with --threads")]
pub struct ThreadError {
    threads: usize,
    cause: String,
}

impl Threads {
    /// So many threads, or with 0 as many as the machine has.
    #[cfg(feature = "parallel")]
    pub fn new(threads: usize) -> Result<Self, ThreadError> {
        if threads == 1 {
            return Ok(Threads::One);
        }
        let build = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = build.map_err(|e| ThreadError { threads, cause: e.to_string() })?;
        Ok(if pool.current_num_threads() == 1 { Threads::One } else { Threads::Pool(pool) })
    }

    /// Without the feature `parallel` there is one, whatever is asked for.
    #[cfg(not(feature = "parallel"))]
    pub fn new(_: usize) -> Result<Self, ThreadError> {
        Ok(Threads::One)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Threads::One => 1,
            #[cfg(feature = "parallel")]
            Threads::Pool(pool) => pool.current_num_threads(),
        }
    }

    /// Does all of `work` on these threads, so that each [`Threads::join`] in it need not wake them.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self {
            Threads::One => work(),
            #[cfg(feature = "parallel")]
            Threads::Pool(pool) => pool.install(work),
        }
    }

    /// Both, at the same time where there are threads for it.
    pub fn join<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        match self {
            Threads::One => (a(), b()),
            #[cfg(feature = "parallel")]
            Threads::Pool(pool) => pool.join(a, b),
        }
    }
}

/// Numbers that one thread works on where work goes element by element: 256 kB of each array. The cut changes no result.
const CHUNK: usize = 1 << 16;

/// Where to cut `len` numbers in two, at a multiple of [`CHUNK`]; nowhere where one thread may as well do them all.
fn middle(len: usize) -> Option<usize> {
    (len > CHUNK).then(|| (len / 2).next_multiple_of(CHUNK).min(len))
}

/// `body` on matching pieces of all slices, on all threads. For work that goes element by element, so that the cut changes no result.
pub(crate) fn for_each_piece<const N: usize>(
    threads: &Threads,
    written: [&mut [f32]; N],
    read: &[f32],
    body: &(impl Fn([&mut [f32]; N], &[f32]) + Sync),
) {
    let Some(middle) = middle(read.len()) else { return body(written, read) };
    let mut halves = written.map(|slice| slice.split_at_mut(middle));
    let low = halves.each_mut().map(|(low, _)| std::mem::take(low));
    let high = halves.map(|(_, high)| high);
    let (read_low, read_high) = read.split_at(middle);
    threads.join(
        || for_each_piece(threads, low, read_low, body),
        || for_each_piece(threads, high, read_high, body),
    );
}

/// `pack` on parts of the panels, on all threads.
pub(crate) fn for_each_part(threads: &Threads, panels: PanelsMut, pack: &(impl Fn(PanelsMut) + Sync)) {
    if threads.count() == 1 || panels.len() <= CHUNK {
        return pack(panels);
    }
    let whole = panels.len();
    let (low, high) = panels.halves();
    if high.len() == whole {
        return pack(high);
    }
    threads.join(|| for_each_part(threads, low, pack), || for_each_part(threads, high, pack));
}

#[cfg(test)]
mod tests {
    use super::*;
    use hornpipe_kernels::{Isa, Packed, Team};

    #[test]
    fn pieces_shrink_until_they_are_small() {
        for len in [0, 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 7 * CHUNK - 3] {
            match middle(len) {
                None => assert!(len <= CHUNK),
                Some(at) => assert!(at > 0 && at < len && at % CHUNK == 0, "{len}: {at}"),
            }
        }
    }

    #[test]
    fn parts_of_panels_are_packed_on_all_threads_as_on_one() {
        // Five panels, and one that is larger than a thread's share.
        for (depth, outputs) in [(900, 4 * 64 + 7), (2 * CHUNK / 64 + 1, 3)] {
            let w: Vec<f32> = (0..depth * outputs).map(|k| k as f32).collect();
            let mut packed = [1, 2, 3].map(|count| {
                let mut packed = Packed::new(Isa::best(), depth, outputs);
                let threads = Threads::new(count).unwrap();
                for_each_part(&threads, packed.panels_mut(), &|part| part.pack_rows(&w));
                packed
            });
            let x: Vec<f32> = (0..depth).map(|k| (k % 7) as f32 - 3.0).collect();
            let products = packed.each_mut().map(|packed| {
                let mut out = vec![f32::NAN; outputs];
                packed.multiply(&x, None, &mut out, &mut Team::alone());
                out
            });
            assert!(products.iter().all(|product| *product == products[0]));
            assert!(products[0].iter().any(|&x| x != 0.0));
        }
    }

    #[test]
    fn every_piece_is_done_once() {
        for count in [1, 2] {
            let (mut a, mut b, read) =
                (vec![1.0; 3 * CHUNK + 5], vec![2.0; 3 * CHUNK + 5], vec![4.0; 3 * CHUNK + 5]);
            for_each_piece(&Threads::new(count).unwrap(), [&mut a, &mut b], &read, &|[a, b], read| {
                assert!(a.len() <= CHUNK && a.len() == b.len() && a.len() == read.len());
                a.iter_mut().zip(b).zip(read).for_each(|((a, b), read)| {
                    *a += read;
                    *b += read;
                });
            });
            assert!(a.iter().all(|&x| x == 5.0) && b.iter().all(|&x| x == 6.0));
        }
    }

    #[test]
    fn both_halves_are_done() {
        for count in [1, 2] {
            let threads = Threads::new(count).unwrap();
            assert_eq!(threads.install(|| threads.join(|| 1, || threads.join(|| 2, || 3))), (1, (2, 3)));
            assert_eq!(threads.join(|| 1, || 2), (1, 2));
        }
    }
}
