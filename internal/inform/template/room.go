package template

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Said is what a later room knows about the use of prepared texts. publish
// answers it.
type Said interface {
	// Releases lists the texts that the town has released in their present
	// wording.
	Releases(ctx context.Context) ([]Release, error)
	// Release notes, in the open transaction, that the actor releases the texts.
	Release(ctx context.Context, ids ...string) (int, error)
	// Rehearsed tells when each text was last used in an exercise.
	Rehearsed(ctx context.Context) (map[string]time.Time, error)
}

// Town is the tenant at hand.
type Town interface {
	Current(ctx context.Context) (identity.Tenant, error)
}

// Options is what the room needs.
type Options struct {
	Store *store.Store
	Clock clock.Clock
	Log   *slog.Logger
	Hints *bus.Hints // may be nil
	Audit Audit
	Town  Town
	// Shipped are the texts of the product, under the town's own.
	Shipped *Library
	// Said may be plugged in later, see [Room.SetSaid].
	Said Said
}

// Room keeps the towns' own texts, signatures and rehearsals.
type Room struct{ o Options }

// NewRoom makes the room.
func NewRoom(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	o.Log = o.Log.With("room", "template")
	return &Room{o}
}

// SetSaid plugs in the later room that knows what was said; app calls it once.
func (r *Room) SetSaid(s Said) { r.o.Said = s }

// Rights. scope is what an API token needs here, as for statements.
const scope = "statements"

var (
	writers   = []string{string(identity.RolePublisher), string(identity.RoleApprover), string(identity.RoleAdmin)}
	approvers = []string{string(identity.RoleApprover)}
)

func allowed(ctx context.Context, roles []string) error {
	a := ident.ActorOf(ctx)
	if a.Kind == ident.KindPublic || !a.Allows(scope) || !a.Has(roles...) {
		return ErrForbidden
	}
	return nil
}

// mayWrite is the door of everything that drafts, signs and rehearses.
func mayWrite(ctx context.Context) error { return allowed(ctx, writers) }

// mayRelease is the door of what approves: an approver, in person.
func mayRelease(ctx context.Context) error {
	if ident.ActorOf(ctx).Person == "" {
		return ErrForbidden
	}
	return allowed(ctx, approvers)
}

func mayRead(ctx context.Context) error {
	a := ident.ActorOf(ctx)
	if a.Kind == ident.KindPublic || (!a.Allows(scope) && !a.Allows("read")) {
		return ErrForbidden
	}
	return nil
}

// Shipped are the texts of the product without the town's own.
func (r *Room) Shipped() *Library { return r.o.Shipped }

// Library is the texts as this town uses them: the shipped ones, under its own
// approved ones, with the signatures of its readers. A text of its own that this
// version of the program no longer understands is left out and logged; the
// shipped one counts meanwhile.
func (r *Room) Library(ctx context.Context) (*Library, error) {
	own, err := r.versions(ctx, everyText, OwnApproved)
	if err != nil {
		return nil, err
	}
	signed, err := r.signatures(ctx)
	if err != nil {
		return nil, err
	}
	if len(own) == 0 && len(signed) == 0 {
		return r.o.Shipped, nil
	}
	lay := make([]Entry, 0, len(own)+len(signed))
	mine := map[string]bool{}
	for _, v := range own {
		e, err := Prepare(v.Entry)
		if err != nil {
			r.o.Log.ErrorContext(ctx, "an own text is left out", "text", v.ID, "version", v.Version, "err", err)
			continue
		}
		e.ReviewState = Approved
		if e.Language == LS && !signedAs(signed, e) {
			e.ReviewState = DraftUnchecked
		}
		mine[e.ID] = true
		lay = append(lay, e)
	}
	for id := range signed {
		e, ok := r.o.Shipped.Get(id)
		if ok && !mine[id] && e.ReviewState == DraftUnchecked && signedAs(signed, e) {
			e.ReviewState = Draft
			lay = append(lay, e)
		}
	}
	return r.o.Shipped.Overlay(lay)
}

func signedAs(signed map[string]Signature, e Entry) bool {
	s, ok := signed[e.ID]
	return ok && s.wording == Wording(e)
}

// Record is a text with everything that a person wants to know about it.
type Record struct {
	Entry
	Own       bool // the town's own words
	Shipped   bool // the product has a text in this place
	Draft     bool // a draft of a newer version waits
	Release   *Release
	Signature *Signature
	// Rehearsed is when it was last used in an exercise or at the table.
	Rehearsed time.Time
}

// UpdatedBy names who stands for the present words.
func (r Record) ReleasedBy() string {
	if r.Release != nil {
		return r.Release.Name
	}
	return r.ApprovedBy
}

// Filter narrows [Room.Records]; empty fields do not.
type Filter struct {
	Phase    string
	Kind     Kind
	Audience AudienceKind
	Format   Format
	Language Language
	// Scenario, or "-" for the texts that fit every outage.
	Scenario Scenario
	Review   Review
	Own      bool   // only the town's own
	Never    bool   // only those never rehearsed
	Query    string // words of the text or its id
}

