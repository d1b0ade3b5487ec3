package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/personal"
	"tuermer/internal/platform/retain"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/deletion"
	"tuermer/internal/town/identity"
)

// onEach runs fn on the whole product on every database that is at hand; nothing
// moves by itself in it.
func onEach(t *testing.T, fn func(t *testing.T, a *App)) {
	t.Helper()
	run := func(name, url string) {
		t.Run(name, func(t *testing.T) {
			a, err := New(context.Background(), Options{Dir: t.TempDir(), Database: url, Simulated: true, Version: "test", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			})
			fn(t, a)
		})
	}
	run("sqlite", "")
	if base := os.Getenv("TUERMER_TEST_DATABASE"); base != "" {
		run("postgres", storetest.Schema(t, base))
	}
}

// Every table that holds words of a town has a period, or a reason why it has
// none: one that somebody adds tomorrow fails here until its room says which.
func TestTablesHaveAPeriodOrAReason(t *testing.T) {
	a, err := New(t.Context(), Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	tables, err := personal.Tables(t.Context(), a.store)
	if err != nil || len(tables) < 60 {
		t.Fatal(len(tables), err)
	}
	acts := map[string][]retain.Act{}
	for _, r := range a.retention() {
		acts[r.Table] = append(acts[r.Table], r.Act)
		switch {
		case r.Act == retain.Stay && !slices.Contains(retain.Reasons(), r.Reason):
			t.Errorf("%s stays without a reason", r.Table)
		case r.Act != retain.Stay && r.For <= 0:
			t.Errorf("%s in %s has no period", r.Name, r.Table)
		case r.Act != retain.Stay && r.Act != retain.Own && r.Age == "":
			t.Errorf("%s in %s has no age", r.Name, r.Table)
		case r.Act == retain.Clear && len(r.Set) == 0 && r.Do == nil:
			t.Errorf("%s in %s clears nothing", r.Name, r.Table)
		}
		if room, _, _ := strings.Cut(r.Table, "_"); !strings.HasPrefix(r.Name, room+".") {
			t.Errorf("%s speaks of another room's table %s", r.Name, r.Table)
		}
		if key := "deletion.rule_" + r.Name; r.Act != retain.Stay && !a.catalog.Has(key) {
			t.Errorf("no words for %s", key)
		}
	}
	for _, reason := range retain.Reasons() {
		if key := "deletion.why_" + string(reason); !a.catalog.Has(key) {
			t.Errorf("no words for %s", key)
		}
	}
	for _, name := range tables {
		if len(acts[name]) == 0 {
			t.Errorf("%s has neither a period nor a reason to stay: name it in its room's retention.go", name)
		}
		if slices.Contains(acts[name], retain.Stay) && len(acts[name]) > 1 {
			t.Errorf("%s has a period and a reason to stay without one", name)
		}
	}
	for _, r := range a.personalRules() {
		if len(acts[r.Table]) == 0 {
			t.Errorf("%s holds people (personal.go) and has neither a period nor a reason to stay", r.Table)
		}
	}
	for name := range acts {
		if _, err := a.store.CountAll(t.Context(), name); err != nil {
			t.Errorf("a rule speaks of %s: %v", name, err)
		}
	}
}

// oneTown is a town that the identity room does not know.
type oneTown struct{ id ident.Tenant }

func (o oneTown) Tenants(context.Context) ([]identity.Tenant, error) {
	return []identity.Tenant{{ID: o.id, Zone: "Europe/Berlin"}}, nil
}

func (o oneTown) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{ID: o.id, Zone: "Europe/Berlin"}, nil
}

type fixed struct{ at time.Time }

func (f fixed) Now() time.Time { return f.at }

