package onsite_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"tuermer/internal/coordinate/incident"
	"tuermer/internal/coordinate/onsite"
	"tuermer/internal/platform/backup"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/i18n"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
	"tuermer/internal/town/service"
	"tuermer/internal/town/vault"
)

type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time       { return c.now }
func (c *handClock) pass(d time.Duration) { c.now = c.now.Add(d) }

type town struct{}

func (town) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Name: "Musterstadt", Language: "de", Zone: "Europe/Berlin"}, nil
}

type alerts struct{}

func (alerts) Get(context.Context, alert.ID) (alert.Alert, error) {
	return alert.Alert{}, alert.ErrNotFound
}
func (alerts) List(context.Context, alert.Filter) ([]alert.Alert, error) { return nil, nil }
func (alerts) Link(context.Context, alert.ID, string) error              { return nil }
func (alerts) Relink(context.Context, alert.ID, string) error            { return nil }

type services struct{}

func (services) Get(context.Context, string) (service.Service, error) {
	return service.Service{}, fault.New(fault.NotFound, "service.not_found")
}

type rig struct {
	*onsite.Room
	clock    *handClock
	store    *store.Store
	audit    *audit.Room
	incident *incident.Room
	in       incident.ID
	ctx      context.Context // of the tenant
}

func rooms() []store.Migrations {
	return []store.Migrations{audit.Migrations(), incident.Migrations(), onsite.Migrations()}
}

// roomOn is the room over a database, with the incidents that it asks.
func roomOn(t testing.TB, w *storetest.World, clock *handClock) *rig {
	t.Helper()
	catalog, err := i18n.NewCatalog(onsite.Texts())
	if err != nil {
		t.Fatal(err)
	}
	safe, err := vault.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{clock: clock, ctx: w.Ctx, store: w.Store}
	g.audit = audit.New(audit.Options{Store: w.Store, Clock: g.clock})
	g.incident = incident.New(incident.Options{Store: w.Store, Clock: g.clock, Audit: g.audit, Alerts: alerts{}, Services: services{}, Town: town{}})
	g.Room = onsite.New(onsite.Options{
		Store: w.Store, Clock: g.clock, Audit: g.audit, Incidents: g.incident, Town: town{}, Vault: safe,
		Locale: func(context.Context) i18n.Locale {
			return i18n.Locale{Catalog: catalog, Lang: i18n.DE, Zone: zone, Now: g.clock.Now()}
		},
	})
	return g
}

func newRig(t testing.TB, w *storetest.World) *rig {
	t.Helper()
	g := roomOn(t, w, &handClock{time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC)})
	i, err := g.incident.Open(g.as("ada", identity.RoleIT), incident.OpenRequest{Title: "Wasser im Serverraum", Confirmed: true})
	if err != nil {
		t.Fatal(err)
	}
	g.in = i.ID
	return g
}

func (g *rig) as(person string, roles ...identity.Role) context.Context {
	a := ident.Actor{Kind: ident.KindPerson, Person: person, Name: strings.ToUpper(person[:1]) + person[1:]}
	for _, r := range roles {
		a.Roles = append(a.Roles, string(r))
	}
	return ident.WithActor(g.ctx, a)
}

func (g *rig) journal(t testing.TB) []incident.Entry {
	t.Helper()
	all, err := g.incident.Journal(g.ctx, g.in)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.incident.VerifyJournal(g.ctx, g.in); err != nil {
		t.Fatal(err)
	}
	return all
}

