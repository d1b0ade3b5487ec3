package monitor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/service"
)

// Monitors of other programs can be taken over: a backup of Uptime Kuma, a
// configuration of Gatus. An importer is a pure function from bytes to a
// [Harvest]; nothing of the source is lost without a [Remark] that says so.

// ImportFormat names a program whose monitors can be taken over.
type ImportFormat string

// The formats.
const (
	Kuma  ImportFormat = "kuma"  // Uptime Kuma's JSON export
	Gatus ImportFormat = "gatus" // Gatus' YAML configuration
)

// Bounds of an import.
const (
	MaxImport        = 900 << 10 // bytes; a request may have 1 MiB
	maxImportEntries = 5000
)

// Remark says what an import changes or leaves behind: a message key and its
// values, which never hold a secret.
type Remark struct {
	Key  string
	Args []any
}

// Outcome is what becomes of one entry.
type Outcome string

// The outcomes.
const (
	ImportNew    Outcome = "new"     // becomes a monitor
	ImportExists Outcome = "exists"  // a monitor of that name is there already and stays as it is
	ImportNot    Outcome = "not"     // cannot be taken over; a remark says why
	ImportDone   Outcome = "created" // has become a monitor
)

// Import is one entry of the source and what it becomes.
type Import struct {
	Name    string // as in the source
	Kind    string // the source's word for it
	Monitor Monitor
	Outcome Outcome
	Remarks []Remark
}

func (i *Import) remark(key string, args ...any) {
	i.Remarks = append(i.Remarks, Remark{"monitor.import." + key, args})
}

// refuse says why an entry cannot be taken over.
func (i *Import) refuse(key string, args ...any) {
	i.Outcome = ImportNot
	i.remark(key, args...)
}

// Harvest is a source that was read, or taken over.
type Harvest struct {
	Format  ImportFormat
	Entries []Import
	// Left is what belongs to the source as a whole and has no place here.
	Left    []Remark
	Applied bool
}

func (h *Harvest) leave(key string, args ...any) {
	h.Left = append(h.Left, Remark{"monitor.import." + key, args})
}

// Count counts the entries with an outcome.
func (h Harvest) Count(o Outcome) (n int) {
	for _, e := range h.Entries {
		if e.Outcome == o {
			n++
		}
	}
	return n
}

// ParseImport reads a source. It asks nobody and stores nothing.
func ParseImport(f ImportFormat, raw []byte) (Harvest, error) {
	bad := fault.New(fault.Invalid, "monitor.import.unreadable")
	if len(raw) > MaxImport {
		return Harvest{}, fault.New(fault.Invalid, "monitor.import.too_big").Field("file", "monitor.import.too_big")
	}
	var h Harvest
	var err error
	switch f {
	case Kuma:
		h, err = parseKuma(raw)
	case Gatus:
		h, err = parseGatus(raw)
	default:
		return Harvest{}, fault.New(fault.Invalid, "monitor.import.format").Field("format", "monitor.import.format")
	}
	if err != nil {
		return Harvest{}, bad.Field("file", "monitor.import.unreadable").With(err)
	}
	h.Format = f
	if len(h.Entries) > maxImportEntries {
		return Harvest{}, fault.New(fault.Invalid, "monitor.import.too_many").Field("file", "monitor.import.too_many")
	}
	slugs := map[string]bool{}
	for i := range h.Entries {
		h.Entries[i].settle(slugs)
	}
	return h, nil
}

// settle gives an entry its slug and judges its spec.
func (i *Import) settle(slugs map[string]bool) {
	if i.Outcome == ImportNot {
		i.Monitor = Monitor{}
		return
	}
	i.Outcome = ImportNew
	base := service.SlugFor(i.Monitor.Name)
	if !service.ValidSlug(base) {
		base = "pruefung"
	}
	slug := base
	for n := 2; slugs[slug]; n++ {
		suffix := "-" + strconv.Itoa(n)
		slug = strings.TrimRight(base[:min(len(base), 60-len(suffix))], "-") + suffix
	}
	slugs[slug] = true
	i.Monitor.Slug = slug
	spec, problems := i.Monitor.Spec.Normalize()
	for _, p := range problems {
		i.Outcome = ImportNot
		i.Remarks = append(i.Remarks, Remark{"monitor.import.problem", []any{p.Path, Remark{Key: p.Key}}})
	}
	if len(problems) == 0 {
		i.Monitor.Spec = spec
	} else {
		i.Monitor = Monitor{}
	}
}

