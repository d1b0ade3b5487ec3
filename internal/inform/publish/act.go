package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/inform/template"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/plan"
)

// Content is what a person decides about a statement.
type Content struct {
	Kind      template.Kind
	Facts     template.Facts
	Audiences []string // empty: those of the incident's services
	Languages []template.Language
	Scenario  template.Scenario
	// Next is the promised time per audience; what is missing falls back to the
	// fact next_update, then to the audience's rhythm.
	Next map[string]time.Time
}

// Create writes a draft about an incident.
func (r *Room) Create(ctx context.Context, in incident.ID, c Content) (Statement, error) {
	author, err := mayWrite(ctx)
	if err != nil {
		return Statement{}, err
	}
	inc, err := r.o.Incidents.Get(ctx, in)
	if err != nil {
		return Statement{}, err
	}
	now := r.o.Clock.Now()
	s := Statement{
		ID: ID(ident.NewID(now)), Incident: in, State: StateDraft, Revision: 1, Version: 1, CreatedAt: now, UpdatedAt: now,
		Realm: inc.Realm, Level: inc.Level,
	}.withAuthor(author)
	if s, err = r.fillIn(ctx, s, c, inc); err != nil {
		return Statement{}, err
	}
	return s, r.insert(ctx, s)
}

// Correct begins a new version of a published statement. The note is public and
// says what was put right; the version before stays as it was and reachable.
func (r *Room) Correct(ctx context.Context, id ID, note string) (Statement, error) {
	author, err := mayWrite(ctx)
	if err != nil {
		return Statement{}, err
	}
	note = strings.TrimSpace(note)
	if note == "" {
		return Statement{}, fault.New(fault.Invalid, "publish.correction_empty").Field("correction", "publish.correction_empty")
	}
	old, err := r.get(ctx, id)
	if err != nil {
		return Statement{}, err
	}
	if old.State != StatePublished || old.CorrectedBy != "" {
		return Statement{}, ErrState
	}
	now := r.o.Clock.Now()
	s := Statement{
		ID: ID(ident.NewID(now)), Incident: old.Incident, Kind: old.Kind, Realm: old.Realm, Level: old.Level, State: StateDraft,
		Revision: 1, Version: old.Version + 1, Corrects: old.ID, Correction: note, Facts: old.Facts,
		Audiences: old.Audiences, Languages: old.Languages, Scenario: old.Scenario, CreatedAt: now, UpdatedAt: now,
	}.withAuthor(author)
	s.Facts = withoutTimes(s.Facts)
	return s, r.insert(ctx, s)
}

// CreateAndSubmit writes a statement and submits it in one act; a draft is only
// kept. What cannot be submitted yet is not kept either.
func (r *Room) CreateAndSubmit(ctx context.Context, in incident.ID, c Content, ask identity.PersonID, draft bool) (Statement, error) {
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		var err error
		if out, err = r.Create(ctx, in, c); err != nil || draft {
			return err
		}
		out, err = r.Submit(ctx, out.ID, out.Revision, ask)
		return err
	})
	return out, err
}

// CorrectWith is [Room.Correct] with the facts that differ, submitted unless
// draft is set.
func (r *Room) CorrectWith(ctx context.Context, id ID, note string, differs template.Facts, draft bool) (Statement, error) {
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		s, err := r.Correct(ctx, id, note)
		if err != nil {
			return err
		}
		facts := maps.Clone(s.Facts)
		maps.Copy(facts, differs)
		out, err = r.Save(ctx, s.ID, s.Revision, Content{Kind: s.Kind, Facts: facts, Audiences: s.Audiences, Languages: s.Languages, Scenario: s.Scenario})
		if err != nil || draft {
			return err
		}
		out, err = r.Submit(ctx, out.ID, out.Revision, "")
		return err
	})
	return out, err
}

// withoutTimes drops a promised time, which a new version promises anew.
func withoutTimes(f template.Facts) template.Facts {
	out := template.Facts{}
	for slot, v := range f {
		if slot != template.SlotNext {
			out[slot] = v
		}
	}
	return out
}