// aged are columns of a row of each rule's table whose age is at, by the table's
// name; what stands nowhere here gets its zero.
var aged = map[string]func(at time.Time) map[string]any{
	"identity_token":   func(at time.Time) map[string]any { return map[string]any{"revoked_at": at} },
	"identity_opening": func(at time.Time) map[string]any { return map[string]any{"ends_at": at, "address": "192.0.2.7"} },
	"identity_setup_step": func(at time.Time) map[string]any {
		return map[string]any{"proven_at": at, "target": "ada@a.example", "asked_from": "x"}
	},
	"plan_link": func(at time.Time) map[string]any { return map[string]any{"valid_until": at} },
	"channel_outbox": func(at time.Time) map[string]any {
		return map[string]any{"settled_at": at, "class": "single", "realm": "live", "state": "accepted"}
	},
	"channel_answer":    func(at time.Time) map[string]any { return map[string]any{"at": at} },
	"channel_early":     func(at time.Time) map[string]any { return map[string]any{"at": at} },
	"channel_device":    func(at time.Time) map[string]any { return map[string]any{"lost_at": at} },
	"alert_silence":     func(at time.Time) map[string]any { return map[string]any{"ends_at": at} },
	"channel_simulated": func(at time.Time) map[string]any { return map[string]any{"at": at} },
	"roster_override":   func(at time.Time) map[string]any { return map[string]any{"to_at": at, "from_at": at.Add(-time.Hour)} },
	"roster_callout":    func(at time.Time) map[string]any { return map[string]any{"begin_at": at} },
	"roster_swap":       func(at time.Time) map[string]any { return map[string]any{"give_to": at, "state": "accepted"} },
	"roster_hook":       func(at time.Time) map[string]any { return map[string]any{"revoked_at": at, "product": "slack"} },
	"roster_code":       func(at time.Time) map[string]any { return map[string]any{"ends_at": at} },
	"roster_feed":       func(at time.Time) map[string]any { return map[string]any{"revoked_at": at} },
	"roster_import":     func(at time.Time) map[string]any { return map[string]any{"made_at": at} },
	"roster_import_piece": func(at time.Time) map[string]any {
		return map[string]any{"to_at": at}
	},
	"alert_alert": func(at time.Time) map[string]any {
		return map[string]any{"closed_at": at, "state": "closed", "acknowledged_name": "Ada"}
	},
	"onsite_photo": func(at time.Time) map[string]any { return map[string]any{"at": at} },
	"review_answer": func(at time.Time) map[string]any {
		return map[string]any{"day": at.UTC().Format(time.DateOnly), "text": "Danke, Ada"}
	},
	"publish_delivery": func(at time.Time) map[string]any {
		return map[string]any{"updated_at": at, "state": "accepted", "realm": "live", "channel_realm": "live", "incident_id": "i1", "statement_id": "s1"}
	},
}

// children hang on an alarm and have its age.
var children = []string{"alert_notified", "alert_decision", "alert_page", "alert_course", "alert_run"}

// filler makes rows for tests by the schema.
type filler struct {
	a       *App
	columns map[string][][2]string // table → name and type of what must not be null
	n       int
}

