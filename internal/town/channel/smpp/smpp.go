package smpp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"tuermer/internal/town/channel"
)

// Options are one message centre.
type Options struct {
	Name       string
	Realm      channel.Realm
	Addr       string // host:port
	TLS        bool
	SystemID   string // at most 15 characters
	SystemType string // at most 12; most centres want none
	Secret     func() string
	From       string // the sender that people see: a number, or at most 11 characters
	SAR        bool   // parts are told apart by sar_ fields rather than in the text
	Window     int    // messages that wait for an answer; default 10

	Price   channel.Price
	Rate    float64 // messages a second; 0: no limit is known
	Burst   int
	Timeout time.Duration // of one answer; default 6 s
	Enquire time.Duration // how long the line may be silent; default 30 s

	// Reported takes what became of a message, Replied what somebody wrote. An error
	// makes the centre say it again.
	Reported func(ctx context.Context, r channel.Report) error
	Replied  func(ctx context.Context, r channel.Reply) error

	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	TLSConfig   *tls.Config
	Now         func() time.Time // required
	Log         *slog.Logger
}

// Pauses between two tries to open the line.
const (
	firstPause = time.Second
	maxPause   = time.Minute
	// rest is how long a message may not hurry the next try along.
	rest = 2 * time.Second
	// keepHalf is how long the taken parts of a message are remembered.
	keepHalf = time.Hour
	maxHalf  = 10_000
)

// Adapter is the way over one message centre.
type Adapter struct {
	o   Options
	win *window

	mu      sync.Mutex
	cancel  context.CancelFunc
	done    chan struct{}
	now     *session
	why     *channel.Failure // why there is none
	tried   time.Time        // when opening the line began last
	trying  bool             // it is being opened now
	turn    chan struct{}    // closed when a try has ended
	hurry   chan struct{}
	half    map[string]*half
	swept   time.Time
	binding sync.Mutex // one line of its own at a time, while Start was not called
}

// half is a message of which some parts are taken.
type half struct {
	ids   []string // by part; empty: not taken
	begun time.Time
}

var (
	_ channel.Line   = (*Adapter)(nil)
	_ channel.Pacer  = (*Adapter)(nil)
	_ channel.Priced = (*Adapter)(nil)
	_ channel.Prober = (*Adapter)(nil)
)

// New checks the options; it opens no line.
func New(o Options) (*Adapter, error) {
	o.Realm, o.Window = cmp.Or(o.Realm, channel.Live), cmp.Or(o.Window, 10)
	o.Timeout, o.Enquire = cmp.Or(o.Timeout, 6*time.Second), cmp.Or(o.Enquire, 30*time.Second)
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{}).DialContext
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	host, port, err := net.SplitHostPort(o.Addr)
	switch {
	case o.Name == "" || o.Now == nil:
		return nil, fmt.Errorf("smpp %q: needs a name and a clock", o.Name)
	case err != nil || host == "" || port == "":
		return nil, fmt.Errorf("smpp %q: the address is no host:port", o.Name)
	case o.SystemID == "" || len(o.SystemID) > 15:
		return nil, fmt.Errorf("smpp %q: system_id has 1 to 15 characters", o.Name)
	case len(o.SystemType) > 12:
		return nil, fmt.Errorf("smpp %q: system_type has at most 12 characters", o.Name)
	case o.Rate < 0 || o.Burst < 0 || o.Window < 0 || o.Timeout < 0 || o.Enquire < 0:
		return nil, fmt.Errorf("smpp %q: no figure is below zero", o.Name)
	}
	if from := sender(o.From); len(from.Addr) > 20 || from.TON == tonName && len(from.Addr) > 11 {
		return nil, fmt.Errorf("smpp %q: the sender has at most 11 characters, or is a number", o.Name)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		cfg = o.TLSConfig.Clone()
	}
	cfg.ServerName, cfg.Time = cmp.Or(cfg.ServerName, host), o.Now
	o.TLSConfig = cfg
	return &Adapter{o: o, win: newWindow(o.Window), turn: make(chan struct{}), hurry: make(chan struct{}, 1), half: map[string]*half{}}, nil
}

// Kind is always [channel.SMS].
func (a *Adapter) Kind() channel.Kind { return channel.SMS }

// Route is the configured name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the way may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// Pace is how much the centre takes, as far as the entry says.
func (a *Adapter) Pace() (perSecond float64, burst int) {
	return a.o.Rate, cmp.Or(a.o.Burst, int(max(a.o.Rate, 1)))
}

// Price is what one part costs.
func (a *Adapter) Price() channel.Price { return a.o.Price }

// Check finds out whether the centre would take something now.
func (a *Adapter) Check(ctx context.Context) error {
	s, release, err := a.line(ctx, true)
	if f, ok := errors.AsType[*refusal](err); ok && f.status == AlreadyBound {
		return nil // by the running program: the sign-in is right
	}
	if err != nil {
		return err
	}
	defer release()
	if err := s.alive(ctx); err != nil {
		return &channel.Failure{RouteDown: true, Reason: "timeout", Err: err}
	}
	return nil
}

var numberForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// Kinds of numbers (SMPP 3.4, 5.2.5).
const (
	tonUnknown       = 0
	tonInternational = 1
	tonName          = 5
	npiUnknown       = 0
	npiISDN          = 1
)

// sender is how a sender is named: a number in full, a short one, or a name.
func sender(from string) Address {
	digits := strings.Trim(strings.TrimPrefix(from, "+"), "0123456789") == ""
	switch {
	case from == "":
		return Address{}
	case digits && from[0] == '+':
		return Address{tonInternational, npiISDN, from[1:]}
	case digits:
		return Address{tonUnknown, npiISDN, from}
	}
	return Address{tonName, npiUnknown, from}
}

