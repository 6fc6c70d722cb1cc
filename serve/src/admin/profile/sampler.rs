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
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

/// The stacks that were met, innermost address first, and how often each was.
pub(super) type Samples = HashMap<Vec<usize>, u64>;

/// A profile that is being taken. There is one at a time; dropped, it ends.
#[derive(Debug)]
pub(super) struct Sampler(());

/// Processor time between two samples. The kernel counts in ticks of 1 to 10 ms and gives no finer one.
pub(super) const PERIOD: Duration = Duration::from_millis(10);

/// Frames of one stack. What lies deeper is left out.
const DEPTH: usize = 128;

/// Addresses of all samples together, each sample with its length before it. A sample of `serve` has about 40, so this
/// is enough for 60 s of four processors; later samples are left out. Memory that was never written to takes no room.
const ROOM: usize = 1 << 20;

static NOTES: [AtomicUsize; ROOM] = [const { AtomicUsize::new(0) }; ROOM];
static WRITTEN: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Where the kernel's own code lies in this program. Its unwinding tables are wrong on some systems: nobody walks past it.
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
        WRITTEN.store(0, Ordering::Relaxed);
        // What is done for the first time only, such as loading the unwinder, is done before anybody is interrupted.
        interrupted(libc::SIGPROF);
        WRITTEN.store(0, Ordering::Relaxed);
        handle()?;
        tick(PERIOD)?;
        Ok(Some(sampler))
    }

    /// Ends the profile: what was met.
    pub(super) fn stop(self) -> Samples {
        // Without a clock nobody is interrupted; one who was is done by the time that anybody starts to read.
        let _stopped = tick(Duration::ZERO);
        let mut samples = Samples::new();
        let mut at = 0;
        let written = WRITTEN.load(Ordering::Acquire).min(ROOM);
        while at < written {
            let length = NOTES[at].load(Ordering::Relaxed);
            let end = (at + 1).saturating_add(length).min(written);
            let stack: Vec<_> = NOTES[at + 1..end].iter().map(|note| note.load(Ordering::Relaxed)).collect();
            if !stack.is_empty() {
                *samples.entry(stack).or_default() += 1;
            }
            at = end;
        }
        samples
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let _stopped = tick(Duration::ZERO);
        TAKEN.store(false, Ordering::Release);
    }
}

/// What the kernel calls in whichever thread it interrupts: notes the stack below. It is one function, because the
/// stack below is known by it.
extern "C" fn interrupted(_signal: c_int) {
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
    if let Ok(at) = WRITTEN.fetch_update(Ordering::AcqRel, Ordering::Relaxed, end)
        && let Some((first, others)) = NOTES.get(at..=at + length).and_then(<[_]>::split_first)
    {
        first.store(length, Ordering::Relaxed);
        for (note, address) in others.iter().zip(stack) {
            note.store(address, Ordering::Relaxed);
        }
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

/// Where the kernel has mapped its own code, as far as it says so.
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

    #[test]
    fn whoever_computes_is_met_and_one_profile_is_taken_at_a_time() {
        let sampler = Sampler::start().unwrap().unwrap();
        assert!(Sampler::start().unwrap().is_none());
        let begun = Instant::now();
        let mut sum = 0_u64;
        while WRITTEN.load(Ordering::Relaxed) < 1_000 && begun.elapsed() < Duration::from_secs(20) {
            sum = (0..10_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        let samples = sampler.stop();
        assert!(samples.values().sum::<u64>() > 10, "{samples:?}");
        assert!(samples.keys().all(|stack| stack.len() <= DEPTH));
        let again = Sampler::start().unwrap();
        assert!(again.is_some());
    }

    #[test]
    fn the_kernels_own_code_is_found() {
        let code = kernels_code().unwrap();
        assert!(!code.is_empty() && !code.contains(&(interrupted as extern "C" fn(c_int) as usize)));
    }
}
