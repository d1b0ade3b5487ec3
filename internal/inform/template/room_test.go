package template

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"pgregory.net/rapid"

	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/ident"
	"tuermer/internal/platform/store"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/town/audit"
	"tuermer/internal/town/identity"
)

// desk is what the other rooms would answer.
type desk struct {
	mu       sync.Mutex
	now      time.Time
	acts     []string
	released map[string]Release
	drilled  map[string]time.Time
	room     *Room
}

func (d *desk) Now() time.Time { return clock.Cut(d.now) }

func (d *desk) Record(_ context.Context, e audit.Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acts = append(d.acts, e.Action+" "+e.Subject)
	return nil
}

func (d *desk) Current(context.Context) (identity.Tenant, error) {
	return identity.Tenant{Name: "Musterstadt"}, nil
}

func (d *desk) Releases(context.Context) ([]Release, error) {
	return slices.Collect(maps.Values(d.released)), nil
}

func (d *desk) Release(ctx context.Context, ids ...string) (int, error) {
	a := ident.ActorOf(ctx)
	for _, id := range ids {
		d.released[id] = Release{Entry: id, Person: a.Person, Name: a.Name, At: d.Now()}
	}
	return len(ids), nil
}

func (d *desk) Rehearsed(context.Context) (map[string]time.Time, error) { return d.drilled, nil }

func newRoom(t testing.TB, w *storetest.World) *desk {
	t.Helper()
	d := &desk{now: time.Date(2026, 11, 22, 13, 5, 0, 0, time.UTC), released: map[string]Release{}, drilled: map[string]time.Time{}}
	d.room = NewRoom(Options{Store: w.Store, Clock: d, Audit: d, Town: d, Shipped: library(t), Said: d})
	return d
}

func as(ctx context.Context, name string, roles ...string) context.Context {
	return ident.WithActor(ctx, ident.Actor{Kind: ident.KindPerson, Person: strings.ToLower(name), Name: name, Roles: roles})
}

var rooms = []store.Migrations{Migrations()}

