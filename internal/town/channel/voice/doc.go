// Package voice calls a telephone by SIP and speaks the alarm: through the town's own
// telephone system, or a provider's trunk, without anybody's HTTP interface between.
//
// One entry of tuermer.yaml with kind "sip" is one [Adapter]. Each call has a user
// agent of its own (github.com/emiago/sipgo: INVITE with digest sign-in over UDP, TCP
// or TLS, a registration where the entry asks for one) and one stream of RTP with
// G.711. The text is spoken by espeak-ng and repeated; where that program is missing
// or fails, the telephone rings all the same and an alarm tone is heard, in which the
// keys work ([Adapter.Check] says so). Keys come as events of RFC 4733, or by SIP INFO.
//
//	INVITE ─ 180, 183, 200 ─► taken ─ answered ─ key 1 or 2 ─► arrived, with the key
//	   │                        │          └ hung up, no key in time ─► lost
//	   └ 486, 480, 603, …       └ nobody answers, busy after all ─► lost
//	     never taken
//
// [Adapter.Send] ends when the far side rings, for a call takes longer than a message
// may hold up others; what became of it is told to [Options].Report as a provider
// would tell it ([channel.Report]). A call that is cut off by the end of the process
// reports nothing, and so counts as not confirmed.
//
// What a refusal means: busy, nobody there and declined end the message, so that the
// person's next way follows at once; 503 and 429 are "throttled" with the time that was
// asked for; 401, 403 and 407 are a wrong sign-in; other failures are this trunk's, and
// the next one is asked.
//
// The package stores nothing. Numbers, passwords and texts appear in no error and no
// log. Speech travels unencrypted (RTP), as on any telephone, also where signalling is
// TLS.
package voice
