package alert_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

// past is the ways out and the outbox of a node whose database is away.
type past struct {
	carried   []channel.Message
	journaled map[string]channel.Past
	down      string // an address that is not reached
}

func (p *past) Deliver(_ context.Context, _ channel.Realm, _ channel.Kind, ms []channel.Message) []channel.Outcome {
	out := make([]channel.Outcome, len(ms))
	for i, m := range ms {
		if m.To == p.down {
			out[i].Err = &channel.Failure{Reason: "connect", RouteDown: true}
			continue
		}
		p.carried = append(p.carried, m)
		out[i].Receipt.Route = "primary"
	}
	return out
}

func (p *past) Journal(_ context.Context, m channel.Message, o channel.Past) error {
	p.journaled[m.ID] = o
	return nil
}

var linkIn = regexp.MustCompile(`https://lage\.example(/a/\S+)`)

// What the spool did is told with its true times, once; who was woken by it is
// not woken again by the signal that follows; who took it by the link has taken
// it as of then.
func TestReconcile(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		_, w := setup(t, sw)
		v, err := vault.New(make([]byte, vault.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		p := &past{journaled: map[string]channel.Past{}, down: "ada@posteo.example"}
		gone := time.Time{}
		town, _ := w.Current(sw.Ctx)
		town.ID = storetest.Tenant
		o := alert.Options{
			Store: sw.Store, Clock: w, Hints: sw.Hints, Audit: w, Town: w, People: w, Services: w, Sender: w, Signer: v, Hooks: w,
			Dir: t.TempDir(), Files: v, Ways: p, Journal: p, Away: func() time.Time { return gone },
			Towns: func(context.Context) ([]identity.Tenant, error) { return []identity.Tenant{town}, nil },
			Catalogue: func(context.Context) ([]service.Service, error) {
				return []service.Service{w.services["portal"], w.services["mail"]}, nil
			},
		}
		r := alert.New(o)
		if err := errors.Join(alert.OpenSpool(r), alert.Remember(r, sw.Ctx, w.now)); err != nil {
			t.Fatal(err)
		}
		// The database is away.
		began := w.now
		gone = began
		w.now = w.now.Add(20 * time.Second)
		r.Unstored(sw.Ctx, firing("monitor:portal", "portal", 0), began)
		if err := alert.SendSpooled(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		if len(p.carried) != 1 || len(w.sent) != 0 {
			t.Fatalf("%d past the outbox, %d through it", len(p.carried), len(w.sent))
		}
		link := linkIn.FindStringSubmatch(p.carried[0].Text)
		w.now = w.now.Add(time.Minute)
		catalog, err := i18n.NewCatalog(web.Texts(), alert.Texts())
		if err != nil {
			t.Fatal(err)
		}
		site := web.NewSite(web.Options{Catalog: catalog, Clock: w, Authenticate: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				next.ServeHTTP(rw, req.WithContext(ident.WithTenant(req.Context(), storetest.Tenant)))
			})
		}})
		r.Routes(site)
		ask := func(method, path string) int {
			rec := httptest.NewRecorder()
			site.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, nil))
			return rec.Code
		}
		if get, post := ask("GET", link[1]), ask("POST", link[1]); get != 200 || post != http.StatusSeeOther {
			t.Fatalf("link: %d, %d", get, post)
		}
		if forged := ask("POST", link[1]+"x"); forged != http.StatusNotFound {
			t.Errorf("a forged link answers %d", forged)
		}
		took := w.now
		w.now = w.now.Add(8 * time.Minute)
		gone = time.Time{}
		// A transaction that fails leaves everything for the next.
		no := errors.New("no")
		err = sw.Store.InTx(sw.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
			return errors.Join(r.Reconcile(ctx), no)
		})
		if !errors.Is(err, no) || alert.Spooled(r) != 1 || len(list(t, r, sw.Ctx, alert.Filter{})) != 0 {
			t.Fatal(err, alert.Spooled(r))
		}
		w.sent = nil
		for range 2 { // the second has nothing left to tell
			err = sw.Store.InTx(sw.Ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error { return r.Reconcile(ctx) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if alert.Spooled(r) != 0 {
			t.Error("the spool still holds it")
		}
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		all := list(t, r, sw.Ctx, alert.Filter{})
		if len(all) != 1 {
			t.Fatalf("%d alerts", len(all))
		}
		a, err := r.Get(sw.Ctx, all[0].ID)
		if err != nil || !a.OpenedAt.Equal(began.Add(20*time.Second)) || a.AcknowledgedBy != "ada" || !a.AcknowledgedAt.Equal(took) || len(a.Signals) != 1 {
			t.Fatalf("%v: %+v", err, a)
		}
		// The mail that was not taken goes on through the outbox, with its id.
		var ids []string
		for _, m := range w.sent {
			if m.To == "ada@posteo.example" && m.Thread == string(a.ID) {
				ids = append(ids, m.ID)
			}
		}
		told, err := r.Notified(sw.Ctx, a.ID)
		if err != nil || len(told) != 2 || len(ids) != 1 || len(p.journaled) != 1 {
			t.Fatalf("%v: %+v, %v, %v", err, told, ids, p.journaled)
		}
		for _, n := range told {
			past, done := p.journaled[n.MessageID]
			switch {
			case done && (n.Receipt != string(channel.Accepted) || !n.ReceiptAt.Equal(began.Add(20*time.Second)) || !past.At.Equal(n.ReceiptAt)):
				t.Errorf("journaled %+v for %+v", past, n)
			case !done && !slices.Contains(ids, n.MessageID):
				t.Errorf("%s is lost", n.Address)
			}
		}
		w.sent = nil
		fold(t, r, sw.Ctx, resolved("monitor:portal", "portal", 2))
		if got := w.to(); len(got) != 2 {
			t.Errorf("told of the end: %v", got)
		}
		// While its alert is open, the book says so, and nobody is woken.
		fold(t, r, sw.Ctx, firing("monitor:mail", "mail", 1))
		w.now = w.now.Add(time.Minute)
		if err := alert.Remember(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		r.Unstored(sw.Ctx, firing("monitor:mail2", "mail", 0), w.now.Add(-time.Minute))
		if alert.Spooled(r) != 0 {
			t.Error("woken twice for one service")
		}
		r.Stop()
		again := alert.New(o)
		if err := alert.OpenSpool(again); err != nil || alert.Spooled(again) != 0 {
			t.Fatal(err, alert.Spooled(again))
		}
		if towns := again.Remembered(); len(towns) != 1 || towns[0].Name != "Musterstadt" {
			t.Errorf("remembered: %v", towns)
		}
		again.Stop()
	})
}
