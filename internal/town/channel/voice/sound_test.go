package voice

import (
	"context"
	"math"
	"net/netip"
	"os/exec"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// G.711 as its tables say (ITU-T G.711, and the values that every decoder gives
// back): each sample comes back within the step of its segment.
func TestG711(t *testing.T) {
	for _, c := range []struct {
		in   int16
		a, u byte
	}{{0, 0xd5, 0xff}, {-1, 0x55, 0x7f}, {32767, 0xaa, 0x80}, {-32768, 0x2a, 0x00}, {1000, 0xfa, 0xce}, {-1000, 0x7a, 0x4e}} {
		if a, u := toALaw(c.in), toULaw(c.in); a != c.a || u != c.u {
			t.Errorf("%d: %#x %#x, want %#x %#x", c.in, a, u, c.a, c.u)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.Int16().Draw(t, "sample")
		for name, back := range map[string]int{"A": fromALaw(toALaw(s)), "µ": fromULaw(toULaw(s))} {
			if off := math.Abs(float64(back) - float64(s)); off > math.Abs(float64(s))/16+32 && int(s) < 32124 && int(s) > -32124 {
				t.Fatalf("%s: %d came back as %d", name, s, back)
			}
		}
	})
}

// fromALaw and fromULaw are the other direction, as RFC 3551's readers have it.
func fromALaw(b byte) int {
	b ^= 0x55
	seg, low := int(b>>4&7), int(b&0x0f)
	v := low<<4 + 8
	if seg > 0 {
		v = (low<<4 + 0x108) << (seg - 1)
	}
	if b&0x80 == 0 {
		return -v
	}
	return v
}

func fromULaw(b byte) int {
	b = ^b
	v := (int(b&0x0f)<<3+132)<<(b>>4&7) - 132
	if b&0x80 != 0 {
		return -v
	}
	return v
}

// What is spoken is loud enough, not endless, and says nothing of addresses.
func TestEspeak(t *testing.T) {
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		t.Skip("espeak-ng is missing: script/setup voice installs it")
	}
	long, err := Espeak(t.Context(), "-w /tmp/x Hier ist Türmer. Bürgerportal ist gestört seit 14:00 Uhr.", "de")
	if err != nil {
		t.Fatal(err)
	}
	short, err := Espeak(t.Context(), "Here is Türmer https://lage.example/a/geheim", "en")
	if err != nil || len(short) >= len(long) || len(long) < 2*rate || len(long) > 20*rate {
		t.Fatalf("%d and %d samples, %v", len(long), len(short), err)
	}
	if loud := slices.Max(long); loud < 3000 {
		t.Errorf("the loudest sample is %d", loud)
	}
	if got := plain("Take it: https://lage.example/a/x now\x00\n"); got != "Take it: now" {
		t.Errorf("%q", got)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Espeak(stopped, "a", "de"); err == nil {
		t.Error("it spoke after the end")
	}
}

func TestResample(t *testing.T) {
	in := make([]int16, 22050)
	for i := range in {
		in[i] = int16(8000*math.Sin(2*math.Pi*440*float64(i)/22050) + 8000*math.Sin(2*math.Pi*7000*float64(i)/22050))
	}
	out := resample(in, 22050)
	if len(out) != rate {
		t.Fatalf("%d samples", len(out))
	}
	worst := 0.0
	for i := 100; i < len(out)-100; i++ { // 7000 Hz are gone, 440 Hz stay
		worst = max(worst, math.Abs(float64(out[i])-8000*math.Sin(2*math.Pi*440*float64(i)/rate)))
	}
	if worst > 400 {
		t.Errorf("off by %.0f", worst)
	}
}

func TestParseAnswer(t *testing.T) {
	for _, c := range []struct {
		text string
		want chosen
		ok   bool
	}{
		{"v=0\r\nc=IN IP4 192.0.2.7\r\nm=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n", chosen{netip.MustParseAddrPort("192.0.2.7:4000"), ulaw, 96}, true},
		{"c=IN IP4 192.0.2.7\nm=audio 4000 RTP/AVP 9 8\nc=IN IP4 192.0.2.8\nm=video 5000 RTP/AVP 31\nc=IN IP4 192.0.2.9\na=rtpmap:31 telephone-event/8000\n", chosen{netip.MustParseAddrPort("192.0.2.8:4000"), alaw, -1}, true},
		{"c=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\n", chosen{netip.MustParseAddrPort("[2001:db8::1]:4000"), alaw, 101}, true},
		{"c=IN IP4 192.0.2.7\nm=audio 0 RTP/AVP 8\n", chosen{}, false},
		{"c=IN IP4 192.0.2.7\nm=audio 4000 RTP/SAVP 8\n", chosen{}, false},
		{"c=IN IP4 192.0.2.7\nm=audio 4000 RTP/AVP 9\n", chosen{}, false},
		{"c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 8\n", chosen{}, false},
		{"m=audio 99999 RTP/AVP 8\n", chosen{}, false},
		{"", chosen{}, false},
	} {
		if got, err := parseAnswer([]byte(c.text)); (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%q: %+v %v", c.text, got, err)
		}
	}
	ours, err := parseAnswer(offer(netip.MustParseAddrPort("192.0.2.1:6000"), 7))
	if err != nil || ours != (chosen{netip.MustParseAddrPort("192.0.2.1:6000"), alaw, events}) {
		t.Errorf("%+v %v", ours, err)
	}
}

func TestInfoKey(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		want       byte
	}{
		{"application/dtmf-relay", "Signal=1\r\nDuration=160\r\n", '1'},
		{"Application/DTMF-Relay; x=1", "Signal = 2", '2'},
		{"application/dtmf", "1\r\n", '1'},
		{"application/dtmf", "12", 0},
		{"text/plain", "1", 0},
		{"application/dtmf-relay", "", 0},
		{"application/dtmf", "A", 0},
	} {
		if got, ok := infoKey(c.kind, []byte(c.body)); got != c.want || ok != (c.want != 0) {
			t.Errorf("%q %q: %q", c.kind, c.body, got)
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[string]time.Duration{"7": 7 * time.Second, " 120 (soon);duration=3": 2 * time.Minute, "99999": maxRetryAfter, "soon": 0, "": 0, "-1": 0} {
		if got := seconds(s); got != want {
			t.Errorf("%q: %s", s, got)
		}
	}
}

func TestParseServer(t *testing.T) {
	for s, want := range map[string]Server{
		"sip:sip.example": {"sip.example", 0, "udp"}, "sip:192.0.2.1:5080;transport=TCP": {"192.0.2.1", 5080, "tcp"},
		"sips:sip.example": {"sip.example", 0, "tls"}, "sip:[2001:db8::1]:5061;transport=tls": {"2001:db8::1", 5061, "tls"},
		"": {}, "sip:": {}, "http://sip.example": {}, "sip:ada:geheim@sip.example": {}, "sip:a b": {}, "sip:sip.example;transport=sctp": {}, "sip:sip.example:99999": {},
	} {
		if got, err := ParseServer(s); got != want || (err == nil) != (want.Host != "") {
			t.Errorf("%q: %+v %v", s, got, err)
		}
	}
}

// Foreign bytes never break the readers, and never press a key that is none.
func FuzzForeign(f *testing.F) {
	f.Add([]byte("c=IN IP4 192.0.2.7\nm=audio 4000 RTP/AVP 0 8 96\na=rtpmap:96 telephone-event/8000\n"))
	f.Add([]byte{0x80, 0xe5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 0x8a, 0, 160})
	f.Add([]byte{0x91, 0xe5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 1, 0x8a, 0, 160})
	f.Add(append([]byte("RIFF\xff\xff\xff\x7fWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x22\x56\x00\x00\x44\xac\x00\x00\x02\x00\x10\x00data\xff\xff\xff\x7f"), 1, 2, 3))
	f.Add([]byte("sip:sip.example:5060;transport=tcp"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := parseAnswer(b); err == nil && (!got.to.IsValid() || got.to.Port() == 0 || got.event > 127) {
			t.Errorf("%+v", got)
		}
		if key, _, ok := parseEvent(b, 101); ok && !slices.Contains([]byte(keys), key) {
			t.Errorf("key %q", key)
		}
		if s, hertz, err := wav(b); err == nil && (hertz < rate/2 || len(s) > len(b)) {
			t.Errorf("%d samples at %d", len(s), hertz)
		}
		for _, kind := range []string{"application/dtmf", "application/dtmf-relay"} {
			if key, ok := infoKey(kind, b); ok && !slices.Contains([]byte(keys), key) {
				t.Errorf("key %q", key)
			}
		}
		if s, err := ParseServer(string(b)); err == nil && s.Host == "" {
			t.Error("no host")
		}
		seconds(string(b))
		plain(string(b))
	})
}
