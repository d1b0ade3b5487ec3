package intake

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
)

// Seen is a body that was kept, and what it is understood as now.
type Seen struct {
	FirstAt, LastAt time.Time
	Times           int64
	Body            Body
	Reports         []Report
	Problem         string // form, empty, keyless or cut; empty: understood
}

// maxSeen is how many bodies a page shows.
const maxSeen = 20

// Seen lists the last bodies of a source, newest first, and reads them with a
// mapping that need not be stored yet.
func (r *Room) Seen(ctx context.Context, s Source) ([]Seen, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	return r.seen(ctx, s)
}

func (r *Room) seen(ctx context.Context, s Source) ([]Seen, error) {
	var rows []bodyRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Where("tenant_id = ? AND source = ?", ident.TenantOf(ctx), s.Name).
		Order("last_at DESC", "hash").Limit(maxSeen).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("intake: bodies: %w", err)
	}
	out := make([]Seen, len(rows))
	for i, row := range rows {
		b := Body{ContentType: row.ContentType, Data: row.Data, Event: row.Event, Cut: row.Problem == Problem(ErrCut)}
		b.Query, b.Asked = formOf(row.Query), row.Query
		if row.Path != "" {
			b.Path = strings.Split(row.Path, "/")
		}
		reports, wrong := Parse(s.Format, s.Mapping, b, r.o.Locale(ctx).Zone)
		for i := range reports {
			reports[i].over(when(row.FirstAt)) // as it was when it came
		}
		out[i] = Seen{FirstAt: when(row.FirstAt), LastAt: when(row.LastAt), Times: row.Times, Body: b, Reports: reports, Problem: Problem(wrong)}
	}
	return out, nil
}

// Read says what a body of a source would be understood as, also by a mapping that is
// not stored; nil stands for the one that came last and for the stored one. Nothing is
// kept, and nobody is alarmed.
func (r *Room) Read(ctx context.Context, name string, b *Body, m *Mapping) (Seen, error) {
	if err := mayRead(ctx); err != nil {
		return Seen{}, err
	}
	s, err := r.Get(ctx, name)
	if err != nil {
		return Seen{}, err
	}
	if m != nil {
		if err := m.Check(); err != nil {
			return Seen{}, err
		}
		s.Mapping = *m
	}
	if b == nil {
		seen, err := r.Seen(ctx, s)
		if err == nil && len(seen) == 0 {
			err = fault.New(fault.NotFound, "intake.seen_nothing")
		}
		if err != nil {
			return Seen{}, err
		}
		return seen[0], nil
	}
	if s.Format == Mail {
		b.ContentType = MailType
	}
	now := r.o.Clock.Now()
	reports, wrong := Parse(s.Format, s.Mapping, *b, r.o.Locale(ctx).Zone)
	for i := range reports {
		reports[i].over(now)
	}
	return Seen{FirstAt: now, LastAt: now, Times: 1, Body: *b, Reports: reports, Problem: Problem(wrong)}, nil
}

// Text is the body as it came, at most a few kilobytes of it: in letters that a page
// can show, and of a mail what people read of it.
func (s Seen) Text() string {
	const most = 4000
	t := text(s.Body.Data)
	if s.Body.ContentType == MailType {
		if l, err := readLetter(s.Body.Data); err == nil {
			t = "From: " + l.From + "\nTo: " + l.To + "\nSubject: " + l.Subject + "\n\n" + l.Text
		}
	}
	if len(t) == 0 {
		t = first(s.Body.Asked, s.Body.Query.Encode())
	}
	t = strings.ReplaceAll(t, "\x00", "\u2400")
	if len(t) > most {
		t = strings.ToValidUTF8(t[:most], "") + "…"
	}
	return t
}