// rows counts a table.
func (g *rig) rows(t testing.TB, table string) int64 {
	t.Helper()
	n, err := g.store.CountAll(context.Background(), table)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReportBecomesAnEntry(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		sent := exif(picture(t, 640, 320), 6, 52.01234, 9.12345)
		d := onsite.Draft{Incident: g.in, Text: "  Wasser steht\r\nam Verteiler ", Place: "Keller, Raum 0.12", Photo: sent, Key: "k1"}
		p, err := g.Report(g.as("vera", identity.RoleOnsite), d)
		if err != nil {
			t.Fatal(err)
		}
		if p.Position == nil || math.Abs(p.Position.Lat-52.01234) > 1e-5 || math.Abs(p.Position.Lon-9.12345) > 1e-5 || p.Source != onsite.FromPhoto {
			t.Errorf("position %+v from %q", p.Position, p.Source)
		}
		if p.Photo == nil || p.Photo.Width != 320 || p.Photo.Height != 640 {
			t.Fatalf("held upright it is 320 × 640: %+v", p.Photo)
		}
		all := g.journal(t)
		last := all[len(all)-1]
		for _, want := range []string{"Meldung vor Ort: Wasser steht\nam Verteiler", "Ort: Keller, Raum 0.12", "Position: 52.01234, 9.12345, aus dem Foto", p.Photo.Sum} {
			if !strings.Contains(last.Text, want) {
				t.Errorf("the journal lacks %q:\n%s", want, last.Text)
			}
		}
		if last.Actor.Person != "vera" || last.Ref != string(p.ID) {
			t.Errorf("entry by %+v about %s", last.Actor, last.Ref)
		}
		stored, err := g.Photo(g.as("rita", identity.RoleReader), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if (onsite.Photo{JPEG: stored}).Sum() != p.Photo.Sum {
			t.Error("what is stored is not what the journal vouches for")
		}
		for _, trace := range []string{"Exif", "II*"} {
			if bytes.Contains(stored, []byte(trace)) {
				t.Errorf("the stored photo carries %q of the camera", trace)
			}
		}
		// Sent once more because the network was slow, it is the same report.
		again, err := g.Report(g.as("vera", identity.RoleOnsite), d)
		if err != nil || again.ID != p.ID || again.Photo == nil || again.Photo.Gone {
			t.Errorf("sent twice: %+v, %v", again, err)
		}
		if n := len(g.journal(t)); n != len(all) {
			t.Errorf("sent twice, the journal has %d entries instead of %d", n, len(all))
		}
		list, err := g.Reports(g.ctx, onsite.Filter{Incident: g.in})
		if err != nil || len(list) != 1 || list[0].Text != "Wasser steht\nam Verteiler" {
			t.Errorf("list %+v, %v", list, err)
		}
	})
}

// All or nothing: a photo that nobody can read leaves neither report nor entry.
func TestReportRefused(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		before := len(g.journal(t))
		heic := append([]byte{0, 0, 0, 24}, []byte("ftypheic....")...)
		var moving bytes.Buffer
		if err := gif.Encode(&moving, image.NewGray(image.Rect(0, 0, 4, 4)), nil); err != nil {
			t.Fatal(err)
		}
		var bomb bytes.Buffer
		if err := png.Encode(&bomb, image.NewPaletted(image.Rect(0, 0, 9000, 8000), color.Palette{color.White})); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			ctx  context.Context
			d    onsite.Draft
			want error
		}{
			"nothing":    {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: " \n"}, onsite.ErrNothing},
			"no photo":   {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Photo: []byte("%PDF-1.7")}, onsite.ErrNoPhoto},
			"cut off":    {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Photo: picture(t, 90, 90)[:400]}, onsite.ErrNoPhoto},
			"gif":        {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Photo: moving.Bytes()}, onsite.ErrNoPhoto},
			"heic":       {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Photo: heic}, onsite.ErrHEIC},
			"too long":   {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Photo: make([]byte, onsite.MaxPhoto+1)}, onsite.ErrBigPhoto},
			"bomb":       {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Photo: bomb.Bytes()}, onsite.ErrBigPhoto},
			"nowhere":    {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Position: &onsite.Position{Lat: 91}}, onsite.ErrPosition},
			"NaN":        {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: g.in, Text: "x", Position: &onsite.Position{Lat: math.NaN()}}, onsite.ErrPosition},
			"no one":     {g.as("vera", identity.RoleOnsite), onsite.Draft{Text: "x"}, onsite.ErrNoIncident},
			"unknown":    {g.as("vera", identity.RoleOnsite), onsite.Draft{Incident: "x", Text: "x"}, incident.ErrNotFound},
			"reader":     {g.as("rita", identity.RoleReader), onsite.Draft{Incident: g.in, Text: "x"}, onsite.ErrForbidden},
			"other town": {ident.WithTenant(g.as("vera", identity.RoleOnsite), "t2"), onsite.Draft{Incident: g.in, Text: "x"}, incident.ErrNotFound},
		} {
			if _, err := g.Report(c.ctx, c.d); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		if n := len(g.journal(t)); n != before || g.rows(t, "onsite_report") != 0 || g.rows(t, "onsite_photo") != 0 {
			t.Errorf("refused, and yet %d entries instead of %d", n, before)
		}
	})
}

