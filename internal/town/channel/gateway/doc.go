// Package gateway sends short messages, and calls with a spoken text, through the
// HTTP interface of a provider or of a box in the town's own cellar.
//
// One entry of tuermer.yaml is one [Adapter]. Its kind is "http-json", of which
// the entry writes the request itself, or the name of a provider whose documented
// interface is known here ([Presets]). A request is a template with a few closed
// placeholders ([Fill]); what is put in is escaped for the place where it stands,
// so that no name and no text can change the request.
//
// What a failure means: a provider that cannot be reached, hangs, refuses the
// sign-in (401, 402, 403) or fails (5xx) is down, and the next one is asked; 429 and 503
// are "throttled", with the time that was asked for; 400, 404, 413 and 422 say that this
// provider will never take this message. A provider that says "yes" with status
// 200 and "no" in the body is read by [Options].OKPath. A broken answer after the
// request was written may have sent the message; it goes again with the same ID,
// since two messages wake somebody and none wakes nobody.
//
// Receipts and answers come back to an address with a token of the entry
// ([Adapter.Reports], [Adapter.Replies]); they are foreign bodies and read with
// suspicion.
//
// A call ([channel.Voice]) has arrived when a key was pressed that means something
// ("1", "2"), whatever the provider says of it besides. Busy, nobody there, and a
// call that ends without a key, as an answering machine's does, are lost, so the
// next way follows.
//
// The package stores nothing. Secrets and numbers appear in no error.
package gateway
