package channel_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/platform/web"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/vault"
)

// written is a log that is read while others write.
type written struct {
	mu  sync.Mutex
	out strings.Builder
}

func (l *written) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(b)
}

func (l *written) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// A message in parts has arrived when all of them have, and is lost when one is,
// whatever the order in which that is told, and across a restart.
func TestI8_ReceiptsOfParts(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		way := &provider{name: "zentrale"}
		way.say = func(m channel.Message) (channel.Receipt, error) {
			return channel.Receipt{Reference: channel.References([]string{m.ID + "-a", m.ID + "-b", m.ID + "-c"}), Parts: 3}, nil
		}
		r := room(w, way)
		ends, told := settled(w), received(w)
		w.Start(t)
		start(t, w, r)
		report := func(r *channel.Room, reference string, a channel.Arrival) {
			t.Helper()
			if err := r.Report(w.Ctx, "zentrale", channel.Report{Reference: reference, Arrival: a}); err != nil {
				t.Fatal(err)
			}
		}
		arrival := func(id string) channel.Arrival {
			t.Helper()
			item, err := r.Get(w.Ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			return item.Arrival
		}
		report(r, "m1-c", channel.Arrived) // before the centre's yes is noted
		for _, id := range []string{"m1", "m2", "m3"} {
			if err := r.Send(w.Ctx, short(id)); err != nil {
				t.Fatal(err)
			}
			next(t, ends)
		}
		report(r, "m1-a", channel.Arrived)
		report(r, "m1-a", channel.Arrived) // said again
		if got := arrival("m1"); got != "" {
			t.Errorf("one part is missing: %q", got)
		}
		report(room(w, way), "m1-b", channel.Arrived) // by a room that remembers nothing
		if e := next(t, told); e.ID != "m1" || e.Arrival != channel.Arrived {
			t.Errorf("%+v", e)
		}
		report(r, "m2-b", channel.Arrived)
		report(r, "m2-c", channel.Lost)
		report(r, "m2-a", channel.Arrived) // too late
		if e := next(t, told); e.ID != "m2" || e.Arrival != channel.Lost {
			t.Errorf("%+v", e)
		}
		report(r, "m3-", channel.Arrived) // no part's name, though all begin with it
		report(r, "m3-%", channel.Lost)
		if got := arrival("m3"); got != "" {
			t.Errorf("by half a name: %q", got)
		}
	})
}

// provider is a way for short messages that the test commands.
type provider struct {
	name  string
	rate  float64
	burst int
	mu    sync.Mutex
	say   func(m channel.Message) (channel.Receipt, error)
	got   []channel.Message
}

func (p *provider) Kind() channel.Kind   { return channel.SMS }
func (p *provider) Route() string        { return p.name }
func (p *provider) Realm() channel.Realm { return channel.Live }
func (p *provider) Pace() (float64, int) { return p.rate, p.burst }
func (p *provider) Price() channel.Price { return channel.Price{Each: 0.08, Currency: "EUR"} }
func (p *provider) count() int           { p.mu.Lock(); defer p.mu.Unlock(); return len(p.got) }
func (p *provider) Replies(b channel.Body) ([]channel.Reply, error) {
	f, err := url.ParseQuery(string(b.Data))
	if err != nil || f.Get("from") == "" {
		return nil, channel.ErrBody
	}
	return []channel.Reply{{ID: f.Get("id"), From: f.Get("from"), Text: f.Get("text")}}, nil
}

func (p *provider) Reports(b channel.Body) ([]channel.Report, error) {
	f, err := url.ParseQuery(string(b.Data))
	if err == nil && f.Get("event") != "" {
		return nil, nil // of another kind
	}
	if err != nil || f.Get("id") == "" {
		return nil, channel.ErrBody
	}
	return []channel.Report{{ID: f.Get("id"), Arrival: channel.Arrival(f.Get("arrival"))}}, nil
}

func (p *provider) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rc := channel.Receipt{Reference: p.name + "-" + m.ID, Parts: 1}
	if p.say != nil {
		var err error
		if rc, err = p.say(m); err != nil {
			return rc, err
		}
	}
	p.got = append(p.got, m)
	return rc, nil
}

func short(id string) channel.Message {
	return channel.Message{ID: id, Kind: channel.SMS, Class: channel.Alarm, To: "+491700000001", Text: "Alarm", Thread: "al-1"}
}