// Import takes the monitors of another program over, or only says what would
// happen. What is there already is never touched.
func (r *Room) Import(ctx context.Context, f ImportFormat, raw []byte, apply bool) (Harvest, error) {
	if err := mayChange(ctx); err != nil {
		return Harvest{}, err
	}
	tenant, err := ident.RequireTenant(ctx)
	if err != nil {
		return Harvest{}, err
	}
	h, err := ParseImport(f, raw)
	if err != nil {
		return h, err
	}
	err = r.o.Store.InTx(ctx, func(ctx context.Context, _ bun.IDB, _ store.Enqueue) error {
		all, err := r.List(ctx, Filter{})
		if err != nil {
			return err
		}
		there := map[string]bool{}
		for _, m := range all {
			there[m.Slug] = true
		}
		for i := range h.Entries {
			e := &h.Entries[i]
			if e.Outcome != ImportNew {
				continue
			}
			if there[e.Monitor.Slug] {
				e.Outcome = ImportExists
				continue
			}
			if err := r.checkReach(ctx, e.Monitor.Spec); fault.KindOf(err) == fault.Invalid && err != nil {
				e.refuse("reach")
				continue
			} else if err != nil {
				return err
			}
			if !apply {
				continue
			}
			if err := r.put(ctx, e.Monitor, Monitor{}); err != nil {
				return err
			}
			e.Outcome = ImportDone
			err = r.o.Audit.Record(ctx, audit.Entry{Action: "monitor.saved", Subject: "monitor:" + e.Monitor.Slug, Detail: map[string]string{
				"target": e.Monitor.Spec.Target(), "from": string(f),
			}})
			if err != nil {
				return err
			}
		}
		if apply {
			r.changed(ctx, tenant, "")
		}
		return nil
	})
	if err != nil {
		return h, fmt.Errorf("monitor: import: %w", err)
	}
	h.Applied = apply
	return h, nil
}

// bound keeps a span of the source within what a check may have.
func bound(d, low, high Duration) Duration { return max(low, min(d, high)) }

// envName finds the variables that a source would have filled in.
func envName(text string) string {
	for i := 0; i+1 < len(text); i++ {
		c := text[i+1]
		if text[i] == '$' && (c == '{' || c == '_' || c >= 'A' && c <= 'Z') {
			name := strings.TrimLeft(text[i+1:], "{")
			end := strings.IndexFunc(name, func(c rune) bool {
				return c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9')
			})
			if end < 0 {
				end = len(name)
			}
			return name[:end]
		}
	}
	return ""
}

// ranges are the codes out of those that keep says.
func ranges(keep func(code int) bool) []StatusRange {
	var out []StatusRange
	for code := 100; code <= 599; code++ {
		if !keep(code) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].To == code-1 {
			out[n-1].To = code
			continue
		}
		out = append(out, StatusRange{code, code})
	}
	return out
}

// shortly cuts a text of the source for a remark.
func shortly(s string) string {
	s = strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == utf8.RuneError {
			return ' '
		}
		return c
	}, s))
	if r := []rune(s); len(r) > 120 {
		s = string(r[:119]) + "…"
	}
	return s
}

// sortedKeys are the keys that a source has and nobody took.
func sortedKeys[V any](m map[string]V, known ...string) []string {
	var out []string
	for k := range m {
		if !slices.Contains(known, k) {
			out = append(out, shortly(k))
		}
	}
	slices.Sort(out)
	return out
}
