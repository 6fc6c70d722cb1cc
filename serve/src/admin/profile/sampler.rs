//! Notes where the program is, a hundred times for each second of processor time.
//!
//! A signal interrupts a thread anywhere, while it allocates or holds any lock. So what handles it allocates nothing,
//! waits for nothing and calls nothing of the system: it walks the stack by the unwinder's tables, which the C library
//! finds without a lock, and writes addresses into memory that is always there.

use std::{
    collections::HashMap,
    ffi::c_int,
    fs, io,
    ops::Range,
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// The stacks that were met, innermost address first, and how often each was. Those that found no room are counted
/// without a stack.
pub(super) type Samples = HashMap<Vec<usize>, u64>;

/// A profile that is being taken. There is one at a time; dropped, it ends.
#[derive(Debug)]
pub(super) struct Sampler(());

/// Processor time between two samples. The kernel counts in ticks of 1 to 10 ms and gives no finer one.
pub(super) const PERIOD: Duration = Duration::from_millis(10);

/// Frames of one stack. What lies deeper is left out.
const DEPTH: usize = 128;

/// Addresses of all samples together, each sample with its length before it. A sample of `serve` has about 40, so this
/// is enough for 60 s of four processors. Memory that was never written to takes no room.
const ROOM: usize = 1 << 20;

/// How long whoever has been interrupted is left to write his note, before it is looked again whether he has.
const MOMENT: Duration = Duration::from_millis(1);

static NOTES: [AtomicUsize; ROOM] = [const { AtomicUsize::new(0) }; ROOM];
static WRITTEN: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether whoever is interrupted is to take a note.
static NOTING: AtomicBool = AtomicBool::new(false);
/// How many have been interrupted and are not done.
static INTERRUPTED: AtomicUsize = AtomicUsize::new(0);
/// Samples that found no room.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
/// Where the code lies that the kernel maps into every program (the vDSO). Its unwinding tables are wrong on some
/// systems: nobody walks past it.
static KERNEL: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

impl Sampler {
    /// Starts a profile, unless one is being taken.
    pub(super) fn start() -> io::Result<Option<Self>> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let sampler = Self(());
        let kernel = kernels_code().unwrap_or_default();
        KERNEL[0].store(kernel.start, Ordering::Relaxed);
        KERNEL[1].store(kernel.end, Ordering::Relaxed);
        // What is done for the first time only, such as loading the unwinder, is done before anybody is interrupted.
        NOTING.store(true, Ordering::SeqCst);
        interrupted(libc::SIGPROF);
        WRITTEN.store(0, Ordering::Relaxed);
        LEFT_OUT.store(0, Ordering::Relaxed);
        handle()?;
        tick(PERIOD)?;
        Ok(Some(sampler))
    }

    /// Ends the profile: what was met.
    pub(super) fn stop(self) -> Samples {
        end();
        let mut samples = Samples::new();
        let mut at = 0;
        let written = WRITTEN.load(Ordering::Relaxed);
        while at < written {
            let length = NOTES[at].load(Ordering::Relaxed);
            let end = (at + 1).saturating_add(length).min(written);
            let stack: Vec<_> = NOTES[at + 1..end].iter().map(|note| note.load(Ordering::Relaxed)).collect();
            *samples.entry(stack).or_default() += 1;
            at = end;
        }
        let left_out = LEFT_OUT.load(Ordering::Relaxed);
        if left_out > 0 {
            *samples.entry(Vec::new()).or_default() += left_out;
        }
        samples
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        end();
        TAKEN.store(false, Ordering::Release);
    }
}

/// Stops the clock, and waits until every note is whole. Whoever is interrupted waits for nobody, so all come to an end;
/// a signal that is delivered after that finds that nothing is to be noted.
fn end() {
    let _stopped = tick(Duration::ZERO);
    NOTING.store(false, Ordering::SeqCst);
    while INTERRUPTED.load(Ordering::SeqCst) > 0 {
        thread::sleep(MOMENT);
    }
}

/// What the kernel calls in whichever thread it interrupts.
extern "C" fn interrupted(_signal: c_int) {
    INTERRUPTED.fetch_add(1, Ordering::SeqCst);
    if NOTING.load(Ordering::SeqCst) {
        note();
    }
    INTERRUPTED.fetch_sub(1, Ordering::SeqCst);
}

