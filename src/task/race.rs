//! Several futures at once, and the output of the first that is done.

use crate::executor::one_of;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Polls several futures in the task that awaits this, and returns the output of the first that is done. The others are
/// then dropped. If several are done in the same step, the first of them in the given order wins.
///
/// The futures may borrow. Two to six of them, in a tuple, may have different types. In an array or a vector there is
/// at least one, and all have the same type.
///
/// # Cancel safety
///
/// It is as cancel safe as the futures. Those of this crate lose nothing when they are dropped.
///
/// # Panics
///
/// Panics if there is no future.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{Promise, race, sleep};
///
/// # waterwheel::run(async {
/// # let stop = Promise::<()>::new();
/// let went_out_of_time = race((
///     async {
///         sleep(Duration::from_millis(1)).await;
///         true
///     },
///     async {
///         stop.wait().await;
///         false
///     },
/// ));
/// assert!(went_out_of_time.await);
/// # });
/// ```
#[doc(alias = "select")]
pub fn race<R: Racers>(futures: R) -> impl Future<Output = R::Output> {
    one_of(futures.race())
}

/// The argument of [`race`]: a tuple of two to six futures, or an array or a vector of futures, all with the same
/// output.
pub trait Racers: sealed::Sealed {
    /// The output type of each future.
    type Output;

    /// Returns the output of the first future that is done.
    #[doc(hidden)]
    fn race(self) -> impl Future<Output = Self::Output>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! racers {
    ($($future:ident)+) => {
        impl<T, $($future: IntoFuture<Output = T>),+> sealed::Sealed for ($($future,)+) {}

        impl<T, $($future: IntoFuture<Output = T>),+> Racers for ($($future,)+) {
            type Output = T;

            #[expect(non_snake_case, reason = "each future is called as its type")]
            async fn race(self) -> T {
                let ($($future,)+) = self;
                $(let mut $future = pin!($future.into_future());)+
                poll_fn(|cx| {
                    $(if let Poll::Ready(output) = $future.as_mut().poll(cx) {
                        return Poll::Ready(output);
                    })+
                    Poll::Pending
                })
                .await
            }
        }
    };
}

racers!(A B);
racers!(A B C);
racers!(A B C D);
racers!(A B C D E);
racers!(A B C D E F);

impl<F: IntoFuture, const N: usize> sealed::Sealed for [F; N] {}

impl<F: IntoFuture, const N: usize> Racers for [F; N] {
    type Output = F::Output;

    async fn race(self) -> F::Output {
        let mut futures = self.map(|future| Box::pin(future.into_future()));
        assert!(N > 0, "a race of no futures would never end");
        poll_fn(|cx| poll_each(&mut futures, cx)).await
    }
}

impl<F: IntoFuture> sealed::Sealed for Vec<F> {}

impl<F: IntoFuture> Racers for Vec<F> {
    type Output = F::Output;

    async fn race(self) -> F::Output {
        assert!(!self.is_empty(), "a race of no futures would never end");
        let mut futures: Vec<_> = self.into_iter().map(|future| Box::pin(future.into_future())).collect();
        poll_fn(|cx| poll_each(&mut futures, cx)).await
    }
}

fn poll_each<F: Future>(futures: &mut [Pin<Box<F>>], cx: &mut Context<'_>) -> Poll<F::Output> {
    for future in futures {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}
