package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/jobs"
	"tuermer/internal/platform/paper"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// The sheet of a month goes out on the first of the next one at that hour in the
// town's zone, and up to a week later when nobody could send it then.
const (
	monthHour = 7
	monthFor  = 7 * 24 * time.Hour
)

// monthDue is the month whose sheet is due at now (empty: none), and when the next
// one will be. A month before began, in which the town was not there yet, has none.
func monthDue(began, now time.Time, zone *time.Location) (month string, next time.Time) {
	y, m, _ := now.In(zone).Date()
	due := time.Date(y, m, 1, monthHour, 0, 0, 0, zone)
	next = time.Date(y, m+1, 1, monthHour, 0, 0, 0, zone)
	switch ended := time.Date(y, m, 1, 0, 0, 0, 0, zone); {
	case now.Before(due):
		return "", due
	case now.Sub(due) >= monthFor || !began.Before(ended):
		return "", next
	}
	return time.Date(y, m-1, 1, 0, 0, 0, 0, zone).Format("2006-01"), next
}

// sweepMonths mails each town's leadership the sheet of the month that is over
// (R3.20). As with the editions of an incident, the month and the recipient make
// the id of the mail, and the outbox takes each id once.
func (d *Desk) sweepMonths(ctx context.Context, now time.Time) (time.Time, error) {
	towns, err := d.o.Identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return time.Time{}, err
	}
	var next time.Time
	var errs []error
	for _, t := range towns {
		at, err := d.monthTown(system(ident.WithTenant(ctx, t.ID)), t, now)
		errs = append(errs, err)
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, errors.Join(errs...)
}

func (d *Desk) monthTown(ctx context.Context, t identity.Tenant, now time.Time) (next time.Time, err error) {
	zone, err := clock.Zone(t.Zone)
	if err != nil {
		return next, err
	}
	// The plan's first version is from the day on which the town was set up.
	first, err := d.o.Plan.Version(ctx, 1)
	if fault.KindOf(err) == fault.NotFound {
		return next, nil
	}
	if err != nil {
		return next, err
	}
	month, next := monthDue(first.At, now, zone)
	if month == "" || !d.briefs.first(string(t.ID)+monthKey(month)) {
		return next, nil
	}
	ctx = i18n.With(ctx, i18n.Locale{Catalog: d.o.Catalog, Lang: i18n.Parse(t.Language), Zone: zone, Now: now})
	if err := d.mailMonth(ctx, t, month); err != nil {
		d.briefs.forget(string(t.ID) + monthKey(month))
		return next, fmt.Errorf("desk: month %s: %w", month, err)
	}
	return next, nil
}

func (d *Desk) mailMonth(ctx context.Context, t identity.Tenant, month string) error {
	to, _, err := d.leadership(ctx)
	if err != nil || len(to) == 0 {
		return err
	}
	doc, err := d.month(ctx, month)
	if err != nil {
		return err
	}
	pdf, err := paper.PDF(doc)
	if err != nil {
		return err
	}
	for _, address := range to {
		who := sha256.Sum256([]byte(strings.ToLower(address)))
		err := d.o.Channel.Send(ctx, channel.Message{
			ID: monthKey(month) + "-" + string(t.ID) + "-" + hex.EncodeToString(who[:6]), Kind: channel.Mail, Class: channel.Single, Realm: channel.Live, To: address,
			Subject: i18n.T(ctx, "desk.month_subject", doc.Subtitle), Text: i18n.T(ctx, "desk.month_mail", doc.Subtitle, strings.TrimRight(t.StaffURL, "/")+"/kit/month/"+month),
			Language: string(i18n.Of(ctx).Lang), Automatic: true, MayWait: true, Thread: "month-" + month, Date: doc.Stand,
			Attached: []channel.Attachment{{Name: "monatsblatt-" + month + ".pdf", Type: "application/pdf", Data: pdf}},
		})
		if err != nil && fault.KindOf(err) != fault.Invalid { // one bad address costs the others nothing
			return err
		}
	}
	return nil
}

func (d *Desk) monthSweeper() *jobs.Sweeper {
	return jobs.NewSweeper(jobs.SweeperOptions{Name: "desk.month", Clock: d.o.Clock, Log: d.o.Log, Sweep: d.sweepMonths, Idle: time.Hour, Retry: time.Minute})
}
