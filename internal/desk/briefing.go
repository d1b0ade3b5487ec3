package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/paper"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// briefFor is how old an edition may be and still be sent, when nobody sent it at
// its time.
const briefFor = 2 * time.Hour

// briefed reports whether the editions of i go out by themselves: from an emergency
// on, while it goes on and once when it is over. A private incident's do not: who
// is in the list of the management is not who knows of it.
func briefed(i incident.Incident) bool {
	return i.Level != incident.Disruption && !i.Private && !i.ConfirmedAt.IsZero() && i.Phase != incident.Dismissed && i.Phase != incident.Merged
}

// sweepBriefs mails the editions that are due (R1.16), of all towns. An edition has
// one id per recipient, and the outbox takes each id once: so the sweep may run on
// every node, and again after a crash.
func (d *Desk) sweepBriefs(ctx context.Context, now time.Time) (time.Time, error) {
	towns, err := d.o.Identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	var errs []error
	for _, t := range towns {
		at, err := d.briefTown(system(ident.WithTenant(ctx, t.ID)), t, now)
		errs = append(errs, err) // one town's trouble keeps no other waiting
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, errors.Join(errs...)
}

func (d *Desk) briefTown(ctx context.Context, t identity.Tenant, now time.Time) (next time.Time, err error) {
	to, audiences, err := d.leadership(ctx)
	if err != nil || len(to) == 0 {
		return next, err
	}
	zone, err := clock.Zone(t.Zone)
	if err != nil {
		return next, err
	}
	ctx = i18n.With(ctx, i18n.Locale{Catalog: d.o.Catalog, Lang: i18n.Parse(t.Language), Zone: zone, Now: now})
	every := briefEvery(audiences)
	for _, realm := range []incident.Realm{incident.Live, incident.Exercise} {
		list, err := d.o.Incident.List(ctx, incident.Filter{Realm: realm, From: now.Add(-90 * 24 * time.Hour), Limit: 200})
		if err != nil {
			return next, err
		}
		for _, i := range list {
			if !briefed(i) {
				continue
			}
			e := editionAt(i, every, now)
			if !e.Next.IsZero() && (next.IsZero() || e.Next.Before(next)) {
				next = e.Next
			}
			key := fmt.Sprintf("brief-%s-%d", i.ID, e.Number)
			if now.Sub(e.At) > briefFor || !d.briefs.first(key) {
				continue
			}
			if err := d.mailBrief(ctx, i, e, key, to); err != nil {
				d.briefs.forget(key)
				return next, fmt.Errorf("desk: brief of %s: %w", i.ID, err)
			}
		}
	}
	return next, nil
}

// leadership is to whom the sheets go, each once, with all audiences.
func (d *Desk) leadership(ctx context.Context) (to []string, all []plan.Audience, err error) {
	if all, err = d.o.Plan.Audiences(ctx); err != nil {
		return nil, nil, err
	}
	for _, a := range all {
		if a.Kind == plan.Leadership {
			to = append(to, a.Recipients...)
		}
	}
	slices.Sort(to)
	return slices.Compact(to), all, nil
}

// mailBrief hands one edition to the outbox.
func (d *Desk) mailBrief(ctx context.Context, i incident.Incident, e edition, key string, to []string) error {
	doc, err := d.brief(ctx, string(i.ID))
	if err != nil {
		return err
	}
	file, err := paper.PDF(doc)
	if err != nil {
		return err
	}
	town, err := d.o.Identity.Current(ctx)
	if err != nil {
		return err
	}
	text := i18n.T(ctx, "desk.brief_mail", i.Title, i18n.Stand(ctx, e.At), strings.TrimRight(town.StaffURL, "/")+"/incident/"+string(i.ID)+"/brief")
	if e.Next.IsZero() {
		text += "\n\n" + i18n.T(ctx, "desk.brief_mail_last")
	} else {
		text += "\n\n" + i18n.T(ctx, "desk.brief_mail_next", i18n.Stand(ctx, e.Next))
	}
	subject := i18n.T(ctx, "desk.brief_subject", i.Title, i18n.Clock(ctx, e.At))
	if i.Realm == incident.Exercise {
		subject = i18n.T(ctx, "desk.exercise_title", subject)
		text = i18n.T(ctx, "desk.exercise_title", text)
	}
	for _, address := range to {
		who := sha256.Sum256([]byte(strings.ToLower(address)))
		err := d.o.Channel.Send(ctx, channel.Message{
			ID: key + "-" + hex.EncodeToString(who[:6]), Kind: channel.Mail, Class: channel.Single, Realm: channel.Realm(i.Realm), To: address,
			Subject: subject, Text: text, Language: string(i18n.Of(ctx).Lang), Automatic: true, Thread: "brief-" + string(i.ID), FirstOfThread: e.Number == 1, Date: e.At,
			Attached: []channel.Attachment{{Name: fileName(doc), Type: "application/pdf", Data: file}},
		})
		if err != nil && fault.KindOf(err) != fault.Invalid { // one bad address costs the others nothing
			return err
		}
	}
	return nil
}

// briefs remembers which editions this process has handed over, so that no sheet
// is made anew each minute. What has really gone out the outbox knows.
type briefs struct {
	mu   sync.Mutex
	done map[string]bool
}

func (b *briefs) first(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done[key] {
		return false
	}
	if b.done == nil || len(b.done) > 10_000 { // the outbox takes each once anyway
		b.done = map[string]bool{}
	}
	b.done[key] = true
	return true
}

func (b *briefs) forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.done, key)
}

// Start begins to mail the editions and the sheets of the months.
func (d *Desk) Start(ctx context.Context) error {
	d.sweep.Start(ctx)
	d.months.Start(ctx)
	return nil
}

// Stop ends it; what is due goes out after the next start.
func (d *Desk) Stop() {
	d.months.Stop()
	d.sweep.Stop()
}

func (d *Desk) sweeper() *jobs.Sweeper {
	return jobs.NewSweeper(jobs.SweeperOptions{Name: "desk.brief", Clock: d.o.Clock, Log: d.o.Log, Sweep: d.sweepBriefs})
}