// Save changes a draft. Whoever has it open names the revision they saw. A
// submitted statement becomes a draft again: nobody approves changing words.
func (r *Room) Save(ctx context.Context, id ID, revision int, c Content) (Statement, error) {
	author, err := mayWrite(ctx)
	if err != nil {
		return Statement{}, err
	}
	return r.change(ctx, id, revision, func(ctx context.Context, s Statement) (Statement, error) {
		if !s.State.May(StateDraft) && s.State != StateDraft {
			return s, ErrState
		}
		inc, err := r.o.Incidents.Get(ctx, s.Incident)
		if err != nil {
			return s, err
		}
		if s.Corrects != "" {
			c.Kind, c.Scenario = s.Kind, s.Scenario
		}
		if s.State == StateSubmitted {
			s.State = StateDraft
		}
		return r.fillIn(ctx, s.withAuthor(author), c, inc)
	})
}

// fillIn checks c and puts it into s.
func (r *Room) fillIn(ctx context.Context, s Statement, c Content, inc incident.Incident) (Statement, error) {
	if c.Kind.Phase() == "" {
		return s, fault.New(fault.Invalid, "publish.kind", strings.Join(strs(template.Kinds()), ", ")).Field("kind", "publish.kind")
	}
	s.Kind, s.Scenario = c.Kind, c.Scenario
	s.Facts = c.Facts
	if s.Facts == nil {
		s.Facts = template.Facts{}
	}
	all, err := r.o.Audiences.Audiences(ctx)
	if err != nil {
		return s, err
	}
	s.Audiences = dedupe(c.Audiences)
	for _, slug := range s.Audiences {
		if !slices.ContainsFunc(all, func(a plan.Audience) bool { return a.Slug == slug }) {
			return s, fault.New(fault.Invalid, "publish.audience", slug).Field("audiences", "publish.audience")
		}
	}
	if len(s.Audiences) == 0 {
		if s.Audiences, err = r.defaultAudiences(ctx, c.Kind, c.Scenario, inc, all); err != nil {
			return s, err
		}
	}
	s.Audiences = oneReader(c.Kind, s.Audiences, all)
	if overSays(c.Kind) {
		// Whoever was told that it is broken is told that it works (I1).
		told, err := r.told(ctx, s.Incident)
		if err != nil {
			return s, err
		}
		s.Audiences = dedupe(append(s.Audiences, present(told, all)...))
	}
	s.Languages = c.Languages
	if len(s.Languages) == 0 {
		s.Languages = spoken(s.Audiences, all)
	}
	for _, l := range s.Languages {
		if !slices.Contains(template.Languages(), l) {
			return s, fault.New(fault.Invalid, "publish.language", string(l)).Field("languages", "publish.language")
		}
	}
	tenant, err := r.o.People.Current(ctx)
	if err != nil {
		return s, err
	}
	if own := template.Language(tenant.Language); own != "" && !slices.Contains(s.Languages, own) {
		s.Languages = append(s.Languages, own) // mails are written in it
	}
	s.Next = map[string]time.Time{}
	for slug, at := range c.Next {
		if slices.Contains(s.Audiences, slug) && !at.IsZero() {
			s.Next[slug] = at
		}
	}
	return s, nil
}

func dedupe(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// present keeps the slugs that the plan still has.
func present(slugs []string, all []plan.Audience) []string {
	return slices.DeleteFunc(slices.Clone(slugs), func(slug string) bool {
		return !slices.ContainsFunc(all, func(a plan.Audience) bool { return a.Slug == slug })
	})
}

// goesOn reports whether k tells how something goes on that was told before.
func goesOn(k template.Kind) bool {
	return slices.Contains([]template.Kind{template.First, template.Update, template.NoChange, template.ETAChange, template.WorkaroundChange, template.Closing}, k)
}

// defaultAudiences are those that the services name, as far as there is a
// prepared text of the kind for them, and none of the public for a private
// incident.
func (r *Room) defaultAudiences(ctx context.Context, k template.Kind, scenario template.Scenario, in incident.Incident, all []plan.Audience) ([]string, error) {
	slugs, err := r.concerned(ctx, in, all)
	if err != nil {
		return nil, err
	}
	if goesOn(k) && in.ID != "" {
		// Who was added by hand is told how it goes on, too.
		before, err := r.list(ctx, Filter{Incident: in.ID, States: []State{StatePublished}, Limit: 1000})
		if err != nil {
			return nil, err
		}
		var last Statement
		for _, s := range before {
			if toOne(s.Kind) {
				continue
			}
			if (goesOn(s.Kind) || s.Kind == template.First || s.Kind == template.Holding) && s.PublishedAt.After(last.PublishedAt) {
				last = s
			}
		}
		slugs = dedupe(append(slugs, present(last.Audiences, all)...))
	}
	lib, err := r.prepared(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slugs, func(slug string) bool {
		i := slices.IndexFunc(all, func(a plan.Audience) bool { return a.Slug == slug })
		kind := all[i].Kind
		_, ok := lib.Find(k, template.AudienceKind(kind), template.Mail, template.DE, scenario)
		return !ok || (in.Private && kind.Public())
	}), nil
}

// told are the audiences that have read of the incident already.
func (r *Room) told(ctx context.Context, in incident.ID) ([]string, error) {
	list, err := r.list(ctx, Filter{Incident: in, States: []State{StatePublished}, Limit: 1000})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range list {
		if !toOne(s.Kind) { // one reader is not the audience
			out = append(out, s.Audiences...)
		}
	}
	return dedupe(out), nil
}

func (r *Room) insert(ctx context.Context, s Statement) error {
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		row := s.row(ident.TenantOf(ctx))
		if _, err := db.NewInsert().Model(&row).Exec(ctx); err != nil {
			return fmt.Errorf("publish: create: %w", err)
		}
		r.changed(ctx, s.ID, s.Incident)
		return r.record(ctx, "publish.statement.drafted", string(s.ID), map[string]string{"incident": string(s.Incident), "kind": string(s.Kind)})
	})
}

