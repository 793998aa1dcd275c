//! The work behind a request, from its look-ups to its report.

use futures::FutureExt as _;
use futures::future::join_all;
use ledger::Created;

use crate::advance::{Advanced, Order};
use crate::dossier::Ask;
use crate::limit::{Allowance, Slot};
use crate::plan::Planned;
use crate::progress::{Question, Shared, TAKES_OVER, answer_of, asked_name};
use crate::record::{Asked, Outcome, Place};
use crate::report::UploadState;
use crate::trouble::TroubleKind;
use crate::{Answer, Enrichment, Error, FileItem, JobId};

impl Enrichment {
    /// Looks everything up, begins what is to be analysed, and answers.
    pub(crate) async fn work(
        &self,
        job: JobId,
        received: Asked,
        files: Vec<Option<FileItem>>,
        shared: &Shared,
    ) -> Result<Answer, Error> {
        let mut planned = Box::pin(self.plan(&received, files, shared)).await?;
        let name = job.to_string();
        let limit = self.settings.max_submissions_per_incident;
        let allowance = Allowance::of(&self.storage, &self.settings.account, received.incident.as_ref(), &name, limit);
        self.place(&mut planned, &allowance, &name).await?;
        let mut asked = Asked { items: Vec::with_capacity(planned.len()), ..received };
        let mut files = Vec::with_capacity(planned.len());
        let mut slots = Vec::with_capacity(planned.len());
        for Planned { asked: item, file, slot, .. } in planned {
            asked.items.push(item);
            files.push(file);
            slots.push(slot);
        }
        let waits = asked.items.iter().any(|item| matches!(item.place, Place::Job { .. }));
        if shared.note_placed(&asked) || waits {
            // First the request, then what it asks for: whoever finds a job finds out what it is for.
            self.open.create_value(&name, &()).await?;
            if self.requests().create_value(&asked_name(&job), &asked).await? == Created::Exists
                && let Some(theirs) = self.requests().read_value(&asked_name(&job)).await?
            {
                // Somebody took us for dead; the places that were written down first count.
                asked = theirs;
                shared.note_placed(&asked);
            }
        }
        let advanced = self.advance_all(&asked, &files, shared).await?;
        self.give_back(&allowance, slots, &advanced).await?;
        let outcomes: Vec<Outcome> = advanced.into_iter().map(|advanced| advanced.outcome).collect();
        if let Some(error) = only_trouble(&outcomes, true) {
            return Err(error);
        }
        Box::pin(self.answer(&job, &asked, &outcomes, waits || shared.is_promised(), Question::First)).await
    }

    /// Brings a request on that was made before.
    pub(crate) async fn work_on(&self, id: &JobId, shared: &Shared) -> Result<Answer, Error> {
        let asked = shared.asked();
        let files = vec![None; asked.items.len()];
        if asked.items.iter().any(|item| matches!(item.place, Place::Open { .. })) {
            if self.clock.now().duration_since(asked.made_at) >= TAKES_OVER {
                return self.work(*id, asked, files, shared).await;
            }
            let outcomes = shared.outcomes();
            return Box::pin(self.answer(id, &asked, &outcomes, true, Question::Later)).await;
        }
        let advanced = self.advance_all(&asked, &files, shared).await?;
        let outcomes: Vec<Outcome> = advanced.into_iter().map(|advanced| advanced.outcome).collect();
        if let Some(error) = only_trouble(&outcomes, false) {
            return Err(error);
        }
        let is_open = self.requests().read_value::<()>(&ended_name(id)).await?.is_none();
        Box::pin(self.answer(id, &asked, &outcomes, is_open, Question::Later)).await
    }

    async fn advance_all(
        &self,
        asked: &Asked,
        files: &[Option<FileItem>],
        shared: &Shared,
    ) -> Result<Vec<Advanced>, Error> {
        // In boxes, or the compiler cannot see that the whole may move between threads.
        let advancing = asked.items.iter().zip(files).enumerate().map(|(n, (item, file))| {
            let advancing = async move {
                let advanced = match &item.place {
                    Place::Settled { outcome } => Advanced { outcome: outcome.clone(), ours: false },
                    Place::Open { .. } => Advanced { outcome: Outcome::unanswered(), ours: false },
                    Place::Job { job, adopt, fresh } => {
                        let order = Order {
                            job,
                            thing: &item.thing,
                            file: file.as_ref(),
                            adopt: adopt.as_deref(),
                            fresh: *fresh,
                            wishes: &asked.submission,
                            asked_at: asked.made_at,
                        };
                        Box::pin(self.advance(order)).await?
                    }
                };
                shared.note_outcome(n, &advanced.outcome);
                Ok(advanced)
            };
            advancing.boxed()
        });
        join_all(advancing.collect::<Vec<_>>()).await.into_iter().collect()
    }

    /// Gives back what was counted for submissions that another request made.
    async fn give_back(
        &self,
        allowance: &Allowance,
        slots: Vec<Option<Slot>>,
        advanced: &[Advanced],
    ) -> Result<(), Error> {
        for (slot, advanced) in slots.into_iter().zip(advanced) {
            if let Some(slot) = slot.filter(|_| !advanced.ours) {
                allowance.give_back(slot).await?;
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        job: &JobId,
        asked: &Asked,
        outcomes: &[Outcome],
        is_open: bool,
        question: Question,
    ) -> Result<Answer, Error> {
        let report = Box::new(self.report(job, asked, outcomes, Ask::Vmray).await?);
        if report.complete && is_open && report.upload.state != UploadState::Pending {
            self.requests().create_value(&ended_name(job), &()).await?;
            self.open.delete(&job.to_string()).await?;
        }
        Ok(answer_of(*job, report, asked, self.clock.now(), question))
    }
}

/// Returns the error of a request all of whose items are in trouble. What cannot be read is no trouble of VMRay's.
fn only_trouble(outcomes: &[Outcome], is_new: bool) -> Option<Error> {
    let trouble = |outcome: &Outcome| match outcome {
        Outcome::Running { trouble, .. } => trouble.clone(),
        // One that was told before stays in the report.
        Outcome::Failed { trouble } | Outcome::Refused { trouble } => Some(trouble.clone()).filter(|_| is_new),
        Outcome::Known { .. } | Outcome::Analysed { .. } | Outcome::Unknown { .. } | Outcome::HeldBack { .. } => None,
    };
    let is_readable =
        |outcome: &&Outcome| !matches!(outcome, Outcome::Failed { trouble } if trouble.kind == TroubleKind::Unreadable);
    let troubles: Option<Vec<_>> = outcomes.iter().filter(is_readable).map(trouble).collect();
    troubles?.into_iter().next()?.into_error()
}

fn ended_name(job: &JobId) -> String {
    format!("{job}/ended")
}
