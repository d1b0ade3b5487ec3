package app

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/uptrace/bun"

	"tuermer/internal/notice/monitor"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// conf holds what the configurations say. What it points to is never changed: a
// reload puts another value in its place, so whoever reads needs no lock.
type conf struct{ p atomic.Pointer[confValue] }

type confValue struct {
	towns []*Config // at least one
	marks map[mark][8]byte
	refs  []monitor.Spec
}

// mark names one entry of a configuration; its digest tells whether it changed,
// for the entries themselves are not all kept in memory.
type mark struct{ town, section, name string }

func newConf(first *Config, more []*Config) *confValue {
	if first == nil {
		first = &Config{}
	}
	v := &confValue{towns: append([]*Config{first}, more...), marks: map[mark][8]byte{}, refs: references(first)}
	for _, c := range v.towns {
		v.mark(c)
	}
	return v
}

func (c *conf) put(first *Config, more []*Config) { c.p.Store(newConf(first, more)) }

// trim lets go of what only a declaration needs; with ten thousand monitors the
// memory counts.
func (c *conf) trim() {
	old := c.p.Load()
	v := &confValue{marks: old.marks, refs: old.refs}
	for _, t := range old.towns {
		slim := *t
		slim.Monitors, slim.at = nil, nil
		v.towns = append(v.towns, &slim)
	}
	c.p.CompareAndSwap(old, v)
}

// configs are the configurations of all declared towns; the first one is always
// there and may be empty.
func (a *App) configs() []*Config {
	if v := a.conf.p.Load(); v != nil {
		return v.towns
	}
	return []*Config{{}}
}

// config is the first of them.
func (a *App) config() *Config { return a.configs()[0] }

// town is the one whose configuration comes first.
type town struct{ p atomic.Pointer[ident.Tenant] }

func (t *town) id() ident.Tenant {
	if p := t.p.Load(); p != nil {
		return *p
	}
	return ""
}

func (t *town) set(id ident.Tenant) { t.p.Store(&id) }

// mark notes every entry of c.
func (v *confValue) mark(c *Config) {
	put := func(section, name string, entry any) {
		text, err := json.Marshal(entry)
		if err != nil { // no entry holds what JSON cannot say; then it has changed
			text = fmt.Append(nil, &entry)
		}
		sum := sha256.Sum256(text)
		v.marks[mark{c.Town.Slug, section, name}] = [8]byte(sum[:8])
	}
	all := reflect.ValueOf(*c)
	for i, field := range reflect.VisibleFields(all.Type()) {
		if !field.IsExported() || slices.Contains(atStart, field.Name) {
			continue
		}
		section, value := snake(field.Name), all.Field(i)
		if value.Kind() != reflect.Slice {
			put(section, "", value.Interface())
			continue
		}
		for j := range value.Len() {
			entry, place := value.Index(j), 0
			if field.Name == "SMTP" || field.Name == "Services" { // tried, or shown, in their order
				place = j
			}
			put(section, entryName(entry, j), []any{place, entry.Interface()})
		}
	}
}

// atStart are the fields of a configuration that only a start reads, see
// [App.waiting].
var atStart = []string{"Listen", "Data", "Database"}

// sections are the fields of a configuration in their order, as keys of the file.
func sections() (out []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		out = append(out, snake(f.Name))
	}
	return out
}

