package channel

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// Signer makes and reads the tokens in the addresses to which providers report.
type Signer interface {
	Sign(purpose string, payload []byte, expires time.Time) string
	Verify(purpose, token string, now time.Time) ([]byte, error)
}

// Body is what a provider sent to one of our addresses.
type Body struct {
	Type  string // media type
	Query url.Values
	Data  []byte
}

// Reply is what somebody wrote back to a number of ours. From is E.164.
type Reply struct{ ID, From, Text string }

// ErrBody says that a body cannot be read as a report or an answer.
var ErrBody = errors.New("channel: the body is neither JSON nor a form")

// Reporter is the optional ability of an adapter to read what its provider tells
// later.
type Reporter interface {
	Adapter
	Reports(b Body) ([]Report, error)
	Replies(b Body) ([]Reply, error)
}

const (
	receiptPurpose = "channel.receipt"
	// maxReport bounds a body of reports.
	maxReport = 1 << 20
	// Paths behind the token.
	receiptPath = "sms-receipt"
	replyPath   = "sms-reply"
)

// receiptValid is when the addresses end: never, as far as anybody configures.
var receiptValid = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// CallbackPaths are where a provider reports to, and where it hands on answers,
// for the way of that kind and name of the tenant in ctx. The token is made from
// the entry: another name is another address. Empty without a [Signer].
func (r *Room) CallbackPaths(ctx context.Context, kind Kind, route string) (receipt, reply string) {
	t := ident.TenantOf(ctx)
	if r.o.Signer == nil || t == "" {
		return "", ""
	}
	token := r.o.Signer.Sign(receiptPurpose, []byte(string(t)+"\n"+string(kind)+"\n"+route), receiptValid)
	return "/in/" + token + "/" + receiptPath, "/in/" + token + "/" + replyPath
}

// reporter finds the way to which the address in the request belongs. At the
// address of another town it opens nothing (I19).
func (r *Room) reporter(req *http.Request) (context.Context, Reporter, error) {
	ctx := req.Context()
	unknown := fault.New(fault.NotFound, "channel.no_such_address")
	if r.o.Signer == nil {
		return ctx, nil, unknown
	}
	payload, err := r.o.Signer.Verify(receiptPurpose, req.PathValue("token"), r.o.Clock.Now())
	if err != nil {
		return ctx, nil, unknown.With(err)
	}
	part := strings.SplitN(string(payload), "\n", 3)
	if len(part) != 3 {
		return ctx, nil, unknown
	}
	if t := ident.TenantOf(ctx); t != "" && string(t) != part[0] {
		return ctx, nil, unknown
	}
	ctx = ident.WithActor(ident.WithTenant(ctx, ident.Tenant(part[0])), ident.System)
	for _, a := range r.adapters(ctx, Live, Kind(part[1])) {
		if rep, ok := a.(Reporter); ok && a.Route() == part[2] {
			return ctx, rep, nil
		}
	}
	return ctx, nil, unknown
}

func reportBody(w http.ResponseWriter, req *http.Request) (Body, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxReport))
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return Body{}, fault.New(fault.TooLarge, "channel.report_unreadable").With(err)
	}
	if err != nil {
		return Body{}, fault.New(fault.Invalid, "channel.report_unreadable").With(err)
	}
	return Body{Type: req.Header.Get("Content-Type"), Query: req.URL.Query(), Data: data}, nil
}

// TakeReport takes what a provider reports; the path value "token" is that of
// [Room.CallbackPaths]. A GET writes here too: some providers report so.
func (r *Room) TakeReport(w http.ResponseWriter, req *http.Request) error {
	ctx, a, err := r.reporter(req)
	if err != nil {
		return err
	}
	b, err := reportBody(w, req)
	if err != nil {
		return err
	}
	all, err := a.Reports(b)
	if err != nil {
		r.o.Log.WarnContext(ctx, "a receipt cannot be read", "route", a.Route(), "err", err)
		return fault.New(fault.Invalid, "channel.report_unreadable").With(err)
	}
	if len(all) == 0 {
		r.nameless(ctx, a.Route())
	}
	for _, rep := range all {
		if err := r.Report(ctx, a.Route(), rep); err != nil {
			return err // a 5xx: the provider says it again
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// namelessEvery is how often the log tells of receipts that name no message.
const namelessEvery = time.Hour

// nameless tells the operator that a route reports about no message of ours: where
// every receipt does, its fields are called otherwise than we were told.
func (r *Room) nameless(ctx context.Context, route string) {
	type of struct {
		tenant ident.Tenant
		route  string
	}
	now := r.o.Clock.Now()
	last, _ := r.told.Load(of{ident.TenantOf(ctx), route})
	if at, ok := last.(time.Time); ok && now.Sub(at) < namelessEvery {
		return
	}
	r.told.Store(of{ident.TenantOf(ctx), route}, now)
	r.o.Log.WarnContext(ctx, "a receipt names no message, perhaps its fields have other names", "room", "channel", "tenant", ident.TenantOf(ctx), "route", route)
}

// TakeReply takes what somebody wrote back.
func (r *Room) TakeReply(w http.ResponseWriter, req *http.Request) error {
	ctx, a, err := r.reporter(req)
	if err != nil {
		return err
	}
	b, err := reportBody(w, req)
	if err != nil {
		return err
	}
	all, err := a.Replies(b)
	if err != nil {
		r.o.Log.WarnContext(ctx, "an answer cannot be read", "route", a.Route(), "err", err)
		return fault.New(fault.Invalid, "channel.report_unreadable").With(err)
	}
	for _, reply := range all {
		if err := r.Answered(ctx, a.Route(), reply.ID, reply.From, reply.Text); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
