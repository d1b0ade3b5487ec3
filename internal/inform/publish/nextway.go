package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/plan"
)

// Tasks is the optional ability of [Incidents] to give people something to do.
// Without it what a machine cannot carry is only said.
type Tasks interface {
	AddTask(ctx context.Context, id incident.ID, k incident.Task) (incident.Task, error)
	Tasks(ctx context.Context, id incident.ID) ([]incident.Task, error)
}

// Tests is the optional ability of [Audiences] to tell how each way out was last
// tried.
type Tests interface {
	TestedWays(ctx context.Context) (map[string]plan.Tested, error)
}

// lostAfter is after how many tries in vain a message counts as not getting
// through: about a minute when the route is dead, seven when the other side asks
// us to come back. It is tried on all the same.
const lostAfter = 4

// handWithin is how soon the next way is to have carried it.
const handWithin = 15 * time.Minute

// lost reports whether a mail does not get through, though it may still.
func (d deliveryRow) lost() bool {
	return d.Channel == channel.Mail && (d.State == Failed || d.State == Expired || (d.State != Accepted && d.State != Skipped && d.Attempts >= lostAfter))
}

// carriedBy reports whether this room brings words to an audience of kind k on a
// way of the plan. The public page is for citizens; webhooks carry where one
// listens.
func carriedBy(way string, k plan.Kind, hooked bool) bool {
	return way == "mail" || (way == "page" && k == plan.Citizens) || (way == "webhook" && hooked)
}

// wayStep is a way of the plan that carries a message after another one did not.
type wayStep struct {
	Way  string // empty: the plan knows no other
	Hand bool   // people carry it
}

// firstStep is what people are asked to do when the first way of the plan is not
// one that the room carries: a town that telephones its mayor first is reminded.
func firstStep(a plan.Audience, hooked bool) (wayStep, bool) {
	for _, way := range a.Profile.Ways {
		switch {
		case carriedBy(way, a.Kind, hooked):
			return wayStep{}, false
		case way != "page": // the page of other readers
			return wayStep{way, true}, true
		}
	}
	return wayStep{}, false
}

// nextStep is the way after failed in the order of the plan, without those that
// are known to be down.
func nextStep(a plan.Audience, failed string, down map[string]bool, hooked bool) wayStep {
	i := slices.Index(a.Profile.Ways, failed)
	for _, way := range a.Profile.Ways[i+1:] {
		switch {
		case down[way] || way == failed:
		case carriedBy(way, a.Kind, hooked):
			return wayStep{Way: way}
		case way != "page":
			return wayStep{way, true}
		}
	}
	return wayStep{}
}

// down lists the ways whose last trial failed: each by itself, and mail when
// every mail server that was tried fails.
func (r *Room) down(ctx context.Context) (map[string]bool, error) {
	t, ok := r.o.Audiences.(Tests)
	if !ok {
		return nil, nil
	}
	tested, err := t.TestedWays(ctx)
	if err != nil {
		return nil, err
	}
	return knownDown(tested), nil
}

func knownDown(tested map[string]plan.Tested) map[string]bool {
	out := map[string]bool{}
	routes, failing := 0, 0
	for way, t := range tested {
		bad := t.Last.ID != "" && !t.Last.OK
		if strings.HasPrefix(way, "mail/") {
			routes++
			if bad {
				failing++
			}
			continue
		}
		out[way] = bad
	}
	out["mail"] = routes > 0 && failing == routes
	return out
}

// steer follows the plan's order when a statement goes out: people are asked to
// use its first way where we cannot, and, when mail is known to be down, the way
// after it. Mail is tried all the same: a trial is older than the moment.
func (r *Room) steer(ctx context.Context, s Statement, p Preview) error {
	if toOne(s.Kind) {
		return nil
	}
	down, err := r.down(ctx)
	if err != nil {
		return err
	}
	hooked := hooked(p.telling.chats)
	for _, a := range p.telling.audiences {
		if x, ok := firstStep(a, hooked(a)); ok {
			if err := r.handOn(ctx, s, a, x, "publish.way_first", 0); err != nil {
				return err
			}
		}
		if down["mail"] && len(a.Recipients) > 0 && len(a.Profile.Ways) > 0 {
			if err := r.handOn(ctx, s, a, nextStep(a, "mail", down, hooked(a)), "publish.way_down", len(a.Recipients)); err != nil {
				return err
			}
		}
	}
	return nil
}

