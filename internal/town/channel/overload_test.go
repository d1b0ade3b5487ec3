package channel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/channel"
)

// stuck is a provider of any kind that takes a message and never answers.
type stuck struct {
	kind  channel.Kind
	begun chan string
}

func (a *stuck) Kind() channel.Kind   { return a.kind }
func (a *stuck) Route() string        { return "stuck-" + string(a.kind) }
func (a *stuck) Realm() channel.Realm { return channel.Live }
func (a *stuck) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	a.begun <- m.ID
	<-ctx.Done()
	return channel.Receipt{}, ctx.Err()
}

// open is a provider that takes everything at once.
type open struct {
	kind channel.Kind
	got  chan string
}

func (a *open) Kind() channel.Kind   { return a.kind }
func (a *open) Route() string        { return "open-" + string(a.kind) }
func (a *open) Realm() channel.Realm { return channel.Live }
func (a *open) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	a.got <- m.ID
	return channel.Receipt{Reference: m.ID}, nil
}

// A way on which every message hangs holds up no other way, and on its own way no
// alarm waits behind what is not urgent (R1.3, I10).
func TestAStuckWayHoldsUpNoOther(t *testing.T) {
	kinds := []channel.Kind{channel.Mail, channel.Webhook, channel.Post, channel.SMS, channel.Voice, channel.Push}
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		hangs := &stuck{kind: channel.Mail, begun: make(chan string, 1000)}
		ways, free := []channel.Adapter{hangs}, map[channel.Kind]*open{}
		for _, k := range kinds[1:] {
			free[k] = &open{kind: k, got: make(chan string, 10)}
			ways = append(ways, free[k])
		}
		r := room(w, ways...)
		send := func(id string, kind channel.Kind, class channel.Class) {
			t.Helper()
			m := alarm(id)
			m.Kind, m.Class = kind, class
			if err := r.Send(w.Ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		hear := func(from *open) {
			t.Helper()
			select {
			case <-from.got:
			case <-time.After(30 * time.Second):
				t.Fatalf("nothing came by %s: it waits behind what hangs", from.kind)
			}
		}
		w.Start(t)
		start(t, w, r)
		for i := range 40 { // more than are under way at once
			send(fmt.Sprint("letter-", i), channel.Mail, channel.Single)
		}
		send("alarm-0", channel.Mail, channel.Alarm)
		for id := ""; id != "alarm-0"; { // past the single ones that were there first
			select {
			case id = <-hangs.begun:
			case <-time.After(30 * time.Second):
				t.Fatal("an alarm waits behind single mails")
			}
		}
		for i := range 200 {
			send(fmt.Sprint("alarm-", i+1), channel.Mail, channel.Alarm)
		}
		for _, k := range kinds[1:] {
			send("alarm-by-"+string(k), k, channel.Alarm)
			send("single-by-"+string(k), k, channel.Single)
		}
		for _, k := range kinds[1:] {
			hear(free[k])
			hear(free[k])
		}
	})
}

// halfDead carries to every receiver but those that begin as dead does, which hang.
type halfDead struct {
	kind channel.Kind
	dead string
	got  chan string
}

func (a *halfDead) Kind() channel.Kind   { return a.kind }
func (a *halfDead) Route() string        { return "half-" + string(a.kind) }
func (a *halfDead) Realm() channel.Realm { return channel.Live }
func (a *halfDead) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if strings.HasPrefix(m.To, a.dead) {
		<-ctx.Done()
		return channel.Receipt{}, ctx.Err()
	}
	a.got <- m.ID
	return channel.Receipt{Reference: m.ID}, nil
}

// Two hundred alarms to receivers that hang, be they thirty, hold up no other receiver
// of their kind: neither another webhook, nor another messenger.
func TestADeadReceiverHoldsUpNoOther(t *testing.T) {
	storetest.Each(t, []store.Migrations{channel.Migrations()}, func(t *testing.T, w *storetest.World) {
		hook := &halfDead{kind: channel.Webhook, dead: "https://dead", got: make(chan string, 10)}
		chat := &halfDead{kind: channel.Chat, dead: "signal:", got: make(chan string, 10)}
		r := room(w, hook, chat)
		send := func(id string, kind channel.Kind, class channel.Class, to string) {
			t.Helper()
			m := alarm(id)
			m.Kind, m.Class, m.To = kind, class, to
			if err := r.Send(w.Ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 200 {
			send(fmt.Sprint("h", i), channel.Webhook, channel.Alarm, fmt.Sprintf("https://dead%d.example/%d", i%30, i))
			send(fmt.Sprint("s", i), channel.Chat, channel.Alarm, fmt.Sprint("signal:+4917000", i))
		}
		send("alarm", channel.Webhook, channel.Alarm, "https://alive.example/a")
		send("single", channel.Webhook, channel.Single, "https://alive.example/b")
		send("threema", channel.Chat, channel.Alarm, "threema:ABCDEFGH")
		w.Start(t)
		start(t, w, r)
		for _, from := range []*halfDead{hook, hook, chat} {
			select {
			case <-from.got:
			case <-time.After(60 * time.Second): // two hundred behind each other would take two and a half minutes
				t.Fatalf("nothing came by %s: it waits behind receivers that hang", from.kind)
			}
		}
	})
}