// TestOwnTexts goes the way of a text of the town's own: draft, second person,
// new version, back to the shipped one.
func TestOwnTexts(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newRoom(t, w)
		r := d.room
		ada, bert, cleo := as(w.Ctx, "Ada", "publisher"), as(w.Ctx, "Bert", "approver"), as(w.Ctx, "Cleo", "approver", "publisher")
		const id = "B-P1-page-de"
		shipped, _ := r.Shipped().Get(id)
		own := Entry{Kind: First, Audience: Citizens, Format: Page, Language: DE, Title: "{Dienst} fehlt gerade", Body: "{Dienst_nom} {ist|sind} gestört. Wir melden uns {um NaechsteMeldung}: {Link}"}

		if _, err := r.Write(as(w.Ctx, "Eva", "reader"), own); !errors.Is(err, ErrForbidden) {
			t.Errorf("a reader may write: %v", err)
		}
		v, err := r.Write(cleo, own)
		if err != nil || v.ID != id || v.Version != shipped.Version+1 {
			t.Fatalf("%+v %v", v, err)
		}
		if lib, err := r.Library(ada); err != nil || inUse(t, lib, id).Body != shipped.Body {
			t.Errorf("a draft is in use already, %v", err)
		}
		if _, err := r.Approve(cleo, id, v.Version); !errors.Is(err, ErrOwnText) {
			t.Errorf("the author approves: %v", err)
		}
		if _, err := r.Approve(ada, id, v.Version); !errors.Is(err, ErrForbidden) {
			t.Errorf("a publisher approves: %v", err)
		}
		if _, err := r.Approve(bert, id, v.Version+1); !errors.Is(err, ErrNoDraft) {
			t.Errorf("a version that nobody read is approved: %v", err)
		}
		if v, err = r.Approve(bert, id, v.Version); err != nil || v.State != OwnApproved || v.ApprovedBy != "Bert" {
			t.Fatalf("%+v %v", v, err)
		}
		lib, err := r.Library(ada)
		if e := inUse(t, lib, id); err != nil || e.Body != own.Body || e.Version != shipped.Version+1 || e.ReviewState != Approved || e.ApprovedBy != "Bert" {
			t.Fatalf("%+v %v", e, err)
		}
		rec, err := r.Record(ada, id)
		if err != nil || !rec.Own || !rec.Shipped || rec.Release == nil || rec.Release.Person != "bert" {
			t.Errorf("%+v %v", rec, err)
		}

		// Whoever changes the waiting draft becomes its author.
		own.Body = "{Dienst_nom} {ist|sind} gestört. Mehr {um NaechsteMeldung}: {Link}"
		if v, err = r.Write(ada, own); err != nil || v.Version != shipped.Version+2 {
			t.Fatalf("%+v %v", v, err)
		}
		if v, err = r.Write(cleo, own); err != nil || v.Version != shipped.Version+2 || v.Author != "cleo" {
			t.Fatalf("%+v %v", v, err)
		}
		if _, err := r.Approve(cleo, id, v.Version); !errors.Is(err, ErrOwnText) {
			t.Errorf("the last author approves: %v", err)
		}
		if _, err = r.Approve(bert, id, v.Version); err != nil {
			t.Fatal(err)
		}
		all, err := r.Versions(ada, id)
		if err != nil || len(all) != 2 || all[0].State != OwnApproved || all[1].State != OwnReplaced {
			t.Errorf("%+v %v", all, err)
		}
		if err := r.Retire(ada, id); err != nil {
			t.Fatal(err)
		}
		if lib, err = r.Library(ada); err != nil || inUse(t, lib, id).Body != shipped.Body {
			t.Errorf("the shipped text does not count again, %v", err)
		}
		if err := r.Retire(ada, id); !errors.Is(err, ErrNothingOwn) {
			t.Errorf("%v", err)
		}
		if _, err := r.Write(ada, own); err != nil {
			t.Fatal(err)
		}
		if err := r.Discard(ada, id); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Approve(bert, id, 0); !errors.Is(err, ErrNoDraft) {
			t.Errorf("%v", err)
		}
		// The words of an approved text are kept by the database itself.
		err = w.Store.InTx(w.Ctx, func(ctx context.Context, db bun.IDB, _ store.Enqueue) error {
			_, err := db.NewUpdate().Model((*textRow)(nil)).Set("body = 'anders'").Where("tenant_id = ?", ident.TenantOf(w.Ctx)).
				Where("state = ?", OwnReplaced).Exec(ctx)
			return err
		})
		if err == nil {
			t.Error("the words of a replaced text were changed")
		}
	})
}

func inUse(t testing.TB, lib *Library, id string) Entry {
	t.Helper()
	if lib == nil {
		t.Fatal("no library")
	}
	e, ok := lib.Get(id)
	if !ok {
		t.Fatalf("%s is not in use", id)
	}
	return e
}

