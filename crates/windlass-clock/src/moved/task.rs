//! For tasks.

use std::future::{IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{FAR, LOOK, instant};

instant!(tokio::time::Instant);

/// A wait, as tokio's.
#[derive(Debug)]
pub struct Sleep {
    deadline: Instant,
    look: Pin<Box<tokio::time::Sleep>>,
}

impl Sleep {
    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Lets it end at another moment.
    pub fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
        self.look_again();
    }

    /// Looks at the clock after a while, or sooner if it ends sooner.
    fn look_again(&mut self) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let next = tokio::time::Instant::now() + left.min(LOOK);
        self.look.as_mut().reset(next);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            ready!(self.look.as_mut().poll(cx));
            self.look_again();
        }
    }
}

/// Waits until a moment.
pub fn sleep_until(deadline: Instant) -> Sleep {
    let mut sleep = Sleep {
        deadline,
        look: Box::pin(tokio::time::sleep(LOOK)),
    };
    sleep.look_again();
    sleep
}

/// Waits until so much has passed.
pub fn sleep(span: Duration) -> Sleep {
    sleep_until(after(span))
}

fn after(span: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(span).unwrap_or(now + FAR)
}

/// The time of a [`timeout`] has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

/// Waits for a future until so much has passed.
///
/// # Errors
/// If that has passed before.
pub async fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    timeout_at(after(limit), future).await
}

/// Waits for a future until a moment.
///
/// # Errors
/// If the moment has come before.
pub async fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future.into_future());
    let mut sleep = pin!(sleep_until(deadline));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}