func newFiller(t *testing.T, a *App) *filler {
	t.Helper()
	f := &filler{a: a, columns: map[string][][2]string{}}
	q := `SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' AND p."notnull" = 1`
	if a.store.Postgres() {
		q = `SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema() AND is_nullable = 'NO'`
	}
	rows, err := a.store.Read(t.Context()).QueryContext(ident.AcrossTenants(t.Context()), q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table, name, kind string
		if err := rows.Scan(&table, &name, &kind); err != nil {
			t.Fatal(err)
		}
		f.columns[table] = append(f.columns[table], [2]string{name, strings.ToLower(kind)})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return f
}

// put inserts a row; words that are not given are its number, so that no two are alike.
func (f *filler) put(ctx context.Context, table string, given map[string]any) error {
	f.n++
	row := maps.Clone(given)
	row["tenant_id"] = string(ident.TenantOf(ctx))
	for _, c := range f.columns[table] {
		if _, ok := row[c[0]]; ok {
			continue
		}
		switch kind := c[1]; {
		case strings.Contains(kind, "text"):
			row[c[0]] = fmt.Sprintf("x%07d", f.n)
		case strings.Contains(kind, "timestamp"):
			row[c[0]] = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		case strings.Contains(kind, "bool"):
			row[c[0]] = false
		case strings.Contains(kind, "blob"), strings.Contains(kind, "bytea"):
			row[c[0]] = []byte{1}
		default:
			row[c[0]] = f.n
		}
	}
	names := slices.Sorted(maps.Keys(row))
	args := make([]any, len(names))
	for i, n := range names {
		args[i] = row[n]
	}
	return f.a.store.InTx(ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
		_, err := db.ExecContext(ctx, `INSERT INTO `+table+` ("`+strings.Join(names, `", "`)+`") VALUES (`+strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ")+`)`, args...)
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		return nil
	})
}

// lines are all rows of a table of the tenant in ctx, each as one text.
func (f *filler) lines(ctx context.Context, table string) (map[string]bool, error) {
	rows, err := f.a.store.Read(ctx).QueryContext(ctx, "SELECT * FROM "+table+" WHERE tenant_id = ?", string(ident.TenantOf(ctx)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for rows.Next() {
		values, at := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			at[i] = &values[i]
		}
		if err := rows.Scan(at...); err != nil {
			return nil, err
		}
		out[fmt.Sprint(values...)] = true
	}
	return out, rows.Err()
}

// planned is a row of the test with what must become of it.
type planned struct {
	table string
	goes  bool
	text  string // the row before the run
}

// TestRetentionTakesOldAndLeavesYoung (R2.26) fills every table that has a period
// with rows of all ages: after the run nothing older than its period is there as it
// was, nothing younger was touched, nothing of a time that is held was, and the
// proof counts exactly what went. Other towns' rows stay.
func TestRetentionTakesOldAndLeavesYoung(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes its many rows ten times slower, and no goroutines meet here")
	}
	now := time.Date(2031, 5, 3, 1, 30, 0, 0, time.UTC)
	onEach(t, func(t *testing.T, a *App) {
		rules := map[string]retain.Rule{}
		for _, r := range a.retention() {
			if r.Act == retain.Delete || r.Act == retain.Clear {
				rules[r.Table] = r
				if aged[r.Table] == nil && !slices.Contains(children, r.Table) {
					t.Errorf("the test makes no rows for %s of %s", r.Name, r.Table)
				}
			}
		}
		f, turn := newFiller(t, a), 0
		tables := slices.Sorted(maps.Keys(aged))
		rapid.Check(t, func(rt *rapid.T) {
			turn++
			town := ident.Tenant(fmt.Sprintf("stadt%d", turn))
			ctx := ident.WithActor(ident.WithTenant(context.Background(), town), ident.System)
			must := func(err error) {
				if err != nil {
					rt.Fatal(err)
				}
			}
			// Times that are held: of an open incident and by a person.
			var open []retain.Span
			if rapid.Bool().Draw(rt, "open incident") {
				open = append(open, retain.Span{From: now.AddDate(0, 0, -rapid.IntRange(1, 2000).Draw(rt, "open since"))})
			}
			room := deletion.New(deletion.Options{
				Store: a.store, Clock: fixed{now}, Audit: a.audit, Towns: oneTown{town}, Rules: a.retention, Slice: rapid.IntRange(1, 5).Draw(rt, "slice"),
				Open: func(context.Context) ([]retain.Span, error) { return open, nil },
			})
			spans := slices.Clone(open)
			if rapid.Bool().Draw(rt, "hold") {
				from := now.AddDate(0, 0, -rapid.IntRange(100, 2000).Draw(rt, "hold from"))
				to := from.AddDate(0, 0, rapid.IntRange(0, 400).Draw(rt, "hold days"))
				h := deletion.Hold{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Reason: "Az. 1"}
				_, err := room.Hold(ctx, h)
				must(err)
				begin, _ := time.ParseInLocation(time.DateOnly, h.From, berlinZone(t))
				end, _ := time.ParseInLocation(time.DateOnly, h.To, berlinZone(t))
				spans = append(spans, retain.Span{From: begin, To: end.AddDate(0, 0, 1).Add(-time.Millisecond)})
			}
			goes := func(r retain.Rule, at time.Time) bool {
				if r.Civil {
					if at.Format(time.DateOnly) >= r.Limit(now).Format(time.DateOnly) {
						return false
					}
					for _, s := range spans {
						d := at.Format(time.DateOnly)
						if d >= s.From.UTC().Format(time.DateOnly) && (s.To.IsZero() || d <= s.To.UTC().Format(time.DateOnly)) {
							return false
						}
					}
					return true
				}
				if !at.Before(r.Limit(now)) {
					return false
				}
				for _, s := range spans {
					if !at.Before(s.From) && (s.To.IsZero() || !at.After(s.To)) {
						return false
					}
				}
				return true
			}
			var plan []planned
			note := func(table string, before map[string]bool, goes bool) {
				after, err := f.lines(ctx, table)
				must(err)
				for l := range after {
					if !before[l] {
						plan = append(plan, planned{table, goes, l})
					}
				}
			}
			must(f.put(ctx, "publish_statement", map[string]any{"id": "s1", "realm": "live", "incident_realm": "live"}))
			kept := map[string]bool{} // recipients who stay in the ledger: one young or held row is enough
			names := map[string]bool{}
			type delivery struct {
				who, text string
			}
			var sent []delivery
			for range rapid.IntRange(1, 12).Draw(rt, "rows") {
				table := rapid.SampledFrom(tables).Draw(rt, "table")
				r := rules[table]
				at := r.Limit(now).Add(time.Duration(rapid.IntRange(-900*24*60, 60*24*60).Draw(rt, "minutes")) * time.Minute)
				switch rapid.IntRange(0, 9).Draw(rt, "edge") {
				case 0:
					at = r.Limit(now) // not older than its period yet
				case 1:
					at = r.Limit(now).Add(-time.Millisecond)
				}
				row := aged[table](at)
				if table == "publish_delivery" {
					who := rapid.SampledFrom([]string{"ada@a.example", "bert@b.example"}).Draw(rt, "who")
					row["recipient"] = who
					names[who] = true
					kept[who] = kept[who] || !goes(r, at)
				}
				before, err := f.lines(ctx, table)
				must(err)
				must(f.put(ctx, table, row))
				if table == "publish_delivery" {
					after, err := f.lines(ctx, table)
					must(err)
					for l := range after {
						if !before[l] {
							sent = append(sent, delivery{row["recipient"].(string), l})
						}
					}
					continue
				}
				note(table, before, goes(r, at))
				if table == "alert_alert" {
					var id string
					must(a.store.Read(ctx).QueryRowContext(ctx, "SELECT max(id) FROM alert_alert WHERE tenant_id = ?", string(town)).Scan(&id))
					for _, c := range children {
						before, err := f.lines(ctx, c)
						must(err)
						must(f.put(ctx, c, map[string]any{"alert_id": id}))
						note(c, before, goes(rules[c], at))
					}
				}
			}
			for _, d := range sent {
				plan = append(plan, planned{"publish_delivery", !kept[d.who], d.text})
			}
			// What has no age, or waits for something, stays.
			must(f.put(ctx, "identity_token", map[string]any{}))
			must(f.put(ctx, "channel_outbox", map[string]any{"class": "alarm", "realm": "live", "state": "queued"}))
			for _, table := range []string{"identity_token", "channel_outbox"} {
				all, err := f.lines(ctx, table)
				must(err)
				for l := range all {
					if !slices.ContainsFunc(plan, func(p planned) bool { return p.text == l && p.table == table }) {
						plan = append(plan, planned{table, false, l})
					}
				}
			}

			must(room.Run(ctx, now, now.Format(time.DateOnly)))

			want := map[string]int64{}
			for _, p := range plan {
				after, err := f.lines(ctx, p.table)
				must(err)
				if p.goes {
					want[p.table]++
				}
				if after[p.text] == p.goes {
					rt.Errorf("%s, to go %v, is there %v: %s", p.table, p.goes, after[p.text], p.text)
				}
			}
			lines, err := room.Lines(ctx, now.Format(time.DateOnly))
			must(err)
			for _, l := range lines {
				if l.Gone != want[l.Table] {
					rt.Errorf("the proof says %d rows of %s, %d went", l.Gone, l.Table, want[l.Table])
				}
				if l.Overdue != 0 {
					rt.Errorf("%s: %d rows are still older than their period", l.Table, l.Overdue)
				}
			}
			// Whoever is left out of a ledger is counted all the same.
			var distinct int
			must(a.store.Read(ctx).QueryRowContext(ctx, "SELECT count(DISTINCT recipient) FROM publish_delivery WHERE tenant_id = ?", string(town)).Scan(&distinct))
			if distinct != len(names) {
				rt.Errorf("%d recipients are counted, there were %d", distinct, len(names))
			}
		})
		// No town's run touched another's rows: the first still has all its own.
		if turn < 2 {
			t.Fatal("only one town was made")
		}
	})
}

func berlinZone(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestOpenIncidentHoldsItsData: what came about since an incident that is not closed
// stays, however old it is; once it is closed, it goes.
func TestOpenIncidentHoldsItsData(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes its many rows ten times slower, and no goroutines meet here")
	}
	onEach(t, func(t *testing.T, a *App) {
		ctx := ident.WithActor(context.Background(), ident.System)
		town, err := a.identity.AddTenant(ctx, identity.Tenant{Slug: "adorf", Name: "Adorf", Hosts: []string{"lage.adorf.example"}, Zone: "Europe/Berlin", Language: "de", StaffURL: "https://lage.adorf.example"})
		if err != nil {
			t.Fatal(err)
		}
		ctx = ident.WithTenant(ctx, town.ID)
		in, err := a.incident.Open(ctx, incident.OpenRequest{Title: "Ausfall", Confirmed: true})
		if err != nil {
			t.Fatal(err)
		}
		f := newFiller(t, a)
		now := a.o.Clock.Now()
		for _, age := range []time.Duration{0, -30 * time.Hour} {
			if err := f.put(ctx, "channel_outbox", map[string]any{"settled_at": now.Add(age), "class": "single", "realm": "live", "state": "accepted"}); err != nil {
				t.Fatal(err)
			}
		}
		count := func() (n int) {
			t.Helper()
			if err := a.store.Read(ctx).QueryRowContext(ctx, "SELECT count(*) FROM channel_outbox WHERE tenant_id = ? AND recipient LIKE 'x0%'", string(town.ID)).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		later := now.AddDate(1, 0, 0)
		if err := a.deletion.Run(ctx, later, "2030-01-01"); err != nil || count() != 1 {
			t.Fatalf("a day before the incident goes, what came since stays: %d, %v", count(), err)
		}
		lines, err := a.deletion.Lines(ctx, "2030-01-01")
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(lines, func(l deletion.Line) bool { return l.Table == "channel_outbox" })
		if l := lines[i]; l.Gone != 1 || l.Held < 1 || l.Overdue != 0 {
			t.Errorf("%+v", l)
		}
		if err := a.incident.Dismiss(ctx, in.ID, "Fehlalarm"); err != nil {
			t.Fatal(err)
		}
		if err := a.deletion.Run(ctx, later, "2030-01-02"); err != nil || count() != 0 {
			t.Fatalf("after its end it goes: %d, %v", count(), err)
		}
		if err := a.audit.Verify(ctx); err != nil {
			t.Error(err)
		}
		if got := a.catalog.Text(i18n.DE, "audit.did.deletion.ran"); strings.HasPrefix(got, "audit.") {
			t.Error("no words in the audit log")
		}
	})
}