// TestNewPlace is a text for an event that the product does not know.
func TestNewPlace(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		r := newRoom(t, w).room
		cleo, bert := as(w.Ctx, "Cleo", "publisher"), as(w.Ctx, "Bert", "approver")
		v, err := r.Write(cleo, Entry{Kind: First, Audience: Citizens, Format: SMS, Language: DE, Scenario: "biber", Body: "Ein Biber hat ein Kabel durchgebissen. Mehr {um NaechsteMeldung}."})
		if err != nil || v.ID != "B-P1-biber-sms-de" || v.Version != 1 {
			t.Fatalf("%+v %v", v, err)
		}
		list, err := r.Records(cleo, Filter{Scenario: "biber"})
		if err != nil || len(list) != 1 || !list[0].Draft || list[0].ReviewState != Draft {
			t.Fatalf("%+v %v", list, err)
		}
		if _, err := r.Approve(bert, v.ID, 1); err != nil {
			t.Fatal(err)
		}
		lib, err := r.Library(cleo)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := lib.Find(First, Citizens, SMS, DE, "biber")
		if !ok || e.ID != v.ID {
			t.Errorf("found %+v", e)
		}
		if err := r.Retire(cleo, v.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Record(cleo, v.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
		for _, bad := range []Entry{
			{Kind: "nonsense", Audience: Citizens, Format: SMS, Language: DE, Body: "x"},
			{Kind: First, Audience: "all", Format: SMS, Language: DE, Body: "x"},
			{Kind: First, Audience: Citizens, Format: "fax", Language: DE, Body: "x"},
			{Kind: First, Audience: Citizens, Format: SMS, Language: "fr", Body: "x"},
			{Kind: First, Audience: Citizens, Format: SMS, Language: DE, Scenario: "Großer Biber", Body: "x"},
			{Kind: First, Audience: Citizens, Format: SMS, Language: DE, Title: "x", Body: "x"},
			{Kind: First, Audience: Citizens, Format: Mail, Language: DE, Body: "x"},
			{Kind: First, Audience: Citizens, Format: SMS, Language: DE, Body: "{Unsinn}"},
			{Kind: First, Audience: Citizens, Format: SMS, Language: DE, Body: strings.Repeat("x", maxPart+1)},
		} {
			if _, err := r.Write(cleo, bad); fault.KindOf(err) != fault.Invalid || len(fault.As(err).Fields) == 0 {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// TestEasyLanguageIsSigned: Leichte Sprache stays marked until a group of
// readers has signed the very words.
func TestEasyLanguageIsSigned(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newRoom(t, w)
		r := d.room
		cleo, bert := as(w.Ctx, "Cleo", "publisher"), as(w.Ctx, "Bert", "approver")
		const id = "B-P0-page-de-LS"
		if rec, err := r.Record(cleo, id); err != nil || rec.ReviewState != DraftUnchecked {
			t.Fatalf("%v %v", rec.ReviewState, err)
		}
		if err := r.Sign(cleo, "B-P0-page-de", "Prüfgruppe"); !errors.Is(err, ErrNotEasy) {
			t.Errorf("%v", err)
		}
		if err := r.Sign(cleo, id, "  "); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
		if err := r.Sign(cleo, id, "Prüfgruppe der Lebenshilfe"); err != nil {
			t.Fatal(err)
		}
		rec, err := r.Record(cleo, id)
		if err != nil || rec.ReviewState != Draft || rec.Signature == nil || rec.Signature.Group != "Prüfgruppe der Lebenshilfe" || rec.Signature.By != "Cleo" || !rec.Signature.At.Equal(d.Now()) {
			t.Fatalf("%+v %v", rec, err)
		}
		// New words need new readers.
		e := rec.Entry
		e.Body += "\nDas ist neu."
		v, err := r.Write(cleo, e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Approve(bert, id, v.Version); err != nil {
			t.Fatal(err)
		}
		if rec, err = r.Record(cleo, id); err != nil || rec.ReviewState != DraftUnchecked || rec.Signature != nil {
			t.Errorf("%+v %v", rec, err)
		}
		if err := r.Sign(cleo, id, "Prüfgruppe der Lebenshilfe"); err != nil {
			t.Fatal(err)
		}
		if rec, err = r.Record(cleo, id); err != nil || rec.ReviewState != Approved {
			t.Errorf("%+v %v", rec, err)
		}
	})
}

// TestRehearsed: exercises and tables both count, the later one is shown.
func TestRehearsed(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newRoom(t, w)
		cleo := as(w.Ctx, "Cleo", "publisher")
		const id = "B-P0-page-de"
		d.drilled[id] = d.now.Add(-24 * time.Hour)
		rec, err := d.room.Record(cleo, id)
		if err != nil || !rec.Rehearsed.Equal(d.now.Add(-24*time.Hour)) {
			t.Fatalf("%v %v", rec.Rehearsed, err)
		}
		if err := d.room.Rehearse(cleo, id); err != nil {
			t.Fatal(err)
		}
		if rec, err = d.room.Record(cleo, id); err != nil || !rec.Rehearsed.Equal(d.now) {
			t.Errorf("%v %v", rec.Rehearsed, err)
		}
		never, err := d.room.Records(cleo, Filter{Never: true, Kind: Holding})
		if err != nil || len(never) == 0 || slices.ContainsFunc(never, func(r Record) bool { return r.ID == id }) {
			t.Errorf("%d %v", len(never), err)
		}
	})
}

// TestI19_OwnTextsStay: no town reads or uses another one's words.
func TestI19_OwnTextsStay(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newRoom(t, w)
		cleo, bert := as(w.Ctx, "Cleo", "publisher"), as(w.Ctx, "Bert", "approver")
		other := as(ident.WithTenant(w.Ctx, "t2"), "Otto", "publisher", "approver", "admin")
		v, err := d.room.Write(cleo, Entry{Kind: First, Audience: Citizens, Format: SMS, Language: DE, Scenario: "biber", Body: "Biber."})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.room.Approve(other, v.ID, v.Version); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another town approves: %v", err)
		}
		if _, err := d.room.Approve(bert, v.ID, v.Version); err != nil {
			t.Fatal(err)
		}
		lib, err := d.room.Library(other)
		if _, ok := lib.Get(v.ID); ok || err != nil {
			t.Errorf("another town uses the text, %v", err)
		}
		if list, err := d.room.Versions(other, v.ID); err != nil || len(list) > 0 {
			t.Errorf("%v %v", list, err)
		}
		if err := d.room.Retire(other, v.ID); !errors.Is(err, ErrNothingOwn) {
			t.Errorf("%v", err)
		}
	})
}

