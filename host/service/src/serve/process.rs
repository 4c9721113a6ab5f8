//! One request, from the question to its staged answer.

use super::processor::{Effects, Processor, RequestContext};
use crate::{clock::now, error::not_as_seen};
use ipam_api::{Answer, Code, Failure, Kind, Receipt, Request, Served};
use ipam_ledger::{Actor, Audit};

impl Processor {
    /// Serves one request. The answer rests on staged state: nobody may hear it
    /// before all that is staged so far is durable.
    pub(crate) fn process(
        &mut self,
        request: Request,
        context: RequestContext,
    ) -> (Result<Served, Failure>, Effects) {
        self.note_session(context);
        self.set_time(context.audit.at);
        let answer = self.answer(request, context);
        self.stage_writes(context.audit, &answer);
        (answer, self.take_effects())
    }

    /// Takes back what an answer granted that could not be delivered.
    pub(crate) fn undo(&mut self, receipt: &Receipt) -> Effects {
        let audit = Audit { at: now(), by: Actor::Undelivered };
        let events = self.state.undo(receipt);
        self.set_time(audit.at);
        self.release(events, audit);
        self.stage_writes(audit, &Ok(()));
        self.take_effects()
    }

    fn answer(&mut self, request: Request, context: RequestContext) -> Result<Served, Failure> {
        let audit = context.audit;
        match request {
            Request::Pool(request) => return self.request_pool(&request, context),
            Request::Address(request) => return self.request_address(&request, context),
            Request::ReleasePool(pool_id) => {
                if self.asks_about_unknown(&pool_id) {
                    self.ask(|driver| driver.release_pool(&pool_id))?;
                } else {
                    let released = self.state.release_pool(&pool_id, &self.caller(context))?;
                    self.release(released, audit);
                }
            }
            Request::ReleaseAddress(pool_id, address) => {
                if self.asks_about_unknown(&pool_id) {
                    self.ask(|driver| driver.release_address(&pool_id, address))?;
                } else {
                    let released = self.state.release_address(&pool_id, address)?;
                    self.release(released, audit);
                }
            }
            Request::TakeBack { receipt, as_of } => {
                let released = self.state.take_back(&receipt, as_of);
                if released.is_empty() {
                    return Err(not_as_seen().into());
                }
                self.release(released, audit);
            }
            Request::Status(pool_id) => {
                self.state.known(&pool_id)?;
                let status = self.ask(|driver| driver.pool_status(&pool_id))?;
                let status = status.ok_or(Code::Other(Kind::NotImplemented))?;
                return Ok(Served { answer: Answer::Status(status), receipt: None });
            }
            Request::Records(request) => {
                let answer = self.records(request, audit)?;
                return Ok(Served { answer: Answer::Records(answer), receipt: None });
            }
        }
        Ok(Served { answer: Answer::Released, receipt: None })
    }
}
