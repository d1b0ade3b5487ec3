// Package incident is how a town handles trouble: one [Incident] with its phase,
// level, facts and journal, whatever noticed it and whoever works on it.
//
//	            Advance ───►
//	candidate ─► confirmed ─► identified ⇄ monitoring ─► restored ─► closed ─► reviewed
//	     │           │  └──────────┬───────────┴────────────▲  │        │
//	     │           │             └─ (steps may be skipped) ┘  │        │
//	     │           ◄───────────────── Reopen, with a reason ──┴────────┘
//	     ▼           ▼
//	   dismissed (false alarm) or merged (into another), from any phase before restored
//
// An incident begins as a candidate, or as confirmed when whoever opens it is
// sure. Restored says that the service works again, closed that everybody was
// told so; both ask the [Gate] first (I1, I2), and without a gate they are
// refused: what cannot be checked is not done. The phase never moves by itself,
// since each step needs words; when an alert ends the journal says so.
//
// Level says how far the authority can still act. Raising it to crisis and what
// [CrisisHook] does are one transaction (I7).
//
// A [Fact] carries how certain it is, and whether it may be said. Changing it
// makes a new version; the old ones stay.
//
// A [Commitment] is what the town has promised, until a day: it is open until a
// person says that it was kept, broken or withdrawn. The room brings it to mind a
// day before and says that it is overdue; how it ended is public where the
// promise was.
//
// The journal (Einsatztagebuch) only grows. Each entry is sealed with a hash
// over itself and the entry before, and the incident keeps the last one, so
// that an entry that was altered, removed, added or swapped is found by
// [Room.VerifyJournal] (I14). Other rooms write into it with [Room.Record].
//
// Everybody who is signed in may read. Acting takes one of the roles it,
// publisher, approver, admin. The room publishes nothing.
package incident
