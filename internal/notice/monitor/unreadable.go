package monitor

import (
	"context"
	"encoding/json"
	"time"
)

// A row that cannot be read, because a disk or a hand has spoilt it or its
// credentials were sealed with another key, must neither keep the others from
// being watched nor rest unnoticed itself (I20). What can be read of it is used;
// one whose check cannot be known is looked at with [unreadable], which always
// fails, so it alarms like any outage and recovers when somebody mends it.

// Parts of a stored monitor, as [Monitor.Unreadable] names them.
const (
	PartSpec     = "spec" // with its credentials
	PartStatus   = "status"
	PartWindows  = "maintenance"
	PartRules    = "maintenance_rules"
	PartStanding = "standing"
)

// unreadable is the kind of a check that nobody knows. No file and no form can
// ask for it.
const unreadable Kind = "unreadable"

// unreadableSpec stands in the engine for a spec that cannot be read.
var unreadableSpec = Spec{
	Kind: unreadable, Interval: Duration(time.Minute), Timeout: Duration(10 * time.Second), Confirm: 3,
}

// unreadableProber answers what is known: nothing.
type unreadableProber struct{ w *wire }

// Probe fails.
func (p unreadableProber) Probe(ctx context.Context, s Spec) Result {
	return p.w.run(ctx, s, func(context.Context, *Result) error {
		return failf(ReasonUnreadable, "the stored check cannot be read")
	})
}

// monitor is a stored row. What cannot be read of it is as in a new monitor, and
// named.
func (r *Room) monitor(row entryRow) Monitor {
	m := Monitor{
		Slug: row.Slug, Name: row.Name, Service: row.Service, PingKey: row.PingKey, Paused: row.Paused, Declared: row.Declared,
	}
	lost := func(part string, err error) bool {
		if err != nil {
			m.Unreadable = append(m.Unreadable, part)
		}
		return err != nil
	}
	open := json.Unmarshal([]byte(row.Spec), &m.Spec) // complete, or without the credentials
	spec := open
	if len(row.Secret) > 0 {
		full, err := r.o.Vault.Open(sealPurpose, row.Secret)
		if spec = err; err == nil {
			m.Spec = Spec{}
			spec = json.Unmarshal(full, &m.Spec)
		}
	}
	if lost(PartSpec, spec) {
		if open != nil {
			m.Spec = Spec{}
		}
		// Others cannot look either: this machine alone decides.
		m.Spec.Kind, m.Spec.Vantage = row.Kind, Vantage{}
	}
	if lost(PartStatus, json.Unmarshal([]byte(row.Status), &m.Status)) {
		m.Status = firstStatus(r.o.Clock.Now())
	}
	if lost(PartWindows, json.Unmarshal([]byte(row.Windows), &m.Windows)) {
		m.Windows = nil // who does not know of a maintenance alarms
	}
	if lost(PartRules, json.Unmarshal([]byte(row.Rules), &m.Rules)) {
		m.Rules = nil
	}
	if row.Standing != "" && lost(PartStanding, json.Unmarshal([]byte(row.Standing), &m.Standing)) {
		m.Standing = Standing{Count: r.o.Clock.Now().UnixMilli()}
	}
	if live, ok := r.engine.Status(engineID(row.TenantID, row.Slug)); ok {
		m.Status = live
	}
	return m
}

// firstStatus is that of a monitor of which nothing is known. Episodes are
// counted on from where none was before: an earlier monitor of this name may
// have used the low numbers, and what has ended once never fires again.
func firstStatus(now time.Time) Status {
	s := NewStatus(now)
	s.Episode = now.UnixMilli()
	return s
}
