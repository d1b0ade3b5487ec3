package alert_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/fault"
	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
)

// Only what a match clearly names is covered: everything it says must fit, and
// what a signal does not say of itself does not fit (I20).
func TestI20_OnlyWhatIsNamedIsCovered(t *testing.T) {
	of := func(source signal.Source, key, service string, labels map[string]string) signal.Signal {
		return signal.Signal{Source: source, Key: key, Service: service, Labels: labels}
	}
	site := map[string]string{"site": "Rathaus", "host": "SRV1"}
	for i, c := range []struct {
		match alert.Match
		s     signal.Signal
		want  bool
	}{
		{alert.Match{}, of(signal.Monitor, "monitor:portal", "portal", nil), false},
		{alert.Match{Service: "portal"}, of(signal.Monitor, "monitor:a", "portal", nil), true},
		{alert.Match{Service: "portal"}, of(signal.Monitor, "monitor:portal", "", nil), false},
		{alert.Match{Service: "portal"}, of(signal.Monitor, "monitor:portal", "portal-2", nil), false},
		{alert.Match{Monitor: "portal"}, of(signal.Monitor, "monitor:portal", "", nil), true},
		{alert.Match{Monitor: "portal"}, of(signal.Monitor, "monitor:portal:soft", "", nil), true},
		{alert.Match{Monitor: "portal"}, of(signal.Monitor, "monitor:portal-2", "", nil), false},
		{alert.Match{Monitor: "portal"}, of(signal.Intake, "monitor:portal", "", nil), false},
		{alert.Match{Source: "prtg"}, of(signal.Intake, "intake:prtg:7", "", nil), true},
		{alert.Match{Source: "prtg"}, of(signal.Intake, "intake:prtg-2:7", "", nil), false},
		{alert.Match{Source: "prtg"}, of(signal.Intake, "source:prtg:silent", "", nil), false}, // that it is mute is not what it reports
		{alert.Match{Labels: []alert.Label{{"site", "Rathaus"}}}, of(signal.Intake, "intake:prtg:7", "", site), true},
		{alert.Match{Labels: []alert.Label{{"site", "Rathaus"}}}, of(signal.Intake, "intake:prtg:7", "", nil), false},
		{alert.Match{Labels: []alert.Label{{"site", ""}}}, of(signal.Intake, "intake:prtg:7", "", nil), false},
		{alert.Match{Source: "prtg", Labels: []alert.Label{{"site", "Rathaus"}, {"host", "SRV2"}}}, of(signal.Intake, "intake:prtg:7", "", site), false},
		{alert.Match{Source: "prtg", Service: "portal"}, of(signal.Intake, "intake:prtg:7", "", site), false},
	} {
		if got := c.match.Covers(c.s); got != c.want {
			t.Errorf("%d: %+v covers %+v: %v", i, c.match, c.s, got)
		}
	}
}

func withheld(t *testing.T, r *alert.Room, sw *storetest.World, at time.Time) (now, over []alert.Reason) {
	t.Helper()
	all, err := r.Withheld(sw.Ctx, at.Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if x.EndedAt.IsZero() {
			now = append(now, x.Reason)
		} else {
			over = append(over, x.Reason)
		}
	}
	return now, over
}