func TestRemovePhoto(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		vera := g.as("vera", identity.RoleOnsite)
		p, err := g.Report(vera, onsite.Draft{Incident: g.in, Photo: picture(t, 40, 30)})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.RemovePhoto(g.as("udo", identity.RoleOnsite), p.ID, "x"); !errors.Is(err, onsite.ErrNotYours) {
			t.Errorf("somebody else: %v", err)
		}
		if err := g.RemovePhoto(vera, p.ID, " "); !errors.Is(err, onsite.ErrNoReason) {
			t.Errorf("without a reason: %v", err)
		}
		if err := g.RemovePhoto(vera, p.ID, "ein Gesicht"); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Photo(vera, p.ID); !errors.Is(err, onsite.ErrGone) || g.rows(t, "onsite_photo") != 0 {
			t.Errorf("removed: %v", err)
		}
		if err := g.RemovePhoto(vera, p.ID, "noch einmal"); !errors.Is(err, onsite.ErrGone) {
			t.Errorf("twice: %v", err)
		}
		if got, err := g.Get(vera, p.ID); err != nil || got.Photo == nil || !got.Photo.Gone {
			t.Errorf("the report does not say that its photo is gone: %+v, %v", got, err)
		}
		all := g.journal(t)
		if last := all[len(all)-1].Text; !strings.Contains(last, p.Photo.Sum) || !strings.Contains(last, "ein Gesicht") {
			t.Errorf("the journal says %q", last)
		}
	})
}

func showing(g *rig) onsite.Showing {
	return onsite.Showing{
		Incident: g.in, Held: onsite.Held{Name: "Erika Mustermann", Document: "card", Detail: "Schlüssel 14"},
		Purpose: "handover", Outcome: "matches", Hours: 24,
	}
}

