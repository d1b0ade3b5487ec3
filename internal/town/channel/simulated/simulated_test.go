package simulated

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tuermer/internal/town/channel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message(id string) channel.Message {
	return channel.Message{ID: id, Kind: channel.Mail, Realm: channel.Exercise, To: "ada@musterstadt.example"}
}

func TestItRecordsAndFailsAsTold(t *testing.T) {
	var seen []string
	down := false
	a, err := New(Options{
		Name: "demo", Kind: channel.Mail, Down: func() bool { return down },
		Record: func(_ context.Context, m channel.Message) error {
			seen = append(seen, m.ID)
			if m.ID == "full" {
				return errors.New("disk full")
			}
			return nil
		},
		Fail: func(m channel.Message) error {
			if m.ID == "unknown" {
				return &channel.Failure{Permanent: true, Reason: "mailbox"}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := a.SendBatch(t.Context(), []channel.Message{message("a"), message("unknown"), message("full"), message("b")})
	if out[0].Err != nil || out[0].Receipt != (channel.Receipt{Reference: "simulated-a", Route: "demo"}) || out[3].Err != nil {
		t.Error(out)
	}
	if f := channel.AsFailure(out[1].Err); !f.Permanent || f.Reason != "mailbox" {
		t.Error(f)
	}
	if f := channel.AsFailure(out[2].Err); f.Permanent || f.RouteDown {
		t.Error(f)
	}
	if len(seen) != 3 {
		t.Error(seen)
	}
	live := message("c")
	live.Realm = channel.Live
	if _, err := a.Send(t.Context(), live); channel.AsFailure(err).Reason != "config" {
		t.Error(err)
	}
	down = true
	if _, err := a.Send(t.Context(), message("d")); !channel.AsFailure(err).RouteDown || a.Check(t.Context()) == nil {
		t.Error(err)
	}
	if len(seen) != 3 {
		t.Error(seen)
	}
}

func TestDelayAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := New(Options{
			Name: "slow", Kind: channel.Webhook, Realm: channel.Live, Delay: time.Minute,
			Record: func(context.Context, channel.Message) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		m := channel.Message{ID: "a", Kind: channel.Webhook, Realm: channel.Live, To: "http://x.example"}
		start := time.Now()
		if _, err := a.Send(t.Context(), m); err != nil || time.Since(start) != time.Minute {
			t.Error(err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = a.Send(ctx, m)
		if f := channel.AsFailure(err); f.Reason != "canceled" || time.Since(start) != 61*time.Second {
			t.Error(f, time.Since(start))
		}
	})
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	record := func(context.Context, channel.Message) error { return nil }
	for _, o := range []Options{
		{}, {Name: "x"}, {Name: "x", Kind: channel.Mail}, {Name: "x", Kind: channel.Mail, Record: record, Delay: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v", o)
		}
	}
	if a, err := New(Options{Name: "x", Kind: channel.Mail, Record: record}); err != nil || a.Realm() != channel.Exercise || a.Route() != "x" || a.Kind() != channel.Mail {
		t.Error(err)
	}
}