// What is silenced wakes nobody and is listed; at the end of the silence it
// alarms by itself, or at once when somebody lifts it.
func TestSilence(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		it := as(sw.Ctx, "bert", "Bert Kern", "it")
		s, err := r.Silence(it, alert.Silence{Match: alert.Match{Service: "portal"}, Until: noon.Add(time.Hour), Reason: " Release  einspielen "})
		if err != nil || s.Reason != "Release einspielen" || s.CreatedName != "Bert Kern" || !s.From.Equal(noon) {
			t.Fatal(s, err)
		}
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1), firing("monitor:mail", "mail", 1))
		if got := w.to(); len(got) != 3 || strings.Contains(strings.Join(got, "\n"), "Bürgerportal –") { // "mail" alone
			t.Fatalf("%q", got)
		}
		a := list(t, r, sw.Ctx, alert.Filter{Service: "portal"})[0]
		if a.Held != alert.Silenced || a.Woken != 0 || a.State != alert.StateOpen || len(list(t, r, sw.Ctx, alert.Filter{Awake: true})) != 1 {
			t.Fatalf("%+v", a)
		}
		if why, err := r.Why(sw.Ctx, a.ID, "ada"); err != nil || why.Woken || why.Reason != alert.Silenced {
			t.Fatal(why, err)
		}
		if now, _ := withheld(t, r, sw, w.now); !slices.Equal(now, []alert.Reason{alert.Silenced}) {
			t.Fatal(now)
		}
		// A repeat, a second source and a worse one change nothing: they are covered too.
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 2), firing("prtg:1", "portal", 1))
		next, err := alert.Sweep(r, sw.Ctx, w.now)
		if err != nil || len(w.sent) != 0 || next.After(noon.Add(time.Hour)) {
			t.Fatal(next, w.sent, err)
		}
		w.now = noon.Add(time.Hour)
		for range 2 {
			if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
				t.Fatal(err)
			}
		}
		got := w.to()
		if n := len(got) - slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, "Bürgerportal – antwortet") }); n < 2 {
			t.Fatalf("%q", got)
		}
		if a, _ = r.Get(sw.Ctx, a.ID); a.Held != "" || a.Woken != 1 {
			t.Fatalf("%+v", a)
		}
		if now, over := withheld(t, r, sw, w.now); len(now) != 0 || !slices.Equal(over, []alert.Reason{alert.Silenced}) {
			t.Fatal(now, over)
		}
		var words []string
		course, err := r.Course(sw.Ctx, a.ID, alert.CourseFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range course {
			words = append(words, string(c.What)+" "+c.Word)
		}
		if !slices.Contains(words, "held silenced") || !slices.Contains(words, "released ") {
			t.Fatal(words)
		}

		// Silenced once more while it is awake, and lifted.
		w.now = w.now.Add(time.Minute)
		s, err = r.Silence(it, alert.Silence{Match: alert.Match{Service: "portal"}, Until: w.now.Add(8 * time.Hour), Reason: "dauert"})
		if err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		for _, m := range w.to() {
			if strings.Contains(m, "Bürgerportal – antwortet") {
				t.Fatal(m)
			}
		}
		if s, err = r.Unsilence(it, s.ID); err != nil || s.EndedName != "Bert Kern" {
			t.Fatal(s, err)
		}
		if got := w.to(); len(got) != 2 {
			t.Fatalf("%q", got)
		}
		if _, err := r.Unsilence(it, s.ID); !errors.Is(err, alert.ErrSilenceOver) {
			t.Fatal(err)
		}
		fold(t, r, sw.Ctx, resolved("monitor:portal", "portal", 3), resolved("prtg:1", "portal", 2))
		if got := w.to(); len(got) < 2 || !slices.Contains(w.audited, "alert.silenced") || !slices.Contains(w.audited, "alert.unsilenced") {
			t.Fatalf("%q %q", got, w.audited)
		}
	})
}

// A source that is not covered wakes for an alert that was silent so far; what is
// covered and worse does not, and alarms when the silence ends.
func TestI20_SilenceHoldsNoOther(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		it := as(sw.Ctx, "bert", "Bert Kern", "it")
		silence := func(m alert.Match, d time.Duration) {
			t.Helper()
			if _, err := r.Silence(it, alert.Silence{Match: m, Until: w.now.Add(d), Reason: "Umbau"}); err != nil {
				t.Fatal(err)
			}
		}
		silence(alert.Match{Monitor: "portal"}, time.Hour)
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		if len(w.sent) != 0 {
			t.Fatal(w.sent)
		}
		other := firing("monitor:other", "portal", 1)
		other.Severity = signal.Warning
		fold(t, r, sw.Ctx, other)
		if got := w.to(); len(got) != 2 || !strings.Contains(got[0], "Warnung") { // by mail: the critical one is silenced
			t.Fatalf("%q", got)
		}
		// It is awake now, as a warning; the silenced one alarms when its time is up.
		w.now = w.now.Add(time.Hour)
		if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		if got := w.to(); len(got) != 2 || !strings.Contains(got[0], "gestört") {
			t.Fatalf("%q", got)
		}
		if now, _ := withheld(t, r, sw, w.now); len(now) != 0 {
			t.Fatal(now)
		}
	})
}