// Name, document and copy live a day at most, whatever the hour; what stays is the
// proof that somebody checked, and that it is gone.
func TestIdentityIsGoneWithinADay(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		vera, bert := g.as("vera", identity.RoleOnsite), g.as("bert", identity.RoleAdmin)
		c, err := g.Check(vera, showing(g))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range g.journal(t) {
			if strings.Contains(e.Text, "Mustermann") || strings.Contains(e.Text, "Schlüssel 14") {
				t.Errorf("the journal, which stays, names the person: %s", e.Text)
			}
		}
		seen := func(ctx context.Context) *onsite.Held {
			t.Helper()
			all, err := g.Checks(ctx, onsite.Filter{Incident: g.in})
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			return all[0].Held
		}
		if h := seen(vera); h == nil || h.Name != "Erika Mustermann" {
			t.Errorf("who checked sees %+v", h)
		}
		if seen(bert) == nil || seen(g.as("udo", identity.RoleOnsite)) != nil || seen(g.as("ada", identity.RoleIT)) != nil {
			t.Error("the name is for who checked and for administrators, and nobody else")
		}
		next, err := g.Sweep(g.ctx, g.clock.Now())
		if err != nil || !next.Equal(c.Until) {
			t.Errorf("next sweep %s, %v; want %s", next, err, c.Until)
		}
		g.clock.pass(24*time.Hour - time.Millisecond)
		if _, err := g.Sweep(g.ctx, g.clock.Now()); err != nil || seen(vera) == nil {
			t.Errorf("gone before its time: %v", err)
		}
		g.clock.pass(time.Millisecond)
		if seen(vera) != nil {
			t.Error("due, and shown because the sweep has not come by yet")
		}
		if _, err := g.Sweep(g.ctx, g.clock.Now()); err != nil || g.rows(t, "onsite_fleeting") != 0 {
			t.Fatal("still there", err)
		}
		all, err := g.Checks(bert, onsite.Filter{})
		if err != nil || !all[0].GoneAt.Equal(g.clock.Now()) || all[0].GoneWhy != onsite.Expired || all[0].Purpose != "handover" {
			t.Errorf("what stays: %+v, %v", all[0], err)
		}
		if !g.logged(t, "onsite.identity_deleted", string(c.ID)) {
			t.Error("the audit log has no proof of the deletion")
		}
		if next, err := g.Sweep(g.ctx, g.clock.Now()); err != nil || !next.IsZero() {
			t.Errorf("nothing is planned: %s, %v", next, err)
		}
	})
}

func (g *rig) logged(t testing.TB, action, subject string) bool {
	t.Helper()
	lines, err := g.audit.List(g.as("bert", identity.RoleAdmin), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Action == action && l.Subject == subject {
			return true
		}
	}
	return false
}

// A backup would keep for weeks what must be gone in a day: names are in none. After
// a restore everything else is there, and the sweep goes on.
func TestNoNameInABackup(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		vera := g.as("vera", identity.RoleOnsite)
		p, err := g.Report(vera, onsite.Draft{Incident: g.in, Text: "Wasser", Photo: picture(t, 40, 30)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Check(vera, showing(g)); err != nil {
			t.Fatal(err)
		}
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		var n int64
		err = backup.Dump(t.Context(), w.Store, func(h backup.Head) (*backup.Writer, error) { return backup.NewWriter(&out, h, id.Recipient()) }, nil, &n)
		if err != nil {
			t.Fatal(err)
		}
		r, err := backup.NewReader(&out, id)
		if err != nil {
			t.Fatal(err)
		}
		next, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		there := storetest.SQLite(t, rooms()...)
		if _, err := backup.Load(there.Ctx, there.Store, r, next, nil); err != nil {
			t.Fatal(err)
		}
		there.Start(t)
		back := roomOn(t, there, g.clock)
		if data, err := back.Photo(vera, p.ID); err != nil || (onsite.Photo{JPEG: data}).Sum() != p.Photo.Sum {
			t.Errorf("the photo came back as another: %v", err)
		}
		all, err := back.Checks(vera, onsite.Filter{Incident: g.in})
		if err != nil || len(all) != 1 || all[0].Held != nil {
			t.Errorf("checks after the restore: %+v, %v", all, err)
		}
		g.clock.pass(24 * time.Hour)
		if next, err := back.Sweep(there.Ctx, g.clock.Now()); err != nil || !next.IsZero() {
			t.Errorf("the sweep after the restore: %s, %v", next, err)
		}
	})
}

func TestForgetEarly(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		vera := g.as("vera", identity.RoleOnsite)
		c, err := g.Check(vera, showing(g))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Forget(g.as("ada", identity.RoleIT), c.ID); !errors.Is(err, onsite.ErrNotYours) {
			t.Errorf("somebody else: %v", err)
		}
		if err := g.Forget(ident.WithTenant(vera, "t2"), c.ID); !errors.Is(err, onsite.ErrNoCheck) {
			t.Errorf("another town: %v", err)
		}
		for range 2 { // the second time nothing happens
			if err := g.Forget(vera, c.ID); err != nil {
				t.Fatal(err)
			}
		}
		if g.rows(t, "onsite_fleeting") != 0 || !g.logged(t, "onsite.identity_deleted", string(c.ID)) {
			t.Error("still there, or without a proof")
		}
	})
}

