package smpp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/smpp"
	"tuermer/internal/town/channel/smpptest"
)

// world is a message centre, a way to it, and what was heard; everything in the
// virtual time of a bubble.
type world struct {
	centre *smpptest.Centre
	way    *smpp.Adapter

	mu      sync.Mutex
	gone    bool // nobody listens any more
	black   bool // nobody answers the call
	dials   int
	reports []channel.Report
	replies []channel.Reply
	fail    error // of whoever writes down what is heard
}

func (w *world) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	w.dials++
	gone, black := w.gone, w.black
	w.mu.Unlock()
	if black {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if gone {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	ours, theirs := net.Pipe()
	w.centre.Take(theirs)
	return ours, nil
}

func (w *world) set(gone, black bool) {
	w.mu.Lock()
	w.gone, w.black = gone, black
	w.mu.Unlock()
	if gone || black {
		w.centre.Drop()
	}
}

func begin(t *testing.T, change func(*smpp.Options)) *world {
	t.Helper()
	w := &world{centre: &smpptest.Centre{SystemID: "musterstadt", Password: "geheim"}}
	o := smpp.Options{
		Name: "zentrale", Addr: "smsc.example:2775", SystemID: "musterstadt", Secret: func() string { return "geheim" }, From: "Musterstadt",
		DialContext: w.dial, Now: time.Now,
		Reported: func(_ context.Context, r channel.Report) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fail == nil {
				w.reports = append(w.reports, r)
			}
			return w.fail
		},
		Replied: func(_ context.Context, r channel.Reply) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.fail == nil {
				w.replies = append(w.replies, r)
			}
			return w.fail
		},
	}
	if change != nil {
		change(&o)
	}
	way, err := smpp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.way = way
	return w
}

func (w *world) end() {
	w.way.Stop()
	w.centre.Close()
}

func message(id, text string) channel.Message {
	return channel.Message{ID: id, Kind: channel.SMS, Class: channel.Alarm, Realm: channel.Live, To: "+491700000001", Text: text}
}

func reason(err error) string {
	if err == nil {
		return "ok"
	}
	return channel.AsFailure(err).Reason
}

const long = "ALARM: Das Bürgerportal antwortet nicht mehr. Bitte sehen Sie nach, ob der Datenbankserver läuft. " +
	"Erste Schritte stehen im Dienstekatalog. Wer übernimmt, antwortet mit 1. Wer nicht kann, antwortet mit 2."

func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		sar   bool
		parts int
	}{
		"one part":   {"ALARM: Bürgerportal antwortet nicht, Kosten 5 €", false, 1},
		"two parts":  {long, false, 2},
		"by fields":  {long, true, 2},
		"other sign": {"Тревога: портал не отвечает. " + strings.Repeat("Проверьте сервер базы данных. ", 3), false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := begin(t, func(o *smpp.Options) { o.SAR = c.sar })
				defer w.end()
				w.way.Start(t.Context())
				m := message("m1", c.text)
				m.Until = time.Now().Add(26*time.Hour + 5*time.Minute)
				rc, err := w.way.Send(t.Context(), m)
				if err != nil || rc.Parts != c.parts || len(strings.Fields(rc.Reference)) != c.parts {
					t.Fatalf("%+v %v", rc, err)
				}
				took := w.centre.Taken()
				if len(took) != 1 || took[0].Text != c.text || took[0].To != m.To || took[0].From != "Musterstadt" || took[0].Priority != 1 || took[0].Validity != "000001020500000R" {
					t.Errorf("taken: %+v", took)
				}
				if !slices.Equal(took[0].IDs, strings.Fields(rc.Reference)) {
					t.Errorf("names %v, reference %q", took[0].IDs, rc.Reference)
				}
				if f := w.centre.Faults(); len(f) > 0 {
					t.Error(f)
				}
			})
		})
	}
}

// The centre asks for patience: the message is not lost, and its taken parts do
// not go twice.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil)
		defer w.end()
		w.way.Start(t.Context())
		for _, mode := range []smpptest.Mode{smpptest.Throttled, smpptest.Full} {
			w.centre.Set(mode)
			if _, err := w.way.Send(t.Context(), message("m0", "kurz")); reason(err) != "throttled" || channel.AsFailure(err).Permanent || channel.AsFailure(err).RouteDown {
				t.Errorf("%s: %v", mode, err)
			}
			w.centre.Set(smpptest.Fine)
		}
		w.centre.Refuse(1, smpp.Throttled)
		if _, err := w.way.Send(t.Context(), message("m1", long)); reason(err) != "throttled" {
			t.Errorf("first part: %v", err)
		}
		w.centre.Refuse(0, 0)
		// The second part alone is refused: the first one stays taken.
		first := w.way
		hold := make(chan error, 1)
		go func() { _, err := first.Send(t.Context(), message("m2", long)); hold <- err }()
		if err := <-hold; err != nil {
			t.Fatal(err)
		}
		if got := len(w.centre.Taken()); got != 1 {
			t.Fatalf("%d taken", got)
		}
		for status, want := range map[smpp.Status]string{smpp.InvalidNumber: "rejected", smpp.SystemError: "rejected", smpp.WrongState: "protocol"} {
			w.centre.Refuse(1, status)
			_, err := w.way.Send(t.Context(), message("m3", "kurz"))
			if f := channel.AsFailure(err); f.Reason != want || f.Permanent != (status == smpp.InvalidNumber) || f.RouteDown == f.Permanent {
				t.Errorf("status %#x: %+v", status, f)
			}
		}
	})
}

