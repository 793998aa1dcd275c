//! What a run waits for: answers to uploads, and the disk.
//!
//! Both go on in tasks of their own, so that reading and staging never wait for them; the tasks end with the
//! [`Delivery`] that holds them.

use futures::StreamExt as _;
use tokio_util::task::AbortOnDropHandle;

use crate::queue::Ready;
use crate::{Answer, Delivery, Error};

/// Something that has happened and must be handled.
#[derive(Debug)]
pub enum Event {
    /// An upload was answered.
    Answered(Answer),
    /// What was staged is durable.
    Flushed(Flushed),
}

/// Objects that became durable, or why they did not.
#[derive(Debug)]
pub struct Flushed(pub(crate) Result<Vec<Ready>, ledger::Error>);

impl Delivery {
    /// Returns the next event; waits for ever when none is to come. Cancel-safe.
    pub async fn next_event(&mut self) -> Event {
        let flushing = &mut self.flushing;
        let disk = async {
            match flushing {
                Some(task) => joined(task).await,
                None => std::future::pending().await,
            }
        };
        let in_flight = &mut self.in_flight;
        let answer = async {
            match in_flight.next().await {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            flushed = disk => {
                self.flushing = None;
                Event::Flushed(Flushed(flushed))
            }
            answer = answer => Event::Answered(answer),
        }
    }

    /// Handles an event. Not cancel-safe: finish it, or start over from the ledger.
    pub async fn handle(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Answered(answer) => self.settle(answer).await,
            Event::Flushed(Flushed(durable)) => {
                for ready in durable? {
                    self.queue.push(ready);
                }
                Ok(())
            }
        }
    }
}

/// Waits for a flush without taking it: a dropped wait must leave it to the next one.
async fn joined(task: &mut AbortOnDropHandle<Result<Vec<Ready>, ledger::Error>>) -> Result<Vec<Ready>, ledger::Error> {
    match task.await {
        Ok(outcome) => outcome,
        Err(error) => Err(ledger::Error::Storage(Box::new(error))),
    }
}