// change reads, changes and writes a statement in one transaction. Revision 0
// means whatever stands there.
func (r *Room) change(ctx context.Context, id ID, revision int, fn func(ctx context.Context, s Statement) (Statement, error)) (Statement, error) {
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		s, err := r.get(ctx, id)
		if err != nil {
			return err
		}
		if revision != 0 && revision != s.Revision {
			return ErrChanged
		}
		seen, state := s.Revision, s.State
		if out, err = fn(ctx, s); err != nil {
			return err
		}
		out.Revision, out.UpdatedAt = seen+1, r.o.Clock.Now()
		if err := r.save(ctx, db, out, seen, state); err != nil {
			return err
		}
		r.changed(ctx, id, out.Incident)
		return r.record(ctx, "publish.statement.changed", string(id), map[string]string{
			"state": string(out.State), "revision": strconv.Itoa(out.Revision),
		})
	})
	return out, err
}

// Look renders a statement as it would be now, without writing anything. A
// submitted one is shown as its approver sees it, a published one as it is.
func (r *Room) Look(ctx context.Context, id ID) (Preview, error) {
	if err := mayRead(ctx); err != nil {
		return Preview{}, err
	}
	s, err := r.get(ctx, id)
	if err != nil {
		return Preview{}, err
	}
	switch s.State {
	case StatePublished:
		return r.lookBack(ctx, s)
	case StateSubmitted:
		p, err := r.preview(ctx, s, s.seenAt)
		p.Variants = s.seen
		return p, err
	case StateDraft, StateWithdrawn:
	}
	return r.preview(ctx, s, r.o.Clock.Now())
}

// lookBack shows what was published, whatever plan and catalogue say by now.
func (r *Room) lookBack(ctx context.Context, s Statement) (Preview, error) {
	t, err := r.look(ctx, s)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Statement: s, telling: t}
	if p.Variants, err = r.variants(ctx, s.ID); err != nil {
		return p, err
	}
	var kinds []plan.Kind
	for _, slug := range s.Audiences {
		reach := Reach{Audience: slug, Name: slug, Next: s.Next[slug]}
		for _, a := range t.audiences {
			if a.Slug == slug {
				reach.Name = cmp.Or(a.Name, slug)
			}
		}
		for _, v := range p.Variants {
			if v.Audience == slug {
				reach.Kind, reach.Page = v.Kind, v.Kind == plan.Citizens
			}
		}
		kinds = append(kinds, reach.Kind)
		p.Reach = append(p.Reach, reach)
	}
	p.FourEyes = FourEyes(s.Level, kinds) || sensitive(s.Facts)
	return p, nil
}

// Try renders what is not written yet, for the composer and the API.
func (r *Room) Try(ctx context.Context, in incident.ID, c Content) (Preview, error) {
	author, err := mayWrite(ctx)
	if err != nil {
		return Preview{}, err
	}
	inc, err := r.o.Incidents.Get(ctx, in)
	if err != nil {
		return Preview{}, err
	}
	now := r.o.Clock.Now()
	s, err := r.fillIn(ctx, Statement{Incident: in, State: StateDraft, Version: 1, UpdatedAt: now}.withAuthor(author), c, inc)
	if err != nil {
		return Preview{}, err
	}
	return r.preview(ctx, s, now)
}