func (f Filter) takes(r Record) bool {
	switch {
	case f.Phase != "" && r.Phase != f.Phase,
		f.Kind != "" && r.Kind != f.Kind,
		f.Audience != "" && r.Audience != f.Audience,
		f.Format != "" && r.Format != f.Format,
		f.Language != "" && r.Language != f.Language,
		f.Scenario == "-" && r.Scenario != "",
		f.Scenario != "" && f.Scenario != "-" && r.Scenario != f.Scenario,
		f.Review != "" && r.ReviewState != f.Review,
		f.Own && !r.Own,
		f.Never && !r.Rehearsed.IsZero():
		return false
	}
	if f.Query == "" {
		return true
	}
	all := searchable(strings.Join([]string{r.ID, r.Kind.Title(), r.Subject, r.Title, r.Body, r.Instruction}, "\n"))
	for w := range strings.FieldsSeq(searchable(f.Query)) {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}

var foldLetters = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss")

// searchable folds case and umlauts, so that "Buerger" finds "Bürger".
func searchable(s string) string { return foldLetters.Replace(strings.ToLower(s)) }

// Records lists the texts in the grid's order: those in use, and places where
// only a draft stands yet.
func (r *Room) Records(ctx context.Context, f Filter) ([]Record, error) {
	all, err := r.records(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(x Record) bool { return !f.takes(x) }), nil
}

// Record finds one text by its id; mails that are made from pages included.
func (r *Room) Record(ctx context.Context, id string) (Record, error) {
	all, err := r.records(ctx)
	if err != nil {
		return Record{}, err
	}
	for _, x := range all {
		if x.ID == id {
			return x, nil
		}
	}
	return Record{}, ErrNotFound
}

func (r *Room) records(ctx context.Context) ([]Record, error) {
	if err := mayRead(ctx); err != nil {
		return nil, err
	}
	lib, err := r.Library(ctx)
	if err != nil {
		return nil, err
	}
	facts, err := r.facts(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Record, 0, len(lib.entries))
	have := map[string]bool{}
	for _, e := range lib.entries {
		have[e.ID] = true
		out = append(out, facts.of(e, r.o.Shipped))
	}
	for _, d := range facts.drafts {
		if !have[d.ID] {
			e := d.Entry
			e.ReviewState = unreviewed(e.Language)
			out = append(out, facts.of(e, r.o.Shipped))
		}
	}
	slices.SortStableFunc(out, func(a, b Record) int { return compareCells(lib.scenarios, a.Entry, b.Entry) })
	return out, nil
}

// facts are what is known about texts beside their words.
type facts struct {
	own       map[string]bool
	drafts    []Version
	released  map[string]Release
	signed    map[string]Signature
	rehearsed map[string]time.Time
}

func (r *Room) facts(ctx context.Context) (facts, error) {
	f := facts{own: map[string]bool{}, released: map[string]Release{}}
	own, err := r.versions(ctx, everyText, OwnApproved)
	if err != nil {
		return f, err
	}
	for _, v := range own {
		f.own[v.ID] = true
	}
	if f.drafts, err = r.versions(ctx, everyText, OwnDraft); err != nil {
		return f, err
	}
	if f.signed, err = r.signatures(ctx); err != nil {
		return f, err
	}
	if f.rehearsed, err = r.rehearsals(ctx); err != nil {
		return f, err
	}
	if r.o.Said == nil {
		return f, nil
	}
	used, err := r.o.Said.Rehearsed(ctx)
	if err != nil {
		return f, fmt.Errorf("template: rehearsed: %w", err)
	}
	for id, at := range used {
		if at.After(f.rehearsed[id]) {
			f.rehearsed[id] = at
		}
	}
	released, err := r.o.Said.Releases(ctx)
	if err != nil {
		return f, fmt.Errorf("template: releases: %w", err)
	}
	for _, rel := range released {
		f.released[rel.Entry] = rel
	}
	return f, nil
}

func (f facts) of(e Entry, shipped *Library) Record {
	x := Record{Entry: e, Own: f.own[e.ID], Rehearsed: f.rehearsed[e.ID]}
	_, x.Shipped = shipped.Get(e.ID)
	x.Draft = slices.ContainsFunc(f.drafts, func(v Version) bool { return v.ID == e.ID })
	if rel, ok := f.released[e.ID]; ok {
		x.Release = &rel
		if e.ReviewState == Draft {
			x.ReviewState, x.ApprovedBy = Approved, rel.Name
		}
	}
	if s, ok := f.signed[e.ID]; ok && signedAs(f.signed, e) {
		x.Signature = &s
	}
	return x
}

// compareCells is the grid's order.
func compareCells(scenarios []ScenarioInfo, a, b Entry) int {
	rank := func(e Entry) []int {
		s := -1
		if e.Scenario != "" {
			if s = slices.IndexFunc(scenarios, func(i ScenarioInfo) bool { return i.Scenario == e.Scenario }); s < 0 {
				s = len(scenarios)
			}
		}
		if e.Scenario == Attack {
			s = -1
		}
		return []int{s, slices.Index(Kinds(), e.Kind), slices.Index(Audiences(), e.Audience), slices.Index(Formats(), e.Format), slices.Index(Languages(), e.Language)}
	}
	if c := slices.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

func (r *Room) record(ctx context.Context, action, subject string, detail map[string]string) error {
	if err := r.o.Audit.Record(ctx, audit.Entry{Action: action, Subject: subject, Detail: detail}); err != nil {
		return err
	}
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "template", ID: subject})
		}
	})
	return nil
}
