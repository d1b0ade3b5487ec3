// Package mail sends messages through one SMTP submission server or relay.
//
// [New] makes an adapter for one configured route; it is a [channel.Adapter]
// (one message, one connection), a [channel.BatchSender] (many messages over
// few connections) and a [channel.Prober]. It stores nothing and keeps no
// connection open between calls: who retries, when, and over which route is the
// outbox's and the ledger's business.
//
// # The mail
//
// compose.go writes RFC 5322 and MIME by hand, because the same bytes must come
// out on every retry: Message-ID, the thread's root and the multipart boundary
// are derived from the message, never drawn. Text that comes from outside cannot
// add a header: control characters become spaces before anything is written.
// Text travels as 7bit or, where the server offers 8BITMIME, as 8bit; otherwise,
// and whenever a line is longer than 998 bytes, as quoted-printable.
//
// Threads are per reader: the root of a thread is made of [channel.Message]'s
// Thread and To, so that two people's first mails, which hold different
// acknowledgement links, never share a Message-ID. A mail server that forwards
// both to one mailbox would otherwise drop one of them as a double.
//
// # The conversation
//
// smtp.go speaks RFC 5321 with STARTTLS, AUTH PLAIN and LOGIN, SIZE, 8BITMIME.
// batch.go uses PIPELINING (RFC 2920) where the server offers it: the body with
// its final dot and the next MAIL, RCPT and DATA leave in one write, so a
// message costs one round trip instead of four. Every step has its time limit,
// counted over the whole step: a server that sends one byte a second is late,
// not busy.
//
// # What a failure means
//
//	no connection, lost connection     RouteDown "connect"
//	a step took too long               RouteDown "timeout"
//	STARTTLS missing, bad certificate  RouteDown "tls"
//	sign-in refused or not offered     RouteDown "auth"
//	421 anywhere                       RouteDown "throttled"
//	nonsense instead of a reply        RouteDown "protocol"
//	4xx at MAIL                        temporary "throttled"
//	4xx at RCPT                        temporary "mailbox"
//	4xx at DATA or after the dot       temporary "rejected"
//	5xx at RCPT                        permanent "mailbox"; "rejected" for 5.7.x (policy, relaying denied)
//	5xx at MAIL, DATA, after the dot   permanent "rejected"
//	552, 5.3.4, larger than SIZE       permanent "too_large"
//	an address that is none            permanent "mailbox"
//	ctx ended                          temporary "canceled"
//
// When the connection is lost or a limit passes after the final dot and before
// the reply, nobody knows whether the server has the message. That is a
// temporary failure that wraps [ErrUnconfirmed]: trying again may double the
// mail, with the same Message-ID, and that is better than losing it.
package mail