// Send hands the message to the centre, part by part. Its error is a
// [*channel.Failure].
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	if !numberForm.MatchString(m.To) {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "config", Err: errors.New("the number is not written in full, with its country")}
	}
	name := fnv.New32a()
	_, _ = name.Write([]byte(m.ID))
	pieces, tlvs, err := Pieces(channel.PlainSMS(m.Text), byte(name.Sum32()), a.o.SAR)
	if err != nil {
		return channel.Receipt{}, &channel.Failure{Permanent: true, Reason: "too_large", Err: err}
	}
	s, release, err := a.line(ctx, m.Class == channel.Alarm)
	if err != nil {
		return channel.Receipt{}, err
	}
	defer release()
	ids := make([]string, len(pieces))
	for i, piece := range pieces {
		if ids[i] = a.taken(m.ID, i, len(pieces)); ids[i] != "" {
			continue
		}
		piece.From, piece.To = sender(a.o.From), Address{tonInternational, npiISDN, m.To[1:]}
		piece.Registered, piece.Validity = 1, a.validity(m.Until)
		if m.Class == channel.Alarm {
			piece.Priority = 1
		}
		id, err := a.submit(ctx, s, m, PDU{Command: SubmitSM, Short: &piece, TLVs: tlvs[i]}, func(id string) { a.take(m.ID, i, len(pieces), id) })
		if err != nil {
			f := *channel.AsFailure(err)
			f.Partly = i > 0 // they go in their order
			return channel.Receipt{}, &f
		}
		ids[i] = id
		a.take(m.ID, i, len(pieces), id)
	}
	a.mu.Lock()
	delete(a.half, m.ID)
	a.mu.Unlock()
	return channel.Receipt{Route: a.o.Name, Reference: channel.References(ids), Parts: len(pieces)}, nil
}

// submit sends one part; late hears an answer that comes when nobody waits for it.
func (a *Adapter) submit(ctx context.Context, s *session, m channel.Message, p PDU, late func(id string)) (string, error) {
	if err := a.win.enter(ctx, m.Class == channel.Alarm); err != nil {
		if m.Class != channel.Alarm && errors.Is(err, context.DeadlineExceeded) {
			return "", &channel.Failure{Reason: "paced", RetryAfter: time.Second}
		}
		return "", gaveUp(ctx, err)
	}
	defer a.win.leave()
	inner, cancel := context.WithTimeout(ctx, a.o.Timeout)
	defer cancel()
	answer, err := s.ask(inner, p, func(p PDU) {
		if p.Command == SubmitSM.Answer() && p.Status == OK {
			late(cmp.Or(token(p.ID), "?"))
		}
	})
	switch {
	case errors.Is(err, errGone):
		return "", &channel.Failure{RouteDown: true, Reason: "connect", Err: err}
	case err != nil:
		s.doubt()
		return "", gaveUp(ctx, err)
	case answer.Status != OK || answer.Command != SubmitSM.Answer():
		return "", failure(answer.Status)
	}
	return cmp.Or(token(answer.ID), "?"), nil // one without a name has no receipt
}

// gaveUp says why nobody waits any more.
func gaveUp(ctx context.Context, err error) *channel.Failure {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &channel.Failure{Reason: "canceled", Err: err}
	}
	return &channel.Failure{RouteDown: true, Reason: "timeout", Err: errors.New("the message centre does not answer")}
}

// refusal is a status other than yes.
type refusal struct{ status Status }

func (r *refusal) Error() string { return fmt.Sprintf("status 0x%02X", uint32(r.status)) }

// failure says what a status means.
func failure(s Status) *channel.Failure {
	f := &channel.Failure{Reason: "rejected", RouteDown: true, Err: &refusal{s}}
	switch s {
	case Throttled, QueueFull:
		f.Reason, f.RouteDown = "throttled", false
	case InvalidNumber, InvalidTON, InvalidNPI, InvalidLength:
		f.Permanent, f.RouteDown = true, false
	case BindFailed, WrongPassword, WrongSystemID:
		f.Reason = "auth"
	case AlreadyBound, WrongState:
		f.Reason = "protocol"
	case OK: // a generic_nack that says nothing
		f.Reason = "protocol"
	}
	return f
}

// validity is how long the centre keeps the message, as a span from now.
func (a *Adapter) validity(until time.Time) string {
	left := until.Sub(a.o.Now()).Round(time.Minute)
	if until.IsZero() || left < time.Minute {
		return ""
	}
	left = min(left, 7*24*time.Hour)
	return fmt.Sprintf("0000%02d%02d%02d00000R", int(left.Hours())/24, int(left.Hours())%24, int(left.Minutes())%60)
}

// taken is the centre's name of a part that it has already, or empty.
func (a *Adapter) taken(id string, i, n int) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.half[id]; h != nil && len(h.ids) == n {
		return h.ids[i]
	}
	return ""
}

func (a *Adapter) take(id string, i, n int, name string) {
	now := a.o.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.swept) > time.Minute {
		a.swept = now
		for k, h := range a.half {
			if now.Sub(h.begun) > keepHalf {
				delete(a.half, k)
			}
		}
	}
	h := a.half[id]
	if h == nil || len(h.ids) != n {
		if len(a.half) >= maxHalf {
			return // it may arrive twice; nothing is lost
		}
		h = &half{ids: make([]string, n), begun: now}
		a.half[id] = h
	}
	h.ids[i] = name
}
