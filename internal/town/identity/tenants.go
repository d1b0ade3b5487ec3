package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
)

type tenantRow struct {
	bun.BaseModel `bun:"table:identity_tenant"`
	TenantID      ident.Tenant `bun:"tenant_id,pk"`
	Slug          string       `bun:"slug"`
	Name          string       `bun:"name"`
	Hosts         string       `bun:"hosts"`
	Domains       string       `bun:"domains"`
	Networks      string       `bun:"networks"`
	ProbeNetworks string       `bun:"probe_networks"`
	Land          string       `bun:"land"`
	Zone          string       `bun:"zone"`
	Language      string       `bun:"language"`
	StaffURL      string       `bun:"staff_url"`
	PublicURL     string       `bun:"public_url"`
	CreatedAt     time.Time    `bun:"created_at"`
	UpdatedAt     time.Time    `bun:"updated_at"`
	SecondRoles   string       `bun:"second_roles"`
	SecondGrace   int          `bun:"second_grace"`
	SecondSince   time.Time    `bun:"second_since,nullzero"`
}

// secondColumns belong to [Room.SaveSecondPolicy] alone.
var secondColumns = []string{"second_roles", "second_grace", "second_since"}

type hostRow struct {
	bun.BaseModel `bun:"table:identity_host"`
	Host          string       `bun:"host,pk"`
	TenantID      ident.Tenant `bun:"tenant_id"`
}

// list and unlist keep short lists of strings as JSON in one column.
func list[S ~string](in []S) string {
	if in == nil {
		in = []S{}
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return "[]" // strings always marshal
	}
	return string(raw)
}

func unlist[S ~string](raw string) (out []S) {
	if json.Unmarshal([]byte(raw), &out) != nil {
		return nil // only we write this column
	}
	return out
}

// joined is such a list in one line, for the audit log.
func joined(raw string) string { return strings.Join(unlist[string](raw), " ") }

func (row tenantRow) tenant() Tenant {
	return Tenant{
		ID: row.TenantID, Slug: row.Slug, Name: row.Name, Hosts: unlist[string](row.Hosts),
		Domains: unlist[string](row.Domains), Networks: unlist[string](row.Networks), ProbeNetworks: unlist[string](row.ProbeNetworks), Land: row.Land,
		Zone: row.Zone, Language: row.Language, StaffURL: row.StaffURL, PublicURL: row.PublicURL,
		SecondPolicy: SecondPolicy{Roles: unlist[Role](row.SecondRoles), GraceDays: row.SecondGrace, Since: when(row.SecondSince)},
	}
}

// directory is all tenants as last read, so that pages find their town even
// while the database is away.
type directory struct {
	at     time.Time
	all    []Tenant
	byHost map[string]int
	byID   map[ident.Tenant]int
}

// directoryAge is how long another node's change of a tenant may stay unseen.
const directoryAge = 30 * time.Second

func (r *Room) directory(ctx context.Context) (*directory, error) {
	r.mu.Lock()
	known := r.known
	r.mu.Unlock()
	now := r.o.Clock.Now()
	if known != nil && now.Sub(known.at) < directoryAge && !now.Before(known.at) {
		return known, nil
	}
	fresh, err := r.readDirectory(ctx, now)
	if err != nil {
		if known != nil {
			return known, nil // an old answer is better than a dark page
		}
		return nil, err
	}
	r.mu.Lock()
	r.known = fresh
	r.mu.Unlock()
	return fresh, nil
}

// Recall gives the room the towns as they were, for a start without the database;
// what it reads itself comes before that.
func (r *Room) Recall(all []Tenant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil && len(all) > 0 {
		r.known = newDirectory(all, time.Time{})
	}
}

func newDirectory(all []Tenant, now time.Time) *directory {
	d := &directory{at: now, all: all, byHost: map[string]int{}, byID: map[ident.Tenant]int{}}
	for i, t := range all {
		d.byID[t.ID] = i
		for _, h := range t.hosts() {
			if _, taken := d.byHost[h]; !taken {
				d.byHost[h] = i
			}
		}
	}
	return d
}

func (r *Room) readDirectory(ctx context.Context, now time.Time) (*directory, error) {
	ctx = ident.AcrossTenants(ctx)
	var rows []tenantRow
	if err := r.o.Store.Read(ctx).NewSelect().Model(&rows).Order("created_at", "tenant_id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("identity: tenants: %w", err)
	}
	all := make([]Tenant, len(rows))
	for i, row := range rows {
		all[i] = row.tenant()
	}
	return newDirectory(all, now), nil
}

// forgetDirectory makes the next look read again; the transaction at hand sees
// its own change, everybody else sees it after the commit.
func (r *Room) forgetDirectory(ctx context.Context) {
	drop := func() {
		r.mu.Lock()
		r.known = nil
		r.mu.Unlock()
	}
	drop()
	r.o.Store.AfterCommit(ctx, drop)
}

