// Package contact asks, before the crisis, whether anything on which an alarm
// depends would fall together with the town's own systems.
//
// A [Point] (Kontaktweg) is such a thing: the second address of somebody who is
// alarmed, a mail server, a gateway for short messages or calls, a push service, a webhook, the
// identity provider, the directory, a copy of the public page, a watcher over
// this install, the database, the machine itself. app gathers them from the
// configuration and the rooms; this room looks up their hosts in DNS, compares
// them with the town's domains, mail servers, name servers and networks, and
// remembers what it found:
//
//	apart    nothing is shared
//	shared   falls together with the town: red
//	unknown  could not be looked up, or the town has named nothing to compare
//	         with: never green
//
// Each is looked at once a day, and again when its host changes. A point that
// turns red is told once, by a plain mail to the administrators; nobody is woken.
//
// An address proves itself only by being answered: on the second Tuesday of the
// month everybody who can be alarmed gets a link over each of their ways, and one
// click confirms it ([Room.Confirm]). Whoever does not answer is reminded after
// three and seven days, the way turns red, and the leads get a report.
//
// The room also keeps the register of the town's accounts in networks
// ([RegisteredAccount]) with the mail that leads back into each, which is such a
// point too.
//
// The room changes no way out and withholds no alarm: a red way still carries.
// Links are kept as digests, and each does its one thing once.
//
// Tables: contact_point, contact_account, contact_round, contact_ask, contact_link.
package contact
