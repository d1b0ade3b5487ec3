package intake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tuermer/internal/notice/intake"
	"tuermer/internal/notice/signal"
	"tuermer/internal/platform/clock"
	"tuermer/internal/platform/storetest"
)

// zabbixSays is a body of our media type.
func zabbixSays(event, trigger, value string) intake.Body {
	return intake.Body{ContentType: "application/json", Data: fmt.Appendf(nil,
		`{"event_id":"%s","event_value":"%s","event_update_status":"0","event_name":"Fehler im Protokoll","event_nseverity":"4","trigger_id":"%s","host_name":"srv1"}`, event, value, trigger)}
}

// Two problems of one trigger are open at once where it may make many: each ends by its
// own recovery, and a repeat is none. A problem that was open before events were told
// apart goes on and ends under its trigger, as it began.
func TestI20_ZabbixEndsTheProblemThatEnded(t *testing.T) {
	storetest.Each(t, rooms, func(t *testing.T, w *storetest.World) {
		b := newBench(t, w)
		o := intake.OptionsOf(b.room)
		signals := signal.New(signal.Options{Store: w.Store, Clock: clock.System{}})
		o.Signals = signals
		b.room = intake.New(o)
		t.Cleanup(b.room.Stop)
		token := b.add(intake.Source{Name: "z", Title: "Zabbix", Format: intake.Zabbix})
		take := func(event, trigger, value string) {
			t.Helper()
			if err := b.room.Take(context.Background(), token, intake.Zabbix, zabbixSays(event, trigger, value)); err != nil {
				t.Fatal(err)
			}
		}
		fires := func(want ...string) {
			t.Helper()
			all, err := signals.Firing(w.Ctx)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range all {
				got = append(got, strings.TrimPrefix(s.Key, "intake:z:")+": "+s.Title)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("firing: %v, want %v", got, want)
			}
		}
		take("901", "17", "1")
		take("902", "17", "1")
		take("901", "17", "1")
		fires("event 901: Fehler im Protokoll", "event 902: Fehler im Protokoll")
		take("902", "17", "0")
		fires("event 901: Fehler im Protokoll")
		take("902", "17", "1") // late
		fires("event 901: Fehler im Protokoll")
		take("901", "17", "0")
		fires()

		// From before.
		old := signal.Signal{Source: signal.Intake, Key: "intake:z:trigger 18", Episode: "800", State: signal.Firing, Severity: signal.Critical, Title: "von früher"}
		if _, err := signals.Record(w.Ctx, old); err != nil {
			t.Fatal(err)
		}
		take("800", "18", "1")
		fires("trigger 18: von früher")
		take("810", "18", "1")
		take("810", "18", "0")
		fires("trigger 18: von früher")
		take("800", "18", "0")
		fires()
		take("800", "18", "1") // late
		fires()

		// A paste that names no event: the trigger is all there is.
		take("", "19", "1")
		take("", "19", "1")
		fires("trigger 19: Fehler im Protokoll")
		take("", "19", "0")
		fires()
	})
}