// snake writes SignIn as sign_in.
func snake(name string) string {
	var b strings.Builder
	for i, c := range name {
		// SMTP and URLs are one word each.
		if unicode.IsUpper(c) && i > 0 && unicode.IsLower(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// entryName is what a person calls an entry of a list: its slug, address or name,
// else its place.
func entryName(entry reflect.Value, place int) string {
	if entry.Kind() == reflect.Struct {
		for _, field := range []string{"Slug", "Email", "Name"} {
			if v := entry.FieldByName(field); v.IsValid() && v.Kind() == reflect.String && v.String() != "" {
				return v.String()
			}
		}
	}
	return strconv.Itoa(place + 1)
}

// Difference is what a reload changed in one section of one town's file.
type Difference struct {
	Town, Section         string
	Added, Removed, Other []string // by name; a section without entries has one without a name in Other
}

func differences(old, fresh *confValue) (out []Difference) {
	found := map[mark]*Difference{} // by town and section
	at := func(m mark) *Difference {
		key := mark{m.town, m.section, ""}
		if found[key] == nil {
			found[key] = &Difference{Town: m.town, Section: m.section}
		}
		return found[key]
	}
	for m, sum := range fresh.marks {
		switch before, known := old.marks[m]; {
		case !known:
			at(m).Added = append(at(m).Added, m.name)
		case before != sum:
			at(m).Other = append(at(m).Other, m.name)
		}
	}
	for m := range old.marks {
		if _, still := fresh.marks[m]; !still {
			at(m).Removed = append(at(m).Removed, m.name)
		}
	}
	order := sections()
	for _, key := range slices.SortedFunc(maps.Keys(found), func(x, y mark) int {
		if d := strings.Compare(x.town, y.town); d != 0 {
			return d
		}
		return slices.Index(order, x.section) - slices.Index(order, y.section)
	}) {
		d := found[key]
		for _, names := range [][]string{d.Added, d.Removed, d.Other} {
			slices.Sort(names)
		}
		out = append(out, *d)
	}
	return out
}

// shownNames is how many names of one kind a difference lists.
const shownNames = 5

// In says the difference in one line.
func (d Difference) In(c *i18n.Catalog, l i18n.Lang) string {
	var parts []string
	for _, kind := range []struct {
		key   string
		names []string
	}{{"app.reload_added", d.Added}, {"app.reload_other", d.Other}, {"app.reload_removed", d.Removed}} {
		names := slices.DeleteFunc(slices.Clone(kind.names), func(s string) bool { return s == "" })
		if len(names) == 0 {
			continue
		}
		text := strings.Join(names[:min(len(names), shownNames)], ", ")
		if n := len(names) - shownNames; n > 0 {
			text = c.Text(l, "app.reload_more", text, n)
		}
		parts = append(parts, c.Text(l, kind.key, text))
	}
	line := d.Section
	if d.Town != "" {
		line = d.Town + ": " + line
	}
	if len(parts) == 0 {
		return c.Text(l, "app.reload_changed", line)
	}
	return line + ": " + strings.Join(parts, "; ")
}

// Reloaded is what came of reading the configuration again.
type Reloaded struct {
	Changed []Difference
	// Restart are the keys whose new value counts only after a restart.
	Restart []string
}

// In says it, one line each.
func (r Reloaded) In(c *i18n.Catalog, l i18n.Lang) []string {
	var out []string
	for _, d := range r.Changed {
		out = append(out, d.In(c, l))
	}
	if len(out) == 0 {
		out = append(out, c.Text(l, "app.reload_same"))
	}
	for _, key := range r.Restart {
		out = append(out, c.Text(l, "app.reload_restart", key))
	}
	return out
}

// Reload puts configurations that were read anew in the place of the old ones,
// and applies the difference. What did not change goes on as it was: no check
// starts over, no session ends, no mail route forgets what it learned. All of it
// is taken over or nothing is.
func (a *App) Reload(ctx context.Context, s Settings) (r Reloaded, err error) {
	defer explain(&err)
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if !a.awaySince().IsZero() {
		return r, fault.New(fault.Unavailable, "app.reload_away")
	}
	ctx = ident.WithActor(ctx, ident.System)
	old, fresh := a.conf.p.Load(), newConf(s.Config, s.More)
	keeping, err := a.keepSetting(fresh.towns)
	if err != nil {
		return r, err
	}
	r = Reloaded{Changed: differences(old, fresh), Restart: a.waiting(s)}
	err = a.store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		if err := a.declare(ctx, fresh.towns); err != nil {
			return err
		}
		return a.noteReload(ctx, fresh.towns, r)
	})
	if err != nil {
		return Reloaded{}, err
	}
	a.conf.p.Store(fresh)
	a.ways.reload(old.towns)
	a.ways.follow()
	if slices.ContainsFunc(r.Changed, func(d Difference) bool { return d.Section == "uplink" }) {
		a.monitor.SetReferences(fresh.refs)
	}
	if err := a.keep.Configure(keeping); err != nil {
		return r, err
	}
	a.afterReload(ctx)
	a.forget()
	return r, nil
}

// afterReload lets the rooms look that read the configuration when their time
// comes.
func (a *App) afterReload(ctx context.Context) {
	a.pulse.Kick()
	all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		a.log.WarnContext(ctx, "the towns cannot be read", "err", err)
		return
	}
	for _, t := range all {
		a.statuspage.Refresh(t.ID)
		a.twin.Changed(t.ID)
	}
}

// noteReload writes into each town's log what was changed in its file.
func (a *App) noteReload(ctx context.Context, towns []*Config, r Reloaded) error {
	all, err := a.identity.Tenants(ident.AcrossTenants(ctx))
	if err != nil {
		return err
	}
	for i, c := range towns {
		var changed []string
		for _, d := range r.Changed {
			if d.Town == c.Town.Slug {
				changed = append(changed, d.Section)
			}
		}
		if len(changed) == 0 {
			continue
		}
		id := a.town.id()
		if j := slices.IndexFunc(all, func(t identity.Tenant) bool { return t.Slug == c.Town.Slug }); j >= 0 {
			id = all[j].ID
		} else if i > 0 {
			continue
		}
		err := a.audit.Record(ident.WithTenant(ctx, id), audit.Entry{
			Action: "app.reloaded", Subject: "config:" + filepath.Base(a.o.ConfigFile), Detail: map[string]string{"changed": strings.Join(changed, ", ")},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// waiting are the keys that were changed and that only a start reads.
func (a *App) waiting(s Settings) (out []string) {
	for _, x := range []struct{ key, was, is string }{
		{"listen.staff", a.o.StaffAddr, s.Staff},
		{"listen.public", a.o.PublicAddr, s.Public},
		{"listen.mail", a.o.MailAddr, s.Mail},
		{"listen.certificate", a.o.TLSCert, s.TLSCert},
		{"listen.key", a.o.TLSKey, s.TLSKey},
		{"data", a.o.Dir, s.Data},
		{"database", a.o.Database, s.Database},
	} {
		if x.was != x.is {
			out = append(out, x.key)
		}
	}
	if !reflect.DeepEqual(a.o.ACME, s.ACME) {
		out = append(out, "listen.acme")
	}
	fresh := newConf(s.Config, s.More)
	if (len(replicaSettings(fresh.towns).Places) > 0) != (a.replica != nil) {
		out = append(out, "backup.replica") // whether at all; where to may change
	}
	return out
}