func received(w *storetest.World) chan channel.ReceivedEvent {
	ch := make(chan channel.ReceivedEvent, 100)
	bus.On(w.Bus, channel.Received, "test.received", func(_ context.Context, e bus.Event[channel.ReceivedEvent]) error {
		ch <- e.Data
		return nil
	})
	return ch
}

func next[T any](t *testing.T, ch chan T) T {
	t.Helper()
	select {
	case e := <-ch:
		return e
	case <-time.After(60 * time.Second):
		t.Fatal("nothing was told")
		panic("unreachable")
	}
}

// A receipt is told once, never turns, and may come before our own note of the
// provider's yes, or after the connection broke.
func TestI8_Receipts(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		first, second := &provider{name: "erster"}, &provider{name: "zweiter"}
		r := room(w, first, second)
		ends, told := settled(w), received(w)
		w.Start(t)
		start(t, w, r)
		send := func(id string) {
			t.Helper()
			if err := r.Send(w.Ctx, short(id)); err != nil {
				t.Fatal(err)
			}
		}
		report := func(route string, rep channel.Report) {
			t.Helper()
			if err := r.Report(w.Ctx, route, rep); err != nil {
				t.Fatal(err)
			}
		}
		send("m1")
		if e := next(t, ends); e.State != channel.Accepted || e.Route != "erster" {
			t.Fatalf("%+v", e)
		}
		report("erster", channel.Report{Reference: "erster-m1"}) // on the way
		report("zweiter", channel.Report{ID: "m1", Arrival: channel.Lost})
		report("erster", channel.Report{Reference: "erster-m1", Arrival: channel.Arrived})
		report("erster", channel.Report{ID: "m1", Arrival: channel.Lost}) // later and contrary
		if e := next(t, told); e.ID != "m1" || e.Arrival != channel.Arrived || e.Kind != channel.SMS {
			t.Fatalf("%+v", e)
		}
		item, err := r.Get(w.Ctx, "m1")
		if err != nil || item.Arrival != channel.Arrived || item.Parts != 1 {
			t.Fatalf("%+v %v", item, err)
		}

		// Faster than our own note of the yes: it waits for its message.
		report("erster", channel.Report{Reference: "erster-m2", Arrival: channel.Lost, Reason: "absent"})
		send("m2")
		next(t, ends)
		if e := next(t, told); e.ID != "m2" || e.Arrival != channel.Lost || e.Reason != "absent" {
			t.Fatalf("%+v", e)
		}

		// The connection broke, the message went all the same.
		for _, p := range []*provider{first, second} {
			p.mu.Lock()
			p.say = func(channel.Message) (channel.Receipt, error) {
				return channel.Receipt{}, &channel.Failure{RouteDown: true, Reason: "timeout"}
			}
			p.mu.Unlock()
		}
		send("m3")
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if item, err = r.Get(w.Ctx, "m3"); err != nil || time.Now().After(deadline) {
				t.Fatal(item, err)
			}
			if item.State == channel.Queued && item.Attempts > 0 {
				break
			}
		}
		report("erster", channel.Report{ID: "m3", Arrival: channel.Arrived})
		if e := next(t, ends); e.ID != "m3" || e.State != channel.Accepted {
			t.Fatalf("%+v", e)
		}
		if e := next(t, told); e.ID != "m3" || e.Arrival != channel.Arrived {
			t.Fatalf("%+v", e)
		}
		// I19: another town's report changes nothing here.
		if err := r.Report(ident.WithTenant(w.Ctx, "t2"), "erster", channel.Report{ID: "m2", Arrival: channel.Arrived}); err != nil {
			t.Fatal(err)
		}
		if item, err = r.Get(w.Ctx, "m2"); err != nil || item.Arrival != channel.Lost {
			t.Fatalf("%+v %v", item, err)
		}
	})
}

