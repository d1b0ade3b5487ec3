package voice_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"tuermer/internal/platform/i18n"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/voice"
	"tuermer/internal/town/channel/voicetest"
)

// reports collects what became of calls.
type reports struct {
	mu   sync.Mutex
	all  []channel.Report
	fail int // so many are refused first
}

func (r *reports) report(_ context.Context, rep channel.Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail--; r.fail >= 0 {
		return io.ErrUnexpectedEOF
	}
	r.all = append(r.all, rep)
	return nil
}

func (r *reports) one(t *testing.T) channel.Report {
	t.Helper()
	voicetest.Until(t, "told what became of the call", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.all) > 0 })
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) != 1 {
		t.Fatalf("%+v", r.all)
	}
	return r.all[0]
}

func alarm() channel.Message {
	return channel.Message{
		ID: "m-1", Kind: channel.Voice, Class: channel.Alarm, Realm: channel.Live, To: "+491700000001", Language: "de",
		Text: "Hier ist Türmer, Musterstadt. Alarm. Bürgerportal ist gestört seit 14:00 Uhr. Zum Übernehmen drücken Sie die Eins.",
	}
}

func caller(t *testing.T, o voice.Options) *voice.Adapter {
	t.Helper()
	o.Name = "trunk"
	if o.Report == nil {
		o.Report = (&reports{}).report
	}
	o.Thanks = func(i18n.Lang) string { return "Danke. Ihre Antwort ist angekommen." }
	a, err := voice.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.HangUp)
	return a
}

// A telephone of Debian's takes the call, hears the alarm, presses a key that means
// nothing and then the one that takes over; the database is away at first.
func TestPhoneTakesOver(t *testing.T) {
	voicetest.Need(t, "espeak-ng")
	p := voicetest.PickUp(t, "<sip:+491700000001@ADDR>;regint=0;answermode=auto")
	r := &reports{fail: 1}
	a := caller(t, voice.Options{Server: "sip:" + p.Addr, Report: r.report})
	if err := a.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	rc, err := a.Send(t.Context(), alarm())
	if err != nil || rc.Route != "trunk" || rc.Reference == "" {
		t.Fatalf("%+v %v", rc, err)
	}
	voicetest.Until(t, "the phone took the call", func() bool { return strings.Contains(p.Out.String(), "answering call") })
	voicetest.Until(t, "the phone hears something", func() bool { return len(p.Heard(t)) > 3*8000 })
	p.Press(t, "7")
	p.Press(t, "1")
	if got := r.one(t); got != (channel.Report{ID: "m-1", Arrival: channel.Arrived, Key: "1"}) {
		t.Fatalf("%+v", got)
	}
	a.HangUp() // it thanks, and hangs up
	voicetest.Until(t, "the call is over", func() bool { return strings.Contains(p.Out.String(), "session closed") })
	loud := 0
	for _, s := range p.Heard(t) {
		if s > 1500 || s < -1500 {
			loud++
		}
	}
	if loud < 2000 {
		t.Errorf("only %d loud samples were heard", loud)
	}
}
