// Package intake lets every other monitoring system speak to us.
//
// Its nouns: a [Source] is one system with an address of its own, which holds a
// secret token and a [Format]. What arrives is a [Body]; it is kept as it came,
// in the transaction that takes it, and answered only then. A [Parser] reads
// from a body the [Report]s in it; each becomes a signal, which folds repeats,
// late and reordered ones (package signal).
//
//	POST /in/{token}/{format} ──► source ──► body kept ──► reports ──► signals
//	                                            │
//	                                            └─ not understood: an alarm of
//	                                               its own, and the body to look at
//
// Doubt never silences (I20): a state that nobody knows counts as down, what
// cannot be read alarms, and a source that says nothing for longer than its
// rhythm is a finding ("Quelle stumm").
//
// A mailbox to which people write is no source of reports: it has a [Reception].
// Türmer reads along, answers in hours in which nobody is on duty for its channel,
// and makes an alarm of what is urgent; it keeps nothing of what people write.
//
// The pure half (report.go, the format_*.go files) knows neither store nor web.
package intake