// A second try sends only the parts that are not taken yet.
func TestRestOfParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil)
		defer w.end()
		w.way.Start(t.Context())
		done := make(chan error, 1)
		count := 0
		w.centre.Before(func() {
			if count++; count == 2 {
				w.centre.Refuse(1, smpp.QueueFull)
			}
		})
		go func() { _, err := w.way.Send(t.Context(), message("m1", long)); done <- err }()
		if err := <-done; reason(err) != "throttled" || !channel.AsFailure(err).Partly {
			t.Fatalf("the second part: %v", err)
		}
		rc, err := w.way.Send(t.Context(), message("m1", long))
		if err != nil || len(strings.Fields(rc.Reference)) != 2 {
			t.Fatalf("%+v %v", rc, err)
		}
		if count != 3 { // one, two refused, two
			t.Errorf("%d submits", count)
		}
		if took := w.centre.Taken(); len(took) != 1 || took[0].Text != long {
			t.Errorf("%+v", took)
		}
	})
}

// Whoever hangs is down, and an answer that comes late is heard all the same.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil)
		defer w.end()
		w.way.Start(t.Context())
		synctest.Wait()
		w.centre.Set(smpptest.Deaf)
		before := time.Now()
		_, err := w.way.Send(t.Context(), message("m1", "kurz"))
		if f := channel.AsFailure(err); f.Reason != "timeout" || !f.RouteDown || time.Since(before) != 6*time.Second {
			t.Errorf("deaf: %+v after %s", f, time.Since(before))
		}
		w.centre.Set(smpptest.Hanging)
		time.Sleep(2 * time.Minute) // the line is asked, does not answer, and is opened again
		synctest.Wait()
		if _, err := w.way.Send(t.Context(), message("m2", "kurz")); !channel.AsFailure(err).RouteDown {
			t.Errorf("hanging: %v", err)
		}
		w.centre.Set(smpptest.Fine)
		time.Sleep(2 * time.Minute)
		if _, err := w.way.Send(t.Context(), message("m3", "kurz")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// A line that breaks is opened again after a pause that grows; an alarm does not
// wait for the end of that pause.
func TestComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil)
		defer w.end()
		w.way.Start(t.Context())
		synctest.Wait()
		w.set(true, false)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		w.mu.Lock()
		dials := w.dials
		w.mu.Unlock()
		if dials < 10 || dials > 20 {
			t.Errorf("%d tries in ten minutes", dials)
		}
		single := message("m1", "kurz")
		single.Class = channel.Single
		before := time.Now()
		if _, err := w.way.Send(t.Context(), single); reason(err) != "connect" || time.Since(before) > 0 {
			t.Errorf("away: %v after %s", err, time.Since(before))
		}
		w.set(false, false)
		time.Sleep(5 * time.Second)
		if _, err := w.way.Send(t.Context(), message("m2", "kurz")); err != nil {
			t.Errorf("an alarm waits for the pause: %v", err)
		}
		w.set(false, true)
		time.Sleep(time.Minute)
		if _, err := w.way.Send(t.Context(), message("m3", "kurz")); !channel.AsFailure(err).RouteDown {
			t.Errorf("nobody answers the call: %v", err)
		}
	})
}

// Between two messages the line is kept alive, and ended politely.
func TestEnquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil)
		defer w.end()
		w.way.Start(t.Context())
		time.Sleep(10*time.Minute + time.Second)
		if err := w.way.Check(t.Context()); err != nil {
			t.Error(err)
		}
		w.way.Stop()
		w.way.Stop()
		if binds, asked, byes := w.centre.Counts(); binds != 1 || asked != 21 || byes != 1 {
			t.Errorf("%d binds, %d enquire_link, %d unbinds", binds, asked, byes)
		}
	})
}

// Without Start each message has a line of its own.
func TestWithoutStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil)
		defer w.end()
		if _, err := w.way.Send(t.Context(), message("m1", "kurz")); err != nil {
			t.Fatal(err)
		}
		if err := w.way.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if binds, _, byes := w.centre.Counts(); binds != 2 || byes != 2 {
			t.Errorf("%d binds, %d unbinds", binds, byes)
		}
		other := begin(t, func(o *smpp.Options) { o.Secret = func() string { return "falsch" } })
		defer other.end()
		if err := other.way.Check(t.Context()); reason(err) != "auth" || !channel.AsFailure(err).RouteDown {
			t.Errorf("wrong password: %v", err)
		}
		if _, err := other.way.Send(t.Context(), message("m1", "kurz")); reason(err) != "auth" || strings.Contains(err.Error(), "falsch") {
			t.Errorf("wrong password: %v", err)
		}
	})
}

