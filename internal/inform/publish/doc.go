// Package publish is what the town says: the third waist, [Statement].
//
// A statement is one set of facts about one incident, told to several
// audiences. It is written as a draft, looked at by a second person where I3
// asks for one, and published. From then on its variants (audience × format ×
// language) stand as they are, word for word what a reader sees; a change is a
// new version that says so.
//
//	draft ──submit──▶ submitted ──approve──▶ published
//	  ▲  └───────────────approve───────────────▲
//	  └────return with a note────┘
//	draft or submitted ──withdraw──▶ withdrawn
//
// Approving publishes: in one transaction the variants are rendered and
// stored, the promise of the next update moves, and the ledger gets one row
// per recipient and channel. A sweeper claims rows of the ledger in batches and
// hands them to channel, which knows the adapters.
//
// Nouns and their tables
//
//	Statement  publish_statement  what is said, by whom, approved how
//	Variant    publish_variant    the words, never changed (I5)
//	Promise    publish_promise    next update per incident and audience (I6)
//	Delivery   publish_delivery   one row per statement, recipient, channel (I8)
//	Waiver     publish_waiver     closed without a closing statement, and why (I2)
//	Release    publish_release    prepared texts approved before the crisis (I3)
//
// Pure rules stand in files of their own: approval.go (I3), promise.go (I6),
// delivery.go (I8, I10), hold.go (I11), facts.go (the names that the API takes).
//
// The room never opens a connection, never decides who is alarmed, and never
// changes a published word.
package publish
