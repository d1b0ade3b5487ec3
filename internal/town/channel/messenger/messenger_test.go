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

// Matrix tells who has read: one receipt is that of all messages before it, too.
// Ours alone and those of larger rooms are no receipt; what is read while the
// database or the server is away is told afterwards.
func TestMatrixTellsWhoHasRead(t *testing.T) {
	const ada, room = "@ada:hs.example", "matrix:!lage:hs.example"
	w := begin(t, channel.Matrix, "", "")
	send := func(id, to string) string {
		t.Helper()
		m := message(to)
		m.ID = id
		rc, err := w.way.Send(t.Context(), m)
		if err != nil || rc.Reference == "" {
			t.Fatal(rc, err)
		}
		return rc.Reference
	}
	told := func(what string, want ...string) {
		t.Helper()
		until(t, what, func() bool { r, _ := w.heard(); return len(r) >= len(want) })
		reports, _ := w.heard()
		for i, r := range reports {
			if i >= len(want) || r.Reference != want[i] || r.Arrival != channel.Arrived {
				t.Fatalf("%s: %+v, want %v", what, reports, want)
			}
		}
	}
	first, second := send("m1", room), send("m2", room)
	w.server.Say("!lage:hs.example", ada, "von gestern")
	w.way.Start(t.Context())
	w.server.Read(1, chattest.MatrixAccount, time.Now()) // our own eyes
	w.server.Read(2, ada, time.Now())
	told("no receipt", first, second)

	// In a room of three nobody knows whose eyes they were.
	w.server.Join("!viele:hs.example", "@bert:hs.example")
	send("m3", "matrix:!viele:hs.example")
	w.server.Read(3, ada, time.Now())

	// An answer, and a receipt that the database does not take at once.
	w.server.Say("!lage:hs.example", ada, "> <@lage:hs.example> ALARM\n\n1")
	until(t, "no answer", func() bool { _, r := w.heard(); return len(r) > 0 })
	_, replies := w.heard()
	if len(replies) != 1 || replies[0].From != room || replies[0].Text != "1" || replies[0].ID == "" {
		t.Errorf("%+v", replies)
	}
	fourth := send("m4", room)
	w.mu.Lock()
	w.fail = errors.New("the database is away")
	w.mu.Unlock()
	w.server.Read(4, ada, time.Now())
	told("a receipt is lost", first, second, fourth)

	// A server that goes away and comes back tells what was read meanwhile.
	fifth := send("m5", room)
	w.server.Make(chattest.Away)
	w.server.Read(5, ada, time.Now())
	w.server.Make("")
	told("what was read meanwhile is lost", first, second, fourth, fifth)
	w.way.Stop()
	w.way.Stop()
}

func TestMatrixAccountIsChecked(t *testing.T) {
	w := begin(t, channel.Matrix, "", "")
	if err := w.way.Check(t.Context()); err != nil {
		t.Error(err)
	}
	w.server.Make(chattest.Away)
	if err := w.way.Check(t.Context()); err == nil || !channel.AsFailure(err).RouteDown || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Error(err)
	}
}

func FuzzSynced(f *testing.F) {
	for _, s := range []string{
		`{"next_batch":"s1","rooms":{"join":{"!a:b":{"ephemeral":{"events":[{"type":"m.receipt","content":{"$x":{"m.read":{"@u:b":{"ts":9e15}}}}}]},"timeline":{"events":[{"type":"m.room.message","sender":"@u:b","event_id":"$y","content":{"msgtype":"m.text","body":"> a\n\nja"}}]}}}}}`,
		`{"next_batch":1,"rooms":{"join":[{"ephemeral":{"events":{"type":"m.receipt"}}}]}}`, `{}`, `[`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, batch string) {
		_, news := messenger.Synced(batch, "@me:b", time.UnixMilli(1))
		for _, n := range news {
			if !strings.HasPrefix(n.Room, "!") || len(n.Read)+len(n.Said) == 0 || len(n.Read) > 100 || len(n.Said) > 100 {
				t.Errorf("%+v", n)
			}
			for _, e := range n.Read {
				if !strings.HasPrefix(e, "$") || strings.ContainsAny(e, " \n") {
					t.Errorf("%q", e)
				}
			}
			for _, r := range n.Said {
				if r.Text == "" || len(r.Text) > 2000 || r.From != "matrix:"+n.Room || r.ID == "" {
					t.Errorf("%+v", r)
				}
			}
		}
	})
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
