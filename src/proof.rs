//! Where the tests kill a run. With the feature `proof` each step of a run has three boundaries: before it, while its
//! request is under way, after it; `CRASH_AT=n` ends the process at the nth of them as a power cut would: nothing is
//! flushed, dropped or said goodbye to.
//!
//! Without the feature, as every user has the program, a step is the future it is given. A release cannot be built with it.

#[cfg(all(feature = "proof", not(debug_assertions)))]
compile_error!("the feature `proof` is for tests: no release has it");

#[cfg(not(feature = "proof"))]
pub(crate) use ordinary::step;
#[cfg(feature = "proof")]
pub(crate) use proving::step;

#[cfg(not(feature = "proof"))]
mod ordinary {
    /// Awaits a step of a run.
    #[inline]
    pub(crate) fn step<F: Future>(_name: &'static str, work: F) -> F {
        work
    }
}

#[cfg(feature = "proof")]
mod proving {
    use std::io::Write;
    use std::pin::pin;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Poll;

    use rustix::process::{Signal, getpid, kill_process};

    /// After so many turns of the runtime a short request has been written to its socket.
    const TURNS: usize = 3;

    /// Awaits a step of a run, and ends the process at the boundary asked for.
    pub(crate) async fn step<F: Future>(name: &'static str, work: F) -> F::Output {
        boundary("before", name);
        let mut work = pin!(work);
        let mut done = None;
        for _ in 0..TURNS {
            if done.is_none() {
                let turn = std::future::poll_fn(|context| {
                    Poll::Ready(match work.as_mut().poll(context) {
                        Poll::Ready(output) => Some(output),
                        Poll::Pending => None,
                    })
                });
                done = turn.await;
            }
            tokio::task::yield_now().await;
        }
        boundary("during", name);
        let output = match done {
            Some(output) => output,
            None => work.await,
        };
        boundary("after", name);
        output
    }

    fn boundary(when: &str, name: &str) {
        static REACHED: AtomicU64 = AtomicU64::new(0);
        static CRASH_AT: LazyLock<Option<u64>> =
            LazyLock::new(|| std::env::var("CRASH_AT").ok()?.parse().ok());
        let reached = REACHED.fetch_add(1, Ordering::Relaxed) + 1;
        if *CRASH_AT == Some(reached) {
            let _ = writeln!(std::io::stderr(), "crash {reached}: {when} {name}");
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}
