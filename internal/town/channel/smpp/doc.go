// Package smpp sends short messages straight to a provider's message centre, by
// SMPP 3.4 over a line that stays open.
//
// One line (a [session]) is bound as transceiver: messages go out by submit_sm and
// what became of them, like what people answer, comes back by deliver_sm over the
// same line. [Adapter.Start] keeps it open, and opens it again after a pause that
// grows; without Start each message opens a line of its own.
//
//	open ──bind──► up ──line breaks, no answer to enquire_link, unbind──► pause ─┐
//	  ▲                                                                          │
//	  └──────────────── pause is over, or an alarm wants to go ──────────────────┘
//
// A text goes out in GSM-7 (data_coding 0) where that can write it, else in UCS-2
// (8); what is too long goes in parts of [channel.Parts], told apart by a header
// in the text, or by sar_ fields. Which parts are taken is remembered, so that a
// second try sends only the rest. [channel.Receipt].Reference names all parts.
//
// At most [Options].Window messages wait for an answer at once; an alarm waits
// before all others and has a quarter of the window for itself (I10).
//
// What a failure means: "throttled" (ESME_RTHROTTLED, ESME_RMSGQFUL) is waited
// for, a number that the centre does not know is permanent "rejected", a sign-in
// that it refuses is "auth", a line that breaks or hangs is "connect" or
// "timeout", and every other status says that this provider does not work just
// now. A message whose answer got lost goes again: twice is better than not at
// all.
//
// What comes in is answered only when it is written down; else the centre is told
// to say it again. The package stores nothing.
package smpp
