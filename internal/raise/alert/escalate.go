package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/raise/chain"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/identity"
)

// Chain knows the town's escalation chains, and by which ways people can be
// reached. The room before this one implements it.
type Chain interface {
	For(ctx context.Context, service string) (chain.Chain, bool, error)
	People(ctx context.Context, c chain.Chain, step int, service string, at time.Time) ([]identity.Person, []chain.Missed, error)
	Contacts(ctx context.Context, p identity.Person, by []chain.Way) ([]chain.Contact, error)
}

type runRow struct {
	bun.BaseModel `bun:"table:alert_run"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	AlertID       ID           `bun:"alert_id,pk"`
	Chain         string       `bun:"chain"`
	Step          int          `bun:"step"`
	Told          int          `bun:"told"`
	Done          bool         `bun:"done"`
	SnoozedUntil  time.Time    `bun:"snoozed_until,nullzero"`
	SnoozedBy     string       `bun:"snoozed_by"`
	SnoozedName   string       `bun:"snoozed_name"`

	chain chain.Chain `bun:"-"`
}

// run is how far the alert has climbed its chain; nil: it has none.
func (t turn) run(ctx context.Context, id ID) (*runRow, error) { return runOf(ctx, t.db, t.tenant, id) }

func runOf(ctx context.Context, db bun.IDB, tenant ident.Tenant, id ID) (*runRow, error) {
	row := &runRow{TenantID: tenant, AlertID: id}
	err := db.NewSelect().Model(row).WherePK().Scan(ctx)
	if store.NotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("alert: run: %w", err)
	}
	if row.Chain != "" {
		if err := json.Unmarshal([]byte(row.Chain), &row.chain); err != nil {
			return nil, fmt.Errorf("alert: run: %w", err)
		}
	}
	return row, nil
}

func (t turn) keepRun(ctx context.Context, row *runRow) error {
	_, err := t.db.NewInsert().Model(row).On("CONFLICT (tenant_id, alert_id) DO UPDATE").
		Set("chain = EXCLUDED.chain, step = EXCLUDED.step, told = EXCLUDED.told, done = EXCLUDED.done").
		Set("snoozed_until = EXCLUDED.snoozed_until, snoozed_by = EXCLUDED.snoozed_by, snoozed_name = EXCLUDED.snoozed_name").Exec(ctx)
	if err != nil {
		return fmt.Errorf("alert: run: %w", err)
	}
	return nil
}

// climb begins the chain of the alert's service. ok is false when there is none,
// or when nobody on it could be told: then those responsible otherwise are.
func (r *Room) climb(ctx context.Context, t turn, a *Alert) (ok bool, err error) {
	if r.o.Chain == nil || a.Severity != signal.Critical {
		return false, nil
	}
	c, found, err := r.o.Chain.For(ctx, a.Service)
	if err != nil {
		return false, fmt.Errorf("alert: chain of %s: %w", a.Service, err)
	}
	if !found {
		return false, nil
	}
	body, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("alert: run: %w", err)
	}
	rn := &runRow{TenantID: t.tenant, AlertID: a.ID, Chain: string(body), Step: -1, chain: c}
	// What somebody answered to a warning is no answer to an alarm.
	if _, err := t.db.NewDelete().Model((*pageRow)(nil)).Where("tenant_id = ? AND alert_id = ?", t.tenant, a.ID).Exec(ctx); err != nil {
		return false, fmt.Errorf("alert: pages: %w", err)
	}
	if err := r.nextStep(ctx, t, a, rn); err != nil {
		return false, err
	}
	if err := t.keepRun(ctx, rn); err != nil {
		return false, err
	}
	return a.Woken > 0, nil
}

// climbOn takes the next step of a chain whose time has come.
func (r *Room) climbOn(ctx context.Context, t turn, a *Alert, rn *runRow) error {
	if !rn.SnoozedUntil.IsZero() {
		return r.comeBack(ctx, t, a, rn)
	}
	step := rn.chain.Steps[rn.Step]
	if rn.Told <= step.Repeat {
		if err := r.tellStep(ctx, t, a, rn, StepAgain); err != nil {
			return err
		}
		return t.keepRun(ctx, rn)
	}
	if err := r.nextStep(ctx, t, a, rn); err != nil {
		return err
	}
	return t.keepRun(ctx, rn)
}

// nextStep climbs to the first step on which somebody can be told. After the
// last one those responsible otherwise come, at once.
func (r *Room) nextStep(ctx context.Context, t turn, a *Alert, rn *runRow) error {
	woken := a.Woken
	for {
		rn.Step++
		rn.Told = 0
		if rn.Step >= len(rn.chain.Steps) {
			rn.Done = true
			if err := t.note(ctx, a.ID, Course{What: ChainEnds, Word: rn.chain.Name}); err != nil {
				return err
			}
			a.NextAt = time.Time{}
			if woken == 0 && a.Woken == 0 || a.State != StateOpen {
				return nil // nobody so far: the usual ones are told as ever
			}
			return r.afterChain(ctx, t, a)
		}
		called, err := r.callStep(ctx, t, a, rn, StepBegun)
		if err != nil {
			return err
		}
		if called > 0 {
			return nil
		}
	}
}

// afterChain tells those responsible otherwise. Where all of them were told on the
// chain, the nearest who have not answered are told once more, by every way of
// theirs: the step may have known fewer.
func (r *Room) afterChain(ctx context.Context, t turn, a *Alert) error {
	told, err := r.askMore(ctx, t, a)
	if err != nil || told > 0 {
		return err
	}
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return err
	}
	levels, err := r.otherwise(ctx, svc)
	if err != nil {
		return err
	}
	chained, err := r.levels(ctx, svc, t.now)
	if err != nil {
		return err
	}
	pages, err := t.pages(ctx, a.ID)
	if err != nil {
		return err
	}
	said := map[identity.PersonID]bool{}
	for _, p := range pages {
		if p.State == answered || p.State == declined {
			said[identity.PersonID(p.PersonID)] = true
		}
	}
	var again []chosen
	for _, p := range widen(append(levels, chained...), said) {
		again = append(again, chosen{p, NoAnswer, true})
	}
	m := mailing{r: r, t: t, alert: *a, service: svc}
	r.o.Log.WarnContext(ctx, "everybody was told and nobody took the alert, the nearest are told again", "tenant", t.tenant, "alert", a.ID, "people", len(again))
	return m.alarms(ctx, again, said)
}

// tellStep tells the people of the present step, but who has answered.
func (r *Room) tellStep(ctx context.Context, t turn, a *Alert, rn *runRow, what What) error {
	_, err := r.callStep(ctx, t, a, rn, what)
	return err
}

// callStep tells the people of the present step and says how many were. Where
// nobody stands there, those responsible otherwise are told in their place.
func (r *Room) callStep(ctx context.Context, t turn, a *Alert, rn *runRow, what What) (called int, err error) {
	step := rn.chain.Steps[rn.Step]
	rn.Told++
	a.NextAt = t.now.Add(step.WaitFor())
	if err := t.note(ctx, a.ID, Course{What: what, Word: number(rn.Step), Until: a.NextAt}); err != nil {
		return 0, err
	}
	people, missed, err := r.o.Chain.People(ctx, rn.chain, rn.Step, a.Service, t.now)
	if err != nil {
		return 0, fmt.Errorf("alert: chain of %s: %w", a.Service, err)
	}
	for _, x := range missed {
		if err := t.note(ctx, a.ID, Course{What: NameInVain, Name: string(x.Who), Word: string(x.Reason)}); err != nil {
			return 0, err
		}
	}
	svc, err := r.service(ctx, a.Service)
	if err != nil {
		return 0, err
	}
	told, err := t.told(ctx, a.ID)
	if err != nil {
		return 0, err
	}
	var next []chosen
	for _, p := range people {
		next = append(next, chosen{p, ByChain, true})
	}
	if len(next) == 0 {
		if err := t.note(ctx, a.ID, Course{What: StepEmpty, Word: number(rn.Step)}); err != nil {
			return 0, err
		}
		levels, err := r.otherwise(ctx, svc)
		if err != nil {
			return 0, err
		}
		for _, p := range widen(levels, told) {
			next = append(next, chosen{p, StepStandIn, true})
		}
	}
	pages, err := t.pages(ctx, a.ID)
	if err != nil {
		return 0, err
	}
	m := mailing{r: r, t: t, alert: *a, service: svc}
	if err := m.prepare(ctx); err != nil {
		return 0, err
	}
	for i, c := range next {
		if slices.ContainsFunc(pages, func(p pageRow) bool {
			return p.PersonID == string(c.person.ID) && (p.State == answered || p.State == declined)
		}) {
			continue
		}
		ok, err := m.call(ctx, c, others(next, i), rn.Step, step.By, rn.chain.ReceiptFor())
		if err != nil {
			return 0, err
		}
		if ok {
			told[c.person.ID] = true
			called++
		} else {
			c.wake, c.reason = false, NoWay
		}
		if err := t.decide(ctx, a.ID, c); err != nil {
			return 0, err
		}
	}
	a.Woken = len(told)
	r.o.Log.WarnContext(ctx, "a step of the escalation chain is told", "tenant", t.tenant, "alert", a.ID, "chain", rn.chain.Slug, "step", rn.Step+1, "people", called)
	if what == StepBegun && rn.Step > 0 {
		if err := r.audit(ctx, "alert.escalated", *a, "step", number(rn.Step), "chain", rn.chain.Name); err != nil {
			return 0, err
		}
	}
	return called, nil
}

// answeredBy notes who has acknowledged and ends the chain, unless everybody of
// the step must and somebody has not yet. NextAt of a is right afterwards.
func (r *Room) answeredBy(ctx context.Context, t turn, a *Alert, person, name string) error {
	row, err := t.page(ctx, a.ID, person)
	if err != nil {
		return err
	}
	if row != nil && row.State != answered {
		row.State, row.DueAt = answered, time.Time{}
		if err := t.keepPage(ctx, row); err != nil {
			return err
		}
	}
	if err := t.note(ctx, a.ID, Course{What: Answered, Person: person, Name: name}); err != nil {
		return err
	}
	rn, err := t.run(ctx, a.ID)
	if err != nil {
		return err
	}
	if row == nil && rn != nil && person != "" {
		// Who takes it before their turn is not woken when it comes.
		row = &pageRow{TenantID: t.tenant, AlertID: a.ID, PersonID: person, Name: name, Step: -1, Ways: "[]", State: answered}
		if _, err := t.db.NewInsert().Model(row).Exec(ctx); err != nil {
			return fmt.Errorf("alert: page: %w", err)
		}
	}
	if rn != nil {
		if err := r.awake(ctx, t, a, rn); err != nil {
			return err
		}
	}
	if rn != nil && !rn.Done && rn.chain.Steps[rn.Step].Everyone {
		pages, err := t.pages(ctx, a.ID)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(pages, func(p pageRow) bool { return p.Step == rn.Step && p.State != answered && p.State != declined }) {
			if a.NextAt.IsZero() {
				a.NextAt = t.now.Add(rn.chain.Steps[rn.Step].WaitFor())
			}
			if person == "" {
				return nil
			}
			return r.spare(ctx, t, a, channel.NoLongerAnswered, person) // the chain climbs on for those who have not
		}
	}
	a.NextAt = time.Time{}
	if rn != nil && !rn.Done {
		rn.Done = true
		if err := t.keepRun(ctx, rn); err != nil {
			return err
		}
	}
	if err := t.calm(ctx, a.ID); err != nil {
		return err
	}
	return r.spare(ctx, t, a, channel.NoLongerTaken, "")
}

// sweepPages tries the next way of everybody of whom no receipt came in time.
func (r *Room) sweepPages(ctx context.Context, now time.Time) (next time.Time, errs []error) {
	all := ident.AcrossTenants(ctx)
	var due []pageRow
	err := r.o.Store.Read(ctx).NewSelect().Model(&due).Where("due_at <= ?", now).OrderExpr("due_at").Limit(500).Scan(all)
	if err != nil {
		return time.Time{}, []error{fmt.Errorf("alert: look for people who were not reached: %w", err)}
	}
	for _, row := range due {
		if err := r.tryFurther(ident.WithActor(ident.WithTenant(ctx, row.TenantID), ident.System), row.AlertID, row.PersonID, now); err != nil {
			errs = append(errs, err)
		}
	}
	var first pageRow
	err = r.o.Store.Read(ctx).NewSelect().Model(&first).Where("due_at IS NOT NULL").OrderExpr("due_at").Limit(1).Scan(all)
	if err != nil && !store.NotFound(err) {
		errs = append(errs, fmt.Errorf("alert: look for people who were not reached: %w", err))
	}
	return when(first.DueAt), errs
}
