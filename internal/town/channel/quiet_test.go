package channel

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
)

// nightClock is moved by the test.
type nightClock struct{ now time.Time }

func (c *nightClock) Now() time.Time { return c.now }

// Whatever is answered to the question until when a message may wait: an alarm
// never waits, what nobody can tell goes at once, and what waits has an end within
// a day that only ever comes nearer, is there after a restart, and is due then.
func TestI20_QuietHoursHoldNoAlarm(t *testing.T) {
	storetest.Each(t, []store.Migrations{Migrations()}, func(t *testing.T, w *storetest.World) {
		round := 0
		rapid.Check(t, func(t *rapid.T) {
			round++
			clock := &nightClock{now: time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 48*60).Draw(t, "start")) * time.Minute)}
			var until time.Time
			var broken error
			open := func() *Room {
				return New(Options{Store: w.Store, Clock: clock, Quiet: func(context.Context, Message) (time.Time, error) { return until, broken }})
			}
			r := open()
			mind := func() {
				until, broken = time.Time{}, nil
				switch rapid.IntRange(0, 4).Draw(t, "answer") {
				case 0:
				case 1:
					broken = errors.New("the roster is on fire")
				default:
					until = clock.now.Add(time.Duration(rapid.IntRange(-24*60, 72*60).Draw(t, "until")) * time.Minute)
				}
			}
			type sent struct {
				at, due time.Time
				alarm   bool
			}
			all := map[string]*sent{}
			look := func() {
				for id, s := range all {
					row, err := r.row(w.Ctx, id)
					if err != nil {
						t.Fatalf("%s is lost: %v", id, err)
					}
					switch {
					case row.State != Queued:
						t.Fatalf("%s is %s, and nobody sent it", id, row.State)
					case s.alarm && !row.DueAt.Equal(s.at):
						t.Fatalf("an alarm waits until %s", row.DueAt)
					case row.DueAt.After(s.at.Add(MaxQuiet)):
						t.Fatalf("it waits too long: %s, sent %s", row.DueAt, s.at)
					case row.DueAt.After(s.due):
						t.Fatalf("its end went away: %s after %s", row.DueAt, s.due)
					case row.GiveUpAt.Before(row.DueAt):
						t.Fatalf("it is given up while it waits: %+v", row)
					}
					s.due = row.DueAt
				}
			}
			for step := range rapid.IntRange(1, 12).Draw(t, "steps") {
				switch rapid.IntRange(0, 4).Draw(t, "what") {
				case 0, 1:
					mind()
					m := Message{ID: fmt.Sprintf("q-%d-%d", round, step), Kind: Mail, Class: Single, To: "ada@stadt.example", MayWait: rapid.Bool().Draw(t, "may wait")}
					if rapid.Bool().Draw(t, "alarm") {
						m.Class = Alarm
					}
					if err := r.Send(w.Ctx, m); err != nil {
						t.Fatal(err)
					}
					s := &sent{at: clock.now, due: clock.now.Add(MaxQuiet), alarm: m.Class == Alarm}
					row, err := r.row(w.Ctx, m.ID)
					if err != nil {
						t.Fatal(err)
					}
					if held := row.DueAt.After(clock.now); held && (broken != nil || until.IsZero() || !m.MayWait) || held != (row.Reason == reasonQuiet) {
						t.Fatalf("held without a reason: %+v", row)
					}
					all[m.ID] = s
				case 2:
					clock.now = clock.now.Add(time.Duration(rapid.IntRange(1, 12*60).Draw(t, "pass")) * time.Minute)
				case 3:
					mind()
					next, err := r.reviewQuiet(w.Ctx, clock.now)
					if err != nil {
						t.Fatal(err)
					}
					if !next.IsZero() && !next.After(clock.now) {
						t.Fatal("it looks without a pause")
					}
				case 4:
					r = open() // as after kill -9: all that counts is in the database
				}
				look()
			}
			clock.now = clock.now.Add(MaxQuiet)
			for id := range all {
				n, err := due(w.Store.Read(w.Ctx).NewSelect().Model((*outboxRow)(nil)).Where("tenant_id = ? AND id = ?", storetest.Tenant, id), clock.now).Count(w.Ctx)
				if err != nil || n != 1 {
					t.Fatalf("%s waits for ever: %d %v", id, n, err)
				}
			}
		})
	})
}