// handOnLost lets the plan's next way carry what mail does not bring, once per
// statement and audience. newly are rows that began to count as lost in this
// transaction.
func (r *Room) handOnLost(ctx context.Context, db bun.IDB, newly []deliveryRow) error {
	newly = slices.DeleteFunc(slices.Clone(newly), func(row deliveryRow) bool { return toOne(row.Kind) })
	if len(newly) == 0 {
		return nil
	}
	type part struct {
		statement ID
		audience  string
	}
	ids := map[part][]string{}
	var order []part
	for _, row := range newly {
		k := part{row.Statement, row.Audience}
		if ids[k] == nil {
			order = append(order, k)
		}
		ids[k] = append(ids[k], row.ID)
	}
	slices.SortFunc(order, func(a, b part) int {
		return strings.Compare(string(a.statement)+a.audience, string(b.statement)+b.audience)
	})
	tenant := ident.TenantOf(ctx)
	all, err := r.o.Audiences.Audiences(ctx)
	if err != nil {
		return err
	}
	down, err := r.down(ctx)
	if err != nil {
		return err
	}
	chats, err := r.chats(ctx)
	if err != nil {
		return err
	}
	hooked := hooked(chats)
	for _, k := range order {
		// The statement's row is locked, so that two batches cannot both be first.
		_, err := db.NewUpdate().Model((*statementRow)(nil)).Set("updated_at = updated_at").
			Where("tenant_id = ?", tenant).Where("id = ?", k.statement).Exec(ctx)
		if err != nil {
			return fmt.Errorf("publish: next way: %w", err)
		}
		// What got through late counts as well: for it the next way was asked for.
		before, err := db.NewSelect().Model((*deliveryRow)(nil)).Where("tenant_id = ?", tenant).Where("statement_id = ?", k.statement).
			Where("audience = ?", k.audience).Where("id NOT IN (?)", bun.List(ids[k])).
			Where("("+isLost+" OR (channel = 'mail' AND attempts > ?))", lostAfter, lostAfter).Exists(ctx)
		if err != nil {
			return fmt.Errorf("publish: next way: %w", err)
		}
		i := slices.IndexFunc(all, func(a plan.Audience) bool { return a.Slug == k.audience })
		if before || i < 0 || len(all[i].Profile.Ways) == 0 {
			continue
		}
		s, err := r.get(ctx, k.statement)
		if err != nil {
			return err
		}
		if err := r.handOn(ctx, s, all[i], nextStep(all[i], "mail", down, hooked(all[i])), "publish.way_lost", len(ids[k])); err != nil {
			return err
		}
	}
	return nil
}

// isLost is [deliveryRow.lost] for the database.
const isLost = "(channel = 'mail' AND (state IN ('failed', 'expired') OR (state NOT IN ('accepted', 'skipped') AND attempts >= ?)))"

// handOn writes into the journal which way carries it now and, where people do,
// gives the audience's owner the task and tells them.
func (r *Room) handOn(ctx context.Context, s Statement, a plan.Audience, x wayStep, why string, n int) error {
	tenant, zone, err := r.home(ctx)
	if err != nil {
		return err
	}
	l := i18n.Locale{Catalog: r.o.Catalog, Lang: langOf(tenant.Language), Zone: zone, Now: r.o.Clock.Now()}
	switch {
	case x.Way == "":
		return r.note(ctx, s, why+"_none", a.Name, s.Kind.Title(), n)
	case !x.Hand:
		return r.note(ctx, s, why+"_carried", a.Name, s.Kind.Title(), n, wayName(l, x.Way))
	}
	title := wayTask(l, s, a, x)
	tasks, ok := r.o.Incidents.(Tasks)
	if ok {
		given, err := tasks.Tasks(ctx, s.Incident)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(given, func(k incident.Task) bool { return k.Title == title && !k.At.Before(s.PublishedAt) }) {
			return nil // asked for already
		}
	}
	if err := r.note(ctx, s, why, a.Name, s.Kind.Title(), n, wayName(l, x.Way)); err != nil {
		return err
	}
	if !ok {
		return nil
	}
	due := l.Now.Add(handWithin)
	k, err := tasks.AddTask(ident.WithActor(ctx, ident.System), s.Incident, incident.Task{Title: title, Owner: a.Owner, Due: due})
	if err != nil {
		return err
	}
	in, err := r.o.Incidents.Get(ctx, s.Incident)
	if err != nil {
		return err
	}
	_, err = r.toOwners(ctx, tenant, zone, a, letter{
		id: string(k.ID) + ".way", key: "publish.mail_way", realm: s.Realm, about: s.Incident,
		args: func(l i18n.Locale) []any {
			return []any{wayTask(l, s, a, x), in.Title, l.Short(due), tenant.StaffURL + "/publish/" + string(s.ID)}
		},
	})
	return err
}

func wayName(l i18n.Locale, way string) string { return l.Catalog.Text(l.Lang, "plan.way_"+way) }

func wayTask(l i18n.Locale, s Statement, a plan.Audience, x wayStep) string {
	return l.Catalog.Text(l.Lang, "publish.way_task", a.Name, wayName(l, x.Way), kindTitle(l, s.Kind))
}

// Handed is an audience that mail did not reach as a whole, and what the plan has
// instead.
type Handed struct {
	Audience string
	Name     string
	Lost     int    // recipients whom mail has not reached so far, after many tries
	Next     string // way of the plan; empty: it has no other
	ByHand   bool   // people carry it; there is a task
}

// Handed lists the audiences of a published statement whose next way carries it.
func (r *Room) Handed(ctx context.Context, id ID) ([]Handed, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	var rows []struct {
		Audience string `bun:"audience"`
		N        int    `bun:"n"`
	}
	err := r.o.Store.Read(ctx).NewSelect().Model((*deliveryRow)(nil)).Where("tenant_id = ?", ident.TenantOf(ctx)).Where("statement_id = ?", id).
		Where(isLost, lostAfter).ColumnExpr("audience, count(*) AS n").GroupExpr("audience").OrderExpr("audience").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("publish: handed on: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	all, err := r.o.Audiences.Audiences(ctx)
	if err != nil {
		return nil, err
	}
	down, err := r.down(ctx)
	if err != nil {
		return nil, err
	}
	chats, err := r.chats(ctx)
	if err != nil {
		return nil, err
	}
	hooked := hooked(chats)
	var out []Handed
	for _, row := range rows {
		i := slices.IndexFunc(all, func(a plan.Audience) bool { return a.Slug == row.Audience })
		if i < 0 || len(all[i].Profile.Ways) == 0 {
			continue
		}
		x := nextStep(all[i], "mail", down, hooked(all[i]))
		out = append(out, Handed{row.Audience, all[i].Name, row.N, x.Way, x.Hand})
	}
	return out, nil
}