// Whatever providers say in whatever order, the first word on a message stays.
func TestI8_ArrivalNeverTurns(t *testing.T) {
	w := storetest.SQLite(t, channel.Migrations())
	p := &provider{name: "erster"}
	r := room(w, p)
	ends := settled(w)
	w.Start(t)
	start(t, w, r)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		id := fmt.Sprintf("p%d", n)
		if err := r.Send(w.Ctx, short(id)); err != nil {
			rt.Fatal(err)
		}
		next(t, ends)
		var want channel.Arrival
		for range rapid.IntRange(0, 6).Draw(rt, "reports") {
			route := rapid.SampledFrom([]string{"erster", "anderer"}).Draw(rt, "route")
			said := rapid.SampledFrom([]channel.Arrival{"", channel.Arrived, channel.Lost}).Draw(rt, "arrival")
			if err := r.Report(w.Ctx, route, channel.Report{ID: id, Arrival: said}); err != nil {
				rt.Fatal(err)
			}
			if want == "" && (said == channel.Arrived || said == channel.Lost && route == "erster") {
				want = said
			}
			item, err := r.Get(w.Ctx, id)
			if err != nil || item.Arrival != want || item.State != channel.Accepted {
				rt.Fatalf("%+v %v, want %q", item, err, want)
			}
		}
	})
}

// virtual is a database inside a bubble; the events that go with each end are of
// no interest there.
func virtual(t *testing.T) *storetest.World {
	w := storetest.SQLite(t, channel.Migrations())
	w.Store.SetEnqueuer(func(context.Context, store.Tx, store.Job) error { return nil })
	return w
}

