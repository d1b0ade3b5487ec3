// Package simulated is a way out that leads nowhere: it opens no socket and
// keeps nothing, but hands every message to a function that its maker gives it.
//
// The demo and every exercise use it for all kinds of channels, so that the
// same outbox, ledger and adapters' port run as in earnest while the outbox page
// shows what would have been sent. It holds the line of I4 like a real adapter:
// a message of the other realm is refused. Tests and the demo can let it fail or
// take its time.
package simulated

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tuermer/internal/town/channel"
)

// Options configure one simulated route.
type Options struct {
	Name  string        // the route's name, unique within Kind
	Kind  channel.Kind  // which way out it stands for
	Realm channel.Realm // default [channel.Exercise]; the demo says [channel.Live]

	// Record takes a message that "was sent". Required; called concurrently; its
	// error is a temporary failure. It sees the same message again on a retry.
	Record func(ctx context.Context, m channel.Message) error
	// Fail, where set, is asked before Record; an error is the message's fate,
	// temporary unless it is a [*channel.Failure].
	Fail func(m channel.Message) error
	// Delay is how long each Send takes, zero for none. A batch of n messages
	// takes n times as long.
	Delay time.Duration
	// Down, where set and true, fails Check and every message with RouteDown.
	Down func() bool
}

// Adapter is one simulated route.
type Adapter struct{ o Options }

var (
	_ channel.BatchSender = (*Adapter)(nil)
	_ channel.Prober      = (*Adapter)(nil)
)

// New checks the options and makes the adapter.
func New(o Options) (*Adapter, error) {
	if o.Realm == "" {
		o.Realm = channel.Exercise
	}
	switch {
	case o.Name == "":
		return nil, errors.New("simulated: the route needs a name")
	case o.Kind == "":
		return nil, fmt.Errorf("simulated route %q: needs a kind", o.Name)
	case o.Record == nil:
		return nil, fmt.Errorf("simulated route %q: needs somebody who records", o.Name)
	case o.Delay < 0:
		return nil, fmt.Errorf("simulated route %q: the delay is negative", o.Name)
	}
	return &Adapter{o}, nil
}

// Kind is the way out that the route stands for.
func (a *Adapter) Kind() channel.Kind { return a.o.Kind }

// Route is the configured name.
func (a *Adapter) Route() string { return a.o.Name }

// Realm tells which messages the route may carry.
func (a *Adapter) Realm() channel.Realm { return a.o.Realm }

// Send records one message.
func (a *Adapter) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := channel.Refuse(a, m); err != nil {
		return channel.Receipt{}, err
	}
	if a.o.Delay > 0 {
		timer := time.NewTimer(a.o.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return channel.Receipt{}, &channel.Failure{Reason: "canceled", Err: context.Cause(ctx)}
	}
	if err := a.Check(ctx); err != nil {
		return channel.Receipt{}, err
	}
	if a.o.Fail != nil {
		if err := a.o.Fail(m); err != nil {
			return channel.Receipt{}, channel.AsFailure(err)
		}
	}
	if err := a.o.Record(ctx, m); err != nil {
		return channel.Receipt{}, channel.AsFailure(err)
	}
	return channel.Receipt{Reference: "simulated-" + m.ID, Route: a.o.Name}, nil
}

// SendBatch records one message after the other.
func (a *Adapter) SendBatch(ctx context.Context, ms []channel.Message) []channel.Outcome {
	out := make([]channel.Outcome, len(ms))
	for i := range ms {
		out[i].Receipt, out[i].Err = a.Send(ctx, ms[i])
	}
	return out
}

// Check answers whether the simulated route is up.
func (a *Adapter) Check(context.Context) error {
	if a.o.Down != nil && a.o.Down() {
		return &channel.Failure{RouteDown: true, Reason: "connect", Err: errors.New("simulated: the route is down")}
	}
	return nil
}
