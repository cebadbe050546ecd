//! Reserving, checking and settling, each inside one transaction: the records are read, the
//! [step](crate::limiter::step::records) decides, and what changed is written.

use std::convert::Infallible;

use super::aside::Aside;
use super::rows::{Held, Rows};
use super::unkept::{Mark, Marked};
use crate::boundary::check::{CheckOutcome, SecretCheck};
use crate::boundary::limiter::{BegunLock, Settlement};
use crate::limiter::step::facts::Facts;
use crate::limiter::step::key::Place;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::records::{Begun, Records};
use crate::limiter::step::slots::{Slot, Slots};
use crate::limiter::step::ticket::Ticket;
use crate::limiter::step::transition::{Attempted, Compared, Step};
use crate::sqlite::counting_key::CountingKey;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

/// What became of a check.
pub(super) struct CheckedRows {
    pub(super) attempted: Attempted<CheckOutcome, CheckOutcome>,
    /// The locks that began by it.
    pub(super) begun: Vec<Begun>,
    /// The mark that is gone once all of it is kept.
    pub(super) mark: Option<Mark>,
}

/// One step of the limiter on its rows.
pub(super) struct RowStep<'a> {
    step: Step<'a>,
    rows: Rows<'a>,
    held: Vec<Held>,
}

impl<'a> RowStep<'a> {
    pub(super) fn begin(
        db: &'a Db,
        secrets: (&'a CountingKey, &'a Aside),
        limits: &'a Limits,
        now: u64,
    ) -> Result<Self, Failure> {
        let rows = Rows::open(db, secrets, limits, now)?;
        Ok(Self { step: Step::by(limits), rows, held: Vec::with_capacity(Slot::ALL.len()) })
    }