// What the centre tells is answered with yes only once it is written down.
func TestHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, nil)
		defer w.end()
		w.way.Start(t.Context())
		if _, err := w.way.Send(t.Context(), message("m1", "kurz")); err != nil {
			t.Fatal(err)
		}
		text := *w.centre.Taken()[0]
		id := text.IDs[0]
		w.mu.Lock()
		w.fail = errors.New("the database is away")
		w.mu.Unlock()
		if err := w.centre.Receipt(text, id, "UNDELIV", "011"); err == nil {
			t.Error("a receipt that nobody wrote down counts as taken")
		}
		w.mu.Lock()
		w.fail = nil
		w.mu.Unlock()
		for _, stat := range []string{"ENROUTE", "ACCEPTD", "UNKNOWN", "UNDELIV", "DELIVRD"} {
			if err := w.centre.Receipt(text, id, stat, "011"); err != nil {
				t.Error(err)
			}
		}
		want := []channel.Report{{Reference: id, Arrival: channel.Lost, Reason: "UNDELIV 011"}, {Reference: id, Arrival: channel.Arrived}}
		w.mu.Lock()
		if !slices.Equal(w.reports, want) {
			t.Errorf("heard %+v", w.reports)
		}
		w.mu.Unlock()
		for _, words := range []string{"1", "ja", strings.Repeat("Ich bin im Urlaub und kann heute leider nicht. ", 4) + "ja"} {
			if err := w.centre.Answer("+491700000001", words); err != nil {
				t.Error(err)
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.replies) != 4 || w.replies[0] != (channel.Reply{From: "+491700000001", Text: "1"}) || w.replies[1].Text != "ja" {
			t.Fatalf("answers %+v", w.replies)
		}
		for _, part := range w.replies[2:] { // nothing of a long text takes an alarm
			if channel.Meaning(part.Text) != channel.Unclear {
				t.Errorf("%q means %q", part.Text, channel.Meaning(part.Text))
			}
		}
	})
}

// TestI10AlarmsOvertake: however many ordinary messages wait for the centre, an
// alarm goes before them.
func TestI10AlarmsOvertake(t *testing.T) {
	for size := 1; size <= 8; size++ {
		synctest.Test(t, func(t *testing.T) {
			w := begin(t, func(o *smpp.Options) { o.Window = size; o.Timeout = time.Minute })
			defer w.end()
			w.way.Start(t.Context())
			synctest.Wait()
			w.centre.Hold()
			var all sync.WaitGroup
			send := func(m channel.Message) {
				all.Go(func() {
					if _, err := w.way.Send(t.Context(), m); err != nil {
						t.Errorf("%s: %v", m.ID, err)
					}
				})
			}
			for i := range 20 {
				m := message(fmt.Sprint("s", i), fmt.Sprint("single ", i))
				m.Class = channel.Single
				send(m)
			}
			synctest.Wait()
			for i := range 3 {
				send(message(fmt.Sprint("a", i), "alarm"))
			}
			synctest.Wait()
			for w.centre.Free() { // one answer after the other
				synctest.Wait()
			}
			all.Wait()
			took := w.centre.Taken()
			last := 0
			for i, m := range took {
				if m.Text == "alarm" {
					last = i
				}
			}
			// Before the alarms went only those that were on their way already.
			if len(took) != 23 || last > size+2 {
				t.Errorf("window %d: the last alarm went as number %d of %d", size, last, len(took))
			}
		})
	}
}

func TestNew(t *testing.T) {
	good := smpp.Options{Name: "a", Addr: "h:1", SystemID: "s", Now: time.Now}
	if _, err := smpp.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*smpp.Options){
		"address": func(o *smpp.Options) { o.Addr = "smsc.example" }, "sign-in": func(o *smpp.Options) { o.SystemID = "" },
		"long sign-in": func(o *smpp.Options) { o.SystemID = strings.Repeat("x", 16) }, "sender": func(o *smpp.Options) { o.From = "Stadt Musterstadt" },
		"clock": func(o *smpp.Options) { o.Now = nil },
	} {
		o := good
		change(&o)
		if _, err := smpp.New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	way, err := smpp.New(good)
	if err != nil {
		t.Fatal(err)
	}
	m := message("m", "x")
	m.To = "0170"
	if _, err := way.Send(t.Context(), m); !channel.AsFailure(err).Permanent {
		t.Errorf("number: %v", err)
	}
	m.Realm = channel.Exercise
	if _, err := way.Send(t.Context(), m); reason(err) != "config" {
		t.Errorf("realm: %v", err)
	}
}
