//! Faulty adapters, to see that the model finds each fault.

use std::io::{self, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use waterwheel::Connection;

use super::sides::{FuturesIo, Side};
use crate::common::bytes::pattern;
use crate::common::watchdog::watchdog;

/// What an adapter does wrong now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    ForgetsTheReadersWaker,
    ForgetsTheWritersWaker,
    ForgetsTheWakerOfAFlush,
    DropsAByte,
    TwistsAByte,
    TellsTheEndEarly,
    WritesTwice,
    WritesLessThanItSays,
    FlushesNothing,
    EndsNothing,
    WakesTwice,
    WaitsForNothing,
}

const FAULTS: [Fault; 13] = [
    Fault::None,
    Fault::ForgetsTheReadersWaker,
    Fault::ForgetsTheWritersWaker,
    Fault::ForgetsTheWakerOfAFlush,
    Fault::DropsAByte,
    Fault::TwistsAByte,
    Fault::TellsTheEndEarly,
    Fault::WritesTwice,
    Fault::WritesLessThanItSays,
    Fault::FlushesNothing,
    Fault::EndsNothing,
    Fault::WakesTwice,
    Fault::WaitsForNothing,
];

/// One of the adapters, which commits fault number `FAULT` at every seventh call.
struct Sabotaged<const FAULT: usize> {
    side: FuturesIo,
    calls: usize,
}

impl<const FAULT: usize> Sabotaged<FAULT> {
    fn does(&mut self, fault: Fault) -> bool {
        self.calls += usize::from(FAULTS[FAULT] == fault);
        FAULTS[FAULT] == fault && self.calls % 7 == 0
    }
}

impl<const FAULT: usize> Side for Sabotaged<FAULT> {
    const NAME: &'static str = "a sabotaged one";

    fn over(connection: Connection) -> Self {
        Sabotaged { side: FuturesIo::over(connection), calls: 0 }
    }

    fn connection(&mut self) -> &mut Connection {
        self.side.connection()
    }

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.does(Fault::ForgetsTheReadersWaker) {
            return self.side.read(&mut Context::from_waker(Waker::noop()), buf);
        }
        if self.does(Fault::WaitsForNothing) && !buf.is_empty() {
            return Poll::Pending;
        }
        if self.does(Fault::TellsTheEndEarly) {
            return Poll::Ready(Ok(0));
        }
        if self.does(Fault::DropsAByte) {
            let _ = self.side.read(cx, &mut [0]);
        }
        let answer = self.side.read(cx, buf);
        if answer.is_pending() && self.does(Fault::WakesTwice) {
            cx.waker().wake_by_ref();
        }
        if self.does(Fault::TwistsAByte) && matches!(answer, Poll::Ready(Ok(1..))) {
            buf[0] ^= 1;
        }
        answer
    }

    fn lend(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.side.lend(cx, buf)
    }

    fn write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.does(Fault::ForgetsTheWritersWaker) {
            return self.side.write(&mut Context::from_waker(Waker::noop()), data);
        }
        let answer = self.side.write(cx, data);
        if self.does(Fault::WritesTwice) && matches!(answer, Poll::Ready(Ok(1..))) {
            let _ = self.side.write(cx, &data[..1]);
        }
        match answer {
            Poll::Ready(Ok(n)) if self.does(Fault::WritesLessThanItSays) => Poll::Ready(Ok(n + 1)),
            answer => answer,
        }
    }

    fn write_vectored(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.side.write_vectored(cx, parts)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.does(Fault::ForgetsTheWakerOfAFlush) {
            return self.side.flush(&mut Context::from_waker(Waker::noop()));
        }
        if self.does(Fault::FlushesNothing) { Poll::Ready(Ok(())) } else { self.side.flush(cx) }
    }

    fn end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if FAULTS[FAULT] == Fault::EndsNothing { Poll::Ready(Ok(())) } else { self.side.end(cx) }
    }
}

/// How many connections run as the model says before the first that does not.
fn run_well<const FAULT: usize>(pattern: &[u8]) -> usize {
    let run = |seed| catch_unwind(AssertUnwindSafe(|| super::one::<Sabotaged<FAULT>>(seed, pattern)));
    (0..25).map_while(|seed| run(seed).ok()).count()
}

#[test]
fn each_fault_of_an_adapter_is_found_within_a_few_connections() {
    let _watchdog = watchdog();
    let pattern = &pattern(600_000);
    let well = [
        run_well::<0>(pattern),
        run_well::<1>(pattern),
        run_well::<2>(pattern),
        run_well::<3>(pattern),
        run_well::<4>(pattern),
        run_well::<5>(pattern),
        run_well::<6>(pattern),
        run_well::<7>(pattern),
        run_well::<8>(pattern),
        run_well::<9>(pattern),
        run_well::<10>(pattern),
        run_well::<11>(pattern),
        run_well::<12>(pattern),
    ];
    let found: Vec<_> = FAULTS.iter().zip(well).collect();
    assert_eq!(well[0], 25, "without a fault all runs well");
    assert!(well[1..].iter().all(|well| *well < 25), "how many ran well with each fault: {found:?}");
}
