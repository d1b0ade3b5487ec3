package review

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// remindDue sends what is due of open clocks. A reminder and the note that it
// went out commit together, so a lost tick is made up for and none comes twice.
func (r *Room) remindDue(ctx context.Context, now time.Time) (time.Time, error) {
	all, err := r.openClocks(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	for _, c := range all {
		key, again := c.remind(now)
		if key != "" {
			if err := r.remind(ident.WithActor(ident.WithTenant(ctx, c.tenant), ident.System), c.Clock, key); err != nil {
				return time.Time{}, err
			}
		}
		if !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again
		}
	}
	return next, nil
}

func (r *Room) remind(ctx context.Context, c Clock, key string) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		c, err := r.Clock(ctx, c.ID)
		if err != nil || c.State != ClockOpen {
			return err
		}
		x, err := r.rule(c.Rule)
		if err != nil {
			return err
		}
		i, err := r.o.Incidents.Get(ctx, c.Incident)
		if err != nil {
			return err
		}
		c.Told = append(c.Told, key)
		if err := r.updateClock(ctx, db, c); err != nil {
			return err
		}
		which := "review.mail_due"
		if key == "over" {
			which = "review.mail_over"
		}
		return r.write(ctx, c, x, i.Title, key, which, identity.RoleApprover, identity.RoleAdmin, identity.RoleDPO)
	})
}

// write mails everybody of the roles about a clock, once each and at all their
// addresses.
func (r *Room) write(ctx context.Context, c Clock, x Rule, title, key, which string, roles ...identity.Role) error {
	t, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	seen := map[identity.PersonID]bool{}
	for _, role := range roles {
		people, err := r.o.People.People(ctx, identity.Filter{Role: role, Active: true})
		if err != nil {
			return err
		}
		for _, p := range people {
			if seen[p.ID] {
				continue
			}
			seen[p.ID] = true
			l := i18n.Locale{Catalog: r.o.Catalog, Lang: i18n.Parse(p.Language), Zone: zone, Now: r.o.Clock.Now()}
			due := l.Catalog.Text(l.Lang, "review.without_delay")
			if !c.Due.IsZero() {
				due = l.Stand(c.Due)
			}
			args := []any{p.Name, x.Say(l.Lang), x.Law, x.Recipient(l.Lang), title, due, l.Stand(c.Aware), t.StaffURL + "/review/" + string(c.Incident)}
			for n, to := range p.Addresses() {
				err := r.o.Outbox.Send(ctx, channel.Message{
					ID: fmt.Sprintf("%s.%s.%s.%d", c.ID, key, p.ID, n), Kind: channel.Mail, Class: channel.Single, Realm: channel.Realm(c.Realm),
					To: to, ToName: p.Name, Subject: l.Catalog.Text(l.Lang, which+"_subject", args...), Text: l.Catalog.Text(l.Lang, which+"_body", args...),
					Language: string(l.Lang), Automatic: true, Thread: "review-" + string(c.ID), Date: l.Now,
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}
