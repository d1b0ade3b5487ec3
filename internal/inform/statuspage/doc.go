// Package statuspage is what everybody can read: the town's services with their
// Zustand, the published messages word for word, their history, a feed, and the
// summary that other programs read.
//
// # Zustand
//
// A public service's [State] follows its monitors by the service's auto_public
// without a person, a published message raises it, and whoever holds it by hand
// ([Room.Hold]) decides until they let go ([Room.Release]). The rule is one pure
// function, [Decide], and names its [Source]. Words are another matter: only
// published variants for citizens and press appear here, and nothing of a
// private incident ever does (I17).
//
// # How a page is made
//
//	ports ──read──▶ model ──view──▶ documents ──Handler──▶ reader
//	                  │                 ▲
//	                  └── disk ─────────┘ (at start, and when the database is away)
//
// A sweeper reads each tenant's rooms when a hint arrives, and once a minute,
// into a model that holds public things only. From it every page is rendered
// ahead, plain and compressed, and kept in memory behind one atomic pointer: a
// request touches no database and renders nothing (the search in the archive is
// the one exception, and it searches memory). The model also lies on disk as one
// file per tenant, so that the page stands after a restart while the database is
// away. What depends on the clock, such as "die Meldung verspätet sich", is
// worked out from the model each time, never from the database.
//
// The room stores only who holds what by hand (statuspage_hold). It sets no
// cookie, knows no visitor, loads nothing from elsewhere and uses no script. An
// exercise never appears on the real page (I4).
package statuspage