// Whatever is entered in whatever order: no name outlives its time or a day.
func TestHeldNeverOutlivesADay(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		rapid.Check(t, func(rt *rapid.T) {
			g := newRig(t, w)
			g.clock.pass(time.Duration(rapid.IntRange(0, 1<<20).Draw(rt, "start")) * time.Second)
			vera := g.as("vera", identity.RoleOnsite)
			made := map[onsite.CheckID]time.Time{}
			for range rapid.IntRange(1, 12).Draw(rt, "acts") {
				switch rapid.IntRange(0, 2).Draw(rt, "act") {
				case 0:
					s := showing(g)
					s.Hours = rapid.IntRange(-3, 40).Draw(rt, "hours")
					c, err := g.Check(vera, s)
					if ok := s.Hours >= 0 && s.Hours <= 24; ok != (err == nil) {
						rt.Fatalf("%d hours: %v", s.Hours, err)
					}
					if err == nil {
						made[c.ID] = g.clock.Now()
					}
				case 1:
					g.clock.pass(time.Duration(rapid.IntRange(0, 15*60).Draw(rt, "minutes")) * time.Minute)
				case 2:
					next, err := g.Sweep(g.ctx, g.clock.Now())
					if err != nil || !next.IsZero() && !next.After(g.clock.Now()) {
						rt.Fatalf("next %s, %v", next, err)
					}
				}
				all, err := g.Checks(vera, onsite.Filter{Incident: g.in})
				if err != nil || len(all) != len(made) {
					rt.Fatal(len(all), len(made), err)
				}
				for _, c := range all {
					if c.Held != nil && g.clock.Now().Sub(made[c.ID]) >= onsite.MaxHold {
						rt.Fatalf("%s is known after %s", c.ID, g.clock.Now().Sub(made[c.ID]))
					}
					if c.Until.Sub(c.At) > onsite.MaxHold {
						rt.Fatalf("kept for %s", c.Until.Sub(c.At))
					}
				}
			}
		})
	})
}

func TestCopyIsRefusedByDefault(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		vera, bert := g.as("vera", identity.RoleOnsite), g.as("bert", identity.RoleAdmin)
		s := showing(g)
		s.Copy, s.Consent = picture(t, 400, 250), true
		if _, err := g.Check(vera, s); !errors.Is(err, onsite.ErrNoCopies) {
			t.Errorf("by default: %v", err)
		}
		if err := g.AllowCopies(vera, true, "§ 8 GwG"); !errors.Is(err, onsite.ErrOnlyAdmin) {
			t.Errorf("allowed by somebody: %v", err)
		}
		if err := g.AllowCopies(bert, true, ""); !errors.Is(err, onsite.ErrNoReason) {
			t.Errorf("without a reason: %v", err)
		}
		if err := g.AllowCopies(bert, true, "§ 8 GwG"); err != nil {
			t.Fatal(err)
		}
		s.Consent = false
		if _, err := g.Check(vera, s); !errors.Is(err, onsite.ErrNoConsent) {
			t.Errorf("without consent: %v", err)
		}
		s.Consent = true
		c, err := g.Check(vera, s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.Copy(vera, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if n := marked(t, got); n < 12 {
			t.Errorf("the mark stands in %d of 16 parts of the picture", n)
		}
		if _, err := g.Copy(g.as("ada", identity.RoleIT), c.ID); !errors.Is(err, onsite.ErrNotYours) {
			t.Errorf("seen by somebody else: %v", err)
		}
		// Forbidden again, nothing new comes in, and what is there goes in its time.
		if err := g.AllowCopies(bert, false, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Check(vera, s); !errors.Is(err, onsite.ErrNoCopies) {
			t.Errorf("forbidden again: %v", err)
		}
		g.clock.pass(24 * time.Hour)
		if _, err := g.Copy(vera, c.ID); !errors.Is(err, onsite.ErrGone) {
			t.Errorf("a day later: %v", err)
		}
		if other, err := g.Copies(ident.WithTenant(bert, "t2")); err != nil || other.Allowed {
			t.Errorf("another town: %+v, %v", other, err)
		}
	})
}

// marked counts in how many of sixteen parts of the picture something red stands.
func marked(t *testing.T, data []byte) (n int) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	parts := map[[2]int]bool{}
	for y := range b.Dy() {
		for x := range b.Dx() {
			if r, gr, _, _ := img.At(x, y).RGBA(); r > gr+0x3000 {
				parts[[2]int{x * 4 / b.Dx(), y * 4 / b.Dy()}] = true
			}
		}
	}
	return len(parts)
}