// TestRoundTrip sends every text of the grid, with some of the town's own, to
// another town and back.
func TestRoundTrip(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		d := newRoom(t, w)
		cleo, bert := as(w.Ctx, "Cleo", "publisher"), as(w.Ctx, "Bert", "approver")
		v, err := d.room.Write(cleo, Entry{Kind: First, Audience: Citizens, Format: CAP, Language: DE, Scenario: "biber", Title: "Biber \"Bodo\"", Body: "Ein <Biber> & {Ort}.\n\n[[Bis {GueltigBis}.]]", Instruction: "Bleiben Sie zu Hause."})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.room.Approve(bert, v.ID, v.Version); err != nil {
			t.Fatal(err)
		}
		x, err := d.room.Export(cleo, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(d.room.Shipped().List()); len(x.Entries) != n+1 || x.Town != "Musterstadt" {
			t.Fatalf("%d texts of %q, want %d", len(x.Entries), x.Town, n+1)
		}
		var file bytes.Buffer
		if err := WriteExchange(&file, x); err != nil {
			t.Fatal(err)
		}
		back, err := ParseExchange(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range back.Entries {
			if !sameWords(e, x.Entries[i]) || e.ID != x.Entries[i].ID {
				t.Fatalf("%s came back as %+v", x.Entries[i].ID, e)
			}
		}
		// At home nothing is new.
		if done, err := d.room.Import(cleo, back); err != nil || len(done.Drafted) != 0 || done.Same != len(back.Entries) {
			t.Errorf("%+v %v", done, err)
		}
		// Elsewhere only the own text is, and it waits there for a second person.
		there := ident.WithTenant(w.Ctx, "t2")
		otto := as(there, "Otto", "publisher")
		done, err := d.room.Import(otto, back)
		if err != nil || !slices.Equal(done.Drafted, []string{v.ID}) {
			t.Fatalf("%+v %v", done, err)
		}
		lib, err := d.room.Library(otto)
		if _, ok := lib.Get(v.ID); ok || err != nil {
			t.Errorf("what another town approved is in use here, %v", err)
		}
		if _, err := d.room.Approve(as(there, "Paula", "approver"), v.ID, 1); err != nil {
			t.Fatal(err)
		}
		if again, err := d.room.Import(otto, back); err != nil || len(again.Drafted) != 0 {
			t.Errorf("%+v %v", again, err)
		}
	})
}

