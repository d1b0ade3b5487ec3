package push

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tuermer/internal/platform/fence"
	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
	"tuermer/internal/town/channel/pushtest"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func raw(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8291 §5, byte for byte.
func TestEncryptsAsTheStandardDoes(t *testing.T) {
	own, err := ecdh.P256().NewPrivateKey(raw(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	to := Keys{
		P256DH: raw(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
		Auth:   raw(t, "BTBZMqHH6r4Tts7J_aSIgg"),
	}
	got, err := encrypt([]byte("When I grow up, I want to be a watermelon"), to, own, [saltSize]byte(raw(t, "DGv6ra1nlYgDCS1FRnbzlw")))
	if err != nil {
		t.Fatal(err)
	}
	const want = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if s := base64.RawURLEncoding.EncodeToString(got); s != want {
		t.Errorf("%s\nwant\n%s", s, want)
	}
}

// world is a push service and the way to it.
type world struct {
	*pushtest.Server
	srv *httptest.Server
	a   *Adapter
	who *Identity

	mu      sync.Mutex
	devices []channel.Device
	gone    []string
	now     time.Time
	list    fence.List
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: &pushtest.Server{}, now: noon, list: fence.Anywhere()}
	w.Now = w.clock
	w.srv = httptest.NewTLSServer(w.Server)
	t.Cleanup(w.srv.Close)
	w.Origin = w.srv.URL
	roots := x509.NewCertPool()
	roots.AddCert(w.srv.Certificate())
	var err error
	if w.who, err = NewIdentity(func(int) []byte { return []byte(strings.Repeat("k", 32)) }, "mailto:lage@musterstadt.example"); err != nil {
		t.Fatal(err)
	}
	held := fence.Dialer{Of: func(context.Context) (fence.List, error) { return w.list, nil }}
	w.a, err = New(Options{
		Name: "push", Identity: func(context.Context) (*Identity, error) { return w.who, nil }, DialContext: held.DialContext,
		TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: time.Now}, Now: w.clock, Timeout: 2 * time.Second,
		Devices: func(context.Context, string) ([]channel.Device, error) { return w.devices, nil },
		Gone: func(_ context.Context, d channel.Device) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gone = append(w.gone, d.ID)
			return nil
		},
		Receipt: func(_ context.Context, m channel.Message) string { return "/channel/push/" + m.ID },
		Words:   func(context.Context, string) Words { return Words{"Übernehmen", "Öffnen", "Ja", "Nein"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) browser(t *testing.T) *pushtest.Browser {
	t.Helper()
	b, err := w.Subscribe("")
	if err != nil {
		t.Fatal(err)
	}
	w.devices = append(w.devices, channel.Device{ID: strconv.Itoa(len(w.devices)), Endpoint: w.Origin + b.Path, P256DH: b.P256DH(), Auth: b.Auth})
	return b
}

func alarm() channel.Message {
	return channel.Message{
		ID: "01M", Kind: channel.Push, Class: channel.Alarm, Realm: channel.Live, To: "ada", Subject: "▲ Bürgerportal gestört",
		Text: "Bürgerportal ist gestört seit 12:00 Uhr.", Thread: "01ALERT", Link: "https://lage.example/a/tok", Answer: "https://lage.example/a/tok",
		Language: "de", Date: noon, Until: noon.Add(24 * time.Hour),
	}
}

func (w *world) send(t *testing.T, m channel.Message) (channel.Receipt, *channel.Failure) {
	t.Helper()
	rc, err := w.a.Send(ident.WithTenant(t.Context(), "musterstadt"), m)
	if err == nil {
		return rc, nil
	}
	return rc, channel.AsFailure(err)
}

func TestAPushIsReadByTheDeviceAlone(t *testing.T) {
	w := newWorld(t)
	w.browser(t)
	w.browser(t)
	if rc, f := w.send(t, alarm()); f != nil || rc.Reference == "" || strings.Contains(rc.Reference, "/") {
		t.Fatal(rc, f, w.Faults())
	}
	notes := w.Notes()
	if len(notes) != 2 || len(w.Faults()) != 0 {
		t.Fatal(notes, w.Faults())
	}
	for _, n := range notes {
		if n.Urgency != "high" || n.Topic != "01ALERT" || n.TTL != 24*3600 || n.Key != w.who.Public() {
			t.Errorf("%+v", n)
		}
		var got note
		if err := json.Unmarshal(n.Plain, &got); err != nil {
			t.Fatal(err)
		}
		if got.Title != "▲ Bürgerportal gestört" || got.Take != "/a/tok" || got.URL != "/a/tok" || got.Receipt != "/channel/push/01M" || got.Tag != "01ALERT" || !got.Urgent || got.Words.Take != "Übernehmen" {
			t.Errorf("%+v", got)
		}
	}
	if notes[0].Public == notes[1].Public || notes[0].Token != notes[1].Token {
		t.Error("each message has a key of its own, and all of them one token")
	}
	single := alarm()
	single.Class, single.Thread, single.Until = channel.Single, "with space", time.Time{}
	w.later(13 * time.Hour)
	if _, f := w.send(t, single); f != nil {
		t.Fatal(f)
	}
	if n := w.Notes()[2]; n.Urgency != "normal" || n.Topic != "" || n.TTL != 4*3600 || n.Token == notes[0].Token {
		t.Errorf("%+v", n)
	}
}

func TestGoneDevicesAreLetGo(t *testing.T) {
	w := newWorld(t)
	if _, f := w.send(t, alarm()); f == nil || !f.Permanent || f.Reason != "mailbox" {
		t.Error("nobody has a device", f)
	}
	first, second := w.browser(t), w.browser(t)
	w.End(first, 410)
	if _, f := w.send(t, alarm()); f != nil || strings.Join(w.gone, " ") != "0" {
		t.Error(f, w.gone)
	}
	w.End(second, 404)
	if _, f := w.send(t, alarm()); f == nil || !f.Permanent || f.Reason != "mailbox" || strings.Contains(f.Error(), second.Path) {
		t.Error(f)
	}
}

// What a push service answers, and what follows.
func TestPushServiceThatSaysNo(t *testing.T) {
	for _, c := range []struct {
		status int
		retry  string
		want   channel.Failure
		asks   int // a second message at once: how often the service was asked
	}{
		{429, "90", channel.Failure{Reason: "throttled", RetryAfter: 90 * time.Second}, 1},
		{429, noon.Add(time.Minute).Format(http.TimeFormat), channel.Failure{Reason: "throttled", RetryAfter: time.Minute}, 1},
		{503, "", channel.Failure{Reason: "throttled"}, 1},
		{500, "", channel.Failure{Reason: "rejected"}, 1},
		{400, "", channel.Failure{Reason: "rejected", Permanent: true}, 2},
		{301, "", channel.Failure{Reason: "rejected", Permanent: true}, 2},
		{401, "", channel.Failure{Reason: "auth", Permanent: true}, 2},
		{403, "", channel.Failure{Reason: "auth", Permanent: true}, 2},
		{413, "", channel.Failure{Reason: "too_large", Permanent: true}, 2},
	} {
		w := newWorld(t)
		w.browser(t)
		w.Answer(c.status, c.retry)
		_, f := w.send(t, alarm())
		if f == nil || f.Reason != c.want.Reason || f.Permanent != c.want.Permanent || f.RetryAfter != c.want.RetryAfter || f.RouteDown || len(w.gone) > 0 {
			t.Errorf("%d: %+v", c.status, f)
		}
		_, f = w.send(t, alarm())
		if n := w.Asked(); f == nil || n != c.asks {
			t.Errorf("%d: asked %d times, %v", c.status, n, f)
		}
		w.Answer(0, "")
		w.later(2 * time.Minute)
		if _, f := w.send(t, alarm()); f != nil {
			t.Errorf("%d: afterwards %v %v", c.status, f, w.Faults())
		}
	}
}

func TestPushServiceThatHangs(t *testing.T) {
	w := newWorld(t)
	w.browser(t)
	w.a.o.Timeout = 50 * time.Millisecond
	free := w.Hang()
	_, f := w.send(t, alarm())
	if f == nil || f.Reason != "timeout" || f.Permanent || f.RouteDown {
		t.Error(f)
	}
	free()
	if _, f = w.send(t, alarm()); f == nil || f.Reason != "throttled" {
		t.Error("it is not left alone", f)
	}
	w.later(time.Minute)
	w.a.o.Timeout = 30 * time.Second
	if _, f = w.send(t, alarm()); f != nil {
		t.Error(f)
	}
}

// A browser tells us where to send, so that is foreign: only https, and only where
// the list allows.
func TestEndpointsAreHeld(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	w.list = fence.List{Public: true}
	if _, f := w.send(t, alarm()); f == nil || f.Reason != "blocked" || !f.Permanent || w.Asked() != 0 {
		t.Error(f, w.Asked())
	}
	w.list = fence.Anywhere()
	w.devices[0].Endpoint = "http://" + strings.TrimPrefix(w.Origin, "https://") + b.Path
	if _, f := w.send(t, alarm()); f == nil || f.Reason != "config" || !f.Permanent || w.Asked() != 0 {
		t.Error(f, w.Asked())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	w.devices[0].Endpoint = "https://" + l.Addr().String() + "/geheimes-stück"
	if _, f := w.send(t, alarm()); f == nil || f.Reason != "connect" || f.Permanent || strings.Contains(f.Error(), "geheim") {
		t.Error(f)
	}
}

func TestPushCarriesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.browser(t)
	for _, change := range []func(*channel.Message){
		func(m *channel.Message) { m.Realm = channel.Exercise },
		func(m *channel.Message) { m.Kind = channel.Mail },
		func(m *channel.Message) { m.ID = "" },
		func(m *channel.Message) { m.To = "" },
	} {
		m := alarm()
		change(&m)
		if _, f := w.send(t, m); f == nil || !f.Permanent || f.Reason != "config" || w.Asked() != 0 {
			t.Error(m, f)
		}
	}
}

// Whatever a message holds, the device reads its beginning, and leads nowhere but
// to our own origin.
func TestI6_PushIsReadWhole(t *testing.T) {
	w := newWorld(t)
	w.browser(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := alarm()
		m.Subject = rapid.StringN(1, 200, 600).Draw(rt, "title")
		m.Text = strings.ToValidUTF8(rapid.OneOf(rapid.String(), rapid.Map(rapid.IntRange(1, 2000), func(n int) string { return strings.Repeat("wörtlich\n", n) })).Draw(rt, "text"), "")
		m.Link = rapid.SampledFrom([]string{"", "/reach", "https://lage.example/alert/01?x=1", "javascript:alert(1)", "//böse.example", "https://lage.example//böse.example", "https://böse.example/pfad"}).Draw(rt, "link")
		if _, f := w.send(t, m); f != nil {
			rt.Fatal(f, w.Faults())
		}
		all := w.Notes()
		var got note
		if err := json.Unmarshal(all[len(all)-1].Plain, &got); err != nil {
			rt.Fatal(err)
		}
		head, cut := strings.CutSuffix(got.Body, "…")
		if got.Title != m.Subject || got.Body != m.Text && (!cut || !strings.HasPrefix(m.Text, head)) && got.Body != "" {
			rt.Fatalf("%q is read as %q", m.Text, got.Body)
		}
		if !strings.HasPrefix(got.URL, "/") || strings.HasPrefix(got.URL, "//") {
			rt.Fatalf("%q leads to %q", m.Link, got.URL)
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	to := Keys{k.PublicKey().Bytes(), make([]byte, 16)}
	text := []byte(strings.Repeat("x", 300))
	for b.Loop() {
		if _, err := Encrypt(text, to); err != nil {
			b.Fatal(err)
		}
	}
}