// A form's key makes one of what is pressed twice, and swallows nothing: what differs,
// and what comes from somebody else, is a second one.
func TestSentTwice(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		vera, otto := g.as("vera", identity.RoleOnsite), g.as("otto", identity.RoleOnsite)
		d := onsite.Draft{Incident: g.in, Text: "Wasser", Key: "k"}
		seen := map[onsite.ReportID]bool{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				p, err := g.Report(vera, d)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[p.ID] = true
				mu.Unlock()
			})
		}
		all.Wait()
		if len(seen) != 1 {
			t.Errorf("pressed four times at once, it is %d reports", len(seen))
		}
		d.Photo = picture(t, 20, 20)
		for name, send := range map[string]func() (onsite.Report, error){
			"with a photo added": func() (onsite.Report, error) { return g.Report(vera, d) },
			"by somebody else": func() (onsite.Report, error) {
				return g.Report(otto, onsite.Draft{Incident: g.in, Text: "Wasser", Key: "k"})
			},
		} {
			if p, err := send(); err != nil || seen[p.ID] {
				t.Errorf("%s: %s, %v", name, p.ID, err)
			}
		}
		s := showing(g)
		s.Key = "k"
		first, err := g.Check(vera, s)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := g.Check(vera, s); err != nil || again.ID != first.ID {
			t.Errorf("the same check twice: %s, %v", again.ID, err)
		}
		s.Name = "Max Muster"
		if other, err := g.Check(vera, s); err != nil || other.ID == first.ID || other.Held.Name != "Max Muster" {
			t.Errorf("the next person with the same form: %+v, %v", other, err)
		}
		if theirs, err := g.Check(otto, s); err != nil || theirs.Person != "otto" {
			t.Errorf("somebody else with the same form: %+v, %v", theirs, err)
		}
		if n := g.rows(t, "onsite_identity"); n != 3 {
			t.Errorf("%d checks instead of 3", n)
		}
	})
}

// Somebody on the spot still has the old form open while the incidents are merged.
func TestMergedIncidentPassesReportsOn(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, w *storetest.World) {
		w.Start(t)
		g := newRig(t, w)
		ada, vera := g.as("ada", identity.RoleIT), g.as("vera", identity.RoleOnsite)
		into, err := g.incident.Open(ada, incident.OpenRequest{Title: "Rathaus unter Wasser", Confirmed: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.incident.Merge(ada, g.in, into.ID, "dasselbe"); err != nil {
			t.Fatal(err)
		}
		if p, err := g.Report(vera, onsite.Draft{Incident: g.in, Text: "Wasser"}); err != nil || p.Incident != into.ID {
			t.Errorf("a report: %s, %v", p.Incident, err)
		}
		if c, err := g.Check(vera, showing(g)); err != nil || c.Incident != into.ID {
			t.Errorf("a check: %s, %v", c.Incident, err)
		}
	})
}