// TestExchangeRefuses names what is wrong, and where.
func TestExchangeRefuses(t *testing.T) {
	text := `{"kind":"first","audience":"citizens","channel":"sms","language":"de","body":"Guten Tag."}`
	file := func(texts string) string {
		return `{"format":"tuermer.templates","version":1,"templates":[` + texts + `]}`
	}
	if _, err := ParseExchange([]byte("\xef\xbb\xbf" + file(text))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"not json":       {`texts:`, "invalid character"},
		"other format":   {`{"format":"x","version":1,"templates":[]}`, `expected "tuermer.templates"`},
		"no version":     {`{"format":"tuermer.templates","templates":[]}`, "version is missing"},
		"newer":          {`{"format":"tuermer.templates","version":2,"templates":[]}`, "newer"},
		"unknown field":  {file(`{"kind":"first","colour":"red"}`), "colour"},
		"twice":          {file(text + "," + text), "text 2"},
		"no body":        {file(`{"id":"B-P1","kind":"first","audience":"citizens","channel":"sms","language":"de"}`), "text 1 (B-P1): body"},
		"no such slot":   {file(strings.Replace(text, "Guten Tag", "{Unsinn}", 1)), "Unsinn"},
		"something else": {file(text) + "x", "behind the end"},
	} {
		_, err := ParseExchange([]byte(c[0]))
		if !errors.Is(err, ErrBadFile) || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzExchange: whatever a file holds, the parser answers, and what it takes
// survives being written and read again.
func FuzzExchange(f *testing.F) {
	f.Add([]byte(`{"format":"tuermer.templates","version":1,"templates":[{"kind":"first","audience":"citizens","channel":"sms","language":"de","body":"{Dienst_nom} {ist|sind} weg.[[ {Ursache}||?]]"}]}`))
	f.Add([]byte(`{"format":"tuermer.templates","version":1,"town":"\u0000","exported_at":"2026-11-22T13:05:00Z","templates":[{"kind":"closing","audience":"it","channel":"cap","language":"de-LS","scenario":"a-1","title":"x\r\ny","body":"x\ny ","instruction":"z"}]}`))
	f.Add([]byte(`{"format":"tuermer.templates","version":99}`))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := ParseExchange(raw)
		if err != nil {
			if !errors.Is(err, ErrBadFile) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := WriteExchange(&b, x); err != nil {
			t.Skip() // a year that JSON cannot write
		}
		again, err := ParseExchange(b.Bytes())
		if err != nil {
			t.Fatalf("not read again: %v\n%s", err, b.Bytes())
		}
		if len(again.Entries) != len(x.Entries) {
			t.Fatalf("%d texts became %d", len(x.Entries), len(again.Entries))
		}
		for i := range x.Entries {
			if !sameWords(x.Entries[i], again.Entries[i]) {
				t.Fatalf("%+v became %+v", x.Entries[i], again.Entries[i])
			}
		}
	})
}

// TestI3_SecondPersonForTexts: whatever people do to a text, the words in use were
// never approved by whoever wrote them.
func TestI3_SecondPersonForTexts(t *testing.T) {
	w := storetest.SQLite(t, rooms...)
	shipped := library(t)
	people := []string{"Ada", "Bert", "Cleo"}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		d := &desk{now: time.Date(2026, 11, 22, 13, 5, 0, 0, time.UTC), released: map[string]Release{}, drilled: map[string]time.Time{}}
		d.room = NewRoom(Options{Store: w.Store, Clock: d, Audit: d, Shipped: shipped, Said: d})
		ctx := ident.WithTenant(w.Ctx, ident.Tenant("t"+strings.Repeat("x", n)))
		const id = "B-P0-sms-de"
		for range rapid.IntRange(1, 8).Draw(t, "acts") {
			var err error
			who := as(ctx, rapid.SampledFrom(people).Draw(t, "who"), "publisher", "approver")
			switch rapid.SampledFrom([]string{"write", "approve", "retire", "discard"}).Draw(t, "act") {
			case "write":
				body := rapid.SampledFrom([]string{"Eins.", "Zwei.", "Drei."}).Draw(t, "body")
				_, err = d.room.Write(who, Entry{Kind: Holding, Audience: Citizens, Format: SMS, Language: DE, Body: body})
			case "approve":
				_, err = d.room.Approve(who, id, 0)
			case "retire":
				err = d.room.Retire(who, id)
			case "discard":
				err = d.room.Discard(who, id)
			}
			if k := fault.KindOf(err); err != nil && k != fault.Conflict && k != fault.Forbidden {
				t.Fatal(err)
			}
			all, err := d.room.Versions(who, id)
			if err != nil {
				t.Fatal(err)
			}
			states := map[OwnState]int{}
			for _, v := range all {
				states[v.State]++
				if v.State == OwnApproved && (v.Author == v.Approver || v.Approver == "") {
					t.Fatalf("%s approved words of %s", v.Approver, v.Author)
				}
			}
			if states[OwnDraft] > 1 || states[OwnApproved] > 1 {
				t.Fatalf("%v", states)
			}
			lib, err := d.room.Library(who)
			if err != nil {
				t.Fatal(err)
			}
			if own := states[OwnApproved] == 1; own != (inUseT(t, lib, id).ReviewState == Approved) {
				t.Fatalf("own %v, in use %+v", own, inUseT(t, lib, id))
			}
		}
	})
}

func inUseT(t *rapid.T, lib *Library, id string) Entry {
	e, ok := lib.Get(id)
	if !ok {
		t.Fatalf("%s is not in use", id)
	}
	return e
}