// Prefill is the content with which the composer opens: everything that is
// known already, so that a person adds only what is new.
func (r *Room) Prefill(ctx context.Context, in incident.ID, k template.Kind) (Content, error) {
	return r.prefill(ctx, in, k, "")
}

func (r *Room) prefill(ctx context.Context, in incident.ID, k template.Kind, scenario template.Scenario) (Content, error) {
	if err := mayRead(ctx); err != nil {
		return Content{}, err
	}
	inc, err := r.o.Incidents.Get(ctx, in)
	if err != nil {
		return Content{}, err
	}
	now := r.o.Clock.Now()
	s, err := r.fillIn(ctx, Statement{Incident: in, UpdatedAt: now}, Content{Kind: k, Scenario: scenario}, inc)
	if err != nil {
		return Content{}, err
	}
	t, err := r.lookAt(ctx, s, inc)
	if err != nil {
		return Content{}, err
	}
	facts := t.fill(s, now)
	c := Content{Kind: k, Scenario: scenario, Facts: template.Facts{}, Audiences: s.Audiences, Languages: s.Languages, Next: map[string]time.Time{}}
	for _, q := range template.Questions(k) {
		if v := facts[q.Slot]; q.Slot != template.SlotService && !v.Missing() {
			c.Facts[q.Slot] = v
		}
	}
	delete(c.Facts, template.SlotNext)
	for _, a := range t.audiences {
		if at := t.nextFor(s, a, now); !at.IsZero() {
			c.Next[a.Slug] = at
		}
	}
	return c, nil
}

// Submit asks an approver, or all of them, to read and approve.
func (r *Room) Submit(ctx context.Context, id ID, revision int, ask identity.PersonID) (Statement, error) {
	author, err := mayWrite(ctx)
	if err != nil {
		return Statement{}, err
	}
	return r.submit(ctx, id, revision, ask, author)
}

func (r *Room) submit(ctx context.Context, id ID, revision int, ask identity.PersonID, author Author) (Statement, error) {
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, enqueue store.Enqueue) error {
		var err error
		now := r.o.Clock.Now()
		out, err = r.change(ctx, id, revision, func(ctx context.Context, s Statement) (Statement, error) {
			if !s.State.May(StateSubmitted) {
				return s, ErrState
			}
			p, err := r.preview(ctx, s, now)
			if err != nil {
				return s, err
			}
			if err := p.Ready(); err != nil {
				return s, err
			}
			s = p.Statement
			s.State, s.SubmittedAt, s.Asked, s.Note, s.ReturnedBy = StateSubmitted, now, ask, "", ""
			s.seen, s.seenAt, s.askedAgain = p.Variants, now, time.Time{}
			return s, nil
		})
		if err != nil {
			return err
		}
		asked, err := r.askApprovers(ctx, out, false)
		if err != nil {
			return err
		}
		r.rhythmAfter(ctx)
		if err := Submitted.Tell(ctx, enqueue, now, SubmittedEvent{ID: out.ID, Incident: out.Incident, Kind: out.Kind, By: author.Name}); err != nil {
			return err
		}
		return r.record(ctx, "publish.statement.submitted", string(id), map[string]string{"asked": strconv.Itoa(asked)})
	})
	return out, err
}

// Return gives a submitted statement back to its author with a note.
func (r *Room) Return(ctx context.Context, id ID, note string) (Statement, error) {
	a := whoActs(ctx)
	if !a.acts() {
		return Statement{}, ErrForbidden
	}
	note = strings.TrimSpace(note)
	if note == "" {
		return Statement{}, fault.New(fault.Invalid, "publish.note_empty").Field("note", "publish.note_empty")
	}
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		var err error
		out, err = r.change(ctx, id, 0, func(ctx context.Context, s Statement) (Statement, error) {
			sp, err := r.speechFor(ctx, s)
			if err != nil {
				return s, err
			}
			if !a.approver && !(decision{statement: s, actor: a, speech: sp}).mayRelease() {
				return s, ErrForbidden
			}
			if s.State != StateSubmitted {
				return s, ErrState
			}
			s.State, s.Note, s.ReturnedBy, s.seenBefore = StateDraft, note, a.name, s.seen
			return s, nil
		})
		if err != nil {
			return err
		}
		if err := r.tellReturned(ctx, out); err != nil {
			return err
		}
		return r.record(ctx, "publish.statement.returned", string(id), nil)
	})
	return out, err
}

