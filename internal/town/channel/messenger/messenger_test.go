package messenger_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/chattest"
	"tuermer/internal/town/channel/messenger"
	"tuermer/internal/town/channel/webhook"
)

type world struct {
	server  *chattest.Server
	way     *messenger.Adapter
	mu      sync.Mutex
	fail    error
	reports []channel.Report
	replies []channel.Reply
}

func (w *world) heard() ([]channel.Report, []channel.Reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.reports), slices.Clone(w.replies)
}

func begin(t *testing.T, form channel.Form, path, from string) *world {
	t.Helper()
	w := &world{server: &chattest.Server{Form: string(form), Token: "geheim"}}
	srv := httptest.NewServer(w.server)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	rooms, err := webhook.New(webhook.Options{Name: "x", Now: time.Now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	w.way, err = messenger.New(messenger.Options{
		Name: string(form), Form: form, URL: srv.URL + path, From: from, Secret: func() string { return "geheim" }, Rooms: rooms, Now: time.Now, Timeout: time.Minute,
		Reported: func(_ context.Context, r channel.Report) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if err := w.fail; err != nil {
				w.fail = nil
				return err
			}
			w.reports = append(w.reports, r)
			return nil
		},
		Replied: func(_ context.Context, r channel.Reply) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.replies = append(w.replies, r)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.way.Stop)
	return w
}

func message(to string) channel.Message {
	return channel.Message{ID: "m1", Kind: channel.Chat, Class: channel.Alarm, Realm: channel.Live, To: to, Subject: "ALARM", Text: "Bürgerportal antwortet nicht"}
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// Each messenger gets what its product documents, at the address of one person.
func TestForms(t *testing.T) {
	for form, c := range map[channel.Form]struct{ path, from, to, at string }{
		channel.Signal:  {"/api/v1/rpc", "+49611000", "signal:+491700000001", "+491700000001"},
		channel.Threema: {"/send_simple", "*TUERMER", "threema:ABCDEFGH", "ABCDEFGH"},
		channel.Matrix:  {"", "", "matrix:!lage:hs.example", "!lage:hs.example"},
		channel.Ntfy:    {"", "", "ntfy:ada-lage", "ada-lage"},
	} {
		t.Run(string(form), func(t *testing.T) {
			w := begin(t, form, c.path, c.from)
			if err := w.way.Check(t.Context()); err != nil {
				t.Error(err)
			}
			rc, err := w.way.Send(t.Context(), message(c.to))
			if err != nil || rc.Reference == "" || strings.Contains(rc.Reference, "4917") {
				t.Fatalf("%+v %v %v", rc, err, w.server.Faults())
			}
			posts := w.server.Posts()
			if len(posts) != 1 || posts[0].To != c.at || !strings.Contains(posts[0].Text+posts[0].Title, "Bürgerportal antwortet nicht") {
				t.Errorf("%+v", posts)
			}
			for _, to := range []string{"signal:+491700000001", "threema:ABCDEFGH", "matrix:!lage:hs.example", "ntfy:ada-lage", "+491700000001"} {
				if w.way.Takes(to) != (to == c.to) {
					t.Errorf("takes %s: %t", to, w.way.Takes(to))
				}
			}
			if _, err := w.way.Send(t.Context(), message(string(form)+":../x")); !channel.AsFailure(err).Permanent {
				t.Errorf("a wrong address: %v", err)
			}
			w.server.Make(chattest.Away)
			if _, err := w.way.Send(t.Context(), message(c.to)); channel.AsFailure(err).Permanent || strings.Contains(err.Error(), c.at) {
				t.Errorf("away: %v", err)
			}
			w.server.Make(chattest.Drown)
			if _, err := w.way.Send(t.Context(), message(c.to)); channel.AsFailure(err).Reason != "throttled" {
				t.Errorf("throttled: %v", err)
			}
		})
	}
}

// Signal's receipts and answers are heard, and written down however often that
// takes.
func TestHears(t *testing.T) {
	w := begin(t, channel.Signal, "/api/v1/rpc", "+49611000")
	w.fail = errors.New("the database is away")
	rc, err := w.way.Send(t.Context(), message("signal:+491700000001"))
	if err != nil {
		t.Fatal(err)
	}
	w.way.Start(t.Context())
	until(t, "nobody listens", func() bool { return w.server.Deliver(1) })
	until(t, "no receipt", func() bool { r, _ := w.heard(); return len(r) > 0 })
	w.server.Write("+491700000001", "ja", 7)
	until(t, "no answer", func() bool { _, r := w.heard(); return len(r) > 0 })
	reports, replies := w.heard()
	if reports[0] != (channel.Report{Reference: rc.Reference, Arrival: channel.Arrived}) {
		t.Errorf("receipt %+v of %+v", reports[0], rc)
	}
	if r := replies[0]; r.From != "signal:+491700000001" || r.Text != "ja" || r.ID == "" {
		t.Errorf("answer %+v", r)
	}
	// Two people whose messages left in one millisecond are two.
	other, _ := messenger.Heard(`{"envelope":{"sourceNumber":"+491700000002","receiptMessage":{"isDelivery":true,"timestamps":[1790000000001]}}}`)
	if len(other) != 1 || other[0].Reference == rc.Reference {
		t.Errorf("%+v is no other than %+v", other, rc)
	}
	w.way.Stop()
	w.way.Stop()
}

func FuzzHeard(f *testing.F) {
	for _, s := range []string{
		`{"envelope":{"sourceNumber":"+491700000001","receiptMessage":{"isDelivery":true,"timestamps":[1,2]}}}`,
		`{"jsonrpc":"2.0","method":"receive","params":{"envelope":{"source":"+491700000001","timestamp":3,"dataMessage":{"message":"ja"}}}}`,
		`{"envelope":{"source":"9f2a","dataMessage":{"message":"ja","groupInfo":{}}}}`, `{}`, `[`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, event string) {
		reports, reply := messenger.Heard(event)
		for _, r := range reports {
			if r.Reference == "" || r.Arrival != channel.Arrived || strings.ContainsAny(r.Reference, " \n") {
				t.Errorf("%+v", r)
			}
		}
		if reply.Text != "" && (!strings.HasPrefix(reply.From, "signal:+") || reply.ID == "" || len(reply.Text) > 2000) {
			t.Errorf("%+v", reply)
		}
	})
}
