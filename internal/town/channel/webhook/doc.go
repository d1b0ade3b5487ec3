// Package webhook sends a message as a signed HTTP POST to the address that
// somebody configured: a ticket system, a chat's incoming hook, a script of the
// town's own.
//
// The body is the message's Payload, or else a JSON object built from its text
// ([Body]). Three headers go with it:
//
//	Idempotency-Key: <Message.ID>            the same on every retry
//	X-Tuermer-Signature: t=<unix>,v1=<hex>   HMAC-SHA256 over "<unix>.<body>" with the message's secret
//	User-Agent: Tuermer/1                    configurable
//
// A receiver checks the signature with [Verify], or with three lines of any
// other language. The time is part of what is signed, so that a recorded request
// cannot be replayed for ever.
//
// The address is foreign data: redirects are not followed and no proxy of the
// environment is used. One that people entered in the console goes only where
// [Options].Held lets it, judged by the resolved address before anything is sent;
// one of the operator's file ([channel.Message.Declared]) may lie anywhere.
// Addresses of webhooks often hold a key, so they appear in no error, nor does an
// answer that repeats them.
//
// What a failure means: 2xx is success; 429 and 503 are temporary "throttled"
// with the Retry-After that was asked for, at most an hour; 408, 425 and other
// 5xx are temporary "rejected"; 413 is permanent "too_large", 401 and 403 are
// permanent "auth", an address that may not be reached is permanent "blocked", and every other answer is permanent "rejected". "connect",
// "tls" and "timeout" are temporary, and never RouteDown: one receiver's
// silence says nothing about the others.
//
// The package stores nothing and keeps no connection open between calls.
package webhook
