package papers

import (
	"context"
	"log/slog"
	"net/mail"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/bus"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// Audit remembers every act.
type Audit interface {
	Record(ctx context.Context, e audit.Entry) error
}

// Options is what the room needs.
type Options struct {
	Store   *store.Store
	Clock   clock.Clock
	Log     *slog.Logger
	Hints   *bus.Hints // may be nil
	Catalog *i18n.Catalog
	Audit   Audit
	// Facts is the active configuration of the town in ctx.
	Facts func(ctx context.Context) (Facts, error)
	// Changed is told when the public papers may read differently; may be nil.
	Changed func(t ident.Tenant)
	// Version of the program, for the foot of what is printed.
	Version string
}

// Room makes the papers.
type Room struct {
	o        Options
	maker    maker
	profiles map[string]Profile
}

// New makes the room.
func New(o Options) *Room {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("room", "papers")
	all, err := loadProfiles()
	if err != nil {
		panic(err) // the files are built in, and a test reads them
	}
	return &Room{o: o, maker: maker{o.Catalog}, profiles: all}
}

// Errors of this room.
var (
	ErrForbidden = fault.New(fault.Forbidden, "papers.forbidden")
	ErrNoPaper   = fault.New(fault.NotFound, "papers.no_paper")
	ErrMoved     = fault.New(fault.Conflict, "papers.moved")
)

// scope is what an API token needs.
const scope = "people"

// editors may fill in the details, confirmers vouch for a paper.
var (
	editors    = []string{string(identity.RoleAdmin), string(identity.RoleDPO)}
	confirmers = []string{string(identity.RoleAdmin), string(identity.RoleApprover), string(identity.RoleDPO)}
)

// MayEdit reports whether the actor in ctx may change the details.
func MayEdit(ctx context.Context) bool { return may(ctx, editors) }

// MayConfirm reports whether the actor in ctx may vouch for a paper.
func MayConfirm(ctx context.Context) bool {
	return may(ctx, confirmers) && ident.ActorOf(ctx).Person != ""
}

func may(ctx context.Context, roles []string) bool {
	a := ident.ActorOf(ctx)
	return a.Kind != ident.KindPublic && a.Has(roles...) && a.Allows(scope)
}

// State is how far a paper is.
type State string

// The states; only Confirmed is not red for a paper of the public page.
const (
	Draft     State = "draft"     // nobody has confirmed it
	Outdated  State = "outdated"  // it reads differently since
	Confirmed State = "confirmed" // as it stands
)

// Paper is one paper as it stands.
type Paper struct {
	Kind    Kind
	State   State
	Mark    string
	Words   map[i18n.Lang]Sheet
	Missing []string // details that it needs, by the name of their field
	// Last is the latest confirmation; its version is zero where there is none.
	Last Confirmation
}

// needs are the details without which a paper cannot be confirmed.
var needs = map[Kind][]string{
	Imprint:       {"street", "city", "mail", "representative"},
	Privacy:       {"street", "city", "mail", "officer_mail", "authority"},
	Accessibility: {"mail", "enforcement", "tested", "tested_how"},
	Record:        {"street", "city", "officer_mail"},
	Processors:    {"hosting_provider"},
	Measures:      {"hosting_provider"},
	Operations:    {"hosting_provider"},
}

// sources is what all papers of a town are made from.
type sources struct {
	facts   Facts
	details Details
	profile Profile
}

func (r *Room) sources(ctx context.Context) (s sources, err error) {
	if s.facts, err = r.o.Facts(ctx); err != nil {
		return s, err
	}
	if s.details, err = r.Details(ctx); err != nil {
		return s, err
	}
	s.profile = of(r.profiles, s.facts.Country, s.facts.Land)
	return s, nil
}

func (r *Room) paper(s sources, k Kind, last Confirmation) (Paper, error) {
	p := Paper{Kind: k, State: Draft, Words: map[i18n.Lang]Sheet{}, Last: last}
	for _, l := range i18n.Langs() {
		sheet, err := r.maker.make(k, s.facts, s.details, s.profile, l)
		if err != nil {
			return p, err
		}
		p.Words[l] = sheet
	}
	p.Mark = Mark(p.Words)
	for _, name := range needs[k] {
		for _, f := range s.details.fields() {
			value := *f.at(&s.details)
			switch {
			case f.name != name || value != "":
				continue
			case name == "authority" && s.profile.Authority != "", name == "enforcement" && s.profile.Enforcement != "":
				continue // the profile proposes one, and the paper names it
			case name == "hosting_provider" && s.details.Hosting.Own:
				continue
			}
			p.Missing = append(p.Missing, name)
		}
	}
	switch {
	case last.Version == 0:
	case last.Mark == p.Mark:
		p.State = Confirmed
	default:
		p.State = Outdated
	}
	return p, nil
}

// All are the papers of the town in ctx as they stand.
func (r *Room) All(ctx context.Context) ([]Paper, error) { return r.several(ctx, Kinds()) }

// Public are those of the public page.
func (r *Room) Public(ctx context.Context) ([]Paper, error) { return r.several(ctx, Public()) }

func (r *Room) several(ctx context.Context, kinds []Kind) ([]Paper, error) {
	s, err := r.sources(ctx)
	if err != nil {
		return nil, err
	}
	last, err := r.confirmations(ctx, r.o.Store.Read(ctx))
	if err != nil {
		return nil, err
	}
	out := make([]Paper, len(kinds))
	for i, k := range kinds {
		if out[i], err = r.paper(s, k, last[k]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Get is one paper as it stands.
func (r *Room) Get(ctx context.Context, k Kind) (Paper, error) {
	if !slices.Contains(Kinds(), k) {
		return Paper{}, ErrNoPaper
	}
	all, err := r.several(ctx, []Kind{k})
	if err != nil {
		return Paper{}, err
	}
	return all[0], nil
}

// History lists the confirmations of a paper, the newest first.
func (r *Room) History(ctx context.Context, k Kind) ([]Confirmation, error) {
	return r.history(ctx, r.o.Store.Read(ctx), k)
}

// Confirm takes the word of the person in ctx that the paper is right as they
// read it: mark is that of the words they saw. When it reads differently by now,
// nothing is confirmed.
func (r *Room) Confirm(ctx context.Context, k Kind, mark string) (Paper, error) {
	if !MayConfirm(ctx) {
		return Paper{}, ErrForbidden
	}
	if !slices.Contains(Kinds(), k) {
		return Paper{}, ErrNoPaper
	}
	var out Paper
	err := r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		s, err := r.sources(ctx)
		if err != nil {
			return err
		}
		last, err := r.confirmations(ctx, db)
		if err != nil {
			return err
		}
		if out, err = r.paper(s, k, last[k]); err != nil {
			return err
		}
		switch {
		case out.Mark != mark:
			return ErrMoved
		case len(out.Missing) > 0:
			e := fault.New(fault.Invalid, "papers.incomplete")
			for _, name := range out.Missing {
				e = e.Field(name, "papers.field_missing")
			}
			return e
		case out.State == Confirmed:
			return nil // their word stands already
		}
		a := ident.ActorOf(ctx)
		c := Confirmation{Kind: k, Mark: out.Mark, Version: last[k].Version + 1, At: r.o.Clock.Now(), By: a.Name, Words: out.Words}
		if err := r.putConfirmation(ctx, db, c, a.Person); err != nil {
			return err
		}
		out.State, out.Last = Confirmed, c
		r.changed(ctx)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "papers.confirmed", Subject: "paper:" + string(k), Detail: map[string]string{"mark": c.Mark}})
	})
	if store.UniqueViolation(err) {
		err = ErrMoved // somebody else was faster
	}
	return out, err
}

