//! Happy eyeballs: several addresses are tried at the same time, each attempt starting a little later than the one
//! before.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::time::{Sleep, sleep};

/// Runs the attempts until one succeeds, then drops the others. The next one begins when one has failed, or when
/// `delay` has passed since the last one began; without a delay they run one after the other.
///
/// # Errors
///
/// If all attempts fail, their errors, in the order of the attempts.
pub(crate) async fn race<T, A>(attempts: Vec<A>, delay: Option<Duration>) -> Result<T, Vec<io::Error>>
where
    A: Future<Output = io::Result<T>>,
{
    let mut race = Race {
        waiting: attempts.into_iter().map(Box::pin).collect::<Vec<_>>().into_iter(),
        running: Vec::new(),
        delay,
        next_start: None,
    };
    poll_fn(|cx| race.poll(cx)).await
}

struct Race<A> {
    waiting: std::vec::IntoIter<Pin<Box<A>>>,
    /// In the order in which they began.
    running: Vec<Runner<A>>,
    delay: Option<Duration>,
    /// Runs while there is another attempt to begin.
    next_start: Option<Sleep>,
}

enum Runner<A> {
    Trying(Pin<Box<A>>),
    Failed(io::Error),
}

impl<A> Race<A> {
    fn poll<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Vec<io::Error>>>
    where
        A: Future<Output = io::Result<T>>,
    {
        loop {
            let failed = match self.poll_running(cx) {
                Ok(winner) => return Poll::Ready(Ok(winner)),
                Err(failed) => failed,
            };
            let nobody_tries = self.running.iter().all(|runner| matches!(runner, Runner::Failed(_)));
            if !(failed || nobody_tries || self.time_for_next(cx)) {
                return Poll::Pending;
            }
            match self.waiting.next() {
                Some(attempt) => {
                    self.running.push(Runner::Trying(attempt));
                    self.next_start = self.delay.filter(|_| self.waiting.len() > 0).map(sleep);
                }
                None if nobody_tries => return Poll::Ready(Err(self.take_errors())),
                None => return Poll::Pending,
            }
        }
    }

    /// Polls all running attempts. If none has won, returns whether one has failed in this poll.
    fn poll_running<T>(&mut self, cx: &mut Context<'_>) -> Result<T, bool>
    where
        A: Future<Output = io::Result<T>>,
    {
        let mut failed = false;
        for runner in &mut self.running {
            let Runner::Trying(attempt) = runner else { continue };
            match attempt.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(winner)) => return Ok(winner),
                Poll::Ready(Err(error)) => {
                    *runner = Runner::Failed(error);
                    failed = true;
                }
            }
        }
        Err(failed)
    }

    fn time_for_next(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.next_start {
            Some(timer) => Pin::new(timer).poll(cx).is_ready(),
            None => false,
        }
    }

    fn take_errors(&mut self) -> Vec<io::Error> {
        let errors = self.running.drain(..).filter_map(|runner| match runner {
            Runner::Failed(error) => Some(error),
            Runner::Trying(_) => None,
        });
        errors.collect()
    }
}

/// Reorders addresses so that the families take turns, after `first` addresses of the first one; 0 leaves them as
/// they are.
pub(crate) fn interleave(addresses: Vec<SocketAddr>, first: usize) -> Vec<SocketAddr> {
    let Some(leader) = addresses.first().map(SocketAddr::is_ipv4) else { return addresses };
    if first == 0 {
        return addresses;
    }
    let (lead, follow): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv4() == leader);
    let mut lead = lead.into_iter();
    let mut follow = follow.into_iter();
    let mut order: Vec<_> = lead.by_ref().take(first - 1).collect();
    loop {
        let pair = [lead.next(), follow.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::event_loop::EventLoop;
    use crate::testing::ManualClock;

    #[test]
    fn families_take_turns_after_the_first_few() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let six = ["[::a]:1", "[::b]:1", "[::c]:1", "[::d]:1"].map(address);
        let four = ["1.1.1.1:1", "2.2.2.2:1"].map(address);
        let [a, b, c, d] = six;
        let [x, y] = four;
        let all: Vec<_> = six.into_iter().chain(four).collect();
        for (first, expected) in
            [(0, [a, b, c, d, x, y]), (1, [a, x, b, y, c, d]), (2, [a, b, x, c, y, d]), (3, [a, b, c, x, d, y])]
        {
            assert_eq!(interleave(all.clone(), first), expected);
        }
        assert_eq!(interleave(Vec::new(), 1), []);
    }

    /// Each attempt takes this many milliseconds and then succeeds or fails. The story has each begin and drop, and
    /// the end.
    fn story(attempts: &[(u64, bool)], delay: Option<u64>) -> Vec<String> {
        /// Notes that an attempt was dropped before it was over.
        struct Note {
            words: Rc<RefCell<Vec<String>>>,
            number: usize,
            is_over: bool,
        }
        impl Drop for Note {
            fn drop(&mut self) {
                if !self.is_over {
                    self.words.borrow_mut().push(format!("drop {}", self.number));
                }
            }
        }
        let clock = Rc::new(ManualClock::new());
        let words = Rc::new(RefCell::new(Vec::new()));
        let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
        let start = clock.elapsed();
        let attempts = attempts.iter().enumerate().map(|(number, &(time, wins))| {
            let (words, clock) = (Rc::clone(&words), Rc::clone(&clock));
            async move {
                words.borrow_mut().push(format!("{number} at {}", (clock.elapsed() - start).as_millis()));
                let mut note = Note { words, number, is_over: false };
                sleep(Duration::from_millis(time)).await;
                note.is_over = true;
                if wins { Ok(number) } else { Err(io::Error::other(number.to_string())) }
            }
        });
        let won = event_loop.run(race(attempts.collect(), delay.map(Duration::from_millis)));
        let end = match won {
            Ok(number) => format!("{number} won at {}", (clock.elapsed() - start).as_millis()),
            Err(errors) => format!("failed: {errors:?}"),
        };
        let mut words = words.take();
        words.push(end);
        words
    }

    #[test]
    fn the_next_attempt_begins_after_the_delay_and_the_losers_are_dropped() {
        assert_eq!(story(&[(1000, true), (10, true)], Some(100)), ["0 at 0", "1 at 100", "drop 0", "1 won at 110"]);
        assert_eq!(story(&[(150, true), (1000, true)], Some(100)), ["0 at 0", "1 at 100", "drop 1", "0 won at 150"]);
        assert_eq!(story(&[(50, true), (10, true)], Some(100)), ["0 at 0", "0 won at 50"]);
    }

    #[test]
    fn a_failure_begins_the_next_attempt_at_once() {
        assert_eq!(story(&[(5, false), (10, true)], Some(100)), ["0 at 0", "1 at 5", "1 won at 15"]);
        assert_eq!(story(&[(5, false), (10, true)], None), ["0 at 0", "1 at 5", "1 won at 15"]);
    }

    #[test]
    fn all_errors_come_in_the_order_of_the_attempts() {
        let words = story(&[(300, false), (5, false), (5, false)], Some(100));
        assert_eq!(words[..3], ["0 at 0", "1 at 100", "2 at 105"]);
        assert!(words[3].starts_with("failed: [") && words[3].contains("\"0\""), "{words:?}");
        assert!(words[3].find("\"0\"") < words[3].find("\"1\"") && words[3].find("\"1\"") < words[3].find("\"2\""));
        assert_eq!(story(&[], None), ["failed: []"]);
    }
}
