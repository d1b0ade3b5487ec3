// Package channel is the town's set of ways out: mail, webhooks, SMS, calls
// and push; networks later.
//
// It owns the port that every way out implements ([Adapter]), the one durable
// outbox for alarms and single messages, and the choice of the route when one
// is down. Bulk mailings keep their own ledger in publish and go through the
// same adapters.
//
// It never decides who is told or what is said: the asker hands it an address
// and a text. One folder below this one holds each adapter.
package channel