// SaveDetails keeps what the town entered.
func (r *Room) SaveDetails(ctx context.Context, d Details) error {
	if !MayEdit(ctx) {
		return ErrForbidden
	}
	d = d.trimmed()
	if err := d.check(); err != nil {
		return err
	}
	return r.o.Store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		if err := r.putDetails(ctx, db, d, ident.ActorOf(ctx).Name); err != nil {
			return err
		}
		r.changed(ctx)
		return r.o.Audit.Record(ctx, audit.Entry{Action: "papers.details_saved", Subject: "papers"})
	})
}

// maxProcessors bounds the list that a town enters.
const maxProcessors = 100

func (d Details) check() error {
	e := fault.New(fault.Invalid, "papers.wrong")
	for _, f := range d.fields() {
		v := *f.at(&d)
		switch {
		case utf8.RuneCountInString(v) > maxField:
			e = e.Field(f.name, "papers.too_long")
		case v == "":
		case f.day && !isDay(v):
			e = e.Field(f.name, "papers.no_day")
		case f.mail && !isMail(v):
			e = e.Field(f.name, "papers.no_mail")
		}
	}
	if d.ProxyLogDays < 0 || d.ProxyLogDays > 3660 {
		e = e.Field("proxy_log_days", "papers.no_days")
	}
	if len(d.Processors) > maxProcessors {
		e = e.Field("processors", "papers.too_many")
	}
	for _, p := range d.Processors {
		if p.Name == "" || p.Signed != "" && !isDay(p.Signed) || len(p.Name)+len(p.What)+len(p.Country) > maxField {
			e = e.Field("processors", "papers.bad_processor")
		}
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func isMail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == ""
}

func (r *Room) changed(ctx context.Context) {
	tenant := ident.TenantOf(ctx)
	r.o.Store.AfterCommit(ctx, func() {
		if r.o.Hints != nil {
			r.o.Hints.Publish(bus.Hint{Tenant: tenant, Topic: "papers"})
		}
		if r.o.Changed != nil {
			r.o.Changed(tenant)
		}
	})
}

// Finding is something about the papers that is not in order.
type Finding struct {
	Key  string // of a text
	Args []any
	Href string // where it is mended
	Red  bool
}

// soon is how long before its end a certificate is named.
const soon = 60 * 24 * time.Hour

// Findings say what is missing, the gravest first.
func (r *Room) Findings(ctx context.Context) (out []Finding, err error) {
	public, err := r.Public(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range public {
		if p.State != Confirmed {
			out = append(out, Finding{"papers.red_" + string(p.State), []any{titleKey(p.Kind)}, "/papers/" + string(p.Kind), true})
		}
	}
	d, err := r.Details(ctx)
	if err != nil {
		return nil, err
	}
	return append(out, d.Hosting.findings(r.o.Clock.Now())...), nil
}

// findings say whether the hosting is as the town can answer for it.
func (h Hosting) findings(now time.Time) (out []Finding) {
	find := func(key string, red bool, args ...any) {
		out = append(out, Finding{"papers." + key, args, "/papers/details#hosting", red})
	}
	if h.Provider == "" && !h.Own {
		find("red_hosting", true)
		return out
	}
	if !h.Own && h.Signed == "" {
		find("red_agreement", true, h.Provider)
	}
	until, err := time.Parse(time.DateOnly, h.ValidUntil)
	switch {
	case h.Certificate == "" || h.Number == "" || err != nil:
		find("red_certificate", true)
	case !now.Before(until.AddDate(0, 0, 1)):
		find("red_expired", true, h.Certificate, h.ValidUntil)
	case now.Add(soon).After(until):
		find("expires", false, h.Certificate, h.ValidUntil)
	}
	return out
}

func titleKey(k Kind) string { return "papers.title_" + string(k) }

// Say is the finding in a language; what it names by a key is put into words.
func (f Finding) Say(c *i18n.Catalog, l i18n.Lang) string {
	args := make([]any, len(f.Args))
	for i, a := range f.Args {
		if s, ok := a.(string); ok && c.Has(s) {
			a = c.Text(l, s)
		}
		args[i] = a
	}
	return c.Text(l, f.Key, args...)
}