    fn records(&mut self) -> Records<'_> {
        let shared = self.held.iter().filter(|held| held.is_shared()).map(|held| held.slot);
        let shared = shared.fold(Slots::NONE, Slots::with);
        Records::new(self.held.iter_mut().map(|held| (held.slot, &mut held.counts)), shared)
    }

    /// The time of the step, as far as records are read: behind none at which one of them was changed.
    fn time(&self) -> u64 {
        self.held.iter().map(|held| held.counts.changed).fold(self.rows.now, u64::max)
    }

    /// Reads the record of an account or client, which comes first: the others lie elsewhere for those who were seen
    /// before.
    fn read_account(&mut self, facts: &Facts) -> Result<(), Failure> {
        let new = Held::new(Slot::Account, facts.key(Slot::Account), None);
        let found = if facts.counts_on_account() {
            self.rows.found(new, facts.is_preferred(Slot::Account, false))?
        } else {
            new
        };
        self.held.push(self.rows.remembered(found)?);
        Ok(())
    }

    /// Whether the attempt is from an address from which its account or client succeeded before.
    fn is_known(&self, facts: &Facts) -> bool {
        let now = self.time();
        let known = self.held.iter().find(|held| held.slot == Slot::Account).map(|held| &held.counts.known);
        self.step.moment(facts, known, now).is_known
    }

    /// Reads what the limits need of an attempt.
    fn read(&mut self, facts: &Facts) -> Result<(), Failure> {
        let all = facts.touches(false);
        if all.has(Slot::Account) {
            self.read_account(facts)?;
        }
        self.read_others(facts, all.without(Slots::WIDE.with(Slot::Account)))?;
        // By the time of all that was read.
        self.read_others(facts, facts.touches(self.is_known(facts)).and(Slots::WIDE))
    }

    fn read_others(&mut self, facts: &Facts, slots: Slots) -> Result<(), Failure> {
        let is_known = self.is_known(facts);
        for slot in slots.iter() {
            let new = Held::new(slot, facts.key(slot), None);
            let found = self.rows.found(new, facts.is_preferred(slot, is_known))?;
            self.held.push(found);
        }
        Ok(())
    }

    /// Looks, compares, and charges or forgives. A right check writes nothing if there is nothing to forgive and its
    /// client was seen lately, from this address or from as many others as are remembered: then the transaction is
    /// empty, and nothing waits for the disk.
    pub(super) fn attempt<R, W>(
        mut self,
        facts: &Facts,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> Result<(Attempted<R, W>, Vec<Begun>), Failure> {
        let done = self.charge(facts, compare)?;
        if matches!(done.0, Attempted::Charged { .. }) {
            self.rows.tidy()?;
        }
        self.rows.close()?;
        Ok(done)
    }

    /// The same without what each charge does beside: nothing is tidied.
    fn charge<R, W>(
        &mut self,
        facts: &Facts,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> Result<(Attempted<R, W>, Vec<Begun>), Failure> {
        self.read(facts)?;
        let (step, now) = (self.step, self.time());
        let (mut attempted, begun) = self.records().attempt(&step, facts, now, compare);
        let places = self.keep(now)?;
        if let Attempted::Charged { ticket, .. } = &mut attempted {
            places.iter().for_each(|(slot, place)| ticket.set_place(*slot, *place));
        }
        Ok((attempted, begun))
    }

    /// The same for a secret that is compared at once. A wrong one leaves its mark until its charge is known to be
    /// kept. Where there is one already, nothing is compared before it is sure that a charge would be kept, from here and
    /// from where that guess came: a file that is full can still change what it holds. Then the mark is answered.
    pub(super) fn check(self, facts: &Facts, check: SecretCheck<'_>) -> Result<CheckedRows, Failure> {
        let unkept = &self.rows.aside.unkept;
        let marked = unkept.of(facts.guess);
        if let Some(Marked { attempt, .. }) = marked
            && self.proves_charge(facts)?
            && let Some(elsewhere) = attempt.filter(|attempt| attempt.network != facts.network)
        {
            self.proves_charge(&elsewhere)?;
        }
        let mut mark = marked.map(|marked| marked.mark);
        let (attempted, begun) = self.attempt(facts, || {
            let compared = Compared::of(check.decide());
            if matches!(compared, Compared::Wrong(_)) {
                mark = Some(unkept.mark(facts));
            }
            compared
        })?;
        // Of a refused attempt no charge was made, so nothing is proven of one.
        let mark = mark.filter(|_| !matches!(attempted, Attempted::Refused(_)));
        Ok(CheckedRows { attempted, begun, mark })
    }

    /// Fails unless the charge of a wrong secret would be kept: makes one and takes it back, and leaves something to
    /// commit. Answers whether there would be a charge: a refused attempt compares nothing.
    fn proves_charge(&self, facts: &Facts) -> Result<bool, Failure> {
        let Rows { db, key, aside, limits, now, .. } = self.rows;
        db.execute("SAVEPOINT charge", ())?;
        let mut step = Self::begin(db, (key, aside), limits, now)?;
        let (attempted, _) = step.charge(facts, || Compared::<Infallible, ()>::Wrong(()))?;
        step.rows.close()?;
        db.execute("ROLLBACK TO charge", ())?;
        db.execute("RELEASE charge", ())?;
        db.write_something()?;
        Ok(!matches!(attempted, Attempted::Refused(_)))
    }

    /// Answers a lock that began by the attempt and had no notice.
    pub(super) fn settle(mut self, ticket: &Ticket, settlement: Settlement) -> Result<Option<BegunLock>, Failure> {
        let touched = ticket.touched_by(settlement);
        for slot in touched.with(Slot::Account).iter() {
            let charged = Held::new(slot, ticket.key(slot), touched.has(slot).then(|| ticket.place(slot)));
            let found = self.rows.settled(charged)?;
            self.held.push(if slot == Slot::Account { self.rows.remembered(found)? } else { found });
        }
        let (step, now) = (self.step, self.time());
        let news = self.records().settle(&step, ticket, settlement, now);
        self.keep(now)?;
        self.rows.close()?;
        Ok(news)
    }

    /// Settles as a success what was pending, if it is in time and for the first time.
    pub(super) fn resume(mut self, ticket: &Ticket) -> Result<Option<BegunLock>, Failure> {
        let mut spent = self.rows.found(Held::new(Slot::Pair, ticket.spent_key(), None), true)?;
        let now = self.rows.now.max(spent.counts.changed);
        if !self.step.resume(ticket, &mut spent.counts.tally, now) {
            return Ok(None);
        }
        self.rows.keep(&spent, now)?;
        self.settle(ticket, Settlement::Success)
    }

    /// Writes what changed, and answers where it lies.
    fn keep(&mut self, now: u64) -> Result<Vec<(Slot, Place)>, Failure> {
        let mut places = Vec::with_capacity(self.held.len());
        for held in &self.held {
            places.extend(self.rows.keep(held, now)?.map(|place| (held.slot, place)));
        }
        Ok(places)
    }

    /// The rows, for operators.
    pub(super) const fn rows(&self) -> &Rows<'a> {
        &self.rows
    }
}