/// Notes the stack below the handler, which is known by the handler's address.
fn note() {
    let handler = interrupted as extern "C" fn(c_int) as usize;
    let kernel = KERNEL[0].load(Ordering::Relaxed)..KERNEL[1].load(Ordering::Relaxed);
    let (mut stack, mut length) = ([0; DEPTH], 0);
    // The unwinder's own frames come first, then the handler, then that by which the kernel called it.
    let (mut handler_met, mut kernel_met) = (false, false);
    let each = |frame: &backtrace::Frame| {
        if !handler_met {
            handler_met = frame.symbol_address() as usize == handler;
            return true;
        }
        if !kernel_met {
            kernel_met = true;
            return true;
        }
        let address = frame.ip() as usize;
        let Some(place) = stack.get_mut(length) else { return false };
        // Of a caller it is the address behind its call, which may be another function's.
        *place = if length == 0 { address } else { address.saturating_sub(1) };
        length += 1;
        !kernel.contains(&address)
    };
    #[expect(unsafe_code, reason = "the safe form takes a lock, which an interrupted thread may hold")]
    // SAFETY: it must not run at once with what changes the tables that it walks by. The C library keeps these, for what
    // it has loaded, and finds them without a lock (glibc 2.35 and newer); and nothing looks up names by this library.
    unsafe {
        backtrace::trace_unsynchronized(each);
    }
    let end = |at: usize| at.checked_add(length + 1).filter(|end| *end <= ROOM);
    let at = WRITTEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, end).ok();
    let Some((first, others)) = at.and_then(|at| NOTES.get(at..=at + length)?.split_first()) else {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        return;
    };
    first.store(length, Ordering::Relaxed);
    for (note, address) in others.iter().zip(stack) {
        note.store(address, Ordering::Relaxed);
    }
}

/// From now on the signal of the profile's clock is handled. System calls that it interrupts go on.
fn handle() -> io::Result<()> {
    let handler = interrupted as extern "C" fn(c_int);
    #[expect(unsafe_code, reason = "whoever handles this signal has to be told to the system")]
    // SAFETY: the handler does nothing that a signal's handler must not do; the head of this file says why.
    let before = unsafe { libc::signal(libc::SIGPROF, handler as libc::sighandler_t) };
    if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the kernel interrupt the program each time it has computed for so long; never, for no time.
fn tick(period: Duration) -> io::Result<()> {
    let microseconds = libc::suseconds_t::from(period.subsec_micros());
    let period = libc::timeval { tv_sec: 0, tv_usec: microseconds };
    let clock = libc::itimerval { it_interval: period, it_value: period };
    #[expect(unsafe_code, reason = "the clock of processor time has no safe interface")]
    // SAFETY: the clock is read and not kept, and what it replaces is not asked for.
    let set = unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const clock, ptr::null_mut()) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where the kernel has mapped the vDSO, as far as it says so.
fn kernels_code() -> Option<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let (start, end) =
        maps.lines().find(|line| line.ends_with("[vdso]"))?.split_once(' ')?.0.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A profile that is being taken by nobody else: the tests run at once.
    fn begun() -> Sampler {
        let asked = Instant::now();
        loop {
            if let Some(sampler) = Sampler::start().unwrap() {
                return sampler;
            }
            assert!(asked.elapsed() < Duration::from_secs(60));
        }
    }

    #[test]
    fn whoever_computes_is_met_and_one_profile_is_taken_at_a_time() {
        let sampler = begun();
        assert!(Sampler::start().unwrap().is_none());
        let begun = Instant::now();
        let mut sum = 0_u64;
        while WRITTEN.load(Ordering::Relaxed) < 1_000 && begun.elapsed() < Duration::from_secs(20) {
            sum = (0..10_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        let samples = sampler.stop();
        assert!(samples.values().sum::<u64>() > 10, "{samples:?}");
        assert!(samples.keys().all(|stack| stack.len() <= DEPTH));
    }

    #[test]
    fn what_finds_no_room_is_counted_without_a_stack() {
        let sampler = begun();
        tick(Duration::ZERO).unwrap();
        WRITTEN.store(ROOM, Ordering::SeqCst);
        let before = LEFT_OUT.load(Ordering::SeqCst);
        interrupted(libc::SIGPROF);
        assert_eq!(LEFT_OUT.load(Ordering::SeqCst), before + 1);
        WRITTEN.store(0, Ordering::SeqCst);
        assert_eq!(sampler.stop(), [(Vec::new(), before + 1)].into());
    }

    #[test]
    fn the_kernels_own_code_is_found() {
        let code = kernels_code().unwrap();
        assert!(!code.is_empty() && !code.contains(&(interrupted as extern "C" fn(c_int) as usize)));
    }
}