// Alarms overtake what is not urgent, at the pace that the provider
// takes, and none of them waits behind a single message (I10).
func TestI10_AlarmsOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := virtual(t)
		p := &provider{name: "erster", rate: 20, burst: 20}
		r := channel.New(channel.Options{
			Store: w.Store, Clock: clock.System{}, Vault: plainSealer{}, Sole: true,
			Adapters: func(context.Context) []channel.Adapter { return []channel.Adapter{p} },
		})
		start(t, w, r)
		const others, alarms = 40, 60
		for i := range others {
			m := short(fmt.Sprintf("s%02d", i))
			m.Class = channel.Single
			if err := r.Send(w.Ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		before := p.count()
		if before > 15 {
			t.Fatalf("%d single messages took the reserve of 5 out of 20", before)
		}
		began := time.Now()
		for i := range alarms {
			if err := r.Send(w.Ctx, short(fmt.Sprintf("a%02d", i))); err != nil {
				t.Fatal(err)
			}
		}
		for p.count() < others+alarms {
			time.Sleep(50 * time.Millisecond)
			if time.Since(began) > time.Minute {
				t.Fatalf("%d of %d after a minute", p.count(), others+alarms)
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		late := 0
		for i, m := range p.got[before:] {
			if m.Class == channel.Single && i < alarms {
				late++
			}
		}
		if late > 0 {
			t.Errorf("%d single messages went before the last alarm", late)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("100 messages at 20 a second took %s", took)
		}
	})
}

// A provider that asks for patience gets it, and the next one carries on; when it
// is alone, the messages wait for exactly that long.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := virtual(t)
		busy := func(channel.Message) (channel.Receipt, error) {
			return channel.Receipt{}, &channel.Failure{Reason: "throttled", RetryAfter: 7 * time.Second}
		}
		calls := 0
		first, second := &provider{name: "erster"}, &provider{name: "zweiter"}
		first.say = func(m channel.Message) (channel.Receipt, error) { calls++; return busy(m) }
		ways := []channel.Adapter{first, second}
		r := channel.New(channel.Options{
			Store: w.Store, Clock: clock.System{}, Vault: plainSealer{}, Sole: true,
			Adapters: func(context.Context) []channel.Adapter { return ways },
		})
		start(t, w, r)
		for i := range 10 {
			if err := r.Send(w.Ctx, short(fmt.Sprint("m", i))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if second.count() != 10 || calls != 1 {
			t.Fatalf("second took %d, first was asked %d times", second.count(), calls)
		}
		second.mu.Lock()
		second.say = func(m channel.Message) (channel.Receipt, error) { return busy(m) }
		second.mu.Unlock()
		first.mu.Lock()
		first.say = nil
		first.mu.Unlock()
		if err := r.Send(w.Ctx, short("late")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if first.count() != 0 {
			t.Fatal("the first was asked before its time")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if first.count() != 1 {
			t.Fatalf("the first took %d after its time", first.count())
		}
	})
}

// heard collects answers.
type heard struct {
	mu  sync.Mutex
	all []channel.Answer
}

func (h *heard) Answer(_ context.Context, a channel.Answer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, a)
	return nil
}

// The addresses for providers: only with the token of the entry, only for its own
// town, and an answer is heard once.
func TestReportRoutes(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		v, err := vault.New(make([]byte, vault.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		p, h := &provider{name: "erster"}, &heard{}
		log := &written{}
		r := channel.New(channel.Options{
			Store: w.Store, Clock: clock.System{}, Vault: plainSealer{}, Sole: !w.Store.Postgres(), Signer: v, Answers: h,
			Log:      slog.New(slog.NewTextHandler(log, nil)),
			Adapters: func(context.Context) []channel.Adapter { return []channel.Adapter{p} },
		})
		ends := settled(w)
		w.Start(t)
		start(t, w, r)
		mux := http.NewServeMux()
		for word, handler := range map[string]web.Handler{"sms-receipt": r.TakeReport, "sms-reply": r.TakeReply} {
			mux.HandleFunc("/in/{token}/"+word, func(rw http.ResponseWriter, req *http.Request) {
				if err := handler(rw, req); err != nil {
					rw.WriteHeader(fault.Status(fault.KindOf(err)))
				}
			})
		}
		post := func(ctx context.Context, path, body string) int {
			rec := httptest.NewRecorder()
			mux.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "POST", path, strings.NewReader(body)))
			return rec.Code
		}
		if err := r.Send(w.Ctx, short("m1")); err != nil {
			t.Fatal(err)
		}
		next(t, ends)
		receipt, reply := r.CallbackPaths(w.Ctx, channel.SMS, "erster")
		other, _ := r.CallbackPaths(w.Ctx, channel.SMS, "zweiter")
		stranger := ident.WithTenant(context.Background(), "t2")
		for _, c := range []struct {
			ctx        context.Context
			path, body string
			want       int
		}{
			{context.Background(), receipt, "id=m1&arrival=arrived", 204},
			{w.Ctx, receipt, "id=m1&arrival=lost", 204},
			{stranger, receipt, "id=m1&arrival=lost", 404},
			{context.Background(), other, "id=m1&arrival=lost", 404},
			{context.Background(), "/in/x/sms-receipt", "id=m1&arrival=lost", 404},
			{context.Background(), receipt, "event=opened", 204},
			{context.Background(), receipt, "event=opened", 204}, // told once an hour
			{context.Background(), receipt, "{", 422},
			{context.Background(), receipt, strings.Repeat("x", 2<<20), 413},
			{context.Background(), reply, "id=r1&from=%2B491700000001&text=1", 204},
			{context.Background(), reply, "id=r1&from=%2B491700000001&text=1", 204}, // said twice
			{context.Background(), reply, "id=r2&from=%2B491709999999&text=1", 204}, // nobody we alarmed
		} {
			if got := post(c.ctx, c.path, c.body); got != c.want {
				t.Errorf("%.40s…: %d, want %d", c.body, got, c.want)
			}
		}
		if n := strings.Count(log.String(), "a receipt names no message"); n != 1 {
			t.Errorf("told %d times: %s", n, log)
		}
		if item, err := r.Get(w.Ctx, "m1"); err != nil || item.Arrival != channel.Arrived {
			t.Errorf("%+v %v", item, err)
		}
		if len(h.all) != 1 || h.all[0].Thread != "al-1" || h.all[0].Message != "m1" || h.all[0].Word != channel.Take {
			t.Errorf("heard %+v", h.all)
		}
		if q := r.Quote(w.Ctx, channel.SMS, strings.Repeat("ä", 161), 300); q.Parts != 2 || q.Cost != 48 || !q.Known || q.Route != "erster" {
			t.Errorf("%+v", q)
		}
	})
}

func TestMeaning(t *testing.T) {
	for text, want := range map[string]channel.Word{
		"1": channel.Take, " Ja! ": channel.Take, "Übernehme": channel.Take, "2": channel.Decline, "nein.": channel.Decline,
		"kann nicht, bin im Urlaub": channel.Unclear, "kann nicht": channel.Decline,
		"11": channel.Unclear, "nein, ja": channel.Unclear, "": channel.Unclear, "1 Stunde dauert es noch": channel.Unclear,
	} {
		if got := channel.Meaning(text); got != want {
			t.Errorf("%q means %q, want %q", text, got, want)
		}
	}
}
