// Package alert decides whom a signal wakes, and remembers why.
//
// An [Alert] is one piece of trouble with one service (or, when the service is
// not known, with one source). Signals of the same service fold into the open
// alert: a second source confirms it and wakes nobody again.
//
//	 firing signal        Acknowledge            last source resolved
//	──────────────► open ────────────► acknowledged ──────────────► closed
//	                  │        last source resolved, or Close          ▲
//	                  └────────────────────────────────────────────────┘
//
// A closed alert stays closed; what fires afterwards is a new alert.
//
// Responsible are the people of the service's escalation chain where there is
// one, else the service's owner, else everybody with the role it, else every
// administrator. Each gets a mail at every address that is known of them, in
// the transaction that opens the alert. Everybody who got the alarm also hears
// who took it and when it is over, in the same thread, whoever is responsible
// by then.
//
// When nobody takes an alert within five minutes, those next in that line are
// told too, and so on until everybody was.
//
// An alarm can be held back for a named reason: somebody has silenced it
// ([Silence]), or it is the effect of another one that is awake ([Behind]). The
// alert is open and listed meanwhile, and alarms by itself when the reason is gone.
//
// Doubt never silences (I20): every firing signal is in an open alert or is
// listed as [Withheld] with its [Reason]; an alert for which nobody could be
// told is listed too, and the room keeps looking for somebody. Why a person was
// or was not woken can always be read: [Room.Why].
//
// The room never looks at services, never sends by itself (that is channel's
// outbox) and never writes to the public.
package alert