// Tenants lists all tenants of the install, oldest first. It needs no tenant
// in ctx: start-up and sweeps use it.
func (r *Room) Tenants(ctx context.Context) ([]Tenant, error) {
	d, err := r.directory(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(d.all), nil
}

// Current is the tenant that ctx acts for.
func (r *Room) Current(ctx context.Context) (Tenant, error) {
	id, err := ident.RequireTenant(ctx)
	if err != nil {
		return Tenant{}, err
	}
	d, err := r.directory(ctx)
	if err != nil {
		return Tenant{}, err
	}
	i, ok := d.byID[id]
	if !ok {
		return Tenant{}, fault.New(fault.NotFound, "identity.no_tenant")
	}
	return d.all[i], nil
}

// TenantByHost finds the town for the host name of a request. The only tenant
// answers to every name.
func (r *Room) TenantByHost(ctx context.Context, host string) (Tenant, error) {
	d, err := r.directory(ctx)
	if err != nil {
		return Tenant{}, fault.New(fault.Unavailable, "identity.unavailable").With(err)
	}
	if i, ok := d.byHost[hostName(host)]; ok {
		return d.all[i], nil
	}
	switch len(d.all) {
	case 0:
		return Tenant{}, fault.New(fault.Unavailable, "identity.no_tenant")
	case 1:
		return d.all[0], nil
	default:
		return Tenant{}, fault.New(fault.NotFound, "identity.unknown_host")
	}
}

// SaveTenant creates or changes a tenant. Without an id it is found by its
// slug, or created with the slug as its id. Administrators of a town change
// what describes the town; host names, addresses and slug are the operator's.
func (r *Room) SaveTenant(ctx context.Context, t Tenant) error {
	_, err := r.saveTenant(ctx, t)
	return err
}

// Placeholder is the slug of the town that a start without a configuration
// makes, so that somebody can sign in and say whose it is.
const Placeholder = "kommune"

// HintTenant is the topic of hints that a town has another name or address.
const HintTenant = "tenant"

// DeclareTenant makes the tenant with t's slug what tuermer.yaml says. Where
// there is none yet it is created, and a [Placeholder] that nobody has named
// becomes it. Where other towns live a new slug is refused: it may be another
// town or another name for one, and the wrong guess would hand a town's people
// and words to somebody else ([Room.AddTenant], [Room.RenameTenant]).
func (r *Room) DeclareTenant(ctx context.Context, t Tenant) (Tenant, error) {
	d, err := r.directory(ctx)
	if err != nil {
		return t, err
	}
	if t.ID == "" && len(d.all) > 0 && !slices.ContainsFunc(d.all, func(o Tenant) bool { return o.Slug == t.Slug }) {
		if len(d.all) > 1 || d.all[0].Slug != Placeholder {
			return t, fault.New(fault.Conflict, "identity.other_town", t.Slug, slugs(d.all))
		}
		t.ID = d.all[0].ID
	}
	return r.saveTenant(ctx, t)
}

// slugs names towns for a sentence; of many only the first.
func slugs(all []Tenant) string {
	const most = 5
	var names []string
	for _, t := range all[:min(len(all), most)] {
		names = append(names, t.Slug)
	}
	if len(all) > most {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

// AddTenant settles one more town in the install. Towns are told apart by host
// name, so a second one needs an address of its own.
func (r *Room) AddTenant(ctx context.Context, t Tenant) (Tenant, error) {
	if ident.ActorOf(ctx).Kind != ident.KindSystem {
		return t, ErrForbidden
	}
	r.forgetDirectory(ctx) // another process may have added one a moment ago
	d, err := r.directory(ctx)
	if err != nil {
		return t, err
	}
	bad := fault.New(fault.Invalid, "identity.tenant_invalid")
	if slices.ContainsFunc(d.all, func(o Tenant) bool { return o.Slug == t.Slug }) {
		return t, fault.New(fault.Conflict, "identity.tenant_invalid").Field("slug", "identity.slug_taken")
	}
	own := t.hosts()
	if len(d.all) > 0 && (t.StaffURL == "" || t.PublicURL == "") {
		return t, bad.Field("staff_url", "identity.host_missing")
	}
	for _, h := range own {
		if _, taken := d.byHost[h]; taken {
			return t, fault.New(fault.Conflict, "identity.tenant_invalid").Field("hosts", "identity.host_taken")
		}
	}
	t.ID, t.Hosts = "", own
	return r.saveTenant(ctx, t)
}

// RenameTenant gives a town another slug; everything that is its stays its.
func (r *Room) RenameTenant(ctx context.Context, old, slug string) error {
	if ident.ActorOf(ctx).Kind != ident.KindSystem {
		return ErrForbidden
	}
	d, err := r.directory(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(d.all, func(t Tenant) bool { return t.Slug == old })
	if i < 0 {
		return fault.New(fault.NotFound, "identity.no_such_town", old)
	}
	if slices.ContainsFunc(d.all, func(t Tenant) bool { return t.Slug == slug }) {
		return fault.New(fault.Conflict, "identity.tenant_invalid").Field("slug", "identity.slug_taken")
	}
	t := d.all[i]
	t.Slug = slug
	_, err = r.saveTenant(ctx, t)
	return err
}

func (r *Room) saveTenant(ctx context.Context, t Tenant) (Tenant, error) {
	keep := t.ProbeNetworks == nil // a file that says nothing of it changes nothing
	t, err := NormalTenant(t)
	if err != nil {
		return t, err
	}
	actor := ident.ActorOf(ctx)
	if actor.Kind != ident.KindSystem {
		if err := mayManage(ctx, scopeAdmin); err != nil {
			return t, err
		}
		if t.ID == "" || t.ID != ident.TenantOf(ctx) {
			return t, ErrForbidden
		}
	}
	now := r.o.Clock.Now()
	err = r.o.Store.InTx(ident.AcrossTenants(ctx), func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		var old tenantRow
		q := db.NewSelect().Model(&old)
		if t.ID != "" {
			q = q.Where("tenant_id = ?", t.ID)
		} else {
			q = q.Where("slug = ?", t.Slug)
		}
		err := q.Scan(ctx)
		if err != nil && !store.NotFound(err) {
			return fmt.Errorf("identity: tenant: %w", err)
		}
		exists := err == nil
		if exists {
			t.ID = old.TenantID
		} else if t.ID == "" {
			t.ID = ident.Tenant(t.Slug)
		}
		if keep {
			t.ProbeNetworks = unlist[string](old.ProbeNetworks)
		}
		if actor.Kind != ident.KindSystem {
			was := old.tenant()
			t.Slug, t.Hosts, t.StaffURL, t.PublicURL = was.Slug, was.Hosts, was.StaffURL, was.PublicURL
			t.ProbeNetworks = was.ProbeNetworks
		}
		row := &tenantRow{
			TenantID: t.ID, Slug: t.Slug, Name: t.Name, Hosts: list(t.Hosts), Domains: list(t.Domains),
			Networks: list(t.Networks), ProbeNetworks: list(t.ProbeNetworks), Land: t.Land, Zone: t.Zone, Language: t.Language,
			StaffURL: t.StaffURL, PublicURL: t.PublicURL, CreatedAt: now, UpdatedAt: now, SecondRoles: "[]", SecondGrace: 14,
		}
		changed := map[string]string{}
		for k, v := range map[string][2]string{
			"slug": {old.Slug, row.Slug}, "name": {old.Name, row.Name}, "hosts": {joined(old.Hosts), joined(row.Hosts)},
			"domains": {joined(old.Domains), joined(row.Domains)}, "networks": {joined(old.Networks), joined(row.Networks)},
			"probe_networks": {joined(old.ProbeNetworks), joined(row.ProbeNetworks)},
			"land":           {old.Land, row.Land}, "zone": {old.Zone, row.Zone}, "language": {old.Language, row.Language},
			"staff_url": {old.StaffURL, row.StaffURL}, "public_url": {old.PublicURL, row.PublicURL},
		} {
			if v[0] != v[1] {
				changed[k] = v[1]
			}
		}
		if exists && len(changed) == 0 {
			return nil // every start declares the same again
		}
		ctx = ident.WithTenant(ctx, t.ID)
		if exists {
			_, err = db.NewUpdate().Model(row).ExcludeColumn(append([]string{"created_at"}, secondColumns...)...).WherePK().Exec(ctx)
		} else {
			_, err = db.NewInsert().Model(row).Exec(ctx)
		}
		if store.UniqueViolation(err) {
			return fault.New(fault.Conflict, "identity.tenant_invalid").Field("slug", "identity.slug_taken").With(err)
		}
		if err != nil {
			return fmt.Errorf("identity: save tenant: %w", err)
		}
		if err := r.saveHosts(ctx, db, t); err != nil {
			return err
		}
		if old.Domains != row.Domains || old.Networks != row.Networks {
			if err := r.recheckAll(ctx, db, t.ID); err != nil {
				return err
			}
		}
		r.forgetDirectory(ctx)
		r.hint(ctx, HintTenant, string(t.ID))
		return r.audit(ctx, "identity.tenant.saved", string(t.ID), changed)
	})
	return t, err
}

// saveHosts makes sure that a host name leads to one tenant only. Addresses
// that several share (a listener of a single machine) are not names of one.
func (r *Room) saveHosts(ctx context.Context, db bun.IDB, t Tenant) error {
	if _, err := db.NewDelete().Model((*hostRow)(nil)).Where("tenant_id = ?", t.ID).Exec(ctx); err != nil {
		return fmt.Errorf("identity: hosts: %w", err)
	}
	for _, h := range t.Hosts {
		_, err := db.NewInsert().Model(&hostRow{Host: strings.ToLower(h), TenantID: t.ID}).Exec(ctx)
		if store.UniqueViolation(err) {
			return fault.New(fault.Conflict, "identity.tenant_invalid").Field("hosts", "identity.host_taken").With(err)
		}
		if err != nil {
			return fmt.Errorf("identity: hosts: %w", err)
		}
	}
	return nil
}

// errors.Is target for tests and callers that branch on an unknown host.
var errUnknownHost = fault.New(fault.NotFound, "identity.unknown_host")

// IsUnknownHost reports whether err says that no tenant has the host name.
func IsUnknownHost(err error) bool { return errors.Is(err, errUnknownHost) }
