package channel

import (
	"context"
	"errors"
	"time"
)

// Kind names a way out: which adapter carries a message.
type Kind string

// The ways out that this release speaks.
const (
	Mail    Kind = "mail"
	Webhook Kind = "webhook"
	// Post is a public post on one of the town's accounts in a network.
	Post Kind = "post"
	// SMS is a short message, Voice a call with a spoken text; both go to a number
	// in E.164.
	SMS   Kind = "sms"
	Voice Kind = "voice"
	// Push goes to the devices that a person has registered; To is the person's id.
	Push Kind = "push"
	// Chat goes to one person in a messenger; To is "signal:+49…", "threema:ABCDEFGH",
	// "matrix:!room:server" or "ntfy:topic".
	Chat Kind = "chat"
)

// Class is the priority lane of a message. Alarms overtake everything else and
// know no cap (I10).
type Class string

// The lanes, first one first.
const (
	Alarm  Class = "alarm"  // somebody must act now
	Single Class = "single" // one mail to one person: sign-in link, approval request
	Bulk   Class = "bulk"   // a statement to many; queued in publish's ledger, never in the outbox
)

// Realm keeps exercises from real channels (I4): an adapter of one realm never
// carries a message of the other.
type Realm string

// The two realms.
const (
	Live     Realm = "live"
	Exercise Realm = "exercise"
)

// Message is what goes out to one address on one way. The same Message may be
// sent twice after a crash, so adapters pass ID on as the idempotency key that
// their protocol offers (Message-ID for mail, Idempotency-Key for a webhook).
type Message struct {
	ID    string // unique and stable over retries, safe in a URL and a mail header
	Kind  Kind
	Class Class
	// MayWait: it can wait for the end of its reader's quiet hours. It says nothing
	// of an alarm.
	MayWait bool `json:",omitempty"`
	Realm   Realm
	To      string // mail address, or the URL of a webhook
	// Declared: To is the operator's word, out of his file, so a webhook may go
	// anywhere. What people entered is held to where they may go.
	Declared bool
	ToName   string // display name, may be empty
	Subject  string
	Text     string // plain text, always present
	HTML     string // optional; mail sends multipart/alternative then

	// Thread groups mails of one alert or incident in the reader's client: the
	// adapter derives In-Reply-To and References from it. Empty: no thread.
	Thread string
	// FirstOfThread marks the message that opens Thread.
	FirstOfThread bool

	// Reply marks a machine's answer to somebody's mail, whose Message-ID is InReplyTo
	// where it has one: Auto-Submitted is auto-replied, so that no other machine
	// answers it.
	Reply     bool   `json:",omitempty"`
	InReplyTo string `json:",omitempty"`

	Language  string // BCP 47 of Text ("de", "en"), for Content-Language
	Automatic bool   // sets Auto-Submitted: auto-generated (RFC 3834)
	// ListUnsubscribe is the one-click address of RFC 8058; empty for alarms.
	ListUnsubscribe string
	// Payload is the JSON body of a webhook; Text and HTML are ignored then.
	Payload []byte
	// Link is the page where the reader sees more, Answer the address of one act by
	// the reader: a POST there takes the alarm over. For ways that show buttons;
	// Text has what the others need.
	Link   string `json:",omitempty"`
	Answer string `json:",omitempty"`
	// Attached goes with a mail; other adapters leave it out.
	Attached []Attachment
	// Form is whose form a webhook speaks; empty: our own document, or a body that
	// says all.
	Form Form `json:",omitempty"`
	// Rest is the request of the form [REST].
	Rest *Rest `json:",omitempty"`
	// Secret is a product's token, or signs a webhook body with HMAC-SHA256; empty: unsigned.
	Secret []byte
	// Date is the Date header; the moment the message was written, not sent.
	Date time.Time
	// Until is when the message has lost its sense; zero: the way's own rule. It
	// bounds how long a provider keeps it, never whether we send it.
	Until time.Time
}

// Attachment is a file that goes with a mail.
type Attachment struct {
	Name string // plain letters, "lage.pdf"
	Type string // media type
	Data []byte
}

// Receipt is what the other side said when it took a message.
type Receipt struct {
	// Reference is the other side's own name for it (queue id, message id).
	Reference string
	// Route names the configured way that worked ("primary").
	Route string
	// Parts is in how many parts the other side will carry it (SMS); zero: whole.
	Parts int
	// Allowance is what the provider said it would still take.
	Allowance Allowance
}

// Adapter speaks one protocol to one configured route. Send returns nil only
// when the other side has taken responsibility for the message; its errors are
// [*Failure] values. Implementations are safe for concurrent use.
type Adapter interface {
	Kind() Kind
	// Route is the configured name, unique within its kind.
	Route() string
	Realm() Realm
	Send(ctx context.Context, m Message) (Receipt, error)
}

// BatchSender is the optional ability of an adapter to carry many messages
// over few connections. It answers exactly one Outcome per message, in order;
// an Outcome that was never tried has a temporary failure.
type BatchSender interface {
	Adapter
	SendBatch(ctx context.Context, ms []Message) []Outcome
}

// Choosing is the optional ability of an adapter to carry to some addresses of its
// kind alone: one messenger does not know the numbers of the next.
type Choosing interface {
	Adapter
	Takes(to string) bool
}

// Outcome is the fate of one message of a batch.
type Outcome struct {
	Receipt Receipt
	Err     error
}

// Prober is the optional ability to test a route without sending anything.
type Prober interface {
	Check(ctx context.Context) error
}

// Standing is the optional ability of an adapter to know, without a message, that its
// route would not carry one now. Such a route is tried after the others.
type Standing interface {
	// Down tells why; nil: nothing speaks against it.
	Down() *Failure
}

// Failure says why a message was not taken, and whether trying again may help.
type Failure struct {
	// Permanent: this message will never be taken by this address (5xx at RCPT).
	Permanent bool
	// RouteDown: the route itself does not work (no connection, TLS, sign-in
	// refused); another route may take the message at once.
	RouteDown bool
	// RetryAfter is what the other side asked for; zero: the sender decides.
	RetryAfter time.Duration
	// Reason is a short stable word for ledgers and metrics: "connect",
	// "timeout", "canceled" (the caller gave up, the route is not to blame),
	// "auth", "tls", "rejected", "mailbox", "throttled", "protocol",
	// "too_large", "blocked" (the address lies where people may not go), "config",
	// "paced" (not tried: the provider takes no more just now).
	Reason string
	// Partly: the other side has taken a part of the message, with this try or one
	// before; its reader may have seen it.
	Partly bool
	Err    error
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Reason
	}
	return f.Reason + ": " + f.Err.Error()
}

func (f *Failure) Unwrap() error { return f.Err }

// AsFailure finds the Failure in err; an unknown error counts as temporary.
func AsFailure(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Reason: "unknown", Err: err}
}
