// Package roster keeps the duty rosters (Dienstpläne): who is on duty when, and
// when nobody is.
//
// A [Roster] has the hours that it covers ([Hours], from a template or its own),
// people who take turns (one list for each line of duty), and a rhythm. All of
// that is civil time of the town: seven o'clock is seven o'clock on every day,
// also after the night in which the clocks change. [Roster.Shifts] figures the
// shifts; nothing is stored ahead, so there is no horizon behind which a plan
// ends. What was stays as it was: a changed [Plan] holds from then on.
//
// An [Override] (Vertretung) puts somebody else on duty for a while, or nobody.
// A [Swap] (Tausch) is asked by one person, accepted by the other, and becomes
// overrides; both can be undone, and the history keeps them.
//
// A calendar of others ([ReadCalendar]) becomes overrides too: a [Harvest] says what
// would become of each entry, an [Import] is what was taken of it and can be undone as
// a whole.
//
// The [Calendar] knows the holidays of the 16 Länder and the town's own days.
//
// Whoever is blocked or gone is not on duty, whatever the plan says: the time is
// a [Gap] at once, and the roster's lead hears of it 14, 3 and 1 days ahead, and
// in the last hour; so is time in which fewer people are there than a [Target]
// asks for. What was told and has not grown is not told again. [Room.OnDuty] answers who is to be woken; when it answers
// nobody, the asker goes on to its next step.
//
// A [Callout] (Einsatz) is an alarm that somebody took over out of their working
// hours. It is recorded for payroll, and its [Rest] until the next work is looked at.
// Its person and the lead see it, and nobody else.
//
// A [Hook] (Messenger-Befehl) takes what people write behind "/dienst" in Mattermost,
// Slack or Rocket.Chat. [ParseCommand] and [Room.Command] know none of these: they
// answer a person with plain words. An [Account] is confirmed once by a code from the
// person's own page; until then it is nobody's, changes nothing and learns nothing.
//
// The room stores rosters, overrides, swaps, own days, feeds by secret link, imports,
// hooks with the accounts confirmed over them, call-outs and which gaps were told. It
// wakes nobody itself; its figures count what is planned, and of what people do it
// knows the call-outs alone.
package roster
