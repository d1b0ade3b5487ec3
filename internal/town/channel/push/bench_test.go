package push

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"tuermer/internal/platform/ident"
	"tuermer/internal/town/channel"
)

// taken answers every request at once: what is measured is the message, not the
// network.
type taken struct{ n int }

func (t *taken) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	t.n++
	return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func (t *taken) Do(r *http.Request) (*http.Response, error) { return t.RoundTrip(r) }

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBesidePeer is I6: a message from its text to its request, with a fresh
// key each, ours and webpush-go's in turns, by CPU time of the process.
func BenchmarkBesidePeer(b *testing.B) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	auth, public := make([]byte, 16), k.PublicKey().Bytes()
	text := strings.Repeat("Bürgerportal ist gestört. ", 8)

	private, vapid, err := webpush.GenerateVAPIDKeys()
	if err != nil {
		b.Fatal(err)
	}
	sub := &webpush.Subscription{Endpoint: "https://push.example/wp/x", Keys: webpush.Keys{
		P256dh: base64.RawURLEncoding.EncodeToString(public), Auth: base64.RawURLEncoding.EncodeToString(auth),
	}}
	peerNet, ownNet := &taken{}, &taken{}
	peer := func() {
		resp, err := webpush.SendNotification([]byte(text), sub, &webpush.Options{
			HTTPClient: peerNet, Subscriber: "lage@musterstadt.example", VAPIDPublicKey: vapid, VAPIDPrivateKey: private,
			TTL: 3600, Urgency: webpush.UrgencyHigh, Topic: "01ALERT",
		})
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}

	who, err := NewIdentity(func(int) []byte { return []byte(strings.Repeat("k", 32)) }, "mailto:lage@musterstadt.example")
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(Options{
		Name: "push", Identity: func(context.Context) (*Identity, error) { return who, nil }, Now: time.Now,
		Devices: func(context.Context, string) ([]channel.Device, error) {
			return []channel.Device{{ID: "1", Endpoint: sub.Endpoint, P256DH: public, Auth: auth}}, nil
		},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }, // never called
		Receipt:     func(context.Context, channel.Message) string { return "/channel/push/x" },
	})
	if err == nil {
		a.client.Transport = ownNet
	}
	if err != nil {
		b.Fatal(err)
	}
	ctx := ident.WithTenant(b.Context(), "musterstadt")
	m := channel.Message{ID: "01M", Kind: channel.Push, Class: channel.Alarm, Realm: channel.Live, To: "ada", Subject: "gestört", Text: text, Thread: "01ALERT", Date: time.Now()}
	own := func() {
		if _, err := a.Send(ctx, m); err != nil {
			b.Fatal(err)
		}
	}
	own()
	peer()
	var ownCPU, peerCPU time.Duration
	n := 0
	for b.Loop() {
		for range 20 { // in turns, so that the machine's moods meet both
			at := cpu()
			for range 25 {
				own()
			}
			mid := cpu()
			for range 25 {
				peer()
			}
			ownCPU, peerCPU = ownCPU+mid-at, peerCPU+cpu()-mid
			n += 25
		}
	}
	if ownNet.n != n+1 || peerNet.n != n+1 {
		b.Fatal("not every message became a request", ownNet.n, peerNet.n, n)
	}
	b.ReportMetric(float64(ownCPU.Microseconds())/float64(n), "own-µs")
	b.ReportMetric(float64(peerCPU.Microseconds())/float64(n), "webpush-go-µs")
	b.ReportMetric(float64(ownCPU)/float64(peerCPU), "ratio")
}