// Withdraw discards a statement that nobody has read.
func (r *Room) Withdraw(ctx context.Context, id ID) (Statement, error) {
	if _, err := mayWrite(ctx); err != nil {
		return Statement{}, err
	}
	return r.change(ctx, id, 0, func(_ context.Context, s Statement) (Statement, error) {
		if !s.State.May(StateWithdrawn) {
			return s, ErrState
		}
		s.State = StateWithdrawn
		return s, nil
	})
}

// Consent is how somebody approves.
type Consent struct {
	// Revision that was read; 0 only where nobody could have changed it.
	Revision int
	// Phone: somebody else approved by telephone.
	Phone *PhoneCall
	// BreakGlass is the reason of a person who has nobody to ask.
	BreakGlass string
}

// Approve approves and thereby publishes: variants, promises and ledger are
// written in one transaction. The rules of I3 decide in which way; see decide.
func (r *Room) Approve(ctx context.Context, id ID, c Consent) (Statement, error) {
	if !whoActs(ctx).acts() {
		return Statement{}, ErrForbidden
	}
	var out Statement
	stale := false
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, enqueue store.Enqueue) error {
		s, err := r.get(ctx, id)
		if err != nil {
			return err
		}
		if c.Revision != 0 && ident.ActorOf(ctx).Kind != ident.KindLink && s.approvedBy(whoActs(ctx).person, c.Revision) {
			out = s // said twice, as after an answer that never came; a link is good for once
			return nil
		}
		if c.Revision != 0 && c.Revision != s.Revision {
			return ErrChanged
		}
		now := r.o.Clock.Now()
		p, err := r.preview(ctx, s, now)
		if err != nil {
			return err
		}
		d := decision{statement: s, actor: whoActs(ctx), fourEyes: p.FourEyes, now: now, pre: p.pre, speech: p.speech, phone: c.Phone, breakGlass: c.BreakGlass}
		if c.Phone != nil && c.Phone.Approver != "" {
			if d.phoned, err = r.o.People.Person(ctx, c.Phone.Approver); err != nil && fault.KindOf(err) != fault.NotFound {
				return err
			}
		}
		approval, err := decide(d)
		if err != nil {
			return err
		}
		if err := p.Ready(); err != nil {
			return err
		}
		if s.State == StateSubmitted && approval.Way == WaySecond {
			// What was read is what goes out: the same words, save the Stand.
			again, err := r.preview(ctx, s, s.seenAt)
			if err != nil {
				return err
			}
			if !sameWords(again.Variants, s.seen) {
				stale = true
				return ErrMoved
			}
		}
		out, err = r.publish(ctx, db, enqueue, p, approval, now)
		return err
	})
	if stale {
		// Show the new words before anybody approves them. The refusal stands
		// whether or not this works.
		if _, e := r.submit(ctx, id, 0, "", Author{Name: ident.System.Name}); e != nil {
			err = errors.Join(err, e)
		}
	}
	return out, err
}

// approvedBy reports whether p, in person, has approved just that revision.
func (s Statement) approvedBy(p identity.PersonID, revision int) bool {
	return s.State == StatePublished && p != "" && s.Approval.By == p && s.Approval.Way == WaySecond && revision == s.Revision-1
}

func sameWords(a, b []Variant) bool {
	return slices.EqualFunc(a, b, func(x, y Variant) bool {
		return x.Audience == y.Audience && x.Format == y.Format && x.Language == y.Language &&
			x.Subject == y.Subject && x.Title == y.Title && x.Body == y.Body
	})
}

// Confirm approves afterwards what went out by telephone or break-glass.
func (r *Room) Confirm(ctx context.Context, id ID) (Statement, error) {
	a := whoActs(ctx)
	if !a.acts() {
		return Statement{}, ErrForbidden
	}
	var out Statement
	err := r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		var err error
		out, err = r.change(ctx, id, 0, func(_ context.Context, s Statement) (Statement, error) {
			if err := mayConfirm(s, a); err != nil {
				return s, err
			}
			s.Approval.ConfirmedBy, s.Approval.ConfirmedByName, s.Approval.ConfirmedAt = a.person, a.name, r.o.Clock.Now()
			return s, nil
		})
		if err != nil {
			return err
		}
		if err := r.note(ctx, out, "publish.journal_confirmed", a.name); err != nil {
			return err
		}
		return r.record(ctx, "publish.statement.confirmed", string(id), nil)
	})
	return out, err
}
