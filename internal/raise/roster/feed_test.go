package roster_test

import (
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"

	"tuermer/internal/platform/fault"
	"tuermer/internal/raise/roster"
)

// A calendar program reads the shifts as they are, in lines of at most 75 bytes;
// a swap shows at once; a revoked link shows nothing.
func TestFeed(t *testing.T) {
	each(t, func(t *testing.T, x *town) {
		ro := press(t)
		ro.Name = "Pressestelle; Öffentlichkeitsarbeit, Bürgerinnen- und Bürgerkommunikation der Stadt"
		if err := x.Save(x.as(bert), ro, true); err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.MakeFeed(x.as(dora), "presse", "Handy", true); fault.KindOf(err) != fault.Forbidden {
			t.Fatalf("somebody from outside: %v", err)
		}
		f, url, err := x.MakeFeed(x.as(ada), "presse", "Handy", true)
		if err != nil {
			t.Fatal(err)
		}
		_, secret, ok := strings.Cut(url, "http://lage.example/rd/")
		if !ok {
			t.Fatal(url)
		}
		read := func() map[time.Time]*ics.VEvent {
			t.Helper()
			text, err := x.Calendar(x.w.Ctx, secret)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(text, "\r\n"), "\r\n") {
				if len(line) > 75 || strings.ContainsAny(line, "\r\n") {
					t.Fatalf("line of %d bytes: %q", len(line), line)
				}
			}
			c, err := ics.ParseCalendar(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			out := map[time.Time]*ics.VEvent{}
			for _, e := range c.Events() {
				at, err := e.GetStartAt()
				if err != nil {
					t.Fatal(err)
				}
				out[at.UTC()] = e
			}
			return out
		}
		all := read()
		e := all[berlin(t, "2027-05-27 09:00")]
		if e == nil {
			t.Fatalf("Fronleichnam is missing among %d", len(all))
		}
		if end, err := e.GetEndAt(); err != nil || !end.Equal(berlin(t, "2027-05-27 17:00")) {
			t.Errorf("ends %v, %v", end, err)
		}
		if got := e.GetProperty(ics.ComponentPropertySummary).Value; got != ro.Name+": Ada Beispiel" {
			t.Errorf("summary %q", got)
		}
		if got := e.GetProperty(ics.ComponentPropertyDescription).Value; got != "Fronleichnam" {
			t.Errorf("description %q", got)
		}
		if all[berlin(t, "2027-06-02 07:00")] != nil {
			t.Error("Bert's shift is in Ada's calendar")
		}
		s, err := x.AskSwap(x.as(ada), "presse", x.key(t, "2027-05-27 10:00"), x.key(t, "2027-06-02 10:00"), bert, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := x.AnswerSwap(x.as(bert), "presse", s.ID, roster.Accepted); err != nil {
			t.Fatal(err)
		}
		if all = read(); all[berlin(t, "2027-05-27 09:00")] != nil || all[berlin(t, "2027-06-02 07:00")] == nil {
			t.Error("the calendar does not follow the swap")
		}
		if _, err := x.Calendar(x.w.Ctx, secret+"x"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a wrong secret: %v", err)
		}
		if err := x.RevokeFeed(x.as(ada), "presse", f.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := x.Calendar(x.w.Ctx, secret); fault.KindOf(err) != fault.NotFound {
			t.Errorf("revoked: %v", err)
		}
	})
}