// A storm that is silenced stays one alert, gathers nothing that is not, and is
// told with its names when the silence ends.
func TestSilencedStorm(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, w := setup(t, sw)
	it := as(sw.Ctx, "bert", "Bert Kern", "it")
	if _, err := r.Silence(it, alert.Silence{Match: alert.Match{Source: "prtg", Labels: []alert.Label{{"site", "Rathaus"}}}, Until: noon.Add(time.Hour), Reason: "Umbau"}); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		s := ofGroup(fmt.Sprintf("intake:prtg:%02d", i), "intake:prtg", 1)
		s.Labels = map[string]string{"site": []string{"Rathaus", "Bauhof"}[i%2]}
		fold(t, r, sw.Ctx, s)
	}
	if open := list(t, r, sw.Ctx, alert.Filter{Current: true}); len(open) != 2 {
		t.Fatal(len(open))
	}
	if got := w.to(); len(got) != 3 || !strings.Contains(got[0], "intake:prtg:01") { // of the Bauhof alone
		t.Fatalf("%q", got)
	}
	w.now = noon.Add(time.Minute)
	if _, err := alert.Bundles(r, sw.Ctx, w.now); err != nil {
		t.Fatal(err)
	}
	if got := w.to(); len(got) != 3 || !strings.Contains(got[0], "29 weitere") {
		t.Fatalf("%q", got)
	}
	w.now = noon.Add(time.Hour)
	if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	if _, err := alert.Bundles(r, sw.Ctx, w.now); err != nil {
		t.Fatal(err)
	}
	bert := 0
	for _, m := range w.to() {
		if strings.HasPrefix(m, "bert@") && (strings.Contains(m, "intake:prtg:00") || strings.Contains(m, "29 more")) {
			bert++
		}
	}
	if bert != 2 {
		t.Fatal(bert)
	}
}

func TestSilenceIsRefused(t *testing.T) {
	sw := storetest.SQLite(t, rooms()...)
	r, _ := setup(t, sw)
	it := as(sw.Ctx, "bert", "Bert Kern", "it")
	good := alert.Silence{Match: alert.Match{Service: "portal"}, Until: noon.Add(time.Hour), Reason: "Umbau"}
	for field, bend := range map[string]func(*alert.Silence){
		"service": func(s *alert.Silence) { s.Match = alert.Match{} },
		"reason":  func(s *alert.Silence) { s.Reason = " " },
		"until":   func(s *alert.Silence) { s.Until = noon },
		"labels":  func(s *alert.Silence) { s.Match.Labels = []alert.Label{{"site", ""}} },
		"from":    func(s *alert.Silence) { s.From, s.Until = noon.AddDate(2, 0, 0), noon.AddDate(2, 0, 1) },
	} {
		s := good
		bend(&s)
		_, err := r.Silence(it, s)
		var f *fault.Error
		if !errors.As(err, &f) || f.Fields[field] == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
	long := good
	long.Until = noon.Add(32 * 24 * time.Hour)
	if _, err := r.Silence(it, long); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	for _, who := range []string{"reader", ""} {
		if _, err := r.Silence(as(sw.Ctx, "cora", "Cora", who), good); !errors.Is(err, alert.ErrForbidden) {
			t.Error(err)
		}
		if _, err := r.Unsilence(as(sw.Ctx, "cora", "Cora", who), "x"); !errors.Is(err, alert.ErrForbidden) {
			t.Error(err)
		}
	}
	if _, err := r.Unsilence(it, "x"); !errors.Is(err, alert.ErrNoSilence) {
		t.Error(err)
	}
}

// One that is planned holds nothing before it begins, and begins by itself.
func TestPlannedSilence(t *testing.T) {
	storetest.Each(t, rooms(), func(t *testing.T, sw *storetest.World) {
		r, w := setup(t, sw)
		it := as(sw.Ctx, "bert", "Bert Kern", "it")
		s := alert.Silence{Match: alert.Match{Service: "portal"}, From: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour), Reason: "Umbau"}
		if _, err := r.Silence(it, s); err != nil {
			t.Fatal(err)
		}
		fold(t, r, sw.Ctx, firing("monitor:portal", "portal", 1))
		if got := w.to(); len(got) != 2 {
			t.Fatalf("%q", got)
		}
		id := list(t, r, sw.Ctx, alert.Filter{})[0].ID
		w.now = noon.Add(time.Hour)
		next, err := alert.Sweep(r, sw.Ctx, w.now)
		if a, _ := r.Get(sw.Ctx, id); err != nil || a.Held != alert.Silenced || !a.NextAt.IsZero() {
			t.Fatalf("%+v %v", a, err)
		}
		w.to()
		if !next.Equal(noon.Add(2 * time.Hour)) {
			t.Fatal(next)
		}
		w.now = next
		if _, err := alert.Sweep(r, sw.Ctx, w.now); err != nil {
			t.Fatal(err)
		}
		if got := w.to(); len(got) != 2 {
			t.Fatalf("%q", got)
		}
	})
}
